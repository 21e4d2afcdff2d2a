//! Blocks, their order with control, and the threads that play them.

use std::sync::Arc;
use std::thread;

use crate::common::{GAIN, UNITY, open, play, play_events, ramp, scaled, server};
use plugpen::v1::{ErrorReason, Transport};
use plugpen::{EventBody, EventList, OpenOptions, Planes, PlanesMut};

#[test]
fn a_block_comes_back_as_the_plugin_made_it() {
    let server = server();
    let plugin = open(&server);
    for frames in [1, 64, 511, 512] {
        let input = ramp(frames);
        assert_eq!(play(&plugin, &input).unwrap(), input);
    }
    plugin.set_param(GAIN, 0.25).unwrap();
    assert_eq!(play(&plugin, &ramp(512)).unwrap(), scaled(&ramp(512), 0.5));
}

#[test]
fn double_precision_is_kept_or_rounded_but_never_refused() {
    let server = server();
    let plugin = open(&server);
    let input: Vec<f64> = (0..64).map(|frame| f64::from(frame) / 3.0).collect();
    let mut output = [vec![0.0; 64], vec![0.0; 64]];
    let [left, right] = &mut output;
    plugin
        .process(
            Planes::F64(&[&input, &input]),
            Planes::None,
            PlanesMut::F64(&mut [left, right]),
            64,
            &EventList::new(),
            &mut EventList::new(),
        )
        .unwrap();
    for (given, got) in input.iter().zip(&output[1]) {
        assert!((given - got).abs() < 1e-5, "{given} {got}");
    }
}

#[test]
fn sample_types_may_be_mixed_and_sides_left_out() {
    let server = server();
    let plugin = open(&server);
    let [left, right] = ramp(64);
    let mut output = [vec![9.0f64; 64], vec![9.0; 64]];
    let [out_left, out_right] = &mut output;
    let nothing = EventList::new();
    plugin
        .process(
            Planes::F32(&[&left, &right]),
            Planes::None,
            PlanesMut::F64(&mut [out_left, out_right]),
            64,
            &nothing,
            &mut EventList::new(),
        )
        .unwrap();
    assert_eq!(output[1][63], f64::from(right[63]));
    let [out_left, out_right] = &mut output;
    plugin
        .process(
            Planes::None,
            Planes::None,
            PlanesMut::F64(&mut [out_left, out_right]),
            64,
            &nothing,
            &mut EventList::new(),
        )
        .unwrap();
    assert_eq!(output[1][63], 0.0);
    plugin
        .process(
            Planes::F32(&[&left, &right]),
            Planes::None,
            PlanesMut::None,
            64,
            &nothing,
            &mut EventList::new(),
        )
        .unwrap();
}

#[test]
fn events_arrive_at_their_frames_and_come_back() {
    let server = server();
    let plugin = open(&server);
    let mut events = EventList::new();
    events.push_midi(600, &[0xF0, 1, 2, 3, 0xF7]);
    events.push_midi(10, &[0xC2, 7, 0]);
    events.push_parameter(32, GAIN, 0.0);
    let mut given = EventList::new();
    let (output, report) = play_events(&plugin, &ramp(64), &events, &mut given).unwrap();
    assert_eq!(report.events_dropped, 0);
    let input = ramp(64);
    assert_eq!(output[0][..32], input[0][..32]);
    assert_eq!(output[0][32..], [0.0; 32]);
    let midi: Vec<_> = given
        .iter()
        .filter_map(|event| match event.body {
            EventBody::Midi(data) => Some((event.offset, data.to_vec())),
            _ => None,
        })
        .collect();
    let expected = [(10, vec![0xC2, 7]), (63, vec![0xF0, 1, 2, 3, 0xF7])];
    assert_eq!(midi, expected);
    assert_eq!(plugin.get_param(GAIN).unwrap(), 0.0);
}

#[test]
fn blocks_that_do_not_fit_are_refused_and_harm_nothing() {
    let server = server();
    let plugin = open(&server);
    let error = play(&plugin, &ramp(513)).unwrap_err();
    assert_eq!(error.reason, ErrorReason::InvalidInput);
    assert_eq!(error.message, "Frame count 513 exceeds max block size 512");
    let mut events = EventList::new();
    events.push_parameter(0, 99, 0.5);
    let mut out = EventList::new();
    let error = play_events(&plugin, &ramp(64), &events, &mut out).unwrap_err();
    assert!(
        error
            .message
            .contains("param_index must be an integer in [0, 3]")
    );
    assert!(play(&plugin, &ramp(0)).unwrap()[0].is_empty());
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), ramp(64));
}

