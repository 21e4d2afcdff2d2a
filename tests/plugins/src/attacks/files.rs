//! Files that are none of its own.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use libc::{AT_FDCWD, IN_MODIFY, O_RDWR, O_WRONLY, S_IFCHR, S_IFIFO};

use super::sys::{done, owned, path, sys, when};
use super::{Attack, Outcome, Target};

pub const ALL: &[(&str, Attack)] = &[
    ("read-secret", read_secret),
    ("read-shadow", read_shadow),
    ("list-home", list_home),
    ("stat-home", stat_home),
    ("write-home", write_home),
    ("create-home", create_home),
    ("truncate-home", truncate_home),
    ("unlink-home", unlink_home),
    ("write-bundle", write_bundle),
    ("create-tmp", create_tmp),
    ("create-shm", create_shm),
    ("chmod", chmod),
    ("fchmod", fchmod),
    ("chown", chown),
    ("utimes", utimes),
    ("setxattr", setxattr),
    ("inotify", inotify),
    ("symlink-escape", symlink_escape),
    ("hardlink-escape", hardlink_escape),
    ("rename-escape", rename_escape),
    ("proc-root-escape", proc_root_escape),
    ("daemon-environ", daemon_environ),
    ("daemon-memory", daemon_memory),
    ("daemon-descriptors", daemon_descriptors),
    ("file-handle", file_handle),
    ("make-device", make_device),
    ("make-fifo", make_fifo),
    ("open-device", open_device),
    ("terminal-input", terminal_input),
];

/// A place in the worker's own directory.
pub fn private(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(name)
}

fn read_secret(target: &Target<'_>) -> Outcome {
    done(fs::read(target.named("secret")))
}

fn read_shadow(_: &Target<'_>) -> Outcome {
    done(fs::read("/etc/shadow"))
}

fn list_home(target: &Target<'_>) -> Outcome {
    done(fs::read_dir(target.named("home")))
}

fn stat_home(target: &Target<'_>) -> Outcome {
    done(fs::metadata(target.named("secret")))
}

fn write_home(target: &Target<'_>) -> Outcome {
    done(OpenOptions::new().append(true).open(target.named("secret")))
}

fn create_home(target: &Target<'_>) -> Outcome {
    done(File::create(Path::new(target.named("home")).join("new")))
}

fn truncate_home(target: &Target<'_>) -> Outcome {
    sys!(SYS_truncate, path(target.named("secret")), 0).map(drop)
}

fn unlink_home(target: &Target<'_>) -> Outcome {
    done(fs::remove_file(target.named("secret")))
}

/// Opens a file of its own bundle to write, and writes nothing.
fn write_bundle(target: &Target<'_>) -> Outcome {
    done(OpenOptions::new().append(true).open(target.named("bundle")))
}

fn create_tmp(target: &Target<'_>) -> Outcome {
    done(File::create_new(target.named("tmp")))
}

fn create_shm(target: &Target<'_>) -> Outcome {
    done(File::create_new(target.named("shm")))
}

fn chmod(target: &Target<'_>) -> Outcome {
    let mode = 0o777_u32;
    sys!(SYS_fchmodat, AT_FDCWD, path(target.named("secret")), mode).map(drop)
}

/// Of a file that it may read: the one it was loaded from, as it is.
fn fchmod(target: &Target<'_>) -> Outcome {
    let file = File::open(target.named("bundle")).map_err(|_| 0)?;
    sys!(SYS_fchmod, file.as_raw_fd(), 0o644_u32).map(drop)
}

fn chown(target: &Target<'_>) -> Outcome {
    // To whom it belongs already.
    let same = u32::MAX;
    let secret = path(target.named("secret"));
    sys!(SYS_fchownat, AT_FDCWD, secret, same, same, 0).map(drop)
}

fn utimes(target: &Target<'_>) -> Outcome {
    let times = [0_i64; 4];
    let secret = path(target.named("secret"));
    sys!(SYS_utimensat, AT_FDCWD, secret, times.as_ptr(), 0).map(drop)
}

