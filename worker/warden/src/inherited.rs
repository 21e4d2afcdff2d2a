//! Descriptors that this process was started with.

use std::collections::HashSet;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use rustix::io::FdFlags;

use crate::warden::lock;

static TAKEN: Mutex<Option<HashSet<RawFd>>> = Mutex::new(None);

/// Takes a descriptor named on the command line: makes it close-on-exec and owns it from now on.
///
/// # Errors
/// It is one of the standard streams, is not open, or was taken before.
pub fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    if fd <= 2 {
        return Err(io::Error::other(format!(
            "descriptor {fd} is a standard stream; pass one above 2"
        )));
    }
    if !lock(&TAKEN).get_or_insert_default().insert(fd) {
        return Err(io::Error::other(format!("descriptor {fd} is taken")));
    }
    // SAFETY: only borrowed for this call, which fails if it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: it is open (checked above); whoever started this process passed it by number, so
    // nothing in here owns it, and the list above gives it out once.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, IntoRawFd};

    use super::*;

    #[test]
    fn a_descriptor_is_given_out_once() {
        let fd = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
        let taken = inherited(fd).unwrap();
        assert_eq!(taken.as_raw_fd(), fd);
        assert!(inherited(fd).is_err());
        assert!(inherited(0).is_err());
        assert!(inherited(100_000).is_err());
    }
}
