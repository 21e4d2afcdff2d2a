//! What a plugin does to its parameters by itself, told to callbacks.

use super::edits::{Told, listen};
use super::format::Format;
use super::play;
use crate::system::{play_events, server};
use plugpen::{EventBody, EventList};

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

pub fn a_value_that_the_plugin_sets_comes_with_its_frame(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "edits");
    // The meter is set where a piece begins, and this change begins another.
    let mut events = EventList::new();
    events.push_parameter(20, 1, 1.0);
    let mut input = [0.25; 64];
    input[30] = 1.0;
    let (_, said) = play_events(&plugin, &input, &events).unwrap();
    let changes: Vec<_> = said
        .iter()
        .map(|event| match event.body {
            EventBody::Parameter { index, value } => (event.offset, index, value),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(changes, [(0, 2, 0.25), (20, 2, 1.0)], "{}", format.name);
}
