//! The functions of AudioToolbox and Core Foundation, loaded at run time.
//!
//! On macOS they are the system's. Anywhere else a component bundle may bring a library that has
//! all of them and the units as well, as `Contents/Linux/libAudioToolbox.so`: this is how the
//! tests simulate a Mac. Such a library is what any plugin is, code that the caller named, and
//! runs in the same jail.

use std::ffi::c_void;
use std::path::{Path, PathBuf};

use libloading::Library;
use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use super::abi::*;

/// Where the system has the functions.
const FRAMEWORKS: [&str; 2] = [
    "/System/Library/Frameworks/AudioToolbox.framework/AudioToolbox",
    "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation",
];
/// Where a bundle brings them itself, on systems that have none.
const SIMULATED: &str = "Contents/Linux/libAudioToolbox.so";

macro_rules! functions {
    ($($field:ident = $name:literal ($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions used; Apple's documentation describes them.
        pub struct Toolbox {
            $(pub $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Toolbox {
            /// Loads the functions, for the life of the process.
            ///
            /// # Errors
            /// This system has none, and neither has the bundle.
            pub fn load(bundle: &Path) -> Result<&'static Self, Error> {
                let libraries = libraries(bundle)?;
                Ok(Box::leak(Box::new(Self {
                    $($field: {
                        let name = concat!($name, "\0").as_bytes();
                        // SAFETY: the type is the one that Apple's headers declare for this name.
                        let found = libraries.iter().find_map(|library| unsafe {
                            library.get(name).ok()
                        });
                        *found.ok_or_else(|| missing($name))?
                    },)*
                })))
            }
        }
    };
}

functions! {
    component_find_next = "AudioComponentFindNext"
        (AudioComponent, *const AudioComponentDescription) -> AudioComponent;
    component_copy_name = "AudioComponentCopyName" (AudioComponent, *mut CFStringRef) -> OSStatus;
    component_get_description = "AudioComponentGetDescription"
        (AudioComponent, *mut AudioComponentDescription) -> OSStatus;
    component_get_version = "AudioComponentGetVersion" (AudioComponent, *mut u32) -> OSStatus;
    component_register = "AudioComponentRegister"
        (*const AudioComponentDescription, CFStringRef, u32, AudioComponentFactoryFunction)
        -> AudioComponent;
    instance_new = "AudioComponentInstanceNew" (AudioComponent, *mut AudioUnit) -> OSStatus;
    instance_dispose = "AudioComponentInstanceDispose" (AudioUnit) -> OSStatus;
    initialize = "AudioUnitInitialize" (AudioUnit) -> OSStatus;
    uninitialize = "AudioUnitUninitialize" (AudioUnit) -> OSStatus;
    get_property_info = "AudioUnitGetPropertyInfo"
        (AudioUnit, u32, u32, u32, *mut u32, *mut Boolean) -> OSStatus;
    get_property = "AudioUnitGetProperty"
        (AudioUnit, u32, u32, u32, *mut c_void, *mut u32) -> OSStatus;
    set_property = "AudioUnitSetProperty"
        (AudioUnit, u32, u32, u32, *const c_void, u32) -> OSStatus;
    add_property_listener = "AudioUnitAddPropertyListener"
        (AudioUnit, u32, AudioUnitPropertyListenerProc, *mut c_void) -> OSStatus;
    get_parameter = "AudioUnitGetParameter" (AudioUnit, u32, u32, u32, *mut f32) -> OSStatus;
    set_parameter = "AudioUnitSetParameter" (AudioUnit, u32, u32, u32, f32, u32) -> OSStatus;
    render = "AudioUnitRender"
        (AudioUnit, *mut u32, *const AudioTimeStamp, u32, u32, *mut AudioBufferList) -> OSStatus;
    reset = "AudioUnitReset" (AudioUnit, u32, u32) -> OSStatus;
    midi_event = "MusicDeviceMIDIEvent" (AudioUnit, u32, u32, u32, u32) -> OSStatus;
    sysex = "MusicDeviceSysEx" (AudioUnit, *const u8, u32) -> OSStatus;
    event_listener_create = "AUEventListenerCreate"
        (AUEventListenerProc, *mut c_void, CFTypeRef, CFStringRef, f32, f32,
         *mut AUEventListenerRef) -> OSStatus;
    event_listener_add = "AUEventListenerAddEventType"
        (AUEventListenerRef, *mut c_void, *const AudioUnitEvent) -> OSStatus;

    cf_release = "CFRelease" (CFTypeRef);
    cf_get_type_id = "CFGetTypeID" (CFTypeRef) -> usize;
    string_type = "CFStringGetTypeID" () -> usize;
    array_type = "CFArrayGetTypeID" () -> usize;
    dictionary_type = "CFDictionaryGetTypeID" () -> usize;
    number_type = "CFNumberGetTypeID" () -> usize;
    string_create = "CFStringCreateWithBytes"
        (CFTypeRef, *const u8, CFIndex, u32, Boolean) -> CFStringRef;
    string_length = "CFStringGetLength" (CFStringRef) -> CFIndex;
    string_bytes = "CFStringGetBytes"
        (CFStringRef, CFRange, u32, u8, Boolean, *mut u8, CFIndex, *mut CFIndex) -> CFIndex;
    array_count = "CFArrayGetCount" (CFArrayRef) -> CFIndex;
    array_at = "CFArrayGetValueAtIndex" (CFArrayRef, CFIndex) -> *const c_void;
    dictionary_get = "CFDictionaryGetValue" (CFDictionaryRef, *const c_void) -> *const c_void;
    number_get = "CFNumberGetValue" (CFTypeRef, CFIndex, *mut c_void) -> Boolean;
    data_create = "CFDataCreate" (CFTypeRef, *const u8, CFIndex) -> CFDataRef;
    data_length = "CFDataGetLength" (CFDataRef) -> CFIndex;
    data_bytes = "CFDataGetBytePtr" (CFDataRef) -> *const u8;
    plist_to_data = "CFPropertyListCreateData"
        (CFTypeRef, CFTypeRef, CFIndex, usize, *mut CFTypeRef) -> CFDataRef;
    plist_from_data = "CFPropertyListCreateWithData"
        (CFTypeRef, CFDataRef, usize, *mut CFIndex, *mut CFTypeRef) -> CFTypeRef;
    run_loop_run = "CFRunLoopRunInMode" (CFStringRef, f64, Boolean) -> i32;
}

fn libraries(bundle: &Path) -> Result<Vec<&'static Library>, Error> {
    let paths: Vec<PathBuf> = if cfg!(target_os = "macos") {
        FRAMEWORKS.map(PathBuf::from).into()
    } else {
        let simulated = bundle.join(SIMULATED);
        if bundle.as_os_str().is_empty() || !simulated.is_file() {
            return Err(Error::unsupported(
                "AudioUnits need macOS, whose AudioToolbox hosts them; this system has none",
            ));
        }
        vec![simulated]
    };
    let load = |path: PathBuf| {
        // SAFETY: a framework of the system, or code that the caller named to be run, here in its
        // jail.
        let library = unsafe { Library::new(&path) }.map_err(|error| {
            Error::new(
                ErrorReason::PluginRefused,
                format!("{} cannot be loaded: {error}", path.display()),
            )
        })?;
        let library: &'static Library = Box::leak(Box::new(library));
        Ok(library)
    };
    paths.into_iter().map(load).collect()
}

fn missing(name: &str) -> Error {
    Error::unsupported(format!("AudioToolbox has no {name}; it is too old"))
}
