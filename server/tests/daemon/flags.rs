//! What the command line can ask for.

use std::process::Command;

use plugpen_proto::v1::{AudioPath, ErrorReason, OpenOptions, SandboxLevel, SandboxState};

use crate::support::{Client, Daemon, options, worker};

#[tokio::test]
async fn several_sockets_lead_to_one_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["a.sock", "b.sock"].map(|name| dir.path().join(name));
    let addresses = paths
        .each_ref()
        .map(|path| format!("unix:{}", path.display()));
    let [a, b] = &addresses;
    let daemon = Daemon::with(worker(), "", &["--listen", a, "--listen", b]);
    for path in &paths {
        let client = Client::connect(path, &daemon.token()).await;
        client.open("null:gain").await.unwrap();
    }
    assert!(!daemon.socket().exists());
}

#[tokio::test]
async fn the_log_can_be_json() {
    let daemon = Daemon::with(worker(), "", &["--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(&daemon.log.wait_for("ready")).unwrap();
    assert_eq!(line["message"], "ready");
    assert_eq!(line["level"], "INFO");
}

#[tokio::test]
async fn the_sandbox_is_what_was_asked_for() {
    for (level, standing) in [("required", true), ("off", false)] {
        let daemon = Daemon::with(worker(), "", &["--sandbox", level]);
        let client = daemon.client().await;
        let report = client.open("null:gain").await.unwrap().sandbox.unwrap();
        let seccomp = report
            .layers
            .iter()
            .find(|layer| layer.name == "seccomp")
            .unwrap();
        assert_eq!(
            seccomp.state() == SandboxState::Enforced,
            standing,
            "{level}"
        );
    }
}

#[test]
fn mistakes_are_explained() {
    let run = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_plugpend");
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(run(&["--listen", "tcp:80"]).contains("unix:/absolute/path"));
    assert!(run(&["--sandbox", "some"]).contains("best-effort"));
    assert!(run(&["--worker", "/nowhere"]).contains("/nowhere"));
    assert!(run(&["--private"]).contains("--lifeline-fd"));
}

#[tokio::test]
async fn clients_may_tighten_the_jail_and_loosen_it_where_they_are_let() {
    let wish = |level: SandboxLevel| OpenOptions {
        sandbox_level: level.into(),
        ..options("null:gain", AudioPath::None)
    };
    let daemon = Daemon::with(worker(), "", &["--sandbox", "required"]);
    let client = daemon.client().await;
    let error = client.open_with(wish(SandboxLevel::Off)).await.unwrap_err();
    assert_eq!(error.reason, ErrorReason::NotAllowed);
    assert!(error.message.contains("--let-clients-loosen"), "{error}");
    let daemon = Daemon::with(worker(), "", &["--let-clients-loosen"]);
    let client = daemon.client().await;
    for level in [SandboxLevel::Off, SandboxLevel::Required] {
        let (opened, _) = client.open_with(wish(level)).await.unwrap();
        assert_eq!(opened.sandbox.unwrap().level(), level);
    }
}

#[tokio::test]
async fn without_namespaces_the_report_says_who_does_not_want_them() {
    let daemon = Daemon::with(worker(), "", &["--no-namespaces"]);
    let client = daemon.client().await;
    let report = client.open("null:gain").await.unwrap().sandbox.unwrap();
    let layer = |name: &str| {
        let found = report.layers.iter().find(|layer| layer.name == name);
        found.unwrap().clone()
    };
    let missing = layer("mount_ns");
    assert_eq!(missing.state(), SandboxState::Absent);
    assert!(
        missing.detail.contains("configuration"),
        "{}",
        missing.detail
    );
    // Nobody else could reach its private folder.
    assert_ne!(layer("uid").state(), SandboxState::Enforced);
    assert_eq!(layer("seccomp").state(), SandboxState::Enforced);
    assert_eq!(layer("capabilities").state(), SandboxState::Enforced);
}
