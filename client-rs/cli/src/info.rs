//! `plugpen info`: everything about one plugin.

use plugpen::Plugin;
use plugpen::v1::{Bus, Parameter, PluginDescription};
use serde_json::{Value, json};

use crate::context::{Context, Pace};
use crate::describe::{description, format_name, sandbox_json, sandbox_text};
use crate::output::{Done, Failure, Paint, plain, print, print_json};
use crate::params::{parameter_json, shown};
use crate::which::{self, Which};

/// Open a plugin and print its programs and parameters
#[derive(Debug, clap::Args)]
pub struct Info {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pace: Pace,
    /// Only what can be known without opening it
    #[arg(long)]
    probe: bool,
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
    pub fn run(self, context: &Context) -> Done {
        if self.probe {
            return self.probe(context);
        }
        let facts = Facts::ask(context.open_quietly(&self.which, self.pace)?)?;
        match self.json {
            true => print_json(&facts.json())?,
            false => print(&facts.text(Paint::of(&std::io::stdout()))?)?,
        }
        facts.plugin.close()?;
        Ok(())
    }

    fn probe(&self, context: &Context) -> Done {
        let place = which::find(&context.server, &self.which)?;
        let probed = context.server.probe(&place.path)?;
        let plugin = probed.choose(&place.path, &place.selector)?;
        match self.json {
            true => print_json(&description(&plugin)),
            false => {
                let mut text = String::new();
                head(&plugin, Paint::of(&std::io::stdout()), &mut text);
                text.push_str(&format!(
                    "numInputs = {}\nnumOutputs = {}\n",
                    plugin.num_inputs, plugin.num_outputs
                ));
                print(&text)
            }
        }
    }
}

/// What is known of a plugin without opening it.
fn head(about: &PluginDescription, paint: Paint, text: &mut String) {
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("{} {}\n", paint.strong(name), plain(value)));
    };
    line("Plugin name:", &about.name);
    line("Vendor name:", &about.vendor);
    line("Product name:", &about.product);
    line("Version:", &about.version);
    line("Format:", format_name(about.format()));
    line("Path:", &about.path);
    if !about.identifier.is_empty() {
        line("Identifier:", &about.identifier);
    }
    line("Unique id:", &about.unique_id);
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
        let mut text = String::new();
        head(&self.plugin.description(), paint, &mut text);
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            text.push_str(&format!("{} {value}\n", paint.strong(name)));
        };
        line(
            "Latency:",
            &format!("{} samples", self.plugin.latency_samples()),
        );
        line("Tail:", &format!("{} s", self.plugin.tail_seconds()));
        line("MIDI:", &midi(&self.plugin));
        if let Some(report) = &self.plugin.opened().sandbox {
            line("Sandbox:", &sandbox_text(report));
        }
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
            "sandbox": opened.sandbox.as_ref().map(sandbox_json),
            "programs": self.programs,
            "parameters": self.parameters.iter().map(parameter_json).collect::<Vec<_>>(),
        });
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
        value
    }
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
    format!(
        "Param {:03}: {} [{}] (normalized = {:.6})\n",
        parameter.index,
        plain(&parameter.name),
        shown(parameter),
        parameter.value
    )
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
}
