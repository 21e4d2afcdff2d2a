//! What the two halves of a VST2 plugin share.

use std::sync::Arc;

use super::host::Host;
use super::instance::Instance;
use super::knobs::Knobs;
use crate::formats::Turns;
use crate::formats::numbers::narrow;

/// Constant but for the knobs, which both halves turn.
pub struct Shared {
    /// The plugin; see its methods for who may call which.
    pub instance: Instance,
    /// Whom it calls.
    pub host: &'static Host,
    /// Values of its parameters.
    pub knobs: Arc<Knobs>,
}

impl Shared {
    /// A parameter's value as the client should see it: exactly what was set, while the plugin
    /// has that or has yet to be told; else what the plugin has.
    pub fn value(&self, at: usize) -> f64 {
        let wanted = self.knobs.wanted(at);
        if self.knobs.untold(at).is_some() {
            return wanted;
        }
        let has = self.instance.get_parameter(at);
        if narrow(wanted) == narrow(has) {
            wanted
        } else {
            has
        }
    }

    /// Tells the plugin all values that are wanted and that it does not know, in the order they
    /// were set. Whoever owns the processor. `turns` is room for them.
    pub fn settle_in(&self, turns: &mut Turns) {
        self.knobs.untold_in_turn(turns);
        for &(_, at) in &*turns {
            // Looked at again: the plugin may have changed it in answer to an earlier one.
            if let Some(value) = self.knobs.untold(at) {
                self.set(at, value);
            }
        }
    }

    /// [`settle_in`](Self::settle_in) where allocating does no harm.
    pub fn settle(&self) {
        self.settle_in(&mut Turns::new());
    }

    /// Sets a value at once. Whoever owns the processor.
    pub fn set(&self, at: usize, value: f64) {
        self.instance.set_parameter(at, value);
        self.knobs.tell(at, value);
    }

    /// All values as the plugin has them.
    pub fn values(&self) -> Vec<f64> {
        (0..self.knobs.len())
            .map(|at| self.instance.get_parameter(at))
            .collect()
    }

    /// Takes the plugin's values over after it was given a state or a program, and notes those
    /// that changed as the client's doing.
    pub fn restored(&self, before: &[f64]) {
        for (at, before) in before.iter().enumerate() {
            let now = self.instance.get_parameter(at);
            self.knobs.adopt(at, now);
            if now.to_bits() != before.to_bits() {
                self.host.notices.parameter(at, true);
            }
        }
    }
}
