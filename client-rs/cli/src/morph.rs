//! `plugpen morph`: between two presets.

use std::path::PathBuf;

use plugpen::v1::Parameter;
use plugpen::{Error, Plugin};
use serde_json::json;

use crate::context::{Context, Pace};
use crate::output::{Done, Failure, plain, print, print_json, table};
use crate::presets::{load, save};
use crate::which::Which;

/// Interpolate between the parameters of two presets
#[derive(Debug, clap::Args)]
pub struct Morph {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pace: Pace,
    /// Take A from a factory preset [default: 0]
    #[arg(long, value_name = "N", conflicts_with = "a_state")]
    a_program: Option<u32>,
    /// Take B from a factory preset [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "b_state")]
    b_program: Option<u32>,
    /// Take A from a state or preset file
    #[arg(long, value_name = "FILE")]
    a_state: Option<PathBuf>,
    /// Take B from a state or preset file
    #[arg(long, value_name = "FILE")]
    b_state: Option<PathBuf>,
    /// How far from A to B, 0 to 1
    #[arg(short = 't', long, value_name = "T", default_value_t = 0.5)]
    blend: f64,
    /// Set the plugin to the blend, to see what it makes of it
    #[arg(long)]
    apply: bool,
    /// Apply the blend and save the state, as `presets --save` does
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Overwrite the file to save
    #[arg(short = 'y', long)]
    overwrite: bool,
    /// Print a JSON object
    #[arg(short, long)]
    json: bool,
}

impl Morph {
    /// Prints A, B and the blend of every parameter.
    ///
    /// # Errors
    /// A preset that is not there, a blend out of range, and those of `presets`.
    pub fn run(self, context: &Context) -> Done {
        if !(0.0..=1.0).contains(&self.blend) {
            return Err(Failure::Usage(format!(
                "--blend must be in [0, 1], got {}",
                self.blend
            )));
        }
        let plugin = context.open_quietly(&self.which, self.pace)?;
        let a = capture(&plugin, "A", self.a_program.unwrap_or(0), &self.a_state)?;
        let b = capture(&plugin, "B", self.b_program.unwrap_or(1), &self.b_state)?;
        let t = self.blend;
        let blend: Vec<_> = a.iter().zip(&b).map(|(a, b)| a + (b - a) * t).collect();
        let mut result = blend.clone();
        if self.apply || self.save.is_some() {
            let values: Vec<_> = (0..).zip(blend.iter().copied()).collect();
            plugin.set_params(&values)?;
            result = plugin.get_params()?;
        }
        if let Some(file) = &self.save {
            save(&plugin, file, self.overwrite)?;
        }
        if self.json {
            let rows = a.iter().zip(&b).zip(&result).enumerate();
            let rows = rows.map(
                |(index, ((a, b), blend))| json!({"index": index, "a": a, "b": b, "blend": blend}),
            );
            return print_json(&json!({
                "blend": t,
                "num_params": a.len(),
                "params": rows.collect::<Vec<_>>(),
            }));
        }
        let names = plugin.param_descriptions()?;
        let mut text = table(&rows(&names, &a, &b, &result));
        if let Some(file) = &self.save {
            text.push_str(&format!("Saved to {}\n", file.display()));
        }
        print(&text)
    }
}

/// The values of all parameters with a preset.
fn capture(
    plugin: &Plugin,
    side: &str,
    program: u32,
    state: &Option<PathBuf>,
) -> Result<Vec<f64>, Failure> {
    match state {
        Some(file) => load(plugin, file)?,
        None if program >= plugin.num_programs() => {
            let flag = side.to_ascii_lowercase();
            return Err(Failure::Client(Error::invalid(format!(
                "{side} is to be factory preset {program}, and the plugin has {}; take another (--{flag}-program) or a file (--{flag}-state)",
                plugin.num_programs()
            ))));
        }
        None => plugin.set_program(program)?,
    }
    Ok(plugin.get_params()?)
}

fn rows(names: &[Parameter], a: &[f64], b: &[f64], blend: &[f64]) -> Vec<Vec<String>> {
    let mut rows = vec![
        ["idx", "name", "A", "B", "blend"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (index, ((a, b), blend)) in a.iter().zip(b).zip(blend).enumerate() {
        let name = names.get(index).map(|parameter| plain(&parameter.name));
        rows.push(vec![
            index.to_string(),
            name.unwrap_or_default(),
            format!("{a:.4}"),
            format!("{b:.4}"),
            format!("{blend:.4}"),
        ]);
    }
    rows
}
