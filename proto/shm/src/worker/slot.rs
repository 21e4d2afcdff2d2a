//! A block in the worker's hands.

use plugpen_proto::event::{Event, EventBody, EventList};

use super::WorkerEnd;
use crate::end::RingError;
use crate::events::{Bounds, decode, encode, encoded_len};
use crate::header::{BlockHeader, BlockStatus, InputHeader, OutputHeader};
use crate::layout::Slot;

/// The oldest block to be processed. The plugin reads from and writes to the slot itself.
pub struct WorkSlot<'a> {
    worker: &'a mut WorkerEnd,
    input: Slot,
    output: Slot,
    header: InputHeader,
    /// Events that went no further than here.
    lost: u32,
}

impl<'a> WorkSlot<'a> {
    pub(super) fn new(worker: &'a mut WorkerEnd, input: Slot, header: InputHeader) -> Self {
        Self {
            output: worker.end.layout.output(header.sequence),
            worker,
            input,
            header,
            lost: 0,
        }
    }

    /// Which block, counted from 1.
    pub fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// What the client says of it: a checked copy.
    pub fn header(&self) -> BlockHeader {
        self.header.block
    }

    /// A channel of an `f32` block: `frames` samples, 64-byte aligned, for reading only and valid
    /// until the block is completed. A write to it is a fault. The client could still change
    /// them, so no reference may be made to them here.
    ///
    /// # Panics
    ///
    /// There is no such channel, or the block is `f64`.
    pub fn input_f32(&self, channel: usize) -> *const f32 {
        self.input(channel, false).cast()
    }

    /// A channel of an `f64` block, otherwise like [`input_f32`](Self::input_f32).
    ///
    /// # Panics
    ///
    /// There is no such channel, or the block is `f32`.
    pub fn input_f64(&self, channel: usize) -> *const f64 {
        self.input(channel, true).cast()
    }

    /// Where the plugin writes a channel of an `f32` block: `frames` samples, 64-byte aligned,
    /// valid until the block is completed. Holds an older block's samples at first.
    ///
    /// # Panics
    ///
    /// There is no such channel, or the block is `f64`.
    pub fn output_f32(&self, channel: usize) -> *mut f32 {
        self.output(channel, false).cast()
    }

    /// Where the plugin writes a channel of an `f64` block, otherwise like
    /// [`output_f32`](Self::output_f32).
    ///
    /// # Panics
    ///
    /// There is no such channel, or the block is `f32`.
    pub fn output_f64(&self, channel: usize) -> *mut f64 {
        self.output(channel, true).cast()
    }

    /// Appends the block's events, as far as the list has room without allocating: offsets are
    /// below `frames`, parameters exist, values are 0 to 1, messages are not empty, notes have ids
    /// that a client may give. Returns how
    /// many events were none of that, or found no room, and were left out.
    ///
    /// # Errors
    ///
    /// [`RingError::Protocol`]: the bytes are no events at all.
    pub fn events(&mut self, list: &mut EventList) -> Result<u32, RingError> {
        let end = &mut self.worker.end;
        let bounds = Bounds {
            frames: self.header.block.frames,
            parameters: end.layout.spec().parameters,
            from_client: true,
            may_allocate: false,
        };
        // `events_len` has been checked against the area's size, which `scratch` has.
        let area = &mut end.scratch[..self.header.events_len as usize];
        end.peer.read(self.input.events, area);
        decode(area, bounds, list).map_err(RingError::Protocol)
    }

    /// Tells the client of events that the worker could do nothing with, or the plugin's that it
    /// had no room for; they are counted as dropped.
    pub fn lose(&mut self, events: u32) {
        self.lost = self.lost.saturating_add(events);
    }

    /// Hands the block back with the plugin's events and wakes the client if it sleeps for it.
    /// Events that do not fit the block, and those with numbers that mean nothing, are counted as
    /// dropped; parameter values are clamped to 0 to 1.
    pub fn complete(self, status: BlockStatus, events: &EventList, latency_samples: u32) {
        let frames = self.header.block.frames;
        let end = &mut self.worker.end;
        let (mut used, mut dropped) = (0, self.lost);
        for event in events.iter() {
            let needed = encoded_len(&event);
            let fits = needed <= end.layout.event_bytes() - used;
            match wellformed(event).filter(|_| fits) {
                Some(event) => {
                    let start = self.output.events + used;
                    encode(&event, frames, |offset, bytes| {
                        end.own.write(start + offset, bytes);
                    });
                    used += needed;
                }
                None => dropped = dropped.saturating_add(1),
            }
        }
        let header = OutputHeader {
            sequence: self.header.sequence,
            frames,
            double: self.header.block.double,
            status,
            events_dropped: dropped,
            latency_samples,
        };
        let used = u32::try_from(used).expect("at most event_bytes");
        end.own.write(self.output.header, &header.encode(used));
        self.worker.complete();
    }

    fn input(&self, channel: usize, double: bool) -> *const u8 {
        let end = &self.worker.end;
        let bytes = self.bytes(channel, end.layout.spec().input_channels, double);
        end.peer.at(self.input.channel(channel), bytes)
    }

    fn output(&self, channel: usize, double: bool) -> *mut u8 {
        let end = &self.worker.end;
        let bytes = self.bytes(channel, end.layout.spec().output_channels, double);
        end.own.at(self.output.channel(channel), bytes)
    }

    fn bytes(&self, channel: usize, channels: u32, double: bool) -> usize {
        assert!(
            channel < channels as usize,
            "channel {channel} of {channels}"
        );
        assert!(
            self.header.block.double == double,
            "a block whose samples are f64: {}",
            self.header.block.double
        );
        self.header.block.frames as usize * if double { 8 } else { 4 }
    }
}

/// The event as it may be sent, if it may.
fn wellformed(event: Event<'_>) -> Option<Event<'_>> {
    let body = match event.body {
        EventBody::Midi([]) => return None,
        EventBody::Parameter { value, .. } if value.is_nan() => return None,
        EventBody::Parameter { index, value } => EventBody::Parameter {
            index,
            value: value.clamp(0.0, 1.0),
        },
        EventBody::Note(note) if !note.is_sound() => return None,
        EventBody::Expression(expression) if !expression.is_sound() => return None,
        sound => sound,
    };
    Some(Event { body, ..event })
}
