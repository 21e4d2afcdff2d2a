//! The registry of components: this crate's plugins, and what a host registers.

use std::ffi::c_void;
use std::ptr::{from_ref, null_mut};
use std::sync::Mutex;

use super::Entry;
use super::abi::*;
use super::objects::{self, exported};
use super::unit::Sim;
use crate::AUDIO_UNITS;
use crate::kit::demand;

const MANUFACTURER: u32 = code(*b"Plpg");
/// `kAudioUnitErr_FailedInitialization`, as refusing units say.
const REFUSED: OSStatus = -10_875;
/// 1.2.3.
const VERSION: u32 = 0x0001_0203;

impl Entry {
    /// What the unit is known by.
    pub fn describe(&self) -> AudioComponentDescription {
        let about = self.about;
        let kind = if about.synth {
            kind::INSTRUMENT
        } else if about.midi_in {
            kind::MUSIC_EFFECT
        } else if about.inputs.is_empty() {
            kind::GENERATOR
        } else {
            kind::EFFECT
        };
        AudioComponentDescription {
            kind,
            subtype: self.subtype(),
            manufacturer: MANUFACTURER,
            ..AudioComponentDescription::default()
        }
    }

    fn subtype(&self) -> u32 {
        let name = (self.name)();
        let letters = match name.split_once('-') {
            Some((first, second)) => first
                .bytes()
                .take(1)
                .chain(second.bytes())
                .take(4)
                .collect(),
            None => name.bytes().take(4).collect::<Vec<u8>>(),
        };
        letters.try_into().map_or(0, code)
    }
}

/// A component that a host has registered.
struct Registered {
    description: AudioComponentDescription,
    name: String,
    version: u32,
    factory: AudioComponentFactoryFunction,
}

static REGISTERED: Mutex<Vec<&'static Registered>> = Mutex::new(Vec::new());

