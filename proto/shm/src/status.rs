//! The heads of the regions, and the page on which the daemon says that a worker is dead.

use crate::layout::{DEAD, GENERATION, RingSpec};
use crate::region::{RegionError, View};
use crate::sync::{Ordering, acquire, acquire32};

/// First bytes of every region.
const MAGIC: u64 = u64::from_be_bytes(*b"plugpen\x01");

/// Which of the three regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Role {
    Client = 1,
    Worker = 2,
    Status = 3,
}

/// Bytes of a region's head.
const HEAD: usize = 40;

/// Marks a fresh region; the daemon's side. It guards against mix-ups only: nothing is computed
/// from it.
pub(crate) fn mark(view: &View, role: Role, spec: &RingSpec) {
    view.write(0, &head(role, spec));
}

/// Checks the mark of a region that came from elsewhere.
///
/// # Errors
///
/// It was made for another ring.
pub(crate) fn check(view: &View, role: Role, spec: &RingSpec) -> Result<(), RegionError> {
    let mut found = [0; HEAD];
    view.read(0, &mut found);
    match found == head(role, spec) {
        true => Ok(()),
        false => Err(RegionError::Foreign),
    }
}

fn head(role: Role, spec: &RingSpec) -> [u8; HEAD] {
    let fields = [
        role as u32,
        spec.depth,
        spec.max_frames,
        spec.input_channels,
        spec.output_channels,
        spec.event_bytes,
        spec.sample_bytes,
        spec.parameters,
    ];
    let mut bytes = [0; HEAD];
    bytes[..8].copy_from_slice(&MAGIC.to_ne_bytes());
    for (bytes, field) in bytes[8..].chunks_exact_mut(4).zip(fields) {
        bytes.copy_from_slice(&field.to_ne_bytes());
    }
    bytes
}

/// The status page.
#[derive(Clone)]
pub(crate) struct Status(pub View);

impl Status {
    /// Whether the daemon has declared the worker dead, or replaced the ring.
    pub fn is_dead(&self) -> bool {
        // SYNC: pairs with the release in `set_dead`.
        acquire32(self.0.word(DEAD)) != 0
    }

    /// Declares it. Nothing is ever undeclared.
    pub fn set_dead(&self) {
        // SYNC: also ordered before the bells that are rung next, whose additions release.
        self.0.word(DEAD).store(1, Ordering::Release);
    }

    /// The worker's generation, 0 until the daemon has said it.
    pub fn generation(&self) -> u64 {
        acquire(self.0.long(GENERATION))
    }

    pub fn set_generation(&self, generation: u64) {
        self.0.long(GENERATION).store(generation, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::region::heap::HeapRegion;
    use crate::region::{Access, Region};
    use crate::testing::SPEC;

    #[test]
    fn a_mark_names_the_region_and_its_ring() {
        let region = Arc::new(HeapRegion::create(4096).expect("memory"));
        let view = View::new(region, Access::Write);
        assert!(check(&view, Role::Worker, &SPEC).is_err());
        mark(&view, Role::Worker, &SPEC);
        assert!(check(&view, Role::Worker, &SPEC).is_ok());
        assert!(check(&view, Role::Client, &SPEC).is_err());
        let mut other = SPEC;
        other.parameters += 1;
        assert!(check(&view, Role::Worker, &other).is_err());
    }
}
