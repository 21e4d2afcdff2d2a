//! One stretch of playing. Reads and writes of samples go through raw pointers, one at a time,
//! because a host may give one buffer as an input and an output.

use super::mail::Mail;
use super::notes::Note;
use super::{Plugin, Values, demand};

/// A sample type.
pub trait Sample: Copy + 'static {
    /// Silence.
    const ZERO: Self;
    /// The smallest there is above it, which arithmetic may take for zero.
    const DENORMAL: Self;
    /// The nearest value.
    fn of(value: f64) -> Self;
    /// The same value.
    fn wide(self) -> f64;
}

impl Sample for f32 {
    const ZERO: Self = 0.0;
    const DENORMAL: Self = Self::from_bits(1);
    fn of(value: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "the nearest is meant")]
        let narrow = value as f32;
        narrow
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Sample for f64 {
    const ZERO: Self = 0.0;
    const DENORMAL: Self = Self::from_bits(1);
    fn of(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

/// What the host said of its transport; -1 for what it did not say.
#[derive(Clone, Copy)]
pub struct Transport {
    /// Beats a minute.
    pub tempo: f64,
    /// Position in quarter notes.
    pub beats: f64,
    /// Position in frames.
    pub frame: f64,
    /// 1 while it plays, 0 while it stands.
    pub speed: f64,
    /// Time signature.
    pub signature: [f64; 2],
    /// 1 while it records, 0 while not.
    pub recording: f64,
    /// Where its loop ends, in quarter notes.
    pub loop_end: f64,
}

impl Transport {
    /// Nothing was said.
    pub const UNSAID: Self = Self {
        tempo: -1.0,
        beats: -1.0,
        frame: -1.0,
        speed: -1.0,
        signature: [-1.0; 2],
        recording: -1.0,
        loop_end: -1.0,
    };
}

/// What changes between two frames.
#[derive(Clone, Copy)]
pub enum Change {
    /// A parameter's normalised value.
    Value(usize, f64),
    /// The program.
    Program(usize),
    /// The transport.
    Transport(Transport),
}

/// Where a block's audio is; null where the host connected nothing.
pub struct Audio<S> {
    /// By channel of all input buses.
    pub inputs: Vec<*const S>,
    /// By channel of all output buses.
    pub outputs: Vec<*mut S>,
}

impl<S> Audio<S> {
    /// Room for so many channels.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        Self {
            inputs: Vec::with_capacity(inputs),
            outputs: Vec::with_capacity(outputs),
        }
    }

    /// Whether no buffer is an input and an output.
    fn is_apart(&self) -> bool {
        let is_output = |input: &*const S| {
            let mut outputs = self.outputs.iter();
            !input.is_null() && outputs.any(|output| output.cast_const() == *input)
        };
        !self.inputs.iter().any(is_output)
    }

    /// Takes a block's channels from two arrays of pointers.
    ///
    /// # Safety
    /// The arrays are null or have as many pointers as are said.
    pub unsafe fn take(
        &mut self,
        inputs: *const *const S,
        input_count: i32,
        outputs: *const *mut S,
        output_count: i32,
    ) {
        self.inputs.clear();
        self.outputs.clear();
        // SAFETY: the caller's promise.
        unsafe {
            self.add_inputs(inputs, input_count);
            self.add_outputs(outputs, output_count);
        }
    }

    /// Appends input channels.
    ///
    /// # Safety
    /// The array is null or has as many pointers as are said.
    pub unsafe fn add_inputs(&mut self, array: *const *const S, count: i32) {
        for channel in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the caller's promise.
            let data = unsafe { array.as_ref().map(|_| *array.add(channel)) };
            self.inputs.push(data.unwrap_or(std::ptr::null()));
        }
    }

    /// Appends output channels.
    ///
    /// # Safety
    /// As for [`Audio::add_inputs`].
    pub unsafe fn add_outputs(&mut self, array: *const *mut S, count: i32) {
        for channel in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the caller's promise.
            let data = unsafe { array.as_ref().map(|_| *array.add(channel)) };
            self.outputs.push(data.unwrap_or(std::ptr::null_mut()));
        }
    }
}

// SAFETY: the pointers are set and used within one call of the host; a plugin that moves to
// another thread between calls takes dead ones with it, which the next call replaces.
unsafe impl<S> Send for Audio<S> {}

/// What a plugin says while it plays.
pub struct Said {
    /// MIDI.
    pub midi: Mail,
    /// Parameters it set: frame, index, plain value.
    pub values: Vec<(usize, usize, f64)>,
}

impl Said {
    /// Room for what a test says.
    pub fn new() -> Self {
        Self {
            midi: Mail::new(),
            values: Vec::with_capacity(256),
        }
    }

    /// Forgets it.
    pub fn clear(&mut self) {
        self.midi.clear();
        self.values.clear();
    }
}

/// A stretch of frames within which no parameter changes.
pub struct Block<'a, S> {
    audio: &'a Audio<S>,
    start: usize,
    frames: usize,
    heard: &'a Mail,
    said: &'a mut Said,
    /// Parameters.
    pub values: &'a Values,
    /// Transport at its first frame.
    pub transport: Transport,
}

