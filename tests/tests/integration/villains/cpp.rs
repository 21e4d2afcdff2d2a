//! What only C++ can do wrong, by a plugin of every format that is written in it.

use plugpen::v1::DeathKind;
use plugpen::{Error, OpenOptions, Plugin, Result, Server};
use plugpen_tests::census;
use plugpen_tests::places::built;

use super::witness::beside_others;
use crate::system::{play_events, server_with, until};

/// What becomes of a deed.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// A signal ends it.
    Signal(i32),
    /// It is ended for never coming back.
    Hang,
    /// It plays on.
    Survives,
}

/// The deeds of `tests/plugins/cpp/villain.hpp`, by number less one.
const DEEDS: [(&str, Fate); 10] = [
    ("throws an exception while it plays", Fate::Signal(6)),
    ("throws a number while it plays", Fate::Signal(6)),
    ("throws while it saves", Fate::Signal(6)),
    ("throws where nothing may", Fate::Signal(6)),
    ("leaves a thread behind", Fate::Survives),
    ("exits with a handler that never returns", Fate::Hang),
    ("jumps out of its own fault", Fate::Survives),
    ("stops in a handler of every signal", Fate::Hang),
    ("calls a method that is not there", Fate::Signal(6)),
    ("frees memory twice", Fate::Signal(6)),
];

fn play(plugin: &Plugin) -> Result<()> {
    let (outputs, _) = play_events(plugin, &[0.5; 64], &plugpen::EventList::new())?;
    assert_eq!(outputs[0], [0.5; 64]);
    Ok(())
}

fn check(what: &str, fate: Fate, plugin: &Plugin, ended: Option<&Error>) {
    let pid = plugin.worker_pid();
    let death = ended.map(|error| error.death.as_ref().unwrap());
    match (fate, death) {
        (Fate::Signal(signal), Some(death)) => {
            assert_eq!(
                (death.kind(), death.signal),
                (DeathKind::Signal, signal),
                "{what}: {death:?}"
            );
        }
        (Fate::Hang, Some(death)) => assert_eq!(death.kind(), DeathKind::Hang, "{what}: {death:?}"),
        (Fate::Survives, None) => {
            play(plugin).unwrap();
            plugin.get_param(0).unwrap();
            // Its thread does not keep its process.
            plugin.close().unwrap();
        }
        _ => panic!("{what}: {fate:?} was expected, not {ended:?}"),
    }
    until("the worker's end", || !census::is_running(pid));
}

fn every_deed(format: &str, server: &Server) {
    let path = built().unwrap().cpp(format);
    for ((deed, fate), number) in DEEDS.into_iter().zip(1_u32..) {
        let what = format!("{format}: {deed}");
        let options = OpenOptions::default();
        let plugin = server.open(path.to_str().unwrap(), &options).unwrap();
        play(&plugin).unwrap_or_else(|error| panic!("{what}: {error}"));
        plugin.set_param(0, f64::from(number) / 10.0).unwrap();
        let ended = play(&plugin).and_then(|()| plugin.get_state().map(drop));
        check(&what, fate, &plugin, ended.err().as_ref());
    }
}

#[test]
fn what_cpp_plugins_do_wrong_is_their_end_alone() {
    let server = server_with("[deadlines]\nblock_seconds = 0.7\n");
    beside_others(&server, || {
        for format in ["lv2", "vst2", "vst3"] {
            every_deed(format, &server);
        }
    });
}
