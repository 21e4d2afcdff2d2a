//! Plugins for what only LV2 has, written straight against its interface.

mod morph;
mod rooms;

use std::ffi::{c_char, c_void};
use std::ptr;

use lv2_sys::{LV2_Descriptor, LV2_Feature, LV2_Handle};

/// Their descriptors, after those of the plugins that every format has.
pub static TABLE: crate::lv2::Table<2> =
    crate::lv2::Table([descriptor::<morph::Morph>(), descriptor::<rooms::Rooms>()]);

/// A plugin of LV2's own.
trait Plugin: Sized {
    const URI: &'static std::ffi::CStr;
    /// # Safety
    /// `features` is what the host passed to `instantiate`.
    unsafe fn new(features: *const *const LV2_Feature) -> Self;
    /// What the host connected, by port.
    fn ports(&mut self) -> &mut [*mut c_void];
    fn run(&mut self, frames: usize);
    fn extension(_uri: &[u8]) -> *const c_void {
        ptr::null()
    }
}

const fn descriptor<P: Plugin>() -> LV2_Descriptor {
    LV2_Descriptor {
        URI: P::URI.as_ptr(),
        instantiate: Some(instantiate::<P>),
        connect_port: Some(connect_port::<P>),
        activate: None,
        run: Some(run::<P>),
        deactivate: None,
        cleanup: Some(cleanup::<P>),
        extension_data: Some(extension_data::<P>),
    }
}

unsafe extern "C" fn instantiate<P: Plugin>(
    _: *const LV2_Descriptor,
    _: f64,
    _: *const c_char,
    features: *const *const LV2_Feature,
) -> LV2_Handle {
    // SAFETY: LV2 has hosts pass a null-terminated array of features.
    Box::into_raw(Box::new(unsafe { P::new(features) })).cast()
}

/// # Safety
/// `handle` comes from `instantiate::<P>` and is used by one thread at a time, as LV2 demands.
unsafe fn instance<'a, P: Plugin>(handle: LV2_Handle) -> &'a mut P {
    // SAFETY: the caller's promise.
    unsafe { &mut *handle.cast::<P>() }
}

unsafe extern "C" fn connect_port<P: Plugin>(handle: LV2_Handle, port: u32, data: *mut c_void) {
    // SAFETY: LV2's contract for handles.
    let ports = unsafe { instance::<P>(handle) }.ports();
    let slot = usize::try_from(port).ok().and_then(|at| ports.get_mut(at));
    if let Some(slot) = slot {
        *slot = data;
    }
}

unsafe extern "C" fn run<P: Plugin>(handle: LV2_Handle, frames: u32) {
    // SAFETY: LV2's contract for handles.
    let plugin = unsafe { instance::<P>(handle) };
    plugin.run(usize::try_from(frames).unwrap_or(0));
}

unsafe extern "C" fn cleanup<P: Plugin>(handle: LV2_Handle) {
    // SAFETY: made by `Box::into_raw` in `instantiate`; the host passes it here once.
    drop(unsafe { Box::from_raw(handle.cast::<P>()) });
}

unsafe extern "C" fn extension_data<P: Plugin>(uri: *const c_char) -> *const c_void {
    // SAFETY: LV2 has hosts pass a null-terminated string.
    P::extension(unsafe { std::ffi::CStr::from_ptr(uri) }.to_bytes_with_nul())
}
