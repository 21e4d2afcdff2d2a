//! The jail as the daemon sees it: what the worker reports, and what the kernel says.

use crate::support::{Worker, installed, options};
use plugpen_proto::v1::{GetStateRequest, SandboxState};

fn status(worker: &Worker, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("no {key} in {status}"))
        .trim()
        .into()
}

fn layer(worker: &Worker, name: &str) -> SandboxState {
    let layers = worker.sandbox().layers;
    let layer = layers.iter().find(|layer| layer.name == name);
    layer.unwrap_or_else(|| panic!("no layer {name}")).state()
}

#[test]
fn the_report_is_what_the_kernel_says() {
    let worker = Worker::plugin();
    for name in ["no_new_privs", "rlimits", "landlock", "seccomp"] {
        let state = layer(&worker, name);
        assert!(
            matches!(state, SandboxState::Enforced | SandboxState::Partial),
            "{name}: {:?}",
            worker.sandbox()
        );
    }
    assert_eq!(status(&worker, "NoNewPrivs:"), "1");
    assert_eq!(status(&worker, "Seccomp:"), "2");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.pid())).unwrap();
    let cores = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(cores.split_whitespace().nth(4), Some("1"), "{cores}");
}

#[test]
fn a_plugin_s_threads_are_in_the_jail_too() {
    let mut worker = Worker::plugin();
    // It starts a thread for its work.
    worker.load(installed("eg-sampler.lv2", "")).unwrap();
    let tasks = std::fs::read_dir(format!("/proc/{}/task", worker.pid())).unwrap();
    let mut threads = 0;
    for task in tasks {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "{status}");
        threads += 1;
    }
    assert!(threads >= 4, "main, io, audio and the plugin's: {threads}");
    assert!(
        !worker
            .call(GetStateRequest::default())
            .unwrap()
            .data
            .is_empty()
    );
}

#[test]
fn off_is_reported_as_off() {
    let worker = Worker::start("plugin", "off", &[]);
    for name in ["no_new_privs", "rlimits", "landlock", "seccomp"] {
        assert_eq!(layer(&worker, name), SandboxState::Off);
    }
    assert_eq!(status(&worker, "Seccomp:"), "0");
}

#[test]
fn a_bundle_out_of_view_is_granted_by_path() {
    let bundle = std::path::Path::new("/usr/lib/lv2/eg-amp.lv2");
    assert!(bundle.is_dir(), "install lv2-examples");
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy.lv2");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(bundle).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let path = copy.to_str().unwrap();
    let mut blind = Worker::plugin();
    assert!(blind.load(options(path)).is_err());
    let mut granted = Worker::start("plugin", "best-effort", &[path]);
    granted.load(options(path)).unwrap();
}

#[test]
fn an_idle_worker_is_small() {
    let worker = Worker::plugin();
    let resident: u64 = status(&worker, "VmRSS:")
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(resident <= 6 * 1024, "{resident} kB");
}
