//! Blocks through a ring between threads, on every kind of memory.

use std::thread;

use crate::common::{LONG, NEVER, later, layout, ring, work};
use plugpen_proto::event::{Event, EventBody, EventList};
use plugpen_proto::v1::Transport;
use plugpen_shm::region::{MemfdRegion, PosixRegion, Region};
use plugpen_shm::{BlockHeader, BlockStatus, ClientEnd, RingError};

macro_rules! on_every_memory {
    ($($test:ident),* $(,)?) => {
        mod memfd {
            $(#[test] fn $test() { super::$test::<super::MemfdRegion>() })*
        }
        mod posix {
            $(#[test] fn $test() { super::$test::<super::PosixRegion>() })*
        }
    };
}

on_every_memory!(
    blocks_come_back_in_order,
    a_death_ends_both_waits,
    the_generation_is_told,
    one_wait_takes_a_batch,
);

/// Submits block `number` (from 0): its size, sample type and samples follow from the number.
fn submit(client: &mut ClientEnd, number: u64) -> bool {
    let Some(mut slot) = client.begin() else {
        return false;
    };
    let (frames, double) = shape(number);
    slot.set_header(&BlockHeader {
        frames: u32::try_from(frames).expect("at most 512"),
        double,
        transport: Some(Transport {
            bpm: 120.0,
            ..Default::default()
        }),
    });
    if double {
        slot.write_f64(0, &vec![number as f64; frames]);
    } else {
        slot.write_f32(0, &vec![number as f32; frames]);
    }
    let note = Event {
        offset: 3,
        body: EventBody::Midi(&[0x90, 60, 100]),
    };
    slot.push_event(&note).expect("room");
    assert_eq!(slot.submit(), number + 1);
    true
}

fn shape(number: u64) -> (usize, bool) {
    (
        usize::try_from(number % 513).expect("at most 512"),
        number % 2 == 1,
    )
}

/// Collects what is done and compares it with what [`submit`] sent.
fn collect(client: &mut ClientEnd, events: &mut EventList) {
    while let Some(mut slot) = client.output().expect("a sound block") {
        let header = *slot.header();
        let number = header.sequence - 1;
        let (frames, double) = shape(number);
        assert_eq!((header.frames as usize, header.double), (frames, double));
        assert_eq!(header.status, BlockStatus::Ok);
        assert_eq!((header.latency_samples, header.events_dropped), (7, 0));
        if double {
            let mut samples = vec![-1.0; frames];
            slot.read_f64(0, &mut samples);
            assert_eq!(samples, vec![2.0 * number as f64; frames]);
            slot.read_f64(1, &mut samples);
            assert_eq!(samples, vec![0.0; frames], "an unwritten channel is silent");
        } else {
            let mut samples = vec![-1.0; frames];
            slot.read_f32(0, &mut samples);
            assert_eq!(samples, vec![2.0 * number as f32; frames]);
        }
        events.clear();
        assert_eq!(slot.events(events), Ok(0));
        let event = events.get(0).expect("one event");
        assert_eq!(event.body, EventBody::Midi(&[0x90, 60, 100]));
        assert_eq!(event.offset, 3.min(header.frames.saturating_sub(1)));
    }
}

fn blocks_come_back_in_order<R: Region + 'static>() {
    const BLOCKS: u64 = 1000;
    let (_regions, mut client, mut worker) = ring::<R>(&layout(8));
    let worker = thread::spawn(move || work(&mut worker, BLOCKS));
    let mut events = EventList::new();
    while client.collected() < BLOCKS {
        while client.submitted() < BLOCKS {
            let number = client.submitted();
            if !submit(&mut client, number) {
                break;
            }
        }
        client.wait(1, later()).expect("a block");
        collect(&mut client, &mut events);
    }
    worker.join().expect("the worker's thread");
}

fn one_wait_takes_a_batch<R: Region + 'static>() {
    let (regions, mut client, mut worker) = ring::<R>(&layout(8));
    let worker = thread::spawn(move || work(&mut worker, 400));
    let mut events = EventList::new();
    for batch in 0..100 {
        for number in 4 * batch..4 * batch + 4 {
            assert!(submit(&mut client, number));
        }
        client.wait(4, later()).expect("four blocks");
        assert_eq!(client.done(), Ok(4));
        collect(&mut client, &mut events);
        assert_eq!(regions.collected(), client.collected());
    }
    worker.join().expect("the worker's thread");
}

fn a_death_ends_both_waits<R: Region + 'static>() {
    let (regions, mut client, mut worker) = ring::<R>(&layout(4));
    let worker = thread::spawn(move || {
        // Never completes the block, and sleeps again after it.
        worker.wait(LONG, &NEVER).expect("the block");
        worker
    });
    client.begin().expect("room").submit();
    let mut worker = worker.join().expect("no panic");
    let waiting = thread::spawn(move || client.wait(1, later()));
    regions.mark_dead();
    assert_eq!(waiting.join().expect("no panic"), Err(RingError::Dead));
    let slot = worker.next().expect("a ring").expect("the block");
    slot.complete(BlockStatus::Ok, &EventList::new(), 0);
    assert_eq!(worker.wait(LONG, &NEVER), Err(RingError::Dead));
}

fn the_generation_is_told<R: Region + 'static>() {
    let (regions, client, worker) = ring::<R>(&layout(4));
    assert_eq!((client.generation(), worker.generation()), (0, 0));
    regions.set_generation(3);
    assert_eq!((client.generation(), worker.generation()), (3, 3));
}
