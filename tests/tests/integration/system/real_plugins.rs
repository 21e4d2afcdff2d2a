//! Plugins that others wrote, from Debian's packages.

use plugpen::{EventList, OpenOptions, Server};
use plugpen_tests::places::real_bundle;

use super::{FRAMES, play_events, server};

fn lives(server: &Server, path: &str, uri: &str) -> Result<(), plugpen::Error> {
    let options = OpenOptions {
        selector: uri.to_owned(),
        ..OpenOptions::default()
    };
    let plugin = server.open(path, &options)?;
    let mut events = EventList::new();
    if plugin.accepts_midi() {
        events.push_midi(3, &[0x90, 60, 100]);
    }
    for _ in 0..20 {
        play_events(&plugin, &[0.25; FRAMES], &events)?;
        events.clear();
    }
    let state = plugin.get_state()?;
    for index in 0..plugin.num_params().min(50) {
        plugin.set_param(index, 0.5)?;
        plugin.param_to_text(index, 0.5)?;
    }
    play_events(&plugin, &[0.25; FRAMES], &events)?;
    if !state.is_empty() {
        plugin.set_state(&state)?;
    }
    play_events(&plugin, &[0.25; FRAMES], &events)?;
    plugin.set_sample_rate(44_100.0)?;
    play_events(&plugin, &[0.25; FRAMES], &events)?;
    plugin.close()
}

/// Opened, played, saved, turned at every knob, restored, brought to another rate and closed.
#[test]
fn every_plugin_of_the_small_set_lives_a_whole_life() {
    let bundles = [
        "mda.lv2",
        "MVerb.lv2",
        "ZamDelay.lv2",
        "DragonflyHallReverb.lv2",
        "eg-amp.lv2",
    ];
    let server = server();
    let mut failed = Vec::new();
    let mut lived = 0;
    for bundle in bundles.into_iter().filter_map(real_bundle) {
        let bundle = bundle.to_str().unwrap();
        for plugin in server.probe(bundle).unwrap().plugins {
            match lives(&server, bundle, &plugin.identifier) {
                Ok(()) => lived += 1,
                Err(error) => failed.push(format!("{}: {:?} {error}", plugin.name, error.reason)),
            }
        }
    }
    println!("{lived} plugins lived");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
