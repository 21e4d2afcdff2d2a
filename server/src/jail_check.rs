//! What a worker says of its jail, compared with what the kernel says of the worker.
//!
//! The report is made before the worker loads anything hostile, so a difference is a mistake of
//! ours or a kernel that pretends; either way nobody is told of a layer that does not stand.

use std::fs;
use std::os::unix::fs::MetadataExt;

use plugpen_proto::v1::{SandboxLayer, SandboxReport, SandboxState};

/// A layer and the line of `/proc/PID/status` that shows it.
const VISIBLE: [(&str, &str, &str); 6] = [
    ("no_new_privs", "NoNewPrivs", "1"),
    // 2: filters are installed.
    ("seccomp", "Seccomp", "2"),
    ("capabilities", "CapEff", NO_CAPABILITY),
    ("capabilities", "CapPrm", NO_CAPABILITY),
    ("capabilities", "CapBnd", NO_CAPABILITY),
    ("capabilities", "CapAmb", NO_CAPABILITY),
];

const NO_CAPABILITY: &str = "0000000000000000";

/// A layer and the link of `/proc/PID/ns` that differs from ours where it stands.
const NAMESPACES: [(&str, &str); 6] = [
    ("user_ns", "user"),
    ("pid_ns", "pid"),
    ("ipc_ns", "ipc"),
    ("uts_ns", "uts"),
    ("net_ns", "net"),
    ("mount_ns", "mnt"),
];

/// The report with every layer taken back that can be seen from outside and is not there. Reads
/// files of /proc.
pub fn checked(report: SandboxReport, pid: u32) -> SandboxReport {
    match fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => {
            let shared = NAMESPACES.iter().filter(|(_, link)| is_shared(pid, link));
            let mut shared: Vec<&str> = shared.map(|(name, _)| *name).collect();
            if has_our_root(pid) {
                shared.push("mount_ns");
            }
            compared(report, &status, &shared)
        }
        // It has ended; its report does not matter any more.
        Err(_) => report,
    }
}

/// Whether a process is in the same namespace as this one. What cannot be seen is believed.
fn is_shared(pid: u32, kind: &str) -> bool {
    let link = |process: &str| fs::read_link(format!("/proc/{process}/ns/{kind}")).ok();
    link(&pid.to_string()).is_some_and(|theirs| Some(theirs) == link("self"))
}

/// Whether its root is this process's.
fn has_our_root(pid: u32) -> bool {
    let id = |path: &str| {
        fs::metadata(path)
            .map(|found| (found.dev(), found.ino()))
            .ok()
    };
    id(&format!("/proc/{pid}/root/.")).is_some_and(|theirs| Some(theirs) == id("/."))
}

/// Whether a layer was taken back.
pub fn is_refuted(report: &SandboxReport) -> bool {
    report.layers.iter().any(|layer| layer.detail == REFUTED)
}

const REFUTED: &str = "the worker claims this layer, the kernel does not show it";

fn compared(mut report: SandboxReport, status: &str, shared: &[&str]) -> SandboxReport {
    for layer in &mut report.layers {
        let claimed = matches!(
            layer.state(),
            SandboxState::Enforced | SandboxState::Partial
        );
        if claimed && (!is_visible(layer, status) || shared.contains(&layer.name.as_str())) {
            layer.set_state(SandboxState::Absent);
            layer.detail = REFUTED.into();
        }
    }
    report
}

/// True as well for layers that cannot be seen from outside.
fn is_visible(layer: &SandboxLayer, status: &str) -> bool {
    let value = |name: &str| {
        status.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then(|| value.trim())
        })
    };
    if layer.name == "uid" {
        // Real, effective, saved and that of the file system.
        return value("Uid").is_none_or(|ids| ids.split_whitespace().all(|id| id != "0"));
    }
    let mut lines = VISIBLE.iter().filter(|(of, ..)| *of == layer.name);
    // A kernel without the line cannot be asked.
    lines.all(|(_, name, expected)| value(name).is_none_or(|value| value == *expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> SandboxReport {
        let layer = |name: &str| SandboxLayer {
            name: name.into(),
            state: SandboxState::Enforced.into(),
            detail: String::new(),
        };
        SandboxReport {
            layers: ["no_new_privs", "seccomp", "landlock", "uid", "net_ns"]
                .map(layer)
                .into(),
            ..SandboxReport::default()
        }
    }

    #[test]
    fn a_claim_that_the_kernel_does_not_show_is_taken_back() {
        let states = |status: &str, shared: &[&str]| {
            let report = compared(report(), status, shared);
            let standing = |layer: &SandboxLayer| layer.state() == SandboxState::Enforced;
            report.layers.iter().map(standing).collect::<Vec<_>>()
        };
        let good = "NoNewPrivs:\t1\nSeccomp:\t2\nUid:\t7\t7\t7\t7\n";
        assert_eq!(states(good, &[]), [true; 5]);
        assert_eq!(states(good, &["net_ns"]), [true, true, true, true, false]);
        assert_eq!(
            states("NoNewPrivs:\t0\nSeccomp:\t0\nUid:\t7\t7\t0\t7\n", &[]),
            [false, false, true, false, true]
        );
        assert!(is_refuted(&compared(report(), "Seccomp:\t0\n", &[])));
        assert!(!is_refuted(&report()));
    }

    #[test]
    fn this_process_shares_its_own_namespaces() {
        let own = std::process::id();
        assert!(NAMESPACES.iter().all(|(_, link)| is_shared(own, link)));
        assert!(has_our_root(own));
    }
}
