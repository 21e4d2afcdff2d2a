//! Every way to die is told as what it was, in the call that met it.

use std::thread;

use plugpen::v1::{DeathKind, ErrorReason};
use plugpen::{Error, Plugin, Server};
use plugpen_tests::census;

use super::{is, open, play, server_with, try_open, until};

/// Short deadlines, for deaths by hanging.
const IMPATIENT: &str = "[deadlines]\nload_seconds = 1.5\nstate_seconds = 1\nblock_seconds = 1\n";

/// A villain's parameter value for a deed.
pub(super) fn deed(number: u32) -> f64 {
    f64::from(number) / 12.0
}

const IN_RUN: u32 = 0;
const IN_SAVE: u32 = 1;
const IN_RESTORE: u32 = 2;

/// How a call is expected to end.
struct Expected {
    kind: DeathKind,
    /// Any of these; empty: no signal.
    signals: &'static [i32],
    exit_code: i32,
}

fn signal(signals: &'static [i32]) -> Expected {
    Expected {
        kind: DeathKind::Signal,
        signals,
        exit_code: 0,
    }
}

fn of_kind(kind: DeathKind) -> Expected {
    Expected {
        kind,
        signals: &[9],
        exit_code: 0,
    }
}

fn deeds() -> Vec<(&'static str, u32, Expected)> {
    let exit = Expected {
        kind: DeathKind::Exit,
        signals: &[],
        exit_code: 3,
    };
    vec![
        ("segv", 1, signal(&[11])),
        ("abort", 2, signal(&[6])),
        ("exit", 3, exit),
        ("hang", 4, of_kind(DeathKind::Hang)),
        ("spin", 5, of_kind(DeathKind::Hang)),
        // Rust's own handler turns an overflow it recognises into an abort.
        ("stack overflow", 6, signal(&[6, 11])),
        ("kill", 7, of_kind(DeathKind::Killed)),
        ("memory", 9, signal(&[6])),
        ("illegal instruction", 10, signal(&[4])),
    ]
}

#[track_caller]
fn check(what: &str, error: &Error, call: &str, expected: &Expected) {
    let reason = match expected.kind {
        DeathKind::Hang => ErrorReason::PluginHung,
        _ => ErrorReason::PluginCrashed,
    };
    assert_eq!(error.reason, reason, "{what}: {error}");
    let death = error.death.as_ref().unwrap();
    assert_eq!(death.kind(), expected.kind, "{what}: {death:?}");
    assert_eq!(death.call, call, "{what}: {death:?}");
    assert_eq!(death.exit_code, expected.exit_code, "{what}: {death:?}");
    if expected.kind != DeathKind::Hang {
        let named = expected.signals.is_empty() || expected.signals.contains(&death.signal);
        assert!(named, "{what}: {death:?}");
    }
    assert!(
        !death.report_id.is_empty() && death.generation == 1,
        "{what}"
    );
}

/// After its death a plugin stays dead, with the reason, until it is closed or restarted.
#[track_caller]
fn check_dead(plugin: &Plugin) {
    let worker = plugin.worker_pid();
    assert!(!plugin.is_alive() && plugin.death().is_some());
    for (call, error) in [
        ("get_param", plugin.get_param(0).unwrap_err()),
        ("process", play(plugin).unwrap_err()),
    ] {
        assert_eq!(error.reason, ErrorReason::PluginDead, "{call}: {error}");
        assert!(error.death.is_some(), "{call}");
    }
    until("the worker's end", || !census::is_running(worker));
}

fn villain(server: &Server) -> Plugin {
    open(server, "villain")
}

#[test]
fn a_death_while_playing_is_a_typed_error() {
    let server = server_with(IMPATIENT);
    for (what, number, expected) in deeds() {
        let plugin = villain(&server);
        play(&plugin).unwrap();
        plugin.set_param(IN_RUN, deed(number)).unwrap();
        let error = play(&plugin).unwrap_err();
        check(what, &error, "process", &expected);
        check_dead(&plugin);
    }
}

#[test]
fn calls_that_are_answered_do_not_excuse_a_block_that_is_not() {
    let server = server_with(IMPATIENT);
    let plugin = villain(&server);
    plugin.set_param(IN_RUN, deed(4)).unwrap();
    let error = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| while plugin.get_param(IN_RUN).is_ok() {});
        }
        play(&plugin).unwrap_err()
    });
    check("hang", &error, "process", &of_kind(DeathKind::Hang));
    check_dead(&plugin);
}

