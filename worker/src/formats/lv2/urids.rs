//! The URID extension: URIs as small numbers.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::Mutex;

use lv2_sys::{LV2_URI_Map_Feature, LV2_URID_Map, LV2_URID_Unmap};

use crate::formats::door;

/// Numbers from 1 for URIs, for the life of the process. Any thread may ask; a plugin that asks
/// while it processes has chosen to wait.
#[derive(Debug, Default)]
pub struct Urids {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    numbers: HashMap<&'static CStr, u32>,
    /// Never shrinks, so what `unmap` returned stays.
    uris: Vec<&'static CStr>,
}

/// More distinct URIs than any plugin needs; a runaway plugin gets 0 beyond it, as the
/// specification allows. The event extension has 16 bits for them.
const MOST: usize = u16::MAX as usize;

impl Urids {
    /// The number of a URI; 0 if there are too many.
    pub fn map(&self, uri: &CStr) -> u32 {
        let mut table = self.table.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(number) = table.numbers.get(uri) {
            return *number;
        }
        let Some(number) = u32::try_from(table.uris.len() + 1)
            .ok()
            .filter(|_| table.uris.len() < MOST)
        else {
            return 0;
        };
        let kept: &'static CStr = Box::leak(CString::from(uri).into_boxed_c_str());
        table.numbers.insert(kept, number);
        table.uris.push(kept);
        number
    }

    /// The URI of a number.
    pub fn unmap(&self, number: u32) -> Option<&'static CStr> {
        let table = self.table.lock().unwrap_or_else(|e| e.into_inner());
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        table.uris.get(at).copied()
    }

    /// The interface for plugins and lilv. `self` must outlive it.
    pub fn map_feature(&self) -> LV2_URID_Map {
        LV2_URID_Map {
            handle: std::ptr::from_ref(self).cast_mut().cast(),
            map: Some(map),
        }
    }

    /// The interface of the older extension. See [`Urids::map_feature`].
    pub fn uri_map_feature(&self) -> LV2_URI_Map_Feature {
        LV2_URI_Map_Feature {
            callback_data: std::ptr::from_ref(self).cast_mut().cast(),
            uri_to_id: Some(uri_to_id),
        }
    }

    /// See [`Urids::map_feature`].
    pub fn unmap_feature(&self) -> LV2_URID_Unmap {
        LV2_URID_Unmap {
            handle: std::ptr::from_ref(self).cast_mut().cast(),
            unmap: Some(unmap),
        }
    }
}

/// The interface of the extension that came before: the second argument names a range of numbers,
/// and all of ours are in the smallest, the event extension's.
unsafe extern "C" fn uri_to_id(
    handle: *mut c_void,
    _map: *const c_char,
    uri: *const c_char,
) -> u32 {
    // SAFETY: the handle is the one of `uri_map_feature`.
    unsafe { map(handle, uri) }
}

unsafe extern "C" fn map(handle: *mut c_void, uri: *const c_char) -> u32 {
    // SAFETY: the handle is the one of `map_feature`, whose `Urids` outlives the plugin.
    unsafe {
        door::enter("urid:map", handle.cast::<Urids>(), 0, |urids| {
            if uri.is_null() {
                return 0;
            }
            // SAFETY: the specification wants a C string.
            urids.map(CStr::from_ptr(uri))
        })
    }
}

unsafe extern "C" fn unmap(handle: *mut c_void, number: u32) -> *const c_char {
    // SAFETY: as in `map`.
    unsafe {
        door::enter(
            "urid:unmap",
            handle.cast::<Urids>(),
            std::ptr::null(),
            |urids| urids.unmap(number).map_or(std::ptr::null(), CStr::as_ptr),
        )
    }
}

macro_rules! known {
    ($($name:ident: $uri:expr;)*) => {
        /// Numbers of the URIs the host itself speaks with.
        #[derive(Debug, Clone, Copy)]
        #[allow(missing_docs, reason = "each is named after its URI")]
        pub struct Known { $(pub $name: u32,)* }

        impl Known {
            /// Maps them all.
            pub fn new(urids: &Urids) -> Self {
                Self { $($name: urids.map($uri),)* }
            }
        }
    };
}

