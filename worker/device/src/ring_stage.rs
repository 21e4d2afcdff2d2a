//! A plugin in a chain, as the callback sees it: its ring, if it has one, and never a long wait.

use std::time::Instant;

use plugpen_engine::{BlockInput, BlockOutput, BlockProcessor, Io, Planes, PlanesMut};
use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, OpenedPlugin};
use plugpen_shm::{BlockHeader, BlockStatus, ClientEnd, RingError};

/// A plugin's rings and what is known of it.
pub struct Ring {
    end: ClientEnd,
    io: Io,
}

impl Ring {
    /// The client's end for a plugin that was described so.
    ///
    /// # Errors
    /// `ServerBug` where the rings are too small for that plugin.
    pub fn new(end: ClientEnd, plugin: &OpenedPlugin, spec: RingWidth) -> Result<Self, Error> {
        let fits = plugin.max_block_size <= spec.max_frames
            && plugin
                .num_input_channels
                .checked_add(plugin.sidechain_channels)
                .is_some_and(|inputs| inputs <= spec.inputs)
            && plugin.num_output_channels <= spec.outputs;
        match fits {
            true => Ok(Self {
                end,
                io: io_of(plugin),
            }),
            false => Err(Error::bug(
                "the daemon made audio rings that are too small for the plugin it described",
            )),
        }
    }
}

/// What rings have room for.
#[derive(Debug, Clone, Copy)]
pub struct RingWidth {
    /// Frames of a block.
    pub max_frames: u32,
    /// Channels on the way in.
    pub inputs: u32,
    /// Channels on the way out.
    pub outputs: u32,
}

/// What a plugin takes and gives.
pub fn io_of(plugin: &OpenedPlugin) -> Io {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Io {
        inputs: count(plugin.num_input_channels),
        sidechain: count(plugin.sidechain_channels),
        outputs: count(plugin.num_output_channels),
        max_block_size: count(plugin.max_block_size).max(1),
        sample_rate: plugin.sample_rate,
        latency_samples: count(plugin.latency_samples),
        tail_seconds: plugin.tail_seconds,
        accepts_midi: plugin.accepts_midi,
        produces_midi: plugin.produces_midi,
    }
}

/// A place in the chain for a plugin's ring, which comes, goes and is exchanged between blocks.
///
/// Its errors have no text: they are made in the callback, and nobody reads them. `TimedOut` means
/// late, everything else dead.
pub struct RingStage {
    ring: Option<Box<Ring>>,
    io: Io,
    deadline: Instant,
    /// Blocks in flight that came too late; their output is thrown away.
    abandoned: u32,
    events_dropped: u64,
}

fn late() -> Error {
    Error::new(ErrorReason::TimedOut, "")
}

fn dead() -> Error {
    Error::new(ErrorReason::PluginDead, "")
}

fn failed(error: &RingError) -> Error {
    match error {
        RingError::TimedOut => late(),
        RingError::Dead | RingError::Protocol(_) => dead(),
    }
}

impl RingStage {
    /// A place without a ring, for a plugin like this one.
    pub fn new(io: Io) -> Self {
        Self {
            ring: None,
            io,
            deadline: Instant::now(),
            abandoned: 0,
            events_dropped: 0,
        }
    }

    /// Puts a ring in; the earlier one comes back, for someone else to drop.
    pub fn exchange(&mut self, ring: Box<Ring>) -> Option<Box<Ring>> {
        self.io = Io {
            // A chain's rate is one, and so is a device's.
            sample_rate: self.io.sample_rate,
            ..ring.io
        };
        self.abandoned = 0;
        self.ring.replace(ring)
    }

