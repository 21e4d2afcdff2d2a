//! The in-process twin of a plugin format: plugins without a file behind them.
//!
//! `null:gain` in `OpenOptions.path` is a gain with a delay, and has variants:
//! `null:gain?latency=64&inputs=1&outputs=2`. The output of `null:parameter` is its first parameter,
//! that of `null:transport` what its host says of the transport.
//! Deterministic, so tests of everything above the formats need no plugin.

mod controller;
mod parameters;
mod processor;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, PluginDescription, PluginFormat, ScanFailure};
use plugpen_proto::worker::{Probe, Probed};

use super::{Notices, Opening, Plugin, Values};
use parameters::PARAMETERS;

/// What both halves share.
struct Shared {
    values: Values,
    latency: AtomicU32,
    notices: Arc<Notices>,
}

/// What a plugin plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sound {
    /// Its input, with a gain and a delay.
    Gain,
    /// The normalised value of its gain.
    Parameter,
    /// The transport, one value a channel.
    Transport,
}

impl Sound {
    const ALL: [Self; 3] = [Self::Gain, Self::Parameter, Self::Transport];

    /// As paths have it.
    fn word(self) -> &'static str {
        match self {
            Self::Gain => "gain",
            Self::Parameter => "parameter",
            Self::Transport => "transport",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Gain => "Null Gain",
            Self::Parameter => "Null Parameter",
            Self::Transport => "Null Transport",
        }
    }
}

/// What a `null:` path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variant {
    sound: Sound,
    inputs: u32,
    outputs: u32,
    sidechain: u32,
    /// Frames the whole output is late, reported as latency.
    latency: u32,
}

impl Variant {
    fn parse(path: &str) -> Result<Self, Error> {
        let unknown = |what: &str| {
            Error::new(
                ErrorReason::NotFound,
                format!(
                    "no compatible plugin found for {path}: {what}. The null format has null:gain, \
                     null:parameter and null:transport with the options inputs, outputs, sidechain \
                     and latency (null:gain?latency=64&inputs=1)"
                ),
            )
        };
        let rest = path
            .strip_prefix("null:")
            .ok_or_else(|| unknown("not a null: path"))?;
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        let sound = match name {
            "" => Some(Sound::Gain),
            name => Sound::ALL.into_iter().find(|sound| sound.word() == name),
        };
        let sound = sound.ok_or_else(|| unknown("unknown plugin"))?;
        let mut variant = Self {
            sound,
            inputs: 2,
            outputs: match sound {
                Sound::Transport => processor::SAID,
                Sound::Gain | Sound::Parameter => 2,
            },
            sidechain: 0,
            latency: 0,
        };
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let value: u32 = value.parse().map_err(|_| unknown("not a number"))?;
            let (target, most) = match key {
                "inputs" => (&mut variant.inputs, 64),
                "outputs" => (&mut variant.outputs, 64),
                "sidechain" => (&mut variant.sidechain, 64),
                "latency" => (&mut variant.latency, 1 << 20),
                _ => return Err(unknown("unknown option")),
            };
            *target = value.min(most);
        }
        Ok(variant)
    }
}

/// Loads the null plugin.
///
/// # Errors
/// A path that names none.
pub fn load(opening: &Opening) -> Result<Plugin, Error> {
    let variant = Variant::parse(&opening.options.path)?;
    opening.notices.expect_parameters(PARAMETERS.len());
    let shared = Arc::new(Shared {
        values: Values::new(PARAMETERS.iter().map(|parameter| parameter.default)),
        latency: AtomicU32::new(variant.latency),
        notices: Arc::clone(&opening.notices),
    });
    Ok(Plugin {
        processor: Box::new(processor::NullProcessor::new(
            Arc::clone(&shared),
            &variant,
            opening.options.sample_rate,
        )),
        controller: Box::new(controller::NullController::new(
            shared,
            variant,
            opening.options.clone(),
        )),
    })
}

/// Describes the null plugin for each `null:` path.
pub fn probe(probe: &Probe) -> Probed {
    let mut probed = Probed::default();
    for path in &probe.paths {
        match Variant::parse(path) {
            Ok(variant) => probed.plugins.push(description(path, &variant)),
            Err(error) => probed.failures.push(ScanFailure {
                path: path.clone(),
                reason: error.reason.into(),
                message: error.message,
                death: None,
            }),
        }
    }
    probed
}

fn description(path: &str, variant: &Variant) -> PluginDescription {
    PluginDescription {
        name: variant.sound.title().into(),
        vendor: "plugpen".into(),
        version: plugpen_proto::VERSION.into(),
        format: PluginFormat::Null.into(),
        unique_id: "00000000".into(),
        path: path.into(),
        identifier: format!("null:{}", variant.sound.word()),
        index: 0,
        accepts_midi: false,
        produces_midi: true,
        num_inputs: variant.inputs + variant.sidechain,
        num_outputs: variant.outputs,
        product: "plugpen".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_chooses_the_variant() {
        let variant = Variant::parse("null:gain?latency=64&inputs=1").unwrap();
        assert_eq!(
            (variant.latency, variant.inputs, variant.outputs),
            (64, 1, 2)
        );
        let variant = Variant::parse("null:transport").unwrap();
        assert_eq!((variant.sound, variant.outputs), (Sound::Transport, 8));
        for bad in ["null:fuzz", "null:gain?inputs=x", "null:gain?speed=1"] {
            let error = Variant::parse(bad).unwrap_err();
            assert_eq!(error.reason, ErrorReason::NotFound, "{bad}");
        }
    }
}
