//! Locks whose holders never panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. What a lock here guards is valid after every statement, so a panic elsewhere while it
/// was held does not spoil it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
