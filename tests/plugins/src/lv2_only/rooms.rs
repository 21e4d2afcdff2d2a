//! Its outputs are the room that it was offered for events, what became of its wish for more, and
//! whether it could make files when it was made.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use lv2_sys::{
    LV2_Atom_Sequence, LV2_Feature, LV2_Resize_Port_Resize, LV2_State_Free_Path,
    LV2_State_Make_Path, LV2_URID_Map,
};

use crate::lv2::{Host, feature};

const EVENTS_OUT: usize = 1;
const ASK: usize = 2;
/// Outputs: bytes offered, the answer to the wish, bytes that could be written, and what became of
/// the files.
const FIRST_OUTPUT: usize = 3;

pub struct Rooms {
    ports: [*mut c_void; 7],
    resize: *const LV2_Resize_Port_Resize,
    sequence: u32,
    made: f32,
}

impl super::Plugin for Rooms {
    const URI: &'static CStr = c"urn:plugpen:test:rooms";

    unsafe fn new(features: *const *const LV2_Feature) -> Self {
        // SAFETY: the caller's promise; the features are of the types that their names promise.
        unsafe {
            let map = feature(features, lv2_sys::LV2_URID__map);
            let make = feature(features, lv2_sys::LV2_STATE__makePath);
            let free = feature(features, lv2_sys::LV2_STATE__freePath);
            let host = Host(map.cast::<LV2_URID_Map>());
            Self {
                ports: [ptr::null_mut(); 7],
                resize: feature(features, lv2_sys::LV2_RESIZE_PORT__resize).cast(),
                sequence: host.urid(c"http://lv2plug.in/ns/ext/atom#Sequence"),
                made: make_files(make.cast(), free.cast()).unwrap_or(-1.0),
            }
        }
    }

    fn ports(&mut self) -> &mut [*mut c_void] {
        &mut self.ports
    }

    fn run(&mut self, frames: usize) {
        let events = self.ports[EVENTS_OUT].cast::<LV2_Atom_Sequence>();
        // SAFETY: the host connected everything; an output for events begins with its size. What
        // it grants is memory behind that.
        let said = unsafe {
            let offered = (*events).atom.size + 8;
            let ask = self.ports[ASK].cast::<f32>().read();
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 32,768"
            )]
            let wish = ask as usize * 1024;
            let (mut status, mut usable) = (-1.0, 0);
            if let Some(feature) = self.resize.as_ref().filter(|_| wish > 0)
                && let Some(resize) = feature.resize
            {
                let answer = resize(feature.data, 1, wish);
                status = f64::from(answer);
                if answer == 0 {
                    let bytes = std::slice::from_raw_parts_mut(events.cast::<u8>(), wish);
                    bytes[16..].fill(0xA5);
                    usable = bytes[16..].iter().filter(|byte| **byte == 0xA5).count() + 16;
                }
            }
            (*events).atom.size = 8;
            (*events).atom.type_ = self.sequence;
            (*events).body.unit = 0;
            (*events).body.pad = 0;
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "far below 2^25, even"
            )]
            [offered as f32, status as f32, usable as f32, self.made]
        };
        for (port, value) in self.ports[FIRST_OUTPUT..].iter().zip(said) {
            for frame in 0..frames {
                // SAFETY: audio outputs have as many samples as the block has frames.
                unsafe { port.cast::<f32>().add(frame).write(value) };
            }
        }
    }
}

/// Makes files where the host says; a bit for each thing that goes as it should.
///
/// # Safety
/// Both are null or the host's features.
unsafe fn make_files(
    make: *const LV2_State_Make_Path,
    free: *const LV2_State_Free_Path,
) -> Option<f32> {
    // SAFETY: the caller's promise; the host returns null or a path for `free`.
    unsafe {
        let (make, free) = (make.as_ref()?, free.as_ref()?);
        let path = |name: &CStr| -> Option<String> {
            let path: *mut c_char = make.path?(make.handle, name.as_ptr());
            let copied = (!path.is_null()).then(|| CStr::from_ptr(path).to_owned());
            free.free_path?(free.handle, path);
            copied?.into_string().ok()
        };
        let first = path(c"notes/first.txt");
        let written = first.iter().any(|path| std::fs::write(path, "1").is_ok());
        let second = path(c"notes/first.txt");
        let again = second != first && second.is_some();
        let refused = [c"/etc/plugpen", c"../outside"].map(|name| path(name).is_none());
        let bits = [written, again, refused[0], refused[1]];
        let bits = (0u8..).zip(bits);
        Some(f32::from(
            bits.map(|(at, bit)| u8::from(bit) << at).sum::<u8>(),
        ))
    }
}