#[test]
fn more_events_than_agreed_are_an_error_not_a_loss() {
    let server = server();
    let options = OpenOptions {
        event_bytes: 4096,
        ..OpenOptions::default()
    };
    let plugin = server.open("null:gain", &options).unwrap();
    let mut sysex = vec![0; 8000];
    sysex[0] = 0xF0;
    sysex[7999] = 0xF7;
    let mut events = EventList::new();
    events.push_midi(0, &sysex);
    let mut out = EventList::new();
    let error = play_events(&plugin, &ramp(64), &events, &mut out).unwrap_err();
    assert_eq!(error.reason, ErrorReason::LimitReached);
    assert!(error.message.contains("event_bytes"), "{}", error.message);
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), ramp(64));
}

#[test]
fn four_threads_hammer_one_plugin() {
    let server = server();
    let plugin = Arc::new(open(&server));
    thread::scope(|scope| {
        for number in 1..=4u16 {
            let plugin = plugin.clone();
            scope.spawn(move || {
                for round in 0..500 {
                    let input = scaled(&ramp(64), f32::from(number));
                    // Every thread finds its own samples, at a gain that some thread set.
                    let output = play(&plugin, &input).unwrap();
                    let factor = output[0][63] / input[0][63];
                    assert_eq!(output, scaled(&input, factor));
                    if round % 50 == 0 {
                        let gain = f64::from(number) / 8.0;
                        plugin.set_param(GAIN, gain).unwrap();
                        plugin.get_param(GAIN).unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn a_parameter_is_heard_from_the_next_block_on() {
    let server = server();
    let plugin = open(&server);
    let input = ramp(16);
    for step in 0..200u8 {
        let gain = f64::from(step % 5) / 4.0;
        plugin.set_param(GAIN, gain).unwrap();
        let factor = f32::from(step % 5) / 2.0;
        assert_eq!(play(&plugin, &input).unwrap(), scaled(&input, factor));
    }
}

#[test]
fn latency_is_known_before_the_first_block() {
    let server = server();
    let plugin = server
        .open("null:gain?latency=64", &OpenOptions::default())
        .unwrap();
    assert_eq!(plugin.latency_samples(), 64);
    let output = play(&plugin, &ramp(128)).unwrap();
    assert_eq!(output[0][64..], ramp(128)[0][..64]);
    assert_eq!(plugin.latency_samples(), 64);
}

#[test]
fn reset_and_bypass_come_after_the_blocks_before_them() {
    let server = server();
    let plugin = server
        .open("null:gain?latency=32", &OpenOptions::default())
        .unwrap();
    let loud = ramp(32).map(|plane| vec![1.0; plane.len()]);
    let silence = scaled(&loud, 0.0);
    play(&plugin, &loud).unwrap();
    plugin.reset().unwrap();
    assert_eq!(play(&plugin, &silence).unwrap(), silence);
    plugin.set_param(GAIN, 0.0).unwrap();
    plugin.set_bypass(true).unwrap();
    assert!(plugin.bypass());
    play(&plugin, &loud).unwrap();
    assert_eq!(play(&plugin, &silence).unwrap(), loud);
    plugin.set_bypass(false).unwrap();
    plugin.set_param(GAIN, UNITY).unwrap();
}

#[test]
fn a_plugin_without_audio_has_everything_else() {
    let server = server();
    let options = OpenOptions {
        audio_path: plugpen::AudioPath::None,
        ..OpenOptions::default()
    };
    let plugin = server.open("null:gain", &options).unwrap();
    plugin.set_param(GAIN, 1.0).unwrap();
    assert_eq!(plugin.get_param(GAIN).unwrap(), 1.0);
    let error = play(&plugin, &ramp(64)).unwrap_err();
    assert_eq!(error.reason, ErrorReason::WrongState);
}

#[test]
fn a_transport_needs_a_tempo() {
    let server = server();
    let plugin = open(&server);
    let transport = Transport {
        bpm: 90.0,
        time_sig_num: 3,
        time_sig_denom: 4,
        is_playing: true,
        ..Transport::default()
    };
    plugin.set_transport(transport).unwrap();
    assert_eq!(plugin.transport(), Some(transport));
    let bpm = 0.0;
    let error = plugin.set_transport(Transport { bpm, ..transport });
    assert_eq!(error.unwrap_err().reason, ErrorReason::InvalidInput);
    plugin.clear_transport().unwrap();
    assert_eq!(plugin.transport(), None);
}
