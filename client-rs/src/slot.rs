//! A place that holds one thing for whoever uses it next.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use plugpen_proto::v1::ErrorReason;

use crate::error::{Error, Result};

/// How long a caller waits for another thread that has the thing.
const TURN: Duration = Duration::from_secs(30);

/// Holds a thing, or knows which thread took it. Unlike a mutex's guard, what is taken out can be
/// kept, moved to another thread and stored; a thread that would wait for itself is told.
pub(crate) struct Slot<T> {
    place: Mutex<Place<T>>,
    vacated: Condvar,
}

enum Place<T> {
    Here(T),
    Taken(ThreadId),
}

impl<T> Slot<T> {
    pub(crate) fn new(thing: T) -> Arc<Slot<T>> {
        Arc::new(Slot {
            place: Mutex::new(Place::Here(thing)),
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
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let holder = match std::mem::replace(&mut *place, Place::Taken(me)) {
                Place::Here(thing) => {
                    return Ok(Taken {
                        thing: Some(thing),
                        slot: self.clone(),
                    });
                }
                Place::Taken(holder) => holder,
            };
            *place = Place::Taken(holder);
            let left = deadline.saturating_duration_since(Instant::now());
            if holder == me || left.is_zero() {
                return Err(Error::new(
                    ErrorReason::WrongState,
                    "the audio is in use by a render that has not ended; finish or drop it first",
                ));
            }
            let waited = self.vacated.wait_timeout(place, left);
            place = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
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
            let mut place = self
                .slot
                .place
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *place = Place::Here(thing);
            drop(place);
            self.slot.vacated.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn a_thread_does_not_wait_for_itself() {
        let slot = Slot::new(());
        let _taken = slot.take().unwrap();
        let error = slot.take().err().unwrap();
        assert_eq!(error.reason, ErrorReason::WrongState);
    }
}
