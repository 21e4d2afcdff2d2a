//! `plugpen presets`: factory presets, and preset files.

use std::path::{Path, PathBuf};

use plugpen::v1::PluginFormat;
use plugpen::{Plugin, load_vst2preset, load_vstpreset};
use serde_json::json;

use crate::context::{Context, Pace};
use crate::output::{Done, Failure, plain, print, print_json, write_new};
use crate::which::Which;

/// List a plugin's factory presets, or save a preset file
#[derive(Debug, clap::Args)]
pub struct Presets {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pace: Pace,
    /// Select a factory preset first
    #[arg(long, value_name = "N")]
    program: Option<u32>,
    /// Load a state first: a state, .vstpreset, .fxp or .fxb file
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Load a .vstpreset file first
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    load_vstpreset: Option<PathBuf>,
    /// Save the plugin's state: .vstpreset for a VST3, .fxp (the program) or .fxb (the bank) for a
    /// VST2, any other name for the state as it is
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Overwrite the file to save
    #[arg(short = 'y', long)]
    overwrite: bool,
    /// Print a JSON object
    #[arg(short, long)]
    json: bool,
}

impl Presets {
    /// Lists the programs; with `--save` writes a file and says so.
    ///
    /// # Errors
    /// The plugin does not open or refuses a preset; a file is there already or cannot be written.
    pub fn run(self, context: &Context) -> Done {
        let plugin = context.open_quietly(&self.which, self.pace)?;
        if let Some(file) = self.state.as_ref().or(self.load_vstpreset.as_ref()) {
            load(&plugin, file)?;
        }
        if let Some(program) = self.program {
            plugin.set_program(program)?;
        }
        if let Some(file) = &self.save {
            let bytes = save(&plugin, file, self.overwrite)?;
            if !self.json {
                return print(&format!("Saved {bytes} bytes to {}\n", file.display()));
            }
        }
        let names = plugin.program_names()?;
        let current = match names.is_empty() {
            true => None,
            false => usize::try_from(plugin.program()?).ok(),
        };
        if self.json {
            let presets = names.iter().enumerate().map(|(index, name)| {
                json!({"index": index, "name": name, "is_current": Some(index) == current})
            });
            return print_json(&json!({
                "count": names.len(),
                "presets": presets.collect::<Vec<_>>(),
                "saved": self.save,
            }));
        }
        let mut text = format!("Factory presets: {}\n", names.len());
        for (index, name) in names.iter().enumerate() {
            let mark = if Some(index) == current {
                " (current)"
            } else {
                ""
            };
            text.push_str(&format!("  [{index}] {}{mark}\n", plain(name)));
        }
        print(&text)
    }
}

/// Loads a state or preset file into a plugin.
///
/// # Errors
/// It cannot be read, or the plugin does not take it.
pub fn load(plugin: &Plugin, file: &Path) -> Done {
    match ending(file).as_str() {
        "vstpreset" => load_vstpreset(file, plugin)?,
        "fxp" | "fxb" => load_vst2preset(file, plugin)?,
        _ => {
            let state = std::fs::read(file).map_err(|error| Failure::file(file, &error))?;
            plugin.set_state(&state)?;
        }
    }
    Ok(())
}

/// A file's ending, in lower case.
fn ending(file: &Path) -> String {
    let ending = file.extension().and_then(|ending| ending.to_str());
    ending.unwrap_or_default().to_ascii_lowercase()
}

/// Saves what a file's ending asks for; returns its bytes.
///
/// # Errors
/// The plugin has no such preset; the file is there already or cannot be written.
pub fn save(plugin: &Plugin, file: &Path, overwrite: bool) -> Result<usize, Failure> {
    let ending = ending(file);
    let format = plugin.description().format();
    let belongs_to = |wanted: PluginFormat, name: &str| match format == wanted {
        true => Ok(()),
        false => Err(plugpen::Error::invalid(format!(
            "a .{ending} file holds a preset of a {name}; for this plugin give a file another ending, it will hold its state"
        ))),
    };
    let state = match ending.as_str() {
        "vstpreset" => {
            belongs_to(PluginFormat::Vst3, "VST3")?;
            plugin.get_state()?
        }
        "fxb" => {
            belongs_to(PluginFormat::Vst2, "VST2")?;
            plugin.get_state()?
        }
        "fxp" => {
            belongs_to(PluginFormat::Vst2, "VST2")?;
            plugin.get_program_state()?
        }
        _ => plugin.get_state()?,
    };
    write_new(file, &state, overwrite)?;
    Ok(state.len())
}
