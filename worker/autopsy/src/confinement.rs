//! What this program may do: read files, think for some seconds, write its answer.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Address space in bytes; the largest libraries are read as a whole.
const MEMORY: u64 = 3 << 30;
/// Seconds of CPU time.
const SECONDS: u64 = 20;

/// Confines this process. Limits must stand; the layers that a kernel may lack stand where they
/// can.
///
/// # Errors
/// A limit that the system does not take.
pub fn enter() -> anyhow::Result<()> {
    for (resource, limit) in [
        (Resource::As, MEMORY),
        (Resource::Cpu, SECONDS),
        (Resource::Fsize, 1 << 20),
        (Resource::Nofile, 64),
        (Resource::Core, 1),
    ] {
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        setrlimit(resource, limit).context("setting a resource limit")?;
    }
    #[cfg(target_os = "linux")]
    linux::enter();
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetError, Scope,
    };
    use libc::{
        SYS_brk, SYS_clock_gettime, SYS_close, SYS_exit, SYS_exit_group, SYS_fcntl, SYS_fstat,
        SYS_futex, SYS_getrandom, SYS_lseek, SYS_madvise, SYS_mmap, SYS_mprotect, SYS_mremap,
        SYS_munmap, SYS_newfstatat, SYS_openat, SYS_pread64, SYS_read, SYS_rt_sigaction,
        SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_statx, SYS_tgkill, SYS_write,
        SYS_writev, c_long,
    };
    use rustix::process::Signal;
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

    /// What a program needs that reads files.
    const ALLOWED: [c_long; 27] = [
        SYS_brk,
        SYS_clock_gettime,
        SYS_close,
        SYS_exit,
        SYS_exit_group,
        SYS_fcntl,
        SYS_fstat,
        SYS_futex,
        SYS_getrandom,
        SYS_lseek,
        SYS_madvise,
        SYS_mmap,
        SYS_mprotect,
        SYS_mremap,
        SYS_munmap,
        SYS_newfstatat,
        SYS_openat,
        SYS_pread64,
        SYS_read,
        SYS_rt_sigaction,
        SYS_rt_sigprocmask,
        SYS_rt_sigreturn,
        SYS_sigaltstack,
        SYS_statx,
        SYS_tgkill,
        SYS_write,
        SYS_writev,
    ];

    /// The rest of the confinement. A kernel that lacks a layer leaves this program with fewer: it
    /// still has no more rights than the daemon, and its limits.
    pub(super) fn enter() {
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
        let _ = rustix::thread::set_no_new_privs(true);
        let _ = only_reading();
        if let Ok(filter) = filter() {
            let _ = seccompiler::apply_filter(&filter);
        }
    }

    fn only_reading() -> Result<(), RulesetError> {
        let abi = ABI::V6;
        let root = PathFd::new("/")
            .map_err(|_| RulesetError::from(landlock::CreateRulesetError::MissingHandledAccess))?;
        Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rule(PathBeneath::new(
                root,
                AccessFs::ReadFile | AccessFs::ReadDir,
            ))?
            .restrict_self()?;
        Ok(())
    }

    fn filter() -> Result<BpfProgram, Box<dyn std::error::Error>> {
        let rules: BTreeMap<_, _> = ALLOWED.into_iter().map(|call| (call, vec![])).collect();
        let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let architecture = std::env::consts::ARCH.try_into()?;
        let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture)?;
        Ok(filter.try_into()?)
    }
}
