//! A block on its way back from the worker.

use plugpen_proto::event::EventList;

use super::ClientEnd;
use crate::bridge::sample_bytes;
use crate::end::RingError;
use crate::events::{Bounds, decode};
use crate::header::OutputHeader;
use crate::layout::Slot;
use crate::samples::{Sample, bytes_mut};

/// The oldest block that is done. Dropping it gives the slot back to the worker.
pub struct OutputSlot<'a> {
    client: &'a mut ClientEnd,
    slot: Slot,
    header: OutputHeader,
    events_len: u32,
}

impl<'a> OutputSlot<'a> {
    pub(super) fn new(
        client: &'a mut ClientEnd,
        slot: Slot,
        header: OutputHeader,
        events_len: u32,
    ) -> Self {
        Self {
            client,
            slot,
            header,
            events_len,
        }
    }

    /// What the worker says of the block; frames and sample type are those submitted.
    pub fn header(&self) -> &OutputHeader {
        &self.header
    }

    /// Copies a channel of an `f32` block, `frames` samples. They are whatever the plugin wrote:
    /// any number, infinite ones and NaN too.
    ///
    /// # Panics
    ///
    /// There is no such channel, the block is `f64`, or `samples` has another length.
    pub fn read_f32(&self, channel: usize, samples: &mut [f32]) {
        self.read(channel, samples);
    }

    /// Copies a channel of an `f64` block, `frames` samples, like [`read_f32`](Self::read_f32).
    ///
    /// # Panics
    ///
    /// There is no such channel, the block is `f32`, or `samples` has another length.
    pub fn read_f64(&self, channel: usize, samples: &mut [f64]) {
        self.read(channel, samples);
    }

    /// Appends the plugin's events: offsets are below `frames`, parameters exist, values are 0 to
    /// 1, messages are not empty, notes and expressions are sound. Returns how many events were none of that and were left out.
    ///
    /// # Errors
    ///
    /// [`RingError::Protocol`]: the bytes are no events at all.
    pub fn events(&mut self, list: &mut EventList) -> Result<u32, RingError> {
        self.decode(list, true)
    }

    /// The same without allocating: what finds no room in the list is left out, and counted.
    ///
    /// # Errors
    ///
    /// As for [`events`](Self::events).
    pub fn events_in_room(&mut self, list: &mut EventList) -> Result<u32, RingError> {
        self.decode(list, false)
    }

    fn decode(&mut self, list: &mut EventList, may_allocate: bool) -> Result<u32, RingError> {
        let bounds = Bounds {
            frames: self.header.frames,
            parameters: self.client.end.layout.spec().parameters,
            from_client: false,
            may_allocate,
        };
        let end = &mut self.client.end;
        // `events_len` has been checked against the area's size, which `scratch` has.
        let area = &mut end.scratch[..self.events_len as usize];
        end.peer.read(self.slot.events, area);
        decode(area, bounds, list).map_err(RingError::Protocol)
    }

    /// Gives the slot back.
    pub fn release(self) {}

    /// Copies a channel as it lies in memory.
    ///
    /// # Panics
    ///
    /// There is no such channel, or this is no room for exactly `frames` samples.
    pub(crate) fn read_bytes(&self, channel: usize, samples: &mut [u8]) {
        let end = &self.client.end;
        let expected = self.header.frames as usize * sample_bytes(self.header.double);
        let channels = end.layout.spec().output_channels as usize;
        assert!(
            channel < channels && samples.len() == expected,
            "channel {channel} of {channels}, {} bytes of {expected}",
            samples.len()
        );
        end.peer.read(self.slot.channel(channel), samples);
    }

    fn read<S: Sample>(&self, channel: usize, samples: &mut [S]) {
        let end = &self.client.end;
        let channels = end.layout.spec().output_channels;
        assert!(
            channel < channels as usize,
            "output channel {channel} of {channels}"
        );
        assert!(
            self.header.double == S::DOUBLE && self.header.frames as usize == samples.len(),
            "{} samples (f64: {}) of a block of {} (f64: {})",
            samples.len(),
            S::DOUBLE,
            self.header.frames,
            self.header.double
        );
        end.peer
            .read(self.slot.channel(channel), bytes_mut(samples));
    }
}

impl Drop for OutputSlot<'_> {
    fn drop(&mut self) {
        self.client.collect();
    }
}
