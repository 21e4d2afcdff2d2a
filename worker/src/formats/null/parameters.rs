//! The null plugin's parameters.

/// One parameter; its plain value is linear in its normalised one.
pub struct NullParameter {
    pub name: &'static str,
    pub id: &'static str,
    pub label: &'static str,
    pub min: f64,
    pub max: f64,
    pub default: f64,
    /// Number of values; 0 if continuous, else whole plain values only.
    pub steps: u32,
}

/// Index of the gain.
pub const GAIN: usize = 0;
/// Index of the delay.
pub const DELAY: usize = 1;
/// Index of the polarity switch.
pub const INVERT: usize = 2;
/// Index of the sidechain's level.
pub const SIDECHAIN: usize = 3;

/// Longest delay, in frames.
pub const MAX_DELAY: usize = 4800;

/// All of them, by index.
pub const PARAMETERS: [NullParameter; 4] = [
    NullParameter {
        name: "Gain",
        id: "gain",
        label: "",
        min: 0.0,
        max: 2.0,
        default: 1.0,
        steps: 0,
    },
    NullParameter {
        name: "Delay",
        id: "delay",
        label: "frames",
        min: 0.0,
        max: 4800.0,
        default: 0.0,
        steps: 4801,
    },
    NullParameter {
        name: "Invert",
        id: "invert",
        label: "",
        min: 0.0,
        max: 1.0,
        default: 0.0,
        steps: 2,
    },
    NullParameter {
        name: "Sidechain",
        id: "sidechain",
        label: "",
        min: 0.0,
        max: 1.0,
        default: 0.0,
        steps: 0,
    },
];

/// Programs: a name and the plain values it sets.
pub const PROGRAMS: [(&str, [f64; PARAMETERS.len()]); 3] = [
    ("Default", [1.0, 0.0, 0.0, 0.0]),
    ("Quiet", [0.25, 0.0, 0.0, 0.0]),
    ("Echo", [1.0, 2400.0, 0.0, 0.0]),
];

impl NullParameter {
    /// From 0..1 to the plain range.
    pub fn plain(&self, normal: f64) -> f64 {
        self.snap(self.min + normal * (self.max - self.min))
    }

    /// From the plain range to 0..1.
    pub fn normal(&self, plain: f64) -> f64 {
        (plain - self.min) / (self.max - self.min)
    }

    /// A plain value the parameter can take.
    pub fn snap(&self, plain: f64) -> f64 {
        let plain = if self.steps > 0 { plain.round() } else { plain };
        plain.clamp(self.min, self.max)
    }

    /// A switch.
    pub fn is_boolean(&self) -> bool {
        self.steps == 2
    }

    /// The plain value as text.
    pub fn text(&self, normal: f64) -> String {
        let plain = self.plain(normal);
        match self.is_boolean() {
            true if plain > 0.5 => "On".into(),
            true => "Off".into(),
            false => plain.to_string(),
        }
    }
}
