//! Pulling a song through a processor as fast as it goes: rings full, latency taken out.

use plugpen_proto::Error;
use plugpen_proto::event::{Event, EventList};
use plugpen_proto::v1::ErrorReason;

use crate::midi_renderer::RenderOptions;
use crate::processor::{BlockProcessor, Io, PlanesMut, collect, drain};
use crate::tail::SilenceWatch;

/// Longest latency that is made up for, in seconds: beyond it a report is taken for nonsense.
pub(crate) const LONGEST_LATENCY: f64 = 600.0;

/// A block that was rendered, on its way to whoever asked for it.
#[derive(Debug, Clone, Copy)]
pub struct RenderedBlock<'a> {
    /// `[channel][frame]`, all channels of one length.
    pub audio: &'a [&'a [f32]],
    /// Frames rendered, this block's included.
    pub done: u64,
    /// Frames there will be; with an automatic tail at most.
    pub total: u64,
}

/// Where the blocks of a run come from.
pub trait BlockSource {
    /// Submits the block of `frames` frames at `start`; blocks come in order, without gaps.
    fn submit(
        &mut self,
        start: u64,
        frames: usize,
        to: &mut dyn BlockProcessor,
    ) -> Result<(), Error>;

    /// Frames by which it turned out to be shorter than was said.
    fn missing(&self) -> u64 {
        0
    }
}

/// A pass through a processor, block by block.
///
/// Frames are counted twice: those fed, from the start of the song, and those yielded, which begin
/// once as many as the latency have been dropped.
#[derive(Debug, Clone)]
pub struct Run {
    pub block_size: usize,
    /// Channels to yield, at least 1.
    pub channels: usize,
    /// Frames to yield.
    pub total: u64,
    /// What that was before the source came to an early end.
    promised: u64,
    pub latency: u64,
    /// Blocks to keep in flight at most.
    look_ahead: usize,
    silence: Option<SilenceWatch>,
    fed: u64,
    taken: u64,
    finished: bool,
    events: EventList,
    /// MIDI that was given out: nobody asked for it.
    pub midi_dropped: u64,
}

impl Run {
    pub fn new(
        io: &Io,
        options: &RenderOptions,
        total: u64,
        silence: Option<SilenceWatch>,
    ) -> Result<Self, Error> {
        let block_size = options.block_size;
        if block_size == 0 {
            return Err(Error::invalid("block_size must be at least 1, got 0"));
        }
        if block_size > io.max_block_size {
            return Err(Error::invalid(format!(
                "block_size {block_size} exceeds max block size {}",
                io.max_block_size
            )));
        }
        let latency = match options.compensate_latency {
            true => u64::try_from(io.latency_samples).unwrap_or(u64::MAX),
            false => 0,
        };
        if latency > crate::schedule::frames(LONGEST_LATENCY, io.sample_rate) {
            return Err(Error::unsupported(format!(
                "the reported latency of {latency} samples is over {LONGEST_LATENCY} seconds"
            )));
        }
        Ok(Self {
            block_size,
            channels: io.outputs.max(1),
            total,
            promised: total,
            latency,
            look_ahead: options.look_ahead.max(1),
            silence,
            fed: 0,
            taken: 0,
            finished: total == 0,
            events: EventList::new(),
            midi_dropped: 0,
        })
    }

    /// Frames yielded so far.
    pub fn position(&self) -> u64 {
        self.taken.saturating_sub(self.latency)
    }

    /// The same, no further than the end.
    pub fn done(&self) -> u64 {
        self.position().min(self.total)
    }

    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Yields the next block into `output`, planes of at least a block each; returns its frames,
    /// or `None` at the end. After an error it is at its end.
    ///
    /// Up to `look_ahead` blocks are left in flight; at the end there are none.
    pub fn next<P: BlockProcessor + ?Sized>(
        &mut self,
        mut processor: &mut P,
        source: &mut dyn BlockSource,
        output: &mut [&mut [f32]],
    ) -> Result<Option<usize>, Error> {
        if output.iter().any(|plane| plane.len() < self.block_size) {
            return Err(Error::invalid(format!(
                "each output channel must have room for a block of {} frames",
                self.block_size
            )));
        }
        let yielded = match self.finished {
            true => Ok(None),
            false => self.advance(&mut processor, source, output),
        };
        if yielded.is_err() {
            self.finished = true;
        }
        if self.finished {
            drain(processor);
        }
        yielded
    }

