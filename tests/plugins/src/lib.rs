//! Plugins for plugpen's own tests, in every format: good ones whose output can be computed by
//! hand, and villains that die, hang or misbehave on demand. One library is all of them:
//!
//! - LV2: the bundle `plugpen-test.lv2` (this crate's sources hold its Turtle), a URI
//!   `urn:plugpen:test:NAME` for each;
//! - VST3: the bundle `plugpen-test.vst3`, a class for each, named by its title;
//! - VST2: the library under the name `plugpen-test-NAME.so` is that plugin; under
//!   `plugpen-test-shell.so` it is a shell of them all, under `plugpen-test-old-gain.so` one
//!   that only adds to its outputs;
//! - AudioUnit: the bundle `plugpen-test.component`, in which it is the whole of a simulated
//!   AudioToolbox (see `kit/audio_unit`).
//!
//! | name | does |
//! |---|---|
//! | `parameter` | its output is its parameter; ranges, steps, a switch and two presets |
//! | `gain` | gain with a bypass of its own |
//! | `midi` | echoes MIDI, makes some itself, and clicks where events arrive |
//! | `notes` | a level for each note, which VST3 note expression moves; gives all of it back |
//! | `latency` | a delay that reports itself as latency |
//! | `echo` | has a tail |
//! | `beep` | a sine for each note |
//! | `transport` | its output is the transport it was told |
//! | `sidechain` | multiplies its input with its sidechain |
//! | `counter` | counts frames, and keeps the count in its state |
//! | `edits` | makes gestures and sets parameters by itself (not in LV2, which has no such thing) |
//! | `villain` | does a deed in `run`, `save`, `restore` or `close` ([`villain::Deed`]) |
//! | `born-*` | does a deed while it is made |
//! | `overrun` | leaves its buffers, or gives numbers that are none |
//! | `attacker` | does any attack by name (`attacks/`) |
//! | `morph` | multiplies with a port that is a control or samples (only in LV2) |
//! | `rooms` | its outputs are the rooms for events and files that it was given (only in LV2) |

mod attacker;
mod attacks;
mod beep;
mod counter;
mod echo;
mod edits;
mod gain;
mod kit;
mod latency;
mod lv2_only;
mod midi;
mod notes;
mod overrun;
mod parameter;
mod sidechain;
mod transport;
pub mod villain;

use std::ffi::c_void;

#[cfg(not(target_vendor = "apple"))]
use kit::audio_unit;
use kit::{lv2, vst2, vst3};
use lv2_sys::LV2_Descriptor;

/// Applies a function of each plugin's type.
macro_rules! each {
    ($($function:ident)::+) => {
        [
            $($function)::+::<parameter::Parameter>(),
            $($function)::+::<gain::Gain>(),
            $($function)::+::<midi::Midi>(),
            $($function)::+::<latency::Latency>(),
            $($function)::+::<echo::Echo>(),
            $($function)::+::<beep::Beep>(),
            $($function)::+::<transport::Transport>(),
            $($function)::+::<sidechain::Sidechain>(),
            $($function)::+::<counter::Counter>(),
            $($function)::+::<edits::Edits>(),
            $($function)::+::<villain::Villain>(),
            $($function)::+::<villain::BornCrashing>(),
            $($function)::+::<villain::BornExiting>(),
            $($function)::+::<villain::BornHanging>(),
            $($function)::+::<villain::BornRefusing>(),
            $($function)::+::<villain::BornSlow>(),
            $($function)::+::<villain::BornPrinting>(),
            $($function)::+::<notes::Notes>(),
            $($function)::+::<attacker::Attacker>(),
            $($function)::+::<overrun::Overrun>(),
        ]
    };
}

const COUNT: usize = 20;

static LV2: lv2::Table<COUNT> = lv2::Table(each!(lv2::descriptor));
static VST2: [vst2::Entry; COUNT] = each!(vst2::entry);
static VST3: [vst3::Entry; COUNT] = each!(vst3::entry);
#[cfg(not(target_vendor = "apple"))]
static AUDIO_UNITS: [audio_unit::Entry; COUNT] = each!(audio_unit::entry);

/// The entry point that LV2 hosts look for: the plugin at `index`, or null past the last.
///
/// # Safety
/// None needed: it only reads a static table.
// SAFETY: no other code defines a symbol of this name in this library.
#[unsafe(no_mangle)]
pub extern "C" fn lv2_descriptor(index: u32) -> *const LV2_Descriptor {
    let mut all = LV2.0.iter().chain(&lv2_only::TABLE.0);
    usize::try_from(index)
        .ok()
        .and_then(|index| all.nth(index))
        .map_or(std::ptr::null(), std::ptr::from_ref)
}

/// The entry point that VST2 hosts look for: the plugin that this file's name says, or null where
/// it refuses to be made.
///
/// # Safety
/// `host` is null or a host's callback, valid as long as the plugin.
// SAFETY: no other code defines a symbol of this name in this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VSTPluginMain(host: Option<vst2::HostCallback>) -> *mut vst2::AEffect {
    // SAFETY: the caller's promise.
    host.map_or(std::ptr::null_mut(), |host| unsafe {
        vst2::open(&VST2, host)
    })
}

/// The entry point that VST3 hosts look for.
// SAFETY: no other code defines a symbol of this name in this library.
#[unsafe(no_mangle)]
pub extern "system" fn GetPluginFactory() -> *mut c_void {
    vst3::factory(&VST3)
}

/// Called once a VST3 host has loaded the library.
// SAFETY: no other code defines a symbol of this name in this library.
#[unsafe(no_mangle)]
pub extern "system" fn ModuleEntry(handle: *mut c_void) -> bool {
    vst3::enter(handle)
}

/// Called before a VST3 host unloads the library.
// SAFETY: no other code defines a symbol of this name in this library.
#[unsafe(no_mangle)]
pub extern "system" fn ModuleExit() -> bool {
    vst3::leave()
}
