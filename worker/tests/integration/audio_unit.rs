//! AudioUnits, in a simulated AudioToolbox whose units are the test plugins. It ends the worker
//! where a host breaks a rule.

mod playing;

use std::sync::OnceLock;

use crate::support::{Audio, Input, Worker, assemble, noise, options};
use plugpen_proto::event::{EventBody, EventList};
use plugpen_proto::v1::*;
use plugpen_proto::worker::event::Event;
use plugpen_proto::worker::{Ping, Probe};

/// The test plugins' bundle, put together once.
fn bundle() -> &'static str {
    static BUNDLE: OnceLock<String> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let files = ["Contents/Info.plist"];
        assemble(
            "plugpen-test.component",
            &files,
            "Contents/Linux/libAudioToolbox.so",
        )
    })
}

fn unit(selector: &str) -> OpenOptions {
    OpenOptions {
        selector: selector.into(),
        ..options(bundle())
    }
}

fn open(selector: &str) -> (Worker, OpenedPlugin) {
    open_with(unit(selector))
}

fn open_with(options: OpenOptions) -> (Worker, OpenedPlugin) {
    let mut worker = Worker::start("plugin", "best-effort", &[bundle()]);
    let plugin = worker.load(options).unwrap();
    (worker, plugin)
}

fn play(audio: &mut Audio, planes: &[Vec<f32>], events: &EventList) -> (Vec<Vec<f32>>, EventList) {
    audio.block(&Input {
        frames: u32::try_from(planes.first().map_or(512, Vec::len)).unwrap(),
        planes,
        events,
        transport: None,
    })
}

fn quiet() -> EventList {
    EventList::new()
}

fn set(worker: &mut Worker, index: u32, value: f64) -> f64 {
    let call = SetParameterRequest {
        index,
        value,
        ..SetParameterRequest::default()
    };
    worker.call(call).unwrap().value
}

fn get(worker: &mut Worker, index: u32) -> f64 {
    let call = GetParameterRequest {
        index,
        ..GetParameterRequest::default()
    };
    worker.call(call).unwrap().value
}

fn state(worker: &mut Worker) -> Vec<u8> {
    worker.call(GetStateRequest::default()).unwrap().data
}

fn restore(worker: &mut Worker, data: &[u8]) -> Result<(), crate::support::Refused> {
    let call = SetStateRequest {
        data: data.to_vec(),
        ..SetStateRequest::default()
    };
    worker.call(call).map(|_| ())
}

fn parameters(worker: &mut Worker) -> Vec<Parameter> {
    worker
        .call(ListParametersRequest::default())
        .unwrap()
        .parameters
}

fn text(worker: &mut Worker, index: u32, value: f64) -> String {
    let call = ParameterToTextRequest {
        index,
        value,
        ..ParameterToTextRequest::default()
    };
    worker.call(call).unwrap().text
}

fn from_text(worker: &mut Worker, index: u32, text: &str) -> f64 {
    let call = ParameterFromTextRequest {
        index,
        text: text.into(),
        ..ParameterFromTextRequest::default()
    };
    worker.call(call).unwrap().value
}

/// Calls until an event has come that is meant.
fn until(worker: &mut Worker, is_meant: impl Fn(&Event) -> bool) {
    while !worker.events.iter().any(&is_meant) {
        worker.call(Ping {}).unwrap();
    }
}

