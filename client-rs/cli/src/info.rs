//! `plugpen info`: everything about one plugin.

use std::fmt::Write;

use plugpen::v1::{Bus, Parameter};
use plugpen::{OpenOptions, Plugin, Server};
use serde_json::{Value, json};

use crate::describe::{description, format_name};
use crate::output::{Done, Failure, Paint, plain, print, print_json};

/// Open a plugin and print its programs and parameters
#[derive(Debug, clap::Args)]
pub struct Info {
    /// A file, a bundle or an LV2 URI
    #[arg(value_name = "PLUGIN")]
    path: String,
    /// Which one, where there are several: an index, a name, a URI or a class id
    #[arg(short, long, value_name = "WHICH", default_value = "")]
    plugin: String,
    /// Frames a second
    #[arg(short = 'r', long, value_name = "HZ", default_value_t = 48_000.0)]
    sample_rate: f64,
    /// Largest block, in frames
    #[arg(short, long, value_name = "FRAMES", default_value_t = 512)]
    block_size: u32,
    /// Print a JSON object
    #[arg(short, long)]
    json: bool,
}

/// What is asked of the plugin.
struct Facts {
    plugin: Plugin,
    programs: Vec<String>,
    parameters: Vec<Parameter>,
}

impl Info {
    /// Opens the plugin, prints what it says and closes it.
    ///
    /// # Errors
    /// It does not open, or dies while it is asked.
    pub fn run(self, server: &Server) -> Done {
        let options = OpenOptions {
            sample_rate: self.sample_rate,
            max_block_size: self.block_size,
            selector: self.plugin,
            audio: false,
            ..OpenOptions::default()
        };
        let facts = Facts::ask(server.open(&self.path, &options)?)?;
        match self.json {
            true => print_json(&facts.json())?,
            false => print(&facts.text(Paint::of(&std::io::stdout()))?)?,
        }
        facts.plugin.close()?;
        Ok(())
    }
}

impl Facts {
    fn ask(plugin: Plugin) -> Result<Facts, Failure> {
        Ok(Facts {
            programs: plugin.program_names()?,
            parameters: plugin.params()?,
            plugin,
        })
    }

    fn text(&self, paint: Paint) -> Result<String, Failure> {
        let about = self.plugin.description();
        let mut text = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            text.push_str(&format!("{} {value}\n", paint.strong(name)));
        };
        line("Plugin name:", &plain(&about.name));
        line("Vendor name:", &plain(&about.vendor));
        line(
            "Product name:",
            &plain(&product(&about.name, &about.version)),
        );
        line("Format:", &format_name(about.format()));
        line("Path:", &plain(&about.path));
        if !about.identifier.is_empty() {
            line("Identifier:", &plain(&about.identifier));
        }
        line("Unique id:", &about.unique_id);
        line(
            "Latency:",
            &format!("{} samples", self.plugin.latency_samples()),
        );
        line("Tail:", &format!("{} s", self.plugin.tail_seconds()));
        line("MIDI:", &midi(&self.plugin));
        text.push_str(&format!(
            "numPrograms = {}\nnumParams = {}\nnumInputs = {}\nnumOutputs = {}\n",
            self.programs.len(),
            self.parameters.len(),
            self.plugin.num_input_channels(),
            self.plugin.num_output_channels()
        ));
        let opened = self.plugin.opened();
        for (what, buses) in [
            ("Input", &opened.input_buses),
            ("Output", &opened.output_buses),
        ] {
            for (index, bus) in buses.iter().enumerate() {
                text.push_str(&format!("{what} bus {index}: {}\n", bus_text(bus)));
            }
        }
        text.push('\n');
        for (index, name) in self.programs.iter().enumerate() {
            text.push_str(&format!("Program {index:03}: {}\n", plain(name)));
        }
        for parameter in &self.parameters {
            text.push_str(&parameter_text(parameter));
        }
        Ok(text)
    }

    fn json(&self) -> Value {
        let opened = self.plugin.opened();
        let mut value = description(&self.plugin.description());
        let more = json!({
            "sample_rate": self.plugin.sample_rate(),
            "max_block_size": self.plugin.max_block_size(),
            "num_params": self.plugin.num_params(),
            "num_input_channels": self.plugin.num_input_channels(),
            "num_output_channels": self.plugin.num_output_channels(),
            "latency_samples": self.plugin.latency_samples(),
            "tail_seconds": self.plugin.tail_seconds(),
            "supports_double": self.plugin.supports_double(),
            "num_programs": self.plugin.num_programs(),
            "accepts_midi": self.plugin.accepts_midi(),
            "produces_midi": self.plugin.produces_midi(),
            "input_buses": opened.input_buses.iter().map(bus_json).collect::<Vec<_>>(),
            "output_buses": opened.output_buses.iter().map(bus_json).collect::<Vec<_>>(),
            "programs": self.programs,
            "parameters": self.parameters.iter().map(parameter_json).collect::<Vec<_>>(),
        });
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
        value
    }
}

