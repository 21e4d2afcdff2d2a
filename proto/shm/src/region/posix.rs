//! POSIX shared memory, for systems without memfd.

use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Mutex;

use memmap2::MmapRaw;
use rustix::fs::Mode;
use rustix::shm;
use shared_memory::{Shmem, ShmemConf};

use super::mapping::{check_size, map};
use super::{Access, Region, RegionError};

/// A region made by the `shared_memory` crate under a random name and passed on by descriptor.
///
/// There are no seals: a process with a writing descriptor may resize the file. It is for systems
/// that offer nothing better, and for running the ring's tests on a second kind of memory.
pub struct PosixRegion {
    memory: Memory,
}

enum Memory {
    // The mutex only makes it Sync; the mapping itself is never touched through it.
    Made(Mutex<Shmem>, usize, NonNull<u8>),
    Attached(MmapRaw),
}

// SAFETY: a Shmem is unmapped and unlinked when dropped, by whichever thread; its raw pointers
// are addresses of a mapping that belongs to no thread.
unsafe impl Send for PosixRegion {}
// SAFETY: the Shmem is behind a mutex, the other fields are values.
unsafe impl Sync for PosixRegion {}

// SAFETY: both variants are mappings of whole files of the length they report, page aligned, kept
// until the value is dropped.
unsafe impl Region for PosixRegion {
    fn create(len: usize) -> Result<Self, RegionError> {
        let memory = ShmemConf::new()
            .size(len)
            .create()
            .map_err(|error| RegionError::System {
                step: "make POSIX shared memory",
                source: std::io::Error::other(error),
            })?;
        let base = NonNull::new(memory.as_ptr()).expect("a mapping is not at address 0");
        Ok(Self {
            memory: Memory::Made(Mutex::new(memory), len, base),
        })
    }

    fn share(&self, access: Access) -> Result<OwnedFd, RegionError> {
        let Memory::Made(memory, ..) = &self.memory else {
            return Err(RegionError::Private);
        };
        let flags = match access {
            Access::Read => shm::OFlags::RDONLY,
            Access::Write => shm::OFlags::RDWR,
        };
        let memory = memory.lock().expect("no holder of this lock panics");
        shm::open(memory.get_os_id(), flags, Mode::empty())
            .map_err(RegionError::system("open POSIX shared memory"))
    }

    fn forbid_writers(&self) -> Result<(), RegionError> {
        // There is no such seal; the name is unlinked with the maker's mapping.
        Ok(())
    }

    fn attach(fd: OwnedFd, len: usize, access: Access) -> Result<Self, RegionError> {
        // Some systems round the size up to a page.
        check_size(&fd, |size| size >= len as u64, len)?;
        let map = map(&fd, len, access)?;
        Ok(Self {
            memory: Memory::Attached(map),
        })
    }

    fn attach_alone(fd: OwnedFd, len: usize) -> Result<Self, RegionError> {
        Self::attach(fd, len, Access::Write)
    }

    fn base(&self) -> NonNull<u8> {
        match &self.memory {
            Memory::Made(_, _, base) => *base,
            Memory::Attached(map) => {
                NonNull::new(map.as_mut_ptr()).expect("a mapping is not at address 0")
            }
        }
    }

    fn len(&self) -> usize {
        match &self.memory {
            Memory::Made(_, len, _) => *len,
            Memory::Attached(map) => map.len(),
        }
    }
}
