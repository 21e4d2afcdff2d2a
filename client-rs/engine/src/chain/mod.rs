//! Processors one after the other.

mod dry;
mod hop;
mod record;
mod state;

use std::collections::VecDeque;

use plugpen_proto::Error;
use plugpen_proto::event::EventList;

pub use state::{ChainState, DryRoom};

use crate::processor::{BlockInput, BlockOutput, BlockProcessor, Io, drain};
use hop::{Hop, enter, leave};
use record::{Record, is_played};

/// Greatest difference of sample rates that are taken for the same, in Hz.
const SAME_RATE: f64 = 0.1;

/// Processors (or guards of them) one after the other, a processor itself.
///
/// - Between stages, missing channels are silence and surplus ones are dropped. The sidechain is
///   the first stage's.
/// - MIDI goes to the first stage that accepts it, then on with what stages give out, to the next
///   that accepts it; what the last stage gives out is given out. Parameter changes are addressed
///   per stage, see [`BlockProcessor::submit_with`].
/// - A single block is call and wait, stage by stage. With several in flight all stages work at
///   once, and the chain is as fast as the slowest of them.
/// - After an error of a stage the blocks in flight are gone and taken out of all stages that
///   still answer; the chain can be used again once its stages can.
#[derive(Debug)]
pub struct Chain<P> {
    stages: Vec<P>,
    state: ChainState,
    /// Blocks in the chain, oldest first, so those of the last stage come first.
    records: VecDeque<Record>,
    /// How many of them are in each stage.
    flying: Vec<usize>,
    spare: Vec<Record>,
    /// What a stage gave out, on its way to the next.
    singles: Vec<Vec<f32>>,
    doubles: Vec<Vec<f64>>,
    events: EventList,
}

impl<P: BlockProcessor> Chain<P> {
    /// A chain, all stages fully wet.
    ///
    /// # Errors
    /// `InvalidInput` if there are no stages or their sample rates differ.
    pub fn new(stages: Vec<P>) -> Result<Self, Error> {
        let state = ChainState::new(stages.len());
        Self::with_state(stages, state)
    }

    /// A chain that goes on where another with these stages left off. Blocks in flight in the
    /// stages are dropped.
    ///
    /// # Errors
    /// `InvalidInput` if there are no stages, their sample rates differ, or the state is not of as
    /// many stages.
    pub fn with_state(mut stages: Vec<P>, state: ChainState) -> Result<Self, Error> {
        let Some(first) = stages.first().map(|stage| stage.io().sample_rate) else {
            return Err(Error::invalid(
                "a plugin chain must contain at least one plugin",
            ));
        };
        for (index, stage) in stages.iter_mut().enumerate() {
            let rate = stage.io().sample_rate;
            if (rate - first).abs() > SAME_RATE {
                return Err(Error::invalid(format!(
                    "sample rate mismatch: plugin 0 has {first} Hz, plugin {index} has {rate} Hz"
                )));
            }
            drain(stage);
        }
        if state.len() != stages.len() {
            return Err(Error::invalid(format!(
                "a chain of {} plugins cannot have the state of {}",
                stages.len(),
                state.len()
            )));
        }
        Ok(Self {
            flying: vec![0; stages.len()],
            stages,
            state,
            records: VecDeque::new(),
            spare: Vec::new(),
            singles: Vec::new(),
            doubles: Vec::new(),
            events: EventList::new(),
        })
    }

    /// Makes room for one block at a time, in single precision, of so many frames, events and bytes
    /// of MIDI: then passing one through allocates nothing, as far as the stages allocate nothing.
    pub fn reserve(&mut self, frames: usize, events: usize, midi_bytes: usize) {
        let stages = self.stages.len();
        self.events = EventList::with_capacity(events, midi_bytes);
        self.spare.clear();
        self.spare
            .push(Record::with_room(stages, events, midi_bytes));
        self.records.reserve(1);
        let between = &self.stages[..self.last()];
        let channels = between.iter().map(|stage| stage.io().outputs).max();
        self.singles = vec![vec![0.0; frames]; channels.unwrap_or(0)];
    }

    /// What to go on from later. Blocks in flight are dropped.
    pub fn into_state(mut self) -> ChainState {
        self.abandon();
        self.state
    }

