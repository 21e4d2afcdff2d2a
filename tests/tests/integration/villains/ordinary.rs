//! The same as an ordinary user: root may do more, and a jail that only holds root's plugins would
//! hold nobody's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use plugpen_tests::places::built;

use super::{LV2, attacks, hold, jailed};

/// Nobody.
const ORDINARY: u32 = 65_534;
const MARK: &str = "PLUGPEN_TEST_ORDINARY";

/// Copies a tree so that anybody may read and run it.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
    fs::set_permissions(to, Permissions::from_mode(0o755)).unwrap();
}

/// Runs the calling test's `body` as an ordinary user; at once where the user is one.
fn as_ordinary_user(body: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() || !rustix::process::geteuid().is_root() {
        return body();
    }
    let built = built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    for program in [
        "plugpend",
        "plugpen-worker",
        "plugpen-device",
        "plugpen-autopsy",
    ] {
        copy(&built.programs.join(program), &folder.path().join(program));
    }
    let plugins = folder.path().join("plugins");
    copy(&built.plugins, &plugins);
    let test = folder.path().join("test");
    copy(&std::env::current_exe().unwrap(), &test);
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(ORDINARY), Some(ORDINARY)).unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let output = Command::new(test)
        .args([&name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .env("HOME", &home)
        .env("PLUGPEN_BIN_DIR", folder.path())
        .env("PLUGPEN_TEST_PLUGINS", &plugins)
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("XDG_CACHE_HOME")
        .current_dir(&home)
        .uid(ORDINARY)
        .gid(ORDINARY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn attacks_fail_for_an_ordinary_user_as_well() {
    as_ordinary_user(|| hold(&LV2, &jailed("required"), attacks()));
}
