//! AudioUnit: a simulated AudioToolbox (and Core Foundation) whose units are this crate's
//! plugins, so that a host of AudioUnits runs where there is no Mac. The library is all of it:
//! whoever loads it finds the functions by Apple's names.
//!
//! A plugin's codes are its kind, the first letters of its name, and `Plpg`: `aufx:gain:Plpg`,
//! `aumf:midi:Plpg`, `aufx:bcra:Plpg` for `born-crashing`. A parameter's number is 1000 and its
//! index. A bypass parameter is the unit's bypass property instead. Once the host says what its
//! track is called, parameters' names end with that.

#[expect(
    dead_code,
    reason = "the worker's own declarations, of which this uses a part"
)]
#[path = "../../../../../worker/src/formats/audio_unit/abi.rs"]
mod abi;
mod components;
mod events;
mod exports;
mod objects;
mod parameters;
mod plist;
mod properties;
mod render;
mod unit;

use super::{About, Plugin, name};
use unit::{Adapter, Unit};

/// A plugin that this library can be.
pub struct Entry {
    name: fn() -> &'static str,
    about: &'static About,
    make: fn() -> Option<Box<dyn Unit>>,
}

/// The entry of a plugin.
pub const fn entry<P: Plugin>() -> Entry {
    Entry {
        name: name::<P>,
        about: &P::ABOUT,
        make: Adapter::<P>::make,
    }
}
