//! LV2. A plugin's ports are numbered: audio inputs, audio outputs, parameters, the latency where
//! it has one, events in (MIDI or the transport), events out. The Turtle says the same.

mod atoms;
mod ports;
mod state;
mod time;

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use lv2_sys::{LV2_Descriptor, LV2_Feature, LV2_Handle, LV2_URID_Map};

use super::block::{Audio, Change, Said, play};
use super::mail::Mail;
use super::{Kind, Plugin, Transport, Values, demand};
use ports::Ports;

/// What a host offers at instantiation.
pub struct Host(pub *const LV2_URID_Map);

impl Host {
    /// The number of a URI, 0 if the host offers no map.
    pub fn urid(&self, uri: &CStr) -> u32 {
        // SAFETY: the host's feature lives as long as the call of `instantiate` that `self`
        // belongs to, and `map` takes any null-terminated string.
        unsafe {
            self.0.as_ref().map_or(0, |feature| {
                feature
                    .map
                    .map_or(0, |map| map(feature.handle, uri.as_ptr()))
            })
        }
    }
}

/// A library's descriptors.
pub struct Table<const N: usize>(pub [LV2_Descriptor; N]);

// SAFETY: the pointers in a descriptor are to constants and functions.
unsafe impl<const N: usize> Sync for Table<N> {}

struct Urids {
    midi: u32,
    sequence: u32,
    chunk: u32,
    state: u32,
    time: time::Urids,
}

struct Instance<P> {
    plugin: P,
    rate: f64,
    is_active: bool,
    ports: Ports,
    values: Values,
    audio: Audio<f32>,
    heard: Mail,
    said: Said,
    changes: Vec<(usize, Change)>,
    transport: Transport,
    urids: Urids,
}

impl<P: Plugin> Instance<P> {
    const FIRST_PARAMETER: usize = P::ABOUT.input_channels() + P::ABOUT.output_channels();

    fn new(rate: f64, host: &Host) -> Option<Self> {
        Some(Self {
            plugin: P::new()?,
            rate,
            is_active: false,
            ports: Ports::default(),
            values: Values::new(P::ABOUT.parameters),
            audio: Audio {
                inputs: Vec::with_capacity(P::ABOUT.input_channels()),
                outputs: Vec::with_capacity(P::ABOUT.output_channels()),
            },
            heard: Mail::new(),
            said: Said::new(),
            changes: Vec::with_capacity(64),
            transport: Transport::UNSAID,
            urids: Urids {
                midi: host.urid(c"http://lv2plug.in/ns/ext/midi#MidiEvent"),
                sequence: host.urid(c"http://lv2plug.in/ns/ext/atom#Sequence"),
                chunk: host.urid(c"http://lv2plug.in/ns/ext/atom#Chunk"),
                state: host.urid(c"urn:plugpen:test#state"),
                time: time::Urids::new(host),
            },
        })
    }

    /// Port numbers of the latency, of events in and of events out.
    fn later_ports() -> [Option<usize>; 3] {
        let about = P::ABOUT;
        let mut next = Self::FIRST_PARAMETER + about.parameters.len();
        let has = [
            about.latency,
            about.midi_in || about.transport,
            about.midi_out,
        ];
        has.map(|has| {
            let port = has.then_some(next);
            next += usize::from(has);
            port
        })
    }

    /// Reads the parameters' ports; the one for bypassing says the opposite.
    fn load_values(&self) {
        for (index, parameter) in P::ABOUT.parameters.iter().enumerate() {
            let value = f64::from(self.ports.control(Self::FIRST_PARAMETER + index));
            let is_bypass = parameter.kind == Kind::Bypass;
            self.values
                .set(index, if is_bypass { 1.0 - value } else { value });
        }
    }

    fn run(&mut self, frames: usize) {
        demand(self.is_active, "activate comes before run");
        self.load_values();
        let [latency, events_in, events_out] = Self::later_ports();
        self.hear(events_in);
        let (inputs, outputs) = (P::ABOUT.input_channels(), P::ABOUT.output_channels());
        self.audio.inputs.clear();
        self.audio.outputs.clear();
        for port in 0..inputs {
            self.audio.inputs.push(self.ports.data(port).cast());
        }
        for port in inputs..inputs + outputs {
            self.audio.outputs.push(self.ports.data(port).cast());
        }
        self.said.clear();
        play(
            &mut self.plugin,
            &self.audio,
            frames,
            &self.heard,
            &mut self.said,
            &self.values,
            &mut self.transport,
            &self.changes,
        );
        if let Some(port) = events_out {
            let mut writer = self.ports.writer(port, self.urids.sequence);
            self.said.midi.sort();
            for (frame, message) in self.said.midi.iter() {
                writer.push(frame, self.urids.midi, message);
            }
        }
        if let Some(port) = latency {
            #[allow(clippy::cast_precision_loss, reason = "test plugins are not that late")]
            self.ports
                .set_control(port, P::latency(&self.values) as f32);
        }
    }

