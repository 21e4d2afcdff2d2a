//! The jail, seen from outside: what the kernel says of a worker, and what is left in its view.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use plugpen::v1::{ErrorReason, PathGrant, SandboxLevel, SandboxMode, SandboxState};
use plugpen::{OpenOptions, Plugin};
use plugpen_tests::census;
use plugpen_tests::places::built;

use super::{bundle, open, options, server, until};

/// Somebody else, when these tests are root's.
const NOBODY: u32 = 65534;

const NAMESPACES: [(&str, &str); 5] = [
    ("pid_ns", "pid"),
    ("ipc_ns", "ipc"),
    ("uts_ns", "uts"),
    ("net_ns", "net"),
    ("mount_ns", "mnt"),
];

fn layers(plugin: &Plugin) -> BTreeMap<String, SandboxState> {
    let report = plugin.opened().sandbox.unwrap();
    let layers = report.layers.into_iter();
    layers
        .map(|layer| (layer.name.clone(), layer.state()))
        .collect()
}

fn stands(plugin: &Plugin, layer: &str) -> bool {
    let state = layers(plugin)[layer];
    matches!(state, SandboxState::Enforced | SandboxState::Partial)
}

fn namespace(process: &str, kind: &str) -> PathBuf {
    fs::read_link(format!("/proc/{process}/ns/{kind}")).unwrap()
}

fn status(pid: u32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("no {key}")).trim().to_owned()
}

