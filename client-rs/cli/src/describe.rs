//! Plugins in words and in JSON.

use plugpen::v1::{
    PluginDescription, PluginFormat, SandboxLayer, SandboxLevel, SandboxReport, SandboxState,
    ScanFailure,
};
use serde_json::{Value, json};

use crate::output::plain;

/// A format's usual spelling.
pub fn format_name(format: PluginFormat) -> &'static str {
    match format {
        PluginFormat::Unspecified => "unknown",
        PluginFormat::Null => "null",
        PluginFormat::Lv2 => "LV2",
        PluginFormat::Vst2 => "VST2",
        PluginFormat::Vst3 => "VST3",
        PluginFormat::AudioUnit => "AudioUnit",
    }
}

/// A description with minihost's keys, and those that choose a plugin within its file.
pub fn description(plugin: &PluginDescription) -> Value {
    json!({
        "name": plugin.name,
        "vendor": plugin.vendor,
        "product": plugin.product,
        "version": plugin.version,
        "format": format_name(plugin.format()),
        "unique_id": plugin.unique_id,
        "path": plugin.path,
        "identifier": plugin.identifier,
        "index": plugin.index,
        "accepts_midi": plugin.accepts_midi,
        "produces_midi": plugin.produces_midi,
        "num_inputs": plugin.num_inputs,
        "num_outputs": plugin.num_outputs,
    })
}

/// What could not be read, and how it ended the process that read it, where it did.
pub fn failed(failure: &ScanFailure) -> Value {
    let short = |name: &'static str, prefix| name.strip_prefix(prefix).unwrap_or(name);
    let death = failure.death.as_ref().map(|death| {
        json!({
            "kind": short(death.kind().as_str_name(), "DEATH_KIND_"),
            "signal": death.signal,
            "exit_code": death.exit_code,
            "call": death.call,
            "output": death.output,
            "report_id": death.report_id,
            "summary": death.summary,
            "generation": death.generation,
            "time_ms": death.time_ms,
        })
    });
    json!({
        "path": failure.path,
        "reason": short(failure.reason().as_str_name(), "ERROR_REASON_"),
        "message": failure.message,
        "death": death,
    })
}

/// A jail in one word: the level that was asked for, or that it is not whole.
pub fn sandbox_word(report: Option<&SandboxReport>) -> &'static str {
    match report {
        None => "-",
        Some(report) if report.level() == SandboxLevel::Off => "off",
        Some(report) if missing(report).next().is_none() => "whole",
        Some(_) => "partial",
    }
}

/// A jail in one line: what stands, and what does not.
pub fn sandbox_text(report: &SandboxReport) -> String {
    let missing: Vec<_> = missing(report)
        .map(|layer| format!("{} ({})", plain(&layer.name), plain(&layer.detail)))
        .collect();
    let word = sandbox_word(Some(report));
    match missing.is_empty() || word == "off" {
        true => word.to_owned(),
        false => format!("{word}, without {}", missing.join(", ")),
    }
}

/// Layers that this system should give and does not.
fn missing(report: &SandboxReport) -> impl Iterator<Item = &SandboxLayer> {
    let layers = report.layers.iter();
    layers.filter(|layer| layer.state() == SandboxState::Absent)
}

/// A jail, layer by layer.
pub fn sandbox_json(report: &SandboxReport) -> Value {
    let word = |name: &str, prefix: &str| {
        let word = name.strip_prefix(prefix).unwrap_or(name);
        word.to_lowercase().replace('_', "-")
    };
    let layers: serde_json::Map<_, _> = report
        .layers
        .iter()
        .map(|layer| {
            let state = word(layer.state().as_str_name(), "SANDBOX_STATE_");
            let value = json!({"state": state, "detail": layer.detail});
            (layer.name.clone(), value)
        })
        .collect();
    json!({
        "level": word(report.level().as_str_name(), "SANDBOX_LEVEL_"),
        "mode": word(report.mode().as_str_name(), "SANDBOX_MODE_"),
        "layers": layers,
    })
}

#[cfg(test)]
mod tests {
    use plugpen::v1::{Death, DeathKind, ErrorReason};

    use super::*;

    #[test]
    fn json_has_the_keys_of_a_probe() {
        let mut plugin = PluginDescription {
            name: "Amp".into(),
            ..PluginDescription::default()
        };
        plugin.set_format(PluginFormat::Lv2);
        let value = description(&plugin);
        assert_eq!(value["name"], "Amp");
        assert_eq!(value["format"], "LV2");
        assert_eq!(value["num_inputs"], 0);
    }

    #[test]
    fn a_failure_has_its_death() {
        let mut death = Death {
            signal: 11,
            output: vec!["last words".into()],
            ..Death::default()
        };
        death.set_kind(DeathKind::Signal);
        let mut failure = ScanFailure {
            path: "/x.so".into(),
            death: Some(death),
            ..ScanFailure::default()
        };
        failure.set_reason(ErrorReason::PluginCrashed);
        let value = failed(&failure);
        assert_eq!(value["reason"], "PLUGIN_CRASHED");
        assert_eq!(value["death"]["kind"], "SIGNAL");
        assert_eq!(value["death"]["output"][0], "last words");
        failure.death = None;
        assert!(failed(&failure)["death"].is_null());
    }
}
