//! The counters, bells and sleep words of the two ends, apart from where they lie.
//!
//! Each side owns one [`Half`]: only it writes `counter` and `wake_at`. The client counts the
//! blocks it has submitted, the worker those it has completed. A side that is about to sleep says
//! in `wake_at` which value of the *other* side's counter it sleeps for, and sleeps on the other
//! side's `bell`; a side that publishes a counter rings its own bell if the other sleeps for that
//! value or a lower one.
//!
//! The module knows neither memory maps nor futexes, so that `tests/loom.rs` can run all of its
//! interleavings.

use std::time::Duration;

#[cfg(loom)]
pub use crate::sync::acquire as model_acquire;
use crate::sync::{AtomicU32, AtomicU64, Ordering, acquire, acquire32, fence};

/// `wake_at` of a side that is not asleep.
pub const AWAKE: u64 = u64::MAX;

/// Returns from a sleep without cause after which the bell is no longer listened to. An honest
/// peer rings once a sleep; one that rings for ever must not cost a core.
const FALSE_ALARMS: u32 = 100;

/// The words one side writes.
#[derive(Clone, Copy)]
pub struct Half<'a> {
    /// Blocks submitted or completed so far; only rises.
    pub counter: &'a AtomicU64,
    /// The value of the peer's counter this side sleeps for, or [`AWAKE`].
    pub wake_at: &'a AtomicU64,
    /// Changes when the peer is to look again. A hint, never a number to compute with.
    pub bell: &'a AtomicU32,
}

/// How a thread sleeps on a bell; the futex, or its model.
pub trait Parking {
    /// Sleeps while `bell` holds `expected`, `timeout` at most. May return at any time.
    fn park(&self, bell: &AtomicU32, expected: u32, timeout: Duration);
    /// Wakes whoever sleeps on `bell`.
    fn unpark(&self, bell: &AtomicU32);
    /// Sleeps for `timeout` whatever the bell does.
    fn rest(&self, timeout: Duration);
}

/// The value of the peer's `wake_at` that was last answered, so that a peer still on its way out
/// of the kernel is not woken for each of the blocks that follow.
///
/// One answer is enough for a value: the counter has reached it, so the peer does not go to
/// sleep for it again.
#[derive(Debug, Default)]
pub struct Answered(u64);

/// Publishes `value` as the own counter and wakes the peer if it sleeps for it.
pub fn publish(
    own: Half<'_>,
    peer: Half<'_>,
    value: u64,
    answered: &mut Answered,
    parking: &impl Parking,
) {
    // SYNC: releases the block's slot to the acquire in `sleep_until` and in the ends' index reads.
    own.counter.store(value, Ordering::Release);
    // SYNC: Dekker with the fence in `sleep_until`. Either this side sees the peer's `wake_at`, or
    // the peer sees this counter and does not sleep; both stale would lose the wake.
    fence(Ordering::SeqCst);
    let wake_at = peer.wake_at.load(Ordering::Relaxed);
    if wake_at <= value && wake_at != answered.0 {
        answered.0 = wake_at;
        ring(own.bell, parking);
    }
}

/// Changes a bell and wakes who sleeps on it.
pub fn ring(bell: &AtomicU32, parking: &impl Parking) {
    // An addition and not a store: the daemon rings the same bell when it declares a death.
    // SYNC: release, so that who sees the new bell sees what was said before it was rung.
    bell.fetch_add(1, Ordering::Release);
    parking.unpark(bell);
}

/// Sleeps until the peer's counter has reached `target` (true) or `slice` gives no more time
/// (false). `slice` is asked before each sleep for its longest duration.
pub fn sleep_until(
    own: Half<'_>,
    peer: Half<'_>,
    target: u64,
    parking: &impl Parking,
    mut slice: impl FnMut() -> Option<Duration>,
) -> bool {
    let mut alarms = 0;
    let reached = loop {
        // Read before the checks below: a bell rung after them makes `park` return at once.
        // SYNC: pairs with the release in `ring`.
        let heard = acquire32(peer.bell);
        own.wake_at.store(target, Ordering::Relaxed);
        // SYNC: Dekker with the fence in `publish`.
        fence(Ordering::SeqCst);
        // SYNC: pairs with the release store in `publish`.
        if acquire(peer.counter) >= target {
            break true;
        }
        let Some(timeout) = slice() else { break false };
        if alarms < FALSE_ALARMS {
            alarms += 1;
            parking.park(peer.bell, heard, timeout);
        } else {
            parking.rest(timeout.min(Duration::from_millis(1)));
        }
    };
    own.wake_at.store(AWAKE, Ordering::Relaxed);
    reached
}

