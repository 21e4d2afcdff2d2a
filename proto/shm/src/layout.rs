//! Where everything lies in the regions, from the negotiated sizes alone.
//!
//! Every process computes it for itself from a [`RingSpec`] received by value; nothing in the
//! regions is ever asked for an offset.

use plugpen_proto::limits;
use plugpen_proto::v1::AudioRings;

/// A cache line, and the alignment of every channel, in bytes.
pub(crate) const LINE: u64 = 64;
/// Largest sum of the regions' sizes, in bytes.
pub(crate) const MAX_TOTAL: u64 = 1 << 30;

/// Bytes before the first slot. The words in it lie two lines apart, because processors prefetch
/// lines in pairs.
pub(crate) const HEADER: usize = 512;
/// Of the own counter.
pub(crate) const COUNTER: usize = 128;
/// Of the client's count of collected blocks, on the line the worker reads anyway.
pub(crate) const COLLECTED: usize = 136;
/// Of the CPU this side last ran on.
pub(crate) const LAST_CPU: usize = 144;
/// Of the counter value this side sleeps for.
pub(crate) const WAKE_AT: usize = 256;
/// Of the bell this side rings.
pub(crate) const BELL: usize = 384;

/// In the status page: the word that says the worker is dead.
pub(crate) const DEAD: usize = 128;
/// In the status page: the worker's generation.
pub(crate) const GENERATION: usize = 136;
/// Bytes of the status page.
pub(crate) const STATUS_BYTES: usize = 4096;

/// Stretches of a region that blocks always use are made present when it is attached, so that the
/// first blocks take no page faults on the audio thread; up to this many bytes of it. Larger
/// rings are not worth their memory before it is used.
const PRESENT: usize = 4 << 20;
/// Bytes of an event area that count among them: what all but the busiest blocks use.
const PRESENT_EVENTS: usize = 4096;

/// Bytes before an input slot's event area.
pub(crate) const INPUT_HEADER: usize = 128;
/// Bytes before an output slot's event area.
pub(crate) const OUTPUT_HEADER: usize = 64;

/// The negotiated sizes of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingSpec {
    /// Blocks in flight at most, [`limits::RING_DEPTH`].
    pub depth: u32,
    /// Largest block, in frames, 1 to [`limits::MAX_BLOCK_SIZE`].
    pub max_frames: u32,
    /// Input channels of a block, main and sidechain, at most [`limits::MAX_CHANNELS`].
    pub input_channels: u32,
    /// Output channels of a block, at most [`limits::MAX_CHANNELS`].
    pub output_channels: u32,
    /// Bytes for the events of a block in each direction, [`limits::EVENT_BYTES`]. An event takes
    /// 16 bytes and its payload (8 for a parameter), rounded up to 8.
    pub event_bytes: u32,
    /// Room for a sample: 4, or 8 if blocks may also be `f64`.
    pub sample_bytes: u32,
    /// Parameters of the plugin, at most [`limits::MAX_PARAMETERS`].
    pub parameters: u32,
}

/// Why there is no ring of such a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A size is outside its range.
    #[error("{name} is {actual}, expected {minimum} to {maximum}")]
    OutOfRange {
        /// Which field of [`RingSpec`].
        name: &'static str,
        /// What it was.
        actual: u32,
        /// The least it may be.
        minimum: u32,
        /// The most it may be.
        maximum: u32,
    },
    /// Samples are neither `f32` nor `f64`.
    #[error("sample_bytes is {actual}, expected 4 (f32) or 8 (f32 and f64)")]
    SampleBytes {
        /// What it was.
        actual: u32,
    },
    /// The regions would take too much memory.
    #[error(
        "the audio rings would take {bytes} bytes, at most {MAX_TOTAL} are allowed: ask for a smaller ring_depth, max_block_size or event_bytes"
    )]
    TooLarge {
        /// What they would take.
        bytes: u64,
    },
}

