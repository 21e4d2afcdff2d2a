//! What processes hold, read from `/proc`.

use std::fs;
use std::path::Path;

/// Counts of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Mappings of anonymous shared memory.
    pub shared_mappings: usize,
    /// Resident memory, KiB.
    pub resident_kib: usize,
}

/// Counts what a process holds; None if there is no such process.
pub fn of(pid: u32) -> Option<Census> {
    let proc = Path::new("/proc").join(pid.to_string());
    let status = fs::read_to_string(proc.join("status")).ok()?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
    };
    let maps = fs::read_to_string(proc.join("maps")).ok()?;
    Some(Census {
        descriptors: fs::read_dir(proc.join("fd")).ok()?.count(),
        threads: field("Threads:")?,
        shared_mappings: maps.lines().filter(|line| line.contains("/memfd:")).count(),
        resident_kib: field("VmRSS:")?,
    })
}

/// The living children of a process. One that died and is not yet waited for is not among them.
pub fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| matches!(stat(*pid), Some((state, ppid)) if ppid == parent && state != 'Z'))
        .collect()
}

/// Whether a process is there and not a zombie.
pub fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// State letter and parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in brackets and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_itself_and_its_child() {
        let own = of(std::process::id()).unwrap();
        assert!(own.descriptors >= 3 && own.threads >= 1 && own.resident_kib > 0);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert!(children(std::process::id()).contains(&child.id()));
        assert!(is_running(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_running(child.id()) && of(child.id()).is_none());
    }
}
