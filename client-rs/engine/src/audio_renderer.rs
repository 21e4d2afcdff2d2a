//! Rendering audio through effects, and what else goes into a processor with it.

use plugpen_proto::Error;
use plugpen_proto::event::EventList;

use crate::changes::Automation;
use crate::feed::AudioFeed;
use crate::midi_renderer::RenderOptions;
use crate::offline::{BlockSource, Run};
use crate::processor::{BlockInput, BlockProcessor, Io, Planes};
use crate::renderer::{RenderStream, Renderer};
use crate::schedule::{MidiSchedule, frames};
use crate::tempo_map::TempoMap;

/// Most plugins of a chain that parameter changes may name.
const MOST_PLUGINS: usize = 1024;

/// What goes into a processor from start to end. The render is as long as the longer of the audio
/// and the MIDI, and the tail; what is missing is silence. A MIDI file ends where it does for a
/// [`MidiRenderer`](crate::MidiRenderer), see [`MidiSchedule::frames`].
#[derive(Default)]
pub struct AudioInput<'a> {
    /// The main input.
    pub audio: Option<Box<dyn AudioFeed + 'a>>,
    /// The sidechain input, which may end earlier or be longer.
    pub sidechain: Option<Box<dyn AudioFeed + 'a>>,
    /// MIDI.
    pub midi: MidiSchedule,
    /// Parameter changes.
    pub automation: Automation,
    /// Where the playhead comes from; without it the processor keeps its own transport.
    pub tempo_map: Option<TempoMap>,
}

impl std::fmt::Debug for AudioInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioInput")
            .field("frames", &self.frames())
            .field("midi", &self.midi.len())
            .finish_non_exhaustive()
    }
}

impl AudioInput<'_> {
    /// Frames of audio and MIDI.
    pub fn frames(&self) -> u64 {
        let audio = self.audio.as_ref().map_or(0, |feed| feed.frames());
        audio.max(self.midi.frames())
    }

    /// Checks that no channel is missing. A render takes missing ones for silence.
    ///
    /// # Errors
    /// `InvalidInput` for fewer channels than a processor of this [`Io`] has, or a sidechain for
    /// one that has none.
    pub fn check_channels(&self, io: &Io) -> Result<(), Error> {
        if let Some(audio) = &self.audio
            && audio.channels() < io.inputs
        {
            return Err(Error::invalid(format!(
                "Source audio has {} channel(s) but the plugin requires at least {}",
                audio.channels(),
                io.inputs
            )));
        }
        if let Some(sidechain) = &self.sidechain {
            if io.sidechain == 0 {
                return Err(Error::invalid(
                    "sidechain audio was given, but the plugin has no sidechain: open it with sidechain_channels > 0",
                ));
            }
            if sidechain.channels() < io.sidechain {
                return Err(Error::invalid(format!(
                    "Sidechain audio has {} channel(s) but the plugin requires at least {}",
                    sidechain.channels(),
                    io.sidechain
                )));
            }
        }
        Ok(())
    }
}

/// Audio, and what goes with it, on its way into a processor.
#[derive(Debug)]
pub struct AudioSource<'a> {
    input: AudioInput<'a>,
    sample_rate: f64,
    next_message: usize,
    next_change: usize,
    messages: EventList,
    changes: Vec<EventList>,
    audio: Block,
    sidechain: Block,
    /// Frames that audio which ended early did not have.
    missing: u64,
}

/// Room for a block of a feed.
#[derive(Debug, Default)]
struct Block {
    planes: Vec<Vec<f32>>,
    ended: bool,
}

impl Block {
    /// Reads the next block, made up with silence; returns where it ended.
    fn read(
        &mut self,
        feed: &mut Option<Box<dyn AudioFeed + '_>>,
        frames: usize,
    ) -> Result<usize, Error> {
        let Some(feed) = feed else {
            return Ok(0);
        };
        self.planes.resize_with(feed.channels(), Vec::new);
        for plane in &mut self.planes {
            plane.resize(frames, 0.0);
        }
        let mut read = 0;
        if !self.ended {
            let mut planes: Vec<_> = self.planes.iter_mut().map(Vec::as_mut_slice).collect();
            read = feed.read(&mut planes)?;
            self.ended = read < frames;
        }
        for plane in &mut self.planes {
            plane[read..].fill(0.0);
        }
        Ok(read)
    }

    fn slices(&self) -> Vec<&[f32]> {
        self.planes.iter().map(Vec::as_slice).collect()
    }
}

