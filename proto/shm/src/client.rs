//! The client's end of a ring.

mod input;
mod output;

use std::os::fd::OwnedFd;
use std::time::Instant;

pub use input::InputSlot;
pub use output::OutputSlot;

use crate::end::{End, RingError};
use crate::header::OutputHeader;
use crate::layout::{COLLECTED, Layout, OUTPUT_HEADER, RingSpec};
use crate::protocol::ClientIndex;
use crate::region::{Region, RegionError, SystemRegion};
use crate::status::Role;
use crate::sync::Ordering;

/// Submits blocks and collects them, in order, at most `depth` in flight.
///
/// It belongs to one thread at a time. Only [`wait`](Self::wait) blocks.
pub struct ClientEnd {
    end: End,
    index: ClientIndex,
    /// Frames and `double` of the blocks in flight, by slot; what comes back is compared with it.
    sent: Vec<(u32, bool)>,
}

impl ClientEnd {
    /// Maps the regions of [`Regions::client_fds`](crate::Regions::client_fds), checked against
    /// the layout. From then on nobody can map the client's region for writing any more, so the
    /// descriptors are good for one end.
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
        Ok(Self::new(End::attach::<R>(fds, layout, Role::Client)?))
    }

    pub(crate) fn new(end: End) -> Self {
        let depth = end.layout.spec().depth;
        Self {
            end,
            index: ClientIndex::new(depth),
            sent: vec![(0, false); depth as usize],
        }
    }

    /// What the ring was made for.
    pub fn spec(&self) -> &RingSpec {
        self.end.layout.spec()
    }

    /// Blocks submitted so far.
    pub fn submitted(&self) -> u64 {
        self.index.submitted
    }

    /// Blocks collected so far.
    pub fn collected(&self) -> u64 {
        self.index.collected
    }

    /// Blocks submitted and not collected, 0 to [`depth`](Self::depth).
    pub fn in_flight(&self) -> u32 {
        narrow(self.index.in_flight())
    }

    /// Blocks that may be in flight.
    pub fn depth(&self) -> u32 {
        self.end.layout.spec().depth
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.end.layout
    }

    /// The worker's generation, 0 if the daemon has not said it.
    pub fn generation(&self) -> u64 {
        self.end.status.generation()
    }

    /// Whether the daemon has declared the worker dead. Blocks that were done before can still be
    /// collected.
    pub fn is_dead(&self) -> bool {
        self.end.status.is_dead()
    }

    /// Blocks in flight that the worker has completed.
    ///
    /// # Errors
    ///
    /// [`RingError::Protocol`]: the worker's count is impossible.
    pub fn done(&self) -> Result<u32, RingError> {
        self.index
            .check(self.end.peer_counter())
            .map(narrow)
            .map_err(RingError::Protocol)
    }

    /// The next free input slot, or none if `depth` blocks are in flight.
    pub fn begin(&mut self) -> Option<InputSlot<'_>> {
        self.index.has_room().then(|| InputSlot::new(self))
    }

    /// Waits until `blocks` of those in flight are done; more than are in flight means all of
    /// them. Blocks that are done count even if the worker has died since.
    ///
    /// # Errors
    ///
    /// [`RingError::Dead`] at once when the worker is declared dead, [`RingError::TimedOut`] at
    /// the deadline (the blocks stay in flight), [`RingError::Protocol`] if its count is
    /// impossible.
    pub fn wait(&mut self, blocks: u32, deadline: Instant) -> Result<(), RingError> {
        let blocks = blocks.min(self.in_flight());
        if self.observe()? >= blocks {
            return Ok(());
        }
        let target = self.index.collected + u64::from(blocks);
        self.end.wait(target, deadline, || false);
        match self.observe()? >= blocks {
            true => Ok(()),
            false if self.is_dead() => Err(RingError::Dead),
            false => Err(RingError::TimedOut),
        }
    }

    /// The oldest block, if it is done. Dropping the slot frees it.
    ///
    /// # Errors
    ///
    /// [`RingError::Protocol`]: the worker's count or the slot's header is impossible.
    pub fn output(&mut self) -> Result<Option<OutputSlot<'_>>, RingError> {
        if self.observe()? == 0 {
            return Ok(None);
        }
        let sequence = self.index.collected + 1;
        let slot = self.end.layout.output(sequence);
        let mut bytes = [0; OUTPUT_HEADER];
        self.end.peer.read(slot.header, &mut bytes);
        let sent = self.sent[self.sent_index(sequence)];
        let (header, events_len) =
            OutputHeader::decode(&bytes, sequence, sent, self.end.layout.spec())
                .map_err(RingError::Protocol)?;
        Ok(Some(OutputSlot::new(self, slot, header, events_len)))
    }

    fn observe(&mut self) -> Result<u32, RingError> {
        self.index
            .observe(self.end.peer_counter())
            .map(narrow)
            .map_err(RingError::Protocol)
    }

    fn sent_index(&self, sequence: u64) -> usize {
        narrow((sequence - 1) % u64::from(self.depth())) as usize
    }

    fn submit(&mut self, frames: u32, double: bool) -> u64 {
        let sequence = self.index.submitted + 1;
        let index = self.sent_index(sequence);
        self.sent[index] = (frames, double);
        self.index.submitted = sequence;
        self.end.publish(sequence);
        sequence
    }

    fn collect(&mut self) {
        self.index.collected += 1;
        // SYNC: the reads of the slot come before it; the worker writes the slot again only for a
        // block submitted after this, whose release store it acquires.
        self.end
            .own
            .long(COLLECTED)
            .store(self.index.collected, Ordering::Release);
    }
}

