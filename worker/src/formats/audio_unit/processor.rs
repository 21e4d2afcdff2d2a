//! The audio half: blocks cut at parameter changes and SysEx, each piece one render.
//!
//! Changes are not scheduled with `AudioUnitScheduleParameters`. A unit answers that with
//! `AudioUnitSetParameter` and an offset, which most ignore, so that the value would count from
//! the block's first frame; no property says which heed it (`kAudioUnitParameterFlag_CanRamp`
//! speaks of ramps, and a change here is a step); and a unit that does heed it cuts the block at
//! the same frame as is done here.

use std::sync::atomic::Ordering;

use plugpen_proto::event::EventBody;
use plugpen_proto::v1::Transport;

use super::abi::*;
use super::feed::{self, Plane};
use super::instance::Status;
use super::midi;
use super::playhead;
use super::shared::Shared;
use crate::formats::numbers::narrow;
use crate::formats::{Block, Planes, Processor, Samples, Turns, realtime};

/// An output bus: our buffers, and the list in which the unit is handed them.
struct Output {
    planes: Vec<Plane>,
    /// An `AudioBufferList` with a buffer for each plane.
    list: Box<[u64]>,
}

// SAFETY: the list's pointers are to `planes`, which moves along with it.
unsafe impl Send for Output {}

impl Output {
    fn new(channels: u32, frames: usize) -> Self {
        let planes: Vec<Plane> = (0..channels).map(|_| Plane::new(frames)).collect();
        let bytes = std::mem::offset_of!(AudioBufferList, buffers)
            + planes.len().max(1) * size_of::<AudioBuffer>();
        Self {
            list: vec![0; bytes.div_ceil(size_of::<u64>())].into(),
            planes,
        }
    }

    fn buffers(&mut self) -> *mut AudioBuffer {
        let list: *mut AudioBufferList = self.list.as_mut_ptr().cast();
        // SAFETY: the list was made large enough for its head.
        unsafe { (&raw mut (*list).buffers).cast() }
    }

    /// Fills the list anew: units may have put pointers of their own into it.
    fn offer(&mut self, frames: u32) -> *mut AudioBufferList {
        let buffers = self.buffers();
        let mut count = 0;
        for (at, plane) in self.planes.iter().enumerate() {
            let buffer = AudioBuffer {
                channels: 1,
                bytes: frames.saturating_mul(4),
                data: plane.as_ptr().cast(),
            };
            // SAFETY: the list has room for a buffer for each plane.
            unsafe { buffers.add(at).write(buffer) };
            count += 1;
        }
        let list: *mut AudioBufferList = self.list.as_mut_ptr().cast();
        // SAFETY: the list was made large enough for its head.
        unsafe { (*list).count = count };
        list
    }

    /// Where the unit left a channel's frames, `None` where it left too few.
    fn rendered(&mut self, channel: usize, frames: usize) -> Option<*const f32> {
        let list: *const AudioBufferList = self.list.as_ptr().cast();
        // SAFETY: the list was made large enough for its head.
        let left = usize::try_from(unsafe { (*list).count }).unwrap_or(0);
        if channel >= left.min(self.planes.len()) {
            return None;
        }
        // SAFETY: the list has a buffer for each plane, and `channel` is one.
        let buffer = unsafe { self.buffers().add(channel).read() };
        let has = usize::try_from(buffer.bytes).unwrap_or(0) / size_of::<f32>();
        (!buffer.data.is_null() && has >= frames).then(|| buffer.data.cast::<f32>().cast_const())
    }
}

/// Owns everything that rendering touches.
pub struct AudioUnitProcessor {
    shared: &'static Shared,
    outputs: Vec<Output>,
    takes_midi: bool,
    /// Version of the values that the unit was told of.
    version: u64,
    /// Room for the parameters it has to be told of.
    turns: Turns,
    /// Frames rendered, the clock that the unit is shown.
    clock: f64,
    was_playing: bool,
    /// How the last render failed, so that each failure is told once.
    failure: Option<Status>,
}

