//! Workers and daemons that end, and what comes after.

use std::sync::Arc;
use std::thread;

use crate::common::{GAIN, open, play, programs, ramp, scaled, server};
use plugpen::v1::{DeathKind, ErrorReason, Transport};
use plugpen::{Plugin, PrivateOptions, Server};
use rustix::process::{Pid, Signal, kill_process};

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Plays until it fails.
fn play_to_the_end(plugin: &Plugin) -> plugpen::Error {
    loop {
        if let Err(error) = play(plugin, &ramp(64)) {
            return error;
        }
    }
}

#[test]
fn a_killed_worker_is_a_typed_error_then_a_dead_plugin() {
    let server = server();
    let plugin = Arc::new(open(&server));
    let player = {
        let plugin = plugin.clone();
        thread::spawn(move || play_to_the_end(&plugin))
    };
    kill(plugin.worker_pid());
    let error = player.join().unwrap();
    // The signal may fall between two blocks.
    let expected = [ErrorReason::PluginCrashed, ErrorReason::PluginDead];
    assert!(expected.contains(&error.reason), "{error:?}");
    let death = error.death.unwrap();
    assert_eq!(death.kind(), DeathKind::Killed);
    assert_eq!(death.signal, 9);
    let error = play(&plugin, &ramp(64)).unwrap_err();
    assert_eq!(error.reason, ErrorReason::PluginDead);
    assert!(error.message.contains("restart()"), "{}", error.message);
    assert_eq!(
        plugin.get_param(0).unwrap_err().reason,
        ErrorReason::PluginDead
    );
    assert!(!plugin.is_alive());
    assert_eq!(plugin.death().unwrap().signal, 9);
}

#[test]
fn a_restart_brings_back_what_was_set() {
    let server = server();
    let plugin = open(&server);
    plugin.set_param(GAIN, 0.25).unwrap();
    plugin.set_param(2, 1.0).unwrap();
    plugin.get_state().unwrap();
    plugin.set_param(GAIN, 0.75).unwrap();
    let transport = Transport {
        bpm: 90.0,
        ..Transport::default()
    };
    plugin.set_transport(transport).unwrap();
    plugin.set_non_realtime(true).unwrap();
    let before = plugin.get_params().unwrap();
    let old = plugin.worker_pid();
    kill(old);
    play_to_the_end(&plugin);
    plugin.restart().unwrap();
    assert!(plugin.is_alive() && plugin.death().is_none());
    assert_eq!(plugin.generation(), 2);
    assert_ne!(plugin.worker_pid(), old);
    assert_eq!(plugin.get_params().unwrap(), before);
    assert_eq!(plugin.transport(), Some(transport));
    assert!(plugin.non_realtime());
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), scaled(&ramp(64), -1.5));
}

#[test]
fn a_restart_of_a_living_plugin_works_too_and_again() {
    let server = server();
    let plugin = open(&server);
    plugin.set_program(1).unwrap();
    for generation in 2..5 {
        plugin.restart().unwrap();
        assert_eq!(plugin.generation(), generation);
        assert_eq!(plugin.program().unwrap(), 1);
        assert_eq!(play(&plugin, &ramp(64)).unwrap(), scaled(&ramp(64), 0.25));
    }
}

#[test]
fn changes_that_came_with_a_block_survive_as_well() {
    let server = server();
    let plugin = open(&server);
    let mut events = plugpen::EventList::new();
    events.push_parameter(3, GAIN, 0.25);
    crate::common::play_events(&plugin, &ramp(64), &events, &mut plugpen::EventList::new())
        .unwrap();
    plugin.restart().unwrap();
    assert_eq!(plugin.get_param(GAIN).unwrap(), 0.25);
}

#[test]
fn another_sample_rate_keeps_the_state() {
    let server = server();
    let plugin = open(&server);
    plugin.set_param(GAIN, 0.25).unwrap();
    plugin.set_sample_rate(44_100.0).unwrap();
    assert_eq!(plugin.sample_rate(), 44_100.0);
    assert_eq!(plugin.get_param(GAIN).unwrap(), 0.25);
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), scaled(&ramp(64), 0.5));
    plugin.restart().unwrap();
    assert_eq!(plugin.sample_rate(), 44_100.0);
    let error = plugin.set_sample_rate(0.0).unwrap_err();
    assert_eq!(error.reason, ErrorReason::InvalidInput);
}

#[test]
fn other_plugins_do_not_notice_a_death() {
    let server = server();
    let (one, two) = (open(&server), open(&server));
    kill(one.worker_pid());
    play_to_the_end(&one);
    assert_eq!(play(&two, &ramp(64)).unwrap(), ramp(64));
    assert!(two.is_alive());
}

#[test]
fn a_killed_daemon_leaves_nobody_waiting() {
    let server = server();
    let plugin = Arc::new(open(&server));
    let daemon = server.info().unwrap().pid;
    let player = {
        let plugin = plugin.clone();
        thread::spawn(move || play_to_the_end(&plugin))
    };
    kill(daemon);
    let error = player.join().unwrap();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
    let error = plugin.get_param(0).unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
    let error = server.info().unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
    assert!(!plugin.is_alive() && !server.is_usable());
    plugin.close().unwrap();
}

#[test]
fn closing_the_server_ends_its_daemon_and_its_plugins() {
    let server = server();
    let plugin = open(&server);
    let worker = plugin.worker_pid();
    let socket = server.target().strip_prefix("unix:").unwrap().to_owned();
    server.close();
    server.close();
    assert!(!std::path::Path::new(&socket).exists());
    assert!(!std::path::Path::new(&format!("/proc/{worker}/fd/3")).exists());
    let error = play(&plugin, &ramp(8)).unwrap_err();
    assert_eq!(error.reason, ErrorReason::PluginClosed);
    let error = server.info().unwrap_err();
    assert_eq!(error.reason, ErrorReason::WrongState);
}

#[test]
fn a_daemon_that_does_not_start_tells_its_last_words() {
    let options = PrivateOptions {
        binary_dirs: vec![programs()],
        config: Some("/nowhere/plugpen.toml".into()),
        ..PrivateOptions::default()
    };
    let error = Server::private_with(&options).unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable);
    assert!(
        error.message.contains("/nowhere/plugpen.toml"),
        "{}",
        error.message
    );
}
