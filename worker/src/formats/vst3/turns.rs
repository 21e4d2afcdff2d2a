//! Turns at what plugins may use from several threads at once, without ever sleeping.

use std::sync::{Mutex, MutexGuard, TryLockError};

/// Looks before giving up: some ten times as long as a turn takes.
const LOOKS: usize = 2_000;

/// A turn; `None` where another thread does not end its own.
pub fn take_turn<T>(turns: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for _ in 0..LOOKS {
        match turns.try_lock() {
            Ok(turn) => return Some(turn),
            // Nothing that runs within a turn can be left half done.
            Err(TryLockError::Poisoned(turn)) => return Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_does_not_end_is_not_waited_for() {
        let turns = Mutex::new(7);
        let held = take_turn(&turns).unwrap();
        assert!(take_turn(&turns).is_none());
        drop(held);
        assert_eq!(*take_turn(&turns).unwrap(), 7);
    }
}
