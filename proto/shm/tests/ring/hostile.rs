//! A peer that scribbles over everything it may write, while blocks pass.
//!
//! In each round an honest peer keeps a real ring going from one process and a scribbler damages
//! its region from another, so that lies come in at every depth. Minutes with PLUGPEN_FULL=1.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memmap2::{MmapOptions, MmapRaw};
use plugpen_proto::event::{EventBody, EventList, Note, NoteExpression, is_client_note};
use plugpen_shm::{
    BlockHeader, BlockStatus, ClientEnd, Layout, Regions, RingError, RingSpec, WorkerEnd,
};

use crate::common::{Child, NEVER, Noise};

/// Far beyond any pause of a loaded machine: a wait that lasts this long past its end hangs.
const HANG: Duration = Duration::from_secs(20);
/// Operations of a round.
const OPERATIONS: u32 = 20_000;
/// Of those without any block, after which the damage is taken to be for good.
const FRUITLESS: u32 = 300;

fn layout() -> Layout {
    RingSpec {
        depth: 4,
        max_frames: 64,
        input_channels: 2,
        output_channels: 2,
        event_bytes: 4096,
        sample_bytes: 8,
        parameters: 5,
    }
    .layout()
    .expect("a layout")
}

fn duration() -> Duration {
    let full = std::env::var_os("PLUGPEN_FULL").is_some_and(|value| value == "1");
    Duration::from_secs(if full { 180 } else { 3 })
}