    fn advance(
        &mut self,
        processor: &mut dyn BlockProcessor,
        source: &mut dyn BlockSource,
        output: &mut [&mut [f32]],
    ) -> Result<Option<usize>, Error> {
        if self.fed == 0 {
            drain(processor);
        }
        loop {
            self.feed(processor, source)?;
            let in_flight = processor.in_flight();
            if in_flight == 0 {
                return Err(Error::bug("a processor lost blocks that were in flight"));
            }
            if processor.done()? == 0 {
                processor.wait(processor.batch().clamp(1, in_flight))?;
            }
            self.events.clear();
            let outputs = processor.io().outputs;
            for plane in output.iter_mut().skip(outputs) {
                plane[..self.block_size].fill(0.0);
            }
            let mut planes: Vec<_> = output.iter_mut().map(|plane| &mut **plane).collect();
            let mut audio = PlanesMut::F32(&mut planes);
            let (frames, dropped) = collect(processor, &mut audio, &mut self.events)?;
            let is_played = |event: &Event<'_>| !event.body.is_parameter();
            let given = self.events.iter().filter(is_played).count();
            self.midi_dropped += dropped + u64::try_from(given).unwrap_or(0);
            if let Some(kept) = self.keep(frames.min(self.block_size), output) {
                return Ok(Some(kept));
            }
            if self.finished {
                return Ok(None);
            }
        }
    }

    /// Keeps `look_ahead` blocks in flight.
    fn feed(
        &mut self,
        processor: &mut dyn BlockProcessor,
        source: &mut dyn BlockSource,
    ) -> Result<(), Error> {
        let room = processor.capacity().min(self.look_ahead);
        let mut end = self.total.saturating_add(self.latency);
        while self.fed < end && processor.in_flight() < room {
            let left = usize::try_from(end - self.fed).unwrap_or(usize::MAX);
            let frames = left.min(self.block_size);
            source.submit(self.fed, frames, processor)?;
            self.fed += u64::try_from(frames).unwrap_or(u64::MAX);
            let total = self.promised.saturating_sub(source.missing());
            end = end - self.total + total;
            self.total = total;
        }
        Ok(())
    }

    /// Drops what belongs to the latency; `None` if nothing is left.
    fn keep(&mut self, frames: usize, output: &mut [&mut [f32]]) -> Option<usize> {
        let skip = self.latency.saturating_sub(self.taken);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(frames);
        self.taken += u64::try_from(frames).unwrap_or(u64::MAX);
        // What lies beyond an early end was fed before that was known.
        let beyond = self.position().saturating_sub(self.total);
        let beyond = usize::try_from(beyond).unwrap_or(usize::MAX);
        let kept = (frames - skip).saturating_sub(beyond);
        if skip > 0 {
            for plane in output.iter_mut() {
                plane.copy_within(skip..frames, 0);
            }
        }
        self.finished = self.position() >= self.total;
        if kept == 0 {
            return None;
        }
        // It listens from the end that was promised: an early one is that much earlier.
        let end = self.done() + (self.promised - self.total);
        let planes = output.iter().map(|plane| &plane[..kept]);
        let silent = self.silence.as_mut().is_some_and(|w| w.ends(end, planes));
        self.finished |= silent;
        Some(kept)
    }

    /// Drops what is in flight and begins again; the source and the processor's own state are the
    /// caller's.
    pub fn rewind<P: BlockProcessor + ?Sized>(&mut self, processor: &mut P) {
        drain(processor);
        self.fed = 0;
        self.taken = 0;
        self.total = self.promised;
        self.midi_dropped = 0;
        self.finished = self.total == 0;
        if let Some(watch) = &mut self.silence {
            watch.reset();
        }
    }

    /// Everything still to come, `[channel][frame]`.
    pub fn rest<P: BlockProcessor + ?Sized>(
        &mut self,
        processor: &mut P,
        source: &mut dyn BlockSource,
    ) -> Result<Vec<Vec<f32>>, Error> {
        let frames = usize::try_from(self.total.saturating_sub(self.position()));
        let mut all = vec![Vec::new(); self.channels];
        for plane in &mut all {
            let reserved = frames
                .map_err(|_| ())
                .and_then(|frames| plane.try_reserve_exact(frames).map_err(|_| ()));
            reserved.map_err(|()| too_long(self.total, self.channels))?;
        }
        self.each(processor, source, &mut |block| {
            for (plane, samples) in all.iter_mut().zip(block.audio) {
                plane.extend_from_slice(samples);
            }
            Ok(())
        })?;
        all.iter_mut().for_each(Vec::shrink_to_fit);
        Ok(all)
    }

    /// Everything still to come, a block at a time; stops and drains at an error of `on_block`.
    pub fn each<P: BlockProcessor + ?Sized>(
        &mut self,
        processor: &mut P,
        source: &mut dyn BlockSource,
        on_block: &mut dyn FnMut(RenderedBlock<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut samples = vec![0.0; self.block_size * self.channels];
        loop {
            let mut output: Vec<_> = samples.chunks_exact_mut(self.block_size).collect();
            let Some(frames) = self.next(processor, source, &mut output)? else {
                return Ok(());
            };
            let audio: Vec<_> = output.iter().map(|plane| &plane[..frames]).collect();
            let block = RenderedBlock {
                audio: &audio,
                done: self.done(),
                total: self.total,
            };
            if let Err(error) = on_block(block) {
                self.finished = true;
                drain(processor);
                return Err(error);
            }
        }
    }
}

fn too_long(frames: u64, channels: usize) -> Error {
    Error::new(
        ErrorReason::LimitReached,
        format!(
            "{channels} channels of {frames} samples do not fit into memory; take them block by block"
        ),
    )
}