/// Whether util-linux can make namespaces here, which then we can too.
fn can_unshare(flags: &str) -> bool {
    let tried = Command::new("unshare").args([flags, "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

fn is_root() -> bool {
    status(std::process::id(), "Uid:").starts_with('0')
}

#[test]
fn namespaces_are_the_workers_own_where_the_report_says_so() {
    let server = server();
    let plugin = open(&server, "gain");
    let pid = plugin.worker_pid().to_string();
    for (layer, kind) in NAMESPACES {
        let own = namespace(&pid, kind) != namespace("self", kind);
        assert_eq!(own, stands(&plugin, layer), "{layer}");
        if can_unshare("-pinum") || can_unshare("-Urpinum") {
            assert!(own, "{layer}: {:?}", plugin.opened().sandbox);
        }
    }
    let pid = plugin.worker_pid();
    if stands(&plugin, "pid_ns") {
        let numbers: Vec<_> = status(pid, "NSpid:")
            .split_whitespace()
            .map(String::from)
            .collect();
        // Not the first, to whom signals mean something else.
        assert_eq!(numbers.last().map(String::as_str), Some("2"));
    }
    if stands(&plugin, "capabilities") {
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(status(pid, set), "0000000000000000", "{set}");
        }
    }
    assert!(stands(&plugin, "capabilities"));
}

#[test]
fn each_worker_of_a_root_daemon_is_a_user_of_its_own() {
    let server = server();
    let plugins = [open(&server, "gain"), open(&server, "gain")];
    let users = plugins
        .each_ref()
        .map(|plugin| status(plugin.worker_pid(), "Uid:"));
    if !is_root() {
        assert!(!stands(&plugins[0], "uid"));
        return;
    }
    assert!(
        stands(&plugins[0], "uid"),
        "{:?}",
        plugins[0].opened().sandbox
    );
    assert_ne!(users[0], users[1]);
    for user in users {
        assert!(user.split_whitespace().all(|id| id != "0"), "{user}");
    }
}

#[test]
fn a_worker_s_root_holds_what_plugins_read_and_nothing_else() {
    let server = server();
    let plugin = open(&server, "gain");
    assert!(stands(&plugin, "mount_ns") || !can_unshare("-Urpinum"));
    if !stands(&plugin, "mount_ns") {
        return;
    }
    let root = PathBuf::from(format!("/proc/{}/root", plugin.worker_pid()));
    assert!(root.join("usr/lib").is_dir());
    for hidden in [
        "home",
        "root",
        "var",
        "boot",
        "usr/bin",
        "etc/shadow",
        "sys/kernel",
    ] {
        assert!(!root.join(hidden).exists(), "{hidden}");
    }
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", plugin.worker_pid())).unwrap();
    let mut writable = Vec::new();
    for mount in mounts.lines() {
        let fields: Vec<_> = mount.split_whitespace().collect();
        let (place, flags) = (fields[4], fields[5]);
        if !flags.split(',').any(|flag| flag == "ro") && !place.starts_with("/dev/") {
            writable.push(place.to_owned());
            for flag in ["noexec", "nosuid", "nodev"] {
                assert!(flags.contains(flag), "{mount}");
            }
        }
    }
    assert_eq!(writable.len(), 1, "the private folder only: {mounts}");
}

#[test]
fn a_granted_folder_is_in_view_and_only_as_granted() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for folder in &folders {
        fs::write(folder.path().join("sample"), "x").unwrap();
        // For the worker's own user, where it has one.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let path = |index: usize| folders[index].path().to_str().unwrap().to_owned();
    let server = server();
    let granted = OpenOptions {
        grants: vec![
            PathGrant {
                path: path(0),
                is_writable: false,
            },
            PathGrant {
                path: path(1),
                is_writable: true,
            },
        ],
        ..options("gain")
    };
    let plain = open(&server, "gain");
    let plugin = server.open(bundle(), &granted).unwrap();
    if !stands(&plugin, "mount_ns") {
        assert!(stands(&plugin, "landlock"));
        return;
    }
    let sees = |plugin: &Plugin, path: &str| {
        let root = format!("/proc/{}/root{path}/sample", plugin.worker_pid());
        Path::new(&root).exists()
    };
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", plugin.worker_pid())).unwrap();
    for (index, flag) in [(0, "ro,"), (1, "rw,")] {
        assert!(sees(&plugin, &path(index)) && !sees(&plain, &path(index)));
        let mount = mounts
            .lines()
            .find(|line| line.contains(&path(index)))
            .unwrap();
        assert!(mount.contains(flag), "{mount}");
    }
    let mut unusable = granted.clone();
    unusable.grants[0].path = "/nowhere".into();
    let error = server.open(bundle(), &unusable).unwrap_err();
    assert_eq!(error.reason, ErrorReason::NotFound);
}

#[test]
fn the_level_of_one_plugin_is_its_client_s_choice_on_a_private_daemon() {
    let server = server();
    let with = |level, mode| {
        let options = OpenOptions {
            sandbox: Some(level),
            sandbox_mode: Some(mode),
            ..options("gain")
        };
        server.open(bundle(), &options).unwrap()
    };
    let off = with(SandboxLevel::Off, SandboxMode::Enforce);
    assert!(
        layers(&off)
            .values()
            .all(|state| *state == SandboxState::Off)
    );
    assert_eq!(status(off.worker_pid(), "Seccomp:"), "0");
    let required = with(SandboxLevel::Required, SandboxMode::Kill);
    let report = required.opened().sandbox.unwrap();
    assert_eq!(report.level(), SandboxLevel::Required);
    assert_eq!(report.mode(), SandboxMode::Kill);
    assert_eq!(status(required.worker_pid(), "Seccomp:"), "2");
}

#[test]
fn nothing_is_left_of_a_worker_s_namespaces() {
    let server = server();
    let plugin = open(&server, "gain");
    let pid = plugin.worker_pid();
    let first = status(pid, "PPid:").parse().unwrap();
    assert!(census::is_running(first));
    plugin.close().unwrap();
    assert!(!census::is_running(pid));
    if first != server.info().unwrap().pid {
        until("the end of the first process", || {
            !census::is_running(first)
        });
    }
}

#[test]
fn an_ordinary_user_s_workers_are_jailed_as_well() {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for program in ["plugpen", "plugpend", "plugpen-worker"] {
        fs::copy(
            built().unwrap().programs.join(program),
            place.path().join(program),
        )
        .unwrap();
    }
    let mut command = Command::new(place.path().join("plugpen"));
    command
        .args(["info", "--json", "null:gain"])
        .env_clear()
        .env("HOME", place.path())
        .env("XDG_RUNTIME_DIR", place.path())
        .current_dir(place.path());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let layers = &info["sandbox"]["layers"];
    let state = |layer: &str| layers[layer]["state"].as_str().unwrap().to_owned();
    for layer in ["no_new_privs", "landlock", "seccomp", "capabilities"] {
        assert!(
            ["enforced", "partial"].contains(&state(layer).as_str()),
            "{layers}"
        );
    }
    if can_unshare("-Urpinum") {
        for layer in [
            "user_ns", "pid_ns", "ipc_ns", "uts_ns", "net_ns", "mount_ns",
        ] {
            assert_eq!(state(layer), "enforced", "{layers}");
        }
    }
}