impl TryFrom<&AudioRings> for RingSpec {
    type Error = LayoutError;

    /// Takes the sizes out of the message, checked as by [`RingSpec::layout`].
    fn try_from(rings: &AudioRings) -> Result<Self, LayoutError> {
        let spec = Self {
            depth: rings.depth,
            max_frames: rings.max_frames,
            input_channels: rings.input_channels,
            output_channels: rings.output_channels,
            event_bytes: rings.event_bytes,
            sample_bytes: rings.sample_bytes,
            parameters: rings.parameters,
        };
        spec.layout().map(|_| spec)
    }
}

impl RingSpec {
    /// Checks the sizes and lays the regions out.
    ///
    /// # Errors
    ///
    /// A size is out of range, or the regions would take more than 1 GiB.
    pub fn layout(&self) -> Result<Layout, LayoutError> {
        self.check()?;
        let stride = align(u64::from(self.max_frames) * u64::from(self.sample_bytes));
        let events = align(u64::from(self.event_bytes));
        let slot =
            |header: usize, channels: u32| header as u64 + events + u64::from(channels) * stride;
        let input_slot = slot(INPUT_HEADER, self.input_channels);
        let output_slot = slot(OUTPUT_HEADER, self.output_channels);
        // None of these can overflow: the largest is 64 * 1024 * 8 MiB = 2^49 bytes.
        let client = HEADER as u64 + u64::from(self.depth) * input_slot;
        let parameters = HEADER as u64 + u64::from(self.depth) * output_slot;
        let worker = parameters + align(8 * u64::from(self.parameters));
        let bytes = client + worker + STATUS_BYTES as u64;
        if bytes > MAX_TOTAL {
            return Err(LayoutError::TooLarge { bytes });
        }
        let size = |bytes: u64| usize::try_from(bytes).map_err(|_| LayoutError::TooLarge { bytes });
        Ok(Layout {
            spec: *self,
            stride: size(stride)?,
            events: size(events)?,
            input_slot: size(input_slot)?,
            output_slot: size(output_slot)?,
            client: size(client)?,
            worker: size(worker)?,
            parameters: size(parameters)?,
        })
    }

    fn check(&self) -> Result<(), LayoutError> {
        let in_range = |name, actual, minimum, maximum| match (minimum..=maximum).contains(&actual)
        {
            true => Ok(()),
            false => Err(LayoutError::OutOfRange {
                name,
                actual,
                minimum,
                maximum,
            }),
        };
        let (depth, events) = (limits::RING_DEPTH, limits::EVENT_BYTES);
        in_range("depth", self.depth, *depth.start(), *depth.end())?;
        in_range("max_frames", self.max_frames, 1, limits::MAX_BLOCK_SIZE)?;
        in_range(
            "input_channels",
            self.input_channels,
            0,
            limits::MAX_CHANNELS,
        )?;
        in_range(
            "output_channels",
            self.output_channels,
            0,
            limits::MAX_CHANNELS,
        )?;
        in_range(
            "event_bytes",
            self.event_bytes,
            *events.start(),
            *events.end(),
        )?;
        in_range("parameters", self.parameters, 0, limits::MAX_PARAMETERS)?;
        match self.sample_bytes {
            4 | 8 => Ok(()),
            actual => Err(LayoutError::SampleBytes { actual }),
        }
    }
}

/// Rounds up to a whole line. `bytes` is far from the end of its range.
const fn align(bytes: u64) -> u64 {
    bytes.next_multiple_of(LINE)
}

/// Offsets into the regions of one ring, in bytes. Every channel begins on a cache line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    spec: RingSpec,
    stride: usize,
    events: usize,
    input_slot: usize,
    output_slot: usize,
    client: usize,
    worker: usize,
    parameters: usize,
}

impl Layout {
    /// The sizes this was made from.
    pub fn spec(&self) -> &RingSpec {
        &self.spec
    }

