//! What a device gives up before it does anything. It has no jail: sound systems want sockets,
//! shared memory and device files wherever they happen to be. It loads no plugin either.

use plugpen_proto::v1::{SandboxLayer, SandboxReport, SandboxState};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const MIB: u64 = 1024 * 1024;

const LIMITS: [(Resource, u64); 3] = [
    // 1 and not 0: a core handler behind a pipe ignores 0.
    (Resource::Core, 1),
    (Resource::Nofile, 1024),
    (Resource::Data, 2048 * MIB),
];

/// Takes effect for this process and for good; says what stands.
pub fn enter() -> SandboxReport {
    let layer = |name: &str, result: Result<(), String>| {
        let (state, detail) = match result {
            Ok(()) => (SandboxState::Enforced, String::new()),
            Err(why) => (SandboxState::Absent, why),
        };
        SandboxLayer {
            name: name.into(),
            state: state.into(),
            detail,
        }
    };
    let privileges = rustix::thread::set_no_new_privs(true).map_err(|error| error.to_string());
    SandboxReport {
        layers: vec![
            layer("no_new_privs", privileges),
            layer("rlimits", set_limits()),
        ],
        ..SandboxReport::default()
    }
}

fn set_limits() -> Result<(), String> {
    for (resource, limit) in LIMITS {
        // Never above what the process may have already.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Some(limit.min(most));
        let new = Rlimit {
            current: limit,
            maximum: limit,
        };
        setrlimit(resource, new).map_err(|error| format!("{resource:?}: {error}"))?;
    }
    Ok(())
}
