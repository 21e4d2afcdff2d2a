//! LV2 plugins for plugpen's own tests: good ones whose output can be computed by hand, and
//! villains that die, hang or misbehave on demand. One library, one bundle (`plugpen-test.lv2`
//! beside this crate's sources holds its Turtle), a URI `urn:plugpen:test:NAME` for each.
//!
//! | name | does |
//! |---|---|
//! | `parameter` | its output is its parameter; ranges, steps, a switch and two presets |
//! | `gain` | stereo gain with a bypass of its own |
//! | `midi` | echoes MIDI, makes some itself, and clicks where events arrive |
//! | `latency` | a delay that reports itself as latency |
//! | `beep` | a sine for each note |
//! | `transport` | its output is the transport it was told |
//! | `sidechain` | multiplies its input with its sidechain |
//! | `counter` | counts frames, and keeps the count in its state |
//! | `villain` | does a deed in `run`, `save`, `restore` or `cleanup` ([`villain::Deed`]) |
//! | `born-*` | does a deed while it is instantiated |

mod beep;
mod counter;
mod gain;
mod kit;
mod latency;
mod midi;
mod parameter;
mod sidechain;
mod transport;
pub mod villain;

use kit::{Table, descriptor};
use lv2_sys::LV2_Descriptor;

static DESCRIPTORS: Table<15> = Table([
    descriptor::<parameter::Parameter>(),
    descriptor::<gain::Gain>(),
    descriptor::<midi::Midi>(),
    descriptor::<latency::Latency>(),
    descriptor::<beep::Beep>(),
    descriptor::<transport::Transport>(),
    descriptor::<sidechain::Sidechain>(),
    descriptor::<counter::Counter>(),
    descriptor::<villain::Villain>(),
    descriptor::<villain::BornCrashing>(),
    descriptor::<villain::BornExiting>(),
    descriptor::<villain::BornHanging>(),
    descriptor::<villain::BornRefusing>(),
    descriptor::<villain::BornSlow>(),
    descriptor::<villain::BornPrinting>(),
]);

/// The entry point that LV2 hosts look for: the plugin at `index`, or null past the last.
///
/// # Safety
/// None needed: it only reads a static table.
// SAFETY: no other code defines a symbol of this name in this library.
#[unsafe(no_mangle)]
pub extern "C" fn lv2_descriptor(index: u32) -> *const LV2_Descriptor {
    usize::try_from(index)
        .ok()
        .and_then(|index| DESCRIPTORS.0.get(index))
        .map_or(std::ptr::null(), std::ptr::from_ref)
}
