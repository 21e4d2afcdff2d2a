//! One block of audio and events, straight from and into a ring's slot.

mod guards;

use std::io;

use plugpen_proto::event::{Event, EventBody, EventList};
use plugpen_proto::v1::{Guard, Transport};
use plugpen_proto::worker::GuardedBuffer;
use plugpen_shm::{BlockHeader, RingError, WorkSlot};

use super::{HostBypass, Numerics, Processor, realtime};
use guards::Guards;

/// Pointers to the channels of a block: inputs (main, then sidechain) and outputs.
#[derive(Debug)]
pub struct Planes<T> {
    inputs: Vec<*const T>,
    outputs: Vec<*mut T>,
    frames: usize,
}

// SAFETY: the pointers are set by `BlockRunner` for the length of one call and cleared after it;
// between calls the vectors are empty, so nothing crosses a thread with them.
unsafe impl<T> Send for Planes<T> {}

impl<T> Default for Planes<T> {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            outputs: Vec::new(),
            frames: 0,
        }
    }
}

impl<T: Copy> Planes<T> {
    fn with_capacity(inputs: usize, outputs: usize) -> Self {
        Self {
            inputs: Vec::with_capacity(inputs),
            outputs: Vec::with_capacity(outputs),
            frames: 0,
        }
    }

    /// Where an input channel's frames lie; `None` where the block has no such channel.
    pub fn input(&self, channel: usize) -> Option<*const T> {
        self.inputs.get(channel).copied()
    }

    /// Where an output channel's frames go.
    pub fn output(&self, channel: usize) -> Option<*mut T> {
        self.outputs.get(channel).copied()
    }

    /// Number of output channels.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Copies an input channel's frames out, silence where there is no such channel. `into` is
    /// at least as long as the block.
    pub fn read(&self, channel: usize, into: &mut [T])
    where
        T: Default,
    {
        let into = &mut into[..self.frames];
        match self.input(channel) {
            // SAFETY: an input of this block, valid for its frames; `into` is ours and was cut to
            // that length on the line above. The client may write meanwhile, hence a raw copy.
            Some(from) => unsafe {
                std::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), self.frames);
            },
            None => into.fill(T::default()),
        }
    }

    /// Copies frames into an output channel, where the block has it. `from` is at least as long
    /// as the block.
    pub fn write(&self, channel: usize, from: &[T]) {
        let from = &from[..self.frames];
        if let Some(to) = self.output(channel) {
            // SAFETY: an output of this block, valid for its frames, to which `from` was cut on
            // the line above.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, self.frames) };
        }
    }

    /// Fills an output channel, where the block has it.
    pub fn fill(&self, channel: usize, value: T) {
        if let Some(to) = self.output(channel) {
            for frame in 0..self.frames {
                // SAFETY: an output of this block, valid for its frames.
                unsafe { to.add(frame).write(value) };
            }
        }
    }

    /// Calls `each` with every sample of an output channel, where the block has it.
    pub fn each_output(&self, channel: usize, frames: usize, mut each: impl FnMut(T)) {
        if let Some(from) = self.output(channel) {
            for frame in 0..frames.min(self.frames) {
                // SAFETY: an output of this block, valid for its frames.
                each(unsafe { from.add(frame).read() });
            }
        }
    }

    /// Fills the output channels from this one on: those that a plugin has no longer, which would
    /// else sound on with what an older block left there.
    pub fn silence_from(&self, channel: usize)
    where
        T: Default,
    {
        for channel in channel..self.outputs.len() {
            self.fill(channel, T::default());
        }
    }

    /// Planes of a test's own, all as long as the first output.
    #[cfg(test)]
    pub fn of(inputs: &[Vec<T>], outputs: &mut [Vec<T>]) -> Self {
        Self {
            frames: outputs.first().map_or(0, Vec::len),
            inputs: inputs.iter().map(Vec::as_ptr).collect(),
            outputs: outputs.iter_mut().map(Vec::as_mut_ptr).collect(),
        }
    }

    fn clear(&mut self) {
        self.inputs.clear();
        self.outputs.clear();
        self.frames = 0;
    }
}

/// The samples of a block in the type the processor computes in.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// 32 bits.
    Single(&'a Planes<f32>),
    /// 64 bits.
    Double(&'a Planes<f64>),
}

/// One block.
#[derive(Debug)]
pub struct Block<'a> {
    /// Frames, 1 up to the largest block.
    pub frames: usize,
    /// Audio.
    pub samples: Samples<'a>,
    /// MIDI, notes and parameter changes, sorted by offset. Notes with ids and expressions are
    /// there only for a processor that hears them.
    pub events: &'a EventList,
    /// Playhead and tempo at the block's first frame.
    pub transport: Option<Transport>,
    /// Takes the plugin's events; what does not fit is counted in `events_lost`.
    pub events_out: &'a mut EventList,
    /// Events the plugin made and nobody had room for.
    pub events_lost: u32,
}

