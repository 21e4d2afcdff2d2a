//! `plugpen play`: a plugin on a sound device.

use std::sync::Arc;
use std::time::Duration;

use plugpen::v1::{AudioDeviceInfo, ErrorReason};
use plugpen::{AudioDevice, DeviceOptions, Error, OpenOptions, PluginChain};

use crate::chain_spec::ChainSpec;
use crate::context::{Context, Pace};
use crate::output::{Done, Failure, plain};
use crate::setup::Setup;

/// How often it is looked whether everything is well.
const LOOK: Duration = Duration::from_millis(200);
/// Largest block that a device may ask for.
const LARGEST_PERIOD: u32 = 8192;

/// Play a plugin on a sound device, until Ctrl-C
#[derive(Debug, clap::Args)]
pub struct Play {
    /// The plugin (see plugpen --help)
    #[arg(
        value_name = "PLUGIN",
        required_unless_present = "chain",
        conflicts_with = "chain"
    )]
    name: Option<String>,
    /// Which one, where a file holds several: an index, a name, a URI or a class id
    #[arg(
        id = "which",
        long = "plugin",
        value_name = "WHICH",
        default_value = ""
    )]
    selector: String,
    /// A chain instead of a plugin: "Kars | MVerb", or a JSON file
    #[arg(long, value_name = "SPEC", conflicts_with_all = ["name", "which"])]
    chain: Option<String>,
    /// Play what the device records through the plugin
    #[arg(short, long)]
    input: bool,
    /// Connect a MIDI input port
    #[arg(short, long, value_name = "N")]
    midi: Option<u32>,
    /// Make a MIDI input port of this name
    #[arg(short, long, value_name = "NAME", conflicts_with = "midi")]
    virtual_midi: Option<String>,
    /// Connect a MIDI output port
    #[arg(long, value_name = "N")]
    midi_out: Option<u32>,
    /// Make a MIDI output port of this name
    #[arg(long, value_name = "NAME", conflicts_with = "midi_out")]
    virtual_midi_out: Option<String>,
    /// Device that plays: its number or a part of its name, as `devices` lists them
    #[arg(long, value_name = "DEVICE")]
    playback_device: Option<String>,
    /// Device that records
    #[arg(long, value_name = "DEVICE")]
    capture_device: Option<String>,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    seconds: Option<Duration>,
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    pace: Pace,
}

impl Play {
    /// Plays until Ctrl-C, until its time is over, or until the plugin dies.
    ///
    /// # Errors
    /// There is no such device, port or plugin; the plugin dies; the device breaks.
    pub fn run(self, context: &Context) -> Done {
        let server = &context.server;
        if self.setup.param_file.is_some() {
            let why = "--param-file automates files; while playing, use --param";
            return Err(Failure::Usage(why.into()));
        }
        let (spec, _) = ChainSpec::choose(
            server,
            self.chain.as_deref(),
            &self.selector,
            &self.setup,
            self.name.as_slice(),
        )?;
        let listed = server.audio_devices()?;
        let choose = |wanted: &Option<String>, devices: &[AudioDeviceInfo]| {
            wanted
                .as_deref()
                .map(|wanted| device(wanted, devices))
                .transpose()
        };
        let pace = self.pace.or(context.pace);
        let options = DeviceOptions {
            sample_rate: pace.sample_rate.unwrap_or(0.0),
            buffer_frames: pace.block_size.unwrap_or(0),
            midi_input_port: self.midi,
            midi_output_port: self.midi_out,
            capture: self.input || self.capture_device.is_some(),
            playback_device: choose(&self.playback_device, &listed.playback)?,
            capture_device: choose(&self.capture_device, &listed.capture)?,
            ..DeviceOptions::default()
        };
        let usual = pace.options();
        let opened = spec.open(
            context,
            &OpenOptions {
                max_block_size: usual.max_block_size.max(LARGEST_PERIOD),
                ..usual
            },
        )?;
        let (plugins, mixes): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
        let plugins: Vec<_> = plugins.into_iter().map(Arc::new).collect();
        let chain = Arc::new(PluginChain::new(plugins.clone())?);
        for (index, mix) in mixes.into_iter().enumerate() {
            if let Some(mix) = mix {
                chain.set_mix(index, mix)?;
            }
        }
        let playing = AudioDevice::open(chain, &options)?;
        if let Some(name) = &self.virtual_midi {
            playing.create_virtual_midi_input(name)?;
        }
        if let Some(name) = &self.virtual_midi_out {
            playing.create_virtual_midi_output(name)?;
        }
        playing.start()?;
        eprintln!(
            "Playing {} on {} ({}): {} Hz, {} frames, {} channel(s). Ctrl-C ends it.",
            names(&plugins),
            plain(playing.name()),
            playing.system(),
            playing.sample_rate(),
            playing.buffer_frames(),
            playing.channels()
        );
        let watched = self.watch(context, &playing, &plugins);
        let xruns = playing.xrun_count().unwrap_or(0);
        playing.close()?;
        if xruns > 0 {
            eprintln!(
                "{xruns} period(s) were not the plugin's: it or the device was late, or it died."
            );
        }
        watched
    }