/// A number of blocks, which the callers have bounded by the depth.
fn narrow(blocks: u64) -> u32 {
    u32::try_from(blocks).expect("at most the depth")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugpen_proto::event::EventList;
    use proptest::prelude::*;

    use super::*;
    use crate::events::EventsFull;
    use crate::header::{BlockHeader, BlockStatus};
    use crate::layout::COUNTER;
    use crate::testing::{Ring, SPEC, cases, ring};

    fn past() -> Instant {
        Instant::now()
    }

    /// A ring with `blocks` submitted, of as many frames each as its number.
    fn submitted(blocks: u64) -> Ring {
        let mut ring = ring(SPEC);
        for number in 1..=blocks {
            let mut slot = ring.client.begin().expect("room");
            slot.set_header(&BlockHeader {
                frames: narrow(number),
                ..Default::default()
            });
            assert_eq!(slot.submit(), number);
        }
        ring
    }

    fn complete(ring: &mut Ring, blocks: u64) {
        for _ in 0..blocks {
            let slot = ring.worker.next().expect("a ring").expect("a block");
            slot.complete(BlockStatus::Ok, &EventList::new(), 0);
        }
    }

    #[test]
    fn a_full_ring_takes_no_block_until_one_is_collected() {
        let mut ring = submitted(4);
        assert!(ring.client.begin().is_none());
        assert_eq!(ring.client.in_flight(), 4);
        complete(&mut ring, 1);
        assert_eq!(ring.client.done(), Ok(1));
        assert!(ring.client.begin().is_none(), "done is not collected");
        let slot = ring.client.output().expect("a ring").expect("a block");
        assert_eq!((slot.header().sequence, slot.header().frames), (1, 1));
        slot.release();
        assert_eq!(ring.client.collected(), 1);
        assert!(ring.client.begin().is_some());
    }

    #[test]
    fn a_slot_that_is_dropped_was_never_submitted() {
        let mut ring = submitted(1);
        ring.client.begin().expect("room").silence(0);
        assert_eq!(ring.client.submitted(), 1);
        complete(&mut ring, 1);
        assert!(ring.worker.next().expect("a ring").is_none());
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_keeps_the_blocks() {
        let mut ring = submitted(3);
        complete(&mut ring, 2);
        assert_eq!(ring.client.wait(2, past()), Ok(()));
        assert_eq!(ring.client.wait(3, past()), Err(RingError::TimedOut));
        assert_eq!(ring.client.in_flight(), 3);
        complete(&mut ring, 1);
        assert_eq!(ring.client.wait(9, past()), Ok(()), "all there are");
    }

    #[test]
    fn a_death_ends_waits_at_once_but_leaves_what_is_done() {
        let mut ring = submitted(2);
        complete(&mut ring, 1);
        ring.regions.mark_dead();
        ring.regions.mark_dead();
        assert!(ring.client.is_dead());
        let far = Instant::now() + Duration::from_secs(3600);
        assert_eq!(ring.client.wait(2, far), Err(RingError::Dead));
        assert_eq!(ring.client.wait(1, far), Ok(()));
        assert!(ring.client.output().expect("a ring").is_some());
    }

    #[test]
    fn an_impossible_count_breaks_the_ring() {
        let mut ring = submitted(2);
        complete(&mut ring, 1);
        assert_eq!(ring.client.wait(1, past()), Ok(()));
        for lie in [0, 3, u64::MAX] {
            ring.worker_view.long(COUNTER).store(lie, Ordering::Release);
            assert!(matches!(ring.client.done(), Err(RingError::Protocol(_))));
            assert!(matches!(ring.client.output(), Err(RingError::Protocol(_))));
            let waited = ring.client.wait(2, past());
            assert!(matches!(waited, Err(RingError::Protocol(_))));
        }
    }

    #[test]
    fn events_that_do_not_fit_are_refused_and_nothing_is_lost() {
        use plugpen_proto::event::{Event, EventBody};
        let mut ring = ring(SPEC);
        let mut slot = ring.client.begin().expect("room");
        let sysex = vec![0xF0; 2000];
        let event = Event {
            offset: 0,
            body: EventBody::Midi(&sysex),
        };
        slot.push_event(&event).expect("room for 2016 of 4096");
        slot.push_event(&event).expect("room for 2016 of 2080");
        let full = EventsFull {
            needed: 2016,
            room: 64,
        };
        assert_eq!(slot.push_event(&event), Err(full));
        slot.submit();
        let mut list = EventList::with_capacity(8, 8000);
        let mut slot = ring.worker.next().expect("a ring").expect("a block");
        assert_eq!(slot.events(&mut list), Ok(0));
        assert_eq!(list.len(), 2);
        assert_eq!(list.get(1), Some(event));
    }

    proptest! {
        #![proptest_config(cases(512))]

        /// Whatever stands in the worker's region, the client gets sound values or an error.
        #[test]
        fn noise_from_the_worker_is_refused_or_sound(
            header: [u64; 8],
            events in prop::collection::vec(any::<u8>(), 256),
            sound_fields in 0..16u8,
        ) {
            let mut ring = submitted(3);
            let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_ne_bytes()).collect();
            for (bit, at, sound) in [(1, 0, [1, 0]), (2, 8, [1, 0]), (4, 16, [256, 0])] {
                if sound_fields & bit != 0 {
                    for (index, word) in sound.into_iter().enumerate() {
                        let start = at + 4 * index;
                        bytes[start..start + 4].copy_from_slice(&u32::to_ne_bytes(word));
                    }
                }
            }
            let slot = ring.client.end.layout.output(1);
            ring.worker_view.write(slot.header, &bytes);
            ring.worker_view.write(slot.events, &events);
            let count = if sound_fields & 8 != 0 { 1 } else { header[7] };
            ring.worker_view.long(COUNTER).store(count, Ordering::Release);
            let _ = ring.client.wait(1, past());
            if let Ok(Some(mut slot)) = ring.client.output() {
                prop_assert_eq!((slot.header().sequence, slot.header().frames), (1, 1));
                slot.read_f32(2, &mut [0.0]);
                let mut list = EventList::new();
                let _ = slot.events(&mut list);
                prop_assert!(list.iter().all(|event| event.offset == 0));
            }
        }
    }
}
