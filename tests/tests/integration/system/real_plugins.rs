//! Plugins that others wrote, from Debian's packages.

use plugpen::{EventList, OpenOptions, Server};
use plugpen_tests::places::{real_bundle, real_vst3};

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

/// What a plugin makes of a ramp that is different on each channel.
fn made_of_a_ramp(plugin: &plugpen::Plugin) -> Vec<Vec<f32>> {
    let ramp: Vec<f32> = (0..u16::try_from(FRAMES).unwrap())
        .map(|at| f32::from(at) / 256.0 - 0.125)
        .collect();
    plugin.reset().unwrap();
    let (outputs, _) = play_events(plugin, &ramp, &EventList::new()).unwrap();
    outputs
}

/// VST3s made with DPF have one layout: asked for another they refuse, and play on as before.
#[test]
fn real_vst3s_are_asked_for_other_layouts_and_keep_their_own() {
    let server = server();
    let mut asked = 0;
    for (name, channels) in [
        ("ZamDelay.vst3", 1),
        ("ZamGEQ31.vst3", 1),
        ("ZaMaximX2.vst3", 2),
        ("ZamVerb.vst3", 2),
    ] {
        let Some(bundle) = real_vst3(name) else {
            continue;
        };
        let path = bundle.to_str().unwrap();
        let plugin = server.open(path, &OpenOptions::default()).unwrap();
        let buses = (plugin.buses(true).unwrap(), plugin.buses(false).unwrap());
        let before = made_of_a_ramp(&plugin);
        let layouts: [(&[i32], &[i32]); 8] = [
            (&[1], &[1]),
            (&[2], &[2]),
            (&[1], &[2]),
            (&[6], &[6]),
            (&[64], &[64]),
            (&[0], &[0]),
            (&[2, 2], &[2]),
            (&[], &[]),
        ];
        for (inputs, outputs) in layouts {
            let what = format!("{name}: {inputs:?} {outputs:?}");
            let fits = plugin.check_buses_layout(inputs, outputs).unwrap();
            assert_eq!(
                fits,
                inputs == [channels] && outputs == [channels],
                "{what}"
            );
            let now = (plugin.buses(true).unwrap(), plugin.buses(false).unwrap());
            assert_eq!(now, buses, "{what}");
            assert_eq!(made_of_a_ramp(&plugin), before, "{what}");
        }
        asked += 1;
    }
    println!("{asked} plugins were asked");
}
