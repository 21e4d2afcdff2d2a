//! What is put in comes out: samples, parameters, MIDI, transport, state, in the right order and
//! at the right frame.

use plugpen::v1::Transport;
use plugpen::{EventBody, EventList, OpenOptions, Planes, PlanesMut, Plugin};

use super::{FRAMES, bundle, open, play, play_events, server};

fn midi_of(events: &EventList) -> Vec<(u32, Vec<u8>)> {
    events
        .iter()
        .filter_map(|event| match event.body {
            EventBody::Midi(bytes) => Some((event.offset, bytes.to_vec())),
            _ => None,
        })
        .collect()
}

fn state_of(plugin: &Plugin) -> Vec<u8> {
    plugin.get_state().unwrap()
}

#[test]
fn a_parameter_is_heard_from_the_next_block_on_and_is_in_the_state_at_once() {
    let server = server();
    let plugin = open(&server, "parameter");
    let before = state_of(&plugin);
    for step in 0..100 {
        let value = f64::from(step) / 99.0;
        plugin.set_param(0, value).unwrap();
        plugin.set_param(1, 1.0 - value).unwrap();
        let outputs = play(&plugin).unwrap();
        for &sample in &outputs[0] {
            assert!((f64::from(sample) - value).abs() < 1e-6);
        }
        let plain = (1.0 - value) * 20.0 - 10.0;
        assert!((f64::from(outputs[1][0]) - plain).abs() < 1e-5);
    }
    plugin.set_param(0, 0.125).unwrap();
    let after = state_of(&plugin);
    assert_ne!(before, after);
    let other = open(&server, "parameter");
    other.set_state(&after).unwrap();
    assert!((other.get_param(0).unwrap() - 0.125).abs() < 1e-6);
    assert!((play(&other).unwrap()[0][0] - 0.125).abs() < 1e-6);
}

#[test]
fn automation_takes_effect_at_its_frame() {
    let server = server();
    let plugin = open(&server, "parameter");
    plugin.set_param(0, 0.0).unwrap();
    let mut events = EventList::new();
    events.push_parameter(16, 0, 0.25);
    events.push_parameter(48, 0, 0.75);
    let (outputs, _) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
    for (frame, &sample) in outputs[0].iter().enumerate() {
        let expected = match frame {
            0..16 => 0.0,
            16..48 => 0.25,
            _ => 0.75,
        };
        assert!((sample - expected).abs() < 1e-6, "frame {frame}: {sample}");
    }
    assert!((plugin.get_param(0).unwrap() - 0.75).abs() < 1e-6);
}

#[test]
fn programs_are_presets() {
    let server = server();
    let plugin = open(&server, "parameter");
    let names = plugin.program_names().unwrap();
    for (name, value) in [("Low", 0.25), ("High", 0.75)] {
        let index = names.iter().position(|known| known == name).unwrap();
        plugin.set_program(u32::try_from(index).unwrap()).unwrap();
        assert!((plugin.get_param(0).unwrap() - value).abs() < 1e-6);
        assert!((f64::from(play(&plugin).unwrap()[0][0]) - value).abs() < 1e-6);
    }
}

#[test]
fn midi_of_any_length_keeps_its_offset_both_ways() {
    let server = server();
    let plugin = open(&server, "midi");
    let mut sysex = vec![0x42; 3000];
    sysex[0] = 0xF0;
    sysex[2999] = 0xF7;
    let sent = vec![
        (0, vec![0x90, 60, 100]),
        (7, vec![0xC0, 5]),
        (7, sysex),
        (31, vec![0x80, 60, 0]),
        (63, vec![0xF8]),
    ];
    let mut events = EventList::new();
    for (offset, bytes) in &sent {
        events.push_midi(*offset, bytes);
    }
    let (outputs, said) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
    assert_eq!(midi_of(&said), sent);
    let clicks: Vec<usize> = (0..FRAMES).filter(|&f| outputs[0][f] != 0.0).collect();
    assert_eq!(clicks, [0, 7, 31]);
}

