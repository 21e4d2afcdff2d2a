//! A stage of a chain that goes on without its plugin while that is dead.

use std::collections::VecDeque;

use plugpen_engine::{BlockInput, BlockOutput, BlockProcessor, Io, Planes, PlanesMut};

use crate::error::{Error, Result};
use crate::plugin::PluginAudio;

/// What a chain plays in the place of a dead plugin, until it is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDead {
    /// Nothing: the call fails.
    #[default]
    Error,
    /// Silence.
    Silence,
    /// The plugin's input. Channels it does not have are silent.
    Dry,
}

/// A plugin's rings, and a substitute for them.
#[derive(Debug)]
pub(crate) struct Stage {
    audio: PluginAudio,
    on_dead: OnDead,
    /// The rings are dead.
    is_down: bool,
    /// Blocks in flight, oldest first; not kept where a death is an error.
    line: VecDeque<Kept>,
    spare: Vec<Kept>,
}

/// What is kept of a block for the case that its plugin dies.
#[derive(Debug, Default)]
struct Kept {
    /// The plugin has it.
    is_real: bool,
    frames: usize,
    events: usize,
    channels: Vec<Vec<f64>>,
    used: usize,
}

impl Kept {
    fn take(&mut self, block: &BlockInput<'_>, on_dead: OnDead) {
        self.frames = block.frames;
        self.events = block.events.iter().count();
        self.used = match on_dead {
            OnDead::Dry => block.audio.channels(),
            OnDead::Silence | OnDead::Error => 0,
        };
        if self.channels.len() < self.used {
            self.channels.resize_with(self.used, Vec::new);
        }
        for (index, channel) in self.channels[..self.used].iter_mut().enumerate() {
            channel.clear();
            match block.audio {
                Planes::None => {}
                Planes::F32(planes) => {
                    channel.extend(planes[index][..block.frames].iter().copied().map(f64::from));
                }
                Planes::F64(planes) => channel.extend_from_slice(&planes[index][..block.frames]),
            }
        }
    }

    /// Gives out the dry signal, and silence where there is none.
    fn give(&self, block: &mut BlockOutput<'_>, outputs: usize) -> usize {
        let channel = |index: usize| self.channels[..self.used].get(index);
        match &mut block.audio {
            PlanesMut::None => {}
            PlanesMut::F32(planes) => {
                for (index, plane) in planes.iter_mut().take(outputs).enumerate() {
                    match channel(index) {
                        Some(dry) => {
                            for (sample, dry) in plane[..self.frames].iter_mut().zip(dry) {
                                #[allow(
                                    clippy::cast_possible_truncation,
                                    reason = "it came as f32, or single precision is asked for"
                                )]
                                {
                                    *sample = *dry as f32;
                                }
                            }
                        }
                        None => plane[..self.frames].fill(0.0),
                    }
                }
            }
            PlanesMut::F64(planes) => {
                for (index, plane) in planes.iter_mut().take(outputs).enumerate() {
                    match channel(index) {
                        Some(dry) => plane[..self.frames].copy_from_slice(dry),
                        None => plane[..self.frames].fill(0.0),
                    }
                }
            }
        }
        // They went to nobody.
        block.events_dropped += u64::try_from(self.events).unwrap_or(u64::MAX);
        self.frames
    }
}

impl Stage {
    pub(crate) fn new(audio: PluginAudio, on_dead: OnDead) -> Stage {
        Stage {
            audio,
            on_dead,
            is_down: false,
            line: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    fn keeps(&self) -> bool {
        self.on_dead != OnDead::Error
    }

    /// Whether the stage goes on after this; from then on nothing of it is real.
    fn survives(&mut self, error: &Error) -> bool {
        let survives = self.keeps() && error.death.is_some();
        if survives {
            self.is_down = true;
            self.audio.abandon();
            self.line.iter_mut().for_each(|kept| kept.is_real = false);
        }
        survives
    }

    /// How many of the oldest blocks can be collected when the plugin has done so many of its own.
    fn ready(&self, mut done: usize) -> usize {
        let ready = self.line.iter().take_while(|kept| {
            let is_ready = !kept.is_real || done > 0;
            done -= usize::from(kept.is_real && done > 0);
            is_ready
        });
        ready.count()
    }
}

impl BlockProcessor for Stage {
    fn io(&self) -> Io {
        self.audio.io()
    }

    fn capacity(&self) -> usize {
        self.audio.capacity()
    }

    fn in_flight(&self) -> usize {
        match self.keeps() {
            true => self.line.len(),
            false => self.audio.in_flight(),
        }
    }

    fn done(&mut self) -> Result<usize> {
        if self.keeps() && self.is_down {
            return Ok(self.line.len());
        }
        match self.audio.done() {
            Ok(done) if self.keeps() => Ok(self.ready(done)),
            Err(error) if self.survives(&error) => Ok(self.line.len()),
            done => done,
        }
    }

    fn wait(&mut self, blocks: usize) -> Result<()> {
        let real = match self.keeps() {
            true => {
                let wanted = self.line.iter().take(blocks);
                wanted.filter(|kept| kept.is_real).count()
            }
            false => blocks,
        };
        if real == 0 && self.keeps() {
            return Ok(());
        }
        match self.audio.wait(real) {
            Err(error) if self.survives(&error) => Ok(()),
            waited => waited,
        }
    }

    fn submit(&mut self, block: &BlockInput<'_>) -> Result<()> {
        if !self.keeps() {
            return self.audio.submit(block);
        }
        if self.is_down && self.audio.renew() {
            self.is_down = false;
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.take(block, self.on_dead);
        kept.is_real = false;
        if !self.is_down {
            match self.audio.submit(block) {
                Ok(()) => kept.is_real = true,
                Err(error) if self.survives(&error) => {}
                Err(error) => {
                    self.spare.push(kept);
                    return Err(error);
                }
            }
        }
        self.line.push_back(kept);
        Ok(())
    }

    fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize> {
        if !self.keeps() {
            return self.audio.collect(block);
        }
        if self.line.front().is_some_and(|kept| kept.is_real) {
            match self.audio.collect(block) {
                Err(error) if self.survives(&error) => {}
                collected => {
                    self.spare.extend(self.line.pop_front());
                    return collected;
                }
            }
        }
        let Some(kept) = self.line.pop_front() else {
            return Err(Error::bug("a block was collected that was not submitted"));
        };
        let frames = kept.give(block, self.audio.io().outputs);
        self.spare.push(kept);
        Ok(frames)
    }
}
