//! The one trait everything that processes blocks implements.

use plugpen_proto::Error;
use plugpen_proto::event::EventList;
use plugpen_proto::v1::Transport;

/// What a processor takes and gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Io {
    /// Channels of the main input; 0 for an instrument.
    pub inputs: usize,
    /// Channels of the sidechain input.
    pub sidechain: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Most frames of a block, at least 1.
    pub max_block_size: usize,
    /// Frames a second.
    pub sample_rate: f64,
    /// Frames by which the output is late.
    pub latency_samples: usize,
    /// Seconds for which output goes on after the input has ended, as reported: may be 0, infinite
    /// or wrong.
    pub tail_seconds: f64,
    /// Whether MIDI does anything to it.
    pub accepts_midi: bool,
    /// Whether it gives out MIDI.
    pub produces_midi: bool,
}

impl Default for Io {
    /// A stereo effect at 48 kHz with blocks of 512 frames, no latency, no tail, no MIDI.
    fn default() -> Self {
        Self {
            inputs: 2,
            sidechain: 0,
            outputs: 2,
            max_block_size: 512,
            sample_rate: 48_000.0,
            latency_samples: 0,
            tail_seconds: 0.0,
            accepts_midi: false,
            produces_midi: false,
        }
    }
}

/// Planar samples `[channel][frame]` to read, each channel at least as long as the block.
#[derive(Debug, Clone, Copy, Default)]
pub enum Planes<'a> {
    /// No channels.
    #[default]
    None,
    /// Single precision.
    F32(&'a [&'a [f32]]),
    /// Double precision. Without channels it still asks for a block in double precision.
    F64(&'a [&'a [f64]]),
}

impl Planes<'_> {
    /// Number of channels.
    pub fn channels(&self) -> usize {
        match self {
            Self::None => 0,
            Self::F32(planes) => planes.len(),
            Self::F64(planes) => planes.len(),
        }
    }

    /// Frames of the shortest channel; `None` without channels.
    pub fn frames(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::F32(planes) => planes.iter().map(|plane| plane.len()).min(),
            Self::F64(planes) => planes.iter().map(|plane| plane.len()).min(),
        }
    }

    /// Whether the samples are double precision.
    pub fn is_double(&self) -> bool {
        matches!(self, Self::F64(_))
    }
}

/// Planar samples `[channel][frame]` to write, each channel at least as long as the block.
#[derive(Debug, Default)]
pub enum PlanesMut<'a> {
    /// No channels: the samples are dropped.
    #[default]
    None,
    /// Single precision.
    F32(&'a mut [&'a mut [f32]]),
    /// Double precision.
    F64(&'a mut [&'a mut [f64]]),
}

impl PlanesMut<'_> {
    /// Number of channels.
    pub fn channels(&self) -> usize {
        match self {
            Self::None => 0,
            Self::F32(planes) => planes.len(),
            Self::F64(planes) => planes.len(),
        }
    }

    /// Frames of the shortest channel; `None` without channels.
    pub fn frames(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::F32(planes) => planes.iter().map(|plane| plane.len()).min(),
            Self::F64(planes) => planes.iter().map(|plane| plane.len()).min(),
        }
    }
}

/// A block on its way in. Missing channels are silence, surplus ones are ignored.
#[derive(Debug, Clone, Copy)]
pub struct BlockInput<'a> {
    /// Frames, 1 to [`Io::max_block_size`].
    pub frames: usize,
    /// The main input.
    pub audio: Planes<'a>,
    /// The sidechain input.
    pub sidechain: Planes<'a>,
    /// MIDI and parameter changes with offsets in `[0, frames)`, in order.
    pub events: &'a EventList,
    /// The playhead at the first frame; `None`: as the processor was told otherwise.
    pub transport: Option<Transport>,
}

/// Where a block goes on its way out. Missing channels are dropped, surplus ones left untouched.
#[derive(Debug)]
pub struct BlockOutput<'a> {
    /// The output.
    pub audio: PlanesMut<'a>,
    /// Events given out are appended here.
    pub events: &'a mut EventList,
    /// Events that did not fit somewhere are counted up here.
    pub events_dropped: u64,
}

/// One plugin (through its ring) or any other node that turns blocks into blocks, in order.
///
/// Up to [`capacity`](Self::capacity) blocks can be under way at a time: [`submit`](Self::submit)
/// several, [`wait`](Self::wait) for some, [`collect`](Self::collect) them in the order in which
/// they went in. No wait is endless: deadlines are the processor's own and end in an error.
pub trait BlockProcessor {
    /// What it takes and gives now; latency and tail may change between blocks.
    fn io(&self) -> Io;

    /// Blocks that may be in flight, at least 1.
    fn capacity(&self) -> usize;

    /// Blocks submitted and not yet collected.
    fn in_flight(&self) -> usize;

    /// Of the blocks in flight, how many are ready. Does not block.
    ///
    /// # Errors
    /// The processor is dead or broke its protocol.
    fn done(&mut self) -> Result<usize, Error>;

    /// Blocks until `blocks` of those in flight are ready; more than are in flight counts as all.
    ///
    /// # Errors
    /// The processor died, broke its protocol or missed its deadline.
    fn wait(&mut self, blocks: usize) -> Result<(), Error>;

