//! The worker's end where the work is done elsewhere.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use plugpen_proto::event::EventList;
use plugpen_proto::v1::{InputBlock, OutputBlock};

use super::{Interrupter, WorkerEnd};
use crate::bridge::sample_bytes;
use crate::end::RingError;
use crate::events::{Bounds, decode, encode, encoded_len};
use crate::header::{BlockStatus, InputHeader, OutputHeader};
use crate::layout::INPUT_HEADER;

/// Takes blocks out of a ring as messages and puts the answers in, any number under way. It
/// belongs to one thread; others use its [`Interrupter`].
pub struct Relay {
    worker: WorkerEnd,
    /// Frames and `double` of the blocks under way.
    under_way: VecDeque<(u32, bool)>,
}

impl Relay {
    /// For a ring of which no block was taken.
    pub fn new(worker: WorkerEnd) -> Self {
        Self {
            worker,
            under_way: VecDeque::new(),
        }
    }

    /// A handle that ends a wait from another thread.
    pub fn interrupter(&self) -> Interrupter {
        self.worker.interrupter()
    }

    /// Blocks that were taken and not answered.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Waits until a block is there to be taken, `timeout` is over, `interrupted` is set or the
    /// interrupter was used since the last wait.
    ///
    /// # Errors
    /// As [`WorkerEnd::wait`].
    pub fn wait(&mut self, timeout: Duration, interrupted: &AtomicBool) -> Result<(), RingError> {
        if self.untaken()? == 0 {
            let target = self.next_sequence();
            let now = Instant::now();
            let deadline = now.checked_add(timeout).unwrap_or(now + DAY);
            let interrupter = self.worker.interrupter.listen();
            self.worker.end.wait(target, deadline, || {
                interrupted.load(std::sync::atomic::Ordering::SeqCst) || interrupter.is_called()
            });
            drop(interrupter);
        }
        match self.worker.is_dead() {
            true => Err(RingError::Dead),
            false => Ok(()),
        }
    }

    /// The oldest block that was not taken, as a message.
    ///
    /// # Errors
    /// [`RingError::Protocol`]: the client's counts, the header or the events are impossible.
    pub fn take_block(&mut self) -> Result<Option<InputBlock>, RingError> {
        if self.untaken()? == 0 {
            return Ok(None);
        }
        let sequence = self.next_sequence();
        let end = &mut self.worker.end;
        let slot = end.layout.input(sequence);
        let mut bytes = [0; INPUT_HEADER];
        end.peer.read(slot.header, &mut bytes);
        let header = InputHeader::decode(&bytes, sequence, end.layout.spec())
            .map_err(RingError::Protocol)?;
        end.note_cpu();
        let spec = end.layout.spec();
        let bounds = Bounds {
            frames: header.block.frames,
            parameters: spec.parameters,
            from_client: true,
            may_allocate: true,
        };
        let channels = spec.input_channels as usize;
        let area = &mut end.scratch[..header.events_len as usize];
        end.peer.read(slot.events, area);
        let mut events = EventList::new();
        decode(area, bounds, &mut events).map_err(RingError::Protocol)?;
        let channel = header.block.frames as usize * sample_bytes(header.block.double);
        let mut samples = vec![0; channel * channels];
        if channel > 0 {
            for (number, samples) in samples.chunks_exact_mut(channel).enumerate() {
                end.peer.read(slot.channel(number), samples);
            }
        }
        self.under_way
            .push_back((header.block.frames, header.block.double));
        Ok(Some(InputBlock {
            frames: header.block.frames,
            double: header.block.double,
            transport: header.block.transport,
            samples,
            events: events.to_messages(),
        }))
    }

    /// Answers the oldest block under way.
    ///
    /// # Errors
    /// It is no answer to that block; the ring is of no more use.
    pub fn complete_block(&mut self, block: &OutputBlock) -> Result<(), String> {
        let asked = self.under_way.front().copied();
        if asked != Some((block.frames, block.double)) {
            return Err(format!(
                "the answer has {} frames (64-bit: {}) for a block of {asked:?}",
                block.frames, block.double
            ));
        }
        let sequence = self.worker.index.processed + 1;
        let end = &mut self.worker.end;
        let slot = end.layout.output(sequence);
        let channels = end.layout.spec().output_channels as usize;
        let channel = block.frames as usize * sample_bytes(block.double);
        let expected = if block.failed { 0 } else { channel * channels };
        if block.samples.len() != expected {
            return Err(format!(
                "the answer has {} bytes of samples; expected {expected}",
                block.samples.len()
            ));
        }
        if channel > 0 {
            for (number, samples) in block.samples.chunks_exact(channel).enumerate() {
                end.own.write(slot.channel(number), samples);
            }
        }
        let (mut used, mut dropped) = (0, block.events_dropped);
        for message in &block.events {
            let event = message.event();
            let event = event.filter(|e| encoded_len(e) <= end.layout.event_bytes() - used);
            match event {
                Some(event) => {
                    let start = slot.events + used;
                    encode(&event, block.frames, |offset, bytes| {
                        end.own.write(start + offset, bytes);
                    });
                    used += encoded_len(&event);
                }
                None => dropped = dropped.saturating_add(1),
            }
        }
        let header = OutputHeader {
            sequence,
            frames: block.frames,
            double: block.double,
            status: match block.failed {
                true => BlockStatus::Failed,
                false => BlockStatus::Ok,
            },
            events_dropped: dropped,
            latency_samples: block.latency_samples,
        };
        let used = u32::try_from(used).map_err(|error| error.to_string())?;
        end.own.write(slot.header, &header.encode(used));
        self.under_way.pop_front();
        self.worker.complete();
        Ok(())
    }

