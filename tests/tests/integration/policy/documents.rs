//! Documents that stay true.

use std::path::Path;

use plugpen_tests::places::repository;

use super::{check, files, read};

/// The links of a Markdown text that point into the repository, as (text, target).
fn links(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(middle) = rest.find("](") {
        let start = rest[..middle].rfind('[').map_or(0, |at| at + 1);
        let after = &rest[middle + 2..];
        let Some(end) = after.find(')') else { break };
        let target = after[..end].split('#').next().unwrap_or_default();
        if !target.is_empty() && !target.contains("://") {
            found.push((rest[start..middle].to_owned(), target.to_owned()));
        }
        rest = &after[end..];
    }
    found
}

#[test]
fn the_architecture_can_be_read_in_one_sitting() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(
        lines <= 400,
        "ARCHITECTURE.md has {lines} lines, 400 are enough"
    );
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut offenders = Vec::new();
    for path in files() {
        let Some(document) = path.to_str().filter(|path| path.ends_with(".md")) else {
            continue;
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        for (_, target) in links(&read(document)) {
            if !repository().join(folder).join(&target).exists() {
                offenders.push(format!("{document}: {target}"));
            }
        }
    }
    check("dead links", &offenders);
}

/// A promise is linked as ``[`name_of_the_test`](its file)``.
#[test]
fn every_promise_names_a_test_that_exists() {
    let mut offenders = Vec::new();
    let mut enforced = 0;
    for (text, target) in links(&read("SPECIFICATION.md")) {
        let Some(name) = text
            .strip_prefix('`')
            .and_then(|text| text.strip_suffix('`'))
        else {
            continue;
        };
        if name.contains('.') {
            continue; // the name of a file
        }
        enforced += 1;
        let found = repository().join(&target).is_file() && {
            let source = read(&target);
            source.contains(&format!("fn {name}(")) || source.contains(&format!("def {name}("))
        };
        if !found {
            offenders.push(format!("{name} is not in {target}"));
        }
    }
    check("promises without their test", &offenders);
    assert!(enforced > 0, "SPECIFICATION.md links no tests");
}
