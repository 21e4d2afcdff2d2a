//! Real VST2 plugins. A plugin that is not installed fails its test.

use std::path::Path;

use crate::support::{Audio, Input, Worker, noise, options};
use plugpen_proto::event::EventList;
use plugpen_proto::fxb::{Content, File};
use plugpen_proto::v1::*;
use plugpen_proto::worker::Probe;
use plugpen_proto::worker::event::Event;

/// Options for a plugin that the test needs.
fn installed(name: &str) -> OpenOptions {
    let folders = ["/usr/lib/vst", "/usr/lib/lxvst"].map(|folder| format!("{folder}/{name}.so"));
    let path = folders.iter().find(|path| Path::new(path).is_file());
    options(path.unwrap_or_else(|| {
        panic!(
            "{name}.so is not installed; install the plugins that the tests need (zam-plugins, \
             dpf-plugins-vst, dragonfly-reverb-vst, amsynth, zynaddsubfx-vst)"
        )
    }))
}

fn play(audio: &mut Audio, planes: &[Vec<f32>], events: &EventList) -> (Vec<Vec<f32>>, EventList) {
    audio.block(&Input {
        frames: 512,
        planes,
        events,
        transport: None,
    })
}

fn peak(planes: &[Vec<f32>]) -> f32 {
    planes
        .iter()
        .flatten()
        .fold(0.0, |peak, sample| peak.max(sample.abs()))
}

fn set(worker: &mut Worker, index: u32, value: f64) {
    let call = SetParameterRequest {
        index,
        value,
        ..SetParameterRequest::default()
    };
    worker.call(call).unwrap();
}

fn get(worker: &mut Worker, index: u32) -> f64 {
    let call = GetParameterRequest {
        index,
        ..GetParameterRequest::default()
    };
    worker.call(call).unwrap().value
}

fn parameters(worker: &mut Worker) -> Vec<Parameter> {
    worker
        .call(ListParametersRequest::default())
        .unwrap()
        .parameters
}

fn state(worker: &mut Worker, scope: StateScope) -> Vec<u8> {
    let call = GetStateRequest {
        scope: scope.into(),
        ..GetStateRequest::default()
    };
    worker.call(call).unwrap().data
}

fn restore(worker: &mut Worker, scope: StateScope, data: &[u8]) {
    let call = SetStateRequest {
        scope: scope.into(),
        data: data.to_vec(),
        ..SetStateRequest::default()
    };
    worker.call(call).unwrap();
}

#[test]
fn a_synth_sounds_from_the_note_s_own_frame() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("Nekobi-vst")).unwrap();
    let description = plugin.description.clone().unwrap();
    assert_eq!(description.name, "Nekobi");
    assert_eq!(description.format(), PluginFormat::Vst2);
    assert!(description.accepts_midi && plugin.accepts_midi);
    assert_eq!(
        (plugin.num_input_channels, plugin.num_output_channels),
        (0, 1)
    );
    let mut audio = worker.attach(&plugin, 4);
    let mut events = EventList::new();
    events.push_midi(200, &[0x90, 40, 100]);
    let (output, _) = play(&mut audio, &[], &events);
    let before: Vec<Vec<f32>> = output.iter().map(|plane| plane[..200].to_vec()).collect();
    let (output, _) = play(&mut audio, &[], &EventList::new());
    assert!(peak(&before) < 1e-6, "{}", peak(&before));
    assert!(peak(&output) > 0.001, "silent");
}

#[test]
fn a_set_value_is_read_back_exactly_and_is_in_the_state_without_a_block() {
    let mut worker = Worker::plugin();
    worker.load(installed("ZamComp-vst")).unwrap();
    let before = state(&mut worker, StateScope::Plugin);
    set(&mut worker, 0, 0.1234);
    assert_eq!(get(&mut worker, 0), 0.1234);
    let after = state(&mut worker, StateScope::Plugin);
    assert_ne!(before, after);
    restore(&mut worker, StateScope::Plugin, &before);
    assert_eq!(state(&mut worker, StateScope::Plugin), before);
    assert_eq!(
        get(&mut worker, 0),
        parameters(&mut worker)[0].default_value
    );
    restore(&mut worker, StateScope::Plugin, &after);
    assert!((get(&mut worker, 0) - 0.1234).abs() < 1e-5);
}

