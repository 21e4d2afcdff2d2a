//! When the daemon itself is the trouble.

use std::thread;
use std::time::Duration;

use plugpen::Server;
use plugpen::v1::ErrorReason;
use plugpen_tests::census;

use super::deaths::{deed, kill};
use super::{alone, is, open, play, server, until};

#[test]
fn a_killed_daemon_is_unavailable_and_leaves_no_orphans() {
    let server = server();
    let daemon = server.info().unwrap().pid;
    let plugins: Vec<_> = (0..3).map(|_| open(&server, "gain")).collect();
    let workers: Vec<_> = plugins.iter().map(plugpen::Plugin::worker_pid).collect();
    kill(daemon);
    until("the workers' ends", || {
        !workers.iter().any(|&worker| census::is_running(worker))
    });
    for plugin in &plugins {
        for error in [
            plugin.get_param(0).unwrap_err(),
            plugin.get_state().unwrap_err(),
            play(plugin).unwrap_err(),
        ] {
            assert!(
                is(
                    &error,
                    &[ErrorReason::ServerUnavailable, ErrorReason::PluginDead]
                ),
                "{:?} {error}",
                error.reason
            );
        }
        // Whatever it says, it comes back.
        let _ = plugin.close();
    }
    let error = super::try_open(&server, "gain").unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
}

#[test]
fn a_daemon_killed_in_the_middle_of_calls_leaves_nobody_waiting() {
    let server = server();
    let daemon = server.info().unwrap().pid;
    let (hanging, saving) = (open(&server, "villain"), open(&server, "villain"));
    hanging.set_param(0, deed(4)).unwrap();
    saving.set_param(1, deed(4)).unwrap();
    play(&saving).unwrap();
    let errors = thread::scope(|scope| {
        let playing = scope.spawn(|| play(&hanging).unwrap_err());
        let saving = scope.spawn(|| saving.get_state().unwrap_err());
        let killer = scope.spawn(|| {
            thread::park_timeout(Duration::from_millis(100));
            kill(daemon);
        });
        killer.join().unwrap();
        [playing.join().unwrap(), saving.join().unwrap()]
    });
    for error in errors {
        let reasons = [
            ErrorReason::ServerUnavailable,
            ErrorReason::PluginCrashed,
            ErrorReason::PluginDead,
        ];
        assert!(is(&error, &reasons), "{:?} {error}", error.reason);
    }
}

#[test]
fn a_private_daemon_ends_with_its_client() {
    alone(|| {
        let server = server();
        let daemon = server.info().unwrap().pid;
        let plugin = open(&server, "gain");
        let worker = plugin.worker_pid();
        drop(plugin);
        drop(server);
        until("the daemon's end", || {
            !census::is_running(daemon) && !census::is_running(worker)
        });
    });
}

#[test]
fn nobody_is_let_in_without_the_token() {
    let server = server();
    let target = server.target().to_owned();
    let error = Server::connect_with_token(&target, Some("a guess"))
        .and_then(|stranger| stranger.info())
        .unwrap_err();
    let reasons = [ErrorReason::Unauthenticated, ErrorReason::NotAllowed];
    assert!(is(&error, &reasons), "{:?} {error}", error.reason);
    assert!(server.info().is_ok());
}

#[test]
fn a_daemon_that_is_not_there_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("unix:{}", folder.path().join("none.sock").display());
    let error = Server::connect_with_token(&target, Some("any")).unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
}
