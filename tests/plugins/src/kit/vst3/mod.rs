//! VST3. One module with a class for each plugin. Some are one object, some have their
//! parameters in a second one ([`About::separate`](super::About)), so that hosts meet both.
#![allow(non_snake_case, non_upper_case_globals, reason = "VST3's own names")]

mod component;
mod connection;
mod controller;
mod events;
mod expressions;
mod factory;
mod object;
mod parameters;
mod processor;
mod streams;
mod strings;
mod units;

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use vst3::Steinberg::{FUnknown, IPluginFactory, TUID};
use vst3::{ComPtr, ComWrapper};

use super::{Plugin, demand};

/// Parameters and playing in one object.
const COMBINED: u8 = 0;
/// Playing, where parameters have an object of their own.
const PROCESSOR: u8 = 1;
/// Parameters, where they have an object of their own.
const CONTROLLER: u8 = 2;

/// A plugin of the module.
pub struct Entry {
    title: &'static str,
    uri: &'static std::ffi::CStr,
    is_synth: bool,
    is_separate: bool,
    create: fn(u8) -> Option<ComPtr<FUnknown>>,
}

/// The entry of a plugin.
pub const fn entry<P: Plugin>() -> Entry {
    Entry {
        title: P::ABOUT.title,
        uri: P::URI,
        is_synth: P::ABOUT.synth,
        is_separate: P::ABOUT.separate,
        create: object::create::<P>,
    }
}

static IS_ENTERED: AtomicBool = AtomicBool::new(false);
/// Objects that hosts hold.
static LIVING: AtomicUsize = AtomicUsize::new(0);

/// Begins the module.
pub fn enter(handle: *mut c_void) -> bool {
    demand(!handle.is_null(), "ModuleEntry takes the library's handle");
    demand(
        !IS_ENTERED.swap(true, Ordering::Relaxed),
        "ModuleEntry comes once",
    );
    true
}

/// Ends the module.
pub fn leave() -> bool {
    demand(
        IS_ENTERED.swap(false, Ordering::Relaxed),
        "ModuleExit comes after ModuleEntry",
    );
    demand(
        LIVING.load(Ordering::Relaxed) == 0,
        "all objects are released before ModuleExit",
    );
    true
}

/// The module's factory.
pub fn factory(entries: &'static [Entry]) -> *mut c_void {
    demand(
        IS_ENTERED.load(Ordering::Relaxed),
        "ModuleEntry comes before GetPluginFactory",
    );
    let factory = ComWrapper::new(factory::Factory(entries)).to_com_ptr::<IPluginFactory>();
    factory.map_or(std::ptr::null_mut(), |factory| factory.into_raw().cast())
}

/// The id of a plugin's class: a mark, what it is, and its URI's FNV-1a hash.
const fn class_id(uri: &std::ffi::CStr, role: u8) -> TUID {
    let (bytes, mut hash, mut at) = (uri.to_bytes(), 0xCBF2_9CE4_8422_2325_u64, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x100_0000_01B3);
        at += 1;
    }
    let hash = hash.to_be_bytes();
    let mark = [b'P', b'l', b'u', b'g', b'p', b'e', b'n', b'0' + role];
    let mut id = [0; 16];
    at = 0;
    while at < 8 {
        id[at] = mark[at].cast_signed();
        id[at + 8] = hash[at].cast_signed();
        at += 1;
    }
    id
}