known! {
    atom_bool: c"http://lv2plug.in/ns/ext/atom#Bool";
    atom_chunk: c"http://lv2plug.in/ns/ext/atom#Chunk";
    atom_double: c"http://lv2plug.in/ns/ext/atom#Double";
    atom_float: c"http://lv2plug.in/ns/ext/atom#Float";
    atom_int: c"http://lv2plug.in/ns/ext/atom#Int";
    atom_long: c"http://lv2plug.in/ns/ext/atom#Long";
    atom_path: c"http://lv2plug.in/ns/ext/atom#Path";
    atom_string: c"http://lv2plug.in/ns/ext/atom#String";
    atom_uri: c"http://lv2plug.in/ns/ext/atom#URI";
    atom_object: c"http://lv2plug.in/ns/ext/atom#Object";
    atom_blank: c"http://lv2plug.in/ns/ext/atom#Blank";
    atom_sequence: c"http://lv2plug.in/ns/ext/atom#Sequence";
    atom_urid: c"http://lv2plug.in/ns/ext/atom#URID";
    midi_event: c"http://lv2plug.in/ns/ext/midi#MidiEvent";
    patch_set: c"http://lv2plug.in/ns/ext/patch#Set";
    patch_put: c"http://lv2plug.in/ns/ext/patch#Put";
    patch_body: c"http://lv2plug.in/ns/ext/patch#body";
    patch_property: c"http://lv2plug.in/ns/ext/patch#property";
    patch_value: c"http://lv2plug.in/ns/ext/patch#value";
    time_position: c"http://lv2plug.in/ns/ext/time#Position";
    time_frame: c"http://lv2plug.in/ns/ext/time#frame";
    time_speed: c"http://lv2plug.in/ns/ext/time#speed";
    time_bar: c"http://lv2plug.in/ns/ext/time#bar";
    time_bar_beat: c"http://lv2plug.in/ns/ext/time#barBeat";
    time_beat: c"http://lv2plug.in/ns/ext/time#beat";
    time_beat_unit: c"http://lv2plug.in/ns/ext/time#beatUnit";
    time_beats_per_bar: c"http://lv2plug.in/ns/ext/time#beatsPerBar";
    time_beats_per_minute: c"http://lv2plug.in/ns/ext/time#beatsPerMinute";
    log_error: c"http://lv2plug.in/ns/ext/log#Error";
    log_warning: c"http://lv2plug.in/ns/ext/log#Warning";
    log_trace: c"http://lv2plug.in/ns/ext/log#Trace";
    min_block_length: c"http://lv2plug.in/ns/ext/buf-size#minBlockLength";
    max_block_length: c"http://lv2plug.in/ns/ext/buf-size#maxBlockLength";
    nominal_block_length: c"http://lv2plug.in/ns/ext/buf-size#nominalBlockLength";
    sequence_size: c"http://lv2plug.in/ns/ext/buf-size#sequenceSize";
    sample_rate: c"http://lv2plug.in/ns/ext/parameters#sampleRate";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_keeps_its_number_and_back() {
        let urids = Urids::default();
        let known = Known::new(&urids);
        assert_eq!(
            urids.map(c"http://lv2plug.in/ns/ext/atom#Bool"),
            known.atom_bool
        );
        let fresh = urids.map(c"urn:x");
        assert_eq!(urids.unmap(fresh), Some(c"urn:x"));
        assert_eq!((urids.unmap(0), urids.unmap(fresh + 1)), (None, None));
    }

    #[test]
    fn a_plugin_s_nulls_are_survived() {
        let urids = Urids::default();
        let (map, unmap) = (urids.map_feature(), urids.unmap_feature());
        let old = urids.uri_map_feature();
        // SAFETY: the interfaces' own handles and null.
        unsafe {
            assert_eq!(map.map.unwrap()(map.handle, std::ptr::null()), 0);
            assert_eq!(map.map.unwrap()(std::ptr::null_mut(), c"urn:x".as_ptr()), 0);
            let (data, null) = (old.callback_data, std::ptr::null());
            assert_eq!(old.uri_to_id.unwrap()(data, null, null), 0);
            assert_eq!(
                old.uri_to_id.unwrap()(data, null, c"urn:x".as_ptr()),
                map.map.unwrap()(map.handle, c"urn:x".as_ptr())
            );
            assert!(unmap.unmap.unwrap()(unmap.handle, 77).is_null());
        }
    }
}