#[test]
fn a_bundle_s_units_are_probed_and_chosen() {
    let mut worker = Worker::start("probe", "best-effort", &[bundle()]);
    let probe = |identifier: &str| Probe {
        paths: vec![bundle().into()],
        format: PluginFormat::AudioUnit.into(),
        identifier: identifier.into(),
        ..Probe::default()
    };
    let found = worker.call(probe("aumu:beep:Plpg")).unwrap().plugins;
    let expected = PluginDescription {
        name: "Test Beep".into(),
        vendor: "plugpen".into(),
        version: "1.2.3".into(),
        format: PluginFormat::AudioUnit.into(),
        unique_id: format!("{:08X}", 0x6175_6d75 ^ 0x6265_6570 ^ 0x506c_7067),
        path: bundle().into(),
        identifier: "aumu:beep:Plpg".into(),
        index: 5,
        accepts_midi: true,
        produces_midi: false,
        num_inputs: 0,
        num_outputs: 2,
        product: "Test Beep".into(),
    };
    assert_eq!(found, std::slice::from_ref(&expected));
    for selector in ["5", "test beep", "aumu:beep:Plpg"] {
        let (_, plugin) = open(selector);
        assert_eq!(plugin.description, Some(expected.clone()), "{selector}");
        assert!(plugin.accepts_midi);
    }
    let mut worker = Worker::start("plugin", "best-effort", &[bundle()]);
    for (selector, reason, part) in [
        ("Nobody", ErrorReason::NotFound, "Test Gain"),
        ("99", ErrorReason::IndexOutOfRange, "99"),
        (
            "Test Born Refusing",
            ErrorReason::PluginRefused,
            "aufx:bref:Plpg",
        ),
    ] {
        let refused = worker.load(unit(selector)).unwrap_err();
        assert_eq!(refused.reason, reason, "{selector}");
        assert!(refused.message.contains(part), "{}", refused.message);
    }
}

#[test]
fn without_a_mac_there_is_no_audio_toolbox() {
    let mut worker = Worker::probe();
    let survey = Probe {
        format: PluginFormat::AudioUnit.into(),
        ..Probe::default()
    };
    let refused = worker.call(survey).unwrap_err();
    assert_eq!(refused.reason, ErrorReason::Unsupported);
    assert!(refused.message.contains("macOS"), "{}", refused.message);
}

#[test]
fn parameters_have_ranges_steps_units_and_texts() {
    let (mut worker, _) = open("Test Parameter");
    let all = parameters(&mut worker);
    let names: Vec<&str> = all
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    assert_eq!(names, ["Value", "Plain", "Steps", "Switch"]);
    let plain = &all[1];
    assert_eq!((plain.id.as_str(), plain.label.as_str()), ("1001", "dB"));
    assert_eq!((plain.plain_min, plain.plain_max), (-10.0, 10.0));
    assert_eq!((plain.value, plain.default_value), (0.5, 0.5));
    assert_eq!(all[2].num_steps, 5);
    assert!(all[3].is_boolean && all[3].is_automatable);
    assert_eq!(text(&mut worker, 1, 0.75), "5");
    assert_eq!(from_text(&mut worker, 1, "-5 dB"), 0.25);
    assert_eq!(text(&mut worker, 2, 0.5), "Two");
    assert_eq!(text(&mut worker, 2, 0.25), "1");
    assert_eq!(from_text(&mut worker, 2, "Four"), 1.0);
    assert_eq!(text(&mut worker, 3, 1.0), "On");
    assert_eq!(from_text(&mut worker, 3, "off"), 0.0);
    assert_eq!(from_text(&mut worker, 3, "On"), 1.0);
    // What is asked for again and again is released each time.
    for _ in 0..3000 {
        text(&mut worker, 2, 0.5);
    }
}

#[test]
fn a_set_value_is_read_back_exactly_and_is_in_the_state() {
    let (mut worker, _) = open("Test Parameter");
    let before = state(&mut worker);
    assert!(String::from_utf8_lossy(&before).contains("<key>manufacturer</key>"));
    assert_eq!(set(&mut worker, 0, 0.1234), 0.1234);
    assert_eq!(get(&mut worker, 0), 0.1234);
    let after = state(&mut worker);
    assert_ne!(after, before);
    assert_eq!(get(&mut worker, 0), 0.1234);
    restore(&mut worker, &before).unwrap();
    assert_eq!(get(&mut worker, 0), 0.5);
    assert_eq!(state(&mut worker), before);
    let changed = |event: &Event| matches!(event, Event::ParameterChanged(c) if c.index == 0);
    assert!(worker.events.iter().any(changed));
    let refused = worker
        .call(SetParameterRequest {
            index: 0,
            value: f64::NAN,
            ..SetParameterRequest::default()
        })
        .unwrap_err();
    assert_eq!(refused.reason, ErrorReason::InvalidInput);
    assert_eq!(set(&mut worker, 0, 7.0), 1.0);
}

