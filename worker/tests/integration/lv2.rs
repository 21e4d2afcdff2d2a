//! Real LV2 plugins. A plugin that is not installed fails its test.

use crate::support::{Worker, installed, noise, parameters, peak, play, set};
use plugpen_proto::event::{EventBody, EventList};
use plugpen_proto::v1::*;
use plugpen_proto::worker::Ping;
use plugpen_proto::worker::event::Event;

fn state(worker: &mut Worker) -> String {
    String::from_utf8(worker.call(GetStateRequest::default()).unwrap().data).unwrap()
}

fn restore(worker: &mut Worker, state: &str) {
    let call = SetStateRequest {
        data: state.into(),
        ..SetStateRequest::default()
    };
    worker.call(call).unwrap();
}

#[test]
fn a_synth_sounds_from_the_note_s_own_frame() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("mda.lv2", "MDA EPiano")).unwrap();
    let description = plugin.description.clone().unwrap();
    assert_eq!(description.name, "MDA ePiano");
    assert_eq!(
        description.identifier,
        "http://drobilla.net/plugins/mda/EPiano"
    );
    assert!(description.accepts_midi && plugin.accepts_midi);
    assert_eq!(
        (plugin.num_input_channels, plugin.num_output_channels),
        (0, 2)
    );
    let mut audio = worker.attach(&plugin, 4);
    let mut events = EventList::new();
    events.push_midi(200, &[0x90, 60, 100]);
    let (output, _) = play(&mut audio, &[], &events);
    let before: Vec<Vec<f32>> = output.iter().map(|plane| plane[..200].to_vec()).collect();
    assert_eq!(peak(&before), 0.0);
    assert!(peak(&output) > 0.001, "silent");
}

#[test]
fn a_set_value_is_in_the_state_without_a_block() {
    let mut worker = Worker::plugin();
    worker.load(installed("mda.lv2", "MDA Delay")).unwrap();
    let before = state(&mut worker);
    assert!(before.starts_with("<http://drobilla.net/plugins/mda/Delay/savedState>"));
    set(&mut worker, 0, 0.1234);
    let after = state(&mut worker);
    assert!(after.contains("pset:value 0.1234"), "{after}");
    restore(&mut worker, &before);
    assert_eq!(state(&mut worker), before);
    assert_eq!(
        parameters(&mut worker)[0].value,
        parameters(&mut worker)[0].default_value
    );
}

#[test]
fn states_that_are_none_are_refused() {
    let mut worker = Worker::plugin();
    worker.load(installed("mda.lv2", "MDA Delay")).unwrap();
    let own = state(&mut worker);
    let foreign = own.replace("mda/Delay", "mda/Ambience");
    let junk: [&[u8]; 5] = [
        b"",
        b"junk",
        b"\xff\xfe",
        b"<a> <b> \0 .",
        foreign.as_bytes(),
    ];
    for data in junk {
        let call = SetStateRequest {
            data: data.to_vec(),
            ..SetStateRequest::default()
        };
        let refused = worker.call(call).unwrap_err();
        assert_eq!(refused.reason, ErrorReason::InvalidInput, "{data:?}");
        assert!(refused.message.starts_with("Failed to set plugin state"));
    }
    assert_eq!(state(&mut worker), own);
}

#[test]
fn a_change_within_a_block_is_heard_from_its_frame() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("eg-amp.lv2", "")).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let planes = [vec![0.5; 512]];
    let gain = &parameters(&mut worker)[0];
    assert_eq!((gain.name.as_str(), gain.label.as_str()), ("Gain", "dB"));
    assert_eq!((gain.plain_min, gain.plain_max), (-90.0, 24.0));
    let silent = 0.0;
    let unity = 90.0 / 114.0;
    let mut events = EventList::new();
    // Two at one frame: the last one counts.
    events.push_parameter(100, 0, 1.0);
    events.push_parameter(100, 0, silent);
    events.push_parameter(300, 0, unity);
    let (output, _) = play(&mut audio, &planes, &events);
    for (frame, sample) in output[0].iter().enumerate() {
        match frame {
            100..300 => assert_eq!(*sample, 0.0, "frame {frame}"),
            _ => assert!((sample - 0.5).abs() < 1e-4, "frame {frame}: {sample}"),
        }
    }
}

