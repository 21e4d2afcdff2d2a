//! Metadata of a file's plugins. There is no other way than to load them, so whoever asks for it
//! gives each file a process of its own.

use std::path::Path;
use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::{PluginDescription, PluginFormat, ScanFailure};
use plugpen_proto::worker::{Probe, Probed};

use super::abi::{effect, flags};
use super::entry::{self, Content, File, Opened, ShellPlugin};
use super::host::Host;
use super::instance::Instance;
use crate::formats::{Notices, count};

/// Rate and block size that plugins are told where nothing is played.
const RATE: f64 = 48_000.0;
const BLOCK: u32 = 512;

/// Describes the plugins of the files that a probe names. What is wrong with a file is a failure
/// in the answer.
pub fn probe(probe: &Probe) -> Probed {
    let mut probed = Probed::default();
    for path in &probe.paths {
        if let Err(error) = describe_file(Path::new(path), probe, &mut probed) {
            probed.failures.push(failure(path, error));
        }
    }
    probed
}

fn failure(path: &str, error: Error) -> ScanFailure {
    ScanFailure {
        path: path.to_owned(),
        reason: error.reason.into(),
        message: error.message,
        death: None,
    }
}

fn describe_file(path: &Path, probe: &Probe, probed: &mut Probed) -> Result<(), Error> {
    let file = File::load(path)?;
    let host = Host::new(path, RATE, BLOCK, false, Arc::new(Notices::new()));
    if !probe.identifier.is_empty() {
        probed
            .plugins
            .push(describe_and_keep(file.open(host, &probe.identifier)?, path));
        return Ok(());
    }
    match file.look(host)? {
        Content::Plugin(instance) => {
            let opened = Opened {
                instance,
                shell: None,
            };
            probed.plugins.push(describe_and_keep(opened, path));
        }
        Content::Shell(shell, plugins) if probe.search => {
            let listed = plugins
                .iter()
                .map(|plugin| describe_unopened(&shell, plugin, path));
            probed.plugins.extend(listed);
            std::mem::forget(shell);
        }
        Content::Shell(shell, plugins) => {
            // Some shells have to go before their plugins come.
            drop(shell);
            for plugin in plugins {
                let name = plugin.name.clone();
                match file.open_one(host, plugin) {
                    Ok(opened) => probed.plugins.push(describe_and_keep(opened, path)),
                    Err(mut error) => {
                        error.message = format!("\"{name}\": {}", error.message);
                        probed
                            .failures
                            .push(failure(&path.to_string_lossy(), error));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Describes a plugin and leaves it open: what was asked for is known, and one that dies in its
/// end must not take the answer with it.
fn describe_and_keep(opened: Opened, path: &Path) -> PluginDescription {
    let described = describe(&opened, path);
    std::mem::forget(opened.instance);
    described
}

/// What an opened plugin says of itself.
pub fn describe(opened: &Opened, path: &Path) -> PluginDescription {
    let instance = &opened.instance;
    let channels = instance.channels();
    let shell = opened.shell.as_ref();
    let name = entry::name_of(instance)
        .or_else(|| shell.map(|plugin| plugin.name.clone()))
        .unwrap_or_else(|| stem(path));
    let common = common(instance, path);
    let product = match common.product.is_empty() {
        true => name.clone(),
        false => common.product.clone(),
    };
    PluginDescription {
        name,
        product,
        unique_id: format!("{:08X}", instance.unique_id()),
        identifier: shell.map_or(String::new(), |plugin| entry::identifier(plugin.id)),
        index: shell.map_or(0, |plugin| plugin.index),
        accepts_midi: instance.has_flag(flags::IS_SYNTH),
        num_inputs: count(channels.inputs),
        num_outputs: count(channels.outputs),
        ..common
    }
}

/// What a shell says of one of its plugins, which is not opened for more: it may die in that.
fn describe_unopened(shell: &Instance, plugin: &ShellPlugin, path: &Path) -> PluginDescription {
    PluginDescription {
        name: plugin.name.clone(),
        unique_id: entry::identifier(plugin.id),
        identifier: entry::identifier(plugin.id),
        index: plugin.index,
        ..common(shell, path)
    }
}

fn common(instance: &Instance, path: &Path) -> PluginDescription {
    PluginDescription {
        vendor: instance.text(effect::GET_VENDOR, 0, 0).1,
        version: version(
            instance.ask(effect::GET_VENDOR_VERSION, 0, 0, 0.0),
            instance.version(),
        ),
        format: PluginFormat::Vst2.into(),
        path: path.display().to_string(),
        product: instance.text(effect::GET_PRODUCT, 0, 0).1,
        ..PluginDescription::default()
    }
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The vendor's version, or else the effect's, with dots: of small numbers the digits, of others
/// the bytes, which are the two ways in use.
fn version(vendor: isize, effect: i32) -> String {
    const FOUR_DIGITS: u32 = 9999;
    let number = match u32::try_from(vendor) {
        Ok(number) if number > 0 => number,
        _ => effect.cast_unsigned(),
    };
    let parts: Vec<String> = if number <= FOUR_DIGITS {
        number.to_string().chars().map(String::from).collect()
    } else {
        let bytes = number.to_be_bytes();
        let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
        bytes[first..].iter().map(u8::to_string).collect()
    };
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_dots() {
        assert_eq!(version(1230, 0), "1.2.3.0");
        assert_eq!(version(0x01_02_0a, 0), "1.2.10");
        assert_eq!((version(0, 42), version(-1, 7)), ("4.2".into(), "7".into()));
    }
}