#[test]
fn states_are_banks_and_programs_and_others_are_refused() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("ZamComp-vst")).unwrap();
    let id = plugin.description.unwrap().unique_id;
    let bank = state(&mut worker, StateScope::Plugin);
    let Ok(File::Bank(read)) = File::read(&bank) else {
        panic!("no .fxb");
    };
    assert_eq!(format!("{:08X}", read.plugin_id), id);
    let program = state(&mut worker, StateScope::Program);
    let Ok(File::Program(read)) = File::read(&program) else {
        panic!("no .fxp");
    };
    // A list of parameters is as good as a chunk, and either goes into either call.
    let list = plugpen_proto::fxb::Program {
        content: Content::List(vec![0.25; 3]),
        ..read.clone()
    };
    restore(&mut worker, StateScope::Plugin, &list.write().unwrap());
    assert_eq!(get(&mut worker, 2), 0.25);
    restore(&mut worker, StateScope::Plugin, &program);
    assert_eq!(state(&mut worker, StateScope::Program), program);

    let mut foreign = program.clone();
    foreign[16] ^= 1;
    let unfinite = plugpen_proto::fxb::Program {
        content: Content::List(vec![f32::NAN]),
        ..read
    };
    for data in [&[][..], &foreign, &bank[..40], &unfinite.write().unwrap()] {
        let call = SetStateRequest {
            data: data.to_vec(),
            ..SetStateRequest::default()
        };
        let refused = worker.call(call).unwrap_err();
        assert_eq!(refused.reason, ErrorReason::InvalidInput);
        assert!(refused.message.starts_with("Failed to set plugin state"));
    }
    assert_eq!(state(&mut worker, StateScope::Program), program);
}

#[test]
fn a_change_within_a_block_is_heard_from_its_frame() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("3BandEQ-vst")).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let master = parameters(&mut worker)[3].clone();
    assert_eq!(
        (master.name.as_str(), master.label.as_str()),
        ("Master", "dB")
    );
    let planes = [vec![0.5; 512], vec![0.5; 512]];
    for _ in 0..20 {
        play(&mut audio, &planes, &EventList::new());
    }
    let mut events = EventList::new();
    // Two at one frame: the last one counts.
    events.push_parameter(100, 3, 1.0);
    events.push_parameter(100, 3, 0.0);
    events.push_parameter(300, 3, 0.5);
    let (output, _) = play(&mut audio, &planes, &events);
    let loud = output[0][99];
    assert!(loud > 0.1, "{loud}");
    for (frame, sample) in output[0].iter().enumerate() {
        match frame {
            // -24 dB.
            100..300 => assert!(
                (sample / loud - 0.0631).abs() < 1e-3,
                "frame {frame}: {sample}"
            ),
            _ => assert!(
                (sample / loud - 1.0).abs() < 1e-3,
                "frame {frame}: {sample}"
            ),
        }
    }
    let told = |event: &Event| matches!(event, Event::ParameterChanged(c) if c.index == 3);
    worker.after_block(21);
    state(&mut worker, StateScope::Plugin);
    assert!(worker.events.iter().any(told));
}

