//! Callbacks.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use crate::common::{GAIN, open, play_events, ramp, server};
use plugpen::v1::ErrorReason;
use plugpen::{CHANGE_PROGRAM, EventList, Plugin};

/// Everything the value callback is told.
fn values(plugin: &Plugin) -> Receiver<(u32, f64)> {
    let (sender, receiver) = channel();
    plugin.set_param_value_callback(Some(Box::new(move |index, value| {
        let _ = sender.send((index, value));
    })));
    receiver
}

#[test]
fn a_value_set_by_the_client_is_told_and_counted() {
    let server = server();
    let plugin = open(&server);
    let told = values(&plugin);
    plugin.set_param(GAIN, 0.25).unwrap();
    assert_eq!(plugin.poll_callbacks().unwrap(), 1);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [(GAIN, 0.25)]);
    assert_eq!(plugin.poll_callbacks().unwrap(), 0);
}

#[test]
fn a_value_that_came_with_a_block_is_told() {
    let server = server();
    let plugin = open(&server);
    let told = values(&plugin);
    let mut events = EventList::new();
    events.push_parameter(3, GAIN, 0.75);
    play_events(&plugin, &ramp(64), &events, &mut EventList::new()).unwrap();
    plugin.poll_callbacks().unwrap();
    assert_eq!(told.try_iter().last(), Some((GAIN, 0.75)));
}

#[test]
fn gestures_and_programs_are_told_in_order() {
    let server = server();
    let plugin = open(&server);
    let told = Arc::new(Mutex::new(Vec::new()));
    let gestures = told.clone();
    plugin.set_param_gesture_callback(Some(Box::new(move |index, is_begin| {
        gestures
            .lock()
            .unwrap()
            .push(format!("gesture {index} {is_begin}"));
    })));
    let changes = told.clone();
    plugin.set_change_callback(Some(Box::new(move |flags| {
        changes.lock().unwrap().push(format!("change {flags}"));
    })));
    plugin.begin_param_gesture(GAIN).unwrap();
    plugin.end_param_gesture(GAIN).unwrap();
    plugin.set_program(1).unwrap();
    plugin.poll_callbacks().unwrap();
    let told = told.lock().unwrap();
    assert_eq!(told[..2], ["gesture 0 true", "gesture 0 false"]);
    assert!(
        told.contains(&format!("change {CHANGE_PROGRAM}")),
        "{told:?}"
    );
}

#[test]
fn a_callback_that_was_unset_is_silent() {
    let server = server();
    let plugin = open(&server);
    let told = values(&plugin);
    plugin.set_param_value_callback(None);
    plugin.set_param(GAIN, 0.25).unwrap();
    assert_eq!(plugin.poll_callbacks().unwrap(), 0);
    assert!(told.try_recv().is_err());
}

#[test]
fn a_callback_may_make_calls_but_not_wait_for_itself() {
    let server = server();
    let plugin = Arc::new(open(&server));
    let (sender, receiver) = channel();
    let inner = Arc::downgrade(&plugin);
    plugin.set_param_value_callback(Some(Box::new(move |index, _| {
        let Some(plugin) = inner.upgrade() else {
            return;
        };
        let read = plugin.get_param(index);
        let polled = plugin.poll_callbacks().map_err(|error| error.reason);
        let _ = sender.send((read, polled));
    })));
    plugin.set_param(GAIN, 0.25).unwrap();
    plugin.poll_callbacks().unwrap();
    let (read, polled) = receiver.try_recv().unwrap();
    assert_eq!(read.unwrap(), 0.25);
    assert_eq!(polled.unwrap_err(), ErrorReason::WrongState);
}

#[test]
fn polling_a_dead_plugin_returns() {
    let server = server();
    let plugin = open(&server);
    let told = values(&plugin);
    plugin.set_param(GAIN, 0.25).unwrap();
    plugin.poll_callbacks().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(plugin.worker_pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    while crate::common::play(&plugin, &ramp(8)).is_ok() {}
    plugin.poll_callbacks().unwrap();
    assert_eq!(told.try_iter().count(), 1);
}

#[test]
fn a_format_without_calls_to_its_host_has_none_to_tell() {
    let server = server();
    let (sender, receiver) = channel();
    let observer = Box::new(move |call: &plugpen::v1::HostCallback| {
        let _ = sender.send(call.clone());
    });
    let options = plugpen::OpenOptions::default();
    let plugin = server
        .open_observed("null:gain", &options, observer)
        .unwrap();
    plugin.set_param(GAIN, 0.25).unwrap();
    plugin.poll_callbacks().unwrap();
    assert_eq!(receiver.try_iter().count(), 0);
}
