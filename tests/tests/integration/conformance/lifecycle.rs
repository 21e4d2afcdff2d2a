//! From open to close. That the plugin is asked in its format's order is checked by the plugin:
//! it ends its process where a rule is broken.

use plugpen::{EventList, OpenOptions, Planes, PlanesMut};

use super::format::Format;
use super::{MAX_FRAMES, assert_near, play};
use crate::system::{play_events, server};

/// The plugins that behave.
pub const PLUGINS: [&str; 10] = [
    "parameter",
    "gain",
    "midi",
    "notes",
    "latency",
    "echo",
    "beep",
    "transport",
    "sidechain",
    "counter",
];

pub fn a_plugin_lives_from_open_to_close(format: &Format) {
    let server = server();
    let silent = OpenOptions {
        audio_path: plugpen::AudioPath::None,
        ..OpenOptions::default()
    };
    format.open_with(&server, "gain", silent).close().unwrap();
    let unplayed = format.open(&server, "gain");
    assert_ne!(unplayed.description().name, "");
    unplayed.close().unwrap();
    let plugin = format.open(&server, "gain");
    for _ in 0..3 {
        play(&plugin, &[0.5; 64]);
        plugin.reset().unwrap();
    }
    assert!(plugin.is_alive());
    plugin.close().unwrap();
    plugin.close().unwrap();
}

pub fn every_plugin_lives(format: &Format) {
    let server = server();
    for name in PLUGINS {
        let plugin = format.open(&server, name);
        let title = plugin.description().name.replace(' ', "-").to_lowercase();
        assert_eq!(title, format!("test-{name}"));
        for _ in 0..3 {
            play_events(&plugin, &[0.5; 64], &EventList::new()).unwrap();
            plugin.get_state().unwrap();
            plugin.reset().unwrap();
        }
        play_events(&plugin, &[0.5; MAX_FRAMES], &EventList::new()).unwrap();
        plugin.close().unwrap();
    }
}

pub fn blocks_of_every_size_are_played(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.25).unwrap();
    let gain = format.most_gain * 0.25;
    let odd = [
        1, 2, 3, 5, 7, 31, 63, 64, 65, 127, 128, 333, 480, 511, 512, 1,
    ];
    let mut heard = 0.0_f32;
    for frames in odd {
        let input: Vec<f32> = (0..frames)
            .map(|_| {
                heard += 0.001;
                heard
            })
            .collect();
        let output = play(&plugin, &input);
        assert_eq!(output.len(), frames);
        for (&got, &put) in output.iter().zip(&input) {
            assert_near(got, f64::from(put) * gain, &format!("{frames} frames"));
        }
    }
    let nothing = plugin.process(
        Planes::None,
        Planes::None,
        PlanesMut::None,
        0,
        &EventList::new(),
        &mut EventList::new(),
    );
    nothing.unwrap();
    let too_long = [0.0; MAX_FRAMES + 1];
    play_events(&plugin, &too_long, &EventList::new()).unwrap_err();
    assert_near(play(&plugin, &[1.0])[0], gain, "after a block too long");
}

pub fn blocks_of_one_frame_up_to_the_largest_are_played(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.5).unwrap();
    for frames in (1..=MAX_FRAMES).chain((1..MAX_FRAMES).rev().step_by(7)) {
        let mut input = vec![0.25; frames];
        input[frames - 1] = 1.0;
        let output = play(&plugin, &input);
        assert_eq!(output.len(), frames);
        let first = if frames == 1 { 1.0 } else { 0.25 };
        assert_near(output[0], format.most_gain * 0.5 * first, "its first frame");
        let last = output[frames - 1];
        assert_near(last, format.most_gain * 0.5, "its last frame");
    }
}

pub fn a_block_may_be_one_frame_at_most(format: &Format) {
    let server = server();
    for most in [1, 17, 8192] {
        let options = OpenOptions {
            max_block_size: most,
            ..OpenOptions::default()
        };
        let plugin = format.open_with(&server, "gain", options);
        plugin.set_param(0, 0.5).unwrap();
        let input = vec![1.0; usize::try_from(most).unwrap()];
        for _ in 0..3 {
            let output = play(&plugin, &input);
            let last = output[output.len() - 1];
            assert_near(last, format.most_gain * 0.5, &format!("at most {most}"));
        }
    }
}

pub fn the_rate_changes_and_nothing_else(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.125).unwrap();
    for rate in [44_100.0, 96_000.0, 22_050.0] {
        plugin.set_sample_rate(rate).unwrap();
        assert!((plugin.sample_rate() - rate).abs() < 1e-9);
        assert!((plugin.get_param(0).unwrap() - 0.125).abs() < 1e-6);
        let output = play(&plugin, &[1.0; 64]);
        assert_near(output[63], format.most_gain * 0.125, &format!("at {rate}"));
    }
}

pub fn a_restart_brings_back_what_was_set(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.75).unwrap();
    let state = plugin.get_state().unwrap();
    assert!(!state.is_empty());
    plugin.set_param(0, 0.625).unwrap();
    plugin.restart().unwrap();
    assert!((plugin.get_param(0).unwrap() - 0.625).abs() < 1e-6);
    assert_near(
        play(&plugin, &[1.0])[0],
        format.most_gain * 0.625,
        "restarted",
    );
}
