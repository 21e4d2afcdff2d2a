//! How much a worker may say by itself.

use std::time::Instant;

/// Events a second. A plugin that changes each of a thousand parameters in each of a thousand
/// blocks a second is joined by its worker into less than this.
const RATE: u64 = 100_000;
/// Events that may come at once: what watchers do not take is joined and dropped long before.
const BURST: u64 = 4 * RATE;
/// Bytes that count as one event more.
const BYTES: usize = 1024;

/// Counts what a worker says by itself against what it may; answers are bounded by the calls.
#[derive(Debug)]
pub(crate) struct Flow {
    room: u64,
    refilled: Instant,
}

impl Flow {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            room: BURST,
            refilled: now,
        }
    }

    /// Lets an event of so many bytes through.
    ///
    /// # Errors
    /// It is one too many; says so.
    pub(crate) fn admit(&mut self, bytes: usize, now: Instant) -> Result<(), String> {
        let elapsed = now.saturating_duration_since(self.refilled).as_millis();
        let gained = u64::try_from(elapsed)
            .unwrap_or(u64::MAX)
            .saturating_mul(RATE)
            / 1000;
        if gained > 0 {
            self.room = self.room.saturating_add(gained).min(BURST);
            self.refilled = now;
        }
        let cost = 1 + u64::try_from(bytes / BYTES).unwrap_or(u64::MAX - 1);
        self.room = self.room.checked_sub(cost).ok_or_else(|| {
            format!("more than {BURST} events at once, or {RATE} a second for long")
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        assert!((0..BURST).all(|_| flow.admit(10, start).is_ok()));
        assert!(flow.admit(10, start).is_err());
        let later = start + Duration::from_millis(100);
        let passed = (0..BURST).filter(|_| flow.admit(10, later).is_ok()).count();
        assert_eq!(passed, 10_000);
    }

    #[test]
    fn large_events_count_as_many() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        let passed = (0..BURST).filter(|_| flow.admit(99 * BYTES, start).is_ok());
        assert_eq!(passed.count(), 4000);
    }
}