impl Block<'_> {
    /// Adds a MIDI message of the plugin, or counts it as lost.
    pub fn push_midi(&mut self, offset: u32, data: &[u8]) {
        self.push(Event {
            offset,
            body: EventBody::Midi(data),
        });
    }

    /// Adds an event of the plugin, or counts it as lost.
    pub fn push(&mut self, event: Event<'_>) {
        if self.events_out.has_room(event.body.midi_bytes()) {
            self.events_out.push(event);
        } else {
            self.events_lost = self.events_lost.saturating_add(1);
        }
    }
}

/// Room for a block on its way from a slot to the processor and back.
#[derive(Debug)]
pub struct BlockRunner {
    single: Planes<f32>,
    double: Planes<f64>,
    /// Where the ring's samples are of the other type than the processor's.
    converted: Converted,
    events: EventList,
    /// The same in MIDI, for processors that hear no notes.
    in_midi: EventList,
    events_out: EventList,
    inputs: usize,
    outputs: usize,
    /// Where the plugin's buffers are guarded.
    guards: Option<Guards>,
}

/// What became of a block.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// Events without room or sense, in either direction.
    pub events_lost: u32,
    /// Something is wrong with the plugin's numbers that was not before.
    pub numerics_news: bool,
}

impl BlockRunner {
    /// Room for blocks of this size, with so many channels and `event_bytes` of events in either
    /// direction.
    pub fn new(inputs: usize, outputs: usize, max_frames: usize, event_bytes: usize) -> Self {
        // The smallest event takes 8 bytes of a slot, so this many always fit.
        let events = || EventList::with_capacity(event_bytes / 8, event_bytes);
        Self {
            single: Planes::with_capacity(inputs, outputs),
            double: Planes::with_capacity(inputs, outputs),
            converted: Converted::new(inputs, outputs, max_frames),
            events: events(),
            in_midi: events(),
            events_out: events(),
            inputs,
            outputs,
            guards: None,
        }
    }

    /// Has the plugin play in guarded copies from now on, for blocks up to `max_frames`. Returns
    /// where they are.
    ///
    /// # Errors
    /// The system has no memory left, or no such mappings.
    pub fn guard(&mut self, side: Guard, max_frames: usize) -> io::Result<Vec<GuardedBuffer>> {
        let guards = Guards::new(side, self.inputs, self.outputs, max_frames)?;
        let map = guards.map();
        self.guards = Some(guards);
        Ok(map)
    }

    /// The events of the last block, for the slot.
    pub fn events_out(&self) -> &EventList {
        &self.events_out
    }

    /// Passes one slot through the processor. The slot is left for the caller to complete.
    ///
    /// # Errors
    /// What the slot holds is no block.
    pub fn run(
        &mut self,
        slot: &mut WorkSlot<'_>,
        header: &BlockHeader,
        transport: Option<Transport>,
        processor: &mut dyn Processor,
        bypass: &mut HostBypass,
        numerics: Option<&mut Numerics>,
    ) -> Result<Ran, RingError> {
        let frames = usize::try_from(header.frames).unwrap_or(0);
        self.events.clear();
        let mut refused = slot.events(&mut self.events)?;
        if !self.events.iter().is_sorted_by_key(|event| event.offset) {
            self.events.sort();
        }
        let mut events = &self.events;
        if !processor.hears_notes() && events.iter().any(is_note) {
            refused = refused.saturating_add(in_midi(events, &mut self.in_midi));
            events = &self.in_midi;
        }
        self.events_out.clear();
        if header.double {
            let inputs = (0..self.inputs).map(|channel| slot.input_f64(channel));
            self.double.inputs.extend(inputs);
            let outputs = (0..self.outputs).map(|channel| slot.output_f64(channel));
            self.double.outputs.extend(outputs);
            self.double.frames = frames;
        } else {
            let inputs = (0..self.inputs).map(|channel| slot.input_f32(channel));
            self.single.inputs.extend(inputs);
            let outputs = (0..self.outputs).map(|channel| slot.output_f32(channel));
            self.single.outputs.extend(outputs);
            self.single.frames = frames;
        }
        let converts = header.double != processor.is_double();
        if converts && header.double {
            self.converted.narrow(&self.double, &mut self.single);
        } else if converts {
            self.converted.widen(&self.single, &mut self.double);
        }
        let samples = match (&mut self.guards, processor.is_double()) {
            (None, true) => Samples::Double(&self.double),
            (None, false) => Samples::Single(&self.single),
            (Some(guards), true) => Samples::Double(guards.lend_double(&self.double)),
            (Some(guards), false) => Samples::Single(guards.lend_single(&self.single)),
        };
        let mut numerics_news = false;
        let mut block = Block {
            frames,
            samples,
            events,
            transport,
            events_out: &mut self.events_out,
            events_lost: 0,
        };
        if frames > 0 {
            realtime::strict(|| {
                bypass.listen(&block);
                processor.process(&mut block);
                numerics_news = numerics.is_some_and(|all| all.count(block.samples, frames));
                bypass.replace(&mut block);
            });
        }
        let mut events_lost = block.events_lost.saturating_add(refused);
        if frames == 0 {
            // No plugin is called for nothing, so nobody hears them.
            events_lost = events_lost.saturating_add(super::count(events.len()));
        }
        if let Some(guards) = &mut self.guards {
            guards.give_back(&self.single, &self.double);
        }
        if converts && header.double {
            self.converted.widen_outputs(&self.double);
        } else if converts {
            self.converted.narrow_outputs(&self.single);
        }
        self.single.clear();
        self.double.clear();
        Ok(Ran {
            events_lost,
            numerics_news,
        })
    }
}