/// Damages `region` for ever: its head, and most often the first bytes of its four slots, of
/// `slot` bytes each, where headers and events are.
fn scribble(region: &MmapRaw, slot: usize, mut noise: Noise) {
    let len = region.len();
    let near = |noise: &mut Noise| 512 + slot * noise.below(4) + 8 * noise.below(200);
    let at = |offset: usize| region.as_mut_ptr().wrapping_add(offset);
    // SAFETY: every offset below is less than `len`, less the size of what is written there, and a
    // multiple of its alignment; the mapping lives as long as the process.
    unsafe {
        loop {
            match noise.below(16) {
                0 => at(noise.below(len)).write_volatile(noise.bits() as u8),
                1 => at(8 * noise.below(len / 8))
                    .cast::<u64>()
                    .write_volatile(noise.bits()),
                // The region's head, all of it equally.
                2 => at(8 * noise.below(64))
                    .cast::<u64>()
                    .write_volatile(noise.bits()),
                // Counters just off, ahead or behind; they mend when the honest peer goes on.
                3 => {
                    let counter = AtomicU64::from_ptr(at(128 + 8 * noise.below(2)).cast());
                    let delta = (noise.bits() % 5).wrapping_sub(2);
                    counter.fetch_add(delta, Ordering::SeqCst);
                }
                // Bells and sleep words.
                4 => {
                    AtomicU32::from_ptr(at(384).cast()).store(noise.bits() as u32, Ordering::SeqCst)
                }
                5 => AtomicU64::from_ptr(at(256).cast()).store(noise.bits(), Ordering::SeqCst),
                // Plausible small numbers in any 32-bit field.
                6..12 => {
                    let word = at(near(&mut noise) + 4 * noise.below(2)).cast::<u32>();
                    word.write_volatile(noise.bits() as u32 & 0x1FF);
                }
                // A stretch of a slot: heads of events, several at once.
                12..15 => {
                    let start = near(&mut noise);
                    for word in 0..4 {
                        let value = noise.bits() & 0x0000_00FF_0000_0007;
                        at(start + 8 * word).cast::<u64>().write_volatile(value);
                    }
                }
                _ if noise.below(2000) == 0 => {
                    for word in 0..len / 8 {
                        at(8 * word).cast::<u64>().write_volatile(noise.bits());
                    }
                }
                _ => {}
            }
            // Now and then a pause in which honest blocks come through.
            if noise.below(64) == 0 {
                for _ in 0..noise.below(20_000) {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

fn map(file: &OwnedFd) -> MmapRaw {
    MmapOptions::new().map_raw(file).expect("a map")
}

/// What came of a round.
#[derive(Debug, Default)]
struct Tally {
    blocks: u64,
    refused: u64,
    broken_events: u64,
    rounds: u64,
}

fn rounds(name: &str, mut round: impl FnMut(u64, &mut Tally)) {
    let start = Instant::now();
    let mut tally = Tally::default();
    while start.elapsed() < duration() {
        // The seed of a round is its number, so that a failure can be had again.
        println!("{name}: round {} begins: {tally:?}", tally.rounds);
        round(tally.rounds, &mut tally);
        tally.rounds += 1;
    }
    println!("{name}: {tally:?}");
    assert!(
        tally.blocks > 0 && tally.refused > 0 && tally.broken_events > 0,
        "the lies have to reach every depth: {tally:?}"
    );
}

fn events(noise: &mut Noise) -> EventList {
    let mut list = EventList::with_capacity(160, 512);
    for _ in 0..noise.below(30) {
        let offset = noise.below(64) as u32;
        list.push_midi(offset, &[0x90, 60, 100]);
        list.push_parameter(offset, 2, 0.25);
        let id = i32::try_from(noise.below(1000)).unwrap();
        let note = Note {
            id,
            is_on: offset.is_multiple_of(2),
            channel: 15,
            key: 127,
            velocity: 1.0,
            tuning: -50.0,
        };
        list.push_note(offset, note);
        let expression = NoteExpression {
            note_id: id,
            type_id: 100_000,
            value: 0.5,
        };
        list.push_expression(offset, expression);
    }
    list
}

/// Whatever was written, only sound events come through.
fn check(list: &EventList, frames: u32, from_client: bool) {
    for event in list.iter() {
        assert!(event.offset < frames.max(1));
        let known = |id| !from_client || is_client_note(id);
        let is_sound = match event.body {
            EventBody::Midi(data) => !data.is_empty(),
            EventBody::Parameter { index, value } => index < 5 && (0.0..=1.0).contains(&value),
            EventBody::Note(note) => note.is_sound() && known(note.id),
            EventBody::Expression(one) => one.is_sound() && known(one.note_id),
        };
        assert!(is_sound, "{event:?}");
    }
}

#[test]
fn a_worker_that_scribbles_hurts_only_itself() {
    let layout = layout();
    rounds("hostile worker", |seed, tally| {
        let regions = Regions::create(&layout).expect("regions");
        let mut client =
            ClientEnd::attach(regions.client_fds().expect("descriptors"), &layout).expect("client");
        let fds = regions.worker_fds().expect("descriptors");
        let region = map(&fds[1]);
        let mut worker = WorkerEnd::attach(fds, &layout).expect("worker");
        let slot = (layout.parameter_mirror() - 512) / 4;
        let _honest = Child::fork(|| answer(&mut worker, Noise::new(seed)));
        let _hostile = Child::fork(|| scribble(&region, slot, Noise::new(seed + 1)));
        let mut noise = Noise::new(seed + 2);
        let mut fruitless = 0;
        for _ in 0..OPERATIONS {
            fruitless += 1;
            if fruitless > FRUITLESS {
                break;
            }
            if let Some(mut slot) = client.begin() {
                slot.set_header(&BlockHeader {
                    frames: noise.below(65) as u32,
                    double: noise.below(2) == 0,
                    ..Default::default()
                });
                for event in events(&mut noise).iter() {
                    slot.push_event(&event).expect("room");
                }
                slot.submit();
            }
            let deadline = Instant::now() + Duration::from_micros(noise.bits() % 2000);
            let waited = client.wait(noise.below(6) as u32, deadline);
            assert!(Instant::now() < deadline + HANG, "a wait without an end");
            assert_ne!(waited, Err(RingError::Dead));
            if collect(&mut client, tally) {
                fruitless = 0;
            }
        }
    });
}

/// Serves blocks for ever, as an honest worker would.
fn answer(worker: &mut WorkerEnd, mut noise: Noise) {
    loop {
        worker
            .wait(Duration::from_secs(1), &NEVER)
            .expect("an honest client");
        while let Some(slot) = worker.next().expect("an honest client") {
            slot.complete(BlockStatus::Ok, &events(&mut noise), 7);
        }
    }
}

/// Takes what is done, if it can be taken; says whether anything was.
fn collect(client: &mut ClientEnd, tally: &mut Tally) -> bool {
    let (mut single, mut double) = ([0.0f32; 64], [0.0f64; 64]);
    let before = tally.blocks;
    loop {
        match client.output() {
            Ok(None) => break,
            Ok(Some(mut slot)) => {
                tally.blocks += 1;
                let header = *slot.header();
                let frames = header.frames as usize;
                for channel in 0..2 {
                    match header.double {
                        true => slot.read_f64(channel, &mut double[..frames]),
                        false => slot.read_f32(channel, &mut single[..frames]),
                    }
                }
                let mut list = EventList::new();
                if slot.events(&mut list).is_err() {
                    tally.broken_events += 1;
                }
                check(&list, header.frames, false);
            }
            Err(error) => {
                assert!(matches!(error, RingError::Protocol(_)));
                tally.refused += 1;
                break;
            }
        }
    }
    tally.blocks > before
}

#[test]
fn a_client_that_scribbles_hurts_only_itself() {
    let layout = layout();
    rounds("hostile client", |seed, tally| {
        let regions = Regions::create(&layout).expect("regions");
        let fds = regions.client_fds().expect("descriptors");
        let region = map(&fds[0]);
        let mut worker =
            WorkerEnd::attach(regions.worker_fds().expect("descriptors"), &layout).expect("worker");
        let mut client = ClientEnd::attach(fds, &layout).expect("client");
        let slot = (layout.client_bytes() - 512) / 4;
        let _honest = Child::fork(|| ask(&mut client, Noise::new(seed)));
        let _hostile = Child::fork(|| scribble(&region, slot, Noise::new(seed + 1)));
        let mut noise = Noise::new(seed + 2);
        let mut list = EventList::with_capacity(160, 512);
        let mut fruitless = 0;
        for _ in 0..OPERATIONS {
            fruitless += 1;
            if fruitless > FRUITLESS {
                break;
            }
            let timeout = Duration::from_micros(noise.bits() % 2000);
            let deadline = Instant::now() + timeout;
            let waited = worker.wait(timeout, &NEVER);
            assert!(Instant::now() < deadline + HANG, "a wait without an end");
            assert_ne!(waited, Err(RingError::Dead));
            match worker.next() {
                Ok(None) => {}
                Ok(Some(mut slot)) => {
                    fruitless = 0;
                    tally.blocks += 1;
                    let header = slot.header();
                    assert!(header.frames <= 64);
                    list.clear();
                    if slot.events(&mut list).is_err() {
                        tally.broken_events += 1;
                    }
                    check(&list, header.frames, true);
                    for channel in 0..2 {
                        for frame in 0..header.frames as usize {
                            // SAFETY: `frame` is below the block's frames, for which both are
                            // valid.
                            unsafe {
                                if header.double {
                                    let sample = slot.input_f64(channel).add(frame);
                                    let to = slot.output_f64(channel).add(frame);
                                    to.write(sample.read_volatile());
                                } else {
                                    let sample = slot.input_f32(channel).add(frame);
                                    let to = slot.output_f32(channel).add(frame);
                                    to.write(sample.read_volatile());
                                }
                            }
                        }
                    }
                    slot.complete(BlockStatus::Ok, &list, 7);
                }
                Err(error) => {
                    assert!(matches!(error, RingError::Protocol(_)));
                    tally.refused += 1;
                }
            }
        }
    });
}

/// Sends blocks for ever, as an honest client would.
fn ask(client: &mut ClientEnd, mut noise: Noise) {
    loop {
        while let Some(mut slot) = client.begin() {
            slot.set_header(&BlockHeader {
                frames: noise.below(65) as u32,
                double: noise.below(2) == 0,
                ..Default::default()
            });
            for event in events(&mut noise).iter() {
                slot.push_event(&event).expect("room");
            }
            slot.submit();
        }
        let deadline = Instant::now() + Duration::from_secs(1);
        // The worker refuses a damaged block, or hands it back with other frames; it stays.
        let _ = client.wait(1, deadline);
        while let Ok(Some(slot)) = client.output() {
            slot.release();
        }
    }
}
