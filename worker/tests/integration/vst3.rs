//! Real VST3 plugins. A plugin that is not installed fails its test.

use crate::support::{
    Audio, Worker, installed_vst3, noise, parameters, peak, play, set, vst3_modules,
};
use plugpen_proto::event::EventList;
use plugpen_proto::v1::*;
use plugpen_proto::vstpreset::VstPreset;
use plugpen_proto::worker::Probe;
use plugpen_proto::worker::event::Event;

fn state(worker: &mut Worker) -> Vec<u8> {
    worker.call(GetStateRequest::default()).unwrap().data
}

fn restore(worker: &mut Worker, data: &[u8]) -> Result<(), (ErrorReason, String)> {
    let call = SetStateRequest {
        data: data.to_vec(),
        ..SetStateRequest::default()
    };
    let restored = worker.call(call);
    restored
        .map(|_| ())
        .map_err(|refused| (refused.reason, refused.message))
}

fn index(worker: &mut Worker, name: &str) -> u32 {
    let all = parameters(worker);
    let found = all.iter().find(|parameter| parameter.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).index
}

fn text(worker: &mut Worker, index: u32, value: f64) -> String {
    let call = ParameterToTextRequest {
        index,
        value,
        ..ParameterToTextRequest::default()
    };
    worker.call(call).unwrap().text
}

fn quietly(audio: &mut Audio, planes: &[Vec<f32>]) -> Vec<Vec<f32>> {
    play(audio, planes, &EventList::new()).0
}

#[test]
fn a_plugin_is_described_as_it_is() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed_vst3("ZaMaximX2")).unwrap();
    let description = plugin.description.clone().unwrap();
    assert_eq!(description.name, "ZaMaximX2");
    assert_eq!(description.vendor, "Damien Zammit");
    assert_eq!(description.format(), PluginFormat::Vst3);
    assert_eq!(description.identifier, "2046504473616C6332584D5A00000000");
    assert_eq!((description.num_inputs, description.num_outputs), (2, 2));
    assert_eq!(
        (plugin.num_input_channels, plugin.num_output_channels),
        (2, 2)
    );
    assert!(!plugin.accepts_midi && !plugin.supports_double && !plugin.has_bypass);
    // Before the first block, and after.
    assert_eq!(plugin.latency_samples, 480);
    let mut audio = worker.attach(&plugin, 4);
    quietly(&mut audio, &[noise(512, 1), noise(512, 2)]);
    let timing = worker.call(GetTimingRequest::default()).unwrap();
    assert_eq!((timing.latency_samples, timing.tail_seconds), (480, 0.0));
}

#[test]
fn the_latency_reported_is_the_latency_heard() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed_vst3("ZaMaximX2")).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let mut click = vec![0.0; 512];
    click[0] = 0.5;
    let output = quietly(&mut audio, &[click.clone(), click]);
    let loudest = (0..512).max_by(|a, b| output[0][*a].abs().total_cmp(&output[0][*b].abs()));
    assert_eq!(loudest, Some(480));
}

#[test]
fn a_module_leads_to_its_plugin_in_every_way() {
    let folder = installed_vst3("ZamComp").path;
    let library = format!("{folder}/Contents/x86_64-linux/ZamComp.so");
    let id = "2046504473616C63504D435A00000000";
    for (path, selector) in [
        (folder.as_str(), ""),
        (&folder, "0"),
        (&folder, "zamcomp"),
        (&folder, id),
        (&library, ""),
    ] {
        let mut worker = Worker::plugin();
        let options = OpenOptions {
            path: path.into(),
            selector: selector.into(),
            ..installed_vst3("ZamComp")
        };
        let description = worker.load(options).unwrap().description.unwrap();
        assert_eq!(description.identifier, id, "{path} {selector}");
    }
    let mut worker = Worker::plugin();
    for (selector, reason, part) in [
        ("Nobody", ErrorReason::NotFound, "ZamComp"),
        ("1", ErrorReason::IndexOutOfRange, "1"),
        (
            "00000000000000000000000000000000",
            ErrorReason::NotFound,
            "0000",
        ),
    ] {
        let options = OpenOptions {
            selector: selector.into(),
            ..installed_vst3("ZamComp")
        };
        let refused = worker.load(options).unwrap_err();
        assert_eq!(refused.reason, reason, "{selector}");
        assert!(refused.message.contains(part), "{}", refused.message);
    }
}