impl<'a, S: Sample> Block<'a, S> {
    /// Its frames.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Its output channels.
    pub fn outputs(&self) -> usize {
        self.audio.outputs.len()
    }

    /// A sample; silence where the host connected nothing.
    pub fn input(&self, channel: usize, frame: usize) -> S {
        match self.audio.inputs.get(channel) {
            Some(data) if !data.is_null() && frame < self.frames => {
                // SAFETY: the host gave as many samples as the block has frames, and `play` keeps
                // the stretch within them.
                unsafe { data.add(self.start + frame).read() }
            }
            _ => S::ZERO,
        }
    }

    /// Writes a sample.
    pub fn put(&mut self, channel: usize, frame: usize, value: S) {
        match self.audio.outputs.get(channel) {
            Some(data) if !data.is_null() && frame < self.frames => {
                // SAFETY: as in `input`, and an output is the plugin's to write.
                unsafe { data.add(self.start + frame).write(value) };
            }
            _ => {}
        }
    }

    /// Writes beside an output's frames, and puts back what was there: what it did is seen only
    /// where that memory is not there.
    pub fn poke_output(&mut self, channel: usize, frame: usize) {
        let start = self.audio.outputs[channel].wrapping_add(self.start);
        let place = start.wrapping_add(frame);
        // SAFETY: none; that this memory is nobody's is the purpose.
        unsafe { place.write_volatile(place.read_volatile()) };
    }

    /// Reads beside an input's frames.
    pub fn peek_input(&self, channel: usize, frame: usize) -> S {
        let place = self.audio.inputs[channel].wrapping_add(self.start + frame);
        // SAFETY: none; as above.
        unsafe { place.read_volatile() }
    }

    /// Writes to an input's first frame what is there.
    pub fn poke_input(&mut self, channel: usize) {
        let place = self.audio.inputs[channel]
            .wrapping_add(self.start)
            .cast_mut();
        // SAFETY: none; that nobody may is the purpose.
        unsafe { place.write_volatile(place.read_volatile()) };
    }

    /// The MIDI messages of this stretch, with their frames in it.
    pub fn midi(&self) -> impl Iterator<Item = (usize, &'a [u8])> + use<'a, S> {
        let (start, end) = (self.start, self.start + self.frames);
        let heard: &'a Mail = self.heard;
        heard
            .iter()
            .filter(move |(frame, _)| (start..end).contains(frame))
            .map(move |(frame, message)| (frame - start, message))
    }

    /// The notes with ids of this stretch, with their frames in it; none where the format has no
    /// ids.
    pub fn notes(&self) -> impl Iterator<Item = (usize, Note)> + use<'a, S> {
        let (start, end) = (self.start, self.start + self.frames);
        let heard: &'a Mail = self.heard;
        heard
            .notes
            .iter()
            .filter(move |(frame, _)| (start..end).contains(frame))
            .map(move |(frame, note)| (frame - start, *note))
    }

    /// Says something of a note.
    pub fn say(&mut self, frame: usize, note: Note) {
        self.said.midi.notes.push((self.start + frame, note));
    }

    /// Says a MIDI message.
    pub fn send(&mut self, frame: usize, message: &[u8]) {
        self.said.midi.push(self.start + frame, message);
    }

    /// Sets a parameter of its own at the block's first frame.
    pub fn tell(&mut self, index: usize, plain: f64) {
        self.values.set(index, plain);
        self.said.values.push((self.start, index, plain));
    }
}

/// Plays a block of `frames` frames, cut wherever something changes. `changes` are in order.
#[allow(
    clippy::too_many_arguments,
    reason = "one call a format, all of it different things"
)]
pub fn play<P: Plugin, S: Sample>(
    plugin: &mut P,
    audio: &Audio<S>,
    frames: usize,
    heard: &Mail,
    said: &mut Said,
    values: &Values,
    transport: &mut Transport,
    changes: &[(usize, Change)],
) {
    demand(
        audio.is_apart(),
        "an input's buffer is no output's (lv2:inPlaceBroken)",
    );
    let mut changes = changes.iter().peekable();
    let mut start = 0;
    loop {
        while let Some((_, change)) = changes.next_if(|(at, _)| *at <= start || start >= frames) {
            match *change {
                Change::Value(index, normal) => values.set_normal(index, normal),
                Change::Program(program) => apply::<P>(values, program),
                Change::Transport(said) => *transport = said,
            }
        }
        if start >= frames {
            return;
        }
        let end = changes.peek().map_or(frames, |(at, _)| (*at).min(frames));
        plugin.run(&mut Block {
            audio,
            start,
            frames: end - start,
            heard,
            said,
            values,
            transport: *transport,
        });
        start = end;
    }
}

/// Sets a program's values.
pub fn apply<P: Plugin>(values: &Values, program: usize) {
    let program = P::ABOUT.programs.get(program);
    for &(index, plain) in program.map_or(&[][..], |program| program.values) {
        values.set(index, plain);
    }
}
