//! SIGKILL at random points of random calls.

use std::thread;
use std::time::{Duration, Instant};

use plugpen::v1::ErrorReason;
use plugpen::{Plugin, Result};

use super::deaths::kill;
use super::{Random, alone, full, is, open, play, server, until};

/// One random call.
fn call(plugin: &Plugin, random: &mut Random) -> Result<()> {
    match random.below(10) {
        0..4 => play(plugin).map(drop),
        4 => plugin.set_param(0, 0.5),
        5 => plugin.get_param(0).map(drop),
        6 => plugin.get_state().map(drop),
        7 => plugin.reset(),
        8 => plugin.params().map(drop),
        _ => plugin.param_to_text(0, 0.5).map(drop),
    }
}

#[test]
fn a_kill_at_any_point_is_a_typed_error_and_a_restart_mends_it() {
    alone(|| {
        let server = server();
        let mut random = Random::new();
        let plugin = open(&server, "latency");
        let rounds = if full() { 1000 } else { 200 };
        let mut during = 0;
        for round in 0..rounds {
            let pid = plugin.worker_pid();
            let delay = Duration::from_micros(random.below(1500));
            let error = thread::scope(|scope| {
                scope.spawn(move || {
                    let began = Instant::now();
                    while began.elapsed() < delay {
                        std::hint::spin_loop();
                    }
                    kill(pid);
                });
                loop {
                    if let Err(error) = call(&plugin, &mut random) {
                        break error;
                    }
                }
            });
            assert!(
                is(
                    &error,
                    &[ErrorReason::PluginCrashed, ErrorReason::PluginDead]
                ),
                "round {round}: {:?} {error}",
                error.reason
            );
            during += u32::from(error.reason == ErrorReason::PluginCrashed);
            let death = error.death.as_ref().unwrap();
            assert_eq!(death.signal, 9, "round {round}: {death:?}");
            until("the plugin to know of its death", || !plugin.is_alive());
            plugin
                .restart()
                .unwrap_or_else(|error| panic!("round {round}: {error}"));
            play(&plugin).unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        println!("{during} of {rounds} kills met a call");
        assert!(during > 0);
    });
}

#[test]
fn a_kill_while_opening_is_a_typed_error() {
    let server = server();
    let daemon = server.info().unwrap().pid;
    let mut random = Random::new();
    for round in 0..20 {
        let delay = Duration::from_micros(random.below(8000));
        thread::scope(|scope| {
            let opening = scope.spawn(|| super::try_open(&server, "gain"));
            let began = Instant::now();
            while began.elapsed() < delay {
                std::hint::spin_loop();
            }
            for worker in plugpen_tests::census::children(daemon) {
                kill(worker);
            }
            if let Err(error) = opening.join().unwrap() {
                assert!(
                    is(
                        &error,
                        &[ErrorReason::PluginCrashed, ErrorReason::PluginDead]
                    ),
                    "round {round}: {:?} {error}",
                    error.reason
                );
            }
        });
    }
}
