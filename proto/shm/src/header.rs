//! The headers of slots, as values and as bytes.

use plugpen_proto::v1::Transport;

use crate::layout::{INPUT_HEADER, OUTPUT_HEADER, RingSpec};

const DOUBLE: u32 = 1;
const TRANSPORT: u32 = 4;
const PLAYING: u32 = 8;
const RECORDING: u32 = 16;
const LOOPING: u32 = 32;

/// What the client says of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BlockHeader {
    /// Frames of the block, 0 to the ring's `max_frames`.
    pub frames: u32,
    /// Samples are `f64`; only in a ring with `sample_bytes` 8.
    pub double: bool,
    /// The playhead at the block's first frame. None: as last set.
    pub transport: Option<Transport>,
}

/// How the worker fared with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockStatus {
    /// The plugin has processed it.
    Ok,
    /// The plugin refused it; the output is not to be used.
    Failed,
}

/// What the worker says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputHeader {
    /// Which block, counted from 1.
    pub sequence: u64,
    /// Frames, as submitted.
    pub frames: u32,
    /// Samples are `f64`, as submitted.
    pub double: bool,
    /// Whether the output is to be used.
    pub status: BlockStatus,
    /// Events that were lost in either direction: without room, malformed, or nothing that this
    /// plugin hears.
    pub events_dropped: u32,
    /// The plugin's latency after the block, in frames.
    pub latency_samples: u32,
}

/// An input slot's header with what concerns the ring only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct InputHeader {
    pub sequence: u64,
    pub events_len: u32,
    pub block: BlockHeader,
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn get<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("N bytes")
}

fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(get(bytes, at))
}

impl InputHeader {
    pub fn encode(&self) -> [u8; INPUT_HEADER] {
        let BlockHeader {
            frames,
            double,
            transport,
        } = self.block;
        let flag = |set, bit| if set { bit } else { 0 };
        let mut flags = flag(double, DOUBLE);
        let mut bytes = [0; INPUT_HEADER];
        put(&mut bytes, 0, self.sequence.to_ne_bytes());
        put(&mut bytes, 8, frames.to_ne_bytes());
        put(&mut bytes, 16, self.events_len.to_ne_bytes());
        if let Some(t) = transport {
            flags |= TRANSPORT
                | flag(t.is_playing, PLAYING)
                | flag(t.is_recording, RECORDING)
                | flag(t.is_looping, LOOPING);
            put(&mut bytes, 20, t.time_sig_num.to_ne_bytes());
            put(&mut bytes, 24, t.time_sig_denom.to_ne_bytes());
            put(&mut bytes, 32, t.bpm.to_ne_bytes());
            put(&mut bytes, 40, t.position_samples.to_ne_bytes());
            put(&mut bytes, 48, t.position_beats.to_ne_bytes());
            put(&mut bytes, 56, t.loop_start.to_ne_bytes());
            put(&mut bytes, 64, t.loop_end.to_ne_bytes());
        }
        put(&mut bytes, 12, flags.to_ne_bytes());
        bytes
    }

    /// Reads and checks a header; the worker's side.
    ///
    /// # Errors
    ///
    /// A field is outside what the ring allows.
    pub fn decode(
        bytes: &[u8; INPUT_HEADER],
        sequence: u64,
        spec: &RingSpec,
    ) -> Result<Self, String> {
        let common = Common::decode(bytes, sequence, spec)?;
        let flags = common.flags;
        let transport = (flags & TRANSPORT != 0).then(|| Transport {
            bpm: f64::from_ne_bytes(get(bytes, 32)),
            time_sig_num: get32(bytes, 20),
            time_sig_denom: get32(bytes, 24),
            position_samples: i64::from_ne_bytes(get(bytes, 40)),
            position_beats: f64::from_ne_bytes(get(bytes, 48)),
            is_playing: flags & PLAYING != 0,
            is_recording: flags & RECORDING != 0,
            is_looping: flags & LOOPING != 0,
            loop_start: i64::from_ne_bytes(get(bytes, 56)),
            loop_end: i64::from_ne_bytes(get(bytes, 64)),
        });
        if let Some(t) = &transport
            && !(t.bpm.is_finite() && t.bpm > 0.0 && t.position_beats.is_finite())
        {
            return Err(format!(
                "block {sequence} has bpm {} and position_beats {}, expected finite numbers and a bpm above 0",
                t.bpm, t.position_beats
            ));
        }
        Ok(Self {
            sequence,
            events_len: common.events_len,
            block: BlockHeader {
                frames: common.frames,
                double: flags & DOUBLE != 0,
                transport,
            },
        })
    }
}

impl OutputHeader {
    pub(crate) fn encode(&self, events_len: u32) -> [u8; OUTPUT_HEADER] {
        let mut bytes = [0; OUTPUT_HEADER];
        put(&mut bytes, 0, self.sequence.to_ne_bytes());
        put(&mut bytes, 8, self.frames.to_ne_bytes());
        put(
            &mut bytes,
            12,
            if self.double { DOUBLE } else { 0 }.to_ne_bytes(),
        );
        put(&mut bytes, 16, events_len.to_ne_bytes());
        let status: u32 = match self.status {
            BlockStatus::Ok => 0,
            BlockStatus::Failed => 1,
        };
        put(&mut bytes, 20, status.to_ne_bytes());
        put(&mut bytes, 24, self.events_dropped.to_ne_bytes());
        put(&mut bytes, 28, self.latency_samples.to_ne_bytes());
        bytes
    }

