//! Parameter values shared by the main and the audio thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// Plain values by parameter index. Both sides write, the last one wins; the audio thread
/// notices changes by one counter, so an unchanged set costs one load a block.
#[derive(Debug)]
pub struct Values {
    bits: Box<[AtomicU64]>,
    /// When each was set last, by the count of `turn`.
    turns: Box<[AtomicU64]>,
    turn: AtomicU64,
    version: AtomicU64,
}

/// Room for the indices of values, sorted by when they were set.
pub type Turns = Vec<(u64, usize)>;

impl Values {
    /// Starts with these values.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let bits: Box<[_]> = values
            .into_iter()
            .map(|value| AtomicU64::new(value.to_bits()))
            .collect();
        Self {
            turns: bits.iter().map(|_| AtomicU64::new(0)).collect(),
            bits,
            turn: AtomicU64::new(0),
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
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.turns[index].store(turn, Ordering::Relaxed);
        // SYNC: pairs with the acquire in `version`: who sees the count sees the value.
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Puts the indices that `choose` picks into `turns`, those set first first. Allocates only
    /// where `turns` has less room than there are values.
    pub fn in_turn(&self, choose: impl Fn(usize) -> bool, turns: &mut Turns) {
        turns.clear();
        let chosen = (0..self.len()).filter(|&index| choose(index));
        turns.extend(chosen.map(|index| (self.turns[index].load(Ordering::Relaxed), index)));
        turns.sort_unstable();
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

    #[test]
    fn values_are_told_in_the_order_they_were_set() {
        let values = Values::new([0.0; 4]);
        for index in [2, 3, 0, 2] {
            values.set(index, 1.0);
        }
        let mut turns = Turns::new();
        values.in_turn(|index| index != 1, &mut turns);
        let order: Vec<_> = turns.iter().map(|(_, index)| *index).collect();
        assert_eq!(order, [3, 0, 2]);
    }
}
