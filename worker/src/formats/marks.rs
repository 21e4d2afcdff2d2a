//! Sets of indices that one thread marks and another takes.

use std::sync::atomic::{AtomicU64, Ordering};

/// One bit an index. Marking and taking are wait-free.
#[derive(Debug)]
pub struct Marks {
    words: Box<[AtomicU64]>,
}

impl Marks {
    /// For indices below `count`, none marked.
    pub fn new(count: usize) -> Self {
        Self {
            words: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Marks an index; returns false for one that is out of range.
    pub fn mark(&self, index: usize) -> bool {
        let word = self.words.get(index / 64);
        // SYNC: pairs with the acquire in `take`: who sees the mark sees what was done before it.
        word.map(|word| word.fetch_or(1 << (index % 64), Ordering::Release))
            .is_some()
    }

    /// Whether this index is marked.
    pub fn has(&self, index: usize) -> bool {
        let word = self.words.get(index / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & 1 << (index % 64) != 0)
    }

    /// Whether an index is marked.
    pub fn any(&self) -> bool {
        self.words
            .iter()
            .any(|word| word.load(Ordering::Relaxed) != 0)
    }

    /// Takes all marks, in the order of their indices.
    pub fn take(&self, mut each: impl FnMut(usize)) {
        for (at, word) in self.words.iter().enumerate() {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            // SYNC: pairs with the release in `mark`.
            let mut set = word.swap(0, Ordering::Acquire);
            while set != 0 {
                let bit = set.trailing_zeros();
                each(at * 64 + usize::try_from(bit).unwrap_or(0));
                set &= set - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_once_in_order() {
        let marks = Marks::new(130);
        assert!(!marks.any());
        for index in [129, 3, 64, 3] {
            assert!(marks.mark(index));
        }
        assert!(marks.any() && !marks.mark(500));
        assert!(marks.has(3) && !marks.has(4) && !marks.has(500));
        let mut taken = Vec::new();
        marks.take(|index| taken.push(index));
        assert_eq!(taken, [3, 64, 129]);
        marks.take(|_| panic!("taken twice"));
    }
}