fn setxattr(target: &Target<'_>) -> Outcome {
    let secret = path(target.named("secret"));
    sys!(SYS_setxattr, secret, c"user.plugpen", c"1", 1_usize, 0).map(drop)
}

fn inotify(target: &Target<'_>) -> Outcome {
    let watch = owned(sys!(SYS_inotify_init1, 0)?);
    let home = path(target.named("home"));
    sys!(SYS_inotify_add_watch, watch.as_raw_fd(), home, IN_MODIFY).map(drop)
}

fn symlink_escape(target: &Target<'_>) -> Outcome {
    let link = private("link");
    done(symlink(target.named("secret"), &link))?;
    done(fs::read(link))
}

fn hardlink_escape(target: &Target<'_>) -> Outcome {
    let link = private("hard");
    done(fs::hard_link(target.named("secret"), &link))?;
    done(fs::read(link))
}

fn rename_escape(target: &Target<'_>) -> Outcome {
    let moved = private("moved");
    done(fs::rename(target.named("secret"), &moved))?;
    done(fs::read(moved))
}

fn proc_root_escape(target: &Target<'_>) -> Outcome {
    done(fs::read(format!(
        "/proc/self/root{}",
        target.named("secret")
    )))
}

fn of_daemon(target: &Target<'_>, what: &str) -> String {
    format!("/proc/{}/{what}", target.named("daemon"))
}

fn daemon_environ(target: &Target<'_>) -> Outcome {
    done(fs::read(of_daemon(target, "environ")))
}

fn daemon_memory(target: &Target<'_>) -> Outcome {
    done(File::open(of_daemon(target, "mem")))
}

fn daemon_descriptors(target: &Target<'_>) -> Outcome {
    done(fs::read_dir(of_daemon(target, "fd")))
}

fn file_handle(target: &Target<'_>) -> Outcome {
    // struct file_handle with the most room there may be: its length comes first.
    let mut handle = [0_u32; 2 + 128 / 4];
    handle[0] = 128;
    let mut mount = 0;
    let secret = path(target.named("secret"));
    let (handle, mount) = (handle.as_mut_ptr(), &raw mut mount);
    sys!(SYS_name_to_handle_at, AT_FDCWD, secret, handle, mount, 0)?;
    let home =
        File::open(target.named("home")).map_err(|error| error.raw_os_error().unwrap_or(0))?;
    sys!(SYS_open_by_handle_at, home.as_raw_fd(), handle, O_RDWR)
        .map(owned)
        .map(drop)
}

fn make(name: &str, mode: u32, device: u64) -> Outcome {
    let place = path(private(name).to_str().unwrap_or(""));
    sys!(SYS_mknodat, AT_FDCWD, place, mode | 0o600, device).map(drop)
}

/// A door to the machine's memory, in its own directory.
fn make_device(_: &Target<'_>) -> Outcome {
    make("mem", S_IFCHR, libc::makedev(1, 1))
}

fn make_fifo(_: &Target<'_>) -> Outcome {
    make("fifo", S_IFIFO, 0)
}

fn open_device(_: &Target<'_>) -> Outcome {
    let devices = [
        c"/dev/mem",
        c"/dev/kmsg",
        c"/dev/fuse",
        c"/dev/ptmx",
        c"/dev/tty",
    ];
    let opens = |device| {
        sys!(SYS_openat, AT_FDCWD, device, O_WRONLY)
            .map(owned)
            .is_ok()
    };
    when(devices.into_iter().any(opens))
}

/// Types for whoever sits at the terminal.
fn terminal_input(_: &Target<'_>) -> Outcome {
    let letter = b'x';
    let typed = |descriptor: i32| sys!(SYS_ioctl, descriptor, libc::TIOCSTI, &raw const letter);
    (0..3).map(typed).find_map(Result::ok).map(drop).ok_or(0)
}
