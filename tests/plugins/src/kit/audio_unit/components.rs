//! The registry of components.

use std::ffi::c_void;
use std::ptr::{from_ref, null_mut};

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

fn entry<'a>(component: AudioComponent) -> &'a Entry {
    let known = AUDIO_UNITS
        .iter()
        .any(|entry| from_ref(entry).addr() == component.addr());
    demand(known, "use components only that AudioToolbox gave");
    // SAFETY: an entry of the static table (checked on the line above).
    unsafe { &*component.cast_const().cast::<Entry>() }
}

exported! {
    fn AudioComponentFindNext(
        after: AudioComponent, wanted: *const AudioComponentDescription
    ) -> AudioComponent {
        // SAFETY: a description.
        let wanted = unsafe { *wanted };
        let first = match after.is_null() {
            true => 0,
            false => 1 + AUDIO_UNITS
                .iter()
                .position(|entry| from_ref(entry).addr() == after.addr())
                .unwrap_or(AUDIO_UNITS.len()),
        };
        let is_meant = |entry: &&Entry| {
            let has = entry.describe();
            [
                (wanted.kind, has.kind),
                (wanted.subtype, has.subtype),
                (wanted.manufacturer, has.manufacturer),
            ]
            .into_iter()
            .all(|(wanted, has)| wanted == 0 || wanted == has)
        };
        let found = AUDIO_UNITS.iter().skip(first).find(is_meant);
        found.map_or(null_mut(), |entry| from_ref(entry).cast_mut().cast())
    }

    fn AudioComponentCopyName(component: AudioComponent, name: *mut CFStringRef) -> OSStatus {
        let title = format!("plugpen: {}", entry(component).about.title);
        // SAFETY: room for the answer.
        unsafe { name.write(objects::string(&title)) };
        0
    }

    fn AudioComponentGetDescription(
        component: AudioComponent, description: *mut AudioComponentDescription
    ) -> OSStatus {
        // SAFETY: room for the answer.
        unsafe { description.write(entry(component).describe()) };
        0
    }

    fn AudioComponentGetVersion(component: AudioComponent, version: *mut u32) -> OSStatus {
        demand(!component.is_null(), "ask a component");
        // SAFETY: room for the answer.
        unsafe { version.write(VERSION) };
        0
    }

    fn AudioComponentRegister(
        _description: *const AudioComponentDescription, _name: CFStringRef, _version: u32,
        _factory: AudioComponentFactoryFunction
    ) -> AudioComponent {
        // Nothing can be added to this simulation.
        null_mut()
    }

    fn AudioComponentInstanceNew(component: AudioComponent, unit: *mut AudioUnit) -> OSStatus {
        let entry = entry(component);
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
