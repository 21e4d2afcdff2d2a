//! A ring between processes: every sample arrives, and no death leaves anyone waiting.

use std::time::{Duration, Instant};

use crate::common::{Child, LONG, NEVER, Noise, later, layout, work};
use plugpen_proto::event::EventList;
use plugpen_shm::region::{MemfdRegion, PosixRegion, Region};
use plugpen_shm::{BlockHeader, ClientEnd, Layout, Regions, RingError, WorkerEnd};

/// The regions, and a child with the worker's end that runs `body`.
fn with_worker<R: Region + 'static>(
    layout: &Layout,
    body: impl FnOnce(WorkerEnd),
) -> (Regions, ClientEnd, Child) {
    let regions = Regions::create_in::<R>(layout).expect("regions");
    let fds = regions.worker_fds().expect("descriptors");
    let child = Child::fork(|| body(WorkerEnd::attach_in::<R>(fds, layout).expect("worker")));
    let client = ClientEnd::attach_in::<R>(regions.client_fds().expect("descriptors"), layout);
    (regions, client.expect("client"), child)
}

fn samples(block: u64, channel: u64) -> impl Iterator<Item = f32> {
    let mut noise = Noise::new(block << 8 | channel << 1);
    (0..512).map(move |_| (noise.bits() >> 40) as f32)
}

fn every_sample_arrives<R: Region + 'static>() {
    const BLOCKS: u64 = 5000;
    let layout = layout(4);
    let (_regions, mut client, child) =
        with_worker::<R>(&layout, |mut worker| work(&mut worker, BLOCKS));
    let mut noise = Noise::new(7);
    let mut found = vec![0.0; 512];
    let mut events = EventList::new();
    while client.collected() < BLOCKS {
        while client.submitted() < BLOCKS {
            let number = client.submitted() + 1;
            let Some(mut slot) = client.begin() else {
                break;
            };
            slot.set_header(&BlockHeader {
                frames: 512,
                ..Default::default()
            });
            for channel in 0..2 {
                let samples: Vec<f32> = samples(number, channel).collect();
                slot.write_f32(channel as usize, &samples);
            }
            let mut list = EventList::new();
            list.push_parameter(511, (number % 5) as u32, number as f64 / BLOCKS as f64);
            slot.push_event(&list.get(0).expect("one")).expect("room");
            slot.submit();
        }
        let batch = 1 + noise.below(4) as u32;
        client.wait(batch, later()).expect("blocks");
        while let Some(mut slot) = client.output().expect("a sound block") {
            let number = slot.header().sequence;
            for channel in 0..2 {
                slot.read_f32(channel as usize, &mut found);
                let expected = samples(number, channel).map(|sample| 2.0 * sample);
                assert!(expected.eq(found.iter().copied()), "block {number}");
            }
            events.clear();
            assert_eq!(slot.events(&mut events), Ok(0));
            let mut sent = EventList::new();
            sent.push_parameter(511, (number % 5) as u32, number as f64 / BLOCKS as f64);
            assert_eq!(events, sent);
        }
    }
    assert!(child.succeeded());
}

#[test]
fn every_sample_arrives_through_memfds() {
    every_sample_arrives::<MemfdRegion>();
}

#[test]
fn every_sample_arrives_through_posix_shared_memory() {
    every_sample_arrives::<PosixRegion>();
}

/// A worker that takes blocks and never completes one.
fn hang(mut worker: WorkerEnd) {
    loop {
        worker.wait(LONG, &NEVER).expect("a live ring");
    }
}

#[test]
fn a_death_declared_ends_the_wait() {
    let (regions, mut client, child) = with_worker::<MemfdRegion>(&layout(4), hang);
    client.begin().expect("room").submit();
    let waiting = std::thread::spawn(move || client.wait(1, later()));
    child.kill();
    regions.mark_dead();
    assert_eq!(waiting.join().expect("no panic"), Err(RingError::Dead));
    assert!(!child.succeeded());
}

#[test]
fn a_death_nobody_declares_ends_the_wait_at_its_deadline() {
    let (_regions, mut client, child) = with_worker::<MemfdRegion>(&layout(4), hang);
    client.begin().expect("room").submit();
    child.kill();
    let deadline = Instant::now() + Duration::from_millis(120);
    assert_eq!(client.wait(1, deadline), Err(RingError::TimedOut));
    assert!(Instant::now() >= deadline);
}

#[test]
fn a_death_on_the_page_alone_ends_the_wait_within_its_slice() {
    // The daemon has died between the page and the bell, or the worker holds the bell still.
    let layout = layout(4);
    let regions = Regions::create(&layout).expect("regions");
    let fds = regions.client_fds().expect("descriptors");
    let [_, bell, _] = regions.worker_fds().expect("descriptors");
    let mut client = ClientEnd::attach(fds, &layout).expect("client");
    client.begin().expect("room").submit();
    // SAFETY: the word is only used atomically, by whoever maps it.
    let still = memmap2::MmapOptions::new().map_raw(&bell).expect("a map");
    let child = Child::fork(|| {
        let word = still.as_mut_ptr().wrapping_add(384).cast::<u32>();
        loop {
            // SAFETY: the region is larger than 388 bytes, and 384 is a multiple of 4.
            unsafe { std::sync::atomic::AtomicU32::from_ptr(word) }
                .store(0, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let waiting = std::thread::spawn(move || client.wait(1, later()));
    regions.mark_dead();
    assert_eq!(waiting.join().expect("no panic"), Err(RingError::Dead));
    drop(child);
}
