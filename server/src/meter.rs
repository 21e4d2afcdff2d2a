//! What a worker uses, measured from outside against what it may use.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use plugpen_proto::v1::{MemoryGrowth, WorkerLimits};
use plugpen_warden::KillCause;

use crate::proc_stat;

/// Over which growth is measured.
const WINDOW: Duration = Duration::from_secs(10);
/// Readings that are kept of it.
const READINGS: usize = 64;
/// Entries of a worker's directory that are looked at; more are too many.
const MAX_ENTRIES: usize = 10_000;
/// Readings from one look at the directory to the next, which costs more.
const DISK_EVERY: u32 = 8;
/// Parts of the limit whose passing is told, in quarters.
const TOLD_AT: [u64; 3] = [1, 2, 3];

/// What a reading found.
pub enum Finding {
    /// Memory grows and has passed another part of its limit.
    Growth(MemoryGrowth),
    /// A limit was passed.
    TooMuch(KillCause),
}

/// The readings of one worker.
pub struct Meter {
    limits: WorkerLimits,
    memory: VecDeque<(Instant, u64)>,
    /// Parts of the limit that were told.
    told: usize,
    count: u32,
}

impl Meter {
    /// Nothing read yet.
    pub fn new(limits: WorkerLimits) -> Self {
        Self {
            limits,
            memory: VecDeque::new(),
            told: 0,
            count: 0,
        }
    }

    /// Reads what the process uses now. Reads files.
    pub fn read(
        &mut self,
        pid: u32,
        private_dir: &Path,
        ring_bytes: usize,
        now: Instant,
    ) -> Option<Finding> {
        let used = proc_stat::used(pid)?;
        self.count = self.count.wrapping_add(1);
        let limit = self.limits.threads;
        if limit > 0 && used.threads > limit {
            let what = format!(
                "{} threads, more than {limit} (limit \"worker_threads\"),",
                used.threads
            );
            return Some(Finding::TooMuch(KillCause::Limit(what)));
        }
        let limit = self.limits.cpu_seconds;
        if limit > 0 && proc_stat::usage(pid).1 > limit as f64 + 1.0 {
            return Some(Finding::TooMuch(KillCause::Cpu));
        }
        if self.count.is_multiple_of(DISK_EVERY)
            && let Some(what) = self.disk(private_dir)
        {
            return Some(Finding::TooMuch(KillCause::Limit(what)));
        }
        let rings = u64::try_from(ring_bytes).unwrap_or(u64::MAX);
        self.note_memory(used.memory.saturating_sub(rings), now)
    }

    fn note_memory(&mut self, bytes: u64, now: Instant) -> Option<Finding> {
        let limit = self.limits.memory_bytes;
        if self.memory.len() == READINGS {
            self.memory.pop_front();
        }
        self.memory.push_back((now, bytes));
        while self
            .memory
            .front()
            .is_some_and(|(then, _)| now.saturating_duration_since(*then) > WINDOW)
        {
            self.memory.pop_front();
        }
        if limit == 0 {
            return None;
        }
        let slope = self.slope();
        if bytes > limit {
            let what = format!(
                "{bytes} bytes of memory, more than {limit} (limit \"worker_memory_bytes\"), growing by {slope:.0} bytes a second,"
            );
            return Some(Finding::TooMuch(KillCause::Memory(what)));
        }
        let passed = TOLD_AT
            .iter()
            .filter(|quarters| bytes >= limit / 4 * **quarters)
            .count();
        let is_news = passed > self.told && slope > 0.0;
        self.told = self.told.max(passed);
        is_news.then_some(Finding::Growth(MemoryGrowth {
            bytes,
            bytes_per_second: slope,
            limit_bytes: limit,
        }))
    }

    /// Bytes a second from the first to the last reading of the window.
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    fn slope(&self) -> f64 {
        let (Some(&(from, before)), Some(&(to, after))) = (self.memory.front(), self.memory.back())
        else {
            return 0.0;
        };
        let seconds = to.saturating_duration_since(from).as_secs_f64();
        match seconds > 0.0 {
            true => (after as f64 - before as f64) / seconds,
            false => 0.0,
        }
    }

    fn disk(&self, private_dir: &Path) -> Option<String> {
        let limit = self.limits.disk_bytes;
        if limit == 0 {
            return None;
        }
        let (bytes, entries) = disk_usage(private_dir);
        if entries > MAX_ENTRIES {
            return Some(format!("more than {MAX_ENTRIES} files on disk"));
        }
        (bytes > limit).then(|| {
            format!("{bytes} bytes of disk, more than {limit} (limit \"worker_disk_bytes\"),")
        })
    }
}

/// Bytes and entries below a folder, followed nowhere else; stops when there are too many.
fn disk_usage(folder: &Path) -> (u64, usize) {
    let (mut bytes, mut entries) = (0u64, 0);
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let Ok(listing) = fs::read_dir(folder) else {
            continue;
        };
        for entry in listing.flatten() {
            entries += 1;
            if entries > MAX_ENTRIES {
                return (bytes, entries);
            }
            // Of the link itself, where it is one.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            match metadata.is_dir() {
                true => waiting.push(entry.path()),
                false => bytes = bytes.saturating_add(metadata.len()),
            }
        }
    }
    (bytes, entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(memory_bytes: u64) -> Meter {
        Meter::new(WorkerLimits {
            memory_bytes,
            ..WorkerLimits::default()
        })
    }

    #[test]
    fn a_leak_is_told_with_its_rate_and_then_ended() {
        let mut meter = meter(4000);
        let start = Instant::now();
        let mut told = Vec::new();
        for second in 0..41 {
            let now = start + Duration::from_secs(second);
            match meter.note_memory(second * 101, now) {
                Some(Finding::Growth(growth)) => told.push(growth),
                Some(Finding::TooMuch(KillCause::Memory(what))) => {
                    assert_eq!(second, 40);
                    assert!(what.contains("4040 bytes") && what.contains("101 bytes a second"));
                    assert_eq!(told.len(), 3);
                    assert!((told[0].bytes_per_second - 101.0).abs() < 1e-6);
                    return;
                }
                _ => {}
            }
        }
        panic!("it was not ended");
    }

    #[test]
    fn a_plugin_that_is_large_and_stays_so_is_no_leak() {
        let mut meter = meter(4000);
        let start = Instant::now();
        for second in 0..60 {
            let found = meter.note_memory(2500, start + Duration::from_secs(second));
            assert!(found.is_none());
        }
        assert!(meter.memory.len() <= 11);
    }

    #[test]
    fn disk_is_counted_without_following_links() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/a"), [0; 1000]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
        let (bytes, entries) = disk_usage(folder.path());
        assert!((1000..2000).contains(&bytes) && entries == 3);
        let meter = Meter::new(WorkerLimits {
            disk_bytes: 999,
            ..WorkerLimits::default()
        });
        let what = meter.disk(folder.path()).unwrap();
        assert!(what.contains("worker_disk_bytes"), "{what}");
    }
}
