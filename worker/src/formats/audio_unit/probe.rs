//! Metadata. Making a unit runs its code, so each bundle is probed in a worker of its own.

use std::path::Path;

use plugpen_proto::Error;
use plugpen_proto::v1::{PluginDescription, PluginFormat, ScanFailure};
use plugpen_proto::worker::{Probe, Probed};

use super::abi::{kind, property, scope};
use super::buses;
use super::components::{self, Codes, Component};
use super::foundation;
use super::instance::Instance;
use super::toolbox::Toolbox;

/// Describes the units of the bundles a probe names.
///
/// # Errors
/// This system has no AudioToolbox. What is wrong with a bundle is a failure in the answer.
pub fn probe(probe: &Probe) -> Result<Probed, Error> {
    let mut probed = Probed::default();
    if probe.paths.is_empty() {
        Toolbox::load(Path::new(""))?;
    }
    for bundle in probe.paths.iter().map(Path::new) {
        if let Err(error) = describe_all(bundle, probe, &mut probed) {
            probed.failures.push(failure(bundle, error));
        }
    }
    Ok(probed)
}

fn failure(bundle: &Path, error: Error) -> ScanFailure {
    ScanFailure {
        path: bundle.display().to_string(),
        reason: error.reason.into(),
        message: error.message,
        death: None,
    }
}

fn describe_all(bundle: &Path, probe: &Probe, probed: &mut Probed) -> Result<(), Error> {
    let toolbox = Toolbox::load(bundle)?;
    let path = bundle.display().to_string();
    let is_wanted = |component: &Component| {
        probe.identifier.is_empty() || Codes::parse(&probe.identifier) == Some(component.codes)
    };
    for component in components::declared(toolbox, bundle)? {
        let made = match component {
            Ok(component) if !is_wanted(&component) => continue,
            Ok(component) if probe.search => Ok(describe_unmade(&component, &path)),
            Ok(component) => Instance::new(&component).map(|instance| {
                let described = describe(&component, &instance, &path);
                // What was asked for is known: one that dies in its end must not take it along.
                std::mem::forget(instance);
                described
            }),
            Err(error) => Err(error),
        };
        match made {
            Ok(described) => probed.plugins.push(described),
            Err(error) => probed.failures.push(failure(bundle, error)),
        }
    }
    Ok(())
}

/// What AudioToolbox and the unit itself say.
pub fn describe(component: &Component, instance: &Instance, path: &str) -> PluginDescription {
    let main = |scope| {
        let count: Option<u32> = instance.get(property::ELEMENT_COUNT, scope, 0);
        let has_bus = count.unwrap_or(0) > 0;
        buses::channels(instance, scope, 0)
            .filter(|_| has_bus)
            .unwrap_or(0)
    };
    PluginDescription {
        produces_midi: produces_midi(instance),
        num_inputs: main(scope::INPUT),
        num_outputs: main(scope::OUTPUT),
        ..describe_unmade(component, path)
    }
}

/// What AudioToolbox says.
fn describe_unmade(component: &Component, path: &str) -> PluginDescription {
    let codes = component.codes;
    PluginDescription {
        name: component.name.clone(),
        vendor: component.vendor.clone(),
        version: component.version.clone(),
        format: PluginFormat::AudioUnit.into(),
        unique_id: unique_id(codes),
        path: path.to_owned(),
        identifier: codes.to_string(),
        index: component.index,
        accepts_midi: codes.kind == kind::INSTRUMENT,
        product: component.name.clone(),
        ..PluginDescription::default()
    }
}

/// Whether the unit has outputs for MIDI.
pub fn produces_midi(instance: &Instance) -> bool {
    let names = instance.object(property::MIDI_OUTPUT_CALLBACK_INFO, scope::GLOBAL, 0);
    // SAFETY: `names` is alive.
    names.is_some_and(|names| unsafe {
        !foundation::elements(instance.toolbox(), names.get()).is_empty()
    })
}

/// The three codes, one over the other, as eight hex digits.
fn unique_id(codes: Codes) -> String {
    format!("{:08X}", codes.kind ^ codes.subtype ^ codes.manufacturer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_made_of_the_codes() {
        let codes = Codes::parse("aufx:dely:appl").unwrap();
        let number = 0x6175_6678 ^ 0x6465_6c79 ^ 0x6170_706c;
        assert_eq!(unique_id(codes), format!("{number:08X}"));
    }
}
