//! The program as users run it.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use plugpen::{OpenOptions, Server};
use serde_json::Value;

/// The folder with `plugpend` and `plugpen-worker`, built if need be.
fn programs() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(named) = std::env::var_os("PLUGPEN_BIN_DIR") {
            return named.into();
        }
        let folder = Path::new(env!("CARGO_BIN_EXE_plugpen")).parent().unwrap();
        // Two builds, so that the worker is not given the features of the daemon's crates.
        for package in ["plugpen-worker", "plugpen-server"] {
            let mut build = Command::new(env!("CARGO"));
            build
                .args(["build", "--quiet", "-p", package, "--target-dir"])
                .arg(folder.parent().unwrap());
            if folder.ends_with("release") {
                build.arg("--release");
            }
            assert!(
                build.status().unwrap().success(),
                "{package} does not build"
            );
        }
        folder.to_owned()
    })
}

fn plugpen(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plugpen"));
    command
        .args(arguments)
        .env("PLUGPEN_BIN_DIR", programs())
        .env_remove("PLUGPEN_SERVER")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    plugpen(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The standard output of a command that succeeds.
fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    text(&output.stdout)
}

/// Exit code and standard error of a command that fails.
fn failed(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    (output.status.code(), text(&output.stderr))
}

#[test]
fn info_lists_programs_and_parameters() {
    let text = printed(&["info", "null:gain"]);
    for line in [
        "Plugin name: Null Gain",
        "Vendor name: plugpen",
        "numPrograms = 3",
        "numParams = 4",
        "Program 001: Quiet",
        "Param 000: Gain [1] (normalized = 0.500000)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    // Nobody looks at a pipe, so it gets no colours.
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn info_as_json_can_be_read_by_machines() {
    let value: Value = serde_json::from_str(&printed(&["info", "--json", "null:gain"])).unwrap();
    assert_eq!(value["name"], "Null Gain");
    assert_eq!(value["num_params"], 4);
    assert_eq!(value["programs"][2], "Echo");
    assert_eq!(value["parameters"][1]["label"], "frames");
}

#[test]
fn a_scan_of_an_empty_folder_finds_nothing_and_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(printed(&["scan", path]), "Found 0 plugin(s)\n");
    assert_eq!(printed(&["scan", "--json", path]), "[]\n");
}

#[test]
fn failures_say_what_was_wrong() {
    for (arguments, expected) in [
        (["info", "/nowhere/x.lv2"], "/nowhere/x.lv2"),
        (["info", "null:fuzz"], "null:gain"),
        (["scan", "/nowhere"], "not a directory"),
    ] {
        let (code, said) = failed(&arguments);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.starts_with("Error: ") && said.contains(expected),
            "{said}"
        );
    }
    let (code, said) = failed(&["--server", "unix:/nowhere/p.sock", "ps"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("/nowhere/p.sock") && said.contains("plugpen serve"),
        "{said}"
    );
}

#[test]
fn mistakes_in_the_command_line_are_told_apart() {
    for arguments in [&["info"][..], &["dance"], &[]] {
        assert_eq!(failed(arguments).0, Some(2), "{arguments:?}");
    }
}

/// A daemon in the foreground, as `plugpen serve` runs it.
struct Daemon {
    folder: tempfile::TempDir,
    child: Child,
}

impl Daemon {
    fn serve() -> Daemon {
        let folder = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .unwrap();
        let child = plugpen(&["serve", "--runtime-dir"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Daemon { folder, child }
    }

    fn target(&self) -> String {
        format!("unix:{}/plugpend.sock", self.folder.path().display())
    }

    /// A session on it, once it listens.
    fn connect(&mut self) -> Server {
        loop {
            match Server::connect(&self.target()) {
                Ok(server) => return server,
                Err(error) => assert!(self.child.try_wait().unwrap().is_none(), "{error}"),
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
fn ctrl_c_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = plugpen(&["scan"]);
    let mut scan = command
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    // Interrupted as soon as there is a daemon's folder, whatever it is doing then.
    while entries() == 0 {
        assert!(scan.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&scan);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let code = scan.wait().unwrap().code();
    // It may have been faster.
    assert!(matches!(code, Some(130 | 0)), "{code:?}");
    assert_eq!(entries(), 0);
}
