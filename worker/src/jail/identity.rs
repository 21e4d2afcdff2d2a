//! Who the worker is: a user that owns nothing else, without any capability.

use std::io;
use std::path::{Path, PathBuf};

use plugpen_proto::v1::SandboxState;
use rustix::fs::Access;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

use super::Standing;
use crate::arguments::Arguments;

/// Threads and processes of a worker that shares its user with nobody.
const MAX_THREADS: u64 = 128;
/// Entries below a folder that are looked at, to see whether the plugin's files can be read.
const MAX_ENTRIES: usize = 1024;

/// Gives up root for the worker's own user, if the daemon gave it one and all that the worker
/// needs can be used by that user; else stays who it is, without capabilities in any case.
/// Returns the layers `uid` and `capabilities`.
pub fn assume(arguments: &Arguments, private_dir: &Path) -> (Standing, Standing) {
    // While it may: afterwards a program with privileges of its own could not have them either.
    let bounding = drop_bounding();
    let user = become_user(arguments, private_dir);
    let capabilities = match bounding.and_then(|()| drop_capabilities()) {
        Ok(()) => Standing::new(SandboxState::Enforced, "none left"),
        Err(error) => Standing::absent(error),
    };
    (user, capabilities)
}

fn become_user(arguments: &Arguments, private_dir: &Path) -> Standing {
    let Some(id) = arguments.user else {
        let detail = match arguments.has("user_ns") {
            true => {
                if counts_by_namespace() {
                    limit_threads();
                }
                "a user namespace instead"
            }
            false => "only a daemon that is root can give its workers users of their own",
        };
        return Standing::new(SandboxState::Off, detail);
    };
    match switch(id, arguments, private_dir) {
        Ok(()) => {
            limit_threads();
            Standing::new(SandboxState::Enforced, format!("user {id}"))
        }
        Err(error) => Standing::absent(error),
    }
}

/// Root stays root until it is known that the worker can do its work as the other.
fn switch(id: u32, arguments: &Arguments, private_dir: &Path) -> io::Result<()> {
    let parent = rustix::process::getppid();
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    let groups = rustix::process::getgroups()?;
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(user, user, Uid::ROOT)?;
    if let Some(path) = first_unusable(arguments, private_dir) {
        rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
        rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
        rustix::thread::set_thread_groups(&groups)?;
        return Err(io::Error::other(format!(
            "{} is for its owner only, so this worker stays root, without capabilities",
            path.display()
        )));
    }
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    // The change took both away.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != parent {
        super::exit_now(0);
    }
    Ok(())
}

/// What the worker must use and this user cannot.
fn first_unusable(arguments: &Arguments, private_dir: &Path) -> Option<PathBuf> {
    if !can(private_dir, Access::READ_OK | Access::WRITE_OK) {
        return Some(private_dir.to_owned());
    }
    let read_write = arguments.read_write.iter();
    if let Some(path) = read_write
        .map(PathBuf::as_path)
        .find(|path| !can(path, Access::READ_OK | Access::WRITE_OK))
    {
        return Some(path.to_owned());
    }
    let mut entries = MAX_ENTRIES;
    let system = Path::new("/usr");
    let read_only = arguments.read_only.iter().map(PathBuf::as_path);
    read_only
        .filter(|path| !path.starts_with(system))
        .find_map(|path| first_unreadable(path, &mut entries))
}

fn first_unreadable(path: &Path, entries: &mut usize) -> Option<PathBuf> {
    if !can(path, Access::READ_OK) {
        // One that is not there is nobody's.
        return path.symlink_metadata().is_ok().then(|| path.to_owned());
    }
    if !path.is_dir() {
        return None;
    }
    for entry in std::fs::read_dir(path).ok()?.flatten() {
        *entries = entries.checked_sub(1)?;
        // Links lead to what is granted by itself, or not at all.
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink())
            && let Some(found) = first_unreadable(&entry.path(), entries)
        {
            return Some(found);
        }
    }
    None
}

fn can(path: &Path, access: Access) -> bool {
    let access = match path.is_dir() {
        true => access | Access::EXEC_OK,
        false => access,
    };
    rustix::fs::access(path, access).is_ok()
}

/// Since Linux 5.14 a user's threads in one namespace are counted apart from all others.
fn counts_by_namespace() -> bool {
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().ok());
    let version = (numbers.next().flatten(), numbers.next().flatten());
    version >= (Some(5), Some(14))
}

/// Counted for this user alone: elsewhere the user's other programs would count too.
fn limit_threads() {
    let most = getrlimit(Resource::Nproc).maximum.unwrap_or(u64::MAX);
    let limit = Some(MAX_THREADS.min(most));
    let _ = setrlimit(
        Resource::Nproc,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    );
}

/// No program that it executes can have a capability, if it could execute one.
fn drop_bounding() -> io::Result<()> {
    if rustix::thread::capabilities(None)?.effective.is_empty() {
        // There is nothing to bound, and it may not.
        return Ok(());
    }
    for number in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // Past the last one that this kernel has.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gives up all capabilities of this thread.
///
/// # Errors
/// What the system says.
pub fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none)?;
    Ok(())
}
