//! Plays untrusted audio plugins, each in a sandboxed process of its own.
//!
//! A supervisor daemon, `plugpend`, starts one worker process a plugin. Audio goes through memory
//! that this process shares with the worker, everything else through the daemon. A plugin that
//! crashes, hangs or lies takes its worker with it and nothing else: here that is an [`Error`] with
//! a [`v1::Death`] in it.
//!
//! The life of a plugin:
//!
//! 1. A [`Server`] is connected to: a private daemon that lives as long as this process
//!    ([`Server::shared_default`], [`Server::private`]), or one that runs already
//!    ([`Server::connect`]).
//! 2. It opens a [`Plugin`]: a file, a bundle or a URI, with a sample rate and a largest block
//!    ([`OpenOptions`]).
//! 3. Parameters, state and programs are read and set; what is set is heard from the next block.
//! 4. Blocks are processed one by one ([`Plugin::process`]), in a [`PluginChain`], or as whole
//!    files by the engine ([`render_midi`], [`process_audio`]), which keeps the rings full.
//! 5. What the plugin does by itself is told to callbacks ([`Plugin::set_change_callback`] and its
//!    siblings) on a background thread.
//! 6. When the plugin dies, the call that it died of fails with `PluginCrashed` (or `PluginHung`),
//!    later ones with `PluginDead`, and [`Plugin::restart`] brings it back as it was.
//! 7. [`Plugin::close`] or a drop ends its worker; the server's end ends the daemon, if private.
//!
//! ```
//! use plugpen::{EventList, OpenOptions, Planes, PlanesMut, Server};
//!
//! # fn main() -> plugpen::Result<()> {
//! # // It runs where `./dev test` has set everything up.
//! # if std::env::var_os("PLUGPEN_REAL_PLUGINS").is_none() {
//! #     return Ok(());
//! # }
//! let server = Server::shared_default()?; // 1
//! let plugin = server.open("/usr/lib/lv2/MVerb.lv2", &OpenOptions::default())?; // 2
//! plugin.set_param(plugin.find_param("Mix")?, 0.5)?; // 3
//! let input = vec![0.25f32; 512];
//! let (mut left, mut right) = (vec![0.0f32; 512], vec![0.0f32; 512]);
//! let played = plugin.process(
//!     Planes::F32(&[&input, &input]),
//!     Planes::None,
//!     PlanesMut::F32(&mut [&mut left, &mut right]),
//!     512,
//!     &EventList::new(),
//!     &mut EventList::new(),
//! ); // 4
//! if let Err(error) = played {
//!     eprintln!("{error}");
//!     plugin.restart()?; // 6
//! }
//! plugin.close()?; // 7
//! # Ok(())
//! # }
//! ```
//!
//! All calls block, with a deadline, and all types can be shared between threads. Nothing survives
//! a `fork()`: in the child, calls on what the parent made are refused.
#![forbid(unsafe_code)]

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

mod address;
mod administration;
mod callbacks;
mod chain;
mod checks;
mod connection;
mod core;
mod crashes;
mod daemon;
mod device;
mod dial;
mod door;
mod error;
mod events;
mod journal;
mod midi_in;
mod options;
mod plugin;
mod presets;
mod recordings;
mod render;
mod ring_processor;
mod server;
mod slot;
mod standby;
mod tunnel;

pub use administration::EventStream;
pub use callbacks::{
    CHANGE_LATENCY, CHANGE_NON_PARAM_STATE, CHANGE_PARAM_INFO, CHANGE_PROGRAM, ChangeCallback,
    HostCallbackObserver, Life, LifeCallback, MidiCallback, ParamGestureCallback,
    ParamValueCallback, XrunCallback,
};
pub use chain::{ChainAudio, PluginChain};
pub use crashes::CrashFilter;
pub use daemon::{PrivateOptions, find_program};
pub use device::{AudioDevice, DeviceOptions, DeviceTarget};
pub use dial::ConnectOptions;
pub use error::{Error, Exception, Result, StatusRow};
pub use midi_in::MidiIn;
pub use options::{AudioPath, OpenOptions, sandbox_level, sandbox_mode};
pub use plugin::{BlockReport, Plugin, PluginAudio};
/// The engine itself: MIDI files, tempo maps, rendering, audio files.
pub use plugpen_engine as engine;
pub use plugpen_engine::{
    AudioInput, AudioRenderer, AudioStream, AutomationTimes, BitDepth, BlockInput, BlockOutput,
    BlockProcessor, FileOptions, Io, MidiFile, MidiRenderer, MidiStream, ParameterChange, Planes,
    PlanesMut, RenderOptions, RenderedBlock, Tail, TempoMap, parse_automation_file,
    parse_param_arg,
};
pub use plugpen_proto::VERSION;
pub use plugpen_proto::event::{Event, EventBody, EventList, Note, NoteExpression};
pub use plugpen_proto::fxb;
pub use plugpen_proto::v1;
pub use plugpen_proto::vstpreset::VstPreset;
pub use presets::{
    load_vst2preset, load_vstpreset, read_class_id_from_bundle, read_vst2preset, read_vstpreset,
    save_vst2preset, save_vstpreset, write_vstpreset,
};
pub use recordings::Replay;
pub use render::{
    Playable, process_audio, process_audio_stream, process_audio_to_file, render_midi,
    render_midi_stream, render_midi_to_file,
};
pub use server::{Probed, ScanItem, Server, default_socket};
pub use standby::OnDead;

#[cfg(test)]
mod tests {
    use super::*;

    fn shared_between_threads<T: Send + Sync>() {}

    #[test]
    fn everything_can_be_used_from_any_thread() {
        shared_between_threads::<Server>();
        shared_between_threads::<Plugin>();
        shared_between_threads::<PluginChain>();
        shared_between_threads::<PluginAudio>();
        shared_between_threads::<AudioDevice>();
        shared_between_threads::<MidiIn>();
        shared_between_threads::<ChainAudio>();
        shared_between_threads::<MidiStream<PluginAudio>>();
        shared_between_threads::<Error>();
    }
}