impl AudioUnitProcessor {
    /// For an initialised unit.
    pub fn new(shared: &'static Shared, takes_midi: bool, max_frames: usize) -> Self {
        let outputs = shared.buses.outputs.iter();
        let mut outputs: Vec<Output> = outputs
            .map(|bus| Output::new(bus.channels, max_frames))
            .collect();
        if outputs.is_empty() {
            // Units without audio work when they are asked for it all the same.
            outputs.push(Output::new(0, max_frames));
        }
        Self {
            version: shared.values.version(),
            turns: Turns::with_capacity(shared.values.len()),
            shared,
            outputs,
            takes_midi,
            clock: 0.0,
            was_playing: false,
            failure: None,
        }
    }

    /// Gives the unit what was set since the last block, in the order it was set.
    pub fn settle(&mut self) {
        let shared = self.shared;
        let version = shared.values.version();
        if version == self.version {
            return;
        }
        self.version = version;
        let turns = &mut self.turns;
        shared.values.in_turn(|at| shared.is_pending(at), turns);
        for &(_, at) in &*turns {
            // Looked at again: the unit may have changed it in answer to an earlier one.
            if shared.is_pending(at) {
                let wished = shared.values.get(at);
                shared.known.set(at, wished);
                let id = shared.ranges[at].id;
                shared.instance.set_parameter(id, narrow(wished));
            }
        }
    }

    /// A parameter change within the block; false where it is lost.
    fn apply(&mut self, index: u32, value: f64) -> bool {
        let shared = self.shared;
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(range) = shared.ranges.get(at) else {
            return false;
        };
        if !range.is_writable || !value.is_finite() {
            return false;
        }
        let plain = range.plain(value);
        shared.instance.set_parameter(range.id, plain);
        shared.adopt(at, plain.into());
        shared.notices.parameter(at, true);
        true
    }

    /// Where the piece that begins at `start` ends: at the next change or SysEx. What changes at
    /// its own first frame is applied; how many of that are lost is told as well.
    fn cut(&mut self, block: &Block<'_>, first: usize, start: u32, frames: u32) -> (u32, u32) {
        let mut lost = 0;
        for event in block.events.iter().skip(first) {
            let is_sysex = |data: &[u8]| self.takes_midi && data.first() == Some(&0xf0);
            match event.body {
                EventBody::Parameter { .. } if event.offset > start => {
                    return (event.offset.min(frames), lost);
                }
                EventBody::Parameter { index, value } => {
                    lost += u32::from(!self.apply(index, value));
                }
                EventBody::Midi(data) if is_sysex(data) && event.offset > start => {
                    return (event.offset.min(frames), lost);
                }
                _ => {}
            }
        }
        (frames, lost)
    }

    /// Gives the unit the MIDI of events from `first` up to frame `end`; returns how many are no
    /// messages.
    fn send_midi(&self, block: &Block<'_>, first: usize, start: u32, end: u32) -> u32 {
        let mut lost = 0;
        if !self.takes_midi {
            return lost;
        }
        for event in block.events.iter().skip(first) {
            if event.offset >= end {
                break;
            }
            if let EventBody::Midi(data) = event.body {
                match midi::short(data) {
                    Some(message) => {
                        let offset = event.offset.saturating_sub(start);
                        self.shared.instance.midi(message, offset);
                    }
                    None if data.first() == Some(&0xf0) => self.shared.instance.sysex(data),
                    None => lost += 1,
                }
            }
        }
        lost
    }

    /// Moves the playhead to the piece's first frame.
    fn locate(&mut self, transport: Option<Transport>, start: u32) {
        let shared = self.shared;
        let is_playing = transport.is_some_and(|transport| transport.is_playing);
        if start == 0 {
            let changed = is_playing != self.was_playing;
            shared.transport_changed.store(changed, Ordering::Relaxed);
            self.was_playing = is_playing;
        }
        let here = transport.map(|transport| playhead::advanced(transport, start, shared.rate));
        shared.transport.set(here);
    }

