//! What may be written in sources, and where.

use super::{check, files, read};

/// The only folders with `unsafe` in them.
const MAY_BE_UNSAFE: &[&str] = &[
    "proto/shm/",
    "tests/plugins/",
    "worker/src/formats/",
    "worker/src/jail/",
    "worker/warden/",
];

/// Crate roots that forbid it to everything below them.
const FORBID_UNSAFE: &[&str] = &[
    "client-rs/cli/src/main.rs",
    "client-rs/engine/src/lib.rs",
    "client-rs/src/lib.rs",
    "proto/src/lib.rs",
    "server/src/lib.rs",
    "server/src/main.rs",
    "tests/src/lib.rs",
    "tests/tests/integration/main.rs",
    "worker/autopsy/src/main.rs",
    "worker/channel/src/lib.rs",
    "worker/device/src/main.rs",
];

fn rust_sources() -> impl Iterator<Item = String> {
    files()
        .into_iter()
        .filter_map(|path| path.to_str().map(str::to_owned))
        .filter(|path| path.ends_with(".rs") && !path.starts_with("proto/src/gen/"))
}

/// A line without its comment and its string literals, as far as one line tells.
fn code(line: &str) -> String {
    let line = line.split("//").next().unwrap_or_default();
    line.split('"').step_by(2).collect()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

#[test]
fn unsafe_is_written_in_five_places_only() {
    let mut offenders = Vec::new();
    for path in rust_sources() {
        if MAY_BE_UNSAFE.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for (number, line) in (1..).zip(read(&path).lines()) {
            if words(&code(line)).any(|word| word == "unsafe") {
                offenders.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    for path in FORBID_UNSAFE {
        if !read(path).contains("#![forbid(unsafe_code)]") {
            offenders.push(format!("{path}: #![forbid(unsafe_code)] is expected"));
        }
    }
    check("unsafe outside its places", &offenders);
}

#[test]
fn nothing_is_left_for_later() {
    // In pieces, so that this file passes its own test.
    let banned = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
        ["dbg", "!("].concat(),
        ["#[ig", "nore"].concat(),
        ["allow(dead", "_code"].concat(),
    ];
    let mut offenders = Vec::new();
    for path in files() {
        let path = path.to_str().unwrap();
        let is_source = [".rs", ".py", ".pyi", ".proto", ".md", ".toml", ".ttl"]
            .iter()
            .any(|ending| path.ends_with(ending));
        if !is_source {
            continue;
        }
        for (number, line) in (1..).zip(read(path).lines()) {
            if let Some(word) = banned.iter().find(|word| line.contains(word.as_str())) {
                offenders.push(format!("{path}:{number}: {word}"));
            }
        }
    }
    check("unfinished business", &offenders);
}