#[test]
fn texts_are_the_plugin_s_own_both_ways() {
    let mut worker = Worker::plugin();
    worker.load(installed("ZamComp-vst")).unwrap();
    let all = parameters(&mut worker);
    let at = all.iter().position(|p| p.name == "Threshold").unwrap();
    let threshold = &all[at];
    assert_eq!(
        (threshold.label.as_str(), threshold.text.as_str()),
        ("dB", "0.000000")
    );
    let index = threshold.index;
    let mut text = |value| {
        let call = ParameterToTextRequest {
            index,
            value,
            ..ParameterToTextRequest::default()
        };
        worker.call(call).unwrap().text
    };
    let half = text(0.5);
    assert_ne!(half, text(0.0));
    // Asking changes nothing.
    assert_eq!(text(threshold.value), threshold.text);
    assert_eq!(get(&mut worker, index), threshold.value);
    for (text, value) in [(half.as_str(), 0.5), ("junk", 0.0)] {
        let call = ParameterFromTextRequest {
            index,
            text: text.into(),
            ..ParameterFromTextRequest::default()
        };
        let found = worker.call(call).unwrap().value;
        assert!((found - value).abs() < 0.02, "{text}: {found}");
    }
    assert_eq!(get(&mut worker, index), threshold.value);
}

#[test]
fn the_latency_is_right_before_the_first_block_and_bypass_is_aligned() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("ZaMaximX2-vst")).unwrap();
    assert_eq!(plugin.latency_samples, 480);
    assert!(!plugin.has_bypass);
    let mut audio = worker.attach(&plugin, 4);
    let call = SetBypassRequest {
        bypass: true,
        ..SetBypassRequest::default()
    };
    worker.call(call).unwrap();
    let song = [noise(512, 1), noise(512, 2)];
    let (output, _) = play(&mut audio, &song, &EventList::new());
    assert_eq!(output[0][480..], song[0][..32]);
    assert_eq!(output[1][480..], song[1][..32]);
}

#[test]
fn programs_are_listed_set_and_told() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("amsynth_vst")).unwrap();
    assert!(plugin.num_programs >= 128, "{}", plugin.num_programs);
    let programs = worker.call(ListProgramsRequest::default()).unwrap();
    let listed = u32::try_from(programs.names.len()).unwrap();
    assert_eq!(listed, plugin.num_programs);
    assert!(programs.names.iter().all(|name| !name.is_empty()));
    let distinct: std::collections::BTreeSet<_> = programs.names.iter().collect();
    assert!(distinct.len() > 64, "{}", distinct.len());
    let before = state(&mut worker, StateScope::Plugin);
    let program = |index| SetProgramRequest {
        index,
        ..SetProgramRequest::default()
    };
    worker.call(program(7)).unwrap();
    let now = worker.call(ListProgramsRequest::default()).unwrap();
    assert_eq!(now.current, 7);
    assert_ne!(state(&mut worker, StateScope::Plugin), before);
    let told = |event: &Event| matches!(event, Event::ProcessorChanged(c) if c.program);
    assert!(worker.events.iter().any(told), "{:?}", worker.events);
    let refused = worker.call(program(plugin.num_programs)).unwrap_err();
    assert_eq!(refused.reason, ErrorReason::IndexOutOfRange);
}

#[test]
fn every_input_is_within_reach() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("ZamCompX2-vst")).unwrap();
    // It says nothing of which of them is its sidechain.
    assert_eq!(
        (plugin.num_input_channels, plugin.sidechain_channels),
        (3, 0)
    );
    let mut audio = worker.attach(&plugin, 4);
    let planes = [noise(512, 1), noise(512, 2), noise(512, 3)];
    assert!(peak(&play(&mut audio, &planes, &EventList::new()).0) > 0.1);
}

#[test]
fn double_blocks_are_converted_and_double_precision_is_refused() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("MVerb-vst")).unwrap();
    assert!(!plugin.supports_double);
    let call = SetPrecisionRequest {
        precision: Precision::Double.into(),
        ..SetPrecisionRequest::default()
    };
    assert_eq!(
        worker.call(call).unwrap_err().reason,
        ErrorReason::Unsupported
    );
}

