//! A block's way to the worker and back, two threads, a plugin that copies its stereo input.
//!
//! `hop` is call-and-wait, `pipelined` keeps the ring full, `after_work` calls from a thread that
//! is busy for 40 µs between blocks.

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use plugpen_proto::event::EventList;
use plugpen_shm::{BlockHeader, BlockStatus, ClientEnd, Interrupter, Regions, RingSpec, WorkerEnd};

const CHANNELS: usize = 2;

/// A client and the thread of its worker.
struct Rig {
    client: ClientEnd,
    frames: u32,
    input: Vec<f32>,
    output: Vec<f32>,
    stop: Arc<AtomicBool>,
    interrupter: Interrupter,
    thread: Option<JoinHandle<()>>,
}

impl Rig {
    fn new(frames: u32, block_time: Duration) -> Self {
        let layout = RingSpec {
            depth: 8,
            max_frames: frames,
            input_channels: 2,
            output_channels: 2,
            event_bytes: 4096,
            sample_bytes: 4,
            parameters: 0,
        }
        .layout()
        .expect("a layout");
        let regions = Regions::create(&layout).expect("regions");
        let mut worker =
            WorkerEnd::attach(regions.worker_fds().expect("descriptors"), &layout).expect("worker");
        let client =
            ClientEnd::attach(regions.client_fds().expect("descriptors"), &layout).expect("client");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let interrupter = worker.interrupter();
        let thread = thread::spawn(move || {
            let none = EventList::new();
            while !stopped.load(Ordering::SeqCst) {
                worker
                    .wait(Duration::from_secs(1), &stopped)
                    .expect("a live ring");
                while let Some(slot) = worker.next().expect("a sound block") {
                    let start = Instant::now();
                    for channel in 0..CHANNELS {
                        let (from, to) = (slot.input_f32(channel), slot.output_f32(channel));
                        // SAFETY: both are valid for the block's frames, in different regions.
                        unsafe {
                            std::ptr::copy_nonoverlapping(from, to, slot.header().frames as usize)
                        };
                    }
                    while start.elapsed() < block_time {
                        spin_loop();
                    }
                    slot.complete(BlockStatus::Ok, &none, 0);
                }
            }
        });
        Self {
            client,
            frames,
            input: vec![0.5; frames as usize],
            output: vec![0.0; frames as usize],
            stop,
            interrupter,
            thread: Some(thread),
        }
    }

    fn submit(&mut self) {
        let mut slot = self.client.begin().expect("room");
        slot.set_header(&BlockHeader {
            frames: self.frames,
            ..Default::default()
        });
        for channel in 0..CHANNELS {
            slot.write_f32(channel, &self.input);
        }
        slot.submit();
    }

    fn collect(&mut self, blocks: u32) {
        let deadline = Instant::now() + Duration::from_secs(10);
        self.client.wait(blocks, deadline).expect("the blocks");
        for _ in 0..blocks {
            let slot = self.client.output().expect("a ring").expect("a block");
            for channel in 0..CHANNELS {
                slot.read_f32(channel, black_box(&mut self.output));
            }
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.interrupter.wake();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the worker's thread");
        }
    }
}

fn hop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hop");
    for frames in [64, 128, 512, 4096] {
        let mut rig = Rig::new(frames, Duration::ZERO);
        group.bench_function(BenchmarkId::from_parameter(frames), |bencher| {
            bencher.iter(|| {
                rig.submit();
                rig.collect(1);
            });
        });
    }
    for micros in [50, 100] {
        let mut rig = Rig::new(512, Duration::from_micros(micros));
        group.bench_function(format!("512, plugin of {micros} us"), |bencher| {
            bencher.iter(|| {
                rig.submit();
                rig.collect(1);
            });
        });
    }
    group.finish();
}

fn after_work(criterion: &mut Criterion) {
    let mut rig = Rig::new(512, Duration::from_micros(50));
    criterion.bench_function("after_work/512, plugin of 50 us", |bencher| {
        bencher.iter_custom(|blocks| {
            let mut spent = Duration::ZERO;
            for _ in 0..blocks {
                let busy = Instant::now();
                while busy.elapsed() < Duration::from_micros(40) {
                    spin_loop();
                }
                let start = Instant::now();
                rig.submit();
                rig.collect(1);
                spent += start.elapsed();
            }
            spent
        });
    });
}

fn pipelined(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipelined");
    for frames in [64, 512, 4096] {
        let mut rig = Rig::new(frames, Duration::ZERO);
        group.bench_function(BenchmarkId::from_parameter(frames), |bencher| {
            bencher.iter_custom(|blocks| {
                let start = Instant::now();
                let (mut submitted, mut collected) = (0, 0);
                while collected < blocks {
                    while submitted < blocks && rig.client.in_flight() < rig.client.depth() {
                        rig.submit();
                        submitted += 1;
                    }
                    let batch = rig.client.in_flight().div_ceil(2);
                    rig.collect(batch);
                    collected += u64::from(batch);
                }
                start.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, hop, after_work, pipelined);
criterion_main!(benches);