    /// Reads and checks a header; the client's side. `frames` and `double` are those submitted.
    /// Returns it with the length of its events.
    ///
    /// # Errors
    ///
    /// A field is not what was submitted, or outside what the ring allows.
    pub(crate) fn decode(
        bytes: &[u8; OUTPUT_HEADER],
        sequence: u64,
        (frames, double): (u32, bool),
        spec: &RingSpec,
    ) -> Result<(Self, u32), String> {
        let common = Common::decode(bytes, sequence, spec)?;
        if common.frames != frames || (common.flags & DOUBLE != 0) != double {
            return Err(format!(
                "block {sequence} came back with {} frames and flags {:#x}; {frames} frames, double: {double}, were submitted",
                common.frames, common.flags
            ));
        }
        let status = match get32(bytes, 20) {
            0 => BlockStatus::Ok,
            1 => BlockStatus::Failed,
            other => {
                return Err(format!(
                    "block {sequence} has status {other}, expected 0 or 1"
                ));
            }
        };
        let header = Self {
            sequence,
            frames,
            double,
            status,
            events_dropped: get32(bytes, 24),
            latency_samples: get32(bytes, 28),
        };
        Ok((header, common.events_len))
    }
}

/// The fields both headers begin with.
struct Common {
    frames: u32,
    flags: u32,
    events_len: u32,
}

impl Common {
    fn decode(bytes: &[u8], expected: u64, spec: &RingSpec) -> Result<Self, String> {
        let sequence = u64::from_ne_bytes(get(bytes, 0));
        let (frames, flags, events_len) = (get32(bytes, 8), get32(bytes, 12), get32(bytes, 16));
        if sequence != expected {
            return Err(format!(
                "a slot holds block {sequence}, expected block {expected}"
            ));
        }
        if frames > spec.max_frames {
            return Err(format!(
                "block {sequence} has {frames} frames, at most {} were agreed",
                spec.max_frames
            ));
        }
        if events_len > spec.event_bytes {
            return Err(format!(
                "block {sequence} has {events_len} bytes of events, at most {} were agreed",
                spec.event_bytes
            ));
        }
        if flags & DOUBLE != 0 && spec.sample_bytes != 8 {
            return Err(format!("block {sequence} has f64 samples, f32 were agreed"));
        }
        Ok(Self {
            frames,
            flags,
            events_len,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{SPEC, cases};

    const TRANSPORTS: [Option<Transport>; 2] = [
        None,
        Some(Transport {
            bpm: 93.5,
            time_sig_num: 7,
            time_sig_denom: 8,
            position_samples: -480,
            position_beats: -0.25,
            is_playing: true,
            is_recording: false,
            is_looping: true,
            loop_start: 1,
            loop_end: i64::MAX,
        }),
    ];

    #[test]
    fn an_input_header_comes_back_as_it_went() {
        for transport in TRANSPORTS {
            for double in [false, true] {
                let header = InputHeader {
                    sequence: 9,
                    events_len: 4096,
                    block: BlockHeader {
                        frames: 16,
                        double,
                        transport,
                    },
                };
                assert_eq!(InputHeader::decode(&header.encode(), 9, &SPEC), Ok(header));
            }
        }
    }

    #[test]
    fn a_transport_of_no_numbers_is_refused() {
        for (bpm, position_beats) in [(0.0, 0.0), (f64::NAN, 0.0), (120.0, f64::INFINITY)] {
            let block = BlockHeader {
                transport: TRANSPORTS[1].map(|transport| Transport {
                    bpm,
                    position_beats,
                    ..transport
                }),
                ..Default::default()
            };
            let header = InputHeader {
                sequence: 1,
                events_len: 0,
                block,
            };
            assert!(InputHeader::decode(&header.encode(), 1, &SPEC).is_err());
        }
    }

    #[test]
    fn an_output_header_has_to_be_what_was_submitted() {
        let header = OutputHeader {
            sequence: 9,
            frames: 16,
            double: true,
            status: BlockStatus::Failed,
            events_dropped: 3,
            latency_samples: 64,
        };
        let bytes = header.encode(24);
        let decode = |sequence, sent| OutputHeader::decode(&bytes, sequence, sent, &SPEC);
        assert_eq!(decode(9, (16, true)), Ok((header, 24)));
        assert!(decode(8, (16, true)).is_err());
        assert!(decode(9, (15, true)).is_err());
        assert!(decode(9, (16, false)).is_err());
        for (at, value) in [(8, 17u32), (16, 4097), (20, 2)] {
            let mut bytes = bytes;
            put(&mut bytes, at, value.to_ne_bytes());
            assert!(OutputHeader::decode(&bytes, 9, (16, true), &SPEC).is_err());
        }
    }

    proptest! {
        #![proptest_config(cases(1024))]

        /// The first eight bytes hold the sequence expected, or all noise ends there.
        #[test]
        fn noise_is_refused_or_within_bounds(mut noise: [[u8; 32]; 4], small: bool) {
            noise[0][..8].copy_from_slice(&1u64.to_ne_bytes());
            if small {
                // Numbers a liar would choose.
                for at in [8, 12, 16, 20] {
                    noise[0][at + 1..at + 4].fill(0);
                }
            }
            let bytes: [u8; 128] = noise.concat().try_into().expect("4 * 32 bytes");
            if let Ok(header) = InputHeader::decode(&bytes, 1, &SPEC) {
                prop_assert!(header.block.frames <= SPEC.max_frames);
                prop_assert!(header.events_len <= SPEC.event_bytes);
            }
            let output = bytes[..64].try_into().expect("64 bytes");
            if let Ok((header, events)) = OutputHeader::decode(output, 1, (7, false), &SPEC) {
                prop_assert!(header.frames == 7 && !header.double);
                prop_assert!(events <= SPEC.event_bytes);
            }
        }
    }
}
