//! Rules about the sources themselves.

mod crate_graph;
mod dependencies;
mod documents;
mod layout;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use plugpen_tests::places::repository;

/// The repository's files, committed or about to be, relative to its root.
fn files() -> Vec<PathBuf> {
    let listed = run(
        "git",
        &["ls-files", "--cached", "--others", "--exclude-standard"],
    );
    listed
        .lines()
        .map(PathBuf::from)
        .filter(|path| repository().join(path).is_file())
        .collect()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = repository().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The standard output of a command that succeeds.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Fails with a list of what breaks a rule.
#[track_caller]
fn check(rule: &str, offenders: &[String]) {
    assert!(
        offenders.is_empty(),
        "{rule}:\n  {}",
        offenders.join("\n  ")
    );
}
