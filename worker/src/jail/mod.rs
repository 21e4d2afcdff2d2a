//! The jail a worker builds around itself before it reads a byte of any plugin.
//!
//! Four layers, each reported as it stands and each tested from inside afterwards: a layer that
//! does not hold is not claimed. The warden adds what has to come from outside. Three of the four
//! are Linux's; elsewhere they are reported as absent.

#[cfg(target_os = "linux")]
mod checks;
#[cfg(target_os = "linux")]
mod filesystem;
#[cfg(target_os = "linux")]
mod filter;
mod inherited;
mod limits;
#[cfg(target_os = "linux")]
mod seccomp;

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, SandboxLayer, SandboxReport, SandboxState};

use crate::arguments::{Arguments, SandboxLevel};

pub use inherited::{control_socket, exit_now};

/// Without these, `required` means that no plugin is loaded.
const REQUIRED: [&str; 3] = ["no_new_privs", "landlock", "seccomp"];

/// How one layer stands, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Enforced, partial, absent or off.
    pub state: SandboxState,
    /// For people.
    pub detail: String,
}

impl Standing {
    fn new(state: SandboxState, detail: impl Into<String>) -> Self {
        Self {
            state,
            detail: detail.into(),
        }
    }

    fn absent(error: impl std::fmt::Display) -> Self {
        Self::new(SandboxState::Absent, error.to_string())
    }

    fn holds(&self) -> bool {
        matches!(self.state, SandboxState::Enforced | SandboxState::Partial)
    }
}

/// Builds the jail around the calling thread, which must be the only one. Returns the report and
/// what to answer to a Load, where the level forbids it.
pub fn enter(arguments: &Arguments) -> (SandboxReport, Option<Error>) {
    let layers = if arguments.sandbox == SandboxLevel::Off {
        ["no_new_privs", "rlimits", "landlock", "seccomp"]
            .map(|name| (name, Standing::new(SandboxState::Off, "--sandbox=off")))
            .to_vec()
    } else {
        build(arguments)
    };
    let refusal = refusal(arguments.sandbox, &layers);
    let layers = layers.into_iter().map(|(name, standing)| SandboxLayer {
        name: name.into(),
        state: standing.state.into(),
        detail: standing.detail,
    });
    let report = SandboxReport {
        layers: layers.collect(),
    };
    (report, refusal)
}

#[cfg(target_os = "linux")]
fn build(arguments: &Arguments) -> Vec<(&'static str, Standing)> {
    let before = checks::Before::look();
    let privileges = match rustix::thread::set_no_new_privs(true) {
        Ok(()) => Standing::new(SandboxState::Enforced, ""),
        Err(error) => Standing::absent(error),
    };
    let limits = limits::set(&arguments.limits);
    let filesystem = filesystem::restrict(&arguments.private_dir, &arguments.read_only);
    let calls = seccomp::install();
    vec![
        ("no_new_privs", privileges),
        ("rlimits", limits),
        ("landlock", before.check_files(filesystem)),
        ("seccomp", checks::check_calls(calls)),
    ]
}

#[cfg(not(target_os = "linux"))]
fn build(arguments: &Arguments) -> Vec<(&'static str, Standing)> {
    let missing = || Standing::absent(format!("{} has no such layer", std::env::consts::OS));
    vec![
        ("no_new_privs", missing()),
        ("rlimits", limits::set(&arguments.limits)),
        ("landlock", missing()),
        ("seccomp", missing()),
    ]
}

fn refusal(level: SandboxLevel, layers: &[(&'static str, Standing)]) -> Option<Error> {
    if level != SandboxLevel::Required {
        return None;
    }
    let missing: Vec<String> = layers
        .iter()
        .filter(|(name, standing)| REQUIRED.contains(name) && !standing.holds())
        .map(|(name, standing)| format!("{name} ({})", standing.detail))
        .collect();
    (!missing.is_empty()).then(|| {
        Error::new(
            ErrorReason::NotAllowed,
            format!(
                "this system cannot give the sandbox that is required: {} missing. Start plugpend \
                 with --sandbox=best-effort to load plugins all the same",
                missing.join(" and ")
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_layer_refuses_where_it_is_required() {
        let layers = [
            ("no_new_privs", Standing::new(SandboxState::Enforced, "")),
            ("rlimits", Standing::absent("x")),
            ("landlock", Standing::new(SandboxState::Partial, "ABI 2")),
            ("seccomp", Standing::absent("old kernel")),
        ];
        let error = refusal(SandboxLevel::Required, &layers).unwrap();
        assert_eq!(error.reason, ErrorReason::NotAllowed);
        assert!(error.message.contains("seccomp (old kernel)"));
        assert!(!error.message.contains("landlock"));
        assert_eq!(refusal(SandboxLevel::BestEffort, &layers), None);
        assert_eq!(refusal(SandboxLevel::Required, &layers[..3]), None);
    }
}
