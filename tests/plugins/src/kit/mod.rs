//! The least that turns a small Rust type into a plugin of every format. A plugin says what it is
//! ([`About`]) and plays blocks ([`Block`]); [`lv2`], [`vst2`] and [`vst3`] each put it behind
//! their interface. It is written for tests, not for use as a library: it trusts its host as far
//! as the format's specification lets it, and where the specification forbids a host something, it
//! ends the process with a sentence ([`demand`]).

mod about;
#[cfg(not(target_vendor = "apple"))]
pub mod audio_unit;
mod block;
pub mod lv2;
mod mail;
mod notes;
mod state;
mod values;
pub mod vst2;
pub mod vst3;

use std::ffi::CStr;

pub use about::{About, Bus, Expression, Kind, Parameter, Program};
pub use block::{Block, Sample, Transport};
pub use notes::Note;
pub use values::Values;

/// A plugin, as this crate writes them.
pub trait Plugin: Sized + Send + 'static {
    /// Its LV2 URI, `urn:plugpen:test:NAME`; the other formats use the name.
    const URI: &'static CStr;
    /// What it is.
    const ABOUT: About;
    /// Makes an instance, or refuses.
    fn new() -> Option<Self>;
    /// Clears what playing left behind; `rate` is in frames a second.
    fn activate(&mut self, _rate: f64) {}
    /// Plays.
    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>);
    /// Frames by which it is late, for formats that ask outside of playing.
    fn latency(_values: &Values) -> usize {
        0
    }
    /// Channels that each of its buses wants, where the format lets a plugin change them; `None`
    /// for those that it says it has.
    fn channels(_values: &Values) -> Option<usize> {
        None
    }
    /// What it does by itself when a parameter has been set: a gesture on another one.
    fn answer(_set: usize, _values: &Values) -> Option<Gesture> {
        None
    }
    /// The state that no parameter shows.
    fn save(&self, _values: &Values) -> Vec<u8> {
        Vec::new()
    }
    /// Reads that state.
    fn restore(&mut self, _values: &Values, _bytes: &[u8]) {}
    /// Runs just before the instance is freed.
    fn close(&mut self, _values: &Values) {}
}

/// A parameter that a plugin takes, moves and lets go of.
pub struct Gesture {
    /// The parameter.
    pub index: usize,
    /// Its plain value then.
    pub plain: f64,
}

/// The last part of a plugin's URI.
pub fn name<P: Plugin>() -> &'static str {
    let uri = P::URI.to_str().unwrap_or_default();
    uri.rsplit(':').next().unwrap_or(uri)
}

/// Ends the process if the host did what the format forbids; tests see the sentence.
#[track_caller]
pub fn demand(kept: bool, rule: &str) {
    if !kept {
        let place = std::panic::Location::caller();
        eprintln!("plugpen-test: the host broke a rule: {rule} ({place})");
        std::process::abort();
    }
}