#[test]
fn a_midi_effect_answers_at_the_same_frames_and_sysex_passes() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("eg-fifths.lv2", "")).unwrap();
    assert!(plugin.produces_midi);
    let mut audio = worker.attach(&plugin, 4);
    let mut events = EventList::new();
    events.push_midi(3, &[0x90, 60, 100]);
    events.push_midi(500, &[0x80, 60, 0]);
    let (_, output) = play(&mut audio, &[], &events);
    let notes: Vec<(u32, Vec<u8>)> = output
        .iter()
        .map(|event| match event.body {
            EventBody::Midi(data) => (event.offset, data.to_vec()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        notes,
        [
            (3, vec![0x90, 60, 100]),
            (3, vec![0x90, 67, 100]),
            (500, vec![0x80, 60, 0]),
            (500, vec![0x80, 67, 0]),
        ]
    );

    let mut worker = Worker::plugin();
    let passthru = "http://gareus.org/oss/lv2/midifilter#passthru";
    let plugin = worker.load(installed("midifilter.lv2", passthru)).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let sysex: Vec<u8> = std::iter::once(0xf0)
        .chain([0x42; 200])
        .chain([0xf7])
        .collect();
    let mut events = EventList::new();
    events.push_midi(77, &[0xb0, 7, 99]);
    let (_, output) = play(&mut audio, &[], &events);
    assert_eq!(output.get(0).unwrap().body, EventBody::Midi(&[0xb0, 7, 99]));
    // This filter knows short messages only; what matters is that a long one does no harm.
    let mut events = EventList::new();
    events.push_midi(5, &sysex);
    events.push_midi(78, &[0xb0, 7, 98]);
    let (_, output) = play(&mut audio, &[], &events);
    let last = output.get(output.len() - 1).unwrap();
    assert_eq!(
        (last.offset, last.body),
        (78, EventBody::Midi(&[0xb0, 7, 98]))
    );
}

#[test]
fn patch_parameters_are_read_set_and_saved() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("eg-params.lv2", "")).unwrap();
    let names: Vec<String> = parameters(&mut worker)
        .into_iter()
        .map(|p| p.name)
        .collect();
    let numbers = ["bool", "double", "float", "int", "long", "spring"];
    assert_eq!(names[..6], numbers, "texts come after all numbers");
    let float = &parameters(&mut worker)[2];
    assert_eq!(float.id, "des:http://lv2plug.in/plugins/eg-params#float");
    assert!(
        (float.value - 0.1234).abs() < 1e-6,
        "the default state's: {}",
        float.value
    );
    // In the state although no block was played.
    set(&mut worker, 2, 0.75);
    let saved = state(&mut worker);
    assert!(saved.contains("eg-params#float> \"0.75\""), "{saved}");
    // And through blocks, and back.
    let mut audio = worker.attach(&plugin, 4);
    let mut events = EventList::new();
    events.push_parameter(10, 2, 0.25);
    play(&mut audio, &[], &events);
    worker.after_block(1);
    assert!(state(&mut worker).contains("eg-params#float> \"0.25\""));
    restore(&mut worker, &saved);
    assert_eq!(parameters(&mut worker)[2].value, 0.75);
}

#[test]
fn a_sampler_loads_its_sample_beside_the_audio_thread() {
    for non_realtime in [false, true] {
        let mut worker = Worker::plugin();
        let options = OpenOptions {
            non_realtime,
            ..installed("eg-sampler.lv2", "")
        };
        let plugin = worker.load(options).unwrap();
        let saved = state(&mut worker);
        assert!(saved.contains("click.wav"), "{saved}");
        let mut audio = worker.attach(&plugin, 4);
        let mut events = EventList::new();
        events.push_midi(10, &[0x90, 60, 127]);
        let (output, _) = play(&mut audio, &[], &events);
        assert!(peak(&output) > 0.01, "non_realtime {non_realtime}: silent");
        restore(&mut worker, &saved);
        assert_eq!(state(&mut worker), saved);
        let (output, _) = play(&mut audio, &[], &events);
        assert!(peak(&output) > 0.01, "after its state was restored: silent");
    }
}

#[test]
fn the_latency_is_right_before_the_first_block() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("ZaMaximX2.lv2", "")).unwrap();
    assert_eq!(plugin.latency_samples, 480);
    let timing = worker.call(GetTimingRequest::default()).unwrap();
    assert_eq!((timing.latency_samples, timing.tail_seconds), (480, 0.0));
}

