//! A block's way allocates nothing, on either end.
#![cfg(not(loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use plugpen_proto::event::{Event, EventBody, EventList};
use plugpen_shm::{BlockHeader, BlockStatus, ClientEnd, Regions, RingSpec, WorkerEnd};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator; a const-initialised Cell without a
// destructor is counted in without allocating.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn blocks_pass_without_an_allocation() {
    let layout = RingSpec {
        depth: 4,
        max_frames: 64,
        input_channels: 2,
        output_channels: 2,
        event_bytes: 4096,
        sample_bytes: 4,
        parameters: 1,
    }
    .layout()
    .expect("a layout");
    let regions = Regions::create(&layout).expect("regions");
    let mut client =
        ClientEnd::attach(regions.client_fds().expect("descriptors"), &layout).expect("client");
    let mut worker =
        WorkerEnd::attach(regions.worker_fds().expect("descriptors"), &layout).expect("worker");
    let never = AtomicBool::new(false);
    let mut events = EventList::with_capacity(4, 64);
    let mut back = EventList::with_capacity(4, 64);
    let samples = [0.5; 64];
    let mut output = [0.0; 64];

    let before = ALLOCATIONS.get();
    for _ in 0..100 {
        // Once without a block, so that the sleep is on the way too.
        let waited = worker.wait(Duration::from_micros(50), &never);
        assert_eq!(waited, Ok(()));
        let mut slot = client.begin().expect("room");
        slot.set_header(&BlockHeader {
            frames: 64,
            ..Default::default()
        });
        slot.write_f32(0, &samples);
        for _ in 0..8 {
            let body = EventBody::Midi(&[0x90, 60, 100]);
            slot.push_event(&Event { offset: 0, body }).expect("room");
        }
        slot.submit();
        assert!(
            client
                .wait(1, Instant::now() + Duration::from_micros(50))
                .is_err()
        );
        worker.wait(Duration::ZERO, &never).expect("a ring");
        let mut slot = worker.next().expect("a ring").expect("a block");
        events.clear();
        assert_eq!(
            slot.events(&mut events),
            Ok(4),
            "no room without allocating"
        );
        slot.complete(BlockStatus::Ok, &events, 0);
        client.wait(1, Instant::now()).expect("a block");
        let mut slot = client.output().expect("a ring").expect("a block");
        slot.read_f32(0, &mut output);
        back.clear();
        assert_eq!(slot.events(&mut back), Ok(0));
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[test]
fn a_block_s_events_are_sorted_without_an_allocation() {
    let mut events = EventList::with_capacity(1000, 1000);
    for at in 0..1000u32 {
        events.push_midi(999 - at / 2, &[0xFE]);
    }
    let before = ALLOCATIONS.get();
    events.sort();
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(events.iter().is_sorted_by_key(|event| event.offset));
}