    /// Bytes of the region the client writes.
    pub fn client_bytes(&self) -> usize {
        self.client
    }

    /// Bytes of the region the worker writes.
    pub fn worker_bytes(&self) -> usize {
        self.worker
    }

    /// Bytes of the status page, which the daemon writes.
    pub fn status_bytes(&self) -> usize {
        STATUS_BYTES
    }

    /// Where the mirror of the parameters' normalised values, one `f64` each, begins in the
    /// worker's region.
    pub fn parameter_mirror(&self) -> usize {
        self.parameters
    }

    /// Bytes of the event area of a slot that may be used.
    pub(crate) fn event_bytes(&self) -> usize {
        // Fits: `events` is this, rounded up, as a usize.
        self.spec.event_bytes as usize
    }

    /// The slot of a block in the client's region, `sequence` from 1.
    pub(crate) fn input(&self, sequence: u64) -> Slot {
        self.slot(sequence, self.input_slot, INPUT_HEADER)
    }

    /// The slot of a block in the worker's region, `sequence` from 1.
    pub(crate) fn output(&self, sequence: u64) -> Slot {
        self.slot(sequence, self.output_slot, OUTPUT_HEADER)
    }

    /// Stretches of the client's region, as offset and bytes, that are used from the first blocks
    /// on.
    pub(crate) fn used_inputs(&self) -> Vec<(usize, usize)> {
        self.used(Self::input, self.spec.input_channels, (0, HEADER))
    }

    /// The same of the worker's region.
    pub(crate) fn used_outputs(&self) -> Vec<(usize, usize)> {
        let mirror = (self.parameters, self.worker - self.parameters);
        self.used(Self::output, self.spec.output_channels, mirror)
    }

    fn used(
        &self,
        slot: fn(&Self, u64) -> Slot,
        channels: u32,
        beside: (usize, usize),
    ) -> Vec<(usize, usize)> {
        let mut used = vec![beside];
        for sequence in 1..=u64::from(self.spec.depth) {
            let slot = slot(self, sequence);
            let front = slot.events - slot.header + self.events.min(PRESENT_EVENTS);
            used.push((slot.header, front));
            used.push((slot.channels, channels as usize * self.stride));
        }
        let bytes: usize = used.iter().map(|(_, bytes)| bytes).sum();
        if bytes > PRESENT {
            used.clear();
        }
        used
    }

    fn slot(&self, sequence: u64, bytes: usize, header: usize) -> Slot {
        #[allow(clippy::cast_possible_truncation, reason = "less than depth")]
        let number = ((sequence - 1) % u64::from(self.spec.depth)) as usize;
        let start = HEADER + number * bytes;
        Slot {
            header: start,
            events: start + header,
            channels: start + header + self.events,
            stride: self.stride,
        }
    }
}

/// Offsets of one slot into its region, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// Of the header.
    pub header: usize,
    /// Of the event area.
    pub events: usize,
    channels: usize,
    stride: usize,
}

