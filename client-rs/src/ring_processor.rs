//! A plugin as the engine sees it: blocks go into its ring and come out again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use plugpen_engine::{BlockInput, BlockOutput, BlockProcessor, Io, Planes, PlanesMut};
use plugpen_proto::event::{Event, EventBody, EventList};
use plugpen_proto::v1::{AudioRings, ErrorReason};
use plugpen_shm::{BlockHeader, BlockStatus, ClientEnd, InputSlot, OutputSlot, RingError};

use crate::checks;
use crate::door;
use crate::error::{Error, Result};
use crate::plugin::shared::Shared;
use crate::tunnel::{self, Tunnel};

/// How long a block may take beyond its own length. The daemon kills a worker that makes no
/// progress for 10 s; waiting longer than that turns a hang into its report.
const PATIENCE: Duration = Duration::from_secs(12);
/// How often a wait looks whether the daemon, which would report a death, is itself alive.
const SLICE: Duration = Duration::from_millis(100);

/// The client's end of a plugin's rings, with the checks that keep nonsense out of them.
pub(crate) struct RingProcessor {
    shared: Arc<Shared>,
    end: ClientEnd,
    /// Where the worker is out of this process's reach.
    tunnel: Option<Tunnel>,
    io: Io,
    parameters: u32,
    /// Blocks of 64-bit samples can be sent as they are.
    takes_double: bool,
    event_bytes: u32,
    /// Blocks in flight whose caller gave up; their output is thrown away.
    abandoned: u32,
    scratch: Scratch,
}

/// Where samples are converted and events put in order; grown once, then reused.
#[derive(Default)]
struct Scratch {
    single: Vec<f32>,
    double: Vec<f64>,
    events: EventList,
}

impl RingProcessor {
    /// Fetches the rings of a plugin that was just opened or restarted.
    ///
    /// # Errors
    /// As [`door::attach`].
    pub(crate) fn attach(shared: Arc<Shared>, rings: &AudioRings) -> Result<RingProcessor> {
        // Without a ticket there is no memory to be shared.
        let attached = match rings.ticket.is_empty() {
            false => door::attach(rings).map(|end| (end, None)),
            true => tunnel::open(&shared.connection, &shared.handle, rings)
                .map(|(end, tunnel)| (end, Some(tunnel))),
        };
        let (end, tunnel) = attached.map_err(|error| shared.no_rings(error))?;
        let facts = shared.facts();
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let io = Io {
            inputs: count(facts.num_input_channels),
            sidechain: count(facts.sidechain_channels),
            outputs: count(facts.num_output_channels),
            max_block_size: count(facts.max_block_size),
            sample_rate: facts.sample_rate,
            latency_samples: count(facts.latency_samples),
            tail_seconds: facts.tail_seconds,
            accepts_midi: facts.accepts_midi,
            produces_midi: facts.produces_midi,
        };
        let fits = facts.max_block_size <= rings.max_frames
            && facts
                .num_input_channels
                .checked_add(facts.sidechain_channels)
                .is_some_and(|inputs| inputs <= rings.input_channels)
            && facts.num_output_channels <= rings.output_channels
            && facts.num_parameters <= rings.parameters;
        if !fits {
            return Err(Error::bug(
                "the daemon made audio rings that are too small for the plugin it described",
            ));
        }
        Ok(RingProcessor {
            end,
            tunnel,
            io,
            parameters: facts.num_parameters,
            takes_double: facts.supports_double && rings.sample_bytes == 8,
            event_bytes: rings.event_bytes,
            abandoned: 0,
            scratch: Scratch::default(),
            shared,
        })
    }

    /// One block, call and wait; returns its frames.
    ///
    /// # Errors
    /// As [`BlockProcessor`]; the block is not left in flight for the next caller to find.
    pub(crate) fn process(
        &mut self,
        input: &BlockInput<'_>,
        output: &mut BlockOutput<'_>,
    ) -> Result<usize> {
        self.settle()?;
        self.submit(input)?;
        self.collect(output).inspect_err(|_| self.abandon())
    }

    /// Gives up the blocks in flight: nobody will ask for their output.
    pub(crate) fn abandon(&mut self) {
        self.abandoned = self.end.in_flight();
    }

    /// Begins another stream where the last one ended and the plugin did not.
    fn mend(&mut self) -> Result<()> {
        if !self.tunnel.as_ref().is_some_and(Tunnel::is_over) {
            return Ok(());
        }
        if self.in_flight() > 0 {
            return Err(self.failed(RingError::Dead));
        }
        self.shared.check_alive()?;
        let rings = self.shared.fresh_rings()?;
        *self = Self::attach(self.shared.clone(), &rings)?;
        self.shared.submitted.store(0, Ordering::Release);
        Ok(())
    }

    /// Throws away what earlier callers left in flight.
    fn settle(&mut self) -> Result<()> {
        if self.abandoned > 0 && self.tunnel.as_ref().is_some_and(Tunnel::is_over) {
            self.abandoned = self.end.in_flight();
            return Ok(());
        }
        while self.abandoned > 0 {
            self.await_blocks(1)?;
            drop(self.output()?);
            self.abandoned -= 1;
        }
        Ok(())
    }

