//! The jail a worker builds around itself before it reads a byte of any plugin.
//!
//! Each layer is reported as it stands and tested from inside afterwards: a layer that does not
//! hold is not claimed. The warden starts the worker in the namespaces that there are and passes
//! on why others are not. All layers but the limits are Linux's; elsewhere they are reported as
//! absent.

#[cfg(target_os = "linux")]
mod checks;
#[cfg(target_os = "linux")]
mod filesystem;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod first;
#[cfg(target_os = "linux")]
mod identity;
mod inherited;
mod limits;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod seccomp;

use plugpen_proto::Error;
use plugpen_proto::v1::{
    self, ErrorReason, SandboxLayer, SandboxMode, SandboxReport, SandboxState,
};

use crate::arguments::{Arguments, Mode, SandboxLevel};

#[cfg(target_os = "linux")]
pub use first::be_second;
pub use inherited::{control_socket, exit_now};

/// Without one of each, `required` means that no plugin is loaded.
const REQUIRED: [&[&str]; 3] = [&["no_new_privs"], &["landlock", "mount_ns"], &["seccomp"]];

/// All layers, in the order in which they are reported.
const LAYERS: [&str; 12] = [
    "no_new_privs",
    "rlimits",
    "landlock",
    "seccomp",
    "capabilities",
    "uid",
    "user_ns",
    "pid_ns",
    "ipc_ns",
    "uts_ns",
    "net_ns",
    "mount_ns",
];

/// There are no process namespaces.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn be_second(_: &Arguments) -> std::io::Result<()> {
    Ok(())
}

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
        LAYERS
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
    let level = match arguments.sandbox {
        SandboxLevel::Required => v1::SandboxLevel::Required,
        SandboxLevel::BestEffort => v1::SandboxLevel::BestEffort,
        SandboxLevel::Off => v1::SandboxLevel::Off,
    };
    let mode = match arguments.mode {
        Mode::Enforce | Mode::Report | Mode::TraceFiles => SandboxMode::Enforce,
        Mode::Kill => SandboxMode::Kill,
    };
    let report = SandboxReport {
        layers: layers.collect(),
        level: level.into(),
        mode: mode.into(),
    };
    (report, refusal)
}

#[cfg(target_os = "linux")]
fn build(arguments: &Arguments) -> Vec<(&'static str, Standing)> {
    let before = checks::Before::look();
    let mount = match namespace(arguments, "mount_ns") {
        standing if standing.holds() => root::change(arguments),
        standing => standing,
    };
    if arguments.has("uts_ns") {
        // The machine's name is nobody's business; a failure keeps it.
        let _ = rustix::system::sethostname(b"plugpen");
    }
    let privileges = match rustix::thread::set_no_new_privs(true) {
        Ok(()) => Standing::new(SandboxState::Enforced, ""),
        Err(error) => Standing::absent(error),
    };
    let (uid, capabilities) = identity::assume(arguments, &arguments.private_dir);
    let limits = limits::set(&arguments.limits);
    let filesystem = filesystem::restrict(
        &arguments.private_dir,
        &arguments.read_only,
        &arguments.read_write,
    );
    let files = before.check_files(filesystem);
    let calls = match arguments.mode {
        // Trying would end it.
        Mode::Kill => seccomp::install(Mode::Kill),
        mode => checks::check_calls(seccomp::install(mode)),
    };
    LAYERS
        .map(|name| {
            let standing = match name {
                "no_new_privs" => privileges.clone(),
                "rlimits" => limits.clone(),
                "landlock" => files.clone(),
                "seccomp" => calls.clone(),
                "capabilities" => capabilities.clone(),
                "uid" => uid.clone(),
                "mount_ns" => mount.clone(),
                name => namespace(arguments, name),
            };
            (name, standing)
        })
        .to_vec()
}

/// A namespace as the warden made it, or could not.
#[cfg(target_os = "linux")]
fn namespace(arguments: &Arguments, name: &str) -> Standing {
    if arguments.has(name) {
        return Standing::new(SandboxState::Enforced, "");
    }
    let missing = arguments
        .missing
        .iter()
        .find(|(missing, _)| missing == name);
    match missing {
        Some((_, why)) => Standing::new(SandboxState::Absent, why.clone()),
        None => Standing::new(SandboxState::Off, "it was not asked for"),
    }
}

#[cfg(not(target_os = "linux"))]
fn build(arguments: &Arguments) -> Vec<(&'static str, Standing)> {
    let missing = || Standing::absent(format!("{} has no such layer", std::env::consts::OS));
    LAYERS
        .map(|name| match name {
            "rlimits" => (name, limits::set(&arguments.limits)),
            name => (name, missing()),
        })
        .to_vec()
}

fn refusal(level: SandboxLevel, layers: &[(&'static str, Standing)]) -> Option<Error> {
    if level != SandboxLevel::Required {
        return None;
    }
    let standing = |name| layers.iter().find(|(of, _)| of == name).map(|(_, how)| how);
    let missing: Vec<String> = REQUIRED
        .iter()
        .filter(|any| {
            let mut standings = any.iter().filter_map(standing);
            !standings.any(Standing::holds)
        })
        .map(|any| {
            let why = standing(&any[0]).map_or("not there", |standing| &standing.detail);
            format!("{} ({why})", any[0])
        })
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
        let mut layers = layers;
        layers[3].1.state = SandboxState::Enforced;
        assert_eq!(refusal(SandboxLevel::Required, &layers), None);
        layers[2] = ("mount_ns", Standing::new(SandboxState::Enforced, ""));
        assert_eq!(refusal(SandboxLevel::Required, &layers), None);
    }
}
