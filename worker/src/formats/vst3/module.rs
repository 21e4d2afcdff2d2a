//! A module: its library, loaded once and for the process's life, and its factory.

use std::ffi::{c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;

use libloading::os::unix::Library;
use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use vst3::Steinberg::{
    FIDString, IPluginFactory, IPluginFactory2, IPluginFactory3, IPluginFactory3Trait,
    IPluginFactoryTrait, kResultOk,
};
use vst3::{ComPtr, Interface};

use super::classes::{self, Class};
use super::host::Host;
use super::ids::ClassId;
use crate::formats::fpu;

/// Both answer with a C++ `bool`, read as a byte: one that is neither 0 nor 1 is no Rust `bool`.
type Entry = unsafe extern "C" fn(*mut c_void) -> u8;
type Exit = unsafe extern "C" fn() -> u8;
type GetFactory = unsafe extern "system" fn() -> *mut IPluginFactory;

/// A loaded module. Its library stays: plugins leave threads behind that still run its code.
pub struct Module {
    factory: Option<ComPtr<IPluginFactory>>,
    exit: Option<Exit>,
    /// The plugins it offers, in the factory's order.
    pub classes: Vec<Class>,
}

impl Module {
    /// Loads a library, greets it and reads what it offers.
    ///
    /// # Errors
    /// It cannot be loaded, or is no VST3 module.
    pub fn load(path: &Path, host: &Host) -> Result<Self, Error> {
        let refused = |what: String| {
            Error::new(
                ErrorReason::PluginRefused,
                format!("{} {what}", path.display()),
            )
        };
        let library =
            open(path).map_err(|error| refused(format!("cannot be loaded: {}", reason(&error))))?;
        // SAFETY: the three symbols have these types by the VST3 specification.
        let (entry, exit, get_factory) = unsafe {
            (
                library.get::<Entry>(b"ModuleEntry\0").ok().map(|f| *f),
                library.get::<Exit>(b"ModuleExit\0").ok().map(|f| *f),
                library.get::<GetFactory>(b"GetPluginFactory\0").map(|f| *f),
            )
        };
        let get_factory = get_factory.map_err(|_| {
            refused("is no VST3 module: it has no function GetPluginFactory".into())
        })?;
        let handle = library.into_raw();
        if let Some(entry) = entry {
            // SAFETY: its own handle, as the specification asks for on Linux.
            let greeted = fpu::guarded(|| unsafe { entry(handle) });
            if greeted == 0 {
                return Err(refused(
                    "refused to start (ModuleEntry returned false)".into(),
                ));
            }
        }
        // From here on it is said goodbye to, whatever happens.
        let mut module = Self {
            factory: None,
            exit,
            classes: Vec::new(),
        };
        // SAFETY: the module has been greeted; it returns a factory we own, or null.
        let factory = fpu::guarded(|| unsafe { ComPtr::from_raw(get_factory()) });
        let factory = factory.ok_or_else(|| refused("has no factory".into()))?;
        if let Some(third) = factory.cast::<IPluginFactory3>() {
            // SAFETY: the host's context lives as long as the process.
            fpu::guarded(|| unsafe { third.setHostContext(host.context()) });
        }
        module.classes = classes::read(&factory);
        module.factory = Some(factory);
        Ok(module)
    }

    /// Makes an object of a class, seen as interface `I`.
    pub fn create<I: Interface>(&self, class: ClassId) -> Option<ComPtr<I>> {
        let factory = self.factory.as_ref()?;
        let mut object: *mut c_void = std::ptr::null_mut();
        let interface = I::IID;
        let iid: FIDString = interface.as_ptr().cast::<c_char>();
        // SAFETY: both ids are 16 bytes; the object is ours where the call succeeds.
        let result = fpu::guarded(|| unsafe {
            factory.createInstance(class.as_ptr(), iid, &raw mut object)
        });
        if result != kResultOk {
            return None;
        }
        let object = NonNull::new(object)?;
        // SAFETY: as above.
        unsafe { ComPtr::from_raw(object.as_ptr().cast()) }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        self.factory = None;
        if let Some(exit) = self.exit {
            // SAFETY: greeted in `load`; all its objects are gone, since they hold the module.
            fpu::guarded(|| unsafe { exit() });
        }
    }
}

/// Loads a library with all its symbols, so that none is looked for on the audio thread; and where
/// it lacks some it may never call (dataexchange of the SDK 3.7), without.
fn open(path: &Path) -> Result<Library, libloading::Error> {
    let with = |binding| {
        // SAFETY: running its initialisers is what loading a plugin means; the jail stands.
        fpu::guarded(|| unsafe { Library::open(Some(path), binding | libc::RTLD_LOCAL) })
    };
    with(libc::RTLD_NOW).or_else(|error| with(libc::RTLD_LAZY).map_err(|_| error))
}

/// What the loader says, which the error itself keeps to its source.
fn reason(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

/// The second and third version of a factory, where it has them.
pub fn versions(
    factory: &ComPtr<IPluginFactory>,
) -> (
    Option<ComPtr<IPluginFactory2>>,
    Option<ComPtr<IPluginFactory3>>,
) {
    (factory.cast(), factory.cast())
}
