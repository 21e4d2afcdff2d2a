//! Ports of several types, rooms for events and files that a plugin makes, on test plugins that
//! only LV2 has.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::support::{Audio, Input, Worker, assemble, options, parameters, set};
use plugpen_proto::event::EventList;
use plugpen_proto::v1::*;
use plugpen_proto::worker::Ping;
use plugpen_proto::worker::event::Event;

/// The test plugins' bundle, put together once.
fn bundle() -> &'static str {
    static BUNDLE: OnceLock<String> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let files = [
            "manifest.ttl",
            "plugins.ttl",
            "villains.ttl",
            "presets.ttl",
            "extensions.ttl",
        ];
        assemble("plugpen-test.lv2", &files, "libplugpen_test_plugins.so")
    })
}

fn test_plugin(name: &str, port_types: &[(&str, &str)]) -> OpenOptions {
    let owned = |(symbol, kind): &(&str, &str)| ((*symbol).to_owned(), (*kind).to_owned());
    OpenOptions {
        selector: format!("urn:plugpen:test:{name}"),
        sidechain_channels: 2,
        port_types: port_types.iter().map(owned).collect::<HashMap<_, _>>(),
        ..options(bundle())
    }
}

fn worker() -> Worker {
    Worker::start("plugin", "best-effort", &[bundle()])
}

/// Plays a block of the same sample on each input channel; the first sample of each output.
fn play(audio: &mut Audio, inputs: &[f32]) -> Vec<f32> {
    let planes: Vec<Vec<f32>> = inputs.iter().map(|sample| vec![*sample; 64]).collect();
    let (output, _) = audio.block(&Input {
        frames: 64,
        planes: &planes,
        events: &EventList::new(),
        transport: None,
    });
    output
        .iter()
        .map(|channel| {
            assert_eq!(channel[0], channel[63]);
            channel[0]
        })
        .collect()
}

fn layout(buses: &[Bus]) -> Vec<(&str, u32)> {
    buses
        .iter()
        .map(|bus| (bus.name.as_str(), bus.channels))
        .collect()
}

fn names(worker: &mut Worker) -> Vec<String> {
    parameters(worker)
        .into_iter()
        .map(|parameter| parameter.name)
        .collect()
}

#[test]
fn a_port_of_several_types_has_its_first_until_the_client_wishes() {
    let mut worker = worker();
    let plugin = worker.load(test_plugin("morph", &[])).unwrap();
    // The port of no known type is samples anyway.
    assert_eq!(layout(&plugin.input_buses), [("", 1), ("CV", 1)]);
    assert_eq!(layout(&plugin.output_buses), [("", 1)]);
    assert_eq!(names(&mut worker), ["Amount", "Stubborn"]);
    let mut audio = worker.attach(&plugin, 4);
    assert_eq!(play(&mut audio, &[1.0, 0.0]), [0.5]);
    set(&mut worker, 0, 0.25);
    assert_eq!(play(&mut audio, &[0.5, 0.25]), [0.75]);
}

#[test]
fn a_port_becomes_samples_and_another_follows_it() {
    let mut worker = worker();
    let plugin = worker
        .load(test_plugin("morph", &[("amount", "CV")]))
        .unwrap();
    assert_eq!(layout(&plugin.input_buses), [("", 1), ("CV", 2)]);
    assert_eq!(layout(&plugin.output_buses), [("", 1), ("CV", 1)]);
    assert_eq!(names(&mut worker), ["Stubborn"]);
    let told = |event: &Event| match event {
        Event::LogLine(line) => line.text == "port amount is cv now",
        _ => false,
    };
    worker.call(Ping {}).unwrap();
    assert!(worker.events.iter().any(told), "{:?}", worker.events);
    let mut audio = worker.attach(&plugin, 4);
    assert_eq!(play(&mut audio, &[1.0, 0.75, 0.125]), [0.875, 0.75]);
    assert_eq!(play(&mut audio, &[0.5, 3.0, 0.0]), [1.5, 3.0]);
}

