//! How often each plugin file died lately, whoever opened it.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::config::Restarts;
use crate::lock::lock;

/// Files that are remembered; those that died longest ago are forgotten first.
const MAX_FILES: usize = 4096;

/// The deaths of all files within the window.
pub struct CrashLoops {
    terms: Restarts,
    files: Mutex<HashMap<String, VecDeque<Instant>>>,
}

impl CrashLoops {
    /// None yet.
    pub fn new(terms: Restarts) -> Self {
        Self {
            terms,
            files: Mutex::default(),
        }
    }

    /// Notes a death of the file of this identity; how long to wait before it is loaded again.
    ///
    /// # Errors
    /// It died too often: why it stays dead.
    pub fn note(&self, identity: &str, now: Instant) -> Result<Duration, String> {
        let window = Duration::from_secs_f64(self.terms.within_seconds);
        let most = usize::try_from(self.terms.crashes).unwrap_or(usize::MAX);
        let mut files = lock(&self.files);
        if files.len() >= MAX_FILES && !files.contains_key(identity) {
            let oldest = files
                .iter()
                .min_by_key(|(_, deaths)| deaths.back().copied());
            if let Some(oldest) = oldest.map(|(identity, _)| identity.clone()) {
                files.remove(&oldest);
            }
        }
        let deaths = files.entry(identity.to_owned()).or_default();
        deaths.retain(|death| now.saturating_duration_since(*death) < window);
        if deaths.len() > most {
            deaths.pop_front();
        }
        deaths.push_back(now);
        let count = u32::try_from(deaths.len()).unwrap_or(u32::MAX);
        self.terms.delay(count).ok_or_else(|| {
            format!(
                "its file died {count} times within {} s, more than restarts.crashes = {} allows; restart() tries again",
                self.terms.within_seconds, self.terms.crashes
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loops(crashes: u32) -> CrashLoops {
        CrashLoops::new(Restarts {
            crashes,
            within_seconds: 10.0,
            delay_seconds: 1.0,
            ..Restarts::default()
        })
    }

    #[test]
    fn a_file_that_keeps_dying_is_left_dead_and_others_are_not() {
        let loops = loops(2);
        let now = Instant::now();
        assert_eq!(loops.note("a", now), Ok(Duration::ZERO));
        assert_eq!(loops.note("a", now), Ok(Duration::from_secs(1)));
        assert!(loops.note("a", now).unwrap_err().contains("3 times"));
        assert!(loops.note("a", now).is_err());
        assert_eq!(loops.note("b", now), Ok(Duration::ZERO));
        let later = now + Duration::from_secs(10);
        assert_eq!(loops.note("a", later), Ok(Duration::ZERO));
    }

    #[test]
    fn memory_is_bounded() {
        let loops = loops(3);
        let now = Instant::now();
        for number in 0..MAX_FILES + 10 {
            let _ = loops.note(&number.to_string(), now);
        }
        assert_eq!(lock(&loops.files).len(), MAX_FILES);
        (0..100).for_each(|_| drop(loops.note("x", now)));
        assert!(lock(&loops.files)["x"].len() <= 4);
    }
}
