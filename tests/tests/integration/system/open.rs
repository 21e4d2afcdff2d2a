//! Opening: by selector, by URI, and what the plugin turns out to be.

use plugpen::OpenOptions;
use plugpen::v1::PluginFormat;

use super::{bundle, open, server};

#[test]
fn a_plugin_of_a_bundle_is_reached_by_uri_name_and_index() {
    let server = server();
    let found = server.probe(bundle()).unwrap().plugins;
    let wanted = found
        .iter()
        .find(|plugin| plugin.identifier == "urn:plugpen:test:gain")
        .unwrap();
    for selector in [
        wanted.identifier.clone(),
        wanted.name.clone(),
        wanted.index.to_string(),
    ] {
        let options = OpenOptions {
            selector: selector.clone(),
            ..OpenOptions::default()
        };
        let plugin = server.open(bundle(), &options).unwrap();
        assert_eq!(plugin.description().name, "Test Gain", "{selector}");
    }
}

#[test]
fn a_plugin_reports_its_own_layout() {
    let server = server();
    // Name, inputs, sidechain, outputs, parameters, programs.
    for (name, inputs, sidechain, outputs, parameters, programs) in [
        ("parameter", 0, 0, 2, 4, 2),
        ("gain", 2, 0, 2, 2, 0),
        ("midi", 0, 0, 1, 2, 0),
        ("latency", 2, 0, 2, 1, 0),
        ("beep", 0, 0, 2, 2, 0),
        ("transport", 0, 0, 8, 0, 0),
        ("counter", 0, 0, 1, 0, 0),
        ("villain", 1, 0, 1, 5, 0),
    ] {
        let plugin = open(&server, name);
        assert_eq!(
            (
                plugin.num_input_channels(),
                plugin.sidechain_channels(),
                plugin.num_output_channels(),
                plugin.num_params(),
                plugin.num_programs(),
            ),
            (inputs, sidechain, outputs, parameters, programs),
            "{name}"
        );
    }
}

#[test]
fn closing_ends_the_worker_and_twice_is_no_error() {
    let server = server();
    let plugin = open(&server, "gain");
    let worker = plugin.worker_pid();
    assert!(plugpen_tests::census::is_running(worker));
    plugin.close().unwrap();
    plugin.close().unwrap();
    super::until("the worker's end", || {
        !plugpen_tests::census::is_running(worker)
    });
}

#[test]
fn the_server_says_that_audio_units_never_ran_on_a_mac() {
    let formats = server().info().unwrap().formats;
    let audio_unit = formats
        .iter()
        .find(|support| support.format() == PluginFormat::AudioUnit)
        .unwrap();
    assert_eq!(audio_unit.available, cfg!(target_os = "macos"));
    assert!(
        audio_unit.note.contains("never run on macOS"),
        "{}",
        audio_unit.note
    );
}