    /// The stages in order.
    pub fn stages(&self) -> &[P] {
        &self.stages
    }

    /// The stages in order, to do something to them while no block is in flight.
    pub fn stages_mut(&mut self) -> &mut [P] {
        &mut self.stages
    }

    /// Mixes; see [`ChainState::set_mix`].
    pub fn state_mut(&mut self) -> &mut ChainState {
        &mut self.state
    }

    fn last(&self) -> usize {
        self.stages.len() - 1
    }

    /// The position in `records` of the oldest block of a stage.
    fn oldest(&self, stage: usize) -> usize {
        self.flying[stage + 1..].iter().sum()
    }

    /// Moves every block that is ready on to the next stage, if that has room. Does not block.
    fn advance(&mut self) -> Result<(), Error> {
        for stage in (0..self.last()).rev() {
            let room = self.stages[stage + 1].capacity() - self.flying[stage + 1];
            let most = room.min(self.flying[stage]);
            if most == 0 {
                continue;
            }
            let ready = match self.stages[stage].done() {
                Ok(ready) => ready.min(most),
                Err(error) => return Err(self.fail(error)),
            };
            for _ in 0..ready {
                if let Err(error) = self.hand_over(stage) {
                    return Err(self.fail(error));
                }
            }
        }
        Ok(())
    }

    /// Takes a stage's oldest block and gives it to the next stage.
    fn hand_over(&mut self, stage: usize) -> Result<(), Error> {
        let position = self.oldest(stage);
        let Some(record) = self.records.get_mut(position) else {
            return Err(Error::bug("a chain lost a block"));
        };
        let hop = Hop {
            stages: &mut self.stages[stage..=stage + 1],
            states: &mut self.state.stages[stage..=stage + 1],
            stage,
            record,
            events: &mut self.events,
        };
        self.flying[stage] -= 1;
        match hop.record.double {
            true => hop.make(&mut self.doubles)?,
            false => hop.make(&mut self.singles)?,
        }
        self.flying[stage + 1] += 1;
        Ok(())
    }

    /// Waits in the first stage whose blocks can move on, all stages up to it being full.
    fn wait_for_room(&mut self) -> Result<(), Error> {
        let stage = (0..self.last())
            .find(|stage| self.flying[stage + 1] < self.stages[stage + 1].capacity())
            .unwrap_or(self.last());
        self.wait_in(stage).map(|_| ())
    }

    /// Waits in the last stage that is still at work.
    fn wait_for_any(&mut self) -> Result<(), Error> {
        for stage in (0..self.stages.len()).rev() {
            if self.wait_in(stage)? {
                return Ok(());
            }
        }
        // What was at work at the last look has been finished since, so there is something to move.
        match self.flying.iter().any(|&blocks| blocks > 0) {
            true => Ok(()),
            false => Err(self.fail(Error::bug("a chain waits, but holds no block"))),
        }
    }

    /// Waits for half of what a stage is still at work on, if it is: the other half keeps it busy
    /// while blocks are moved.
    fn wait_in(&mut self, stage: usize) -> Result<bool, Error> {
        let flying = self.flying[stage];
        let stage = &mut self.stages[stage];
        let waited = stage.done().and_then(|done| {
            let working = flying.saturating_sub(done);
            match working {
                0 => Ok(false),
                _ => stage.wait(done + working.div_ceil(2)).map(|()| true),
            }
        });
        waited.map_err(|error| self.fail(error))
    }

    /// After an error: takes out what can be taken out, hands the error on.
    fn fail(&mut self, error: Error) -> Error {
        self.abandon();
        error
    }

    fn abandon(&mut self) {
        for stage in &mut self.stages {
            drain(stage);
        }
        if !self.records.is_empty() {
            // Dry signals of blocks that never came out would be heard late.
            self.state.reset();
        }
        self.spare.extend(self.records.drain(..));
        self.flying.fill(0);
    }
}