#[test]
fn finding_the_latency_leaves_no_trace() {
    // Autotune keeps history that a reset does not clear.
    let song = [noise(512, 9)];
    let mut heard = Vec::new();
    for _ in 0..2 {
        let mut worker = Worker::plugin();
        let plugin = worker
            .load(installed("fat1.lv2", "http://gareus.org/oss/lv2/fat1"))
            .unwrap();
        assert_eq!(plugin.latency_samples, 1024);
        let mut audio = worker.attach(&plugin, 4);
        let blocks: Vec<_> = (0..8)
            .map(|_| play(&mut audio, &song, &EventList::new()).0)
            .collect();
        heard.push(blocks);
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(peak(&heard[0][0]), 0.0, "the latency's silence");
}

#[test]
fn presets_are_programs() {
    let mut worker = Worker::plugin();
    worker.load(installed("mda.lv2", "MDA EPiano")).unwrap();
    let programs = worker.call(ListProgramsRequest::default()).unwrap();
    assert_eq!(
        programs.names,
        ["Autopan", "Bright", "Default", "Mellow", "Tremolo"]
    );
    let before = state(&mut worker);
    let call = SetProgramRequest {
        index: 1,
        ..SetProgramRequest::default()
    };
    worker.call(call).unwrap();
    assert_ne!(state(&mut worker), before);
    let told = |event: &Event| matches!(event, Event::ProcessorChanged(c) if c.program);
    assert!(worker.events.iter().any(told), "{:?}", worker.events);
    let call = SetProgramRequest {
        index: 5,
        ..SetProgramRequest::default()
    };
    assert_eq!(
        worker.call(call).unwrap_err().reason,
        ErrorReason::IndexOutOfRange
    );

    // Presets in a bundle of their own.
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("ZynAddSubFX.lv2", "")).unwrap();
    assert!(plugin.num_programs > 1000, "{}", plugin.num_programs);
}

#[test]
fn a_plugin_s_own_bypass_is_used() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("darc.lv2", "0")).unwrap();
    assert!(plugin.has_bypass);
    let bypass = &parameters(&mut worker)[0];
    assert_eq!(
        (bypass.name.as_str(), bypass.id.as_str()),
        ("Bypass", "sym:enable")
    );
    assert!(bypass.is_boolean && bypass.is_bypass && bypass.value == 0.0);
    let call = SetBypassRequest {
        bypass: true,
        ..SetBypassRequest::default()
    };
    worker.call(call).unwrap();
    assert_eq!(parameters(&mut worker)[0].value, 1.0);
    let saved = state(&mut worker);
    assert!(
        saved.contains("lv2:symbol \"enable\" ;\n\t\tpset:value 0.0"),
        "{saved}"
    );
}

#[test]
fn a_sidechain_is_there_for_who_asks() {
    for (wish, main, aside, buses) in [(0, 3, 0, 1), (1, 2, 1, 2)] {
        let mut worker = Worker::plugin();
        let options = OpenOptions {
            sidechain_channels: wish,
            ..installed("ZamCompX2.lv2", "")
        };
        let plugin = worker.load(options).unwrap();
        assert_eq!(
            (plugin.num_input_channels, plugin.sidechain_channels),
            (main, aside)
        );
        assert_eq!(plugin.input_buses.len(), buses);
        let mut audio = worker.attach(&plugin, 4);
        let planes = [noise(512, 1), noise(512, 2), noise(512, 3)];
        assert!(peak(&play(&mut audio, &planes, &EventList::new()).0) > 0.1);
    }
}

#[test]
fn the_transport_reaches_the_plugin() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("eg-metro.lv2", "")).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let call = SetTransportRequest {
        transport: Some(Transport {
            bpm: 120.0,
            time_sig_num: 4,
            time_sig_denom: 4,
            is_playing: true,
            ..Transport::default()
        }),
        ..SetTransportRequest::default()
    };
    worker.call(call).unwrap();
    let (output, _) = play(&mut audio, &[], &EventList::new());
    assert!(peak(&output) > 0.1, "no click on the first beat");
    let call = SetTransportRequest {
        transport: Some(Transport {
            bpm: f64::NAN,
            ..Transport::default()
        }),
        ..SetTransportRequest::default()
    };
    assert_eq!(
        worker.call(call).unwrap_err().reason,
        ErrorReason::InvalidInput
    );
}

#[test]
fn a_reset_silences_a_delay() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("MVerb.lv2", "")).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let loud = [noise(512, 1), noise(512, 2)];
    let quiet = [vec![0.0; 512], vec![0.0; 512]];
    for _ in 0..20 {
        play(&mut audio, &loud, &EventList::new());
    }
    assert!(peak(&play(&mut audio, &quiet, &EventList::new()).0) > 0.01);
    worker.call(ResetRequest::default()).unwrap();
    worker.call(Ping {}).unwrap();
}