#[test]
fn states_that_are_none_are_refused() {
    let (mut worker, _) = open("Test Counter");
    let own = state(&mut worker);
    let (mut other, _) = open("Test Gain");
    let foreign = state(&mut other);
    let list = b"<plist version=\"1.0\"><array></array></plist>";
    let empty = b"<plist version=\"1.0\"><dict></dict></plist>";
    let junk: [&[u8]; 7] = [
        b"",
        b"junk",
        b"\xff\xfe",
        b"bplist00",
        list,
        empty,
        &foreign,
    ];
    for data in junk {
        let refused = restore(&mut worker, data).unwrap_err();
        assert_eq!(refused.reason, ErrorReason::InvalidInput, "{data:?}");
        assert!(refused.message.starts_with("Failed to set plugin state"));
    }
    assert_eq!(state(&mut worker), own);
}

#[test]
fn presets_are_programs() {
    let (mut worker, plugin) = open("Test Parameter");
    assert_eq!(plugin.num_programs, 2);
    let programs = worker.call(ListProgramsRequest::default()).unwrap();
    assert_eq!(programs.names, ["Low", "High"]);
    let choose = |index| SetProgramRequest {
        index,
        ..SetProgramRequest::default()
    };
    worker.call(choose(1)).unwrap();
    assert_eq!((get(&mut worker, 0), get(&mut worker, 1)), (0.75, 0.75));
    assert_eq!(
        worker.call(ListProgramsRequest::default()).unwrap().current,
        1
    );
    let told = |event: &Event| matches!(event, Event::ProcessorChanged(c) if c.program);
    assert!(worker.events.iter().any(told), "{:?}", worker.events);
    let refused = worker.call(choose(2)).unwrap_err();
    assert_eq!(refused.reason, ErrorReason::IndexOutOfRange);
}

#[test]
fn channels_are_as_wished_where_the_unit_can() {
    for (wish, has) in [
        ((2, 2), (2, 2)),
        ((1, 1), (1, 1)),
        ((6, 6), (6, 6)),
        ((1, 2), (2, 2)),
    ] {
        let (mut worker, plugin) = open_with(OpenOptions {
            in_channels: wish.0,
            out_channels: wish.1,
            ..unit("Test Gain")
        });
        assert_eq!((plugin.num_input_channels, plugin.num_output_channels), has);
        let mut audio = worker.attach(&plugin, 4);
        let planes: Vec<Vec<f32>> = (0..has.0).map(|channel| noise(512, channel + 1)).collect();
        set(&mut worker, 0, 0.125);
        let (output, _) = play(&mut audio, &planes, &quiet());
        for (input, output) in planes.iter().zip(&output) {
            let halved: Vec<f32> = input.iter().map(|sample| sample * 0.5).collect();
            assert_eq!(*output, halved);
        }
        let check = |input: i32, output: i32| CheckBusesLayoutRequest {
            input_channels: vec![input],
            output_channels: vec![output],
            ..CheckBusesLayoutRequest::default()
        };
        assert!(worker.call(check(3, 3)).unwrap().supported);
        assert!(!worker.call(check(1, 2)).unwrap().supported);
    }
    let (_, plugin) = open("Test Sidechain");
    assert_eq!(
        (plugin.num_input_channels, plugin.num_output_channels),
        (1, 1)
    );
}

#[test]
fn offline_work_track_names_and_precision() {
    let (mut worker, _) = open_with(OpenOptions {
        non_realtime: true,
        ..unit("Test Gain")
    });
    let offline = |non_realtime| SetNonRealtimeRequest {
        non_realtime,
        ..SetNonRealtimeRequest::default()
    };
    worker.call(offline(false)).unwrap();
    let track = SetTrackPropertiesRequest {
        name: Some("Gitarre \u{1f3b8}".into()),
        ..SetTrackPropertiesRequest::default()
    };
    worker.call(track).unwrap();
    until(
        &mut worker,
        |event| matches!(event, Event::ProcessorChanged(c) if c.parameter_info),
    );
    assert_eq!(parameters(&mut worker)[0].name, "Gain (Gitarre \u{1f3b8})");
    let double = SetPrecisionRequest {
        precision: Precision::Double.into(),
        ..SetPrecisionRequest::default()
    };
    let refused = worker.call(double).unwrap_err();
    assert_eq!(refused.reason, ErrorReason::Unsupported);
}
