//! Plugins that die, each with an error that says how.

use plugpen::v1::{DeathKind, ErrorReason};
use plugpen::{Error, EventList, OpenOptions, Plugin, Result};

use super::format::Format;
use super::play;
use crate::system::{play_events, server};

/// Numbers of deeds, and how they end: a signal, or `None` for an exit.
const DEEDS: [(&str, u32, Option<i32>); 4] = [
    ("a fault", 1, Some(11)),
    ("an abort", 2, Some(6)),
    ("an exit", 3, None),
    ("an illegal instruction", 10, Some(4)),
];

/// When a deed is done, by the parameter that says which.
type Provoke = fn(&Plugin) -> Result<()>;
const OCCASIONS: [(&str, u32, Provoke); 3] = [
    ("in run", 0, |plugin| {
        play_events(plugin, &[0.0; 64], &EventList::new()).map(drop)
    }),
    ("in save", 1, |plugin| plugin.get_state().map(drop)),
    ("in restore", 2, |plugin| {
        let state = plugin.get_state()?;
        plugin.set_state(&state)
    }),
];

#[track_caller]
fn check(what: &str, error: &Error, signal: Option<i32>) {
    assert_eq!(error.reason, ErrorReason::PluginCrashed, "{what}: {error}");
    let death = error.death.as_ref().unwrap();
    match signal {
        Some(signal) => assert_eq!(death.signal, signal, "{what}: {death:?}"),
        None => assert_eq!(death.kind(), DeathKind::Exit, "{what}: {death:?}"),
    }
}

pub fn every_way_to_die_has_a_name(format: &Format) {
    let server = server();
    for (deed, number, signal) in DEEDS {
        for (occasion, parameter, provoke) in OCCASIONS {
            let what = format!("{}: {deed} {occasion}", format.name);
            let plugin = format.open(&server, "villain");
            play(&plugin, &[0.0; 64]);
            plugin
                .set_param(parameter, f64::from(number) / 12.0)
                .unwrap();
            check(&what, &provoke(&plugin).unwrap_err(), signal);
            let error = plugin.get_param(0).unwrap_err();
            assert_eq!(error.reason, ErrorReason::PluginDead, "{what}");
            plugin.close().unwrap();
        }
    }
    // The daemon and its other plugins live on.
    play(&format.open(&server, "gain"), &[1.0; 64]);
}

pub fn a_plugin_that_is_not_born_is_an_error(format: &Format) {
    let server = server();
    let try_open = |name| format.try_open(&server, name, OpenOptions::default());
    let refused = try_open("born-refusing").unwrap_err();
    assert_eq!(refused.reason, ErrorReason::PluginRefused, "{refused}");
    for (name, signal) in [("born-crashing", Some(11)), ("born-exiting", None)] {
        check(name, &try_open(name).unwrap_err(), signal);
    }
    play(&format.open(&server, "born-printing"), &[0.0; 64]);
}