    fn feed(&self, planes: &Planes<f32>, start: usize, frames: usize) {
        let channels = self.shared.feed.buses.iter().flatten();
        for (channel, plane) in channels.enumerate() {
            match planes.input(channel) {
                // SAFETY: `start + frames` is within the block that the channel has, and within
                // the plane, which is as long as the largest block.
                Some(from) => unsafe {
                    std::ptr::copy_nonoverlapping(from.add(start), plane.as_ptr(), frames);
                },
                // SAFETY: as above.
                None => unsafe { feed::silence(plane.as_ptr(), frames) },
            }
        }
    }

    /// Renders a piece into the block's output channels.
    fn render(&mut self, planes: &Planes<f32>, start: usize, frames: u32) -> Result<(), Status> {
        let time = AudioTimeStamp {
            sample_time: self.clock,
            rate_scalar: 1.0,
            flags: TIME_VALID,
            ..AudioTimeStamp::default()
        };
        self.clock += f64::from(frames);
        let length = usize::try_from(frames).unwrap_or(0);
        let mut first = 0;
        let mut result = Ok(());
        for (bus, output) in (0u32..).zip(&mut self.outputs) {
            let list = output.offer(frames);
            // SAFETY: a list of buffers of that many frames.
            let rendered = unsafe { self.shared.instance.render(&time, bus, frames, list) };
            for channel in 0..output.planes.len() {
                let Some(to) = planes.output(first + channel) else {
                    continue;
                };
                let is_silent = |flags: u32| flags & render_flag::OUTPUT_IS_SILENCE != 0;
                let from = match rendered {
                    Ok(flags) if !is_silent(flags) => output.rendered(channel, length),
                    _ => None,
                };
                // SAFETY: `start + length` is within the block that the channel has; the unit
                // left that many frames.
                unsafe {
                    match from {
                        Some(from) => std::ptr::copy(from, to.add(start), length),
                        None => feed::silence(to.add(start), length),
                    }
                }
            }
            first += output.planes.len();
            result = result.and(rendered.map(|_| ()));
        }
        result
    }

    /// Tells how rendering failed, once for each way in a row.
    fn report(&mut self, result: Result<(), Status>) {
        let failure = result.err();
        if failure != self.failure {
            self.failure = failure;
            if let Some(status) = failure {
                let line = || format!("the AudioUnit does not render: {status}");
                // Whoever does not render has given real time up.
                realtime::permitted(|| self.shared.notices.log(&line()));
            }
        }
    }
}

impl Processor for AudioUnitProcessor {
    fn process(&mut self, block: &mut Block<'_>) {
        let (Ok(frames), Samples::Single(planes)) = (u32::try_from(block.frames), block.samples)
        else {
            return;
        };
        self.settle();
        let (mut start, mut first) = (0u32, 0);
        while start < frames {
            let (end, refused) = self.cut(block, first, start, frames);
            let at = usize::try_from(start).unwrap_or(0);
            self.locate(block.transport, start);
            self.feed(planes, at, usize::try_from(end - start).unwrap_or(0));
            self.shared.feed.announce(self.clock, end - start);
            let senseless = self.send_midi(block, first, start, end);
            let result = self.render(planes, at, end - start);
            self.report(result);
            let last = end - start - 1;
            let lost = self.shared.midi_out.drain(|offset, data| {
                block.push_midi(start + offset.min(last), data);
            });
            block.events_lost = block
                .events_lost
                .saturating_add(lost)
                .saturating_add(refused)
                .saturating_add(senseless);
            let done = block.events.iter().skip(first);
            first += done.take_while(|event| event.offset < end).count();
            start = end;
        }
    }

    fn reset(&mut self) {
        self.shared.instance.reset();
    }

    fn latency_samples(&self) -> u32 {
        self.shared.latency.load(Ordering::Relaxed)
    }

    fn as_any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}
