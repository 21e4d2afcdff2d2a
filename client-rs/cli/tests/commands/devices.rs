//! Sound devices and MIDI ports, whatever this machine has of them.

use crate::support::{failed, json, printed};

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
