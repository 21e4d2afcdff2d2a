//! Each direct dependency has one version, written in one place.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{check, files, read};

fn manifest(path: &str) -> Table {
    read(path).parse().unwrap()
}

/// All dependency tables of a manifest, those under `target.*` too.
fn dependencies(manifest: &Table) -> Vec<(String, Value)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = std::iter::once(manifest).chain(
        targets
            .into_iter()
            .flat_map(|targets| targets.values())
            .filter_map(Value::as_table),
    );
    tables
        .flat_map(|table| kinds.map(|kind| table.get(kind).and_then(Value::as_table)))
        .flatten()
        .flat_map(|table| {
            table
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
        })
        .collect()
}

#[test]
fn a_dependency_has_one_version_in_one_place() {
    let root = manifest("Cargo.toml");
    let shared = root["workspace"]["dependencies"].as_table().unwrap();
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    let mut offenders = Vec::new();
    let mut own: BTreeMap<String, String> = BTreeMap::new();
    for path in files() {
        let path = path.to_str().unwrap();
        // The fuzz targets are a workspace of their own, which can inherit nothing.
        if !path.ends_with("/Cargo.toml") || path.starts_with("fuzz/") {
            continue;
        }
        for (name, value) in dependencies(&manifest(path)) {
            let inherits = value.get("workspace").and_then(Value::as_bool) == Some(true);
            *used.entry(name.clone()).or_default() += 1;
            if inherits {
                continue;
            }
            if shared.contains_key(&name) {
                offenders.push(format!(
                    "{path}: {name} = {{ workspace = true }} is expected"
                ));
            }
            match own.insert(name.clone(), path.to_owned()) {
                Some(other) if other != path => {
                    offenders.push(format!("{name} has a version in {path} and in {other}"));
                }
                _ => {}
            }
        }
    }
    for name in shared.keys().filter(|name| !used.contains_key(*name)) {
        offenders.push(format!("Cargo.toml: no crate uses {name}"));
    }
    check("dependencies written twice or not used", &offenders);
}