/// A component, wherever it comes from.
#[derive(Clone, Copy)]
enum Known {
    Entry(&'static Entry),
    Registered(&'static Registered),
}

impl Known {
    fn all() -> Vec<Self> {
        let registered = REGISTERED.lock().unwrap_or_else(|e| e.into_inner());
        let entries = AUDIO_UNITS.iter().map(Self::Entry);
        let registered = registered.iter().copied().map(Self::Registered);
        entries.chain(registered).collect()
    }

    fn of(component: AudioComponent) -> Option<Self> {
        let mut all = Self::all().into_iter();
        all.find(|known| known.handle().addr() == component.addr())
    }

    fn handle(self) -> AudioComponent {
        match self {
            Self::Entry(entry) => from_ref(entry).cast_mut().cast(),
            Self::Registered(registered) => from_ref(registered).cast_mut().cast(),
        }
    }

    fn describe(self) -> AudioComponentDescription {
        match self {
            Self::Entry(entry) => entry.describe(),
            Self::Registered(registered) => registered.description,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Entry(entry) => format!("plugpen: {}", entry.about.title),
            Self::Registered(registered) => registered.name.clone(),
        }
    }
}

fn known(component: AudioComponent) -> Known {
    let known = Known::of(component);
    demand(
        known.is_some(),
        "use components only that AudioToolbox gave",
    );
    known.unwrap_or(Known::Entry(&AUDIO_UNITS[0]))
}

/// What a factory function gives out, as `AudioComponentPlugInInterface` has it.
#[repr(C)]
struct PlugIn {
    open: unsafe extern "C" fn(*mut Self, *mut c_void) -> OSStatus,
    close: unsafe extern "C" fn(*mut Self) -> OSStatus,
    lookup: Option<unsafe extern "C" fn(i16) -> *mut c_void>,
    reserved: *mut c_void,
    /// Not of Apple's: where this simulation finds the unit.
    unit: *mut Sim,
}

unsafe extern "C" fn open(plugin: *mut PlugIn, _instance: *mut c_void) -> OSStatus {
    // SAFETY: what `make` gave out.
    let is_made = unsafe { !(*plugin).unit.is_null() };
    if is_made { 0 } else { REFUSED }
}

unsafe extern "C" fn close(_: *mut PlugIn) -> OSStatus {
    0
}

/// A factory function's work: makes the plugin of a name for a component.
///
/// # Safety
/// A description.
unsafe fn make(name: &str, description: *const AudioComponentDescription) -> *mut c_void {
    let entry = AUDIO_UNITS.iter().find(|entry| (entry.name)() == name);
    let made = entry.and_then(|entry| Some((entry, (entry.make)()?)));
    let Some((entry, plugin)) = made else {
        return null_mut();
    };
    let mut sim = Sim::new(entry, plugin);
    // SAFETY: a description.
    sim.description = unsafe { *description };
    let plugin = PlugIn {
        open,
        close,
        lookup: None,
        reserved: null_mut(),
        unit: Box::into_raw(Box::new(sim)),
    };
    Box::into_raw(Box::new(plugin)).cast()
}

exported! {
    fn PlugpenGainFactory(description: *const AudioComponentDescription) -> *mut c_void {
        // SAFETY: a factory function gets a description.
        unsafe { make("gain", description) }
    }

    fn PlugpenBeepFactory(description: *const AudioComponentDescription) -> *mut c_void {
        // SAFETY: a factory function gets a description.
        unsafe { make("beep", description) }
    }

    fn AudioComponentFindNext(
        after: AudioComponent, wanted: *const AudioComponentDescription
    ) -> AudioComponent {
        // SAFETY: a description.
        let wanted = unsafe { *wanted };
        let all = Known::all();
        let first = match after.is_null() {
            true => 0,
            false => 1 + all
                .iter()
                .position(|known| known.handle().addr() == after.addr())
                .unwrap_or(all.len()),
        };
        let is_meant = |known: &&Known| {
            let has = known.describe();
            [
                (wanted.kind, has.kind),
                (wanted.subtype, has.subtype),
                (wanted.manufacturer, has.manufacturer),
            ]
            .into_iter()
            .all(|(wanted, has)| wanted == 0 || wanted == has)
        };
        let found = all.iter().skip(first).find(is_meant);
        found.map_or(null_mut(), |known| known.handle())
    }

    fn AudioComponentCopyName(component: AudioComponent, name: *mut CFStringRef) -> OSStatus {
        // SAFETY: room for the answer.
        unsafe { name.write(objects::string(&known(component).name())) };
        0
    }

    fn AudioComponentGetDescription(
        component: AudioComponent, description: *mut AudioComponentDescription
    ) -> OSStatus {
        // SAFETY: room for the answer.
        unsafe { description.write(known(component).describe()) };
        0
    }

    fn AudioComponentGetVersion(component: AudioComponent, version: *mut u32) -> OSStatus {
        let number = match known(component) {
            Known::Entry(_) => VERSION,
            Known::Registered(registered) => registered.version,
        };
        // SAFETY: room for the answer.
        unsafe { version.write(number) };
        0
    }

    fn AudioComponentRegister(
        description: *const AudioComponentDescription, name: CFStringRef, version: u32,
        factory: AudioComponentFactoryFunction
    ) -> AudioComponent {
        // SAFETY: a description.
        let description = unsafe { *description };
        demand(
            Known::all().iter().all(|known| known.describe() != description),
            "register what is not known",
        );
        let registered: &'static Registered = Box::leak(Box::new(Registered {
            description,
            name: objects::text(name).to_owned(),
            version,
            factory,
        }));
        REGISTERED.lock().unwrap_or_else(|e| e.into_inner()).push(registered);
        Known::Registered(registered).handle()
    }

    fn AudioComponentInstanceNew(component: AudioComponent, unit: *mut AudioUnit) -> OSStatus {
        let entry = match known(component) {
            Known::Entry(entry) => entry,
            // SAFETY: a factory function, which gets the description of what it is to make.
            Known::Registered(registered) => unsafe {
                let plugin = (registered.factory)(&raw const registered.description);
                let plugin = plugin.cast::<PlugIn>();
                if plugin.is_null() || ((*plugin).open)(plugin, plugin.cast()) != 0 {
                    return REFUSED;
                }
                unit.write((*plugin).unit.cast::<c_void>());
                return 0;
            },
        };
        let Some(plugin) = (entry.make)() else {
            return REFUSED;
        };
        let made = Box::into_raw(Box::new(Sim::new(entry, plugin)));
        // SAFETY: room for the answer.
        unsafe { unit.write(made.cast::<c_void>()) };
        0
    }

    fn AudioComponentInstanceDispose(unit: AudioUnit) -> OSStatus {
        demand(!unit.is_null(), "dispose of a unit once");
        // SAFETY: made by `AudioComponentInstanceNew`, and disposed of once.
        let unit = unsafe { Box::from_raw(unit.cast::<Sim>()) };
        unit.close();
        0
    }
}
