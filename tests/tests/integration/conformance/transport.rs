//! The transport as the plugin sees it.

use plugpen::v1::Transport;
use plugpen::{EventList, Plugin};

use super::format::Format;
use crate::system::{play_events, server};

#[track_caller]
fn heard(plugin: &Plugin) -> Vec<f32> {
    let (outputs, _) = play_events(plugin, &[0.0; 64], &EventList::new()).unwrap();
    for channel in &outputs {
        assert!(
            channel.iter().all(|sample| *sample == channel[0]),
            "{channel:?}"
        );
    }
    outputs.iter().map(|channel| channel[0]).collect()
}

pub fn the_plugin_hears_every_value(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "transport");
    // Before anything is set there is nothing to crash on.
    heard(&plugin);
    let mut transport = Transport {
        bpm: 120.0,
        time_sig_num: 7,
        time_sig_denom: 8,
        position_samples: 36_000,
        position_beats: 1.5,
        is_playing: true,
        is_recording: true,
        is_looping: true,
        loop_start: 24_000,
        loop_end: 96_000,
    };
    plugin.set_transport(transport).unwrap();
    let [recording, loop_end] = (format.hears)(1.0, 4.0);
    let expected = [120.0, 1.5, 36_000.0, 1.0, 7.0, 8.0, recording, loop_end];
    assert_eq!(heard(&plugin), expected, "{}", format.name);
    transport.is_playing = false;
    transport.is_recording = false;
    transport.is_looping = false;
    transport.bpm = 90.5;
    plugin.set_transport(transport).unwrap();
    let [recording, loop_end] = (format.hears)(0.0, -1.0);
    let expected = [90.5, 1.5, 36_000.0, 0.0, 7.0, 8.0, recording, loop_end];
    assert_eq!(heard(&plugin), expected, "{}", format.name);
    plugin.clear_transport().unwrap();
    heard(&plugin);
}

pub fn a_transport_moves_from_block_to_block(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "transport");
    for block in 0..20_i16 {
        let beats = f32::from(block) * 0.25 - 1.0;
        let transport = Transport {
            bpm: 60.0 + f64::from(block),
            time_sig_num: 3,
            time_sig_denom: 4,
            position_samples: i64::from(block) * 6000 - 24_000,
            position_beats: beats.into(),
            is_playing: true,
            ..Transport::default()
        };
        plugin.set_transport(transport).unwrap();
        let block = f32::from(block);
        let expected = [60.0 + block, beats, block * 6000.0 - 24_000.0, 1.0];
        assert_eq!(heard(&plugin)[..4], expected, "{}", format.name);
    }
}
