//! The program, its daemon and its output.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use plugpen::Server;
use serde_json::Value;

/// The folder with `plugpend` and its helpers, built if need be.
pub fn programs() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(named) = std::env::var_os("PLUGPEN_BIN_DIR") {
            return named.into();
        }
        let folder = Path::new(env!("CARGO_BIN_EXE_plugpen")).parent().unwrap();
        // Builds of their own, so that the worker is not given the features of the daemon's crates.
        for package in [
            "plugpen-worker",
            "plugpen-server",
            "plugpen-device",
            "plugpen-autopsy",
        ] {
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

pub fn plugpen(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plugpen"));
    command
        .args(arguments)
        .env("PLUGPEN_BIN_DIR", programs())
        .env_remove("PLUGPEN_SERVER")
        .stdin(Stdio::null());
    command
}

pub fn run(arguments: &[&str]) -> Output {
    plugpen(arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The standard output of a command that succeeds.
pub fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    text(&output.stdout)
}

/// Exit code and standard error of a command that fails.
pub fn failed(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    (output.status.code(), text(&output.stderr))
}

/// The standard output of a command that succeeds, as JSON.
pub fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments)).unwrap()
}

/// An installed plugin. None where it isn't installed and `PLUGPEN_REAL_PLUGINS` does not demand
/// it.
pub fn real(path: &'static str) -> Option<&'static str> {
    let found = Path::new(path).exists();
    assert!(
        found || std::env::var_os("PLUGPEN_REAL_PLUGINS").is_none(),
        "{path} is not installed: run ./dev setup"
    );
    if !found {
        eprintln!("not tested: {path} is not installed");
    }
    found.then_some(path)
}

/// A daemon in the foreground, as `plugpen serve` runs it.
pub struct Daemon {
    folder: tempfile::TempDir,
    pub child: Child,
}

impl Daemon {
    pub fn serve() -> Daemon {
        Daemon::serve_with(|command| command)
    }

    /// The same, with more said to it.
    pub fn serve_with(more: impl FnOnce(&mut Command) -> &mut Command) -> Daemon {
        let folder = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .unwrap();
        let mut command = plugpen(&["serve", "--runtime-dir"]);
        let command = command.arg(folder.path()).stderr(Stdio::null());
        let child = more(command).spawn().unwrap();
        Daemon { folder, child }
    }

    pub fn target(&self) -> String {
        format!("unix:{}/plugpend.sock", self.folder.path().display())
    }

    /// A session on it, once it listens.
    pub fn connect(&mut self) -> Server {
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
