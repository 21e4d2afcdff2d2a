//! Playing: one block at a time, or the rings as a whole for the engine.

use std::sync::Arc;

use plugpen_engine::{BlockInput, BlockOutput, BlockProcessor, Io, Planes, PlanesMut};
use plugpen_proto::event::EventList;
use plugpen_proto::v1::ErrorReason;

use super::Plugin;
use super::on_device::on_device;
use super::recovery::FreshRings;
use crate::checks;
use crate::error::{Error, Result};
use crate::ring_processor::RingProcessor;
use crate::slot::Taken;

/// What a block had beside its samples and events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockReport {
    /// Events that were lost: those the plugin gave out without room or sense, and those it could
    /// not be told.
    pub events_dropped: u64,
}

/// Exclusive use of a plugin's rings, for the engine; they go back when it is dropped. Blocks that
/// are still in flight then are thrown away.
pub struct PluginAudio {
    rings: Taken<Box<RingProcessor>>,
    fresh: Arc<FreshRings>,
}

impl PluginAudio {
    /// Other rings take the place of these, which are unmapped.
    pub(crate) fn replace(&mut self, rings: RingProcessor) {
        **self.rings = rings;
    }

    /// Gives up the blocks in flight.
    pub(crate) fn abandon(&mut self) {
        self.rings.abandon();
    }

    /// Takes the rings of a fresh worker, if the plugin was brought back and none of its blocks is
    /// in flight; whether it did.
    pub(crate) fn renew(&mut self) -> bool {
        if !self.fresh.is_there() || self.rings.in_flight() > 0 {
            return false;
        }
        match self.fresh.take() {
            Some(rings) => *self.rings = rings,
            None => return false,
        }
        true
    }
}

impl Drop for PluginAudio {
    fn drop(&mut self) {
        self.rings.abandon();
    }
}

impl std::fmt::Debug for PluginAudio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginAudio")
            .field("in_flight", &self.in_flight())
            .finish()
    }
}

impl BlockProcessor for PluginAudio {
    fn io(&self) -> Io {
        self.rings.io()
    }

    fn capacity(&self) -> usize {
        self.rings.capacity()
    }

    fn in_flight(&self) -> usize {
        self.rings.in_flight()
    }

    fn done(&mut self) -> Result<usize> {
        self.rings.done()
    }

    fn wait(&mut self, blocks: usize) -> Result<()> {
        self.rings.wait(blocks)
    }

    fn submit(&mut self, block: &BlockInput<'_>) -> Result<()> {
        self.renew();
        self.rings.submit(block)
    }

    fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize> {
        self.rings.collect(block)
    }
}

impl Plugin {
    /// Processes one block and waits for it. Safe to call from several threads, which take turns.
    ///
    /// `input`, `sidechain` and `output` are planar, every channel `frames` long, with at least
    /// the plugin's number of channels; `None` is silence (or drops the output). Surplus inputs
    /// are ignored, surplus outputs left untouched. `events` reach the plugin at their offsets;
    /// MIDI and notes beyond the block move to its last frame. What the plugin gives out is
    /// appended to `events_out`. 0 frames do nothing. Does not allocate once it has been called a
    /// few times.
    ///
    /// A note with an id ([`Note`](crate::Note)) reaches a plugin without ids as MIDI. What shapes
    /// one note ([`NoteExpression`](crate::NoteExpression)) is refused where the plugin takes none.
    ///
    /// # Errors
    /// `InvalidInput` for shapes and events that do not fit, `Unsupported` for expressions to a
    /// plugin that takes none (nothing was processed then),
    /// `LimitReached` for more events than agreed, `PluginCrashed` or `PluginHung` where it died of
    /// this block, `PluginDead` where it had died before, `PluginClosed`, `ServerUnavailable`,
    /// `TimedOut`.
    pub fn process<'a>(
        &self,
        input: Planes<'_>,
        sidechain: Planes<'_>,
        output: PlanesMut<'a>,
        frames: usize,
        events: &EventList,
        events_out: &'a mut EventList,
    ) -> Result<BlockReport> {
        let mut audio = self.lock_audio()?;
        checks::shapes(&audio.io(), frames, &input, &sidechain, &output)?;
        checks::expressions(events, self.takes_note_expression())?;
        if frames == 0 && events.is_empty() {
            return Ok(BlockReport::default());
        }
        let input = BlockInput {
            frames,
            audio: input,
            sidechain,
            events,
            transport: None,
        };
        let mut block = BlockOutput {
            audio: output,
            events: events_out,
            events_dropped: 0,
        };
        if let Err(error) = audio.rings.process(&input, &mut block) {
            // It had died unnoticed; nothing was processed.
            let unnoticed = error.reason == ErrorReason::PluginDead && self.recovers();
            if !unnoticed {
                return Err(error);
            }
            self.live()?;
            audio.renew();
            audio.rings.process(&input, &mut block)?;
        }
        Ok(BlockReport {
            events_dropped: block.events_dropped,
        })
    }

    /// Takes the plugin's audio for the exclusive use of the engine; others wait for their turn.
    ///
    /// # Errors
    /// `PluginClosed`; `WrongState` where the plugin was opened without audio, this thread already
    /// has it, another keeps it for half a minute, or an [`AudioDevice`](crate::AudioDevice) plays
    /// it.
    pub fn lock_audio(&self) -> Result<PluginAudio> {
        self.live()?;
        self.lock_dead_or_alive()
    }

    /// The same of a plugin that may be dead: it is not brought back.
    pub(crate) fn lock_dead_or_alive(&self) -> Result<PluginAudio> {
        self.shared.check_open()?;
        self.take_back_from_dead();
        if self.is_on_device() {
            return Err(on_device());
        }
        let audio = self.take_rings()?;
        // It may have been claimed while this thread waited.
        match self.is_on_device() {
            true => Err(on_device()),
            false => Ok(audio),
        }
    }

    /// The rings, whoever they belong to.
    pub(super) fn take_rings(&self) -> Result<PluginAudio> {
        let Some(rings) = &self.rings else {
            return Err(Error::new(
                ErrorReason::WrongState,
                "the plugin was opened without audio; open it with audio to process blocks",
            ));
        };
        let mut audio = PluginAudio {
            rings: rings.take()?,
            fresh: self.fresh.clone(),
        };
        audio.renew();
        Ok(audio)
    }
}