impl<P: BlockProcessor> BlockProcessor for Chain<P> {
    /// Inputs of the first stage, outputs of the last, the smallest block size, all latencies, the
    /// longest tail.
    fn io(&self) -> Io {
        let ios = self.stages.iter().map(BlockProcessor::io);
        let mut all = self.stages[0].io();
        for io in ios.skip(1) {
            all.outputs = io.outputs;
            all.max_block_size = all.max_block_size.min(io.max_block_size);
            all.latency_samples = all.latency_samples.saturating_add(io.latency_samples);
            all.tail_seconds = all.tail_seconds.max(io.tail_seconds);
            all.accepts_midi |= io.accepts_midi;
            all.produces_midi = io.produces_midi;
        }
        all
    }

    fn capacity(&self) -> usize {
        self.stages.iter().map(BlockProcessor::capacity).sum()
    }

    fn in_flight(&self) -> usize {
        self.records.len()
    }

    fn done(&mut self) -> Result<usize, Error> {
        self.advance()?;
        let last = self.last();
        match self.stages[last].done() {
            Ok(done) => Ok(done.min(self.flying[last])),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// As everywhere, but no more blocks can become ready than the last stage holds.
    fn wait(&mut self, blocks: usize) -> Result<(), Error> {
        let last = self.last();
        let wanted = blocks
            .min(self.in_flight())
            .min(self.stages[last].capacity());
        while self.done()? < wanted {
            if self.flying[last] >= wanted {
                if let Err(error) = self.stages[last].wait(wanted) {
                    return Err(self.fail(error));
                }
            } else {
                self.wait_for_any()?;
            }
        }
        Ok(())
    }

    fn submit(&mut self, block: &BlockInput<'_>) -> Result<(), Error> {
        self.submit_with(block, &[])
    }

    /// As everywhere; `block.events` is the chain's MIDI and notes. Blocks if the first stage has no room.
    fn submit_with(
        &mut self,
        block: &BlockInput<'_>,
        parameters: &[EventList],
    ) -> Result<(), Error> {
        let io = self.io();
        if block.frames == 0 || block.frames > io.max_block_size {
            return Err(Error::invalid(format!(
                "a block must have 1 to {} frames, got {}",
                io.max_block_size, block.frames
            )));
        }
        if !block.events.iter().all(is_played)
            || parameters.iter().flat_map(EventList::iter).any(is_played)
        {
            return Err(Error::invalid(
                "a chain takes MIDI and notes as its block's events and parameter changes per plugin",
            ));
        }
        if parameters.len() > self.stages.len() {
            return Err(Error::out_of_range(
                "plugin",
                parameters.len() - 1,
                self.stages.len(),
            ));
        }
        if self.in_flight() >= self.capacity() {
            return Err(Error::bug("a chain is full; collect a block first"));
        }
        while self.flying[0] >= self.stages[0].capacity() {
            self.advance()?;
            if self.flying[0] >= self.stages[0].capacity() {
                self.wait_for_room()?;
            }
        }
        let mut record = self.spare.pop().unwrap_or_default();
        record.begin(block, parameters, self.stages.len());
        for (mix, stage) in record.mixes.iter_mut().zip(&self.state.stages) {
            *mix = stage.mix.as_ref().map(|(wet, _)| *wet);
        }
        let entered = enter(
            &mut self.stages[0],
            &mut self.state.stages[0],
            0,
            &mut record,
            (block.audio, block.sidechain),
            &mut self.events,
        );
        if entered.is_err() {
            self.spare.push(record);
            return entered;
        }
        self.records.push_back(record);
        self.flying[0] += 1;
        Ok(())
    }

    fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize, Error> {
        self.wait(1)?;
        let last = self.last();
        let Some(mut record) = self.records.pop_front() else {
            return Err(Error::bug("a chain has no block to collect"));
        };
        self.flying[last] -= 1;
        let left = leave(
            &mut self.stages[last],
            &mut self.state.stages[last],
            last,
            &mut record,
            &mut block.audio,
            &mut self.events,
        );
        record.give(block.events);
        block.events_dropped += record.events_dropped;
        let frames = record.frames;
        self.spare.push(record);
        left.map(|()| frames).map_err(|error| self.fail(error))
    }

    fn batch(&self) -> usize {
        self.stages
            .iter()
            .map(BlockProcessor::batch)
            .min()
            .unwrap_or(1)
    }
}
