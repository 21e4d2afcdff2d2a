//! Commands about a daemon that runs.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use plugpen::{OpenOptions, Server};
use serde_json::Value;

use crate::support::{Daemon, failed, plugpen, printed};

#[test]
fn serve_becomes_the_daemon_and_ps_lists_its_plugins() {
    let mut daemon = Daemon::serve();
    let server = daemon.connect();
    assert_eq!(server.info().unwrap().pid, daemon.child.id());
    let plugin = server.open("null:gain", &OpenOptions::default()).unwrap();
    let target = daemon.target();
    let listing = printed(&["--server", &target, "ps"]);
    let worker = plugin.worker_pid().to_string();
    assert!(
        listing.contains(&worker) && listing.contains("Null Gain"),
        "{listing}"
    );
    let json: Value = serde_json::from_str(&printed(&["--server", &target, "ps", "-j"])).unwrap();
    assert_eq!(json[0]["worker_pid"], plugin.worker_pid());
    assert_eq!(json[0]["state"], "ready");
    let found = printed(&["--server", &target, "info", "null:gain"]);
    assert!(found.contains("Null Gain"));
}

#[test]
fn a_wrong_token_is_refused() {
    let mut daemon = Daemon::serve();
    daemon.connect();
    let refused = Server::connect_with_token(&daemon.target(), Some("wrong")).unwrap_err();
    assert_eq!(refused.row().exception.name(), "NotAllowed", "{refused}");
}

#[test]
fn killing_a_worker_is_a_death_for_its_client_and_news_for_the_log() {
    let mut daemon = Daemon::serve();
    let server = daemon.connect();
    let target = daemon.target();
    let open = || server.open("null:gain", &OpenOptions::default()).unwrap();
    let first = open();
    let mut follow = plugpen(&["--server", &target, "logs", "--json", "null gain"]);
    let mut logs = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    // What is open is told first.
    let told = next();
    assert_eq!(
        (&told["event"], &told["handle"]),
        (&"open".into(), &first.handle().into())
    );
    let second = open();
    let told = next();
    assert_eq!(
        (&told["event"], &told["handle"]),
        (&"open".into(), &second.handle().into())
    );

    let pid = first.worker_pid().to_string();
    let said = printed(&["--server", &target, "kill", &pid, second.handle()]);
    assert_eq!(said.lines().count(), 2, "{said}");
    for plugin in [&first, &second] {
        let told = next();
        assert_eq!(
            (&told["event"], &told["handle"]),
            (&"died".into(), &plugin.handle().into())
        );
        let error = plugin.get_param(0).unwrap_err();
        assert_eq!(error.row().exception.name(), "PluginDead", "{error}");
        assert!(error.message.contains("a user asked for it"), "{error}");
    }
    first.restart().unwrap();
    assert_eq!(next()["event"], "restart");

    let (code, said) = failed(&["--server", &target, "kill", second.handle()]);
    assert_eq!(code, Some(4), "{said}");
    let (code, said) = failed(&["--server", &target, "kill", "p999"]);
    assert_eq!(code, Some(3), "{said}");
    let (code, said) = failed(&["--server", &target, "kill", "p998", "p999"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("p998") && said.contains("p999") && said.contains("2 of 2"),
        "{said}"
    );

    // The log ends with its daemon, and that is no failure.
    drop(daemon);
    while let Some(Ok(line)) = lines.next() {
        assert!(line.contains("close"), "{line}");
    }
    logs.wait().unwrap();
}

#[test]
fn the_scan_cache_can_be_looked_at_and_cleared() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = plugpen(arguments);
        let output = command.env("XDG_CACHE_HOME", home.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let plugins = tempfile::tempdir().unwrap();
    let broken = plugins.path().join("broken.vst3");
    std::fs::write(&broken, "").unwrap();
    let path = run(&["cache", "path"]);
    assert!(path.starts_with(home.path().to_str().unwrap()), "{path}");
    let stats = || -> Value { serde_json::from_str(&run(&["cache", "stats", "-j"])).unwrap() };
    assert_eq!(stats()["files"], 0);
    run(&["scan", plugins.path().to_str().unwrap()]);
    let known = stats();
    assert_eq!(
        (&known["files"], &known["failures"]),
        (&1.into(), &1.into())
    );
    assert_eq!(run(&["cache", "list"]), "Found 0 plugin(s)\n");
    assert_eq!(run(&["cache", "prune"]), "Forgot 0 file(s)\n");
    std::fs::remove_file(&broken).unwrap();
    assert_eq!(run(&["cache", "prune"]), "Forgot 1 file(s)\n");
    assert_eq!(run(&["cache", "clear"]), "Forgot 0 file(s)\n");
}

#[test]
fn a_recording_is_exported_and_replayed() {
    let mut daemon = Daemon::serve();
    let server = daemon.connect();
    let target = daemon.target();
    let plugin = server.open("null:gain", &OpenOptions::default()).unwrap();
    plugin.set_param(0, 0.25).unwrap();
    let killed = server.kill(plugin.handle()).unwrap().death.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("crash.bin");
    let file = file.to_str().unwrap();
    let report = killed.report_id.as_str();
    printed(&["--server", &target, "replay", report, "--export", file]);
    // A plugin that somebody killed does not die of what it was told.
    let replay = [
        "--server", &target, "replay", file, "--json", "--times", "2",
    ];
    let output = plugpen(&replay).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["same"], &lines[0]["calls_made"]),
        (&false.into(), &1.into())
    );
    assert_eq!(lines[0]["recorded"]["kind"], "killed");
    assert_eq!(lines[0]["replayed"], Value::Null);
    let (code, said) = failed(&["--server", &target, "replay", "0123456789abcdef"]);
    assert_eq!(code, Some(3), "{said}");
}
