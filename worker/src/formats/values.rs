//! Parameter values shared by the main and the audio thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// Plain values by parameter index. Both sides write, the last one wins; the audio thread
/// notices changes by one counter, so an unchanged set costs one load a block.
#[derive(Debug)]
pub struct Values {
    bits: Box<[AtomicU64]>,
    version: AtomicU64,
}

impl Values {
    /// Starts with these values.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        Self {
            bits: values
                .into_iter()
                .map(|value| AtomicU64::new(value.to_bits()))
                .collect(),
            version: AtomicU64::new(0),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.bits.len()
    }

    /// The value at an index below [`Values::len`].
    pub fn get(&self, index: usize) -> f64 {
        f64::from_bits(self.bits[index].load(Ordering::Relaxed))
    }

    /// Stores a value and counts the change.
    pub fn set(&self, index: usize, value: f64) {
        self.bits[index].store(value.to_bits(), Ordering::Relaxed);
        // SYNC: pairs with the acquire in `version`: who sees the count sees the value.
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Counts all changes so far.
    pub fn version(&self) -> u64 {
        // SYNC: pairs with the release in `set`.
        self.version.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_counted() {
        let values = Values::new([0.25, -1.0]);
        let before = values.version();
        values.set(1, 3.5);
        assert_eq!((values.get(0), values.get(1)), (0.25, 3.5));
        assert_ne!(values.version(), before);
        assert_eq!(values.len(), 2);
    }
}
