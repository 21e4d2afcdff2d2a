//! What the two halves of an AudioUnit share, and its callbacks see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use plugpen_proto::v1::OpenOptions;

use super::abi::{property, scope};
use super::buses::Buses;
use super::feed::Feed;
use super::instance::Instance;
use super::midi::MidiOut;
use super::parameters::Range;
use crate::formats::{Notices, Values};
use crate::transport::SharedTransport;

/// Bytes for the MIDI of a piece where the client does not say.
const EVENT_BYTES: usize = 32 * 1024;
/// Most frames a unit may say it is late: a minute at the highest rate of any interface.
const MAX_LATENCY: f64 = 60.0 * 768_000.0;

/// Lives as long as the process: callbacks of the unit point to it.
pub struct Shared {
    /// The plugin; see its methods for who may call which.
    pub instance: &'static Instance,
    /// Its buses.
    pub buses: Buses,
    /// Its parameters' limits, by index.
    pub ranges: Vec<Range>,
    /// Parameters' plain values as they are wished, by index. Where one differs from `known`, the
    /// audio thread tells the unit before the next block.
    pub values: Values,
    /// Plain values that the unit is known to have, by index.
    pub known: Values,
    /// Input of the piece that is rendered.
    pub feed: Feed,
    /// MIDI of the piece that is rendered.
    pub midi_out: MidiOut,
    /// Playhead at the first frame of the piece that is rendered.
    pub transport: SharedTransport,
    /// Whether the transport started or stopped with this block.
    pub transport_changed: AtomicBool,
    /// Latency as last reported, in frames.
    pub latency: AtomicU32,
    /// Names, ranges or texts of parameters changed and were not read again.
    pub stale: AtomicBool,
    /// Frames a second.
    pub rate: f64,
    /// What the unit does by itself.
    pub notices: Arc<Notices>,
}

impl Shared {
    /// For a unit whose buses are settled.
    pub fn new(
        instance: &'static Instance,
        buses: Buses,
        ranges: Vec<Range>,
        options: &OpenOptions,
        notices: Arc<Notices>,
    ) -> &'static Self {
        let frames = usize::try_from(options.max_block_size).unwrap_or(0);
        let event_bytes = match options.event_bytes {
            0 => EVENT_BYTES,
            bytes => usize::try_from(bytes).unwrap_or(EVENT_BYTES),
        };
        let present = |range: &Range| {
            let value = instance.parameter(range.id).unwrap_or_else(|| range.min());
            f64::from(range.clamp(value))
        };
        Box::leak(Box::new(Self {
            values: Values::new(ranges.iter().map(present)),
            known: Values::new(ranges.iter().map(present)),
            feed: Feed::new(buses.inputs.iter().map(|bus| bus.channels), frames),
            midi_out: MidiOut::new(event_bytes),
            transport: SharedTransport::default(),
            transport_changed: AtomicBool::new(false),
            latency: AtomicU32::new(0),
            stale: AtomicBool::new(false),
            rate: options.sample_rate,
            instance,
            buses,
            ranges,
            notices,
        }))
    }

    /// Whether the unit was not told yet what is wished of a parameter.
    pub fn is_pending(&self, at: usize) -> bool {
        self.values.get(at).to_bits() != self.known.get(at).to_bits()
    }

    /// The plain value of a parameter: what is wished, else what the unit says it has.
    pub fn plain(&self, at: usize) -> f64 {
        let wished = self.values.get(at);
        if self.is_pending(at) {
            return wished;
        }
        let range = &self.ranges[at];
        let live = self.instance.parameter(range.id);
        live.map_or(wished, |live| f64::from(range.clamp(live)))
    }

    /// Takes a value that is not the host's wish but what the unit has: nothing is sent.
    pub fn adopt(&self, at: usize, plain: f64) {
        // In this order: the audio thread may send the new value once more, never the old one.
        self.values.set(at, plain);
        self.known.set(at, plain);
    }

    /// Asks for the latency; returns whether it changed. Any thread.
    pub fn read_latency(&self) -> bool {
        let seconds: Option<f64> = self.instance.get(property::LATENCY, scope::GLOBAL, 0);
        let frames = seconds.unwrap_or(0.0) * self.rate;
        if !(0.0..=MAX_LATENCY).contains(&frames) {
            return false;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to MAX_LATENCY"
        )]
        let frames = frames.round() as u32;
        self.latency.swap(frames, Ordering::Relaxed) != frames
    }
}