fn product(name: &str, version: &str) -> String {
    format!("{name} {version}").trim().to_owned()
}

fn midi(plugin: &Plugin) -> String {
    let said: Vec<_> = [
        (plugin.accepts_midi(), "accepts"),
        (plugin.produces_midi(), "produces"),
    ]
    .into_iter()
    .filter_map(|(is_so, word)| is_so.then_some(word))
    .collect();
    match said.is_empty() {
        true => "none".into(),
        false => said.join(", "),
    }
}

fn bus_text(bus: &Bus) -> String {
    let mut text = format!("{}, {} channel(s)", plain(&bus.name), bus.channels);
    if bus.is_main {
        text.push_str(", main");
    }
    if !bus.is_enabled {
        text.push_str(", off");
    }
    text
}

fn bus_json(bus: &Bus) -> Value {
    json!({
        "name": bus.name,
        "channels": bus.channels,
        "is_main": bus.is_main,
        "is_enabled": bus.is_enabled,
    })
}

/// `Param 000: Pre-Gain [0.00 dB] (normalized = 0.500000)`
fn parameter_text(parameter: &Parameter) -> String {
    let mut shown = plain(&parameter.text);
    // Some plugins put the unit into the text, some leave it to the label.
    if !parameter.label.is_empty() && !shown.ends_with(parameter.label.as_str()) {
        let _ = write!(shown, " {}", plain(&parameter.label));
    }
    format!(
        "Param {:03}: {} [{}] (normalized = {:.6})\n",
        parameter.index,
        plain(&parameter.name),
        shown.trim(),
        parameter.value
    )
}

fn parameter_json(parameter: &Parameter) -> Value {
    json!({
        "index": parameter.index,
        "name": parameter.name,
        "id": parameter.id,
        "label": parameter.label,
        "value": parameter.value,
        "current_value_str": parameter.text,
        "min_value": 0.0,
        "max_value": 1.0,
        "default_value": parameter.default_value,
        "num_steps": parameter.num_steps,
        "is_automatable": parameter.is_automatable,
        "is_boolean": parameter.is_boolean,
        "category": parameter.category,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(text: &str, label: &str) -> Parameter {
        Parameter {
            index: 7,
            name: "Pre-Gain".into(),
            text: text.into(),
            label: label.into(),
            value: 0.5,
            ..Parameter::default()
        }
    }

    #[test]
    fn a_parameter_is_listed_with_its_text_and_its_unit_once() {
        let expected = "Param 007: Pre-Gain [0.00 dB] (normalized = 0.500000)\n";
        assert_eq!(parameter_text(&parameter("0.00", "dB")), expected);
        assert_eq!(parameter_text(&parameter("0.00 dB", "dB")), expected);
    }

    #[test]
    fn json_has_the_keys_of_a_parameter_info() {
        let value = parameter_json(&parameter("0.00", "dB"));
        assert_eq!(value["current_value_str"], "0.00");
        assert_eq!(value["default_value"], 0.0);
    }
}
