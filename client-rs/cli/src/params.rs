//! `plugpen params`: a plugin's parameters.

use plugpen::v1::Parameter;
use serde_json::{Value, json};

use crate::context::{Context, Pace};
use crate::output::{Done, plain, print, print_json};
use crate::which::Which;

/// List a plugin's parameters
#[derive(Debug, clap::Args)]
pub struct Params {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pace: Pace,
    /// Print ranges, defaults, steps and flags too
    #[arg(short = 'V', long)]
    verbose: bool,
    /// Print a JSON list, one object a parameter
    #[arg(short, long)]
    json: bool,
}

impl Params {
    /// Opens the plugin and lists its parameters.
    ///
    /// # Errors
    /// It does not open, or dies while it is asked.
    pub fn run(self, context: &Context) -> Done {
        let plugin = context.open_quietly(&self.which, self.pace)?;
        let parameters = plugin.params()?;
        match self.json {
            true => print_json(&parameters.iter().map(parameter_json).collect()),
            false => print(&listing(&parameters, self.verbose)),
        }
    }
}

fn listing(parameters: &[Parameter], verbose: bool) -> String {
    let mut text = format!("Parameters ({}):\n", parameters.len());
    let widths = parameters.iter().map(|p| plain(&p.name).chars().count());
    let width = widths.max().unwrap_or(0);
    for parameter in parameters {
        let (index, name) = (parameter.index, plain(&parameter.name));
        let (value, shown) = (parameter.value, shown(parameter));
        if !verbose {
            text.push_str(&format!(
                "  [{index:>3}] {name:<width$} = {value:.4} ({shown})\n"
            ));
            continue;
        }
        let steps = match parameter.num_steps {
            0 => "continuous".into(),
            steps => format!("{steps} steps"),
        };
        text.push_str(&format!(
            "  [{index:>3}] {name}\n         Value:   {value:.4} ({shown})\n         Range:   {} .. {}, {steps}\n         Default: {:.4}\n         Id:      {}\n         Flags:   {}\n",
            parameter.plain_min,
            parameter.plain_max,
            parameter.default_value,
            plain(&parameter.id),
            flags(parameter)
        ));
    }
    text
}

fn flags(parameter: &Parameter) -> String {
    let flags = [
        (parameter.is_automatable, "automatable"),
        (parameter.is_boolean, "boolean"),
        (parameter.is_bypass, "bypass"),
    ];
    let set: Vec<_> = flags
        .into_iter()
        .filter_map(|(is_set, flag)| is_set.then_some(flag))
        .collect();
    match set.is_empty() {
        true => "none".into(),
        false => set.join(", "),
    }
}

/// The value as the plugin shows it, with its unit once: some plugins put it into the text, some
/// leave it to the label.
pub fn shown(parameter: &Parameter) -> String {
    let text = plain(&parameter.text);
    let label = plain(&parameter.label);
    match label.is_empty() || text.ends_with(label.as_str()) {
        true => text.trim().to_owned(),
        false => format!("{text} {label}").trim().to_owned(),
    }
}

/// A parameter with minihost's keys, its index and its value.
pub fn parameter_json(parameter: &Parameter) -> Value {
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
        "plain_min": parameter.plain_min,
        "plain_max": parameter.plain_max,
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
            plain_max: 6.0,
            is_automatable: true,
            ..Parameter::default()
        }
    }

    #[test]
    fn a_value_has_its_unit_once() {
        for (text, label, expected) in [
            ("0.00", "dB", "0.00 dB"),
            ("0.00 dB", "dB", "0.00 dB"),
            ("OFF  ", "", "OFF"),
        ] {
            assert_eq!(shown(&parameter(text, label)), expected);
        }
    }

    #[test]
    fn json_has_the_keys_of_a_parameter_info() {
        let value = parameter_json(&parameter("0.00", "dB"));
        assert_eq!(value["current_value_str"], "0.00");
        assert_eq!(value["default_value"], 0.0);
    }

    #[test]
    fn a_verbose_listing_has_range_and_flags() {
        let parameters = [parameter("0.00", "dB")];
        let short = listing(&parameters, false);
        assert!(
            short.ends_with("  [  7] Pre-Gain = 0.5000 (0.00 dB)\n"),
            "{short}"
        );
        let long = listing(&parameters, true);
        for part in ["Range:   0 .. 6, continuous", "Flags:   automatable"] {
            assert!(long.contains(part), "{long}");
        }
    }
}
