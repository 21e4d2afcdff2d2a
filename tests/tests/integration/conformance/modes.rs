//! Bypass, reset, offline work, and what a track is called.

use super::format::Format;
use super::{assert_near, play, play_impulse};
use crate::system::server;

pub fn the_hosts_bypass_is_aligned_with_the_latency(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "latency");
    assert!(!plugin.bypass());
    let wet = play_impulse(&plugin, 2048);
    plugin.set_bypass(true).unwrap();
    assert!(plugin.bypass());
    let dry = play_impulse(&plugin, 2048);
    assert_eq!(wet, dry);
    assert_eq!(dry.iter().position(|&sample| sample == 1.0), Some(480));
    plugin.set_bypass(false).unwrap();
    assert!(!plugin.bypass());
    assert_eq!(play_impulse(&plugin, 2048), wet);
}

pub fn the_plugins_own_bypass_is_used(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    assert!(plugin.has_bypass(), "{}", format.name);
    plugin.set_param(0, 0.125).unwrap();
    for (bypass, expected) in [(true, 1.0), (false, 0.5), (true, 1.0)] {
        plugin.set_bypass(bypass).unwrap();
        assert_eq!(plugin.bypass(), bypass, "{}", format.name);
        let output = play(&plugin, &[1.0; 64]);
        assert_near(output[0], expected, &format!("{} {bypass}", format.name));
        assert_near(output[63], expected, &format!("{} {bypass}", format.name));
    }
}

pub fn a_reset_clears_the_tail(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "echo");
    let sounds = |played: &[f32]| played.iter().any(|&sample| sample != 0.0);
    let silence = [0.0; 512];
    for _ in 0..2 {
        play_impulse(&plugin, 512);
        let mut tail = Vec::new();
        for _ in 0..4 {
            tail.extend(play(&plugin, &silence));
        }
        assert!(sounds(&tail), "{}: a tail there is", format.name);
        play_impulse(&plugin, 512);
        plugin.reset().unwrap();
        for block in 0..20 {
            let played = play(&plugin, &silence);
            assert!(!sounds(&played), "{}: block {block}", format.name);
        }
    }
    let said = plugin.tail_seconds();
    let expected = if format.says_tail { 0.5 } else { 0.0 };
    assert!((said - expected).abs() < 1e-3, "{}: {said}", format.name);
}

pub fn offline_work_sounds_the_same(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.25).unwrap();
    for non_realtime in [true, true, false] {
        plugin.set_non_realtime(non_realtime).unwrap();
        assert_eq!(plugin.non_realtime(), non_realtime);
        let output = play(&plugin, &[1.0; 64]);
        assert_near(output[63], format.most_gain * 0.25, "offline or not");
    }
}

pub fn a_track_has_a_name_and_a_colour(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin
        .set_track_properties(Some("Bass"), Some(0xFF00_7F00))
        .unwrap();
    plugin
        .set_track_properties(Some("Bäße \u{1F3B8}"), None)
        .unwrap();
    plugin.set_track_properties(None, None).unwrap();
    play(&plugin, &[1.0; 64]);
}

pub fn a_plugin_hears_of_its_track(format: &Format) {
    let server = server();
    // It calls its buses by its track, and says that their names have changed.
    let plugin = format.open(&server, "gain");
    let name = || {
        plugin.poll_callbacks().unwrap();
        plugin.bus(false, 0).unwrap().name
    };
    assert_eq!(name(), "Main");
    plugin
        .set_track_properties(Some("Bäße \u{1F3B8}"), None)
        .unwrap();
    assert_eq!(name(), "Bäße \u{1F3B8} #00000000");
    plugin
        .set_track_properties(None, Some(0xFF00_7F00))
        .unwrap();
    assert_eq!(name(), "Bäße \u{1F3B8} #FF007F00");
    play(&plugin, &[1.0; 64]);
}