    /// Waits for the end, whatever it is.
    fn watch(
        &self,
        context: &Context,
        playing: &AudioDevice,
        plugins: &[Arc<plugpen::Plugin>],
    ) -> Done {
        let began = std::time::Instant::now();
        loop {
            let left = self
                .seconds
                .map(|until| until.saturating_sub(began.elapsed()));
            let look = left.map_or(LOOK, |left| left.min(LOOK));
            if look.is_zero() || context.interrupt.wait_for(look) {
                return Ok(());
            }
            if let Some(death) = plugins.iter().find_map(|plugin| plugin.death()) {
                return Err(Failure::Client(Error::died(death)));
            }
            let status = playing.status()?;
            if !status.error.is_empty() {
                return Err(Failure::Client(Error::new(
                    ErrorReason::WrongState,
                    format!("the device plays no more: {}", plain(&status.error)),
                )));
            }
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "expected a number of seconds, 0 or more".into())
}

fn names(plugins: &[Arc<plugpen::Plugin>]) -> String {
    let names = plugins
        .iter()
        .map(|plugin| plain(&plugin.description().name));
    names.collect::<Vec<_>>().join(" | ")
}

/// A device by its number or a part of its name, whatever the case.
fn device(wanted: &str, devices: &[AudioDeviceInfo]) -> Result<u32, Failure> {
    let number = wanted.parse::<u32>().ok();
    let part = wanted.to_lowercase();
    let found = devices
        .iter()
        .find(|device| number == Some(device.index))
        .or_else(|| {
            devices
                .iter()
                .find(|device| device.name.to_lowercase().contains(&part))
        });
    found.map(|device| device.index).ok_or_else(|| {
        let names: Vec<_> = devices
            .iter()
            .map(|device| format!("\n  [{}] {}", device.index, plain(&device.name)))
            .collect();
        let listed = match names.is_empty() {
            true => " there are none".into(),
            false => names.concat(),
        };
        Failure::Client(Error::new(
            ErrorReason::NotFound,
            format!("no device {wanted:?}:{listed}"),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_checked() {
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["-1", "nan", "1e300", "long"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn devices_are_chosen_by_number_or_name() {
        let listed = [(0, "HDA Intel"), (1, "USB Audio"), (2, "1 Volt")];
        let listed = listed.map(|(index, name)| AudioDeviceInfo {
            index,
            name: name.into(),
            is_default: false,
        });
        assert_eq!(device("1", &listed).unwrap(), 1);
        assert_eq!(device("usb", &listed).unwrap(), 1);
        let error = device("jack", &listed).unwrap_err();
        assert_eq!(error.code(), 3);
        assert!(error.to_string().contains("[2] 1 Volt"), "{error}");
    }
}
