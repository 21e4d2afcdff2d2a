//! State, in and out.

use super::format::Format;
use super::{assert_near, play};
use crate::system::server;

pub fn a_state_brings_back_the_values(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    // Set and not yet played is in the state as well.
    plugin.set_param(0, 0.125).unwrap();
    let state = plugin.get_state().unwrap();
    plugin.set_param(0, 0.875).unwrap();
    play(&plugin, &[1.0; 64]);
    assert_ne!(plugin.get_state().unwrap(), state);
    plugin.set_state(&state).unwrap();
    assert!((plugin.get_param(0).unwrap() - 0.125).abs() < 1e-6);
    assert_near(
        play(&plugin, &[1.0])[0],
        format.most_gain * 0.125,
        "restored",
    );
    let other = format.open(&server, "gain");
    other.set_state(&state).unwrap();
    assert!((other.get_param(0).unwrap() - 0.125).abs() < 1e-6);
    assert_near(play(&other, &[1.0])[0], format.most_gain * 0.125, "another");
    assert_eq!(other.get_state().unwrap(), state);
}

pub fn a_programs_state_brings_back_its_values(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.125).unwrap();
    let state = plugin.get_program_state().unwrap();
    assert!(!state.is_empty(), "{}", format.name);
    plugin.set_param(0, 0.875).unwrap();
    play(&plugin, &[1.0; 64]);
    plugin.set_program_state(&state).unwrap();
    assert!((plugin.get_param(0).unwrap() - 0.125).abs() < 1e-6);
    let heard = play(&plugin, &[1.0])[0];
    assert_near(heard, format.most_gain * 0.125, format.name);
}

pub fn what_is_no_state_is_refused(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.125).unwrap();
    for junk in [&b""[..], b"\0", b"junk", &[0xFF; 5000]] {
        let error = plugin.set_state(junk).unwrap_err();
        assert!(error.death.is_none(), "{error}");
    }
    assert!((plugin.get_param(0).unwrap() - 0.125).abs() < 1e-6);
    assert_near(
        play(&plugin, &[1.0])[0],
        format.most_gain * 0.125,
        "after junk",
    );
}

pub fn a_state_of_the_plugins_own_making_comes_back(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "counter");
    let silence = [0.0; 64];
    for _ in 0..5 {
        play(&plugin, &silence);
    }
    let state = plugin.get_state().unwrap();
    // A host may have played a frame of its own at first, to learn the latency.
    let next = play(&plugin, &silence)[0];
    assert!((320.0..384.0).contains(&next), "{next}");
    plugin.set_state(&state).unwrap();
    assert_eq!(play(&plugin, &silence)[0], next);
    let other = format.open(&server, "counter");
    other.set_state(&state).unwrap();
    assert_eq!(play(&other, &silence)[0], next);
    // Neither a reset nor another rate loses it.
    other.reset().unwrap();
    assert_eq!(play(&other, &silence)[0], next + 64.0);
    other.set_sample_rate(44_100.0).unwrap();
    assert_eq!(play(&other, &silence)[0], next + 128.0);
}

pub fn a_large_state_goes_both_ways(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "villain");
    plugin.set_param(4, 4096.0 / 131_072.0).unwrap();
    play(&plugin, &[0.0; 64]);
    let state = plugin.get_state().unwrap();
    assert!(state.len() >= 4 << 20, "{}", state.len());
    plugin.set_state(&state).unwrap();
    play(&plugin, &[0.0; 64]);
}