    fn await_blocks(&mut self, blocks: u32) -> Result<()> {
        let length = Duration::try_from_secs_f64(
            f64::from(blocks) * self.io.max_block_size as f64 / self.io.sample_rate,
        )
        .unwrap_or(Duration::MAX);
        let now = Instant::now();
        let deadline = now
            .checked_add(PATIENCE.saturating_add(length))
            .unwrap_or(now + 10 * PATIENCE);
        let mut now = now;
        loop {
            match self.end.wait(blocks, deadline.min(now + SLICE)) {
                Ok(()) => return Ok(()),
                Err(RingError::TimedOut) => {}
                Err(error) => return Err(self.failed(error)),
            }
            if self.shared.connection.is_gone() {
                return Err(self.shared.connection.gone_error());
            }
            now = Instant::now();
            if now >= deadline {
                return Err(self.failed(RingError::TimedOut));
            }
        }
    }

    /// The oldest block's slot, which must be done.
    fn output(&mut self) -> Result<OutputSlot<'_>> {
        // Two looks, because a slot that is given out cannot be kept across an error path.
        match self.end.done() {
            Ok(0) => return Err(Error::bug("a block was collected before it was done")),
            Ok(_) => {}
            Err(error) => return Err(self.failed(error)),
        }
        let shared = &self.shared;
        match self.end.output() {
            Ok(Some(slot)) => Ok(slot),
            Ok(None) => Err(Error::bug("a block that was done is not any more")),
            Err(error) => Err(failed(shared, true, error)),
        }
    }

    fn failed(&self, error: RingError) -> Error {
        // The daemon says why a stream ended; a connection that broke says nothing of the plugin.
        let words = self.tunnel.as_ref().and_then(Tunnel::last_words);
        if let (RingError::Dead, Some(status)) = (&error, words) {
            return self.shared.note(self.shared.connection.error(status));
        }
        failed(&self.shared, self.in_flight() > 0, error)
    }

    /// Notes parameter changes of a block that was submitted.
    fn journal(&self, events: &EventList) {
        let mut changes = events.iter().filter_map(|event| match event.body {
            EventBody::Parameter { index, value } => Some((index, value)),
            _ => None,
        });
        let Some(first) = changes.next() else {
            return;
        };
        let mut journal = self.shared.journal();
        for (index, value) in std::iter::once(first).chain(changes) {
            journal.parameter_set(index, value.clamp(0.0, 1.0));
        }
    }
}

/// What a ring's error means to the caller.
fn failed(shared: &Shared, under_way: bool, error: RingError) -> Error {
    match error {
        RingError::Dead => shared.ring_died(under_way),
        RingError::TimedOut => Error::new(
            ErrorReason::TimedOut,
            format!(
                "{} has not processed its block within {} s; it was not killed",
                shared.name(),
                PATIENCE.as_secs()
            ),
        ),
        RingError::Protocol(what) => shared.broke_protocol(&what),
    }
}

impl BlockProcessor for RingProcessor {
    fn io(&self) -> Io {
        Io {
            latency_samples: usize::try_from(self.shared.latency_samples()).unwrap_or(0),
            ..self.io
        }
    }

    fn capacity(&self) -> usize {
        usize::try_from(self.end.depth()).unwrap_or(1)
    }

    fn in_flight(&self) -> usize {
        let blocks = self.end.in_flight().saturating_sub(self.abandoned);
        usize::try_from(blocks).unwrap_or(0)
    }

