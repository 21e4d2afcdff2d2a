//! System calls, past the C library: it must not matter how a plugin makes them.

use std::ffi::{CStr, CString};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_long};

use super::Outcome;

/// What a system call takes.
pub trait Word {
    /// As a register holds it.
    fn word(&self) -> c_long;
}

impl Word for c_int {
    fn word(&self) -> c_long {
        c_long::from(*self)
    }
}

impl Word for u32 {
    fn word(&self) -> c_long {
        c_long::from(*self)
    }
}

impl Word for c_long {
    fn word(&self) -> c_long {
        *self
    }
}

impl Word for u64 {
    fn word(&self) -> c_long {
        self.cast_signed()
    }
}

impl Word for usize {
    fn word(&self) -> c_long {
        self.cast_signed() as c_long
    }
}

impl<T> Word for *const T {
    fn word(&self) -> c_long {
        self.expose_provenance().word()
    }
}

impl<T> Word for *mut T {
    fn word(&self) -> c_long {
        self.expose_provenance().word()
    }
}

impl Word for CString {
    fn word(&self) -> c_long {
        self.as_ptr().word()
    }
}

impl Word for &CStr {
    fn word(&self) -> c_long {
        self.as_ptr().word()
    }
}

/// Makes a system call; its result, or its `errno`.
pub fn call(number: c_long, words: &[&dyn Word]) -> Result<c_long, i32> {
    let mut all = [0; 6];
    for (place, word) in all.iter_mut().zip(words) {
        *place = word.word();
    }
    let [a, b, c, d, e, f] = all;
    // SAFETY: pointers among the words are to values of the caller that outlive the call and are
    // of the type that it takes.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 {
        Err(errno())
    } else {
        Ok(result)
    }
}

/// Makes the system call of a name with whatever words it takes.
macro_rules! sys {
    ($name:ident $(, $word:expr)* $(,)?) => {
        $crate::attacks::sys::call(libc::$name, &[$(&$word),*])
    };
}
pub(super) use sys;

/// The last error of this thread.
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The `errno` of an error.
pub fn code(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

/// What the standard library did.
pub fn done<T>(result: std::io::Result<T>) -> Outcome {
    result.map(drop).map_err(|error| code(&error))
}

/// A path as the system takes it.
pub fn path(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// Owns a descriptor that a call gave.
pub fn owned(descriptor: c_long) -> OwnedFd {
    let descriptor = RawFd::try_from(descriptor).unwrap_or(-1);
    // SAFETY: just made by the kernel for this caller.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Whether something is so.
pub fn when(so: bool) -> Outcome {
    if so { Ok(()) } else { Err(0) }
}