#[test]
fn midi_that_a_plugin_makes_arrives_at_its_frame_in_every_block() {
    let server = server();
    let plugin = open(&server, "midi");
    plugin.set_param(0, 100.0 / 10_000.0).unwrap();
    let mut heard = Vec::new();
    for block in 0..10 {
        let (_, said) = play_events(&plugin, &[0.0; FRAMES], &EventList::new()).unwrap();
        heard.extend(
            said.iter()
                .map(|event| block * FRAMES + event.offset as usize),
        );
    }
    assert_eq!(heard, [0, 100, 200, 300, 400, 500, 600]);
}

#[test]
fn latency_is_known_before_the_first_block_and_true() {
    let server = server();
    let plugin = open(&server, "latency");
    assert_eq!(plugin.latency_samples(), 480);
    let mut played = Vec::new();
    for _ in 0..10 {
        played.extend(play(&plugin).unwrap()[0].clone());
    }
    assert!(played[..480].iter().all(|&sample| sample == 0.0));
    assert!(played[480..].iter().all(|&sample| sample == 1.0));
}

#[test]
fn the_host_bypasses_a_plugin_without_a_bypass_in_time_with_its_latency() {
    let server = server();
    let plugin = open(&server, "latency");
    plugin.set_bypass(true).unwrap();
    let mut played = Vec::new();
    for block in 0..16 {
        let level = if block == 0 { 1.0 } else { 0.5 };
        let (outputs, _) = play_events(&plugin, &[level; FRAMES], &EventList::new()).unwrap();
        played.extend(outputs[0].clone());
    }
    let first = played.iter().position(|&sample| sample == 1.0).unwrap();
    let second = played.iter().position(|&sample| sample == 0.5).unwrap();
    assert_eq!((first, second), (480, 480 + FRAMES));
}

#[test]
fn the_transport_reaches_the_plugin() {
    let server = server();
    let plugin = open(&server, "transport");
    let transport = Transport {
        bpm: 133.0,
        time_sig_num: 4,
        time_sig_denom: 4,
        position_samples: 4800,
        position_beats: 2.5,
        is_playing: true,
        ..Transport::default()
    };
    plugin.set_transport(transport).unwrap();
    let heard: Vec<f32> = play(&plugin)
        .unwrap()
        .iter()
        .map(|channel| channel[0])
        .collect();
    assert_eq!(heard, [133.0, 2.5, 4800.0, 1.0, 4.0, 4.0, -1.0, -1.0]);
}

#[test]
fn a_sidechain_is_an_input_of_its_own() {
    let server = server();
    let options = OpenOptions {
        in_channels: 1,
        sidechain_channels: 1,
        ..super::options("sidechain")
    };
    let plugin = server.open(bundle(), &options).unwrap();
    assert_eq!(plugin.sidechain_channels(), 1);
    let mut output = [0.0; FRAMES];
    plugin
        .process(
            Planes::F32(&[&[0.5; FRAMES]]),
            Planes::F32(&[&[0.25; FRAMES]]),
            PlanesMut::F32(&mut [&mut output]),
            FRAMES,
            &EventList::new(),
            &mut EventList::new(),
        )
        .unwrap();
    assert_eq!(output, [0.125; FRAMES]);
}

#[test]
fn a_state_of_the_plugins_own_making_comes_back() {
    let server = server();
    let plugin = open(&server, "counter");
    for _ in 0..5 {
        play(&plugin).unwrap();
    }
    let state = state_of(&plugin);
    play(&plugin).unwrap();
    plugin.set_state(&state).unwrap();
    assert_eq!(play(&plugin).unwrap()[0][0], 320.0);
    let other = open(&server, "counter");
    other.set_state(&state).unwrap();
    assert_eq!(play(&other).unwrap()[0][0], 320.0);
}

#[test]
fn a_large_state_goes_both_ways() {
    let server = server();
    let plugin = open(&server, "villain");
    plugin.set_param(4, 8192.0 / 131_072.0).unwrap();
    play(&plugin).unwrap();
    let state = state_of(&plugin);
    assert!(state.len() > 8 << 20, "{}", state.len());
    plugin.set_state(&state).unwrap();
    play(&plugin).unwrap();
}

#[test]
fn what_a_plugin_prints_stops_nothing() {
    let server = server();
    let plugin = open(&server, "villain");
    plugin.set_param(0, super::deaths::deed(8)).unwrap();
    for _ in 0..3 {
        play(&plugin).unwrap();
    }
    let printing = open(&server, "born-printing");
    play(&printing).unwrap();
}