    fn done(&mut self) -> Result<usize> {
        self.settle()?;
        match self.end.done() {
            Ok(blocks) => Ok(usize::try_from(blocks).unwrap_or(0)),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn wait(&mut self, blocks: usize) -> Result<()> {
        self.settle()?;
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        self.await_blocks(blocks.min(self.end.in_flight()))
    }

    fn submit(&mut self, block: &BlockInput<'_>) -> Result<()> {
        self.mend()?;
        self.settle()?;
        if self.end.is_dead() {
            return Err(self.failed(RingError::Dead));
        }
        checks::planes(&self.io, block)?;
        checks::events(block.events, block.frames, self.parameters)?;
        if let Some(transport) = &block.transport {
            checks::transport(transport)?;
        }
        let frames = u32::try_from(block.frames)
            .map_err(|_| checks::too_long(block.frames, self.io.max_block_size))?;
        let double = self.takes_double && (block.audio.is_double() || block.sidechain.is_double());
        let RingProcessor {
            end, scratch, io, ..
        } = self;
        let Some(mut slot) = end.begin() else {
            return Err(Error::bug("a block was submitted while the ring was full"));
        };
        slot.set_header(&BlockHeader {
            frames,
            double,
            transport: block.transport,
        });
        write(
            &mut slot,
            double,
            &block.audio,
            0,
            io.inputs,
            block.frames,
            scratch,
        );
        write(
            &mut slot,
            double,
            &block.sidechain,
            io.inputs,
            io.sidechain,
            block.frames,
            scratch,
        );
        let events = in_order(block.events, &mut scratch.events);
        for event in events.iter() {
            if slot.push_event(&checks::trimmed(event)).is_err() {
                return Err(Error::new(
                    ErrorReason::LimitReached,
                    format!(
                        "the {} events of this block need more than the {} bytes agreed when the plugin was opened; open it \
                         with a larger event_bytes or send fewer events a block",
                        block.events.len(),
                        self.event_bytes
                    ),
                ));
            }
        }
        let sequence = slot.submit();
        self.shared.submitted.store(sequence, Ordering::Release);
        self.journal(block.events);
        Ok(())
    }

    fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize> {
        self.settle()?;
        if self.end.in_flight() == 0 {
            return Err(Error::bug("a block was collected that was not submitted"));
        }
        self.await_blocks(1)?;
        let outputs = self.io.outputs;
        let shared = self.shared.clone();
        // Taken out for the time of the copy: the slot holds on to the rest of `self`.
        let mut scratch = std::mem::take(&mut self.scratch);
        let read = self.output().and_then(|mut slot| {
            let header = *slot.header();
            shared.set_latency_samples(header.latency_samples);
            block.events_dropped += u64::from(header.events_dropped);
            if header.status == BlockStatus::Failed {
                return Err(Error::new(
                    ErrorReason::PluginRefused,
                    format!("{} refused to process this block", shared.name()),
                ));
            }
            let frames = usize::try_from(header.frames).unwrap_or(0);
            read(
                &slot,
                header.double,
                &mut block.audio,
                outputs,
                frames,
                &mut scratch,
            );
            let dropped = slot
                .events(block.events)
                .map_err(|error| failed(&shared, true, error))?;
            block.events_dropped += u64::from(dropped);
            Ok(frames)
        });
        self.scratch = scratch;
        read
    }
}

/// Writes up to `count` channels from channel `first` of the slot on, converted where the types
/// differ. Missing ones stay silent.
fn write(
    slot: &mut InputSlot<'_>,
    double: bool,
    planes: &Planes<'_>,
    first: usize,
    count: usize,
    frames: usize,
    scratch: &mut Scratch,
) {
    match (planes, double) {
        (Planes::None, _) => {}
        (Planes::F32(planes), false) => {
            for (channel, plane) in planes.iter().take(count).enumerate() {
                slot.write_f32(first + channel, &plane[..frames]);
            }
        }
        (Planes::F64(planes), true) => {
            for (channel, plane) in planes.iter().take(count).enumerate() {
                slot.write_f64(first + channel, &plane[..frames]);
            }
        }
        (Planes::F32(planes), true) => {
            for (channel, plane) in planes.iter().take(count).enumerate() {
                scratch.double.clear();
                scratch
                    .double
                    .extend(plane[..frames].iter().copied().map(f64::from));
                slot.write_f64(first + channel, &scratch.double);
            }
        }
        (Planes::F64(planes), false) => {
            for (channel, plane) in planes.iter().take(count).enumerate() {
                scratch.single.clear();
                scratch
                    .single
                    .extend(plane[..frames].iter().copied().map(narrow));
                slot.write_f32(first + channel, &scratch.single);
            }
        }
    }
}

/// Reads up to `count` channels, converted where the types differ. Surplus planes stay as they
/// are.
fn read(
    slot: &OutputSlot<'_>,
    double: bool,
    planes: &mut PlanesMut<'_>,
    count: usize,
    frames: usize,
    scratch: &mut Scratch,
) {
    match (planes, double) {
        (PlanesMut::None, _) => {}
        (PlanesMut::F32(planes), false) => {
            for (channel, plane) in planes.iter_mut().take(count).enumerate() {
                slot.read_f32(channel, &mut plane[..frames]);
            }
        }
        (PlanesMut::F64(planes), true) => {
            for (channel, plane) in planes.iter_mut().take(count).enumerate() {
                slot.read_f64(channel, &mut plane[..frames]);
            }
        }
        (PlanesMut::F32(planes), true) => {
            scratch.double.resize(frames, 0.0);
            for (channel, plane) in planes.iter_mut().take(count).enumerate() {
                slot.read_f64(channel, &mut scratch.double);
                for (sample, double) in plane.iter_mut().zip(&scratch.double) {
                    *sample = narrow(*double);
                }
            }
        }
        (PlanesMut::F64(planes), false) => {
            scratch.single.resize(frames, 0.0);
            for (channel, plane) in planes.iter_mut().take(count).enumerate() {
                slot.read_f32(channel, &mut scratch.single);
                for (sample, single) in plane.iter_mut().zip(&scratch.single) {
                    *sample = f64::from(*single);
                }
            }
        }
    }
}

/// The events by rising offset; a copy is made only where they are not.
fn in_order<'a>(events: &'a EventList, scratch: &'a mut EventList) -> &'a EventList {
    if events
        .iter()
        .is_sorted_by_key(|event: Event<'_>| event.offset)
    {
        return events;
    }
    scratch.clear();
    for event in events.iter() {
        scratch.push(event);
    }
    scratch.sort();
    scratch
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "to the nearest f32 is what single precision means"
)]
fn narrow(sample: f64) -> f32 {
    sample as f32
}
