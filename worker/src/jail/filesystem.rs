//! The filesystem layer: Landlock.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope,
};
use plugpen_proto::v1::SandboxState;

use super::Standing;

/// Newest interface this was written for; an older kernel gives what it has.
const INTERFACE: ABI = ABI::V9;

/// What plugins read beside their bundle. Satisfied 854 of 854 plugins.
pub const READ_ONLY: [&str; 21] = [
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
    "/usr/share",
    "/usr/local/lib",
    // Links that libraries are found through.
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/dev/null",
];

/// Restricts the calling thread and what it starts: reading on the list and in `read_only`,
/// writing in `private_dir` and `read_write`, nothing else; no TCP, no signals and no abstract sockets out of
/// the jail.
pub fn restrict(private_dir: &Path, read_only: &[PathBuf], read_write: &[PathBuf]) -> Standing {
    match try_restrict(private_dir, read_only, read_write) {
        Ok(status) => standing(&status),
        Err(error) => Standing::absent(error),
    }
}

fn try_restrict(
    private_dir: &Path,
    read_only: &[PathBuf],
    read_write: &[PathBuf],
) -> Result<RestrictionStatus, RulesetError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let private = AccessFs::from_all(INTERFACE)
        & !(AccessFs::Execute
            | AccessFs::MakeSock
            | AccessFs::MakeFifo
            | AccessFs::MakeChar
            | AccessFs::MakeBlock
            | AccessFs::IoctlDev);
    let mut rules = Vec::new();
    let standard = READ_ONLY.iter().map(Path::new);
    for path in standard.chain(read_only.iter().map(PathBuf::as_path)) {
        rules.extend(rule(path, reading));
    }
    rules.extend(rule(Path::new("/dev/null"), AccessFs::WriteFile.into()));
    for path in read_write.iter().map(PathBuf::as_path).chain([private_dir]) {
        rules.extend(rule(path, private));
    }
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(INTERFACE))?
        .handle_access(AccessNet::from_all(INTERFACE))?
        .scope(Scope::from_all(INTERFACE))?
        .create()?
        .add_rules(rules.into_iter().map(Ok::<_, RulesetError>))?
        .restrict_self()
}

/// A rule for a path; none where the path does not exist, as half the list does not on any one
/// system.
fn rule(path: &Path, access: BitFlags<AccessFs>) -> Option<PathBeneath<PathFd>> {
    let directory = path.is_dir();
    let path = PathFd::new(path).ok()?;
    // Rights that only folders have make a rule on a file invalid.
    let access = if directory {
        access
    } else {
        access & AccessFs::from_file(INTERFACE)
    };
    Some(PathBeneath::new(path, access))
}

fn standing(status: &RestrictionStatus) -> Standing {
    let detail = format!("{:?}", status.landlock);
    match status.ruleset {
        RulesetStatus::FullyEnforced => Standing::new(SandboxState::Enforced, detail),
        RulesetStatus::PartiallyEnforced => Standing::new(SandboxState::Partial, detail),
        RulesetStatus::NotEnforced => Standing::new(SandboxState::Absent, detail),
    }
}
