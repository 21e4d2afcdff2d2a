//! Plugin formats, behind two traits that draw the line every plugin ABI draws: what belongs to
//! the main thread and what belongs to the audio thread.
//!
//! Each format is a folder with the same file names. A call that must not run beside processing
//! takes `parked: &mut dyn Processor`: whoever holds the processor has stopped the audio thread,
//! so a caller cannot get this wrong.

pub mod audio_unit;
mod block;
mod bypass;
pub mod door;
pub mod fpu;
mod host_calls;
mod lent;
#[cfg(target_os = "linux")]
pub mod lv2;
mod marks;
mod notices;
pub mod null;
mod numbers;
mod numerics;
mod realtime;
mod values;
pub mod vst2;
pub mod vst3;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plugpen_proto::Error;
use plugpen_proto::v1::{
    Bus, NoteExpressionType, OpenOptions, OpenedPlugin, Parameter, PluginFormat, Precision,
    StateScope,
};
use plugpen_proto::worker::{Load, Probe, Probed};

pub use block::{Block, BlockRunner, Planes, Samples};
pub use bypass::HostBypass;
pub use host_calls::HostCall;
pub use marks::Marks;
pub use notices::{Noted, Notices};
pub use numerics::Numerics;
pub use values::{Turns, Values};

/// A plugin as the main thread sees it. Never leaves the thread that loaded it.
pub trait Controller {
    /// Everything known of the plugin as it stands; the caller adds what only it knows (handle,
    /// pid, sandbox).
    fn opened(&self) -> OpenedPlugin;

    /// Number of parameters; constant.
    fn parameter_count(&self) -> u32;
    /// One parameter with its value and text.
    ///
    /// # Errors
    /// Index out of range.
    fn parameter(&self, index: u32) -> Result<Parameter, Error>;
    /// The normalised value, 0 to 1.
    ///
    /// # Errors
    /// Index out of range.
    fn get_parameter(&self, index: u32) -> Result<f64, Error>;
    /// Sets a normalised value and returns what the plugin now has. Heard from the next block,
    /// in the state at once.
    ///
    /// # Errors
    /// Index out of range, value not finite. Values outside 0 to 1 are clamped.
    fn set_parameter(&mut self, index: u32, value: f64) -> Result<f64, Error>;
    /// The text the plugin shows for a normalised value.
    ///
    /// # Errors
    /// As for [`Controller::set_parameter`].
    fn parameter_to_text(&self, index: u32, value: f64) -> Result<String, Error>;
    /// The normalised value a text stands for; what cannot be read stands for 0 in plain units.
    ///
    /// # Errors
    /// Index out of range.
    fn parameter_from_text(&self, index: u32, text: &str) -> Result<f64, Error>;

    /// The whole state; empty where the plugin has none.
    ///
    /// # Errors
    /// The plugin's refusal.
    fn get_state(
        &mut self,
        parked: &mut dyn Processor,
        scope: StateScope,
    ) -> Result<Vec<u8>, Error>;
    /// Restores a state. Marks what may have changed in the notices.
    ///
    /// # Errors
    /// Not a state of this plugin, or refused by it.
    fn set_state(
        &mut self,
        parked: &mut dyn Processor,
        scope: StateScope,
        data: &[u8],
    ) -> Result<(), Error>;
    /// Names of all programs, in order.
    fn program_names(&self) -> Vec<String>;
    /// Index of the program set last; 0 at first and where there is none.
    fn current_program(&self) -> u32;
    /// Applies a program.
    ///
    /// # Errors
    /// Index out of range, or refused by the plugin.
    fn set_program(&mut self, parked: &mut dyn Processor, index: u32) -> Result<(), Error>;

    /// What can be shaped of the notes on a channel of an event input.
    fn note_expressions(&self, _bus: u32, _channel: u32) -> Vec<NoteExpressionType> {
        Vec::new()
    }

    /// Whether parameters must not be described beside processing: where the plugin knows the
    /// text of a value only by having it.
    fn describes_at_rest(&self) -> bool {
        false
    }