impl AudioSource<'_> {
    /// Audio that is longer than it says is not wanted, since room was made for what it said;
    /// shorter audio ends there.
    fn read(&mut self, start: u64, frames: usize) -> Result<(), Error> {
        let said = self.input.audio.as_ref().map_or(0, |feed| feed.frames());
        let ended = self.audio.ended;
        let read = self.audio.read(&mut self.input.audio, frames)?;
        let end = start.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if end > said {
            let keep = usize::try_from(said.saturating_sub(start)).unwrap_or(usize::MAX);
            for plane in &mut self.audio.planes {
                let keep = keep.min(plane.len());
                plane[keep..].fill(0.0);
            }
        }
        if self.audio.ended && !ended {
            let end = end.max(self.input.midi.frames());
            self.missing = self.input.frames().saturating_sub(end);
        }
        self.sidechain.read(&mut self.input.sidechain, frames)?;
        Ok(())
    }
}

impl BlockSource for AudioSource<'_> {
    fn submit(
        &mut self,
        start: u64,
        frames: usize,
        to: &mut dyn BlockProcessor,
    ) -> Result<(), Error> {
        self.read(start, frames)?;
        let (midi, automation) = (&self.input.midi, &self.input.automation);
        self.messages.clear();
        midi.play(&mut self.next_message, start, frames, &mut self.messages);
        automation.play(&mut self.next_change, start, frames, &mut self.changes);
        let (audio, sidechain) = (self.audio.slices(), self.sidechain.slices());
        let block = BlockInput {
            frames,
            audio: Planes::F32(&audio),
            sidechain: Planes::F32(&sidechain),
            events: &self.messages,
            transport: self
                .input
                .tempo_map
                .as_ref()
                .map(|map| map.transport_at(start, self.sample_rate)),
        };
        to.submit_with(&block, &self.changes)
    }

    fn missing(&self) -> u64 {
        self.missing
    }
}

/// A render of audio, block by block, latency compensated.
pub type AudioRenderer<'a> = Renderer<AudioSource<'a>>;

impl<'a> AudioRenderer<'a> {
    /// A render at its beginning, for a processor of this [`Io`].
    ///
    /// # Errors
    /// `InvalidInput` for a block size, tail or threshold out of range; `Unsupported` for a latency
    /// beyond reason.
    pub fn new(input: AudioInput<'a>, io: &Io, options: &RenderOptions) -> Result<Self, Error> {
        let plugins = input
            .automation
            .changes()
            .iter()
            .map(|change| change.plugin);
        if let Some(plugin) = plugins.max().filter(|plugin| *plugin >= MOST_PLUGINS) {
            return Err(Error::out_of_range("plugin", plugin, MOST_PLUGINS));
        }
        let tail = options
            .tail
            .seconds(io.tail_seconds, options.max_tail_seconds)?;
        let length = input.frames();
        let silence = options.tail_watch(length)?;
        let audio = input.audio.as_ref().map_or(0, |feed| feed.frames());
        let audio = audio.saturating_add(frames(tail, io.sample_rate));
        let total = audio.max(input.midi.frames_with(tail, io.sample_rate));
        Ok(Self {
            run: Run::new(io, options, total, silence)?,
            source: AudioSource {
                input,
                sample_rate: io.sample_rate,
                next_message: 0,
                next_change: 0,
                messages: EventList::new(),
                changes: Vec::new(),
                audio: Block::default(),
                sidechain: Block::default(),
                missing: 0,
            },
            sample_rate: io.sample_rate,
        })
    }
}

/// Renders audio through a processor, `[channel][frame]`, latency compensated: as many frames as
/// went in, and the tail.
///
/// # Errors
/// Those of [`AudioRenderer`].
pub fn process_audio<P: BlockProcessor + ?Sized>(
    processor: &mut P,
    input: AudioInput<'_>,
    options: &RenderOptions,
) -> Result<Vec<Vec<f32>>, Error> {
    AudioRenderer::new(input, &processor.io(), options)?.render_all(processor)
}

/// A render of audio that owns its processor (or a guard of it) and yields blocks,
/// `[channel][frame]`.
pub type AudioStream<'a, P> = RenderStream<P, AudioSource<'a>>;

impl<'a, P: BlockProcessor> AudioStream<'a, P> {
    /// A stream at its beginning.
    ///
    /// # Errors
    /// As [`AudioRenderer::new`].
    pub fn new(
        processor: P,
        input: AudioInput<'a>,
        options: &RenderOptions,
    ) -> Result<Self, Error> {
        let renderer = AudioRenderer::new(input, &processor.io(), options)?;
        Ok(Self {
            renderer,
            processor,
        })
    }
}
