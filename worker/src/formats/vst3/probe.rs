//! Metadata: the factory's list, and each plugin's buses, for which it is created.

use std::path::Path;
use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, PluginDescription, PluginFormat, ScanFailure};
use plugpen_proto::worker::{Probe, Probed};

use super::buses::Buses;
use super::classes::Class;
use super::host::Host;
use super::instance::{Instance, terminate};
use super::module::Module;
use super::{bundle, not_there};
use crate::formats::{Notices, count};

/// Describes all plugins of the modules a probe names.
///
/// # Errors
/// None of its own; what is wrong with a module is a failure in the answer.
pub fn probe(probe: &Probe) -> Result<Probed, Error> {
    let mut probed = Probed::default();
    if probe.paths.is_empty() {
        return Ok(probed);
    }
    let host = Host::new(Arc::new(Notices::new())).ok_or_else(not_there)?;
    for path in &probe.paths {
        let path = Path::new(path);
        let module = bundle::library(path).and_then(|library| Module::load(&library, &host));
        match module {
            Ok(module) => describe_all(path, &module, &host, probe, &mut probed),
            Err(error) => probed.failures.push(failure(path, error)),
        }
    }
    Ok(probed)
}

fn describe_all(path: &Path, module: &Module, host: &Host, probe: &Probe, probed: &mut Probed) {
    if module.classes.is_empty() {
        let error = Error::new(
            ErrorReason::PluginRefused,
            format!("{} names no audio class", path.display()),
        );
        probed.failures.push(failure(path, error));
    }
    for (class, index) in module.classes.iter().zip(0..) {
        if !probe.identifier.is_empty() && class.id.to_string() != probe.identifier {
            continue;
        }
        if probe.search {
            probed.plugins.push(listed(path, class, index));
            continue;
        }
        match Instance::component(module, class, host) {
            Ok(plug) => {
                let buses = Buses::read(&plug.component);
                terminate(&plug.component);
                match buses {
                    Ok(buses) => {
                        let described = describe(path, class, index, &buses);
                        probed.plugins.push(described);
                    }
                    Err(error) => probed.failures.push(failure(path, error)),
                }
            }
            Err(error) => probed.failures.push(failure(path, error)),
        }
    }
}

/// What a factory and a component say of one plugin.
pub fn describe(path: &Path, class: &Class, index: usize, buses: &Buses) -> PluginDescription {
    let (num_inputs, num_outputs) = buses.default_channels();
    PluginDescription {
        num_inputs,
        num_outputs,
        ..listed(path, class, index)
    }
}

/// What a factory alone says, with nothing of the plugin made.
fn listed(path: &Path, class: &Class, index: usize) -> PluginDescription {
    PluginDescription {
        name: class.name.clone(),
        vendor: class.vendor.clone(),
        version: class.version.clone(),
        format: PluginFormat::Vst3.into(),
        unique_id: class.id.unique_id(),
        path: path.display().to_string(),
        identifier: class.id.to_string(),
        index: count(index),
        accepts_midi: class.is_instrument(),
        product: product(path),
        ..PluginDescription::default()
    }
}

/// The module's name, which the file has: factories do not say it.
fn product(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn failure(path: &Path, error: Error) -> ScanFailure {
    ScanFailure {
        path: path.display().to_string(),
        reason: error.reason.into(),
        message: error.message,
        death: None,
    }
}
