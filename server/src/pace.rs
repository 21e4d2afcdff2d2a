//! How fast a client may call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use crate::lock::lock;

/// Clients that are remembered; those whose allowance is full again are forgotten first.
const REMEMBERED: usize = 1024;

/// A token bucket for each client: one second's worth of calls may come at once.
#[derive(Debug)]
pub struct Pace {
    per_second: f64,
    clients: Mutex<HashMap<Arc<str>, Allowance>>,
}

#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: f64,
    at: Instant,
}

impl Pace {
    /// So many calls a second.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            clients: Mutex::default(),
        }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// `LimitReached`: there were too many.
    pub fn admit(&self, client: &Arc<str>, now: Instant) -> Result<(), Error> {
        let mut clients = lock(&self.clients);
        if clients.len() >= REMEMBERED && !clients.contains_key(client) {
            let full = self.per_second;
            clients.retain(|_, allowance| allowance.at(now, full) < full);
        }
        let full = Allowance {
            left: self.per_second,
            at: now,
        };
        let allowance = clients.entry(client.clone()).or_insert(full);
        let left = allowance.at(now, self.per_second);
        let is_in_time = left >= 1.0;
        // A refused call costs nothing: who calls a little too often must not be shut out.
        *allowance = Allowance {
            left: if is_in_time { left - 1.0 } else { left },
            at: now,
        };
        if is_in_time {
            return Ok(());
        }
        Err(Error::new(
            ErrorReason::LimitReached,
            format!(
                "more than {} calls a second (limit \"calls_per_second\"); make fewer, larger calls (all parameters at once, streams of blocks)",
                self.per_second
            ),
        ))
    }
}

impl Allowance {
    fn at(self, now: Instant, full: f64) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * full;
        (self.left + gained).min(full)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_refused_and_others_notice_nothing() {
        let pace = Pace::new(10);
        let (one, other): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let now = Instant::now();
        for _ in 0..10 {
            pace.admit(&one, now).unwrap();
        }
        let error = pace.admit(&one, now).unwrap_err();
        assert_eq!(error.reason, ErrorReason::LimitReached);
        assert!(error.message.contains("calls_per_second"));
        pace.admit(&other, now).unwrap();
        let later = now + Duration::from_millis(250);
        pace.admit(&one, later).unwrap();
        pace.admit(&one, later).unwrap();
        assert!(pace.admit(&one, later).is_err());
    }

    #[test]
    fn whoever_calls_too_often_gets_what_is_allowed_all_the_same() {
        let pace = Pace::new(10);
        let client: Arc<str> = "a".into();
        let begin = Instant::now();
        let answered = (0..1000_u32)
            .filter(|call| {
                pace.admit(&client, begin + *call * Duration::from_millis(10))
                    .is_ok()
            })
            .count();
        // Ten at once, and ten in each of ten seconds.
        assert!((105..=110).contains(&answered), "{answered}");
    }
}
