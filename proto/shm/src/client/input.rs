//! A block on its way to the worker.

use plugpen_proto::event::Event;
use plugpen_proto::limits::MAX_CHANNELS;

use super::ClientEnd;
use crate::bridge::sample_bytes;
use crate::events::{EventsFull, encode, encoded_len};
use crate::header::{BlockHeader, InputHeader};
use crate::layout::Slot;
use crate::samples::{Sample, bytes};

/// A free slot of the client's region. Set the header first, then write channels and events in
/// any order, then [`submit`](Self::submit); dropped without that, nothing has happened.
pub struct InputSlot<'a> {
    client: &'a mut ClientEnd,
    slot: Slot,
    header: BlockHeader,
    written: [u64; MAX_CHANNELS as usize / 64],
    events_len: usize,
}

impl<'a> InputSlot<'a> {
    pub(super) fn new(client: &'a mut ClientEnd) -> Self {
        Self {
            slot: client.end.layout.input(client.index.submitted + 1),
            client,
            header: BlockHeader::default(),
            written: [0; _],
            events_len: 0,
        }
    }

    /// Sets the block's size, sample type and transport; until then it has 0 frames of `f32`.
    /// The transport's `bpm` has to be finite and above 0, its `position_beats` finite.
    ///
    /// # Panics
    ///
    /// The ring was not made for that many frames, or not for `f64`; or channels or events have
    /// been written already.
    pub fn set_header(&mut self, header: &BlockHeader) {
        let spec = self.client.end.layout.spec();
        assert!(
            header.frames <= spec.max_frames,
            "a block of {} frames, at most {} were agreed",
            header.frames,
            spec.max_frames
        );
        assert!(
            !header.double || spec.sample_bytes == 8,
            "a block of f64 in a ring of f32"
        );
        assert!(
            self.events_len == 0 && self.written.iter().all(|bits| *bits == 0),
            "the header is set before channels and events"
        );
        self.header = *header;
    }

    /// Writes a channel of an `f32` block, `frames` samples.
    ///
    /// # Panics
    ///
    /// There is no such channel, the block is `f64`, or `samples` has another length.
    pub fn write_f32(&mut self, channel: usize, samples: &[f32]) {
        self.write(channel, samples);
    }

    /// Writes a channel of an `f64` block, `frames` samples.
    ///
    /// # Panics
    ///
    /// There is no such channel, the block is `f32`, or `samples` has another length.
    pub fn write_f64(&mut self, channel: usize, samples: &[f64]) {
        self.write(channel, samples);
    }

    /// Fills a channel with zeros. Channels never written get the same at the end.
    ///
    /// # Panics
    ///
    /// There is no such channel.
    pub fn silence(&mut self, channel: usize) {
        let offset = self.channel(channel);
        let bytes = if self.header.double { 8 } else { 4 };
        self.client
            .end
            .own
            .zero(offset, self.header.frames as usize * bytes);
    }

    /// Adds an event. Events reach the plugin in the order of these calls; they are to rise by
    /// offset. An offset at or past the block's end is moved to its last frame.
    ///
    /// # Errors
    ///
    /// The block's event area is full; the block is otherwise as before.
    pub fn push_event(&mut self, event: &Event<'_>) -> Result<(), EventsFull> {
        let needed = encoded_len(event);
        let room = self.client.end.layout.event_bytes() - self.events_len;
        if needed > room {
            return Err(EventsFull { needed, room });
        }
        let start = self.slot.events + self.events_len;
        encode(event, self.header.frames, |offset, bytes| {
            self.client.end.own.write(start + offset, bytes);
        });
        self.events_len += needed;
        Ok(())
    }

    /// Submits the block and wakes the worker if it sleeps. Returns the block's number: how many
    /// have been submitted so far.
    pub fn submit(mut self) -> u64 {
        for channel in 0..self.client.end.layout.spec().input_channels as usize {
            if self.written[channel / 64] & (1 << (channel % 64)) == 0 {
                self.silence(channel);
            }
        }
        let header = InputHeader {
            sequence: self.client.index.submitted + 1,
            events_len: u32::try_from(self.events_len).expect("at most event_bytes"),
            block: self.header,
        };
        self.client
            .end
            .own
            .write(self.slot.header, &header.encode());
        self.client.submit(self.header.frames, self.header.double)
    }

    /// Writes a channel as it lies in memory.
    ///
    /// # Panics
    ///
    /// There is no such channel, or these are not the bytes of `frames` samples.
    pub(crate) fn write_bytes(&mut self, channel: usize, samples: &[u8]) {
        let expected = self.header.frames as usize * sample_bytes(self.header.double);
        assert_eq!(samples.len(), expected, "bytes of a channel");
        let offset = self.channel(channel);
        self.client.end.own.write(offset, samples);
    }

    fn write<S: Sample>(&mut self, channel: usize, samples: &[S]) {
        assert!(
            self.header.double == S::DOUBLE && self.header.frames as usize == samples.len(),
            "{} samples (f64: {}) for a block of {} (f64: {})",
            samples.len(),
            S::DOUBLE,
            self.header.frames,
            self.header.double
        );
        let offset = self.channel(channel);
        self.client.end.own.write(offset, bytes(samples));
    }

    /// Marks a channel as written and says where it lies.
    fn channel(&mut self, channel: usize) -> usize {
        let channels = self.client.end.layout.spec().input_channels;
        assert!(
            channel < channels as usize,
            "input channel {channel} of {channels}"
        );
        self.written[channel / 64] |= 1 << (channel % 64);
        self.slot.channel(channel)
    }
}