#[test]
fn a_death_while_saving_is_a_typed_error() {
    let server = server_with(IMPATIENT);
    for (what, number, expected) in deeds() {
        let plugin = villain(&server);
        plugin.set_param(IN_SAVE, deed(number)).unwrap();
        play(&plugin).unwrap();
        let error = plugin.get_state().unwrap_err();
        check(what, &error, "GetState", &expected);
        check_dead(&plugin);
    }
}

#[test]
fn a_death_while_restoring_is_a_typed_error() {
    let server = server_with(IMPATIENT);
    let harmless = villain(&server).get_state().unwrap();
    for (what, number, expected) in deeds() {
        let plugin = villain(&server);
        plugin.set_param(IN_RESTORE, deed(number)).unwrap();
        play(&plugin).unwrap();
        // What restores the port values first makes the plugin harmless, which is fine too.
        match plugin.set_state(&harmless) {
            Err(error) => {
                check(what, &error, "SetState", &expected);
                check_dead(&plugin);
            }
            Ok(()) => assert_eq!(plugin.get_param(IN_RESTORE).unwrap(), 0.0),
        }
    }
}

#[test]
fn a_death_while_opening_is_a_typed_error() {
    let server = server_with(IMPATIENT);
    for (name, reason) in [
        ("born-crashing", ErrorReason::PluginCrashed),
        ("born-exiting", ErrorReason::PluginCrashed),
        ("born-hanging", ErrorReason::PluginHung),
        ("born-slow", ErrorReason::PluginHung),
    ] {
        let error = try_open(&server, name).unwrap_err();
        assert!(is(&error, &[reason]), "{name}: {error}");
        assert!(error.death.is_some(), "{name}");
    }
    assert!(
        server
            .plugins(true)
            .unwrap()
            .iter()
            .all(|p| p.death.is_some())
    );
}

#[test]
fn a_death_while_idle_is_told_by_the_next_call() {
    let server = super::server();
    let plugin = open(&server, "gain");
    kill(plugin.worker_pid());
    until("the news", || !plugin.is_alive());
    let error = play(&plugin).unwrap_err();
    assert!(is(&error, &[ErrorReason::PluginDead]), "{error}");
    let death = plugin.death().unwrap();
    assert_eq!((death.kind(), death.call.as_str()), (DeathKind::Killed, ""));
}

#[test]
fn what_a_plugin_printed_last_is_in_its_death() {
    let server = super::server();
    let plugin = villain(&server);
    plugin.set_param(IN_RUN, deed(9)).unwrap();
    let error = play(&plugin).unwrap_err();
    let death = error.death.unwrap();
    assert!(
        death
            .output
            .iter()
            .any(|line| line.contains("memory allocation")),
        "{death:?}"
    );
}

#[test]
fn a_restarted_plugin_is_as_it_was() {
    let server = super::server();
    let plugin = open(&server, "parameter");
    plugin.set_program(1).unwrap();
    plugin.set_param(0, 0.375).unwrap();
    plugin.get_state().unwrap();
    plugin.set_param(1, 0.75).unwrap();
    for generation in 2..6 {
        kill(plugin.worker_pid());
        until("the news", || !plugin.is_alive());
        plugin.restart().unwrap();
        assert_eq!(plugin.generation(), generation);
        let values = plugin.get_params().unwrap();
        let kept = (values[0] - 0.375).abs() < 1e-6 && (values[1] - 0.75).abs() < 1e-6;
        assert!(kept, "generation {generation}: {values:?}");
        let outputs = play(&plugin).unwrap();
        assert!((outputs[0][0] - 0.375).abs() < 1e-6 && (outputs[1][0] - 5.0).abs() < 1e-5);
    }
}

#[test]
fn one_plugins_death_is_nobody_elses() {
    let server = super::server();
    let (victim, witness) = (open(&server, "counter"), open(&server, "counter"));
    for block in 0..100_u16 {
        if block == 50 {
            kill(victim.worker_pid());
        }
        assert_eq!(play(&witness).unwrap()[0][0], f32::from(block) * 64.0);
    }
}

/// SIGKILL, as from outside.
pub(super) fn kill(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    // It may be gone already.
    let _ = rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL);
}