    /// Until when blocks are waited for.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Events that found no room in a block since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.events_dropped)
    }

    fn ring(&mut self) -> Result<&mut Ring, Error> {
        self.ring.as_deref_mut().ok_or_else(dead)
    }

    /// Throws away what came late; fails while some of it has not come at all.
    fn settle(&mut self) -> Result<(), Error> {
        while self.abandoned > 0 {
            let ring = self.ring()?;
            let is_dead = ring.end.is_dead();
            match ring.end.output() {
                Ok(Some(slot)) => slot.release(),
                Ok(None) if is_dead => return Err(dead()),
                Ok(None) => return Err(late()),
                Err(error) => return Err(failed(&error)),
            }
            self.abandoned -= 1;
        }
        Ok(())
    }

    fn give_up(&mut self, error: Error) -> Error {
        self.abandoned = self.ring.as_ref().map_or(0, |ring| ring.end.in_flight());
        error
    }
}

impl BlockProcessor for RingStage {
    fn io(&self) -> Io {
        self.io
    }

    fn capacity(&self) -> usize {
        1
    }

    fn in_flight(&self) -> usize {
        let blocks = self.ring.as_ref().map_or(0, |ring| ring.end.in_flight());
        usize::try_from(blocks.saturating_sub(self.abandoned)).unwrap_or(0)
    }

    fn done(&mut self) -> Result<usize, Error> {
        self.settle()?;
        match self.ring()?.end.done() {
            Ok(blocks) => Ok(usize::try_from(blocks).unwrap_or(0)),
            Err(error) => {
                let error = failed(&error);
                Err(self.give_up(error))
            }
        }
    }

    fn wait(&mut self, blocks: usize) -> Result<(), Error> {
        self.settle()?;
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let deadline = self.deadline;
        let waited = self.ring()?.end.wait(blocks, deadline);
        waited.map_err(|error| self.give_up(failed(&error)))
    }

    fn submit(&mut self, block: &BlockInput<'_>) -> Result<(), Error> {
        self.settle()?;
        let io = self.io;
        let mut dropped = 0;
        let ring = self.ring()?;
        if ring.end.is_dead() {
            return Err(dead());
        }
        let frames = u32::try_from(block.frames).unwrap_or(u32::MAX);
        let mut slot = ring.end.begin().ok_or_else(late)?;
        slot.set_header(&BlockHeader {
            frames,
            double: false,
            transport: block.transport,
        });
        let parts = [
            (block.audio, 0, io.inputs),
            (block.sidechain, io.inputs, io.sidechain),
        ];
        for (planes, first, count) in parts {
            // The chain in here computes in single precision throughout.
            if let Planes::F32(planes) = planes {
                for (channel, plane) in planes.iter().take(count).enumerate() {
                    slot.write_f32(first + channel, &plane[..block.frames]);
                }
            }
        }
        for event in block.events.iter() {
            if slot.push_event(&event).is_err() {
                dropped += 1;
            }
        }
        slot.submit();
        self.events_dropped += dropped;
        Ok(())
    }

    fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize, Error> {
        self.wait(1)?;
        let io = self.io;
        let ring = self.ring()?;
        let mut latency = io.latency_samples;
        let collected = match ring.end.output() {
            Ok(Some(mut slot)) => {
                let header = *slot.header();
                latency = usize::try_from(header.latency_samples).unwrap_or(latency);
                block.events_dropped += u64::from(header.events_dropped);
                let frames = usize::try_from(header.frames).unwrap_or(0);
                if header.status == BlockStatus::Failed {
                    Err(dead())
                } else {
                    if let PlanesMut::F32(planes) = &mut block.audio {
                        for (channel, plane) in planes.iter_mut().take(io.outputs).enumerate() {
                            slot.read_f32(channel, &mut plane[..frames]);
                        }
                    }
                    let given = slot
                        .events_in_room(block.events)
                        .map_err(|error| failed(&error));
                    given.map(|dropped| {
                        block.events_dropped += u64::from(dropped);
                        frames
                    })
                }
            }
            Ok(None) => Err(dead()),
            Err(error) => Err(failed(&error)),
        };
        self.io.latency_samples = latency;
        collected.map_err(|error| self.give_up(error))
    }
}
