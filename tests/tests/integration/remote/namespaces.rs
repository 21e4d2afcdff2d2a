//! Two network namespaces as two machines, with a cable between them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use plugpen::v1::ErrorReason;
use plugpen::{ConnectOptions, Server};
use plugpen_tests::places::{built, real_bundle};

use super::certificates::{Authority, Files};
use super::playing::played;
use super::{Daemon, Setup, follow, options, until};
use crate::system::server;

/// Says so where network namespaces cannot be made, in place of a failure.
const OPT_OUT: &str = "PLUGPEN_NO_NETNS";
/// Tells the process in the near namespace what to connect to: address, token, authority.
const ERRAND: &str = "PLUGPEN_TEST_ERRAND";
const FAR_ADDRESS: &str = "10.213.97.2";

/// Two namespaces and the cable.
struct Machines {
    near: String,
    far: String,
}

impl Machines {
    fn new() -> Machines {
        let id = std::process::id();
        let machines = Machines {
            near: format!("plugpen-near-{id}"),
            far: format!("plugpen-far-{id}"),
        };
        let Machines { near, far } = &machines;
        for line in [
            format!("netns add {near}"),
            format!("netns add {far}"),
            format!("link add cable netns {near} type veth peer name cable netns {far}"),
            format!("-n {near} addr add 10.213.97.1/24 dev cable"),
            format!("-n {far} addr add {FAR_ADDRESS}/24 dev cable"),
            format!("-n {near} link set cable up"),
            format!("-n {far} link set cable up"),
            format!("-n {near} link set lo up"),
            format!("-n {far} link set lo up"),
        ] {
            let said = ip(&line);
            assert!(
                said.is_empty(),
                "ip {line}: {said}; this test needs root and iproute2; set {OPT_OUT}=1 where they cannot be had"
            );
        }
        machines
    }

    /// A command in one of them.
    fn at(namespace: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for namespace in [&self.near, &self.far] {
            ip(&format!("netns del {namespace}"));
        }
    }
}

/// What `ip` complains of.
fn ip(line: &str) -> String {
    match Command::new("ip").args(line.split(' ')).output() {
        Ok(output) if output.status.success() => String::new(),
        Ok(output) => format!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => error.to_string(),
    }
}

/// A daemon on the far machine.
fn far_daemon(machines: &Machines, files: &[PathBuf; 2]) -> Daemon {
    let [certificate, key] = files;
    let setup = Setup {
        listen: vec!["https://10.213.97.2:0"],
        ..Setup::default()
    }
    .argument("--tls-cert", certificate)
    .argument("--tls-key", key);
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    std::fs::write(&tokens, "").unwrap();
    let here = setup.argument("--tokens", &tokens).command(folder.path());
    let mut command = Machines::at(&machines.far, Path::new(here.get_program()));
    command
        .args(here.get_args())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (log, addresses) = follow(&mut child);
    Daemon {
        child,
        folder,
        addresses,
        log,
    }
}

/// What a notebook on the near machine does: everything is compared with what the same plugin
/// plays there.
fn notebook(errand: &str) {
    let [address, token, ca] = errand.split('\n').collect::<Vec<_>>()[..] else {
        panic!("{errand}")
    };
    let connect = || {
        let options = ConnectOptions {
            ca: Some(ca.into()),
            ..options(token)
        };
        Server::connect_with(address, &options)
    };
    until("the token to be known", || connect().is_ok());
    let far = connect().unwrap();
    assert!(far.is_remote());
    let bundle = real_bundle("MVerb.lv2").unwrap_or_else(|| built().unwrap().vst2("gain"));
    assert!(played(&far, &bundle) == played(&server(), &bundle));
    let wrong = ConnectOptions {
        ca: Some(ca.into()),
        ..options("a guess")
    };
    let error = Server::connect_with(address, &wrong).unwrap_err();
    assert_eq!(error.reason, ErrorReason::Unauthenticated, "{error}");
}

#[test]
fn a_plugin_on_another_machine_plays_what_one_on_this_machine_plays() {
    if let Ok(errand) = std::env::var(ERRAND) {
        return notebook(&errand);
    }
    if std::env::var_os(OPT_OUT).is_some() {
        eprintln!("not tested: {OPT_OUT} is set");
        return;
    }
    let machines = Machines::new();
    let files = Files::new();
    let authority = Authority::new("ours");
    let ca = files.put("ca.pem", &authority.pem);
    let pair = files.pair("far", &authority.certify(FAR_ADDRESS, |_| {}));
    let daemon = far_daemon(&machines, &pair);
    let token = daemon.token("notebook", "play");
    let name = thread::current().name().unwrap().to_owned();
    let output = Machines::at(&machines.near, &std::env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture", "--test-threads=1"])
        .env(
            ERRAND,
            format!("{}\n{token}\n{}", daemon.address(), ca.display()),
        )
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
