//! The audio half: blocks cut at parameter changes, each piece one call of the plugin.

use std::sync::Arc;

use plugpen_proto::event::{EventBody, EventList};
use plugpen_proto::v1::Transport;

use super::abi::effect;
use super::buffers::Lanes;
use super::buses::Buses;
use super::events::Incoming;
use super::host::collecting;
use super::shared::Shared;
use super::time;
use crate::formats::{Block, Planes, Processor, Samples, Turns};

/// Owns everything that processing touches.
pub struct Vst2Processor {
    shared: Arc<Shared>,
    single: Lanes<f32>,
    /// Only where the plugin computes in 64 bits.
    double: Option<Lanes<f64>>,
    is_double: bool,
    incoming: Incoming,
    /// What the plugin sends within a piece.
    outgoing: EventList,
    /// Count of wishes that have been looked at.
    version: u64,
    /// Room for the parameters the plugin has to be told of.
    turns: Turns,
    /// The transport as it goes on if nobody moves it.
    expected: Option<Transport>,
}

/// A piece of a block, in frames.
#[derive(Clone, Copy)]
struct Piece {
    start: u32,
    end: u32,
}

impl Vst2Processor {
    /// Makes the plugin ready to process.
    pub fn new(shared: Arc<Shared>, buses: &Buses, max_frames: usize, event_bytes: usize) -> Self {
        let can_double = shared.instance.can_double();
        // The smallest event takes 8 bytes of a slot.
        let events = event_bytes / 8;
        let processor = Self {
            single: Lanes::new(buses.inputs(), max_frames),
            double: can_double.then(|| Lanes::new(buses.inputs(), max_frames)),
            is_double: false,
            incoming: Incoming::with_capacity(events, event_bytes),
            outgoing: EventList::with_capacity(events, event_bytes),
            // No count that there can be, so that the first block looks.
            version: u64::MAX,
            turns: Turns::with_capacity(shared.knobs.len()),
            expected: None,
            shared,
        };
        processor.shared.instance.resume();
        processor
    }

    /// Finds the latency out before the first block: some plugins (those of DPF) tell it only
    /// after they have run. One silent frame, a reset, and the state from before where that left
    /// a trace in it; never no frame at all, of which RoomEncoder dies.
    pub fn find_latency(&mut self) {
        if self.shared.instance.latency() > 0 {
            return;
        }
        let before = self.chunk();
        let nothing = EventList::new();
        let mut ignored = EventList::new();
        let mut block = Block {
            frames: 1,
            samples: Samples::Single(&Planes::default()),
            events: &nothing,
            transport: None,
            events_out: &mut ignored,
            events_lost: 0,
        };
        self.run(&mut block, Piece { start: 0, end: 1 });
        self.reset();
        if let Some(before) = before
            && self.chunk().as_ref() != Some(&before)
        {
            self.shared.instance.set_chunk(false, before);
        }
    }

    fn chunk(&self) -> Option<Vec<u8>> {
        let instance = &self.shared.instance;
        instance
            .has_chunks()
            .then(|| instance.chunk(false).ok())??
    }

    /// Computes in 64 bits from now on, or not; false where the plugin cannot.
    pub fn set_double(&mut self, double: bool) -> bool {
        if double && self.double.is_none() {
            return false;
        }
        if double != self.is_double {
            let instance = &self.shared.instance;
            instance.suspend();
            instance.ask(effect::SET_PROCESS_PRECISION, 0, isize::from(double), 0.0);
            instance.resume();
            self.is_double = double;
        }
        true
    }

    /// Tells the plugin what was wanted since the last block.
    fn load_values(&mut self) {
        let version = self.shared.knobs.version();
        if version != self.version {
            self.version = version;
            self.shared.settle_in(&mut self.turns);
        }
    }

    /// A parameter change within the block.
    fn apply(&self, index: u32, value: f64) {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if at < self.shared.knobs.len() && value.is_finite() {
            let value = value.clamp(0.0, 1.0);
            self.shared.knobs.adopt(at, value);
            self.shared.set(at, value);
            self.shared.host.notices.parameter(at, true);
        }
    }

    /// Collects the MIDI of a piece from the events from `first` on. Returns where the piece has
    /// to end because an event found no room.
    fn collect(&mut self, block: &Block<'_>, first: usize, piece: Piece) -> (u32, u32) {
        self.incoming.clear();
        let mut lost = 0;
        for event in block.events.iter().skip(first) {
            if event.offset >= piece.end {
                break;
            }
            let EventBody::Midi(data) = event.body else {
                continue;
            };
            let frame = event.offset.saturating_sub(piece.start);
            if !self.incoming.push(i32::try_from(frame).unwrap_or(0), data) {
                if frame > 0 {
                    return (event.offset, lost);
                }
                lost += 1;
            }
        }
        (piece.end, lost)
    }

