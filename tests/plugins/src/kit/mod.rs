//! The least that turns a small Rust type into an LV2 plugin. It is written for tests, not for
//! use as a library: it trusts its host as far as the LV2 specification lets it.

mod atoms;
mod ports;
mod state;

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use lv2_sys::{LV2_Descriptor, LV2_Feature, LV2_Handle, LV2_URID_Map};

pub use atoms::Body;
pub use ports::Ports;
pub use state::{Retrieve, Store};

/// A plugin, as this crate writes them.
pub trait Plugin: Sized + 'static {
    /// The URI in the bundle's Turtle.
    const URI: &'static CStr;
    /// Whether `save` and `restore` are offered to the host.
    const HAS_STATE: bool = false;
    /// Makes an instance, or refuses.
    fn instantiate(host: &Host) -> Option<Self>;
    /// Clears what playing left behind.
    fn activate(&mut self) {}
    /// Plays `frames` frames.
    fn run(&mut self, ports: &Ports, frames: usize);
    /// Writes the state.
    fn save(&self, _ports: &Ports, _store: &mut Store) {}
    /// Reads the state.
    fn restore(&mut self, _ports: &Ports, _retrieve: &Retrieve) {}
    /// Runs just before the instance is freed.
    fn cleanup(&mut self, _ports: &Ports) {}
}

/// What a host offers at instantiation.
pub struct Host {
    /// Frames a second.
    pub rate: f64,
    map: *const LV2_URID_Map,
}

impl Host {
    /// The number of a URI, 0 if the host offers no map.
    pub fn urid(&self, uri: &CStr) -> u32 {
        // SAFETY: the host's feature lives as long as the call of `instantiate` that `self`
        // belongs to, and `map` takes any null-terminated string.
        unsafe {
            self.map.as_ref().map_or(0, |feature| {
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

struct Instance<P> {
    plugin: P,
    ports: Ports,
}

/// The descriptor of a plugin.
pub const fn descriptor<P: Plugin>() -> LV2_Descriptor {
    LV2_Descriptor {
        URI: P::URI.as_ptr(),
        instantiate: Some(instantiate::<P>),
        connect_port: Some(connect_port::<P>),
        activate: Some(activate::<P>),
        run: Some(run::<P>),
        deactivate: None,
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
    let host = Host {
        rate,
        map: map.cast(),
    };
    P::instantiate(&host).map_or(ptr::null_mut(), |plugin| {
        Box::into_raw(Box::new(Instance {
            plugin,
            ports: Ports::default(),
        }))
        .cast()
    })
}

/// # Safety
/// `features` is null or a null-terminated array of valid features.
unsafe fn feature(features: *const *const LV2_Feature, uri: &[u8]) -> *mut c_void {
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
    unsafe { instance::<P>(handle) }.plugin.activate();
}

unsafe extern "C" fn run<P: Plugin>(handle: LV2_Handle, frames: u32) {
    // SAFETY: LV2's contract for handles.
    let Instance { plugin, ports } = unsafe { instance::<P>(handle) };
    let frames = usize::try_from(frames).unwrap_or(0);
    ports.begin(frames);
    plugin.run(ports, frames);
}

unsafe extern "C" fn cleanup<P: Plugin>(handle: LV2_Handle) {
    // SAFETY: made by `Box::into_raw` in `instantiate`; the host passes it here once.
    let mut instance = unsafe { Box::from_raw(handle.cast::<Instance<P>>()) };
    instance.plugin.cleanup(&instance.ports);
}

unsafe extern "C" fn extension_data<P: Plugin>(uri: *const c_char) -> *const c_void {
    // SAFETY: LV2 has hosts pass a null-terminated string.
    let uri = unsafe { CStr::from_ptr(uri) };
    if P::HAS_STATE && uri.to_bytes_with_nul() == lv2_sys::LV2_STATE__interface {
        ptr::from_ref(state::interface::<P>()).cast()
    } else {
        ptr::null()
    }
}
