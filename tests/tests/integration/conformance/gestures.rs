//! What a plugin does to its parameters by itself, told to callbacks.

use super::edits::{Told, listen};
use super::format::Format;
use super::play;
use crate::system::server;

pub fn a_gesture_of_the_plugin_is_told_in_order(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "edits");
    play(&plugin, &[0.0; 64]);
    let told = listen(&plugin);
    for round in 0..3 {
        plugin.set_param(1, 0.25).unwrap();
        plugin.poll_callbacks().unwrap();
        told.lock().unwrap().clear();
        plugin.set_param(0, 1.0).unwrap();
        // Some formats tell the plugin with the next block.
        assert_eq!(play(&plugin, &[0.0; 64]).len(), 64);
        plugin.poll_callbacks().unwrap();
        let heard: Vec<_> = told.lock().unwrap().drain(..).collect();
        let edited: Vec<_> = heard
            .into_iter()
            .filter(|told| matches!(told, Told::Value(1, _) | Told::Gesture(1, _)))
            .collect();
        let expected = [
            Told::Gesture(1, true),
            Told::Value(1, 0.75),
            Told::Gesture(1, false),
        ];
        assert_eq!(edited, expected, "{} {round}", format.name);
        assert!((plugin.get_param(1).unwrap() - 0.75).abs() < 1e-6);
        assert_eq!(play(&plugin, &[0.0; 64])[63], 0.75, "{}", format.name);
        plugin.set_param(0, 0.0).unwrap();
        // Only the last of two values between blocks need reach it.
        play(&plugin, &[0.0; 64]);
    }
}

pub fn a_value_that_the_plugin_sets_while_it_plays_is_told(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "edits");
    let told = listen(&plugin);
    for peak in [0.5, 0.25, 1.0] {
        play(&plugin, &[peak; 64]);
        plugin.poll_callbacks().unwrap();
        let heard: Vec<_> = told.lock().unwrap().drain(..).collect();
        let expected = Told::Value(2, f64::from(peak));
        assert!(heard.contains(&expected), "{}: {heard:?}", format.name);
        let value = plugin.get_param(2).unwrap();
        assert!((value - f64::from(peak)).abs() < 1e-6, "{value}");
    }
}
