//! The worker's end of a ring.

mod interrupter;
mod relay;
mod slot;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use interrupter::Interrupter;
pub use relay::Relay;
pub use slot::WorkSlot;

use crate::end::{End, RingError};
use crate::header::InputHeader;
use crate::layout::{BELL, INPUT_HEADER, Layout};
use crate::protocol::WorkerIndex;
use crate::region::{Region, RegionError, SystemRegion};
use crate::status::Role;

/// Takes blocks and completes them, in order.
///
/// It lives on the worker's audio thread. Nothing here allocates or locks, and the only system
/// calls are those that sleep and wake, except where an error ends the ring.
pub struct WorkerEnd {
    end: End,
    index: WorkerIndex,
    interrupter: Interrupter,
}

impl WorkerEnd {
    /// Maps the regions of [`Regions::worker_fds`](crate::Regions::worker_fds), checked against
    /// the layout.
    ///
    /// # Errors
    ///
    /// A region has the wrong size, lacks its seals, or belongs to another ring.
    pub fn attach(fds: [OwnedFd; 3], layout: &Layout) -> Result<Self, RegionError> {
        Self::attach_in::<SystemRegion>(fds, layout)
    }

    /// [`attach`](Self::attach) for another kind of memory.
    ///
    /// # Errors
    ///
    /// As for `attach`.
    pub fn attach_in<R: Region + 'static>(
        fds: [OwnedFd; 3],
        layout: &Layout,
    ) -> Result<Self, RegionError> {
        Ok(Self::new(End::attach::<R>(fds, layout, Role::Worker)?))
    }

    pub(crate) fn new(end: End) -> Self {
        Self {
            index: WorkerIndex::new(end.layout.spec().depth),
            interrupter: Interrupter::new(end.peer.clone(), BELL),
            end,
        }
    }

    /// The layout the ring was attached with.
    pub fn layout(&self) -> &Layout {
        &self.end.layout
    }

    /// Blocks completed so far.
    pub fn processed(&self) -> u64 {
        self.index.processed
    }

    /// The worker's generation, 0 if the daemon has not said it.
    pub fn generation(&self) -> u64 {
        self.end.status.generation()
    }

    /// Whether the daemon has declared this ring dead.
    pub fn is_dead(&self) -> bool {
        self.end.status.is_dead()
    }

    /// A handle that ends a wait from another thread.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// The oldest block that was submitted and not completed, or none. Does not wait. A slot that
    /// is dropped instead of completed comes again.
    ///
    /// # Errors
    ///
    /// [`RingError::Protocol`]: the client's counts or the slot's header are impossible.
    #[allow(
        clippy::should_implement_trait,
        reason = "a slot borrows the end, which an Iterator cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<WorkSlot<'_>>, RingError> {
        if self.waiting()? == 0 {
            return Ok(None);
        }
        let sequence = self.index.processed + 1;
        let slot = self.end.layout.input(sequence);
        let mut bytes = [0; INPUT_HEADER];
        self.end.peer.read(slot.header, &mut bytes);
        let header = InputHeader::decode(&bytes, sequence, self.end.layout.spec())
            .map_err(RingError::Protocol)?;
        // The client decides by it whether to spin for this block.
        self.end.note_cpu();
        Ok(Some(WorkSlot::new(self, slot, header)))
    }

    /// Waits until a block is there, `timeout` is over, `interrupted` is set or
    /// [`Interrupter::wake`] was called since the last wait; [`next`](Self::next) says which.
    ///
    /// # Errors
    ///
    /// [`RingError::Dead`] at once when the ring is declared dead, even if blocks are there;
    /// [`RingError::Protocol`] if the client's counts are impossible.
    pub fn wait(&mut self, timeout: Duration, interrupted: &AtomicBool) -> Result<(), RingError> {
        if self.waiting()? == 0 {
            let target = self.index.processed + 1;
            // A timeout beyond the clock's range is as good as none.
            let now = Instant::now();
            let deadline = now
                .checked_add(timeout)
                .unwrap_or(now + Duration::from_secs(1 << 30));
            let interrupter = self.interrupter.listen();
            self.end.wait(target, deadline, || {
                interrupted.load(Ordering::SeqCst) || interrupter.is_called()
            });
            drop(interrupter);
            self.waiting()?;
        }
        // Blocks come last: a client whose ring was replaced could send them for ever.
        match self.is_dead() {
            true => Err(RingError::Dead),
            false => Ok(()),
        }
    }

    fn waiting(&mut self) -> Result<u64, RingError> {
        let submitted = self.end.peer_counter();
        self.index
            .observe(submitted, self.end.peer_collected())
            .map_err(RingError::Protocol)
    }

    fn complete(&mut self) {
        self.index.processed += 1;
        self.end.publish(self.index.processed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use plugpen_proto::event::EventList;
    use proptest::prelude::*;

    use super::*;
    use crate::header::{BlockHeader, BlockStatus};
    use crate::layout::{COLLECTED, COUNTER};
    use crate::sync::Ordering as Order;
    use crate::testing::{SPEC, cases, ring};

    static NEVER: AtomicBool = AtomicBool::new(false);
    const FOREVER: Duration = Duration::MAX;

    #[test]
    fn a_slot_that_is_dropped_comes_again() {
        let mut ring = ring(SPEC);
        ring.client.begin().expect("room").submit();
        for _ in 0..2 {
            let slot = ring.worker.next().expect("a ring").expect("a block");
            assert_eq!(slot.sequence(), 1);
        }
        assert_eq!(ring.worker.processed(), 0);
        assert!(ring.regions.progress().is_behind());
        let slot = ring.worker.next().expect("a ring").expect("a block");
        slot.complete(BlockStatus::Failed, &EventList::new(), 0);
        assert!(ring.worker.next().expect("a ring").is_none());
        assert_eq!(ring.regions.worker_progress(), 1);
        assert!(!ring.regions.progress().is_behind());
        let slot = ring.client.output().expect("a ring").expect("a block");
        assert_eq!(slot.header().status, BlockStatus::Failed);
    }

    #[test]
    fn events_that_do_not_fit_or_are_no_events_are_counted() {
        let mut ring = ring(SPEC);
        ring.client.begin().expect("room").submit();
        let mut events = EventList::new();
        events.push_midi(0, &[0xF0; 4080]);
        events.push_midi(0, &[0xFE]);
        events.push_midi(0, &[]);
        events.push_parameter(0, 1, f64::NAN);
        let slot = ring.worker.next().expect("a ring").expect("a block");
        slot.complete(BlockStatus::Ok, &events, 0);
        let mut slot = ring.client.output().expect("a ring").expect("a block");
        assert_eq!(slot.header().events_dropped, 3);
        let mut back = EventList::new();
        assert_eq!(slot.events(&mut back), Ok(0));
        assert_eq!(back.len(), 1);
    }

    #[test]
    fn a_wait_ends_for_each_of_its_reasons() {
        let mut ring = ring(SPEC);
        assert_eq!(ring.worker.wait(Duration::ZERO, &NEVER), Ok(()), "timeout");
        let interrupted = AtomicBool::new(true);
        assert_eq!(ring.worker.wait(FOREVER, &interrupted), Ok(()));
        ring.worker.interrupter().wake();
        assert_eq!(ring.worker.wait(FOREVER, &NEVER), Ok(()), "woken before");
        let interrupter = ring.worker.interrupter();
        let mut worker = ring.worker;
        let waiting = thread::spawn(move || {
            let waited = worker.wait(FOREVER, &NEVER);
            (worker, waited)
        });
        interrupter.wake();
        let (mut worker, waited) = waiting.join().expect("no panic");
        assert_eq!(waited, Ok(()), "woken during");
        let waiting = thread::spawn(move || {
            let waited = worker.wait(FOREVER, &NEVER);
            (worker, waited)
        });
        ring.client.begin().expect("room").submit();
        let (mut worker, waited) = waiting.join().expect("no panic");
        assert_eq!(waited, Ok(()), "a block");
        let slot = worker.next().expect("a ring").expect("a block");
        slot.complete(BlockStatus::Ok, &EventList::new(), 0);
        let waiting = thread::spawn(move || worker.wait(FOREVER, &NEVER));
        ring.regions.mark_dead();
        assert_eq!(waiting.join().expect("no panic"), Err(RingError::Dead));
    }

    #[test]
    fn a_dead_ring_is_dead_however_many_blocks_come() {
        let mut ring = ring(SPEC);
        ring.regions.mark_dead();
        ring.client.begin().expect("room").submit();
        assert_eq!(ring.worker.wait(FOREVER, &NEVER), Err(RingError::Dead));
        assert!(ring.worker.next().expect("a ring").is_some());
    }

    #[test]
    fn an_impossible_count_breaks_the_ring() {
        for (submitted, collected) in [(5, 0), (u64::MAX, 0), (2, 1), (0, u64::MAX)] {
            let mut ring = ring(SPEC);
            let view = &ring.client_view;
            view.long(COUNTER).store(submitted, Order::Release);
            view.long(COLLECTED).store(collected, Order::Release);
            assert!(matches!(ring.worker.next(), Err(RingError::Protocol(_))));
            let waited = ring.worker.wait(FOREVER, &NEVER);
            assert!(matches!(waited, Err(RingError::Protocol(_))));
        }
    }

    #[test]
    fn blocks_pass_between_threads() {
        const BLOCKS: u64 = if cfg!(miri) { 12 } else { 2000 };
        let ring = ring(SPEC);
        let (mut client, mut worker) = (ring.client, ring.worker);
        let worker = thread::spawn(move || {
            while worker.processed() < BLOCKS {
                worker.wait(FOREVER, &NEVER).expect("a live ring");
                while let Some(slot) = worker.next().expect("a sound block") {
                    // SAFETY: both are valid for the block's 16 frames, in different regions.
                    unsafe {
                        std::ptr::copy_nonoverlapping(slot.input_f64(1), slot.output_f64(2), 16);
                    }
                    slot.complete(BlockStatus::Ok, &EventList::new(), 0);
                }
            }
        });
        let far = Instant::now() + Duration::from_secs(600);
        while client.collected() < BLOCKS {
            while client.submitted() < BLOCKS {
                let number = client.submitted() + 1;
                let Some(mut slot) = client.begin() else {
                    break;
                };
                slot.set_header(&BlockHeader {
                    frames: 16,
                    double: true,
                    ..Default::default()
                });
                slot.write_f64(1, &[number as f64; 16]);
                slot.submit();
            }
            client.wait(2, far).expect("two blocks");
            while let Some(slot) = client.output().expect("a sound block") {
                let mut samples = [0.0; 16];
                slot.read_f64(2, &mut samples);
                assert_eq!(samples, [slot.header().sequence as f64; 16]);
            }
        }
        worker.join().expect("the worker's thread");
    }

    proptest! {
        #![proptest_config(cases(512))]

        /// Whatever stands in the client's region, the worker gets sound values or an error.
        #[test]
        fn noise_from_the_client_is_refused_or_sound(
            header: [u64; 16],
            events in prop::collection::vec(any::<u8>(), 256),
            sound_fields in 0..32u8,
        ) {
            let mut ring = ring(SPEC);
            let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_ne_bytes()).collect();
            for (bit, at, sound) in [(1, 0, 1u64), (2, 8, 7), (4, 16, 256)] {
                if sound_fields & bit != 0 {
                    bytes[at..at + 8].copy_from_slice(&sound.to_ne_bytes());
                }
            }
            let slot = ring.worker.end.layout.input(1);
            let view = &ring.client_view;
            view.write(slot.header, &bytes);
            view.write(slot.events, &events);
            let count = if sound_fields & 8 != 0 { 1 } else { header[7] };
            view.long(COUNTER).store(count, Order::Release);
            if sound_fields & 16 == 0 {
                view.long(COLLECTED).store(header[8], Order::Release);
            }
            let _ = ring.worker.wait(Duration::ZERO, &NEVER);
            if let Ok(Some(mut slot)) = ring.worker.next() {
                let block = slot.header();
                prop_assert!(block.frames <= SPEC.max_frames);
                if let Some(transport) = block.transport {
                    prop_assert!(transport.bpm.is_finite() && transport.bpm > 0.0);
                }
                let mut list = EventList::with_capacity(4, 64);
                let _ = slot.events(&mut list);
                prop_assert!(list.iter().all(|event| event.offset < block.frames.max(1)));
                slot.complete(BlockStatus::Ok, &list, 0);
            }
        }
    }
}
