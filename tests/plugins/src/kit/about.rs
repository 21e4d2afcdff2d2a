//! What a plugin is, whatever the format.

/// What a plugin is.
#[derive(Clone, Copy)]
pub struct About {
    /// The name people see.
    pub title: &'static str,
    /// Audio inputs, the main one first.
    pub inputs: &'static [Bus],
    /// Audio outputs, the main one first.
    pub outputs: &'static [Bus],
    /// Parameters; a bypass comes last.
    pub parameters: &'static [Parameter],
    /// Programs.
    pub programs: &'static [Program],
    /// Whether it hears MIDI.
    pub midi_in: bool,
    /// Whether it makes MIDI.
    pub midi_out: bool,
    /// What can be shaped of its notes, where the format can.
    pub expressions: &'static [Expression],
    /// Whether it wants to know the transport.
    pub transport: bool,
    /// Whether it is a synthesiser.
    pub synth: bool,
    /// Whether [`super::Plugin::latency`] is ever above 0.
    pub latency: bool,
    /// Whether it has state that no parameter shows.
    pub state: bool,
    /// Whether it computes in 64 bits where the format can.
    pub double: bool,
    /// Frames for which it sounds on.
    pub tail_frames: u32,
    /// Whether its main buses can have any equal number of channels, where the format can.
    pub flexible: bool,
    /// Whether parameters live in an object of their own, where the format can.
    pub separate: bool,
}

impl About {
    /// Nothing in, nothing out; the rest as most have it.
    pub const NOTHING: Self = Self {
        title: "",
        inputs: &[],
        outputs: &[],
        parameters: &[],
        programs: &[],
        midi_in: false,
        midi_out: false,
        expressions: &[],
        transport: false,
        synth: false,
        latency: false,
        state: false,
        double: true,
        tail_frames: 0,
        flexible: false,
        separate: false,
    };

    /// Channels of all inputs.
    pub const fn input_channels(&self) -> usize {
        channels(self.inputs)
    }

    /// Channels of all outputs.
    pub const fn output_channels(&self) -> usize {
        channels(self.outputs)
    }
}

const fn channels(mut buses: &[Bus]) -> usize {
    let mut sum = 0;
    while let [bus, rest @ ..] = buses {
        sum += bus.channels;
        buses = rest;
    }
    sum
}

/// An audio bus.
#[derive(Clone, Copy)]
pub struct Bus {
    /// Its name.
    pub name: &'static str,
    /// Its channels.
    pub channels: usize,
    /// Whether it is beside the main bus.
    pub is_aux: bool,
}

impl Bus {
    /// A main bus.
    pub const fn main(channels: usize) -> Self {
        Self {
            name: "Main",
            channels,
            is_aux: false,
        }
    }

    /// A bus beside the main one.
    pub const fn aux(name: &'static str, channels: usize) -> Self {
        Self {
            name,
            channels,
            is_aux: true,
        }
    }
}

/// A property of single notes.
#[derive(Clone, Copy)]
pub struct Expression {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Normalised value at first.
    pub default: f64,
    /// Number of values less one; 0 if continuous.
    pub steps: i32,
    /// Whether 0.5 is its middle.
    pub is_bipolar: bool,
    /// The parameter that does the same for all notes.
    pub parameter: Option<usize>,
}

/// A name and plain values, by index.
#[derive(Clone, Copy)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it sets.
    pub values: &'static [(usize, f64)],
}

/// What a parameter is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The user sets it.
    Plain,
    /// At 1 the plugin passes its input through.
    Bypass,
    /// The plugin sets it.
    Meter,
}

/// A parameter; its plain value is linear in its normalised one.
#[derive(Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Unit of its plain value.
    pub unit: &'static str,
    /// Least plain value.
    pub min: f64,
    /// Largest plain value.
    pub max: f64,
    /// Plain value at first.
    pub default: f64,
    /// Whether only whole plain values count.
    pub is_whole: bool,
    /// Names of plain values.
    pub labels: &'static [(f64, &'static str)],
    /// What it is for.
    pub kind: Kind,
}

impl Parameter {
    /// A continuous one.
    pub const fn new(name: &'static str, min: f64, max: f64, default: f64) -> Self {
        Self {
            name,
            unit: "",
            min,
            max,
            default,
            is_whole: false,
            labels: &[],
            kind: Kind::Plain,
        }
    }

    /// One of whole plain values.
    pub const fn whole(name: &'static str, max: f64, default: f64) -> Self {
        Self {
            is_whole: true,
            ..Self::new(name, 0.0, max, default)
        }
    }

    /// With a unit.
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// With names for some values.
    pub const fn labels(self, labels: &'static [(f64, &'static str)]) -> Self {
        Self { labels, ..self }
    }

    /// For something else than the user to set.
    pub const fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Number of steps between its values; 0 if continuous.
    pub fn steps(&self) -> i32 {
        #[allow(clippy::cast_possible_truncation, reason = "small, and `as` saturates")]
        let steps = (self.max - self.min) as i32;
        if self.is_whole { steps } else { 0 }
    }

    /// From 0..1 to the plain range.
    pub fn plain(&self, normal: f64) -> f64 {
        let plain = self.min + normal * (self.max - self.min);
        if self.is_whole { plain.round() } else { plain }
    }

    /// From the plain range to 0..1.
    pub fn normal(&self, plain: f64) -> f64 {
        (plain - self.min) / (self.max - self.min)
    }

    /// The text of a plain value.
    pub fn text(&self, plain: f64) -> String {
        let label = self.labels.iter().find(|(value, _)| *value == plain);
        label.map_or_else(|| plain.to_string(), |(_, label)| (*label).into())
    }

    /// The plain value of a text.
    pub fn parse(&self, text: &str) -> Option<f64> {
        let text = text.trim();
        let label = self.labels.iter().find(|(_, label)| *label == text);
        let plain = label.map_or_else(|| text.parse().ok(), |(value, _)| Some(*value))?;
        Some(plain.clamp(self.min, self.max))
    }
}