    /// Index of the plugin's own bypass parameter.
    fn bypass_parameter(&self) -> Option<u32>;
    /// Switches a bypass of the plugin's own that is no parameter; false where it has none, so
    /// that the host does it.
    fn set_bypass(&mut self, _parked: &mut dyn Processor, _bypass: bool) -> bool {
        false
    }
    /// Clears delay lines, filters and voices; keeps parameters.
    fn reset(&mut self, parked: &mut dyn Processor);
    /// Offline work: the plugin may take its time.
    fn set_non_realtime(&mut self, parked: &mut dyn Processor, non_realtime: bool);
    /// Chooses the sample type the plugin computes in.
    ///
    /// # Errors
    /// Unsupported.
    fn set_precision(
        &mut self,
        parked: &mut dyn Processor,
        precision: Precision,
    ) -> Result<(), Error>;
    /// Name and colour (ARGB) of the track the plugin sits on; formats without the notion ignore
    /// them.
    fn set_track_properties(&mut self, name: Option<&str>, colour: Option<u32>);
    /// Latency as the plugin last reported it, in frames.
    fn latency_samples(&self) -> u32;
    /// Seconds the plugin sounds on after its input ends; 0 where it does not say.
    fn tail_seconds(&self) -> f64;
    /// Input and output buses.
    fn buses(&self) -> (Vec<Bus>, Vec<Bus>);
    /// Whether the plugin could run with these channel counts, one a bus. Goes on with those it
    /// has.
    fn check_buses_layout(
        &mut self,
        parked: &mut dyn Processor,
        inputs: &[i32],
        outputs: &[i32],
    ) -> bool;

    /// Does what the plugin has asked of the main thread meanwhile. Called between calls.
    fn attend(&mut self) -> Attention {
        Attention::default()
    }
    /// Does what must not run beside processing, where [`Controller::attend`] asked for that.
    fn attend_parked(&mut self, _parked: &mut dyn Processor) {}
}

/// What a plugin wants of the main thread next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attention {
    /// To be attended to again within this time; `None` when something is noted.
    pub within: Option<Duration>,
    /// Something that must not run beside processing.
    pub parked: bool,
}

