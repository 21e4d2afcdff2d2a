//! What lies where.

use std::collections::BTreeSet;

use super::{check, files, read};

/// The whole top level. A new entry needs a reason, not a line here alone.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "SPECIFICATION.md",
    "buf.yaml",
    "client-py",
    "client-rs",
    "deny.toml",
    "deploy",
    "dev",
    "docs",
    "fuzz",
    "proto",
    "ruff.toml",
    "server",
    "tests",
    "worker",
];

#[test]
fn the_top_level_holds_what_it_should() {
    let found: BTreeSet<String> = files()
        .iter()
        .filter_map(|path| path.iter().next()?.to_str().map(str::to_owned))
        .collect();
    let offenders: Vec<String> = found
        .into_iter()
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    check("unexpected at the top level", &offenders);
}

#[test]
fn no_source_file_grows_past_700_lines() {
    let offenders: Vec<String> = files()
        .iter()
        .filter_map(|path| path.to_str())
        .filter(|path| path.ends_with(".rs") || path.ends_with(".py"))
        .filter(|path| !path.starts_with("proto/src/gen/"))
        .map(|path| (path, read(path).lines().count()))
        .filter(|(_, lines)| *lines > 700)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    check("files to split", &offenders);
}
