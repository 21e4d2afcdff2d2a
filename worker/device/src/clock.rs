//! When things happened: one monotonic clock, drivers' clocks brought onto it, and the audio's
//! periods smoothed.

use std::time::Instant;

/// The microseconds of this process, from its start.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Starts at 0.
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// Now.
    pub fn now_us(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The instant of a microsecond.
    pub fn instant(self, us: u64) -> Instant {
        self.0 + std::time::Duration::from_micros(us)
    }
}

/// How fast a longer delay is believed: a thousandth of it a message.
const DRIFT: f64 = 0.001;

/// A driver's clock on ours. Messages reach us late by some varying time; the least delay seen is
/// the best guess of the constant between the clocks.
#[derive(Debug, Default)]
pub struct DriverClock {
    offset: Option<f64>,
}

impl DriverClock {
    /// Our microsecond of a message that the driver stamped and that arrived now.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 and what has passed"
    )]
    pub fn place(&mut self, stamp_us: u64, now_us: u64) -> u64 {
        let (stamp, now) = (stamp_us as f64, now_us as f64);
        let seen = now - stamp;
        let offset = match self.offset {
            Some(offset) if seen > offset => offset + (seen - offset) * DRIFT,
            _ => seen,
        };
        self.offset = Some(offset);
        (stamp + offset).clamp(0.0, now) as u64
    }
}

/// How much of a callback's deviation is believed.
const GAIN: f64 = 0.05;

/// When a period begins, smoothed over the callbacks, which come unevenly.
#[derive(Debug, Default)]
pub struct Periods {
    /// When the next one is expected.
    next: Option<f64>,
}

impl Periods {
    /// The microsecond at which a period begins whose callback came now and is so long.
    pub fn begin(&mut self, now_us: u64, length_us: f64) -> f64 {
        let now = now_us as f64;
        let begin = match self.next {
            // Further off, something was restarted: begin anew.
            Some(next) if (now - next).abs() <= 2.0 * length_us => next + (now - next) * GAIN,
            _ => now,
        };
        self.next = Some(begin + length_us);
        begin
    }
}

/// The frame of a period for a message: one period late, so that the whole of the period before is
/// known, and evenly so.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the period"
)]
pub fn offset(message_us: u64, begin_us: f64, length_us: f64, frames: u32) -> u32 {
    let into = (message_us as f64 - (begin_us - length_us)) / length_us;
    let last = f64::from(frames.saturating_sub(1));
    (into * f64::from(frames)).clamp(0.0, last) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_s_stamps_keep_their_distances_whatever_the_delay() {
        let mut clock = DriverClock::default();
        let placed = |clock: &mut DriverClock, stamp: u64, delay: u64| {
            clock.place(stamp, 1_000_000 + stamp + delay)
        };
        let first = placed(&mut clock, 0, 100);
        let second = placed(&mut clock, 1000, 900);
        assert!((second - first).abs_diff(1000) <= 1, "{first} {second}");
    }

    #[test]
    fn a_jittering_callback_gives_even_periods() {
        let mut periods = Periods::default();
        let length = 5333.0;
        let mut last = periods.begin(0, length);
        for period in 1..200u64 {
            let late = (period * 7919) % 1000;
            let begin = periods.begin(period * 5333 + late, length);
            let step = begin - last;
            if period > 100 {
                assert!((step - length).abs() < 60.0, "period {period}: {step}");
            }
            last = begin;
        }
        assert_eq!(periods.begin(10_000_000, length), 10_000_000.0, "anew");
    }

    #[test]
    fn messages_land_in_their_period() {
        let at = |us| offset(us, 10_000.0, 5000.0, 240);
        assert_eq!(at(5000), 0);
        assert_eq!(at(7500), 120);
        assert_eq!(at(9999), 239);
        assert_eq!(at(0), 0, "too early for the period");
        assert_eq!(at(20_000), 239, "from the future");
    }
}
