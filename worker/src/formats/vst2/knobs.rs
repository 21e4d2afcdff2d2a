//! Values of parameters between the main thread, the audio thread and the plugin.

use crate::formats::{Turns, Values};

/// Two values a parameter: what is wanted, and what the plugin was last told. The main thread
/// only wants; whoever has the plugin to itself tells. So a plugin never has a value set beside
/// its processing.
#[derive(Debug)]
pub struct Knobs {
    wanted: Values,
    told: Values,
}

impl Knobs {
    /// Starts with what the plugin has.
    pub fn new(values: impl IntoIterator<Item = f64> + Clone) -> Self {
        Self {
            wanted: Values::new(values.clone()),
            told: Values::new(values),
        }
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// What is wanted of a parameter.
    pub fn wanted(&self, at: usize) -> f64 {
        self.wanted.get(at)
    }

    /// Wants a value, 0 to 1.
    pub fn want(&self, at: usize, value: f64) {
        // Even the same value is told again: the plugin may have gone elsewhere meanwhile.
        self.told.set(at, f64::NAN);
        self.wanted.set(at, value);
    }

    /// The plugin has a value of its own accord, or was told it just now.
    pub fn adopt(&self, at: usize, value: f64) {
        self.told.set(at, value);
        self.wanted.set(at, value);
    }

    /// The value the plugin has to be told, if it has not been.
    pub fn untold(&self, at: usize) -> Option<f64> {
        let wanted = self.wanted.get(at);
        (wanted.to_bits() != self.told.get(at).to_bits()).then_some(wanted)
    }

    /// Puts the parameters that the plugin has to be told of into `turns`, as they were wanted.
    pub fn untold_in_turn(&self, turns: &mut Turns) {
        self.wanted.in_turn(|at| self.untold(at).is_some(), turns);
    }

    /// The plugin was told a value.
    pub fn tell(&self, at: usize, value: f64) {
        self.told.set(at, value);
    }

    /// Counts what was wanted so far.
    pub fn version(&self) -> u64 {
        self.wanted.version()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_told_once_and_again_when_wanted_again() {
        let knobs = Knobs::new([0.5, 0.5]);
        assert_eq!(knobs.untold(1), None);
        for _ in 0..2 {
            knobs.want(1, 0.5);
            assert_eq!(knobs.untold(1), Some(0.5));
            knobs.tell(1, 0.5);
            assert_eq!(knobs.untold(1), None);
        }
        knobs.adopt(0, 0.25);
        assert_eq!((knobs.untold(0), knobs.wanted(0)), (None, 0.25));
    }
}