#[test]
fn what_is_no_module_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("Empty.vst3");
    std::fs::create_dir(&empty).unwrap();
    let junk = dir.path().join("Junk.vst3");
    std::fs::write(&junk, "not a library").unwrap();
    for (path, reason) in [
        (empty.as_path(), ErrorReason::NotFound),
        (&junk, ErrorReason::PluginRefused),
        (
            dir.path().join("none.vst3").as_path(),
            ErrorReason::NotFound,
        ),
    ] {
        let granted = dir.path().to_str().unwrap();
        let mut worker = Worker::start("plugin", "best-effort", &[granted]);
        let options = OpenOptions {
            path: path.display().to_string(),
            ..installed_vst3("ZamComp")
        };
        assert_eq!(worker.load(options).unwrap_err().reason, reason, "{path:?}");
    }
}

#[test]
fn parameters_are_the_controller_s_in_its_order() {
    let mut worker = Worker::plugin();
    worker.load(installed_vst3("ZamCompX2")).unwrap();
    let all = parameters(&mut worker);
    assert_eq!(all.len(), 14);
    let attack = &all[3];
    assert_eq!(
        (attack.name.as_str(), attack.label.as_str()),
        ("Attack", "ms")
    );
    assert_eq!(attack.id, "3");
    assert!(attack.is_automatable && !attack.is_boolean && attack.num_steps == 0);
    assert!((attack.plain_min - 0.1).abs() < 1e-6 && attack.plain_max == 100.0);
    assert!((attack.default_value - 0.099_099).abs() < 1e-5);
    assert_eq!(attack.text, "10.000000");
    let stereo = &all[10];
    assert!(stereo.is_boolean && stereo.num_steps == 2);
    assert!(!all[12].is_automatable, "a meter");
    assert_eq!(text(&mut worker, 3, 1.0), "100.000000");
    let call = ParameterFromTextRequest {
        index: 3,
        text: "50.05".into(),
        ..ParameterFromTextRequest::default()
    };
    assert!((worker.call(call).unwrap().value - 0.5).abs() < 1e-4);
    // Only the plugin moves its meters.
    set(&mut worker, 12, 1.0);
    assert_eq!(parameters(&mut worker)[12].value, 0.0);
    // A switch has two places.
    set(&mut worker, 10, 0.7);
    assert_eq!(parameters(&mut worker)[10].value, 1.0);
}

#[test]
fn a_set_value_is_in_the_state_without_a_block() {
    let mut worker = Worker::plugin();
    worker.load(installed_vst3("ZamCompX2")).unwrap();
    let before = state(&mut worker);
    let preset = VstPreset::read(&before).unwrap();
    assert_eq!(preset.class_id, "2046504473616C633250435A00000000");
    set(&mut worker, 3, 0.25);
    let after = state(&mut worker);
    assert_ne!(after, before);
    restore(&mut worker, &before).unwrap();
    assert_eq!(state(&mut worker), before);
    let attack = &parameters(&mut worker)[3];
    assert!((attack.value - attack.default_value).abs() < 1e-6);
    // The component's own chunk does as well, and what a JUCE host keeps.
    let chunk = VstPreset::read(&after).unwrap().component_state.unwrap();
    for data in [chunk.clone(), juce(&chunk)] {
        restore(&mut worker, &before).unwrap();
        restore(&mut worker, &data).unwrap();
        assert_eq!(state(&mut worker), after);
        assert!((parameters(&mut worker)[3].value - 0.25).abs() < 1e-5);
    }
}

/// A chunk as a JUCE host keeps it.
fn juce(chunk: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8] = b".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+";
    let bit = |at: usize| usize::from(chunk.get(at / 8).map_or(0, |byte| byte >> (at % 8) & 1));
    let digits = (0..(chunk.len() * 8).div_ceil(6)).map(|digit| {
        let value = (0..6).map(|at| bit(digit * 6 + at) << at).sum::<usize>();
        char::from(DIGITS[value])
    });
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?> <VST3PluginState><IComponent>{}.{}\
         </IComponent></VST3PluginState>",
        chunk.len(),
        digits.collect::<String>()
    );
    let length = u32::try_from(xml.len()).unwrap().to_le_bytes();
    [b"VC2!".as_slice(), &length, xml.as_bytes(), b"\0"].concat()
}

