//! `plugpen analyze` hands the work to a Python. With the Python package itself it is tested
//! beside that.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

use crate::support::{plugpen, text};

/// A script in the place of Python.
fn python(folder: &tempfile::TempDir, script: &str) -> PathBuf {
    let path = folder.path().join("python");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    path
}

fn analyze(script: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = plugpen(&["analyze", "null:gain"]);
    command.args(arguments);
    command.env("PLUGPEN_PYTHON", python(&folder, script));
    command.output().unwrap()
}

#[test]
fn a_python_without_the_package_is_explained() {
    let output = analyze("exit 1", &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for part in ["pip install 'plugpen[plot]'", "PLUGPEN_PYTHON", "/python"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn everything_that_was_said_is_handed_over() {
    let arguments = ["--plot", "a b.png", "--level", "-3", "--param", "Mix:1"];
    let output = analyze("printf '%s\\n' \"$@\"", &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let handed = text(&output.stdout);
    let lines: Vec<_> = handed.lines().collect();
    assert_eq!(lines[..2], ["-m", "plugpen.analysis"]);
    assert!(lines[2].starts_with("--server=unix:/"), "{handed}");
    for part in [
        "--plot=a b.png",
        "--level=-3",
        "--param=Mix:1",
        "--sample-rate=48000",
    ] {
        assert!(lines.contains(&part), "{part}: {handed}");
    }
    assert_eq!(lines[lines.len() - 2..], ["--", "null:gain"]);
}

#[test]
fn its_exit_code_is_that_of_python() {
    // The first question is whether it has the package.
    let output = analyze("test \"$1\" = -c || exit 4", &[]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(text(&output.stderr), "");
}