    /// Hands a block in. There must be room: fewer than [`capacity`](Self::capacity) in flight.
    ///
    /// # Errors
    /// The block is malformed or the processor is dead; then it was not taken.
    fn submit(&mut self, block: &BlockInput<'_>) -> Result<(), Error>;

    /// The same, with parameter changes for each plugin of a chain: `parameters[plugin]`, and none
    /// for those beyond its end. A processor that is no chain is the first of one. At one frame
    /// they come before what is in `block.events`.
    ///
    /// # Errors
    /// As [`submit`](Self::submit); `IndexOutOfRange` for changes of a plugin that is not there.
    fn submit_with(
        &mut self,
        block: &BlockInput<'_>,
        parameters: &[EventList],
    ) -> Result<(), Error> {
        let other = parameters.iter().skip(1).position(|list| !list.is_empty());
        if let Some(other) = other {
            return Err(Error::out_of_range("plugin", other + 1, 1));
        }
        match parameters.first() {
            Some(own) if !own.is_empty() => {
                let mut events = own.clone();
                block.events.iter().for_each(|event| events.push(event));
                events.sort();
                self.submit(&BlockInput {
                    events: &events,
                    ..*block
                })
            }
            _ => self.submit(block),
        }
    }

    /// Takes the oldest block out, waiting for it if need be; returns its frames. There must be
    /// one in flight.
    ///
    /// # Errors
    /// The processor died, broke its protocol, missed its deadline or failed this block.
    fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize, Error>;

    /// How many blocks it is best to wait for at a time when many are in flight: with half of them
    /// left the processor never runs dry, and it need not wake its caller for each block.
    fn batch(&self) -> usize {
        (self.capacity() / 2).max(1)
    }
}

macro_rules! forward {
    () => {
        fn io(&self) -> Io {
            (**self).io()
        }
        fn capacity(&self) -> usize {
            (**self).capacity()
        }
        fn in_flight(&self) -> usize {
            (**self).in_flight()
        }
        fn done(&mut self) -> Result<usize, Error> {
            (**self).done()
        }
        fn wait(&mut self, blocks: usize) -> Result<(), Error> {
            (**self).wait(blocks)
        }
        fn submit(&mut self, block: &BlockInput<'_>) -> Result<(), Error> {
            (**self).submit(block)
        }
        fn submit_with(
            &mut self,
            block: &BlockInput<'_>,
            parameters: &[EventList],
        ) -> Result<(), Error> {
            (**self).submit_with(block, parameters)
        }
        fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize, Error> {
            (**self).collect(block)
        }
        fn batch(&self) -> usize {
            (**self).batch()
        }
    };
}

impl<P: BlockProcessor + ?Sized> BlockProcessor for &mut P {
    forward!();
}

impl<P: BlockProcessor + ?Sized> BlockProcessor for Box<P> {
    forward!();
}

/// Channels that a list of slices has room for without an allocation.
const FEW: usize = 32;

/// A list of slices, one a channel. It allocates for more than 32 only: a chain may play in a sound
/// card's callback.
pub struct Channels<S> {
    few: [S; FEW],
    many: Vec<S>,
}

impl<S: Default> Default for Channels<S> {
    fn default() -> Self {
        Self {
            few: std::array::from_fn(|_| S::default()),
            many: Vec::new(),
        }
    }
}

impl<S: Default> Channels<S> {
    /// The list of these slices.
    pub fn gather(&mut self, mut slices: impl ExactSizeIterator<Item = S>) -> &mut [S] {
        let count = slices.len();
        if count <= FEW {
            self.few = std::array::from_fn(|_| slices.next().unwrap_or_default());
            return &mut self.few[..count];
        }
        self.many.clear();
        self.many.extend(slices);
        &mut self.many
    }
}

/// Takes the oldest block out into planes that stay the caller's; returns its frames and the events
/// that were dropped. (`PlanesMut` itself can be used but once.)
pub(crate) fn collect<P: BlockProcessor + ?Sized>(
    processor: &mut P,
    audio: &mut PlanesMut<'_>,
    events: &mut EventList,
) -> Result<(usize, u64), Error> {
    let (mut singles, mut doubles) = (Channels::default(), Channels::default());
    let audio = match audio {
        PlanesMut::None => PlanesMut::None,
        PlanesMut::F32(planes) => {
            PlanesMut::F32(singles.gather(planes.iter_mut().map(|plane| &mut **plane)))
        }
        PlanesMut::F64(planes) => {
            PlanesMut::F64(doubles.gather(planes.iter_mut().map(|plane| &mut **plane)))
        }
    };
    let mut block = BlockOutput {
        audio,
        events,
        events_dropped: 0,
    };
    let frames = processor.collect(&mut block)?;
    Ok((frames, block.events_dropped))
}

/// Single or double precision.
pub(crate) trait Sample: Copy + Default {
    fn planes<'a>(planes: &'a [&'a [Self]]) -> Planes<'a>;
    fn planes_mut<'a>(planes: &'a mut [&'a mut [Self]]) -> PlanesMut<'a>;
}

impl Sample for f32 {
    fn planes<'a>(planes: &'a [&'a [Self]]) -> Planes<'a> {
        Planes::F32(planes)
    }
    fn planes_mut<'a>(planes: &'a mut [&'a mut [Self]]) -> PlanesMut<'a> {
        PlanesMut::F32(planes)
    }
}

impl Sample for f64 {
    fn planes<'a>(planes: &'a [&'a [Self]]) -> Planes<'a> {
        Planes::F64(planes)
    }
    fn planes_mut<'a>(planes: &'a mut [&'a mut [Self]]) -> PlanesMut<'a> {
        PlanesMut::F64(planes)
    }
}

/// Takes out and drops all blocks in flight; returns how many. Stops at the first error, since a
/// processor that failed has nothing more to give.
pub fn drain<P: BlockProcessor + ?Sized>(processor: &mut P) -> usize {
    let mut events = EventList::new();
    let mut drained = 0;
    while processor.in_flight() > 0 {
        events.clear();
        let collected = processor.collect(&mut BlockOutput {
            audio: PlanesMut::None,
            events: &mut events,
            events_dropped: 0,
        });
        if collected.is_err() {
            break;
        }
        drained += 1;
    }
    drained
}
