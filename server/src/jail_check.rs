//! What a worker says of its jail, compared with what the kernel says of the worker.
//!
//! The report is made before the worker loads anything hostile, so a difference is a mistake of
//! ours or a kernel that pretends; either way nobody is told of a layer that does not stand.

use std::fs;

use plugpen_proto::v1::{SandboxLayer, SandboxReport, SandboxState};

/// A layer and the line of `/proc/PID/status` that shows it.
const VISIBLE: [(&str, &str, &str); 2] = [
    ("no_new_privs", "NoNewPrivs", "1"),
    // 2: filters are installed.
    ("seccomp", "Seccomp", "2"),
];

/// The report with every layer taken back that can be seen from outside and is not there. Reads a
/// file of /proc.
pub fn checked(report: SandboxReport, pid: u32) -> SandboxReport {
    match fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => compared(report, &status),
        // It has ended; its report does not matter any more.
        Err(_) => report,
    }
}

/// Whether a layer was taken back.
pub fn is_refuted(report: &SandboxReport) -> bool {
    report.layers.iter().any(|layer| layer.detail == REFUTED)
}

const REFUTED: &str = "the worker claims this layer, the kernel does not show it";

fn compared(mut report: SandboxReport, status: &str) -> SandboxReport {
    for layer in &mut report.layers {
        let claimed = matches!(
            layer.state(),
            SandboxState::Enforced | SandboxState::Partial
        );
        if claimed && !is_visible(layer, status) {
            layer.set_state(SandboxState::Absent);
            layer.detail = REFUTED.into();
        }
    }
    report
}

/// True as well for layers that cannot be seen from outside.
fn is_visible(layer: &SandboxLayer, status: &str) -> bool {
    let Some((_, name, expected)) = VISIBLE.iter().find(|(of, ..)| *of == layer.name) else {
        return true;
    };
    let value = status.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key == *name).then(|| value.trim())
    });
    // A kernel without the line cannot be asked.
    value.is_none_or(|value| value == *expected)
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
            layers: ["no_new_privs", "seccomp", "landlock"].map(layer).into(),
        }
    }

    #[test]
    fn a_claim_that_the_kernel_does_not_show_is_taken_back() {
        let states = |status: &str| {
            let report = compared(report(), status);
            let standing = |layer: &SandboxLayer| layer.state() == SandboxState::Enforced;
            report.layers.iter().map(standing).collect::<Vec<_>>()
        };
        assert_eq!(
            states("NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n"),
            [true; 3]
        );
        assert_eq!(
            states("NoNewPrivs:\t0\nSeccomp:\t0\n"),
            [false, false, true]
        );
        assert!(is_refuted(&compared(report(), "Seccomp:\t0\n")));
        assert!(!is_refuted(&report()));
    }
}