fn is_note(event: Event<'_>) -> bool {
    matches!(event.body, EventBody::Note(_) | EventBody::Expression(_))
}

/// Copies events, notes as MIDI, and returns how many have no way to be said in MIDI. `into` has
/// as much room as `events`, in which a note takes more than its MIDI.
fn in_midi(events: &EventList, into: &mut EventList) -> u32 {
    let mut lost = 0;
    into.clear();
    for event in events.iter() {
        let midi = match event.body {
            EventBody::Note(note) => note.midi(),
            EventBody::Expression(_) => {
                lost += 1;
                continue;
            }
            _ => {
                into.push(event);
                continue;
            }
        };
        into.push_midi(event.offset, &midi);
    }
    lost
}

/// Worker-local copies of a block's channels, both types.
#[derive(Debug)]
struct Converted {
    single_in: Vec<Vec<f32>>,
    single_out: Vec<Vec<f32>>,
    double_in: Vec<Vec<f64>>,
    double_out: Vec<Vec<f64>>,
}

impl Converted {
    fn new(inputs: usize, outputs: usize, frames: usize) -> Self {
        Self {
            single_in: vec![vec![0.0; frames]; inputs],
            single_out: vec![vec![0.0; frames]; outputs],
            double_in: vec![vec![0.0; frames]; inputs],
            double_out: vec![vec![0.0; frames]; outputs],
        }
    }

    /// Fills `into` with copies of `from` in single precision.
    fn narrow(&mut self, from: &Planes<f64>, into: &mut Planes<f32>) {
        into.frames = from.frames;
        for (channel, copy) in self.single_in.iter_mut().enumerate() {
            from.read(channel, &mut self.double_in[channel]);
            for (to, from) in copy.iter_mut().zip(&self.double_in[channel][..from.frames]) {
                *to = narrow(*from);
            }
            into.inputs.push(copy.as_ptr());
        }
        for copy in &mut self.single_out {
            into.outputs.push(copy.as_mut_ptr());
        }
    }

    /// Fills `into` with copies of `from` in double precision.
    fn widen(&mut self, from: &Planes<f32>, into: &mut Planes<f64>) {
        into.frames = from.frames;
        for (channel, copy) in self.double_in.iter_mut().enumerate() {
            from.read(channel, &mut self.single_in[channel]);
            for (to, from) in copy.iter_mut().zip(&self.single_in[channel][..from.frames]) {
                *to = f64::from(*from);
            }
            into.inputs.push(copy.as_ptr());
        }
        for copy in &mut self.double_out {
            into.outputs.push(copy.as_mut_ptr());
        }
    }

    fn widen_outputs(&mut self, into: &Planes<f64>) {
        for (channel, copy) in self.double_out.iter_mut().enumerate() {
            for (to, from) in copy
                .iter_mut()
                .zip(&self.single_out[channel][..into.frames])
            {
                *to = f64::from(*from);
            }
            into.write(channel, copy);
        }
    }

    fn narrow_outputs(&mut self, into: &Planes<f32>) {
        for (channel, copy) in self.single_out.iter_mut().enumerate() {
            for (to, from) in copy
                .iter_mut()
                .zip(&self.double_out[channel][..into.frames])
            {
                *to = narrow(*from);
            }
            into.write(channel, copy);
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "rounding to the nearest f32 is what narrowing means"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use plugpen_proto::event::{Note, NoteExpression};

    use super::*;

    #[test]
    fn notes_become_midi_and_expressions_are_counted() {
        let mut events = EventList::new();
        let note = Note {
            id: 5,
            is_on: true,
            channel: 2,
            key: 60,
            velocity: 1.0,
            tuning: 0.0,
        };
        let expression = NoteExpression {
            note_id: 5,
            type_id: 0,
            value: 0.5,
        };
        events.push_note(3, note);
        events.push_expression(4, expression);
        events.push_parameter(4, 0, 0.5);
        events.push_midi(5, &[0xf8]);
        assert!(events.iter().any(is_note));
        let mut midi = EventList::new();
        assert_eq!(in_midi(&events, &mut midi), 1);
        let mut wanted = EventList::new();
        wanted.push_midi(3, &[0x92, 60, 127]);
        wanted.push_parameter(4, 0, 0.5);
        wanted.push_midi(5, &[0xf8]);
        assert_eq!(midi, wanted);
        assert!(!midi.iter().any(is_note));
    }
}