#[test]
fn a_reset_silences_a_reverb() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("MVerb-vst")).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let loud = [noise(512, 1), noise(512, 2)];
    let quiet = [vec![0.0; 512], vec![0.0; 512]];
    for _ in 0..40 {
        play(&mut audio, &loud, &EventList::new());
    }
    assert!(peak(&play(&mut audio, &quiet, &EventList::new()).0) > 0.01);
    worker.call(ResetRequest::default()).unwrap();
    let after = peak(&play(&mut audio, &quiet, &EventList::new()).0);
    assert!(after < 1e-4, "{after}");
}

#[test]
fn calls_to_the_host_are_told_to_who_asks() {
    for observe in [false, true] {
        let mut worker = Worker::plugin();
        let options = OpenOptions {
            observe_host_callbacks: observe,
            ..installed("MVerb-vst")
        };
        let plugin = worker.load(options).unwrap();
        let mut audio = worker.attach(&plugin, 4);
        let planes = [noise(512, 1), noise(512, 2)];
        play(&mut audio, &planes, &EventList::new());
        worker.after_block(1);
        state(&mut worker, StateScope::Plugin);
        let calls: Vec<&HostCallback> = worker
            .events
            .iter()
            .filter_map(|event| match event {
                Event::HostCallback(call) => Some(call),
                _ => None,
            })
            .collect();
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        if observe {
            // Asked from within the entry, before there is an effect.
            assert_eq!((names[0], calls[0].result), ("Version", 2400), "{names:?}");
            assert!(names.contains(&"GetSampleRate"), "{names:?}");
            assert!(calls.iter().all(|call| call.count > 0));
        } else {
            assert_eq!(names, [""; 0]);
        }
    }
}

#[test]
fn what_is_no_plugin_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.so");
    std::fs::write(&junk, b"no library").unwrap();
    for (path, reason, part) in [
        (
            "/usr/lib/lv2/MVerb.lv2/MVerb_dsp.so",
            ErrorReason::NotFound,
            "exports neither VSTPluginMain nor main",
        ),
        (
            junk.to_str().unwrap(),
            ErrorReason::PluginRefused,
            "cannot be loaded",
        ),
        (
            "/usr/lib/vst/nothing.so",
            ErrorReason::NotFound,
            "does not exist",
        ),
    ] {
        let mut worker = Worker::start("plugin", "best-effort", &[folder.path().to_str().unwrap()]);
        let refused = worker.load(options(path)).unwrap_err();
        assert_eq!(refused.reason, reason, "{path}");
        assert!(refused.message.contains(part), "{}", refused.message);
    }
    // A file of one plugin has that one only.
    let mut worker = Worker::plugin();
    for (selector, reason) in [
        ("1", ErrorReason::IndexOutOfRange),
        ("Nobody", ErrorReason::NotFound),
    ] {
        let options = OpenOptions {
            selector: selector.into(),
            ..installed("MVerb-vst")
        };
        assert_eq!(worker.load(options).unwrap_err().reason, reason);
    }
    let options = OpenOptions {
        selector: "mverb".into(),
        ..installed("MVerb-vst")
    };
    worker.load(options).unwrap();
}

#[test]
fn a_probe_describes_a_file_s_plugin() {
    let mut worker = Worker::probe();
    let probe = Probe {
        paths: vec![
            installed("MVerb-vst").path,
            "/usr/lib/vst/nothing.so".into(),
        ],
        format: PluginFormat::Vst2.into(),
        ..Probe::default()
    };
    let probed = worker.call(probe).unwrap();
    assert_eq!(probed.failures[0].path, "/usr/lib/vst/nothing.so");
    let mverb = &probed.plugins[0];
    assert_eq!((mverb.name.as_str(), mverb.unique_id.len()), ("MVerb", 8));
    assert_eq!(
        (mverb.num_inputs, mverb.num_outputs, mverb.accepts_midi),
        (2, 2, false)
    );
    let mut worker = Worker::plugin();
    let loaded = worker.load(installed("MVerb-vst")).unwrap();
    assert_eq!(loaded.description.as_ref(), Some(mverb));
}
