//! Mapping a file of which the size is known.

use std::os::fd::OwnedFd;

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs;

use super::{Access, RegionError};

/// Refuses a file whose size is not one for `len` bytes.
pub(super) fn check_size(
    file: &OwnedFd,
    fits: impl Fn(u64) -> bool,
    len: usize,
) -> Result<(), RegionError> {
    let stat = fs::fstat(file).map_err(RegionError::system("read a region's size"))?;
    let actual = u64::try_from(stat.st_size).unwrap_or(0);
    match fits(actual) {
        true => Ok(()),
        false => Err(RegionError::Size {
            expected: len,
            actual,
        }),
    }
}

/// Maps all of a file, shared.
pub(super) fn map(file: &OwnedFd, len: usize, access: Access) -> Result<MmapRaw, RegionError> {
    let mut options = MmapOptions::new();
    options.len(len);
    let mapped = match access {
        Access::Read => options.map_raw_read_only(file),
        Access::Write => options.map_raw(file),
    };
    mapped.map_err(|source| RegionError::System {
        step: "map a shared region",
        source,
    })
}
