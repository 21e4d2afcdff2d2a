//! Folders in which everything is: plugins of all formats, some that die, and files that are none.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use plugpen_tests::census;
use plugpen_tests::places::built;
use serde_json::Value;

use super::{server_with, until};

/// The command, without anything of the environment that would send it elsewhere.
fn plugpen(cache: &Path) -> Command {
    let programs = &built().unwrap().programs;
    let mut command = Command::new(programs.join("plugpen"));
    command
        .env("PLUGPEN_BIN_DIR", programs)
        .env("XDG_CACHE_HOME", cache)
        .env_remove("PLUGPEN_SERVER")
        .stdin(Stdio::null());
    command
}

/// Links to the test plugins in every format, and what only looks like a plugin.
fn fill(folder: &Path) {
    let built = built().unwrap();
    let link = |from: &Path, to: &str| {
        let to = folder.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        symlink(from, to).unwrap();
    };
    link(&built.lv2(), "lv2/plugpen-test.lv2");
    link(&built.vst3(), "vst3/plugpen-test.vst3");
    link(&built.component(), "Components/plugpen-test.component");
    let names = [
        "shell",
        "gain",
        "born-crashing",
        "born-hanging",
        "born-printing",
    ];
    for name in names {
        link(&built.vst2(name), &format!("vst/plugpen-test-{name}.so"));
    }
    std::fs::write(folder.join("vst/junk.so"), "no library").unwrap();
    std::fs::create_dir_all(folder.join("vst3/empty.vst3/Contents")).unwrap();
    std::fs::create_dir_all(folder.join("lv2/bare.lv2")).unwrap();
}

#[test]
fn a_folder_of_every_format_is_scanned_as_json() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let server = server_with("[deadlines]\nprobe_seconds = 3\n");
    let mut listings = Vec::new();
    // The second time from the cache, which has nothing of other daemons' scans then.
    for refresh in [&["--refresh"][..], &[]] {
        let output = plugpen(folder.path())
            .env("PLUGPEN_SERVER", server.target())
            .args(["scan", "--json"])
            .args(refresh)
            .arg(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        for (file, why) in [
            ("junk.so", "cannot be loaded"),
            ("plugpen-test-born-crashing.so", "SIGSEGV"),
            ("plugpen-test-born-hanging.so", "no answer within 3 s"),
            ("plugpen-test-shell.so", "Test Born Exiting"),
            ("plugpen-test.vst3", "Test Born Crashing"),
        ] {
            let mut lines = said.lines();
            let is_told = lines.any(|line| line.contains(file) && line.contains(why));
            assert!(is_told, "{file}: {why}: {said}");
        }
        let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
        listings.push(listing.as_array().unwrap().clone());
    }
    let [first, second]: [Vec<Value>; 2] = listings.try_into().unwrap();
    assert_eq!(first, second);
    let text = |plugin: &Value, key: &str| plugin[key].as_str().unwrap().to_owned();
    let gains = first.iter().filter(|plugin| plugin["name"] == "Test Gain");
    let mut formats: Vec<String> = gains.map(|plugin| text(plugin, "format")).collect();
    formats.sort();
    // Once by itself and once in the shell.
    assert_eq!(formats, ["LV2", "VST2", "VST2", "VST3"]);
    let places = first
        .iter()
        .map(|p| (text(p, "path"), text(p, "identifier")));
    let places: BTreeSet<_> = places.collect();
    assert_eq!(places.len(), first.len(), "{first:?}");
    for plugin in &first {
        assert_eq!(text(plugin, "unique_id").len(), 8, "{plugin}");
        assert!(Path::new(&text(plugin, "path")).exists(), "{plugin}");
    }
}

#[test]
fn ctrl_c_of_a_scan_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = built().unwrap().vst2("born-hanging");
    symlink(&hanging, folder.path().join("plugpen-test-born-hanging.so")).unwrap();
    let mut scan = plugpen(folder.path())
        .arg("scan")
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut below = Vec::new();
    until("a worker that hangs in its plugin", || {
        below = census::children(scan.id());
        // Below the daemon, and below the first process of the worker's namespaces.
        let mut workers = Vec::new();
        let mut level = below.clone();
        while !level.is_empty() {
            level = level.into_iter().flat_map(census::children).collect();
            workers.extend(&level);
        }
        let hangs = |pid: &u32| {
            let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
            maps.is_ok_and(|maps| maps.contains("born-hanging"))
        };
        let found = workers.iter().any(hangs);
        below.extend(workers);
        found
    });
    let pid = rustix::process::Pid::from_child(&scan);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(scan.wait().unwrap().code(), Some(130));
    until("the end of daemon and workers", || {
        below.iter().all(|pid| !census::is_running(*pid))
    });
}
