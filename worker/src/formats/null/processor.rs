//! The null plugin's audio half.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugpen_proto::event::EventBody;
use plugpen_proto::v1::Transport;

use super::parameters::{DELAY, GAIN, INVERT, MAX_DELAY, PARAMETERS, SIDECHAIN};
use super::{Shared, Sound, Variant};
use crate::formats::{Block, Planes, Processor, Samples};

/// Values that are said of a transport.
pub const SAID: u32 = 8;

/// Gain and delay, each output fed by the input of its number (the last input feeds the rest); or
/// what else [`Sound`] names, on the outputs one after the other.
pub struct NullProcessor {
    shared: Arc<Shared>,
    variant: Variant,
    /// Frames a second.
    rate: f64,
    double: bool,
    /// A line per output, `f64` so that both sample types pass unharmed.
    lines: Vec<Vec<f64>>,
    head: usize,
    values: [f64; PARAMETERS.len()],
    /// The block's transport; -1 for what is not said.
    said: [f64; SAID as usize],
}

impl NullProcessor {
    pub fn new(shared: Arc<Shared>, variant: &Variant, rate: f64) -> Self {
        let latency = usize::try_from(variant.latency).unwrap_or(0);
        let outputs = usize::try_from(variant.outputs).unwrap_or(0);
        Self {
            shared,
            variant: variant.clone(),
            rate,
            double: false,
            lines: vec![vec![0.0; latency + MAX_DELAY + 1]; outputs],
            head: 0,
            values: [0.0; PARAMETERS.len()],
            said: [-1.0; SAID as usize],
        }
    }

    /// Computes in 64 bits from now on, or not.
    pub fn set_double(&mut self, double: bool) {
        self.double = double;
    }

    fn frame<T: Sample>(&mut self, planes: &Planes<T>, frame: usize) {
        match self.variant.sound {
            Sound::Gain => self.delayed(planes, frame),
            Sound::Parameter => {
                let value = PARAMETERS[GAIN].normal(self.values[GAIN]);
                put(planes, frame, std::iter::repeat(value));
            }
            Sound::Transport => put(planes, frame, self.said.into_iter()),
        }
    }

    fn delayed<T: Sample>(&mut self, planes: &Planes<T>, frame: usize) {
        let inputs = usize::try_from(self.variant.inputs).unwrap_or(0);
        let latency = usize::try_from(self.variant.latency).unwrap_or(0);
        let sidechain = match planes.input(inputs) {
            // SAFETY: an input of this block, and `frame` is below its frames.
            Some(from) => unsafe { from.add(frame).read() }.wide() * self.values[SIDECHAIN],
            None => 0.0,
        };
        let sign = if self.values[INVERT] > 0.5 { -1.0 } else { 1.0 };
        for (output, line) in self.lines.iter_mut().enumerate() {
            let input = match inputs {
                0 => None,
                _ => planes.input(output.min(inputs - 1)),
            };
            line[self.head] = match input {
                // SAFETY: as above.
                Some(from) => unsafe { from.add(frame).read() }.wide() + sidechain,
                None => sidechain,
            };
            let back = latency + whole(self.values[DELAY]);
            let late = line[(self.head + line.len() - back) % line.len()];
            if let Some(to) = planes.output(output) {
                // SAFETY: an output of this block, and `frame` is below its frames.
                unsafe {
                    to.add(frame)
                        .write(T::narrow(late * self.values[GAIN] * sign))
                };
            }
        }
        if let Some(line) = self.lines.first() {
            self.head = (self.head + 1) % line.len();
        }
    }
}

/// Writes a frame of each output channel, as far as there are values.
fn put<T: Sample>(planes: &Planes<T>, frame: usize, values: impl Iterator<Item = f64>) {
    for (channel, value) in (0..planes.outputs()).zip(values) {
        if let Some(to) = planes.output(channel) {
            // SAFETY: an output of this block, and `frame` is below its frames.
            unsafe { to.add(frame).write(T::narrow(value)) };
        }
    }
}

/// Tempo, position in beats and in frames, speed, time signature, whether it records, and the
/// loop's end in beats.
fn said(transport: &Transport, rate: f64) -> [f64; SAID as usize] {
    #[allow(
        clippy::cast_precision_loss,
        reason = "positions beyond 2^53 frames are not met"
    )]
    let [position, loop_end] =
        [transport.position_samples, transport.loop_end].map(|frames| frames as f64);
    [
        transport.bpm,
        transport.position_beats,
        position,
        f64::from(u8::from(transport.is_playing)),
        f64::from(transport.time_sig_num),
        f64::from(transport.time_sig_denom),
        f64::from(u8::from(transport.is_recording)),
        match transport.is_looping {
            true => loop_end / rate * transport.bpm / 60.0,
            false => -1.0,
        },
    ]
}

impl Processor for NullProcessor {
    fn process(&mut self, block: &mut Block<'_>) {
        let transport = block.transport.as_ref();
        self.said = transport.map_or([-1.0; SAID as usize], |transport| {
            said(transport, self.rate)
        });
        if self.variant.sound == Sound::Transport {
            // Channels beyond what there is to say.
            match block.samples {
                Samples::Single(planes) => planes.silence_from(self.said.len()),
                Samples::Double(planes) => planes.silence_from(self.said.len()),
            }
        }
        for (at, value) in self.values.iter_mut().enumerate() {
            *value = self.shared.values.get(at);
        }
        let events = block.events;
        let mut events = events.iter().peekable();
        for frame in 0..block.frames {
            while let Some(event) = events
                .next_if(|event| usize::try_from(event.offset).is_ok_and(|offset| offset <= frame))
            {
                match event.body {
                    EventBody::Parameter { index, value } => {
                        let index = usize::try_from(index).unwrap_or(usize::MAX);
                        if let Some(parameter) = PARAMETERS.get(index) {
                            self.values[index] = parameter.plain(value);
                            self.shared.values.set(index, self.values[index]);
                            self.shared.notices.parameter(index, true);
                        }
                    }
                    _ => block.push(event),
                }
            }
            match block.samples {
                Samples::Single(planes) => self.frame(planes, frame),
                Samples::Double(planes) => self.frame(planes, frame),
            }
        }
    }

    fn reset(&mut self) {
        for line in &mut self.lines {
            line.fill(0.0);
        }
    }

    fn is_double(&self) -> bool {
        self.double
    }

    fn hears_notes(&self) -> bool {
        true
    }

    fn latency_samples(&self) -> u32 {
        self.shared.latency.load(Ordering::Relaxed)
    }

    fn as_any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

fn whole(value: f64) -> usize {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a snapped delay: whole and within 0 to MAX_DELAY"
    )]
    let whole = value as usize;
    whole.min(MAX_DELAY)
}

trait Sample: Copy {
    fn wide(self) -> f64;
    fn narrow(value: f64) -> Self;
}

impl Sample for f32 {
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn narrow(value: f64) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "rounding to the nearest f32 is meant"
        )]
        let narrowed = value as f32;
        narrowed
    }
}

impl Sample for f64 {
    fn wide(self) -> f64 {
        self
    }
    fn narrow(value: f64) -> Self {
        value
    }
}
