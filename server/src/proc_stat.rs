//! What the kernel counts of a process.

use std::fs;

/// Resident memory in bytes and CPU seconds used; 0 for a process that is gone.
pub fn usage(pid: u32) -> (u64, f64) {
    let memory = fs::read_to_string(format!("/proc/{pid}/statm"));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    (
        memory.map_or(0, |text| resident_pages(&text)) * page_size(),
        stat.map_or(0.0, |text| cpu_seconds(&text)),
    )
}

/// What a process uses of what is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Memory that is its own or shared anonymously, in bytes, what was swapped out included.
    pub memory: u64,
    /// Threads.
    pub threads: u64,
}

/// What a process uses; `None` for one that is gone.
pub fn used(pid: u32) -> Option<Used> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    used_of(&status)
}

fn used_of(status: &str) -> Option<Used> {
    // The name, which the process chooses, is on one line and its line breaks are escaped.
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let kib = |name| field(name).unwrap_or(0).saturating_mul(1024);
    Some(Used {
        memory: kib("RssAnon:") + kib("RssShmem:") + kib("VmSwap:"),
        threads: field("Threads:")?,
    })
}

fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

fn resident_pages(statm: &str) -> u64 {
    let field = statm.split_ascii_whitespace().nth(1);
    field.and_then(|pages| pages.parse().ok()).unwrap_or(0)
}

fn cpu_seconds(stat: &str) -> f64 {
    // The name in parentheses may contain anything; fields are counted from behind it, where
    // user and system time are the 12th and 13th.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u32 = rest
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .fold(0, u32::saturating_add);
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
    f64::from(ticks) / f64::from(per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory() {
        assert!(usage(std::process::id()).0 > 100_000);
        assert_eq!(usage(0), (0, 0.0));
        let used = used(std::process::id()).unwrap();
        assert!(used.memory > 100_000 && used.threads > 1);
        assert_eq!(super::used(0), None);
    }

    #[test]
    fn a_hostile_process_name_does_not_shift_the_fields() {
        let stat = "7 (a) R 1 ) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20";
        assert!((cpu_seconds(stat) - 2.0).abs() < 1e-9);
    }
}
