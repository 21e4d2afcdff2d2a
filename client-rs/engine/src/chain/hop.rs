//! A block's way in and out of stages.

use plugpen_proto::Error;
use plugpen_proto::event::EventList;

use super::record::Record;
use super::state::StageState;
use crate::offline::LONGEST_LATENCY;
use crate::processor::{BlockInput, BlockProcessor, Channels, Planes, PlanesMut, Sample, collect};
use crate::schedule::frames;

/// A block's way from one stage to the next.
pub struct Hop<'a, P> {
    /// The two stages.
    pub stages: &'a mut [P],
    pub states: &'a mut [StageState],
    /// The number of the first.
    pub stage: usize,
    pub record: &'a mut Record,
    pub events: &'a mut EventList,
}

impl<P: BlockProcessor> Hop<'_, P> {
    /// Makes it, through buffers of the block's precision.
    pub fn make<S: Sample>(self, buffers: &mut Vec<Vec<S>>) -> Result<(), Error> {
        let ([from, to], [from_state, to_state]) = (self.stages, self.states) else {
            return Err(Error::bug("a hop is between two stages"));
        };
        let (frames, channels) = (self.record.frames, from.io().outputs);
        let buffers = room(buffers, channels, frames);
        let mut planes = Channels::default();
        let mut audio = S::planes_mut(planes.gather(buffers.iter_mut().map(|b| &mut b[..frames])));
        leave(
            from,
            from_state,
            self.stage,
            self.record,
            &mut audio,
            self.events,
        )?;
        let mut planes = Channels::default();
        let planes = planes.gather(buffers.iter().map(|b| &b[..frames]));
        let audio = (S::planes(planes), Planes::None);
        enter(
            to,
            to_state,
            self.stage + 1,
            self.record,
            audio,
            self.events,
        )
    }
}

/// Submits a block to a stage.
pub fn enter<P: BlockProcessor>(
    to: &mut P,
    state: &mut StageState,
    stage: usize,
    record: &mut Record,
    (audio, sidechain): (Planes<'_>, Planes<'_>),
    events: &mut EventList,
) -> Result<(), Error> {
    let io = to.io();
    record.events_for(stage, &io, events);
    let longest = frames(LONGEST_LATENCY, io.sample_rate);
    if record.mixes[stage].is_some() && u64::try_from(io.latency_samples).is_ok_and(|l| l > longest)
    {
        return Err(Error::unsupported(format!(
            "plugin {stage} reports a latency of {} samples, over {LONGEST_LATENCY} seconds: too much to mix",
            io.latency_samples
        )));
    }
    to.submit(&BlockInput {
        frames: record.frames,
        audio,
        sidechain,
        events,
        transport: record.transport,
    })?;
    if let (Some(_), Some((_, dry))) = (record.mixes[stage], &mut state.mix) {
        dry.push(audio, record.frames, io.latency_samples);
    }
    Ok(())
}

/// Collects a block from a stage.
pub fn leave<P: BlockProcessor>(
    from: &mut P,
    state: &mut StageState,
    stage: usize,
    record: &mut Record,
    audio: &mut PlanesMut<'_>,
    events: &mut EventList,
) -> Result<(), Error> {
    events.clear();
    let (frames, events_dropped) = collect(from, audio, events)?;
    if frames != record.frames {
        return Err(Error::bug(format!(
            "plugin {stage} gave {frames} frames for a block of {}",
            record.frames
        )));
    }
    if let (Some(wet), Some((_, dry))) = (record.mixes[stage], &mut state.mix) {
        dry.mix(audio, frames, wet);
    }
    record.events_dropped += events_dropped;
    record.pass(&from.io(), events);
    Ok(())
}

/// Buffers for so many channels of a block; what an earlier block left in them is overwritten.
fn room<S: Sample>(buffers: &mut Vec<Vec<S>>, channels: usize, frames: usize) -> &mut [Vec<S>] {
    if buffers.len() < channels {
        buffers.resize_with(channels, Vec::new);
    }
    for plane in buffers.iter_mut().filter(|plane| plane.len() < frames) {
        plane.resize(frames, S::default());
    }
    &mut buffers[..channels]
}
