//! Where each format's plugins are, and where formats may differ.

use std::path::PathBuf;

use plugpen::{OpenOptions, Plugin, Result, Server};
use plugpen_tests::places::built;

/// One format under test. Its plugins are called as those of `tests/plugins`.
pub struct Format {
    /// Its name, for messages.
    pub name: &'static str,
    open: fn(&Server, &str, OpenOptions) -> Result<Plugin>,
    /// The file that holds many of its plugins, or one.
    pub file: fn() -> PathBuf,
    /// What `gain` multiplies with when its first parameter is 1.
    pub most_gain: f64,
    /// What `sidechain` makes of its two inputs.
    pub sidechain: fn(f32, f32) -> f32,
    /// Messages of MIDI that the format has a way to say.
    pub messages: &'static [&'static [u8]],
    /// What `transport` hears of recording and of a loop's end, in beats.
    pub hears: fn(recording: f32, loop_end: f32) -> [f32; 2],
    /// A plugin with programs, and what each sets its first parameter to.
    pub programs: (&'static str, &'static [(&'static str, f64)]),
    /// Whether the plugin itself says its tail.
    pub says_tail: bool,
}

impl Format {
    /// Opens a plugin with the usual options.
    #[track_caller]
    pub fn open(&self, server: &Server, plugin: &str) -> Plugin {
        self.open_with(server, plugin, OpenOptions::default())
    }

    /// Opens a plugin with options.
    #[track_caller]
    pub fn open_with(&self, server: &Server, plugin: &str, options: OpenOptions) -> Plugin {
        self.try_open(server, plugin, options)
            .unwrap_or_else(|error| panic!("{} {plugin}: {error}", self.name))
    }

    /// Opens a plugin, or not.
    pub fn try_open(&self, server: &Server, plugin: &str, options: OpenOptions) -> Result<Plugin> {
        (self.open)(server, plugin, options)
    }
}

/// All that LV2 and VST2 carry: any message.
const EVERY_MESSAGE: &[&[u8]] = &[
    &[0x90, 60, 100],
    &[0x85, 60, 64],
    &[0xA0, 61, 33],
    &[0xB0, 1, 99],
    &[0xBF, 64, 127],
    &[0xC3, 5],
    &[0xD2, 77],
    &[0xE1, 0x12, 0x34],
    &[0xF8],
];

/// The null format has few plugins, whose options and parameters make them what the others are.
pub const NULL: Format = Format {
    name: "null",
    open: |server, plugin, options| {
        let (path, set): (_, Option<(u32, f64)>) = match plugin {
            "latency" => ("null:gain?latency=480", None),
            "echo" => ("null:gain", Some((1, 0.25))),
            "sidechain" => ("null:gain?inputs=1&outputs=1&sidechain=1", Some((3, 1.0))),
            "parameter" => ("null:parameter", None),
            "transport" => ("null:transport", None),
            _ => ("null:gain", None),
        };
        let plugin = server.open(path, &options)?;
        if let Some((index, value)) = set {
            plugin.set_param(index, value)?;
        }
        Ok(plugin)
    },
    file: || "null:gain".into(),
    most_gain: 2.0,
    sidechain: |main, side| main + side,
    messages: EVERY_MESSAGE,
    hears: |recording, loop_end| [recording, loop_end],
    programs: ("gain", &[("Default", 0.5), ("Quiet", 0.125), ("Echo", 0.5)]),
    says_tail: false,
};

/// LV2 knows nothing of recording, of loops and of tails.
pub const LV2: Format = Format {
    name: "LV2",
    open: |server, plugin, options| {
        let options = OpenOptions {
            selector: format!("urn:plugpen:test:{plugin}"),
            ..options
        };
        server.open(built().unwrap().lv2().to_str().unwrap(), &options)
    },
    file: || built().unwrap().lv2(),
    most_gain: 4.0,
    sidechain: |main, side| main * side,
    messages: EVERY_MESSAGE,
    hears: |_, _| [-1.0; 2],
    programs: ("parameter", &[("Low", 0.25), ("High", 0.75)]),
    says_tail: false,
};

/// VST2: a file for each plugin.
pub const VST2: Format = Format {
    name: "VST2",
    open: |server, plugin, options| {
        let file = built().unwrap().vst2(plugin);
        server.open(file.to_str().unwrap(), &options)
    },
    file: || built().unwrap().vst2("gain"),
    most_gain: 4.0,
    sidechain: |main, side| main * side,
    messages: EVERY_MESSAGE,
    hears: |recording, loop_end| [recording, loop_end],
    programs: ("parameter", &[("Low", 0.25), ("High", 0.75)]),
    says_tail: true,
};

/// AudioUnit, in a simulated AudioToolbox: one bundle, a unit for each plugin.
pub const AUDIO_UNIT: Format = Format {
    name: "AudioUnit",
    open: |server, plugin, options| {
        let options = OpenOptions {
            selector: title(plugin),
            ..options
        };
        server.open(built().unwrap().component().to_str().unwrap(), &options)
    },
    file: || built().unwrap().component(),
    most_gain: 4.0,
    sidechain: |main, side| main * side,
    messages: EVERY_MESSAGE,
    hears: |recording, loop_end| [recording, loop_end],
    programs: ("parameter", &[("Low", 0.25), ("High", 0.75)]),
    says_tail: true,
};

/// VST2: plugins that have no way but to add to what is in their outputs.
pub const VST2_OLD: Format = Format {
    name: "old VST2",
    open: |server, plugin, options| {
        let file = built().unwrap().vst2(&format!("old-{plugin}"));
        server.open(file.to_str().unwrap(), &options)
    },
    ..VST2
};

/// VST2: a shell, in which all plugins are.
pub const VST2_SHELL: Format = Format {
    name: "VST2 shell",
    open: |server, plugin, options| {
        let options = OpenOptions {
            selector: title(plugin),
            ..options
        };
        server.open(built().unwrap().vst2("shell").to_str().unwrap(), &options)
    },
    file: || built().unwrap().vst2("shell"),
    ..VST2
};

/// `born-slow` is called "Test Born Slow".
pub fn title(plugin: &str) -> String {
    let words = plugin.split('-').map(|word| match word {
        "midi" => "MIDI".to_owned(),
        word => word[..1].to_uppercase() + &word[1..],
    });
    let words: Vec<String> = words.collect();
    format!("Test {}", words.join(" "))
}

/// What VST3 has events for, and controllers that `midi` maps to parameters. There is no program
/// change on its way in.
const VST3_MESSAGES: &[&[u8]] = &[
    &[0x90, 60, 100],
    &[0x85, 60, 64],
    &[0xA0, 61, 33],
    &[0xB0, 1, 99],
    &[0xBF, 64, 127],
    &[0xD2, 77],
    &[0xE1, 0x12, 0x34],
];

/// VST3: one module, a class for each plugin.
pub const VST3: Format = Format {
    name: "VST3",
    open: |server, plugin, options| {
        let options = OpenOptions {
            selector: title(plugin),
            ..options
        };
        server.open(built().unwrap().vst3().to_str().unwrap(), &options)
    },
    file: || built().unwrap().vst3(),
    most_gain: 4.0,
    sidechain: |main, side| main * side,
    messages: VST3_MESSAGES,
    hears: |recording, loop_end| [recording, loop_end],
    programs: ("parameter", &[("Low", 0.25), ("High", 0.75)]),
    says_tail: true,
};