#[test]
fn states_that_are_none_are_refused() {
    let mut worker = Worker::plugin();
    worker.load(installed_vst3("ZamDelay")).unwrap();
    let own = state(&mut worker);
    let foreign = VstPreset {
        class_id: "0".repeat(32),
        ..VstPreset::read(&own).unwrap()
    };
    let foreign = foreign.write().unwrap();
    for data in [&b""[..], b"VST3", &own[..own.len() - 1], b"VC2!", &foreign] {
        let (reason, message) = restore(&mut worker, data).unwrap_err();
        assert_eq!(reason, ErrorReason::InvalidInput, "{data:?}");
        assert!(message.starts_with("Failed to set plugin state"));
    }
    assert_eq!(state(&mut worker), own);
    // What was set before stays set.
    let feedback = index(&mut worker, "Feedback");
    set(&mut worker, feedback, 0.875);
    restore(&mut worker, b"VST3").unwrap_err();
    assert_ne!(state(&mut worker), own);
    // A plugin that refuses the state it has all the same keeps it.
    let mut worker = Worker::plugin();
    worker.load(installed_vst3("ZamAutoSat")).unwrap();
    let own = state(&mut worker);
    restore(&mut worker, &own).unwrap();
}

#[test]
fn a_change_within_a_block_is_heard_from_its_frame() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed_vst3("ZamCompX2")).unwrap();
    let makeup = index(&mut worker, "Makeup");
    let mut audio = worker.attach(&plugin, 4);
    let planes = [vec![0.25; 512], vec![0.25; 512]];
    for _ in 0..8 {
        quietly(&mut audio, &planes);
    }
    let mut events = EventList::new();
    events.push_parameter(200, makeup, 1.0);
    let (output, _) = play(&mut audio, &planes, &events);
    assert!((output[0][199] - 0.25).abs() < 0.01, "{}", output[0][199]);
    assert!(output[0][200] > 1.0, "30 dB up: {}", output[0][200]);
    worker.after_block(9);
    assert_eq!(parameters(&mut worker)[8].value, 1.0);
    let by_host = |event: &Event| matches!(event, Event::ParameterChanged(c) if c.index == makeup && c.by_host);
    assert!(worker.events.iter().any(by_host), "{:?}", worker.events);
}

#[test]
fn a_plugin_s_meters_are_told() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed_vst3("ZamCompX2")).unwrap();
    let level = index(&mut worker, "Output Level");
    let mut audio = worker.attach(&plugin, 4);
    quietly(&mut audio, &[noise(512, 1), noise(512, 2)]);
    worker.after_block(1);
    assert!(parameters(&mut worker)[13].value > 0.5);
    let by_plugin = |event: &Event| matches!(event, Event::ParameterChanged(c) if c.index == level && !c.by_host);
    assert!(worker.events.iter().any(by_plugin), "{:?}", worker.events);
}

#[test]
fn a_sidechain_is_there_for_who_asks() {
    for wish in [0, 1] {
        let mut worker = Worker::plugin();
        let options = OpenOptions {
            sidechain_channels: wish,
            ..installed_vst3("ZamCompX2")
        };
        let plugin = worker.load(options).unwrap();
        assert_eq!(
            (plugin.num_input_channels, plugin.sidechain_channels),
            (2, wish)
        );
        assert_eq!(plugin.input_buses.len(), 2);
        assert_eq!(plugin.input_buses[1].is_enabled, wish == 1);
        let mut audio = worker.attach(&plugin, 4);
        let planes = [noise(512, 1), noise(512, 2), noise(512, 3)];
        let inputs = usize::try_from(2 + wish).unwrap();
        assert!(peak(&quietly(&mut audio, &planes[..inputs])) > 0.1);
    }
}

#[test]
fn bypass_is_the_host_s_where_the_plugin_has_none() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed_vst3("ZaMaximX2")).unwrap();
    assert!(!plugin.has_bypass);
    let mut audio = worker.attach(&plugin, 4);
    let call = SetBypassRequest {
        bypass: true,
        ..SetBypassRequest::default()
    };
    worker.call(call).unwrap();
    let planes = [noise(512, 1), noise(512, 2)];
    let output = quietly(&mut audio, &planes);
    assert_eq!(peak(&[output[0][..480].to_vec()]), 0.0);
    assert_eq!(output[0][480..], planes[0][..32], "late by the latency");
}

