//! Rendering MIDI files.

use plugpen_proto::Error;
use plugpen_proto::event::EventList;

use crate::midi_file::MidiFile;
use crate::offline::{BlockSource, Run};
use crate::processor::{BlockInput, BlockProcessor, Io, Planes};
use crate::renderer::{RenderStream, Renderer};
use crate::schedule::MidiSchedule;
use crate::tail::{SilenceWatch, Tail};
use crate::tempo_map::TempoMap;

/// How to render.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderOptions {
    /// Frames of a block, 1 to the processor's `max_block_size`. The processor sees blocks of this
    /// size, the last one shorter.
    pub block_size: usize,
    /// What comes after the last event.
    pub tail: Tail,
    /// Peak below which a block counts as quiet for [`Tail::Auto`].
    pub tail_threshold: f64,
    /// Longest automatic tail, in seconds.
    pub max_tail_seconds: f64,
    /// Most blocks in flight, at least 1; the processor's capacity bounds it too. With 1, nothing
    /// is left in flight between blocks, so that what is done to the plugin in between is heard in
    /// the very next block.
    pub look_ahead: usize,
    /// Whether the latency is rendered in addition and its frames dropped from the beginning.
    pub compensate_latency: bool,
}

impl Default for RenderOptions {
    /// Blocks of 512, the reported tail, -80 dB, 30 s, all that the processor can hold in flight,
    /// latency compensated.
    fn default() -> Self {
        Self {
            block_size: 512,
            tail: Tail::Reported,
            tail_threshold: 1e-4,
            max_tail_seconds: 30.0,
            look_ahead: usize::MAX,
            compensate_latency: true,
        }
    }
}

impl RenderOptions {
    /// Frames of a tail at most, and what listens for its end after `from` frames.
    pub(crate) fn tail_watch(&self, from: u64) -> Result<Option<SilenceWatch>, Error> {
        match self.tail {
            Tail::Auto => SilenceWatch::new(self.tail_threshold, from).map(Some),
            Tail::Reported | Tail::Seconds(_) => Ok(None),
        }
    }
}

/// A MIDI file on its way into a processor.
#[derive(Debug, Clone)]
pub struct MidiSource {
    schedule: MidiSchedule,
    tempo_map: TempoMap,
    sample_rate: f64,
    next: usize,
    events: EventList,
    duration_seconds: f64,
}

impl BlockSource for MidiSource {
    fn submit(
        &mut self,
        start: u64,
        frames: usize,
        to: &mut dyn BlockProcessor,
    ) -> Result<(), Error> {
        self.events.clear();
        self.schedule
            .play(&mut self.next, start, frames, &mut self.events);
        to.submit(&BlockInput {
            frames,
            audio: Planes::None,
            sidechain: Planes::None,
            events: &self.events,
            transport: Some(self.tempo_map.transport_at(start, self.sample_rate)),
        })
    }
}

/// A render of a MIDI file, block by block: latency compensated, with the playhead of the file's
/// tempos at each block.
pub type MidiRenderer = Renderer<MidiSource>;

impl MidiRenderer {
    /// A render at its beginning, of a file as it is now, for a processor of this [`Io`].
    ///
    /// An event on the very last frame boundary has no frame to sound in, which happens to the last
    /// event where the tail is 0.
    ///
    /// # Errors
    /// `InvalidInput` for a block size, tail or threshold out of range; `Unsupported` for a latency
    /// beyond reason.
    pub fn new(file: &MidiFile, io: &Io, options: &RenderOptions) -> Result<Self, Error> {
        let schedule = MidiSchedule::new(file, io.sample_rate);
        let midi_seconds = schedule.length_seconds();
        let tail = options
            .tail
            .seconds(io.tail_seconds, options.max_tail_seconds)?;
        let silence = options.tail_watch(schedule.frames())?;
        let total = schedule.frames_with(tail, io.sample_rate);
        Ok(Self {
            run: Run::new(io, options, total, silence)?,
            source: MidiSource {
                schedule,
                tempo_map: file.tempo_map(),
                sample_rate: io.sample_rate,
                next: 0,
                events: EventList::new(),
                duration_seconds: midi_seconds + tail,
            },
            sample_rate: io.sample_rate,
        })
    }

    /// Seconds of MIDI and tail; with [`Tail::Auto`] the most it can become.
    pub fn duration_seconds(&self) -> f64 {
        self.source.duration_seconds
    }

    /// Seconds to the last channel event.
    pub fn midi_duration_seconds(&self) -> f64 {
        self.source.schedule.length_seconds()
    }

    /// Drops what is in flight and begins again. Resetting the plugin itself is the caller's.
    pub fn reset<P: BlockProcessor + ?Sized>(&mut self, processor: &mut P) {
        self.run.rewind(processor);
        self.source.next = 0;
    }
}

/// Renders a whole MIDI file, `[channel][frame]`.
///
/// # Errors
/// As [`MidiRenderer::new`] and [`MidiRenderer::render_all`].
pub fn render_midi<P: BlockProcessor + ?Sized>(
    processor: &mut P,
    file: &MidiFile,
    options: &RenderOptions,
) -> Result<Vec<Vec<f32>>, Error> {
    MidiRenderer::new(file, &processor.io(), options)?.render_all(processor)
}

/// A render of a MIDI file that owns its processor (or a guard of it) and yields blocks,
/// `[channel][frame]`.
pub type MidiStream<P> = RenderStream<P, MidiSource>;

impl<P: BlockProcessor> MidiStream<P> {
    /// A stream at its beginning.
    ///
    /// # Errors
    /// As [`MidiRenderer::new`].
    pub fn new(processor: P, file: &MidiFile, options: &RenderOptions) -> Result<Self, Error> {
        let renderer = MidiRenderer::new(file, &processor.io(), options)?;
        Ok(Self {
            renderer,
            processor,
        })
    }
}
