//! Preset files, and automation by a plugin's own names and texts.

use plugpen::v1::ErrorReason;
use plugpen::{
    AutomationTimes, OpenOptions, Plugin, Server, VstPreset, fxb, load_vst2preset, load_vstpreset,
    parse_automation_file, parse_param_arg, read_class_id_from_bundle, read_vst2preset,
    read_vstpreset, save_vst2preset, save_vstpreset, write_vstpreset,
};
use plugpen_tests::places::built;

use super::{open, server};

fn vst3(server: &Server) -> Plugin {
    let options = OpenOptions {
        selector: "Test Gain".into(),
        ..OpenOptions::default()
    };
    let module = built().unwrap().vst3();
    server.open(module.to_str().unwrap(), &options).unwrap()
}

fn vst2(server: &Server, name: &str) -> Plugin {
    let file = built().unwrap().vst2(name);
    let options = OpenOptions::default();
    server.open(file.to_str().unwrap(), &options).unwrap()
}

#[test]
fn a_vstpreset_file_brings_a_plugins_sound_back() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let (plugin, path) = (vst3(&server), folder.path().join("loud.vstpreset"));
    plugin.set_param(0, 0.75).unwrap();
    save_vstpreset(&path, &plugin).unwrap();
    plugin.set_param(0, 0.25).unwrap();
    load_vstpreset(&path, &plugin).unwrap();
    assert_eq!(plugin.get_param(0).unwrap(), 0.75);

    let preset = read_vstpreset(&path).unwrap();
    assert_eq!(preset.class_id, plugin.description().identifier);
    let mute = VstPreset {
        component_state: None,
        ..preset.clone()
    };
    write_vstpreset(&path, &mute).unwrap();
    let error = load_vstpreset(&path, &plugin).unwrap_err();
    assert!(error.message.contains("no component state"), "{error}");
    let stranger = VstPreset {
        class_id: "0".repeat(32),
        ..preset
    };
    write_vstpreset(&path, &stranger).unwrap();
    let error = load_vstpreset(&path, &plugin).unwrap_err();
    assert_eq!(error.reason, ErrorReason::InvalidInput, "{error}");
    let other = open(&server, "gain");
    for error in [
        load_vstpreset(&path, &other).unwrap_err(),
        save_vstpreset(&path, &other).unwrap_err(),
        load_vst2preset(&path, &other).unwrap_err(),
    ] {
        assert!(
            error.message.contains("Test Gain is a LV2 plugin"),
            "{error}"
        );
    }
    let error = load_vstpreset(folder.path().join("none"), &plugin).unwrap_err();
    assert_eq!(error.reason, ErrorReason::NotFound);
    // Nothing says what the test module's classes are but itself.
    let error = read_class_id_from_bundle(built().unwrap().vst3()).unwrap_err();
    assert!(error.message.contains("is not known"), "{error}");
}

#[test]
fn fxp_and_fxb_files_bring_a_plugins_sound_back() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let plugin = vst2(&server, "gain");
    for name in ["one.fxp", "all.FXB"] {
        let path = folder.path().join(name);
        plugin.set_param(0, 0.75).unwrap();
        save_vst2preset(&path, &plugin).unwrap();
        let is_bank = matches!(read_vst2preset(&path).unwrap(), fxb::File::Bank(_));
        assert_eq!(is_bank, name == "all.FXB");
        plugin.set_param(0, 0.25).unwrap();
        load_vst2preset(&path, &plugin).unwrap();
        assert_eq!(plugin.get_param(0).unwrap(), 0.75);
    }
    let error = save_vst2preset(folder.path().join("a.vstpreset"), &plugin).unwrap_err();
    assert!(error.message.contains("must be .fxp"), "{error}");
    let error = load_vst2preset(folder.path().join("one.fxp"), &vst2(&server, "latency"));
    assert!(error.is_err());
}

#[test]
fn automation_uses_a_plugins_names_and_texts() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let plugin = open(&server, "gain");
    assert_eq!(parse_param_arg("gain:0.5", &plugin).unwrap(), (0, 0.5));
    let path = folder.path().join("gain.json");
    std::fs::write(&path, r#"{"GAIN": {"0": "4", "50%": 0.5}}"#).unwrap();
    let times = AutomationTimes {
        sample_rate: 48_000.0,
        length: 1000,
        block_size: 512,
    };
    let changes = parse_automation_file(&path, &plugin, &times).unwrap();
    let changes: Vec<_> = changes.iter().map(|c| (c.offset, c.value)).collect();
    assert_eq!(changes, [(0, 1.0), (500, 0.5)]);
    let error = parse_param_arg("Organ:1", &plugin).unwrap_err();
    assert!(
        error.message.contains("Parameter not found: 'Organ'"),
        "{error}"
    );
}