#[test]
fn program_lists_are_programs() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed_vst3("ZamCompX2")).unwrap();
    assert_eq!(plugin.num_programs, 3);
    let programs = worker.call(ListProgramsRequest::default()).unwrap();
    assert_eq!(programs.names, ["Zero", "PoppySnare", "VocalLeveller"]);
    assert_eq!(programs.current, 0);
    let before = parameters(&mut worker);
    let call = |index| SetProgramRequest {
        index,
        ..SetProgramRequest::default()
    };
    worker.call(call(2)).unwrap();
    let after = parameters(&mut worker);
    assert_ne!(after[3].value, before[3].value, "the attack");
    let programs = worker.call(ListProgramsRequest::default()).unwrap();
    assert_eq!(programs.current, 2);
    let told = |event: &Event| matches!(event, Event::ProcessorChanged(c) if c.program);
    assert!(worker.events.iter().any(told), "{:?}", worker.events);
    let refused = worker.call(call(3)).unwrap_err();
    assert_eq!(refused.reason, ErrorReason::IndexOutOfRange);
}

#[test]
fn a_reset_silences_a_delay() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed_vst3("ZamDelay")).unwrap();
    for name in ["Dry/Wet", "Feedback"] {
        let index = index(&mut worker, name);
        set(&mut worker, index, 1.0);
    }
    let mut audio = worker.attach(&plugin, 4);
    let (loud, quiet) = ([noise(512, 1)], [vec![0.0; 512]]);
    for _ in 0..100 {
        quietly(&mut audio, &loud);
    }
    assert!(peak(&quietly(&mut audio, &quiet)) > 0.01);
    worker.after_block(101);
    worker.call(ResetRequest::default()).unwrap();
    assert!(peak(&quietly(&mut audio, &quiet)) < 0.001);
}

#[test]
fn modes_change_between_blocks() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed_vst3("ZamTube")).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let planes = [noise(512, 1)];
    quietly(&mut audio, &planes);
    let call = SetNonRealtimeRequest {
        non_realtime: true,
        ..SetNonRealtimeRequest::default()
    };
    worker.call(call).unwrap();
    assert!(peak(&quietly(&mut audio, &planes)) > 0.01);
    let precision = |precision: Precision| SetPrecisionRequest {
        precision: precision.into(),
        ..SetPrecisionRequest::default()
    };
    let refused = worker.call(precision(Precision::Double)).unwrap_err();
    assert_eq!(refused.reason, ErrorReason::Unsupported);
    worker.call(precision(Precision::Single)).unwrap();
    let track = SetTrackPropertiesRequest {
        name: Some("Drums".into()),
        colour: Some(0xff00_ff00),
        ..SetTrackPropertiesRequest::default()
    };
    worker.call(track).unwrap();
    let layout = CheckBusesLayoutRequest {
        input_channels: vec![1],
        output_channels: vec![1],
        ..CheckBusesLayoutRequest::default()
    };
    assert!(worker.call(layout).unwrap().supported);
}

#[test]
fn all_modules_are_probed_in_one_go() {
    let paths = vst3_modules();
    assert!(paths.len() >= 17, "install zam-plugins: {paths:?}");
    let mut worker = Worker::probe();
    let probe = Probe {
        paths: paths
            .iter()
            .cloned()
            .chain(["/nowhere.vst3".into()])
            .collect(),
        format: PluginFormat::Vst3.into(),
        ..Probe::default()
    };
    let probed = worker.call(probe).unwrap();
    let found: Vec<String> = probed.plugins.iter().map(|p| p.path.clone()).collect();
    assert_eq!(found, paths);
    assert_eq!(probed.failures.len(), 1);
    let comp = probed
        .plugins
        .iter()
        .find(|p| p.name == "ZamCompX2")
        .unwrap();
    assert_eq!((comp.num_inputs, comp.num_outputs), (2, 2));
    assert_eq!(comp.unique_id, "0EE6A0C5", "minihost's");
    let nobody = Probe {
        paths: vec![paths[0].clone()],
        format: PluginFormat::Vst3.into(),
        identifier: "0".repeat(32),
        ..Probe::default()
    };
    assert_eq!(worker.call(nobody).unwrap().plugins, []);
}
