//! Blocks as a client left them in its slots, for looking at them later or playing them again.

use plugpen_proto::event::EventList;

use crate::client::ClientEnd;
use crate::events::{Bounds, decode};
use crate::header::{BlockHeader, InputHeader};
use crate::layout::{INPUT_HEADER, Layout};
use crate::region::View;

/// One block's way in.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedBlock {
    /// Which block, counted from 1.
    pub sequence: u64,
    /// Size, sample type and transport.
    pub header: BlockHeader,
    /// Its events, as they lie in the slot.
    pub events: Vec<u8>,
    /// Its channels one after the other, `frames` samples each, as they lie in the slot.
    pub samples: Vec<u8>,
    /// How many channels.
    pub channels: u32,
}

/// Why a recorded block cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a recorded block cannot be played: {0}")]
pub struct Unplayable(pub String);

impl RecordedBlock {
    /// Reads a slot; `None` where it holds no such block.
    pub(crate) fn read(view: &View, layout: &Layout, sequence: u64) -> Option<Self> {
        let slot = layout.input(sequence);
        let spec = layout.spec();
        let mut bytes = [0; INPUT_HEADER];
        view.read(slot.header, &mut bytes);
        // Checked against the layout: nothing below leaves the slot.
        let header = InputHeader::decode(&bytes, sequence, spec).ok()?;
        let mut events = vec![0; header.events_len as usize];
        view.read(slot.events, &mut events);
        let plane = plane_bytes(&header.block);
        let mut samples = vec![0; plane * spec.input_channels as usize];
        for (channel, samples) in samples.chunks_exact_mut(plane.max(1)).enumerate() {
            view.read(slot.channel(channel), samples);
        }
        Some(Self {
            sequence,
            header: header.block,
            events,
            samples,
            channels: spec.input_channels,
        })
    }
}

/// Bytes of one channel.
fn plane_bytes(header: &BlockHeader) -> usize {
    header.frames as usize * if header.double { 8 } else { 4 }
}

impl ClientEnd {
    /// Submits a recorded block; its number. Channels that the ring does not have are left out,
    /// missing ones are silent, and so is a block without samples.
    ///
    /// # Errors
    /// The block does not fit this ring, which may be another's than the one it was recorded from.
    pub fn replay(&mut self, block: &RecordedBlock) -> Result<u64, Unplayable> {
        let spec = *self.layout().spec();
        let header = block.header;
        let plane = plane_bytes(&header);
        if header.frames > spec.max_frames {
            return Err(Unplayable(format!(
                "it has {} frames, the ring takes {}",
                header.frames, spec.max_frames
            )));
        }
        if header.double && spec.sample_bytes != 8 {
            return Err(Unplayable("it has f64 samples, the ring f32".into()));
        }
        let is_sound = |t: &plugpen_proto::v1::Transport| {
            t.bpm.is_finite() && t.bpm > 0.0 && t.position_beats.is_finite()
        };
        if header.transport.as_ref().is_some_and(|t| !is_sound(t)) {
            return Err(Unplayable("its transport has no sound numbers".into()));
        }
        let mut events = EventList::new();
        let bounds = Bounds {
            frames: header.frames,
            parameters: spec.parameters,
            from_client: true,
            may_allocate: true,
        };
        decode(&block.events, bounds, &mut events).map_err(Unplayable)?;
        let Some(mut slot) = self.begin() else {
            return Err(Unplayable("the ring is full".into()));
        };
        slot.set_header(&header);
        if plane > 0 {
            let channels = block.samples.chunks_exact(plane);
            for (channel, bytes) in channels.take(spec.input_channels as usize).enumerate() {
                match header.double {
                    true => slot.write_f64(channel, &numbers(bytes, f64::from_ne_bytes)),
                    false => slot.write_f32(channel, &numbers(bytes, f32::from_ne_bytes)),
                }
            }
        }
        for event in events.iter() {
            slot.push_event(&event)
                .map_err(|error| Unplayable(error.to_string()))?;
        }
        Ok(slot.submit())
    }
}

fn numbers<const N: usize, S>(bytes: &[u8], number: fn([u8; N]) -> S) -> Vec<S> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| number(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use plugpen_proto::event::{Event, EventBody};

    use super::*;
    use crate::header::BlockStatus;
    use crate::testing::{Ring, SPEC, ring};

    fn submit(ring: &mut Ring, number: f32) {
        let mut slot = ring.client.begin().expect("room");
        slot.set_header(&BlockHeader {
            frames: 3,
            ..Default::default()
        });
        slot.write_f32(1, &[number; 3]);
        let body = EventBody::Parameter {
            index: 2,
            value: 0.5,
        };
        slot.push_event(&Event { offset: 1, body }).expect("room");
        slot.submit();
    }

    fn pass(ring: &mut Ring) {
        let slot = ring.worker.next().expect("a ring").expect("a block");
        slot.complete(BlockStatus::Ok, &EventList::new(), 0);
        ring.client.output().expect("a ring").expect("a block");
    }

    #[test]
    fn the_last_blocks_of_a_dead_ring_play_again() {
        let mut first = ring(SPEC);
        for number in 1..=6_u8 {
            submit(&mut first, f32::from(number));
            pass(&mut first);
        }
        first.regions.mark_dead();
        let recorded = first.regions.recent();
        let sequences: Vec<_> = recorded.iter().map(|block| block.sequence).collect();
        assert_eq!(sequences, [3, 4, 5, 6]);
        let mut second = ring(SPEC);
        for block in &recorded {
            second.client.replay(block).expect("the same shape");
        }
        let again = second.regions.recent();
        assert_eq!(again.len(), 4);
        for (before, after) in recorded.iter().zip(&again) {
            assert_eq!(before.sequence, after.sequence + 2);
            assert_eq!(before.samples, after.samples);
            assert_eq!(before.events, after.events);
        }
        let last = &recorded[3].samples[12..];
        assert_eq!(last, [6f32.to_ne_bytes(); 3].concat());
    }

    #[test]
    fn what_is_no_block_is_left_out_or_refused() {
        let mut lying = ring(SPEC);
        submit(&mut lying, 1.0);
        submit(&mut lying, 2.0);
        let slot = SPEC.layout().expect("a layout").input(1);
        lying.client_view.write(slot.header + 8, &[0xFF; 4]);
        let mut recorded = lying.regions.recent();
        assert_eq!(recorded.len(), 1);
        let block = &mut recorded[0];
        block.header.frames = 17;
        assert!(lying.client.replay(block).is_err());
        block.header.frames = 3;
        block.events = vec![7; 5];
        assert!(lying.client.replay(block).is_err());
        block.events.clear();
        block.samples.clear();
        assert!(lying.client.replay(block).is_ok(), "silence");
    }
}
