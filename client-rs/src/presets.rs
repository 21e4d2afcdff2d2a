//! Preset files: `.vstpreset` of VST3 plugins, `.fxp` and `.fxb` of VST2 plugins.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use plugpen_engine::{module_class_id, write_file};
use plugpen_proto::fxb;
use plugpen_proto::juce_state::JuceState;
use plugpen_proto::limits::MAX_STATE;
use plugpen_proto::v1::{ErrorReason, PluginFormat};
use plugpen_proto::vstpreset::VstPreset;

use crate::error::{Error, Result};
use crate::plugin::Plugin;

/// Room for what stands around a state in a file.
const AROUND: usize = 64 * 1024;

/// Reads a `.vstpreset` file.
///
/// # Errors
/// `NotFound` if it cannot be opened, `LimitReached` above 64 MiB, `InvalidInput` if it is not one.
pub fn read_vstpreset(path: impl AsRef<Path>) -> Result<VstPreset> {
    VstPreset::read(&read(path.as_ref())?)
}

/// Writes a `.vstpreset` file; an existing one is replaced.
///
/// # Errors
/// `InvalidInput` for a class id that is not 32 printable characters, `NotAllowed` if the file
/// cannot be written.
pub fn write_vstpreset(path: impl AsRef<Path>, preset: &VstPreset) -> Result<()> {
    write(path.as_ref(), &preset.write()?)
}

/// Loads a `.vstpreset` file into a VST3 plugin: the processor's state and the controller's.
///
/// # Errors
/// As [`read_vstpreset`]; `InvalidInput` for a plugin of another format or another class, and for
/// a file without a processor's state; those of [`Plugin::set_state`].
pub fn load_vstpreset(path: impl AsRef<Path>, plugin: &Plugin) -> Result<()> {
    let path = path.as_ref();
    need(plugin, PluginFormat::Vst3, "a .vstpreset file", path)?;
    let file = read(path)?;
    match VstPreset::read(&file)?.component_state {
        // Some hosts put a JUCE host's whole state where the processor's belongs.
        Some(state) if JuceState::is_one(&state) => plugin.set_state(&state),
        Some(_) => plugin.set_state(&file),
        None => Err(Error::invalid(format!(
            "Preset file has no component state ('Comp' chunk): {}",
            path.display()
        ))),
    }
}

/// Saves a VST3 plugin's state as a `.vstpreset` file; an existing one is replaced.
///
/// # Errors
/// `InvalidInput` for a plugin of another format or without a state, `NotAllowed` if the file
/// cannot be written; those of [`Plugin::get_state`].
pub fn save_vstpreset(path: impl AsRef<Path>, plugin: &Plugin) -> Result<()> {
    let path = path.as_ref();
    need(plugin, PluginFormat::Vst3, "a .vstpreset file", path)?;
    save(path, &plugin.get_state()?)
}

/// The class id, 32 hex digits in upper case, of the first plugin of a VST3 bundle, as its
/// `Contents/Resources/moduleinfo.json` says it.
///
/// # Errors
/// `InvalidInput` if the bundle has no such file, as older ones do, or it cannot be read.
pub fn read_class_id_from_bundle(bundle: impl AsRef<Path>) -> Result<String> {
    let bundle = bundle.as_ref();
    let path = bundle.join("Contents/Resources/moduleinfo.json");
    let file = read(&path).map_err(|error| {
        Error::invalid(format!(
            "the class id of {} is not known: {}. Bundles from before VST 3.7.5 do not say it; \
             open the plugin and save its state instead.",
            bundle.display(),
            error.message
        ))
    })?;
    module_class_id(&file)
        .map_err(|error| Error::invalid(format!("{}: {}", path.display(), error.message)))
}

/// Reads a `.fxp` or `.fxb` file.
///
/// # Errors
/// `NotFound` if it cannot be opened, `LimitReached` above 64 MiB, `InvalidInput` if it is neither.
pub fn read_vst2preset(path: impl AsRef<Path>) -> Result<fxb::File> {
    fxb::File::read(&read(path.as_ref())?)
}

/// Loads a `.fxp` file into the current program of a VST2 plugin, or a `.fxb` file into its bank.
/// What it is is told by its content.
///
/// # Errors
/// As [`read_vst2preset`]; `InvalidInput` for a plugin of another format, or whose number is
/// another; those of [`Plugin::set_state`].
pub fn load_vst2preset(path: impl AsRef<Path>, plugin: &Plugin) -> Result<()> {
    let path = path.as_ref();
    need(plugin, PluginFormat::Vst2, "a VST2 preset", path)?;
    let file = read(path)?;
    match fxb::File::read(&file)? {
        fxb::File::Program(_) => plugin.set_program_state(&file),
        fxb::File::Bank(_) => plugin.set_state(&file),
    }
}

/// Saves the current program of a VST2 plugin as a `.fxp` file, or all of them as a `.fxb` file;
/// the extension says which. An existing file is replaced.
///
/// # Errors
/// `InvalidInput` for a plugin of another format or another extension, `NotAllowed` if the file
/// cannot be written; those of [`Plugin::get_state`].
pub fn save_vst2preset(path: impl AsRef<Path>, plugin: &Plugin) -> Result<()> {
    let path = path.as_ref();
    need(plugin, PluginFormat::Vst2, "a VST2 preset", path)?;
    let extension = path.extension().unwrap_or_default();
    if extension.eq_ignore_ascii_case("fxp") {
        save(path, &plugin.get_program_state()?)
    } else if extension.eq_ignore_ascii_case("fxb") {
        save(path, &plugin.get_state()?)
    } else {
        Err(Error::invalid(format!(
            "the extension of {} must be .fxp (the current program) or .fxb (all of them)",
            path.display()
        )))
    }
}

fn need(plugin: &Plugin, format: PluginFormat, what: &str, path: &Path) -> Result<()> {
    let description = plugin.description();
    if description.format() == format {
        return Ok(());
    }
    let name = |format: PluginFormat| {
        let name = format.as_str_name();
        name.strip_prefix("PLUGIN_FORMAT_").unwrap_or(name)
    };
    Err(Error::invalid(format!(
        "{} is {what}, which a {} plugin has; {} is a {} plugin",
        path.display(),
        name(format),
        description.name,
        name(description.format())
    )))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = |error: std::io::Error| {
        let message = match error.kind() {
            ErrorKind::NotFound => format!("Preset file not found: {}", path.display()),
            _ => format!("cannot read {}: {error}", path.display()),
        };
        Error::new(ErrorReason::NotFound, message)
    };
    let limit = MAX_STATE + AROUND;
    let mut file = Vec::new();
    File::open(path)
        .map_err(cannot)?
        .take(u64::try_from(limit + 1).unwrap_or(u64::MAX))
        .read_to_end(&mut file)
        .map_err(cannot)?;
    if file.len() > limit {
        return Err(Error::new(
            ErrorReason::LimitReached,
            format!(
                "{} is larger than {limit} bytes, the most that is read",
                path.display()
            ),
        ));
    }
    Ok(file)
}

fn save(path: &Path, state: &[u8]) -> Result<()> {
    match state {
        [] => Err(Error::invalid(format!(
            "there is nothing to save in {}: the plugin has no state",
            path.display()
        ))),
        state => write(path, state),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_file(path, bytes).map_err(|error| {
        Error::new(
            ErrorReason::NotAllowed,
            format!("cannot write {}: {error}", path.display()),
        )
    })
}
