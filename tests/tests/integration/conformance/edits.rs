//! What was done to parameters, told to callbacks.

use std::sync::{Arc, Mutex};

use plugpen::Plugin;

use super::format::Format;
use crate::system::server;

/// Something a callback was told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Told {
    Value(u32, f64),
    Gesture(u32, bool),
}

/// Keeps what callbacks are told.
pub fn listen(plugin: &Plugin) -> Arc<Mutex<Vec<Told>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (values, gestures) = (Arc::clone(&told), Arc::clone(&told));
    plugin.set_param_value_callback(Some(Box::new(move |index, value| {
        values.lock().unwrap().push(Told::Value(index, value));
    })));
    plugin.set_param_gesture_callback(Some(Box::new(move |index, is_begin| {
        gestures
            .lock()
            .unwrap()
            .push(Told::Gesture(index, is_begin));
    })));
    told
}

pub fn what_the_client_sets_is_told_back(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    let told = listen(&plugin);
    plugin.begin_param_gesture(0).unwrap();
    plugin.set_param(0, 0.25).unwrap();
    plugin.end_param_gesture(0).unwrap();
    plugin.poll_callbacks().unwrap();
    let told = told.lock().unwrap().clone();
    let gestures: Vec<_> = told
        .iter()
        .filter(|told| matches!(told, Told::Gesture(..)))
        .collect();
    assert_eq!(
        gestures,
        [&Told::Gesture(0, true), &Told::Gesture(0, false)]
    );
    let is_value = |told: &Told| match *told {
        Told::Value(index, value) => index == 0 && (value - 0.25).abs() < 1e-6,
        Told::Gesture(..) => false,
    };
    assert!(told.iter().any(is_value), "{}: {told:?}", format.name);
}