/// The client's view of the counters. All but `completed` are its own and never re-read.
#[derive(Debug)]
pub struct ClientIndex {
    /// Blocks submitted.
    pub submitted: u64,
    /// Blocks collected, `<= completed`.
    pub collected: u64,
    completed: u64,
    depth: u64,
}

impl ClientIndex {
    /// Counters of a fresh ring of `depth` blocks.
    pub fn new(depth: u32) -> Self {
        Self {
            submitted: 0,
            collected: 0,
            completed: 0,
            depth: u64::from(depth),
        }
    }

    /// Blocks submitted and not collected, at most the depth.
    pub fn in_flight(&self) -> u64 {
        self.submitted - self.collected
    }

    /// Whether another block may be submitted.
    pub fn has_room(&self) -> bool {
        self.in_flight() < self.depth
    }

    /// Takes note of what the worker's counter says; returns how many blocks are done and not
    /// collected.
    ///
    /// # Errors
    ///
    /// It went backwards, or counts blocks that were never submitted.
    pub fn observe(&mut self, completed: u64) -> Result<u64, String> {
        let done = self.check(completed)?;
        self.completed = completed;
        Ok(done)
    }

    /// Blocks done and not collected, by what the worker's counter says.
    ///
    /// # Errors
    ///
    /// As for [`observe`](Self::observe).
    pub fn check(&self, completed: u64) -> Result<u64, String> {
        if completed < self.completed || completed > self.submitted {
            return Err(format!(
                "the worker says it has completed {completed} blocks; expected {} to {}",
                self.completed, self.submitted
            ));
        }
        Ok(completed - self.collected)
    }
}

/// The worker's view of the counters. `processed` is its own and never re-read.
#[derive(Debug)]
pub struct WorkerIndex {
    /// Blocks completed.
    pub processed: u64,
    submitted: u64,
    depth: u64,
}

impl WorkerIndex {
    /// Counters of a fresh ring of `depth` blocks.
    pub fn new(depth: u32) -> Self {
        Self {
            processed: 0,
            submitted: 0,
            depth: u64::from(depth),
        }
    }

    /// Takes note of what the client's counters say, `submitted` read before `collected`;
    /// returns how many blocks wait.
    ///
    /// # Errors
    ///
    /// A counter went backwards, or they break `collected <= completed <= submitted` or
    /// `submitted - collected <= depth`.
    pub fn observe(&mut self, submitted: u64, collected: u64) -> Result<u64, String> {
        let sane = submitted >= self.submitted
            && collected <= self.processed
            && submitted - collected <= self.depth;
        if !sane {
            return Err(format!(
                "the client says it has submitted {submitted} and collected {collected} blocks; \
                 expected {} or more, at most {} and {} at most between them",
                self.submitted, self.processed, self.depth
            ));
        }
        self.submitted = submitted;
        Ok(submitted - self.processed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_client_believes_only_possible_counts() {
        let mut index = ClientIndex::new(4);
        index.submitted = 3;
        assert_eq!(index.observe(2), Ok(2));
        assert!(index.observe(1).is_err(), "backwards");
        assert!(index.observe(4).is_err(), "never submitted");
        assert!(index.observe(u64::MAX).is_err());
        index.collected = 2;
        assert_eq!(index.observe(3), Ok(1));
        assert!(index.has_room() && index.in_flight() == 1);
        index.submitted = 6;
        assert!(!index.has_room());
    }

    #[test]
    fn the_worker_believes_only_possible_counts() {
        let mut index = WorkerIndex::new(4);
        assert_eq!(index.observe(4, 0), Ok(4));
        assert!(index.observe(5, 0).is_err(), "more than the depth");
        assert!(index.observe(3, 0).is_err(), "backwards");
        assert!(index.observe(5, 1).is_err(), "collected before completed");
        assert!(index.observe(u64::MAX, 0).is_err());
        assert!(index.observe(4, u64::MAX).is_err());
        index.processed = 2;
        assert_eq!(index.observe(6, 2), Ok(4));
    }
}
