//! Resource limits.

use plugpen_proto::v1::SandboxState;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Standing;

const MIB: u64 = 1024 * 1024;

/// What a plugin may use. All 854 working plugins of the 872 tried run within these.
const LIMITS: &[(Resource, u64)] = &[
    // 1 and not 0: a core handler behind a pipe ignores 0.
    (Resource::Core, 1),
    (Resource::Nofile, 256),
    (Resource::Fsize, 64 * MIB),
    (Resource::Data, 1024 * MIB),
    // Address space: mapped files and thread stacks come on top of data.
    (Resource::As, 17 * 1024 * MIB),
    #[cfg(target_os = "linux")]
    (Resource::Nice, 0),
    #[cfg(target_os = "linux")]
    (Resource::Rtprio, 0),
    #[cfg(target_os = "linux")]
    (Resource::Sigpending, 256),
    (Resource::Stack, 8 * MIB),
];

/// Sets all limits, hard and soft, for this process and for good.
pub fn set() -> Standing {
    let mut failed = Vec::new();
    for &(resource, limit) in LIMITS {
        // Never above what the process may have already.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Some(limit.min(most));
        let new = Rlimit {
            current: limit,
            maximum: limit,
        };
        if let Err(error) = setrlimit(resource, new) {
            failed.push(format!("{resource:?}: {error}"));
        }
    }
    match failed.len() {
        0 => Standing::new(SandboxState::Enforced, ""),
        n if n < LIMITS.len() => Standing::new(SandboxState::Partial, failed.join(", ")),
        _ => Standing::new(SandboxState::Absent, failed.join(", ")),
    }
}