/// A plugin as the audio thread sees it.
pub trait Processor: Send {
    /// Processes one block. Runs on the audio thread: allocates nothing, takes no lock, makes no
    /// system call of its own.
    fn process(&mut self, block: &mut Block<'_>);
    /// Clears delay lines, filters and voices. Not on the block path.
    fn reset(&mut self);
    /// Whether it computes in 64 bits now; its blocks come in that type.
    fn is_double(&self) -> bool {
        false
    }
    /// Whether it hears notes with ids and note expressions. To others notes come as MIDI, and
    /// expressions are lost.
    fn hears_notes(&self) -> bool {
        false
    }
    /// Whether the plugin refused to be started again, so that blocks fail.
    fn is_stopped(&self) -> bool {
        false
    }
    /// Latency after the last block, in frames.
    fn latency_samples(&self) -> u32;
    /// For the controller of the same format, which knows the type.
    fn as_any(&mut self) -> &mut dyn std::any::Any;
}

/// A loaded plugin, its two halves apart.
pub struct Plugin {
    /// For the main thread.
    pub controller: Box<dyn Controller>,
    /// For the audio thread.
    pub processor: Box<dyn Processor>,
}

/// What a plugin is loaded with.
pub struct Opening {
    /// The client's options, checked.
    pub options: OpenOptions,
    /// The bundle or file, absolute; empty for the null format.
    pub bundle: PathBuf,
    /// The only folder that can be written in.
    #[cfg(target_os = "linux")]
    pub private_dir: PathBuf,
    /// Where the plugin's own doings are noted.
    pub notices: Arc<Notices>,
}

/// Loads a plugin.
///
/// # Errors
/// Unsupported format, no such plugin, or the plugin's refusal.
pub fn load(load: Load, notices: Arc<Notices>) -> Result<Plugin, Error> {
    let format = load.format();
    let options = check(load.options.unwrap_or_default())?;
    let is_lv2 = matches!(format, PluginFormat::Lv2 | PluginFormat::Unspecified);
    if !options.port_types.is_empty() && !is_lv2 {
        return Err(Error::invalid(
            "port_types is for LV2 plugins: no other format has ports of several types",
        ));
    }
    let opening = Opening {
        options,
        bundle: load.bundle.into(),
        #[cfg(target_os = "linux")]
        private_dir: load.private_dir.into(),
        notices,
    };
    lent::mathematics();
    match format {
        PluginFormat::Null => null::load(&opening),
        PluginFormat::Vst2 => vst2::load(&opening),
        PluginFormat::Vst3 => vst3::load(&opening),
        PluginFormat::Unspecified if opening.options.path.starts_with("null:") => {
            null::load(&opening)
        }
        #[cfg(target_os = "linux")]
        PluginFormat::Lv2 | PluginFormat::Unspecified => lv2::load(&opening),
        PluginFormat::AudioUnit => audio_unit::load(&opening),
        #[cfg(not(target_os = "linux"))]
        PluginFormat::Lv2 | PluginFormat::Unspecified => Err(unsupported(PluginFormat::Lv2)),
    }
}

/// Reads metadata.
///
/// # Errors
/// Unsupported format, or nothing there.
pub fn probe(probe: &Probe) -> Result<Probed, Error> {
    match probe.format() {
        PluginFormat::Null => Ok(null::probe(probe)),
        #[cfg(target_os = "linux")]
        PluginFormat::Lv2 | PluginFormat::Unspecified => lv2::probe(probe),
        PluginFormat::Vst2 => Ok(vst2::probe(probe)),
        PluginFormat::Vst3 => vst3::probe(probe),
        PluginFormat::AudioUnit => audio_unit::probe(probe),
        #[cfg(not(target_os = "linux"))]
        PluginFormat::Lv2 | PluginFormat::Unspecified => Err(unsupported(PluginFormat::Lv2)),
    }
}

#[cfg(not(target_os = "linux"))]
fn unsupported(format: PluginFormat) -> Error {
    Error::unsupported(format!(
        "this build of plugpen does not host {} plugins",
        format.as_str_name().trim_start_matches("PLUGIN_FORMAT_")
    ))
}

/// Checks what every format relies on, although the daemon has checked it before.
fn check(options: OpenOptions) -> Result<OpenOptions, Error> {
    let rate = options.sample_rate;
    if !rate.is_finite() || rate <= 0.0 {
        return Err(Error::invalid(format!(
            "sample_rate must be a finite number > 0, got {rate}"
        )));
    }
    let size = options.max_block_size;
    let most = plugpen_proto::limits::MAX_BLOCK_SIZE;
    if !(1..=most).contains(&size) {
        return Err(Error::invalid(format!(
            "max_block_size must be in [1, {most}], got {size}"
        )));
    }
    Ok(options)
}

/// A number of things that a `u32` holds on any sane plugin; saturates on an insane one.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Whether buses have these channel counts, one a bus.
pub(crate) fn same_layout(
    (have_inputs, have_outputs): &(Vec<Bus>, Vec<Bus>),
    inputs: &[i32],
    outputs: &[i32],
) -> bool {
    let same = |have: &[Bus], want: &[i32]| {
        let have = have.iter().map(|bus| Ok(bus.channels));
        have.eq(want.iter().map(|want| u32::try_from(*want)))
    };
    same(have_inputs, inputs) && same(have_outputs, outputs)
}

/// Checks a normalised value and clamps it to 0 to 1.
///
/// # Errors
/// Not finite.
pub(crate) fn normalised(value: f64) -> Result<f64, Error> {
    if value.is_finite() {
        Ok(value.clamp(0.0, 1.0))
    } else {
        Err(Error::invalid(format!(
            "value must be a finite number, got {value}"
        )))
    }
}
