//! Metadata. Making a unit runs its code, so each bundle is probed in a worker of its own.

use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::v1::{PluginDescription, PluginFormat, ScanFailure};
use plugpen_proto::worker::{Probe, Probed};

use super::abi::{kind, property, scope};
use super::buses;
use super::components::{self, Codes, Component};
use super::foundation;
use super::instance::Instance;
use super::toolbox::Toolbox;

/// Describes all units of the bundles a probe names or finds.
///
/// # Errors
/// This system has no AudioToolbox. What is wrong with a bundle is a failure in the answer.
pub fn probe(probe: &Probe) -> Result<Probed, Error> {
    let mut probed = Probed::default();
    if probe.paths.is_empty() {
        Toolbox::load(Path::new(""))?;
    }
    let mut bundles: Vec<PathBuf> = probe.paths.iter().map(PathBuf::from).collect();
    if probe.search {
        bundles = bundles.iter().flat_map(|folder| below(folder)).collect();
    }
    for bundle in bundles {
        if let Err(error) = describe_all(&bundle, &probe.identifier, &mut probed) {
            probed.failures.push(ScanFailure {
                path: bundle.display().to_string(),
                reason: error.reason.into(),
                message: error.message,
            });
        }
    }
    Ok(probed)
}

/// The component bundles directly in a folder, where macOS looks for them.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "component")
        })
        .collect();
    found.sort();
    found
}

fn describe_all(bundle: &Path, identifier: &str, probed: &mut Probed) -> Result<(), Error> {
    let toolbox = Toolbox::load(bundle)?;
    let wanted = Codes::parse(identifier);
    for component in components::declared(toolbox, bundle)? {
        if wanted.is_some_and(|wanted| wanted != component.codes) {
            continue;
        }
        match Instance::new(&component) {
            Ok(instance) => {
                let described = describe(&component, &instance, &bundle.display().to_string());
                probed.plugins.push(described);
            }
            Err(error) => probed.failures.push(ScanFailure {
                path: bundle.display().to_string(),
                reason: error.reason.into(),
                message: error.message,
            }),
        }
    }
    Ok(())
}

/// What AudioToolbox and the unit itself say.
pub fn describe(component: &Component, instance: &Instance, path: &str) -> PluginDescription {
    let codes = component.codes;
    let main = |scope| {
        let count: Option<u32> = instance.get(property::ELEMENT_COUNT, scope, 0);
        let has_bus = count.unwrap_or(0) > 0;
        buses::channels(instance, scope, 0)
            .filter(|_| has_bus)
            .unwrap_or(0)
    };
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
        produces_midi: produces_midi(instance),
        num_inputs: main(scope::INPUT),
        num_outputs: main(scope::OUTPUT),
        product: component.name.clone(),
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
