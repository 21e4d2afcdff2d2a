//! Resource limits.

use plugpen_proto::v1::{SandboxState, WorkerLimits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Standing;

const MIB: u64 = 1024 * 1024;

/// What a plugin may use. All 854 working plugins of the 872 tried run within the defaults.
fn limits(given: &WorkerLimits) -> Vec<(Resource, u64, u64)> {
    let or = |given: u64, default: u64| if given > 0 { given } else { default };
    let same = |resource, limit| (resource, limit, limit);
    // What the daemon measures is used memory; here it is what was asked for, of which more is
    // usual. A plugin that asks for all of it at once learns it here.
    let memory = or(given.memory_bytes, 1024 * MIB);
    let data = memory.saturating_add(memory / 4);
    let mut limits = vec![
        // 1 and not 0: a core handler behind a pipe ignores 0.
        same(Resource::Core, 1),
        same(Resource::Nofile, or(given.descriptors, 256)),
        same(
            Resource::Fsize,
            or(given.disk_bytes, 64 * MIB).min(64 * MIB),
        ),
        same(Resource::Data, data),
        // Address space: mapped files, rings and thread stacks come on top of data.
        same(Resource::As, data.saturating_add(16 * 1024 * MIB)),
        #[cfg(target_os = "linux")]
        same(Resource::Nice, 0),
        #[cfg(target_os = "linux")]
        same(Resource::Rtprio, 0),
        #[cfg(target_os = "linux")]
        same(Resource::Sigpending, 256),
        same(Resource::Stack, 8 * MIB),
    ];
    if given.cpu_seconds > 0 {
        // SIGXCPU first, which names the cause; SIGKILL for who ignores it.
        let seconds = given.cpu_seconds;
        limits.push((Resource::Cpu, seconds, seconds.saturating_add(2)));
    }
    limits
}

/// Sets all limits, hard and soft, for this process and for good; those not given are defaults.
pub fn set(given: &WorkerLimits) -> Standing {
    let limits = limits(given);
    let mut failed = Vec::new();
    for &(resource, soft, hard) in &limits {
        // Never above what the process may have already.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let new = Rlimit {
            current: Some(soft.min(most)),
            maximum: Some(hard.min(most)),
        };
        if let Err(error) = setrlimit(resource, new) {
            failed.push(format!("{resource:?}: {error}"));
        }
    }
    match failed.len() {
        0 => Standing::new(SandboxState::Enforced, ""),
        n if n < limits.len() => Standing::new(SandboxState::Partial, failed.join(", ")),
        _ => Standing::new(SandboxState::Absent, failed.join(", ")),
    }
}
