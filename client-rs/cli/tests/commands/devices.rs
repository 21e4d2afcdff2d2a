//! Sound devices and MIDI ports, whatever this machine has of them, and ALSA's null device.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Daemon, failed, json, plugpen, printed};

/// A home whose sound device is ALSA's null device.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let null = "pcm.!default { type null }\nctl.!default { type null }\n";
    std::fs::write(home.path().join(".asoundrc"), null).unwrap();
    home
}

#[test]
fn devices_and_ports_are_listed() {
    let devices = json(&["devices", "--json"]);
    for side in ["playback", "capture"] {
        for device in devices[side].as_array().unwrap() {
            assert!(device["name"].is_string() && device["is_default"].is_boolean());
        }
    }
    assert!(printed(&["devices"]).starts_with("Playback devices:\n"));
    let ports = json(&["midi", "--json"]);
    for side in ["inputs", "outputs"] {
        for port in ports[side].as_array().unwrap() {
            assert!(port["name"].is_string() && port["index"].is_u64());
        }
    }
    assert!(printed(&["midi"]).contains("MIDI outputs:\n"));
}

#[test]
fn a_device_that_is_not_there_is_not_found() {
    let play = ["play", "null:gain", "--playback-device", "no such device"];
    let (code, said) = failed(&play);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no device \"no such device\""), "{said}");
    assert_eq!(failed(&["midi", "--monitor", "9999"]).0, Some(1));
    assert_eq!(failed(&["play"]).0, Some(2));
}

#[test]
fn a_plugin_plays_until_its_time_is_over_or_ctrl_c() {
    let home = home();
    let play = ["play", "null:gain", "--param", "Gain:0.1"];
    let mut command = plugpen(&[&play[..], &["--seconds", "0.1"]].concat());
    let output = command.env("HOME", home.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("Playing Null Gain on "), "{said}");

    let mut command = plugpen(&play);
    let command = command.env("HOME", home.path()).stderr(Stdio::piped());
    let mut playing = command.spawn().unwrap();
    let mut errors = BufReader::new(playing.stderr.take().unwrap());
    errors.read_line(&mut String::new()).unwrap();
    kill_process(Pid::from_child(&playing), Signal::INT).unwrap();
    assert_eq!(playing.wait().unwrap().code(), Some(130));
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("Error"), "{rest}");
}

#[test]
fn a_plugin_that_dies_while_it_plays_ends_the_command_with_its_code() {
    let home = home();
    let mut daemon = Daemon::serve_with(|command| command.env("HOME", home.path()));
    daemon.connect();
    let target = daemon.target();
    let mut command = plugpen(&["--server", &target, "play", "null:gain"]);
    let mut playing = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut errors = BufReader::new(playing.stderr.take().unwrap());
    let mut first = String::new();
    errors.read_line(&mut first).unwrap();
    assert!(first.starts_with("Playing"), "{first}");
    let listed = json(&["--server", &target, "ps", "--json"]);
    let handle = listed[0]["handle"].as_str().unwrap();
    printed(&["--server", &target, "kill", handle]);
    assert_eq!(playing.wait().unwrap().code(), Some(4));
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("a user asked for it"), "{rest}");
}
