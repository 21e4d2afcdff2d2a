//! Chains of plugins, as `--chain` describes them.

use std::path::Path;

use plugpen::{Error, OpenOptions, Plugin, Server};
use serde::Deserialize;

use crate::context::Context;
use crate::output::Failure;
use crate::setup::Setup;
use crate::which::{self, Place, Which};

/// Plugins one after the other.
#[derive(Debug, Clone)]
pub struct ChainSpec {
    stages: Vec<Stage>,
}

#[derive(Debug, Clone)]
struct Stage {
    place: Place,
    setup: Setup,
    /// How much of its output is heard, 0 to 1.
    mix: Option<f64>,
}

/// The file: `{"plugins": [{"path": "MVerb", "params": {"Mix": 0.3}}]}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    plugins: Vec<WrittenStage>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStage {
    path: String,
    #[serde(default)]
    plugin: String,
    #[serde(default)]
    params: serde_json::Map<String, serde_json::Value>,
    preset: Option<u32>,
    state: Option<String>,
    vstpreset: Option<String>,
    mix: Option<f64>,
}

impl ChainSpec {
    /// What a command line asks for: the chain of `--chain`, or else the plugin that is named
    /// first, set as the options say. Returns the names that are left, too.
    ///
    /// # Errors
    /// Both a chain and what is for one plugin, or neither; it is not found.
    pub fn choose<'a>(
        server: &Server,
        chain: Option<&str>,
        selector: &str,
        setup: &Setup,
        names: &'a [String],
    ) -> Result<(Self, &'a [String]), Failure> {
        if let Some(chain) = chain {
            if setup.is_anything() || !selector.is_empty() {
                let why = "with --chain its description says how plugins are set; leave --state, --vstpreset, --preset, --param, --param-file and --plugin out";
                return Err(Failure::Usage(why.into()));
            }
            return Ok((Self::read(server, chain)?, names));
        }
        let Some((name, rest)) = names.split_first() else {
            return Err(Failure::Usage("name a plugin, or give --chain".into()));
        };
        let which = Which {
            name: name.clone(),
            selector: selector.to_owned(),
        };
        let stage = Stage {
            place: which::find(server, &which)?,
            setup: setup.clone(),
            mix: None,
        };
        let stages = vec![stage];
        Ok((Self { stages }, rest))
    }

    /// A JSON file, or plugins with bars between them: `ZamComp | MVerb`.
    ///
    /// # Errors
    /// The file is of another form; a plugin is not found.
    pub fn read(server: &Server, text: &str) -> Result<Self, Failure> {
        let file = Path::new(text);
        let written = match file.is_file() {
            true => parse(file)?,
            false => Written {
                plugins: text.split('|').map(named).collect(),
            },
        };
        if written.plugins.is_empty() {
            return Err(invalid(text, "it names no plugin"));
        }
        let folder = file.parent().filter(|_| file.is_file());
        let stages = written.plugins.into_iter();
        let stages = stages.map(|stage| stage.find(server, text, folder));
        Ok(Self {
            stages: stages.collect::<Result<_, _>>()?,
        })
    }

    /// Opens all plugins and sets them; with the mix of each.
    ///
    /// # Errors
    /// One does not open or cannot be set so.
    pub fn open(
        &self,
        context: &Context,
        options: &OpenOptions,
    ) -> Result<Vec<(Plugin, Option<f64>)>, Failure> {
        let mut plugins = Vec::new();
        for (index, stage) in self.stages.iter().enumerate() {
            let options = OpenOptions {
                selector: stage.place.selector.clone(),
                // A sidechain is the first one's.
                sidechain_channels: match index {
                    0 => options.sidechain_channels,
                    _ => 0,
                },
                ..options.clone()
            };
            let plugin = context.open_at(&stage.place.path, options)?;
            stage.setup.apply(&plugin)?;
            plugins.push((plugin, stage.mix));
        }
        Ok(plugins)
    }
}

fn named(text: &str) -> WrittenStage {
    WrittenStage {
        path: text.trim().into(),
        plugin: String::new(),
        params: serde_json::Map::new(),
        preset: None,
        state: None,
        vstpreset: None,
        mix: None,
    }
}

fn parse(file: &Path) -> Result<Written, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::file(file, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let form =
            "expected JSON: {\"plugins\": [{\"path\": \"MVerb\", \"params\": {\"Mix\": 0.3}}]}";
        invalid(&file.display().to_string(), &format!("{error}; {form}"))
    })
}

fn invalid(text: &str, why: &str) -> Failure {
    Failure::Client(Error::invalid(format!("the chain {text:?}: {why}")))
}

impl WrittenStage {
    fn find(self, server: &Server, text: &str, folder: Option<&Path>) -> Result<Stage, Failure> {
        let sources = [
            self.preset.is_some(),
            self.state.is_some(),
            self.vstpreset.is_some(),
        ];
        if sources.into_iter().filter(|is_set| *is_set).count() > 1 {
            let why = format!(
                "{}: use at most one of preset, state and vstpreset",
                self.path
            );
            return Err(invalid(text, &why));
        }
        let beside = |name: String| folder.unwrap_or(Path::new("")).join(name);
        let param = self.params.into_iter().map(|(name, value)| match value {
            serde_json::Value::Number(number) => Ok(format!("{name}:{number}")),
            serde_json::Value::String(shown) => Ok(format!("{name}:{shown}")),
            other => {
                let why = format!("{name:?} is {other}; expected a number or a text");
                Err(invalid(text, &why))
            }
        });
        let which = Which {
            name: self.path,
            selector: self.plugin,
        };
        Ok(Stage {
            setup: Setup {
                state: self.state.map(beside),
                vstpreset: self.vstpreset.map(beside),
                preset: self.preset,
                param: param.collect::<Result<_, _>>()?,
                param_file: None,
            },
            place: which::find(server, &which)?,
            mix: self.mix,
        })
    }
}
