//! Plain parameter values, which several threads read and set.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Parameter;

/// The plain value of each parameter.
pub struct Values {
    parameters: &'static [Parameter],
    values: Vec<AtomicU64>,
}

impl Values {
    /// The defaults.
    pub fn new(parameters: &'static [Parameter]) -> Self {
        let values = parameters
            .iter()
            .map(|parameter| AtomicU64::new(parameter.default.to_bits()))
            .collect();
        Self { parameters, values }
    }

    /// A plain value, 0 where there is no such parameter.
    pub fn get(&self, index: usize) -> f64 {
        let value = self.values.get(index);
        value.map_or(0.0, |value| f64::from_bits(value.load(Ordering::Relaxed)))
    }

    /// A plain value, rounded to a whole number of 0 or more.
    pub fn count(&self, index: usize) -> usize {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and NaN becomes 0"
        )]
        let count = self.get(index).round() as usize;
        count
    }

    /// Sets a plain value.
    pub fn set(&self, index: usize, plain: f64) {
        if let Some(value) = self.values.get(index) {
            value.store(plain.to_bits(), Ordering::Relaxed);
        }
    }

    /// A normalised value.
    pub fn normal(&self, index: usize) -> f64 {
        let parameter = self.parameters.get(index);
        parameter.map_or(0.0, |parameter| parameter.normal(self.get(index)))
    }

    /// Sets a normalised value.
    pub fn set_normal(&self, index: usize, normal: f64) {
        if let Some(parameter) = self.parameters.get(index) {
            self.set(index, parameter.plain(normal));
        }
    }

    /// All plain values.
    pub fn iter(&self) -> impl Iterator<Item = f64> {
        (0..self.values.len()).map(|index| self.get(index))
    }
}