    fn set_clock(&mut self, block: &Block<'_>, piece: Piece) {
        let host = self.shared.host;
        let rate = host.sample_rate();
        let now = block
            .transport
            .as_ref()
            .map(|transport| time::advanced(transport, piece.start, rate));
        let is_going_on = match (&now, &self.expected) {
            (Some(now), Some(expected)) => {
                now.is_playing == expected.is_playing
                    && now.is_recording == expected.is_recording
                    && now.is_looping == expected.is_looping
                    && now.position_samples == expected.position_samples
            }
            (None, None) => true,
            _ => false,
        };
        host.clock.set(now, !is_going_on);
        self.expected = now.map(|now| time::advanced(&now, piece.end - piece.start, rate));
    }

    /// Runs a piece and takes what the plugin sends.
    fn run(&mut self, block: &mut Block<'_>, piece: Piece) {
        let frames = i32::try_from(piece.end - piece.start).unwrap_or(0);
        let start = usize::try_from(piece.start).unwrap_or(0);
        let instance = &self.shared.instance;
        let channels = instance.channels();
        let incoming = self.incoming.list();
        self.outgoing.clear();
        let played = collecting(&mut self.outgoing, || {
            if let Some(list) = incoming {
                // SAFETY: `incoming` is not touched again before the next piece.
                unsafe { instance.process_events(list) };
            }
            match (block.samples, &mut self.double) {
                (Samples::Single(planes), _) => {
                    let (inputs, outputs) = self.single.piece(planes, channels, start);
                    // SAFETY: as many pointers as the plugin has channels, each to so many
                    // frames of the block or of our own.
                    unsafe { instance.process(inputs, outputs, frames) }
                }
                (Samples::Double(planes), Some(lanes)) => {
                    let (inputs, outputs) = lanes.piece(planes, channels, start);
                    // SAFETY: as above.
                    unsafe { instance.process_double(inputs, outputs, frames) }
                }
                (Samples::Double(_), None) => false,
            }
        });
        if !played {
            match block.samples {
                Samples::Single(planes) => planes.silence_from(0),
                Samples::Double(planes) => planes.silence_from(0),
            }
        }
        let last = (piece.end - piece.start).saturating_sub(1);
        for event in self.outgoing.iter() {
            if let EventBody::Midi(data) = event.body {
                block.push_midi(piece.start + event.offset.min(last), data);
            }
        }
        let lost = self.shared.host.take_stray_events();
        block.events_lost = block.events_lost.saturating_add(lost);
    }
}

impl Processor for Vst2Processor {
    fn process(&mut self, block: &mut Block<'_>) {
        let Ok(frames) = u32::try_from(block.frames) else {
            return;
        };
        self.load_values();
        let has = self.shared.instance.channels().outputs;
        match block.samples {
            Samples::Single(planes) => planes.silence_from(has),
            Samples::Double(planes) => planes.silence_from(has),
        }
        match (block.samples, &mut self.double) {
            (Samples::Single(planes), _) => self.single.copy(planes),
            (Samples::Double(planes), Some(lanes)) => lanes.copy(planes),
            (Samples::Double(_), None) => {}
        }
        // Once, and not for each piece: what the pieces before it made is there.
        if let Samples::Single(planes) = block.samples
            && !self.shared.instance.replaces()
        {
            planes.silence_from(0);
        }
        let events = block.events;
        let (mut start, mut first) = (0, 0);
        while start < frames {
            // Everything at the piece's first frame counts for all of it; the next change ends
            // it.
            let mut end = frames;
            for event in events.iter().skip(first) {
                if let EventBody::Parameter { index, value } = event.body {
                    if event.offset > start {
                        end = event.offset.min(frames);
                        break;
                    }
                    self.apply(index, value);
                }
            }
            let (end, lost) = self.collect(block, first, Piece { start, end });
            block.events_lost = block.events_lost.saturating_add(lost);
            let piece = Piece { start, end };
            self.set_clock(block, piece);
            self.run(block, piece);
            first += events
                .iter()
                .skip(first)
                .take_while(|event| event.offset < end)
                .count();
            start = end;
        }
    }

    fn reset(&mut self) {
        self.shared.instance.suspend();
        self.shared.instance.resume();
        self.expected = None;
    }

    fn is_double(&self) -> bool {
        self.is_double
    }

    fn latency_samples(&self) -> u32 {
        self.shared.instance.latency()
    }

    fn as_any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

impl Drop for Vst2Processor {
    fn drop(&mut self) {
        self.shared.instance.suspend();
    }
}
