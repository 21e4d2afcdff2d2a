//! Plugins in words and in JSON.

use plugpen::v1::{PluginDescription, PluginFormat};
use serde_json::{Value, json};

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

#[cfg(test)]
mod tests {
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
}