#[test]
fn a_port_becomes_audio() {
    let mut worker = worker();
    let uri = "http://lv2plug.in/ns/lv2core#AudioPort";
    let plugin = worker
        .load(test_plugin("morph", &[("amount", uri)]))
        .unwrap();
    assert_eq!(layout(&plugin.input_buses), [("", 2), ("CV", 1)]);
    assert_eq!(layout(&plugin.output_buses), [("", 2)]);
    let mut audio = worker.attach(&plugin, 4);
    assert_eq!(play(&mut audio, &[0.5, 0.5, 1.0]), [1.25, 0.5]);
}

#[test]
fn wishes_for_ports_that_cannot_be_are_refused() {
    for (wish, reason, part) in [
        (
            ("amount", "atom"),
            ErrorReason::InvalidInput,
            "it can be: audio, cv, control",
        ),
        (
            ("nobody", "cv"),
            ErrorReason::InvalidInput,
            "there are: amount, stubborn, alien",
        ),
        (("in", "cv"), ErrorReason::InvalidInput, "\"in\""),
        (
            ("stubborn", "cv"),
            ErrorReason::PluginRefused,
            "stubborn can be cv",
        ),
    ] {
        let refused = worker().load(test_plugin("morph", &[wish])).unwrap_err();
        assert_eq!(refused.reason, reason, "{refused:?}");
        assert!(refused.message.contains(part), "{refused:?}");
    }
    let elsewhere = OpenOptions {
        path: "null:gain".into(),
        ..test_plugin("morph", &[("amount", "cv")])
    };
    let refused = worker().load(elsewhere).unwrap_err();
    assert!(refused.message.contains("for LV2 plugins"), "{refused:?}");
    let refused = worker()
        .load(test_plugin("gain", &[("in_l", "cv")]))
        .unwrap_err();
    assert!(
        refused.message.contains("this plugin has none"),
        "{refused:?}"
    );
}

#[test]
fn a_plugin_gets_the_rooms_it_asks_for_and_a_refusal_is_told() {
    const ASK_MOST: f64 = 32_768.0;
    let mut worker = worker();
    let plugin = worker.load(test_plugin("rooms", &[])).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    // What its description asks for, of the port that is as large as the other.
    assert_eq!(play(&mut audio, &[])[..3], [200_000.0, -1.0, 0.0]);
    let mut ask = |worker: &mut Worker, kib: u32| {
        set(worker, 0, f64::from(kib) / ASK_MOST);
        play(&mut audio, &[])
    };
    assert_eq!(ask(&mut worker, 100)[..3], [200_000.0, 0.0, 102_400.0]);
    assert_eq!(ask(&mut worker, 1000)[..3], [200_000.0, 0.0, 1_024_000.0]);
    // From the next block on.
    assert_eq!(ask(&mut worker, 0)[..3], [1_024_000.0, -1.0, 0.0]);
    let no_space = 2.0;
    assert_eq!(ask(&mut worker, 20_000)[..3], [1_024_000.0, no_space, 0.0]);
    worker.after_block(5);
    worker.call(Ping {}).unwrap();
    let told = |event: &Event| match event {
        Event::LogLine(line) => line.text.contains("20000 KiB for its port 1"),
        _ => false,
    };
    assert!(worker.events.iter().any(told), "{:?}", worker.events);
    assert_eq!(ask(&mut worker, 16_384)[..2], [1_024_000.0, 0.0]);
}

#[test]
fn a_plugin_makes_files_in_its_own_folder_only() {
    let mut worker = worker();
    let plugin = worker.load(test_plugin("rooms", &[])).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    // A file, another of the same name, and two places that it is not let into.
    assert_eq!(play(&mut audio, &[])[3], 15.0);
    let made = worker.private_dir.path().join("made/notes/first.txt");
    assert_eq!(std::fs::read(made).unwrap(), b"1");
}
