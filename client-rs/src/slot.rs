//! A place that holds one thing for whoever uses it next.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use plugpen_proto::v1::ErrorReason;

use crate::error::{Error, Result};

/// How long a caller waits for another thread that has the thing.
const TURN: Duration = Duration::from_secs(30);

/// Holds a thing, or knows which thread took it. Unlike a mutex's guard, what is taken out can be
/// kept, moved to another thread and stored; a thread that would wait for itself is told.
pub(crate) struct Slot<T> {
    state: Mutex<State<T>>,
    vacated: Condvar,
}

struct State<T> {
    place: Place<T>,
    /// Threads that wait for it: without any, nobody needs a wake, which is a system call.
    waiting: usize,
    /// Threads that were woken in vain, because another one was faster. While there are any, only
    /// they may take the thing: else a thread that uses it in a loop would have it for ever.
    passed_over: usize,
}

enum Place<T> {
    Here(T),
    Taken(ThreadId),
}

impl<T> Slot<T> {
    pub(crate) fn new(thing: T) -> Arc<Slot<T>> {
        Arc::new(Slot {
            state: Mutex::new(State {
                place: Place::Here(thing),
                waiting: 0,
                passed_over: 0,
            }),
            vacated: Condvar::new(),
        })
    }

    /// Takes the thing out, waiting for another thread that has it.
    ///
    /// # Errors
    /// `WrongState` where this very thread has it, or where it does not come back.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Taken<T>> {
        let me = thread::current().id();
        let deadline = Instant::now() + TURN;
        let mut woken = false;
        let mut passed_over = false;
        let mut state = self.lock();
        let taken = loop {
            let mine = passed_over || state.passed_over == 0;
            if mine
                && matches!(state.place, Place::Here(_))
                && let Place::Here(thing) = std::mem::replace(&mut state.place, Place::Taken(me))
            {
                break Some(thing);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let is_own = matches!(state.place, Place::Taken(holder) if holder == me);
            if is_own || left.is_zero() {
                break None;
            }
            if woken && !passed_over {
                passed_over = true;
                state.passed_over += 1;
            }
            state.waiting += 1;
            let waited = self.vacated.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
            woken = true;
        };
        if passed_over {
            state.passed_over -= 1;
            // Those who had to stand back for this one.
            self.vacated.notify_all();
        }
        drop(state);
        let thing = taken.ok_or_else(|| {
            Error::new(
                ErrorReason::WrongState,
                "the audio is in use by a render that has not ended; finish or drop it first",
            )
        })?;
        Ok(Taken {
            thing: Some(thing),
            slot: self.clone(),
        })
    }

    fn put(&self, thing: T) {
        let mut state = self.lock();
        state.place = Place::Here(thing);
        match (state.passed_over, state.waiting) {
            (0, 0) => {}
            (0, _) => self.vacated.notify_one(),
            // One of them, and not a thread that must stand back.
            _ => self.vacated.notify_all(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thing, until it is dropped.
pub(crate) struct Taken<T> {
    /// `None` only while it is dropped.
    thing: Option<T>,
    slot: Arc<Slot<T>>,
}

impl<T> Deref for Taken<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.thing.as_ref().expect("present until the drop")
    }
}

impl<T> DerefMut for Taken<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.thing.as_mut().expect("present until the drop")
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Taken<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Taken").field(&self.thing).finish()
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        if let Some(thing) = self.thing.take() {
            self.slot.put(thing);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn threads_take_turns() {
        let slot = Slot::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        *slot.take().unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(*slot.take().unwrap(), 4000);
    }

    #[test]
    fn a_thread_that_never_rests_lets_others_have_a_turn() {
        let slot = Slot::new(());
        let done = AtomicBool::new(false);
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                drop(slot.take().unwrap());
                start.wait();
                while !done.load(Ordering::Relaxed) {
                    let _taken = slot.take().unwrap();
                }
            });
            start.wait();
            for _ in 0..100 {
                drop(slot.take().unwrap());
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_thread_does_not_wait_for_itself() {
        let slot = Slot::new(());
        let _taken = slot.take().unwrap();
        let error = slot.take().err().unwrap();
        assert_eq!(error.reason, ErrorReason::WrongState);
    }
}
