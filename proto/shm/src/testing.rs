//! A ring on the heap, with both ends and both hands on its memory.

use crate::client::ClientEnd;
use crate::end::End;
use crate::layout::RingSpec;
use crate::region::heap::HeapRegion;
use crate::region::{Access, View};
use crate::regions::Regions;
use crate::status::Role;
use crate::worker::WorkerEnd;

/// A small ring for `f32` and `f64`.
pub(crate) const SPEC: RingSpec = RingSpec {
    depth: 4,
    max_frames: 16,
    input_channels: 2,
    output_channels: 3,
    event_bytes: 4096,
    sample_bytes: 8,
    parameters: 5,
};

pub(crate) struct Ring {
    pub regions: Regions,
    pub client: ClientEnd,
    pub worker: WorkerEnd,
    /// The client's region, for a client that lies.
    pub client_view: View,
    /// The worker's region, for a worker that lies.
    pub worker_view: View,
}

pub(crate) fn ring(spec: RingSpec) -> Ring {
    let layout = spec.layout().expect("a layout");
    let regions = Regions::create_in::<HeapRegion>(&layout).expect("memory");
    let end = |role| End::over(regions.mapped(), &layout, role).expect("an end");
    let [client, worker, _] = regions.mapped();
    Ring {
        client: ClientEnd::new(end(Role::Client)),
        worker: WorkerEnd::new(end(Role::Worker)),
        client_view: View::new(client, Access::Write),
        worker_view: View::new(worker, Access::Write),
        regions,
    }
}

/// proptest's settings: few cases in Miri, and no files beside the sources.
pub(crate) fn cases(count: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases: if cfg!(miri) { 4 } else { count },
        failure_persistence: None,
        ..Default::default()
    }
}