    fn next_sequence(&self) -> u64 {
        let under_way = u64::try_from(self.under_way.len()).unwrap_or(u64::MAX);
        self.worker.index.processed + under_way + 1
    }

    fn untaken(&mut self) -> Result<u64, RingError> {
        let under_way = u64::try_from(self.under_way.len()).unwrap_or(u64::MAX);
        // The client cannot have taken blocks back.
        Ok(self.worker.waiting()?.saturating_sub(under_way))
    }
}

/// A timeout beyond the clock's range is as good as this.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::Transport;

    use super::*;
    use crate::bridge::check_block;
    use crate::testing::{SPEC, ring};

    static NEVER: AtomicBool = AtomicBool::new(false);

    fn block(frames: u32, channels: usize) -> InputBlock {
        let samples = (0..frames as usize * channels).map(|n| n as f32 + 0.5);
        let mut events = EventList::new();
        events.push_midi(1, &[0x90, 60, 1]);
        events.push_parameter(2, 0, 0.25);
        InputBlock {
            frames,
            samples: samples.flat_map(f32::to_le_bytes).collect(),
            events: events.to_messages(),
            transport: Some(Transport {
                bpm: 90.0,
                time_sig_num: 3,
                time_sig_denom: 4,
                ..Transport::default()
            }),
            ..InputBlock::default()
        }
    }

    #[test]
    fn blocks_travel_as_messages_from_ring_to_ring() {
        let near = ring(SPEC);
        let far = ring(SPEC);
        let (mut near_client, mut relay) = (near.client, Relay::new(near.worker));
        let (mut far_client, mut worker) = (far.client, far.worker);
        let channels = SPEC.input_channels as usize;
        for frames in [16, 1, 0] {
            assert_eq!(near_client.submit_block(&block(frames, channels)), Ok(true));
        }
        relay.wait(Duration::ZERO, &NEVER).unwrap();
        let mut count = 0;
        while let Some(taken) = relay.take_block().unwrap() {
            count += 1;
            if taken.frames == 16 {
                assert_eq!(taken, block(16, channels));
            }
            assert_eq!(far_client.submit_block(&taken), Ok(true));
        }
        assert_eq!((count, relay.under_way()), (3, 3));
        for frames in [16, 1, 0] {
            let mut slot = worker.next().unwrap().unwrap();
            let mut events = EventList::with_capacity(8, 64);
            slot.events(&mut events).unwrap();
            assert_eq!(slot.header().frames, frames);
            slot.complete(BlockStatus::Ok, &events, 7);
            let answer = far_client.collect_block().unwrap().unwrap();
            assert_eq!((answer.frames, answer.latency_samples), (frames, 7));
            relay.complete_block(&answer).unwrap();
            let back = near_client.collect_block().unwrap().unwrap();
            assert_eq!(back, answer);
        }
        assert_eq!(relay.under_way(), 0);
        assert!(near_client.collect_block().unwrap().is_none());
    }

    #[test]
    fn an_answer_to_something_else_is_refused() {
        let near = ring(SPEC);
        let (mut client, mut relay) = (near.client, Relay::new(near.worker));
        let answer = OutputBlock {
            frames: 8,
            failed: true,
            ..OutputBlock::default()
        };
        assert!(relay.complete_block(&answer).is_err(), "nothing was asked");
        client.submit_block(&block(8, 1)).unwrap();
        relay.take_block().unwrap().unwrap();
        for wrong in [
            OutputBlock {
                frames: 9,
                ..answer.clone()
            },
            OutputBlock {
                double: true,
                ..answer.clone()
            },
            OutputBlock {
                failed: false,
                samples: vec![0; 3],
                ..answer.clone()
            },
        ] {
            assert!(relay.complete_block(&wrong).is_err(), "{wrong:?}");
        }
        relay.complete_block(&answer).unwrap();
        assert!(client.collect_block().unwrap().unwrap().failed);
    }

    #[test]
    fn blocks_that_cannot_be_are_named() {
        let sound = block(8, 1);
        check_block(&sound, &SPEC).unwrap();
        type Spoil = fn(&mut InputBlock);
        let wrong: [(&str, Spoil); 6] = [
            ("at most", |b| b.frames = SPEC.max_frames + 1),
            ("bytes", |b| b.samples.truncate(5)),
            ("bytes", |b| b.samples.resize(8 * 4 * 1000, 0)),
            ("bytes", |b| b.frames = 0),
            ("bpm", |b| b.transport.as_mut().unwrap().bpm = f64::NAN),
            ("offset 2", |b| {
                let mut events = EventList::new();
                events.push_parameter(2, u32::MAX, 0.5);
                b.events = events.to_messages();
            }),
        ];
        for (word, spoil) in wrong {
            let mut block = sound.clone();
            spoil(&mut block);
            let message = check_block(&block, &SPEC).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
