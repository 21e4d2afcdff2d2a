//! A stretch of memory shared with another process, and the one way to touch it.

#[cfg(test)]
pub(crate) mod heap;
mod mapping;
#[cfg(target_os = "linux")]
mod memfd;
mod posix;

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Arc;

#[cfg(target_os = "linux")]
pub use memfd::MemfdRegion;
pub use posix::PosixRegion;

use crate::sync::{AtomicU32, AtomicU64};

/// The best kind of memory of this system.
#[cfg(target_os = "linux")]
pub type SystemRegion = MemfdRegion;
/// The best kind of memory of this system.
#[cfg(not(target_os = "linux"))]
pub type SystemRegion = PosixRegion;

/// What may be done to a region through a descriptor or a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only reading.
    Read,
    /// Reading and writing.
    Write,
}

/// Why a region could not be made, shared or attached.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// The system refused a step.
    #[error("cannot {step}: {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The descriptor's file is not as large as the layout says.
    #[error("the region has {actual} bytes, expected {expected}: it belongs to another ring")]
    Size {
        /// By the layout.
        expected: usize,
        /// The file's size.
        actual: u64,
    },
    /// The file could be resized under the mapping, or is not a memfd at all.
    #[error(
        "the region's seals are {actual:#x}, expected {expected:#x} among them: its maker could still resize it"
    )]
    Seals {
        /// Needed F_SEAL_ bits.
        expected: u32,
        /// Those that are set.
        actual: u32,
    },
    /// A region to read from came with a descriptor that could also write, or the other way round.
    #[error(
        "the region's descriptor allows {actual:?}, expected {expected:?}: the descriptors are in the wrong order"
    )]
    Mode {
        /// What this end does with the region.
        expected: Access,
        /// What the descriptor allows.
        actual: Access,
    },
    /// The region was made for another layout or by another version.
    #[error(
        "the region's header does not belong to this ring: it was made by another version of plugpen or for other sizes"
    )]
    Foreign,
    /// This kind of memory has no descriptor to share.
    #[error("this memory lives in one process and cannot be shared")]
    Private,
}

impl RegionError {
    pub(crate) fn system(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::System {
            step,
            source: errno.into(),
        }
    }
}

/// A kind of shared memory.
///
/// # Safety
///
/// `base` points to `len` bytes that stay mapped, at that address and readable, for the life of
/// the value, writable too unless it was attached with [`Access::Read`]; `base` is aligned to 64
/// bytes. No reference into them exists, ever.
pub unsafe trait Region: Send + Sync {
    /// Makes `len` bytes of zeros, mapped for writing.
    ///
    /// # Errors
    ///
    /// The system has no memory, or no such memory.
    fn create(len: usize) -> Result<Self, RegionError>
    where
        Self: Sized;

    /// A descriptor for another process.
    ///
    /// # Errors
    ///
    /// The system refuses, or writers have been forbidden.
    fn share(&self, access: Access) -> Result<OwnedFd, RegionError>;

    /// Forbids mappings for writing other than those there are, where the system can.
    ///
    /// # Errors
    ///
    /// The system refuses.
    fn forbid_writers(&self) -> Result<(), RegionError>;

    /// Maps a region another process made, having checked its size and that it cannot change.
    ///
    /// # Errors
    ///
    /// The descriptor's file has another size, could be resized, or allows other access.
    fn attach(fd: OwnedFd, len: usize, access: Access) -> Result<Self, RegionError>
    where
        Self: Sized;

    /// Maps a region for writing, and forbids that to everybody after, where the system can.
    ///
    /// # Errors
    ///
    /// As for `attach`; also when somebody has done this before.
    fn attach_alone(fd: OwnedFd, len: usize) -> Result<Self, RegionError>
    where
        Self: Sized;

    /// Makes pages present ahead of their first use, where the system can; elsewhere that first
    /// use takes a page fault.
    fn populate(&self, _offset: usize, _bytes: usize) {}

    /// The first byte.
    fn base(&self) -> NonNull<u8>;

    /// Bytes.
    fn len(&self) -> usize;

    /// Whether there are none; a region always has some.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A region as this crate touches it: by copies and atomics, each checked against its length.
///
/// The bounds hold whatever a layout says, so that no mistake elsewhere can leave the mapping.
#[derive(Clone)]
pub(crate) struct View {
    base: NonNull<u8>,
    len: usize,
    access: Access,
    region: Arc<dyn Region>,
}

// SAFETY: `base` is only an address; the region it points into is kept by `region`, which is
// Send and Sync, and is touched by copies and atomics.
unsafe impl Send for View {}
// SAFETY: as above. Who writes which bytes when is the protocol's business.
unsafe impl Sync for View {}

impl View {
    pub fn new(region: Arc<dyn Region>, access: Access) -> Self {
        Self {
            base: region.base(),
            len: region.len(),
            access,
            region,
        }
    }

    /// The address of `bytes` bytes at `offset`.
    pub fn at(&self, offset: usize, bytes: usize) -> *mut u8 {
        let fits = offset.checked_add(bytes).is_some_and(|end| end <= self.len);
        assert!(
            fits,
            "{bytes} bytes at {offset} leave a region of {}",
            self.len
        );
        // SAFETY: `offset` is within the region's `len` bytes, checked above.
        unsafe { self.base.as_ptr().add(offset) }
    }

    /// Makes the pages of `bytes` bytes at `offset` present, where the system can.
    pub fn populate(&self, offset: usize, bytes: usize) {
        self.at(offset, bytes);
        self.region.populate(offset, bytes);
    }

    fn writable(&self, offset: usize, bytes: usize) -> *mut u8 {
        assert!(
            self.access == Access::Write,
            "this end only reads this region"
        );
        self.at(offset, bytes)
    }

    /// Copies bytes into the region.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let to = self.writable(offset, bytes.len());
        // SAFETY: `to` is valid for writes of that many bytes (`writable`); a slice of ours never
        // lies in a region, as no reference into one exists.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
    }

    /// Fills bytes of the region with zeros.
    pub fn zero(&self, offset: usize, bytes: usize) {
        let to = self.writable(offset, bytes);
        // SAFETY: `to` is valid for writes of `bytes` bytes (`writable`).
        unsafe { std::ptr::write_bytes(to, 0, bytes) }
    }

    /// Copies bytes out of the region, once: what is later read from `bytes` is what was copied.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        let from = self.at(offset, bytes.len());
        // SAFETY: `from` is valid for reads of that many bytes (`at`), any value is a u8, and a
        // slice of ours never lies in a region.
        unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) }
        // Without it the compiler may drop the copy and read the region again at each use, by
        // when the peer may have changed it.
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    }

    /// The atomic at an offset that is a multiple of 4.
    pub fn word(&self, offset: usize) -> &AtomicU32 {
        let word = self.at(offset, 4).cast::<u32>();
        assert!(word.is_aligned(), "a word at {offset}");
        // SAFETY: in bounds and aligned, checked above; mapped as long as `self` lives. Every
        // process uses this word by atomics only. A region mapped for reading is only loaded
        // from, relaxed, which the standard library allows there.
        unsafe { AtomicU32::from_ptr(word) }
    }

    /// The atomic at an offset that is a multiple of 8.
    pub fn long(&self, offset: usize) -> &AtomicU64 {
        let word = self.at(offset, 8).cast::<u64>();
        assert!(word.is_aligned(), "a long word at {offset}");
        // SAFETY: as in `word`.
        unsafe { AtomicU64::from_ptr(word) }
    }
}
