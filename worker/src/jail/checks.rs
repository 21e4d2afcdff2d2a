//! Tries from inside what each layer must prevent: a layer that lets it pass is not claimed.

use std::fs::File;
use std::path::Path;

use plugpen_proto::v1::SandboxState;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::Standing;

/// Readable by anyone on any Linux, and on no list of ours.
const CANARY: &str = "/proc/version";
/// A folder anyone can write in, likewise.
const OUTSIDE: &str = "/tmp";

/// What could be done before the jail; only that proves anything afterwards.
pub struct Before {
    read: bool,
    write: bool,
}

impl Before {
    /// Looks, before the first layer.
    pub fn look() -> Self {
        Self {
            read: can_read(),
            write: can_write(),
        }
    }

    /// The filesystem layer as it turns out to be.
    pub fn check_files(&self, standing: Standing) -> Standing {
        if !standing.holds() {
            return standing;
        }
        let mut leaks = Vec::new();
        if self.read && can_read() {
            leaks.push(format!("{CANARY} can still be read"));
        }
        if self.write && can_write() {
            leaks.push(format!("{OUTSIDE} can still be written in"));
        }
        judge(standing, &leaks)
    }
}

/// The system call layer as it turns out to be.
pub fn check_calls(standing: Standing) -> Standing {
    if !standing.holds() {
        return standing;
    }
    let mut leaks = Vec::new();
    for (family, name) in [(AddressFamily::INET, "TCP"), (AddressFamily::UNIX, "Unix")] {
        if rustix::net::socket(family, SocketType::STREAM, None).is_ok() {
            leaks.push(format!("a {name} socket can still be made"));
        }
    }
    let flags = SocketFlags::empty();
    if socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None).is_ok() {
        leaks.push("datagrams can still be sent to others".into());
    }
    if rustix::fs::chmod("/dev/null", Mode::from_raw_mode(0o666)) != Err(rustix::io::Errno::PERM) {
        leaks.push("chmod still reaches the kernel".into());
    }
    judge(standing, &leaks)
}

fn judge(standing: Standing, leaks: &[String]) -> Standing {
    match leaks {
        [] => standing,
        leaks => Standing::new(SandboxState::Absent, leaks.join(", ")),
    }
}

fn can_read() -> bool {
    File::open(Path::new(CANARY)).is_ok()
}

/// An unnamed file leaves nothing behind.
fn can_write() -> bool {
    rustix::fs::open(
        OUTSIDE,
        OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
        Mode::RUSR | Mode::WUSR,
    )
    .is_ok()
}
