//! Audio at a distance: the same samples.

use std::path::Path;

use plugpen::{EventList, OpenOptions, Plugin, Result, Server};
use plugpen_tests::places::real_bundle;

use super::{Setup, until};
use crate::system::{play_events, server};

/// Blocks that are played in a row.
const BLOCKS: usize = 200;

/// Noise through a fresh plugin, a parameter moved on the way.
pub(super) fn played(server: &Server, bundle: &Path) -> Vec<Vec<f32>> {
    let path = bundle.to_str().unwrap();
    let plugin = server.open(path, &OpenOptions::default()).unwrap();
    let mut state = 1_u32;
    // A generator of its own: both sides hear the same.
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap()) / 65_536.0
    };
    let mut output: Vec<Vec<f32>> = Vec::new();
    for block in 0..BLOCKS {
        let input: Vec<f32> = (0..64).map(|_| random() - 0.5).collect();
        if block % 20 == 10 {
            plugin.set_param(1, f64::from(random())).unwrap();
        }
        let (planes, _) = play_events(&plugin, &input, &EventList::new()).unwrap();
        output.extend(planes);
    }
    assert!(output.iter().flatten().any(|sample| *sample != 0.0));
    output
}

#[test]
fn a_plugin_at_a_distance_plays_what_one_at_home_plays() {
    let Some(bundle) = real_bundle("MVerb.lv2") else {
        return;
    };
    let daemon = Setup::plain().start();
    assert!(played(&daemon.owner(), &bundle) == played(&server(), &bundle));
}

#[test]
fn a_plugin_that_dies_at_a_distance_is_an_error_and_comes_back() {
    let daemon = Setup::plain().start();
    let server = daemon.owner();
    let plugin = server.open("null:gain", &OpenOptions::default()).unwrap();
    plugin.set_param(0, 0.25).unwrap();
    let play = |plugin: &Plugin| -> Result<f32> {
        let (planes, _) = play_events(plugin, &[1.0; 64], &EventList::new())?;
        Ok(planes[0][63])
    };
    assert_eq!(play(&plugin).unwrap(), 0.5);
    server.kill(plugin.handle()).unwrap();
    let mut error = None;
    until("the death", || {
        error = play(&plugin).err();
        error.is_some()
    });
    let error = error.unwrap();
    assert!(error.death.is_some(), "{error}");
    plugin.restart().unwrap();
    assert_eq!(play(&plugin).unwrap(), 0.5);
}
