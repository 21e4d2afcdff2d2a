//! Rendering MIDI files.

use plugpen_proto::Error;
use plugpen_proto::event::EventList;

use crate::midi_file::MidiFile;
use crate::offline::{BlockSource, RenderedBlock, Run};
use crate::processor::{BlockInput, BlockProcessor, Io, Planes, drain};
use crate::schedule::{MidiSchedule, frames};
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

#[derive(Debug, Clone)]
struct MidiSource {
    schedule: MidiSchedule,
    tempo_map: TempoMap,
    sample_rate: f64,
    next: usize,
    events: EventList,
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
///
/// It does not own the processor: every call names it, and it must be the same one each time, with
/// nothing else submitting to it while blocks are in flight.
#[derive(Debug, Clone)]
pub struct MidiRenderer {
    run: Run,
    source: MidiSource,
    midi_seconds: f64,
    duration_seconds: f64,
}

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
        let duration_seconds = midi_seconds + tail;
        let silence = options.tail_watch(frames(midi_seconds, io.sample_rate))?;
        let total = frames(duration_seconds, io.sample_rate);
        Ok(Self {
            run: Run::new(io, options, total, silence)?,
            source: MidiSource {
                schedule,
                tempo_map: file.tempo_map(),
                sample_rate: io.sample_rate,
                next: 0,
                events: EventList::new(),
            },
            midi_seconds,
            duration_seconds,
        })
    }

    /// Seconds of MIDI and tail; with [`Tail::Auto`] the most it can become.
    pub fn duration_seconds(&self) -> f64 {
        self.duration_seconds
    }

    /// Seconds to the last channel event.
    pub fn midi_duration_seconds(&self) -> f64 {
        self.midi_seconds
    }

    /// Frames to render; with [`Tail::Auto`] at most.
    pub fn total_samples(&self) -> u64 {
        self.run.total
    }

    /// Frames rendered so far.
    pub fn current_sample(&self) -> u64 {
        self.run.position()
    }

    /// The same in seconds.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn current_time(&self) -> f64 {
        self.run.position() as f64 / self.source.sample_rate
    }

    /// MIDI messages that the processor gave out so far; a render has no place for them.
    pub fn midi_dropped(&self) -> u64 {
        self.run.midi_dropped
    }

    /// Part that is done, 0 to 1; 1 if there is nothing to render. An automatic tail that ends
    /// early stays below 1.
    #[allow(clippy::cast_precision_loss, reason = "a fraction for people")]
    pub fn progress(&self) -> f64 {
        match self.run.total {
            0 => 1.0,
            total => self.run.position() as f64 / total as f64,
        }
    }

    /// Whether there is nothing more to come.
    pub fn is_finished(&self) -> bool {
        self.run.is_finished()
    }

    /// Channels rendered, at least 1; a processor without outputs renders silence.
    pub fn channels(&self) -> usize {
        self.run.channels
    }

    /// Frames of a block.
    pub fn block_size(&self) -> usize {
        self.run.block_size
    }

    /// Frames a second.
    pub fn sample_rate(&self) -> f64 {
        self.source.sample_rate
    }

    /// Frames of latency that are made up for.
    pub fn latency_samples(&self) -> u64 {
        self.run.latency
    }

    /// Renders the next block into `output`, each channel with room for a block; returns its
    /// frames, or `None` at the end. All blocks but the first (with latency) and the last have
    /// `block_size` frames. Blocks until the processor is ready.
    ///
    /// # Errors
    /// `InvalidInput` for too little room; whatever the processor fails with, after which the
    /// render is finished.
    pub fn render_block<P: BlockProcessor + ?Sized>(
        &mut self,
        processor: &mut P,
        output: &mut [&mut [f32]],
    ) -> Result<Option<usize>, Error> {
        self.run.next(processor, &mut self.source, output)
    }

    /// Renders all that is left, `[channel][frame]`, channels empty at the end.
    ///
    /// # Errors
    /// As [`render_block`](Self::render_block); `LimitReached` if memory does not suffice.
    pub fn render_all<P: BlockProcessor + ?Sized>(
        &mut self,
        processor: &mut P,
    ) -> Result<Vec<Vec<f32>>, Error> {
        self.run.rest(processor, &mut self.source)
    }

    /// Renders all that is left, handing it over a block at a time.
    ///
    /// # Errors
    /// As [`render_block`](Self::render_block), and whatever `on_block` fails with.
    pub fn render_each<P: BlockProcessor + ?Sized>(
        &mut self,
        processor: &mut P,
        on_block: &mut dyn FnMut(RenderedBlock<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.run.each(processor, &mut self.source, on_block)
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

/// A render that owns its processor (or a guard of it) and yields blocks, `[channel][frame]`.
///
/// Dropping it takes back what is in flight.
#[derive(Debug)]
pub struct MidiStream<P: BlockProcessor> {
    renderer: MidiRenderer,
    processor: P,
}

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

    /// How far it is.
    pub fn renderer(&self) -> &MidiRenderer {
        &self.renderer
    }
}

impl<P: BlockProcessor> Iterator for MidiStream<P> {
    type Item = Result<Vec<Vec<f32>>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut block = vec![vec![0.0; self.renderer.block_size()]; self.renderer.channels()];
        let mut output: Vec<_> = block.iter_mut().map(|plane| &mut plane[..]).collect();
        match self.renderer.render_block(&mut self.processor, &mut output) {
            Ok(Some(frames)) => {
                block.iter_mut().for_each(|plane| plane.truncate(frames));
                Some(Ok(block))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl<P: BlockProcessor> Drop for MidiStream<P> {
    fn drop(&mut self) {
        drain(&mut self.processor);
    }
}
