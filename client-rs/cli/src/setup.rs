//! How a plugin is set before it plays.

use std::path::{Path, PathBuf};

use plugpen::{AutomationTimes, Plugin, parse_automation_file, parse_param_arg};

use crate::output::{Done, Failure};
use crate::presets::load;

/// What to set.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Setup {
    /// Load a state, .vstpreset, .fxp or .fxb file
    #[arg(short, long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Load a .vstpreset file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["state", "preset"])]
    pub vstpreset: Option<PathBuf>,
    /// Select a factory preset
    #[arg(short, long, value_name = "N", conflicts_with = "state")]
    pub preset: Option<u32>,
    /// Set a parameter: NAME:VALUE, 0 to 1 or a text that the plugin reads; may be repeated
    #[arg(long, value_name = "NAME:VALUE")]
    pub param: Vec<String>,
    /// Automate parameters by a JSON file: {"Mix": 0.5, "Gain": {"0": 0, "1.5s": 0.7, "50%": 1}}
    #[arg(long, value_name = "FILE")]
    pub param_file: Option<PathBuf>,
}

impl Setup {
    /// Sets the plugin: a preset first, then parameters.
    ///
    /// # Errors
    /// A file cannot be read, the plugin refuses it, there is no such preset or parameter.
    pub fn apply(&self, plugin: &Plugin) -> Done {
        if let Some(file) = self.state.as_ref().or(self.vstpreset.as_ref()) {
            load(plugin, file)?;
        }
        if let Some(program) = self.preset {
            plugin.set_program(program)?;
        }
        self.parameters(plugin)
    }

    /// Sets the parameters only.
    ///
    /// # Errors
    /// There is no such parameter.
    pub fn parameters(&self, plugin: &Plugin) -> Done {
        for text in &self.param {
            let (index, value) = parse_param_arg(text, plugin)?;
            plugin.set_param(index, value)?;
        }
        Ok(())
    }

    /// The changes of the automation file: frames from the start, index and value.
    ///
    /// # Errors
    /// The file cannot be read or names no parameter of the plugin.
    pub fn automation(
        &self,
        plugin: &Plugin,
        times: &AutomationTimes,
    ) -> Result<Vec<(u64, u32, f64)>, Failure> {
        let Some(file) = &self.param_file else {
            return Ok(Vec::new());
        };
        changes(file, plugin, times)
    }

    /// Whether anything is to be set, which a chain's own description would leave open.
    pub fn is_anything(&self) -> bool {
        self.state.is_some()
            || self.vstpreset.is_some()
            || self.preset.is_some()
            || self.param_file.is_some()
            || !self.param.is_empty()
    }
}

fn changes(
    file: &Path,
    plugin: &Plugin,
    times: &AutomationTimes,
) -> Result<Vec<(u64, u32, f64)>, Failure> {
    let changes = parse_automation_file(file, plugin, times)?;
    let change = changes.into_iter().map(|change| {
        // What lies before the start has happened when it begins.
        let offset = u64::try_from(change.offset).unwrap_or(0);
        (offset, change.parameter, change.value.clamp(0.0, 1.0))
    });
    Ok(change.collect())
}
