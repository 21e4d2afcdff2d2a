//! Renders, block by block: what those of MIDI files and those of audio have in common.

use std::path::Path;

use plugpen_proto::Error;

use crate::file_render::{FileOptions, FileRender};
use crate::offline::{BlockSource, RenderedBlock, Run};
use crate::processor::{BlockProcessor, drain};

/// A render, block by block, latency compensated: a [`MidiRenderer`](crate::MidiRenderer) or an
/// [`AudioRenderer`](crate::AudioRenderer).
///
/// It does not own the processor: every call names it, and it must be the same one each time, with
/// nothing else submitting to it while blocks are in flight.
#[derive(Debug, Clone)]
pub struct Renderer<S> {
    pub(crate) run: Run,
    pub(crate) source: S,
    pub(crate) sample_rate: f64,
}

impl<S: BlockSource> Renderer<S> {
    /// Frames to render; with an automatic tail, or a file that is damaged, at most.
    pub fn total_samples(&self) -> u64 {
        self.run.total
    }

    /// Frames rendered so far.
    pub fn current_sample(&self) -> u64 {
        self.run.done()
    }

    /// The same in seconds.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn current_time(&self) -> f64 {
        self.run.done() as f64 / self.sample_rate
    }

    /// Part that is done, 0 to 1; 1 if there is nothing to render. An automatic tail that ends
    /// early stays below 1.
    #[allow(clippy::cast_precision_loss, reason = "a fraction for people")]
    pub fn progress(&self) -> f64 {
        match self.run.total {
            0 => 1.0,
            total => self.run.done() as f64 / total as f64,
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
        self.sample_rate
    }

    /// Frames of latency that are made up for.
    pub fn latency_samples(&self) -> u64 {
        self.run.latency
    }

    /// MIDI messages that the processor gave out so far; a render has no place for them.
    pub fn midi_dropped(&self) -> u64 {
        self.run.midi_dropped
    }

    /// Renders the next block into `output`, each channel with room for a block; returns its
    /// frames, or `None` at the end. All blocks but the first (with latency) and the last have
    /// `block_size` frames. Blocks until the processor is ready.
    ///
    /// # Errors
    /// `InvalidInput` for too little room; whatever the processor or what goes into it fails with,
    /// after which the render is finished.
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

    /// Renders all that is left into an audio file (`.wav` or `.flac`); returns its frames.
    /// `progress` is told the frames done and to do after each block, and again and again with all
    /// of them done while a file is normalised; it may stop the render by an error, which is handed
    /// on. A render that fails leaves no file, or the one that was there.
    ///
    /// # Errors
    /// As [`render_block`](Self::render_block); those of [`FileRender`] and of `progress`.
    pub fn render_to_file<P: BlockProcessor + ?Sized>(
        &mut self,
        processor: &mut P,
        path: impl AsRef<Path>,
        to_file: &FileOptions,
        progress: &mut dyn FnMut(u64, u64) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut file = FileRender::create(path, self.channels(), self.sample_rate, to_file)?;
        self.render_each(processor, &mut |block| {
            file.write(block.audio)?;
            progress(block.done, block.total)
        })?;
        let (done, total) = (self.current_sample(), self.total_samples());
        file.finish_telling(&mut || progress(done, total))
    }
}

/// A render that owns its processor (or a guard of it) and yields blocks, `[channel][frame]`: a
/// [`MidiStream`](crate::MidiStream) or an [`AudioStream`](crate::AudioStream).
///
/// Dropping it takes back what is in flight.
#[derive(Debug)]
pub struct RenderStream<P: BlockProcessor, S> {
    pub(crate) renderer: Renderer<S>,
    pub(crate) processor: P,
}

impl<P: BlockProcessor, S> RenderStream<P, S> {
    /// How far it is.
    pub fn renderer(&self) -> &Renderer<S> {
        &self.renderer
    }
}

impl<P: BlockProcessor, S: BlockSource> Iterator for RenderStream<P, S> {
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

impl<P: BlockProcessor, S> Drop for RenderStream<P, S> {
    fn drop(&mut self) {
        drain(&mut self.processor);
    }
}
