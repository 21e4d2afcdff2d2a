//! Who may import whom.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{check, run};

/// Every crate, and the crates of this workspace that it may use outside its tests.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("plugpen-proto", &[]),
    ("plugpen-shm", &["plugpen-proto"]),
    ("plugpen-engine", &["plugpen-proto"]),
    ("plugpen-warden", &["plugpen-proto"]),
    (
        "plugpen-server",
        &["plugpen-proto", "plugpen-shm", "plugpen-warden"],
    ),
    (
        "plugpen-worker",
        &["plugpen-channel", "plugpen-proto", "plugpen-shm"],
    ),
    ("plugpen-channel", &["plugpen-proto"]),
    (
        "plugpen-device",
        &[
            "plugpen-channel",
            "plugpen-engine",
            "plugpen-proto",
            "plugpen-shm",
            "plugpen-warden",
        ],
    ),
    (
        "plugpen",
        &["plugpen-proto", "plugpen-shm", "plugpen-engine"],
    ),
    ("plugpen-cli", &["plugpen"]),
    (
        "plugpen-py",
        &["plugpen", "plugpen-engine", "plugpen-proto"],
    ),
    ("plugpen-autopsy", &[]),
    ("plugpen-test-plugins", &[]),
    ("plugpen-tests", &[]),
];

/// What must never be linked into a crate, however indirectly.
const NEVER_LINKS: &[(&str, &[&str])] = &[
    (
        "plugpen-worker",
        &["tokio", "tonic", "hyper", "h2", "lilv-sys", "cpal", "jack"],
    ),
    ("plugpen-device", &["tokio", "tonic", "hyper", "h2"]),
    (
        "plugpen-engine",
        &["tokio", "tonic", "hyper", "plugpen-shm"],
    ),
    ("plugpen-shm", &["tokio", "tonic", "hyper"]),
    ("plugpen-warden", &["tokio", "tonic", "hyper"]),
];

fn workspace_imports() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = run(
        "cargo",
        &[
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ],
    );
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |package: &Value| package["name"].as_str().unwrap().to_owned();
    let own: BTreeSet<String> = packages.iter().map(name).collect();
    packages
        .iter()
        .map(|package| {
            let imports = package["dependencies"].as_array().unwrap();
            let imports = imports
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .map(name)
                .filter(|dependency| own.contains(dependency))
                .collect();
            (name(package), imports)
        })
        .collect()
}

#[test]
fn crates_import_only_what_the_architecture_lets_them() {
    let mut offenders = Vec::new();
    for (package, imports) in workspace_imports() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(known, _)| *known == package) else {
            offenders.push(format!("{package} is not in the list"));
            continue;
        };
        for import in imports
            .iter()
            .filter(|name| !allowed.contains(&name.as_str()))
        {
            offenders.push(format!("{package} imports {import}"));
        }
    }
    check("imports outside the architecture's list", &offenders);
}

#[test]
fn no_async_runtime_reaches_the_crates_beside_a_plugin() {
    let mut offenders = Vec::new();
    for (package, banned) in NEVER_LINKS {
        let tree = run(
            "cargo",
            &[
                "tree",
                "-p",
                package,
                "-e",
                "normal",
                "--prefix",
                "none",
                "--offline",
            ],
        );
        for line in tree.lines() {
            let linked = line.split_whitespace().next().unwrap_or_default();
            if banned.contains(&linked) {
                offenders.push(format!("{package} links {linked}"));
            }
        }
    }
    check("crates that must stay free of an async runtime", &offenders);
}
