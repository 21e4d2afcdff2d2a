//! Anonymous memory behind a descriptor, sealed against resizing.

use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;

use memmap2::{Advice, MmapRaw};
use rustix::fs::{self, MemfdFlags, Mode, OFlags, SealFlags};

use super::mapping::{check_size, map};
use super::{Access, Region, RegionError};

/// Seals without which a peer could turn a read into SIGBUS.
const FIXED_SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// A region in a memfd.
///
/// The file's mode is 0400, so that a process given only a reading descriptor cannot open the
/// file again for writing through /proc unless it may override modes. The seal against new
/// writers closes that door for good, once the writer is attached.
///
/// F_SEAL_SEAL is not set before that: of the seals that could still be added none hurts, since
/// the one against all writing is refused as long as the maker's mapping lives.
pub struct MemfdRegion {
    /// None in a process that has attached: a client of many plugins has no descriptors to spare.
    file: Option<OwnedFd>,
    map: MmapRaw,
    access: Access,
}

// SAFETY: an MmapRaw is a mapping of its `len()` bytes, page aligned, until it is dropped; the
// file cannot shrink under it, as `create` and `attach` insist on the seals. References to it are
// not made here nor handed out.
unsafe impl Region for MemfdRegion {
    fn create(len: usize) -> Result<Self, RegionError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = fs::memfd_create("plugpen-ring", flags | MemfdFlags::NOEXEC_SEAL)
            // Before Linux 6.3 there is no such flag.
            .or_else(|_| fs::memfd_create("plugpen-ring", flags))
            .map_err(RegionError::system("make an anonymous file"))?;
        fs::ftruncate(&file, len as u64).map_err(RegionError::system("size a shared region"))?;
        fs::fcntl_add_seals(&file, FIXED_SIZE)
            .map_err(RegionError::system("fix a region's size"))?;
        fs::fchmod(&file, Mode::RUSR).map_err(RegionError::system("protect a shared region"))?;
        let access = Access::Write;
        let map = map(&file, len, access)?;
        Ok(Self {
            file: Some(file),
            map,
            access,
        })
    }

    fn share(&self, access: Access) -> Result<OwnedFd, RegionError> {
        let file = self.file.as_ref().ok_or(RegionError::Private)?;
        match access {
            Access::Write => rustix::io::fcntl_dupfd_cloexec(file, 0)
                .map_err(RegionError::system("duplicate a region's descriptor")),
            // Only a new open file can have another access mode.
            Access::Read => fs::open(
                format!("/proc/self/fd/{}", file.as_raw_fd()),
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(RegionError::system(
                "open a region for reading through /proc/self/fd",
            )),
        }
    }

    fn forbid_writers(&self) -> Result<(), RegionError> {
        forbid_writers(self.file.as_ref().ok_or(RegionError::Private)?)
    }

    fn attach(file: OwnedFd, len: usize, access: Access) -> Result<Self, RegionError> {
        let map = attach(&file, len, access)?;
        Ok(Self {
            file: None,
            map,
            access,
        })
    }

    fn attach_alone(file: OwnedFd, len: usize) -> Result<Self, RegionError> {
        let access = Access::Write;
        let map = attach(&file, len, access)?;
        forbid_writers(&file)?;
        Ok(Self {
            file: None,
            map,
            access,
        })
    }

    fn populate(&self, offset: usize, bytes: usize) {
        let advice = match self.access {
            Access::Read => Advice::PopulateRead,
            Access::Write => Advice::PopulateWrite,
        };
        // Linux before 5.14 does not know it; the pages come when they are used, then.
        let _ = self.map.advise_range(advice, offset, bytes);
    }

    fn base(&self) -> NonNull<u8> {
        NonNull::new(self.map.as_mut_ptr()).expect("a mapping is not at address 0")
    }

    fn len(&self) -> usize {
        self.map.len()
    }
}

fn forbid_writers(file: &OwnedFd) -> Result<(), RegionError> {
    fs::fcntl_add_seals(file, SealFlags::FUTURE_WRITE | SealFlags::SEAL)
        .map_err(RegionError::system("seal a region against writers"))
}

fn attach(file: &OwnedFd, len: usize, access: Access) -> Result<MmapRaw, RegionError> {
    let flags =
        fs::fcntl_getfl(file).map_err(RegionError::system("read a region's access mode"))?;
    let actual = match flags & OFlags::RWMODE {
        OFlags::RDONLY => Access::Read,
        _ => Access::Write,
    };
    if actual != access {
        return Err(RegionError::Mode {
            expected: access,
            actual,
        });
    }
    // Not a memfd: no seals, which is as bad as missing ones.
    let seals = fs::fcntl_get_seals(file).unwrap_or(SealFlags::empty());
    if !seals.contains(FIXED_SIZE) {
        return Err(RegionError::Seals {
            expected: FIXED_SIZE.bits(),
            actual: seals.bits(),
        });
    }
    // After the seals: now the size stays what it is.
    check_size(file, |size| size == len as u64, len)?;
    map(file, len, access)
}
