//! What a chain remembers while nothing is in it.

use plugpen_proto::Error;

use super::dry::DryLine;

/// The mixes of a chain's stages and the dry signals they need.
///
/// It outlives a [`Chain`](super::Chain), which may exist for one block only: take it out with
/// [`Chain::into_state`](super::Chain::into_state), put it back with
/// [`Chain::with_state`](super::Chain::with_state).
#[derive(Debug, Clone, Default)]
pub struct ChainState {
    pub(super) stages: Vec<StageState>,
}

/// Memory for the dry signal of a stage, made where allocating is allowed.
#[derive(Debug)]
pub struct DryRoom(DryLine);

impl DryRoom {
    /// For so many channels on the way into the stage, and so many frames: those of a block, and of
    /// the stage's latency.
    pub fn new(channels: usize, frames: usize) -> Self {
        Self(DryLine::with_room(channels, frames))
    }
}

/// A stage's part.
#[derive(Debug, Clone, Default)]
pub(super) struct StageState {
    /// The wet part, and the dry signal: kept from the first time a mix is asked for.
    pub mix: Option<(f64, DryLine)>,
}

impl ChainState {
    /// For that many stages, all fully wet.
    pub fn new(stages: usize) -> Self {
        Self {
            stages: vec![StageState::default(); stages],
        }
    }

    /// Number of stages.
    pub fn len(&self) -> usize {
        self.stages.len()
    }

    /// Whether there are no stages.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Sets how much of a stage's output is heard, 0 (its input only, as late as the output) to 1.
    /// Holds for blocks submitted from now on. The dry signal is kept from the first call on.
    ///
    /// # Errors
    /// `IndexOutOfRange`; `InvalidInput` for a mix out of range.
    pub fn set_mix(&mut self, stage: usize, wet: f64) -> Result<(), Error> {
        self.set_mix_in(stage, wet, &mut None)
    }

    /// The same without allocating: the dry signal takes this room, if it has none.
    ///
    /// # Errors
    /// As for [`ChainState::set_mix`].
    pub fn set_mix_in(
        &mut self,
        stage: usize,
        wet: f64,
        room: &mut Option<DryRoom>,
    ) -> Result<(), Error> {
        let count = self.len();
        let state = self.stages.get_mut(stage);
        let state = state.ok_or_else(|| Error::out_of_range("plugin", stage, count))?;
        if !(0.0..=1.0).contains(&wet) {
            return Err(Error::invalid(format!("mix must be in [0, 1], got {wet}")));
        }
        let line = || {
            (
                wet,
                room.take().map_or_else(DryLine::default, |room| room.0),
            )
        };
        state.mix.get_or_insert_with(line).0 = wet;
        Ok(())
    }

    /// How much of a stage's output is heard.
    ///
    /// # Errors
    /// `IndexOutOfRange`.
    pub fn mix(&self, stage: usize) -> Result<f64, Error> {
        let count = self.len();
        let state = self.stages.get(stage);
        let state = state.ok_or_else(|| Error::out_of_range("plugin", stage, count))?;
        Ok(state.mix.as_ref().map_or(1.0, |(wet, _)| *wet))
    }

    /// Forgets the dry signals, as after a reset of the plugins. Their memory stays.
    pub fn reset(&mut self) {
        for (_, dry) in self
            .stages
            .iter_mut()
            .filter_map(|stage| stage.mix.as_mut())
        {
            dry.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_are_checked_and_remembered() {
        let mut state = ChainState::new(2);
        state.set_mix(1, 0.25).unwrap();
        assert_eq!((state.mix(0).unwrap(), state.mix(1).unwrap()), (1.0, 0.25));
        let error = state.set_mix(0, 2.0).unwrap_err();
        assert_eq!(error.message, "mix must be in [0, 1], got 2");
        assert!(state.set_mix(0, f64::NAN).is_err());
        assert!(state.set_mix(2, 1.0).is_err() && state.mix(2).is_err());
        let mut room = Some(DryRoom::new(2, 64));
        state.set_mix_in(1, 0.5, &mut room).unwrap();
        assert!(room.is_some(), "it has one");
        state.set_mix_in(0, 0.5, &mut room).unwrap();
        assert!(room.is_none());
        assert_eq!((state.mix(0).unwrap(), state.mix(1).unwrap()), (0.5, 0.5));
    }
}
