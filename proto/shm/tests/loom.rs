//! All interleavings of the counters, bells and sleep words:
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p plugpen-shm --test loom`
//!
//! The model's sleeps have no timeout, so a lost wake is a deadlock, which loom reports.
#![cfg(loom)]

use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use plugpen_shm::protocol::{
    AWAKE, Answered, ClientIndex, Half, Parking, WorkerIndex, model_acquire as acquire, publish,
    ring, sleep_until,
};

/// The words of one side, and the futex of its bell.
struct Side {
    counter: AtomicU64,
    wake_at: AtomicU64,
    bell: AtomicU32,
    queue: Mutex<()>,
    woken: Condvar,
}

impl Side {
    fn new() -> Self {
        Self {
            counter: AtomicU64::new(0),
            wake_at: AtomicU64::new(AWAKE),
            bell: AtomicU32::new(0),
            queue: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    fn half(&self) -> Half<'_> {
        Half {
            counter: &self.counter,
            wake_at: &self.wake_at,
            bell: &self.bell,
        }
    }
}

/// The futex of one side's bell: whether to sleep is decided under the lock wakes take.
impl Parking for Side {
    fn park(&self, bell: &AtomicU32, expected: u32, _: Duration) {
        let queue = self.queue.lock().unwrap();
        if bell.load(Ordering::Relaxed) == expected {
            drop(self.woken.wait(queue).unwrap());
        }
    }

    fn unpark(&self, _: &AtomicU32) {
        let _queue = self.queue.lock().unwrap();
        self.woken.notify_all();
    }

    fn rest(&self, _: Duration) {
        unreachable!("there are no false alarms in the model");
    }
}

/// A ring of `DEPTH` slots, the sample of each block in a cell that loom watches for races.
struct Ring {
    client: Side,
    worker: Side,
    collected: AtomicU64,
    dead: AtomicU32,
    input: [UnsafeCell<u64>; DEPTH],
    output: [UnsafeCell<u64>; DEPTH],
}

const DEPTH: usize = 2;
const FOREVER: Option<Duration> = Some(Duration::MAX);

impl Ring {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            client: Side::new(),
            worker: Side::new(),
            collected: AtomicU64::new(0),
            dead: AtomicU32::new(0),
            input: std::array::from_fn(|_| UnsafeCell::new(0)),
            output: std::array::from_fn(|_| UnsafeCell::new(0)),
        })
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire) != 0
    }

    fn mark_dead(&self) {
        self.dead.store(1, Ordering::Release);
        ring(&self.client.bell, &self.client);
        ring(&self.worker.bell, &self.worker);
    }

    /// Submits `blocks`, waiting for `batch` at a time when the ring is full.
    fn run_client(&self, blocks: u64, batch: u64) {
        let mut index = ClientIndex::new(DEPTH as u32);
        let mut answered = Answered::default();
        while index.collected < blocks {
            while index.submitted < blocks && index.has_room() {
                let sequence = index.submitted + 1;
                self.input[slot(sequence)].with_mut(|cell| unsafe { *cell = 10 * sequence });
                index.submitted = sequence;
                publish(
                    self.client.half(),
                    self.worker.half(),
                    sequence,
                    &mut answered,
                    &self.client,
                );
            }
            let target = index.collected + batch.min(index.in_flight());
            let (own, peer) = (self.client.half(), self.worker.half());
            assert!(sleep_until(own, peer, target, &self.worker, || FOREVER));
            let completed = acquire(&self.worker.counter);
            for _ in 0..index.observe(completed).unwrap() {
                index.collected += 1;
                let sample = self.output[slot(index.collected)].with(|cell| unsafe { *cell });
                assert_eq!(sample, 10 * index.collected + 1);
                self.collected.store(index.collected, Ordering::Release);
            }
        }
    }

    /// Completes `blocks`, each with its input plus one.
    fn run_worker(&self, blocks: u64) {
        let mut index = WorkerIndex::new(DEPTH as u32);
        let mut answered = Answered::default();
        while index.processed < blocks {
            let (own, peer) = (self.worker.half(), self.client.half());
            let target = index.processed + 1;
            assert!(sleep_until(own, peer, target, &self.client, || FOREVER));
            let submitted = acquire(&self.client.counter);
            let collected = acquire(&self.collected);
            for _ in 0..index.observe(submitted, collected).unwrap() {
                index.processed += 1;
                let sequence = index.processed;
                let sample = self.input[slot(sequence)].with(|cell| unsafe { *cell });
                self.output[slot(sequence)].with_mut(|cell| unsafe { *cell = sample + 1 });
                publish(
                    self.worker.half(),
                    self.client.half(),
                    sequence,
                    &mut answered,
                    &self.worker,
                );
            }
        }
    }
}

fn slot(sequence: u64) -> usize {
    ((sequence - 1) % DEPTH as u64) as usize
}

/// Runs `body` in every interleaving with at most so many preemptions; none: in every one.
fn model(preemptions: Option<usize>, body: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(body);
}

fn blocks_pass(blocks: u64, batch: u64, preemptions: Option<usize>) {
    model(preemptions, move || {
        let ring = Ring::new();
        let worker = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.run_worker(blocks))
        };
        ring.run_client(blocks, batch);
        worker.join().unwrap();
    });
}

#[test]
fn one_block_wakes_both_sides() {
    blocks_pass(1, 1, None);
}

#[test]
fn slots_are_reused_only_when_free() {
    blocks_pass(3, 1, Some(3));
}

#[test]
fn a_client_that_waits_for_a_batch_is_woken() {
    blocks_pass(4, 2, Some(3));
}

/// Sleeps on `peer`'s bell for a count that never comes; ends only because of the death.
fn sleep_for_death(ring: &Ring, own: &Side, peer: &Side) {
    let reached = sleep_until(own.half(), peer.half(), 1, peer, || {
        if ring.is_dead() { None } else { FOREVER }
    });
    assert!(!reached && ring.is_dead());
}

#[test]
fn a_death_wakes_both_sides() {
    model(Some(4), || {
        let ring = Ring::new();
        let sides = [true, false].map(|client| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || match client {
                true => sleep_for_death(&ring, &ring.client, &ring.worker),
                false => sleep_for_death(&ring, &ring.worker, &ring.client),
            })
        });
        ring.mark_dead();
        for side in sides {
            side.join().unwrap();
        }
    });
}

#[test]
fn a_death_beside_a_completion_leaves_nobody_asleep() {
    model(Some(4), || {
        let ring = Ring::new();
        let client = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                let (own, peer) = (ring.client.half(), ring.worker.half());
                sleep_until(own, peer, 2, &ring.worker, || {
                    if ring.is_dead() { None } else { FOREVER }
                })
            })
        };
        let worker = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                let mut answered = Answered::default();
                let (own, peer) = (ring.worker.half(), ring.client.half());
                publish(own, peer, 1, &mut answered, &ring.worker);
            })
        };
        ring.mark_dead();
        assert!(!client.join().unwrap());
        worker.join().unwrap();
    });
}
