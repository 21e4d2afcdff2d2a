//! Memory of this process, for tests that Miri can run.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use super::{Access, Region, RegionError};

/// A region on the heap.
pub(crate) struct HeapRegion {
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory belongs to no thread.
unsafe impl Send for HeapRegion {}
// SAFETY: the address and the layout never change.
unsafe impl Sync for HeapRegion {}

// SAFETY: `base` is an allocation of `layout.size()` bytes, aligned to 64, freed in `drop`.
unsafe impl Region for HeapRegion {
    fn create(len: usize) -> Result<Self, RegionError> {
        let layout = Layout::from_size_align(len, 64).expect("a region's size");
        // SAFETY: a region has a size above 0.
        let base = unsafe { alloc_zeroed(layout) };
        Ok(Self {
            base: NonNull::new(base).expect("memory"),
            layout,
        })
    }

    fn share(&self, _: Access) -> Result<OwnedFd, RegionError> {
        Err(RegionError::Private)
    }

    fn forbid_writers(&self) -> Result<(), RegionError> {
        Ok(())
    }

    fn attach(_: OwnedFd, _: usize, _: Access) -> Result<Self, RegionError> {
        Err(RegionError::Private)
    }

    fn attach_alone(_: OwnedFd, _: usize) -> Result<Self, RegionError> {
        Err(RegionError::Private)
    }

    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn len(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for HeapRegion {
    fn drop(&mut self) {
        // SAFETY: allocated in `create` with this layout and not freed since.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}
