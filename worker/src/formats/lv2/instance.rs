//! An instantiated plugin.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;
use std::thread::JoinHandle;

use lv2_sys::{LV2_Descriptor, LV2_Handle};
use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use super::host::Host;
use super::lilv::{Lilv, LilvInstance};
use super::world::Plugin;
use crate::formats::{fpu, lent};

const WORKER_INTERFACE: &CStr = c"http://lv2plug.in/ns/ext/worker#interface";

/// The plugin's code and data. Its methods are calls into the plugin; each says which thread may
/// make it.
pub struct Instance {
    lilv: &'static Lilv,
    host: &'static Host,
    instance: NonNull<LilvInstance>,
    descriptor: NonNull<LV2_Descriptor>,
    handle: LV2_Handle,
    worker: Option<JoinHandle<()>>,
}

// SAFETY: the pointers are to the plugin's own memory, valid until `drop`. The plugin allows any
// thread; that calls do not overlap is upheld by who owns the processor (see each method).
unsafe impl Send for Instance {}
// SAFETY: as above; `&Instance` gives no access that overlaps.
unsafe impl Sync for Instance {}

impl Instance {
    /// Loads the plugin's library and instantiates it.
    ///
    /// # Errors
    /// A feature it requires is not offered, its library cannot be loaded, or it refuses.
    pub fn new(plugin: Plugin, host: &'static Host, rate: f64) -> Result<Self, Error> {
        let refused = |why: String| {
            Error::new(
                ErrorReason::PluginRefused,
                format!("createPluginInstance failed: {} {why}", plugin.uri()),
            )
        };
        let missing: Vec<String> = plugin
            .required_features()
            .into_iter()
            .filter(|feature| !host.offers(feature))
            .collect();
        if !missing.is_empty() {
            return Err(refused(format!(
                "requires features that plugpen does not offer: {}",
                missing.join(", ")
            )));
        }
        let library = plugin.library().unwrap_or_default();
        if !library.is_file() {
            return Err(refused(format!(
                "names a library that does not exist: {}",
                library.display()
            )));
        }
        let lilv = plugin.world().lilv();
        let instantiate = || {
            // SAFETY: plugin and features are valid; the host outlives the process's plugin.
            let instance = fpu::guarded(|| unsafe {
                (lilv.plugin_instantiate)(plugin.as_ptr(), rate, host.features())
            });
            NonNull::new(instance)
        };
        let lent = || lent::transforms().then(instantiate).flatten();
        let instance = instantiate().or_else(lent).ok_or_else(|| {
            refused(format!(
                "could not be instantiated from {} at {rate} Hz; its own output says more",
                library.display()
            ))
        })?;
        // SAFETY: lilv fills both fields of an instance it returns.
        let (descriptor, handle) =
            unsafe { ((*instance.as_ptr()).descriptor, (*instance.as_ptr()).handle) };
        let descriptor = NonNull::new(descriptor.cast_mut())
            .ok_or_else(|| refused("has no descriptor".into()))?;
        let mut instance = Self {
            lilv,
            host,
            instance,
            descriptor,
            handle,
            worker: None,
        };
        let interface = instance.extension_data(WORKER_INTERFACE).cast();
        instance.worker = host
            .work
            .start(interface, handle)
            .map_err(|error| refused(format!("needs a thread, and there is none: {error}")))?;
        Ok(instance)
    }

    /// The instance itself, for lilv's states.
    pub fn as_ptr(&self) -> *mut LilvInstance {
        self.instance.as_ptr()
    }

    /// The plugin's own handle.
    pub fn handle(&self) -> LV2_Handle {
        self.handle
    }

    /// An interface of the plugin, null where it has none. Any thread.
    pub fn extension_data(&self, uri: &CStr) -> *const c_void {
        match self.descriptor().extension_data {
            // SAFETY: a C string.
            Some(extension_data) => unsafe { extension_data(uri.as_ptr()) },
            None => std::ptr::null(),
        }
    }

    /// Connects a port. Whoever owns the processor.
    ///
    /// # Safety
    /// `data` is what a port of this kind takes, valid until it is connected anew or never run
    /// again.
    pub unsafe fn connect(&self, port: u32, data: *mut c_void) {
        if let Some(connect) = self.descriptor().connect_port {
            // SAFETY: the caller's promise; the index is a port's.
            unsafe { connect(self.handle, port, data) };
        }
    }

    /// Resets the plugin and makes it ready to run. Whoever owns the processor.
    pub fn activate(&self) {
        if let Some(activate) = self.descriptor().activate {
            // SAFETY: not active, says the caller's state.
            fpu::guarded(|| unsafe { activate(self.handle) });
        }
    }

    /// Ends what [`Instance::activate`] began. Whoever owns the processor.
    pub fn deactivate(&self) {
        if let Some(deactivate) = self.descriptor().deactivate {
            // SAFETY: active, says the caller's state.
            fpu::guarded(|| unsafe { deactivate(self.handle) });
        }
    }

    /// Processes `frames`. Whoever owns the processor; active, all ports connected.
    pub fn run(&self, frames: u32) {
        if let Some(run) = self.descriptor().run {
            // SAFETY: all ports were connected when the processor was made, audio ports anew for
            // this call.
            fpu::guarded(|| unsafe { run(self.handle, frames) });
        }
    }

    fn descriptor(&self) -> &LV2_Descriptor {
        // SAFETY: static data of the plugin's library, loaded until `drop`.
        unsafe { self.descriptor.as_ref() }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.host.work.stop();
        if let Some(worker) = self.worker.take() {
            // A panic there has ended the process already.
            let _ = worker.join();
        }
        // SAFETY: owned; its thread has been joined, so nothing of it runs.
        unsafe { (self.lilv.instance_free)(self.instance.as_ptr()) };
    }
}
