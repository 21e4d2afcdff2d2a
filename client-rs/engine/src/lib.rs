//! plugpen's engine: the logic between audio and plugins, with no plugin and no socket in it.
//!
//! Everything that turns blocks into blocks is a [`BlockProcessor`]: a plugin in another process
//! through its ring, a [`Chain`] of processors, a test's twelve lines. The life of a render:
//!
//! 1. A processor says what it takes and gives ([`BlockProcessor::io`]).
//! 2. A [`MidiFile`] is read or made, and how to render it is chosen ([`RenderOptions`], [`Tail`]).
//! 3. A [`MidiRenderer`] (or [`process_audio`], for effects) keeps as many blocks in flight as the
//!    processor can hold, so that a chain of plugins works in all its processes at once.
//! 4. Blocks come out in order, without the latency, and go into an array or an [`AudioWriter`].
//!
//! ```
//! use std::collections::VecDeque;
//!
//! use plugpen_engine::{
//!     BlockInput, BlockOutput, BlockProcessor, Io, MidiFile, RenderOptions, Tail, render_midi,
//! };
//! use plugpen_proto::Error;
//!
//! /// Takes MIDI, stays silent.
//! struct Mute(VecDeque<usize>);
//!
//! impl BlockProcessor for Mute {
//!     fn io(&self) -> Io {
//!         Io { inputs: 0, accepts_midi: true, ..Io::default() } // 1
//!     }
//!     fn capacity(&self) -> usize {
//!         4
//!     }
//!     fn in_flight(&self) -> usize {
//!         self.0.len()
//!     }
//!     fn done(&mut self) -> Result<usize, Error> {
//!         Ok(self.0.len())
//!     }
//!     fn wait(&mut self, _blocks: usize) -> Result<(), Error> {
//!         Ok(())
//!     }
//!     fn submit(&mut self, block: &BlockInput<'_>) -> Result<(), Error> {
//!         self.0.push_back(block.frames);
//!         Ok(())
//!     }
//!     fn collect(&mut self, _block: &mut BlockOutput<'_>) -> Result<usize, Error> {
//!         Ok(self.0.pop_front().unwrap_or(0))
//!     }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let mut file = MidiFile::new(); // 2
//! file.add_note_on(0, 0, 0, 60, 100)?;
//! file.add_note_off(0, 240, 0, 60, 0)?;
//! let options = RenderOptions { tail: Tail::Seconds(0.5), ..RenderOptions::default() };
//! let mut mute = Mute(VecDeque::new());
//! let audio = render_midi(&mut mute, &file, &options)?; // 3
//! assert_eq!((audio.len(), audio[0].len()), (2, 72_000)); // 4
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod audio_file;
mod audio_renderer;
mod automation;
mod chain;
mod changes;
mod feed;
mod file_render;
mod midi_file;
mod midi_renderer;
mod module_info;
mod offline;
mod partial;
mod processor;
mod renderer;
mod resample;
mod schedule;
mod tail;
mod tempo_map;

pub use audio_file::{
    AudioFormat, AudioInfo, AudioReader, AudioWriter, BitDepth, BroadcastInfo, WriteOptions,
    audio_info, read_audio, write_audio,
};
pub use audio_renderer::{AudioInput, AudioRenderer, AudioSource, AudioStream, process_audio};
pub use automation::{
    AutomationTimes, ParameterChange, Parameters, parse_automation, parse_automation_file,
    parse_param_arg,
};
pub use chain::{Chain, ChainState, DryRoom};
pub use changes::{Automation, ParameterAt};
pub use feed::{AudioFeed, PlanesFeed, fitted};
pub use file_render::{FileOptions, FileRender, whole_rate};
pub use midi_file::{Division, EventKind, MidiEvent, MidiFile};
pub use midi_renderer::{MidiRenderer, MidiSource, MidiStream, RenderOptions, render_midi};
pub use module_info::module_class_id;
pub use offline::RenderedBlock;
pub use partial::write_file;
pub use processor::{
    BlockInput, BlockOutput, BlockProcessor, Channels, Io, Planes, PlanesMut, drain,
};
pub use renderer::{RenderStream, Renderer};
pub use resample::{Quality, Resampler, resample};
pub use schedule::MidiSchedule;
pub use tail::Tail;
pub use tempo_map::{BarPosition, TempoMap};