    fn hear(&mut self, port: Option<usize>) {
        self.heard.clear();
        self.changes.clear();
        let mut transport = self.transport;
        for (frame, body) in port.into_iter().flat_map(|port| self.ports.atoms(port)) {
            if body.kind == self.urids.midi {
                self.heard.push(frame, body.bytes);
            } else if self.urids.time.is_position(body) {
                self.urids.time.read(body, &mut transport);
                self.changes.push((frame, Change::Transport(transport)));
            }
        }
    }
}

/// The descriptor of a plugin.
pub const fn descriptor<P: Plugin>() -> LV2_Descriptor {
    LV2_Descriptor {
        URI: P::URI.as_ptr(),
        instantiate: Some(instantiate::<P>),
        connect_port: Some(connect_port::<P>),
        activate: Some(activate::<P>),
        run: Some(run::<P>),
        deactivate: Some(deactivate::<P>),
        cleanup: Some(cleanup::<P>),
        extension_data: Some(extension_data::<P>),
    }
}

/// # Safety
/// `handle` comes from `instantiate::<P>` and is used by one thread at a time, as LV2 demands.
unsafe fn instance<'a, P: Plugin>(handle: LV2_Handle) -> &'a mut Instance<P> {
    // SAFETY: the caller's promise.
    unsafe { &mut *handle.cast::<Instance<P>>() }
}

unsafe extern "C" fn instantiate<P: Plugin>(
    _descriptor: *const LV2_Descriptor,
    rate: f64,
    _bundle_path: *const c_char,
    features: *const *const LV2_Feature,
) -> LV2_Handle {
    // SAFETY: LV2 has hosts pass a null-terminated array of features.
    let map = unsafe { feature(features, lv2_sys::LV2_URID__map) };
    let instance = Instance::<P>::new(rate, &Host(map.cast()));
    instance.map_or(ptr::null_mut(), |instance| {
        Box::into_raw(Box::new(instance)).cast()
    })
}

/// What a feature points to; null where the host does not offer it.
///
/// # Safety
/// `features` is null or a null-terminated array of valid features.
pub unsafe fn feature(features: *const *const LV2_Feature, uri: &[u8]) -> *mut c_void {
    let mut next = features;
    // SAFETY: the caller's promise; the loop ends at the null.
    unsafe {
        while !next.is_null() && !(*next).is_null() {
            if CStr::from_ptr((**next).URI).to_bytes_with_nul() == uri {
                return (**next).data;
            }
            next = next.add(1);
        }
    }
    ptr::null_mut()
}

unsafe extern "C" fn connect_port<P: Plugin>(handle: LV2_Handle, port: u32, data: *mut c_void) {
    // SAFETY: LV2's contract for handles.
    unsafe { instance::<P>(handle) }.ports.connect(port, data);
}

unsafe extern "C" fn activate<P: Plugin>(handle: LV2_Handle) {
    // SAFETY: LV2's contract for handles.
    let instance = unsafe { instance::<P>(handle) };
    demand(!instance.is_active, "activate comes once before deactivate");
    instance.is_active = true;
    instance.plugin.activate(instance.rate);
}

unsafe extern "C" fn run<P: Plugin>(handle: LV2_Handle, frames: u32) {
    // SAFETY: LV2's contract for handles.
    let instance = unsafe { instance::<P>(handle) };
    instance.run(usize::try_from(frames).unwrap_or(0));
}

unsafe extern "C" fn deactivate<P: Plugin>(handle: LV2_Handle) {
    // SAFETY: LV2's contract for handles.
    let instance = unsafe { instance::<P>(handle) };
    demand(instance.is_active, "deactivate comes after activate");
    instance.is_active = false;
}

unsafe extern "C" fn cleanup<P: Plugin>(handle: LV2_Handle) {
    // SAFETY: made by `Box::into_raw` in `instantiate`; the host passes it here once.
    let mut instance = unsafe { Box::from_raw(handle.cast::<Instance<P>>()) };
    demand(!instance.is_active, "deactivate comes before cleanup");
    instance.plugin.close(&instance.values);
}

unsafe extern "C" fn extension_data<P: Plugin>(uri: *const c_char) -> *const c_void {
    // SAFETY: LV2 has hosts pass a null-terminated string.
    let uri = unsafe { CStr::from_ptr(uri) };
    if P::ABOUT.state && uri.to_bytes_with_nul() == lv2_sys::LV2_STATE__interface {
        ptr::from_ref(state::interface::<P>()).cast()
    } else {
        ptr::null()
    }
}