impl Slot {
    /// Offset of a channel. The caller has checked `channel` against the ring's.
    pub fn channel(&self, channel: usize) -> usize {
        self.channels + channel * self.stride
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    fn specs() -> impl Strategy<Value = RingSpec> {
        let size = prop_oneof![1..=4096u32, 1..=limits::MAX_BLOCK_SIZE];
        let channels = || prop_oneof![0..=8u32, 0..=limits::MAX_CHANNELS];
        (
            limits::RING_DEPTH,
            size,
            channels(),
            channels(),
            limits::EVENT_BYTES,
            prop_oneof![Just(4), Just(8)],
            0..=limits::MAX_PARAMETERS,
        )
            .prop_map(
                |(depth, max_frames, inputs, outputs, events, bytes, parameters)| RingSpec {
                    depth,
                    max_frames,
                    input_channels: inputs,
                    output_channels: outputs,
                    event_bytes: events,
                    sample_bytes: bytes,
                    parameters,
                },
            )
    }

    /// Everything in a region as (start, end), in order of address.
    fn stretches(
        layout: &Layout,
        slot: impl Fn(u64) -> Slot,
        header: usize,
        channels: u32,
    ) -> Vec<(usize, usize)> {
        let spec = layout.spec();
        let mut all = vec![(0, BELL + 4)];
        for sequence in 1..=u64::from(spec.depth) {
            let slot = slot(sequence);
            all.push((slot.header, slot.header + header));
            all.push((slot.events, slot.events + layout.event_bytes()));
            for channel in 0..channels as usize {
                let start = slot.channel(channel);
                let bytes = spec.max_frames as usize * spec.sample_bytes as usize;
                assert_eq!(start % 64, 0);
                all.push((start, start + bytes));
            }
        }
        all
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn nothing_overlaps_and_all_is_inside(spec in specs()) {
            let Ok(layout) = spec.layout() else {
                // Refused for its size alone, since every field is in range; see below.
                return Ok(());
            };
            let client =
                stretches(&layout, |s| layout.input(s), INPUT_HEADER, spec.input_channels);
            let mut worker =
                stretches(&layout, |s| layout.output(s), OUTPUT_HEADER, spec.output_channels);
            let mirror = layout.parameter_mirror();
            worker.push((mirror, mirror + 8 * spec.parameters as usize));
            for (all, bytes) in [(client, layout.client_bytes()), (worker, layout.worker_bytes())] {
                for pair in all.windows(2) {
                    prop_assert!(pair[0].1 <= pair[1].0, "{pair:?}");
                }
                prop_assert!(all.last().is_some_and(|(_, end)| *end <= bytes));
            }
            prop_assert_eq!(layout.input(1).header, layout.input(1 + u64::from(spec.depth)).header);
        }

        #[test]
        fn it_is_refused_exactly_when_it_is_too_large(spec in specs()) {
            let line = |bytes: u128| bytes.div_ceil(64) * 64;
            let stride = line(u128::from(spec.max_frames) * u128::from(spec.sample_bytes));
            let slots = 128 + 64
                + 2 * line(spec.event_bytes.into())
                + (u128::from(spec.input_channels) + u128::from(spec.output_channels)) * stride;
            let total = 2 * 512 + u128::from(spec.depth) * slots
                + line(8 * u128::from(spec.parameters)) + 4096;
            match spec.layout() {
                Ok(layout) => {
                    prop_assert!(total <= 1 << 30);
                    let bytes = layout.client_bytes() + layout.worker_bytes() + 4096;
                    prop_assert_eq!(bytes as u128, total);
                }
                Err(error) => {
                    prop_assert!(total > 1 << 30);
                    let bytes = u64::try_from(total).expect("2^49 at most");
                    prop_assert_eq!(error, LayoutError::TooLarge { bytes });
                }
            }
        }

        #[test]
        fn any_numbers_are_laid_out_or_refused(fields: [u32; 7]) {
            let [depth, max_frames, inputs, outputs, event_bytes, sample_bytes, parameters] = fields;
            let rings = AudioRings {
                depth,
                max_frames,
                input_channels: inputs,
                output_channels: outputs,
                event_bytes,
                sample_bytes,
                parameters,
                ..Default::default()
            };
            let _ = RingSpec::try_from(&rings);
        }
    }

    #[test]
    fn a_refusal_names_the_field_and_its_range() {
        let spec = RingSpec {
            depth: 3,
            ..crate::testing::SPEC
        };
        assert_eq!(
            spec.layout().unwrap_err().to_string(),
            "depth is 3, expected 4 to 64"
        );
        let spec = RingSpec {
            sample_bytes: 2,
            ..crate::testing::SPEC
        };
        assert_eq!(spec.layout(), Err(LayoutError::SampleBytes { actual: 2 }));
    }
}
