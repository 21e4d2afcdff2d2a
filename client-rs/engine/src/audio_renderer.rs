//! Rendering audio through effects.

use plugpen_proto::Error;
use plugpen_proto::event::{Event, EventList};

use crate::midi_renderer::RenderOptions;
use crate::offline::{BlockSource, RenderedBlock, Run};
use crate::processor::{BlockInput, BlockProcessor, Io, Planes};
use crate::schedule::frames;
use crate::tempo_map::TempoMap;

/// What goes into a processor from start to end. Channels may differ in length; what is missing is
/// silence.
#[derive(Debug, Clone, Copy, Default)]
pub struct AudioInput<'a> {
    /// The main input, `[channel][frame]`.
    pub audio: &'a [&'a [f32]],
    /// The sidechain input, `[channel][frame]`.
    pub sidechain: &'a [&'a [f32]],
    /// MIDI and parameter changes with offsets from the start, in any order.
    pub events: Option<&'a EventList>,
    /// Where the playhead comes from; without it the processor keeps its own transport.
    pub tempo_map: Option<&'a TempoMap>,
}

impl AudioInput<'_> {
    /// Frames of the longest channel of the main input.
    pub fn frames(&self) -> usize {
        self.audio
            .iter()
            .map(|plane| plane.len())
            .max()
            .unwrap_or(0)
    }
}

struct AudioSource<'a> {
    input: AudioInput<'a>,
    /// The events' positions in order of their offsets.
    order: Vec<usize>,
    next: usize,
    sample_rate: f64,
    events: EventList,
    /// The end of a channel, made up to a block with silence.
    padding: Vec<Vec<f32>>,
}

impl AudioSource<'_> {
    fn event(&self, position: usize) -> Option<Event<'_>> {
        self.input.events?.get(*self.order.get(position)?)
    }
}

impl BlockSource for AudioSource<'_> {
    fn submit(
        &mut self,
        start: u64,
        frames: usize,
        to: &mut dyn BlockProcessor,
    ) -> Result<(), Error> {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        while let Some(mut event) = self.event(self.next) {
            let offset = u64::from(event.offset).saturating_sub(start);
            let Some(offset) = u32::try_from(offset)
                .ok()
                .filter(|offset| usize::try_from(*offset).is_ok_and(|offset| offset < frames))
            else {
                break;
            };
            event.offset = offset;
            events.push(event);
            self.next += 1;
        }
        let begin = usize::try_from(start).unwrap_or(usize::MAX);
        let inputs = self.input.audio.iter().chain(self.input.sidechain);
        for (plane, padding) in inputs.clone().zip(&mut self.padding) {
            pad(plane, begin, frames, padding);
        }
        let planes: Vec<_> = inputs
            .zip(&self.padding)
            .map(|(plane, padding)| match plane.get(begin..) {
                Some(rest) if rest.len() >= frames => &rest[..frames],
                _ => &padding[..],
            })
            .collect();
        let (audio, sidechain) = planes.split_at(self.input.audio.len());
        let submitted = to.submit(&BlockInput {
            frames,
            audio: Planes::F32(audio),
            sidechain: Planes::F32(sidechain),
            events: &events,
            transport: self
                .input
                .tempo_map
                .map(|map| map.transport_at(start, self.sample_rate)),
        });
        self.events = events;
        submitted
    }

    fn rewind(&mut self) {
        self.next = 0;
    }
}

/// Makes the block of a channel that ends within it, or has ended before.
fn pad(plane: &[f32], begin: usize, frames: usize, padding: &mut Vec<f32>) {
    let rest = plane.get(begin..).unwrap_or_default();
    if rest.len() < frames {
        padding.clear();
        padding.extend_from_slice(rest);
        padding.resize(frames, 0.0);
    }
}

fn prepare<'a>(
    input: AudioInput<'a>,
    io: &Io,
    options: &RenderOptions,
) -> Result<(Run, AudioSource<'a>), Error> {
    let tail = options
        .tail
        .seconds(io.tail_seconds, options.max_tail_seconds)?;
    let length = u64::try_from(input.frames()).unwrap_or(u64::MAX);
    let silence = options.tail_watch(length)?;
    let total = length.saturating_add(frames(tail, io.sample_rate));
    let run = Run::new(io, options.block_size, options.look_ahead, total, silence)?;
    let events = input.events;
    let mut order: Vec<_> = (0..events.map_or(0, EventList::len)).collect();
    order.sort_by_key(|position| {
        events
            .and_then(|events| events.get(*position))
            .map(|e| e.offset)
    });
    let source = AudioSource {
        input,
        order,
        next: 0,
        sample_rate: io.sample_rate,
        events: EventList::new(),
        padding: vec![Vec::new(); input.audio.len() + input.sidechain.len()],
    };
    Ok((run, source))
}

/// Renders audio through a processor, `[channel][frame]`, latency compensated: as many frames as
/// went in, and the tail.
///
/// # Errors
/// `InvalidInput` for a block size, tail or threshold out of range; `LimitReached` if memory does
/// not suffice; whatever the processor fails with.
pub fn process_audio<P: BlockProcessor + ?Sized>(
    processor: &mut P,
    input: AudioInput<'_>,
    options: &RenderOptions,
) -> Result<Vec<Vec<f32>>, Error> {
    let (mut run, mut source) = prepare(input, &processor.io(), options)?;
    run.rest(processor, &mut source)
}

/// The same, handed over a block at a time.
///
/// # Errors
/// As [`process_audio`], and whatever `on_block` fails with.
pub fn process_audio_each<P: BlockProcessor + ?Sized>(
    processor: &mut P,
    input: AudioInput<'_>,
    options: &RenderOptions,
    on_block: &mut dyn FnMut(RenderedBlock<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut run, mut source) = prepare(input, &processor.io(), options)?;
    run.each(processor, &mut source, on_block)
}
