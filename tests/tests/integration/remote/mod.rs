//! Daemons that are reached over a network: who gets in, how far, and what a bad line does.

mod access;
mod certificates;
mod floods;
mod lines;
mod namespaces;
mod places;
mod playing;
mod starting;
mod tools;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use plugpen::{AudioPath, ConnectOptions, OpenOptions, Plugin, Result, Server};
use plugpen_tests::places::built;
use serde_json::Value;

use super::system::until;

/// The port's number is the system's choice.
const PLAIN: &str = "http://127.0.0.1:0";
const TLS: &str = "https://127.0.0.1:0";

/// A daemon in a process of its own, its tokens, and what it logs.
struct Daemon {
    child: Child,
    folder: tempfile::TempDir,
    addresses: Vec<String>,
    log: Arc<Mutex<Vec<Value>>>,
}

/// What a daemon is started with.
#[derive(Default)]
struct Setup {
    listen: Vec<&'static str>,
    arguments: Vec<String>,
    config: String,
}

impl Setup {
    /// On a port of this machine, in the clear.
    fn plain() -> Setup {
        Setup {
            listen: vec![PLAIN],
            arguments: vec!["--insecure-loopback".into()],
            config: String::new(),
        }
    }

    fn with_config(mut self, config: &str) -> Setup {
        self.config = config.into();
        self
    }

    fn argument(mut self, name: &str, value: impl AsRef<Path>) -> Setup {
        let value = value.as_ref().to_str().unwrap().to_owned();
        self.arguments.extend([name.to_owned(), value]);
        self
    }

    fn command(&self, folder: &Path) -> Command {
        let config = folder.join("plugpend.toml");
        std::fs::write(&config, &self.config).unwrap();
        let mut command = Command::new(built().unwrap().programs.join("plugpend"));
        command
            .args(["--log-format", "json", "--runtime-dir"])
            .arg(folder.join("run"))
            .arg("--config")
            .arg(config)
            .args(self.listen.iter().flat_map(|address| ["--listen", address]))
            .args(&self.arguments)
            .env_remove("PLUGPEN_SERVER")
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    fn start(self) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens.toml");
        std::fs::write(&tokens, "").unwrap();
        let setup = self.argument("--tokens", &tokens);
        let mut child = setup.command(folder.path()).spawn().unwrap();
        let (log, addresses) = follow(&mut child);
        Daemon {
            child,
            folder,
            addresses,
            log,
        }
    }

    /// The complaint of a daemon that does not start.
    #[track_caller]
    fn refused(self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let output = self.command(folder.path()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Keeps what a daemon logs; returns when it is ready, with its addresses.
#[track_caller]
fn follow(child: &mut Child) -> (Arc<Mutex<Vec<Value>>>, Vec<String>) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let log = Arc::new(Mutex::new(Vec::new()));
    let addresses = loop {
        let line = lines.next().expect("the daemon ended at once").unwrap();
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        if line["message"] == "ready" {
            // The log has it as the list's Debug text.
            break serde_json::from_str(line["listen"].as_str().unwrap()).unwrap();
        }
        log.lock().unwrap().push(line);
    };
    let kept = log.clone();
    thread::spawn(move || {
        for line in lines.map_while(std::result::Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            kept.lock().unwrap().push(line);
        }
    });
    (log, addresses)
}

impl Daemon {
    fn address(&self) -> &str {
        &self.addresses[0]
    }

    fn tokens(&self) -> PathBuf {
        self.folder.path().join("tokens.toml")
    }

    /// A new token, made as users make one.
    #[track_caller]
    fn token(&self, name: &str, scope: &str) -> String {
        let output = self.token_command(&[name, "--scope", scope]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn token_command(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(built().unwrap().programs.join("plugpen"))
            .args(["token", "--tokens"])
            .arg(self.tokens())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Connects with a token, once the daemon has read of it.
    #[track_caller]
    fn client(&self, token: &str) -> Server {
        let mut server = None;
        until("the token to be known", || {
            server = self.connect(token).ok();
            server.is_some()
        });
        server.unwrap()
    }

    fn connect(&self, token: &str) -> Result<Server> {
        Server::connect_with_token(self.address(), Some(token))
    }

    /// A client of the daemon's own user, which comes by the same way.
    #[track_caller]
    fn owner(&self) -> Server {
        let token = std::fs::read_to_string(self.folder.path().join("run/token")).unwrap();
        self.connect(&token).unwrap()
    }

    /// Whether something was logged whose text has all these words.
    fn logged(&self, words: &[&str]) -> bool {
        let log = self.log.lock().unwrap();
        log.iter().any(|line| {
            let text = line.to_string();
            words.iter().all(|word| text.contains(word))
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// With nothing taken from the environment that a test did not say.
fn options(token: &str) -> ConnectOptions {
    ConnectOptions {
        token: Some(token.into()),
        ..ConnectOptions::default()
    }
}

/// Opens without audio: this is about control.
fn try_open(server: &Server, path: &str) -> Result<Plugin> {
    let options = OpenOptions {
        audio_path: AudioPath::None,
        ..OpenOptions::default()
    };
    server.open(path, &options)
}

#[track_caller]
fn open(server: &Server) -> Plugin {
    try_open(server, "null:gain").unwrap_or_else(|error| panic!("{error}"))
}
