//! Files that hold many plugins: all of them are found, whatever one does, and reached by each of
//! their names.

use std::collections::BTreeSet;
use std::path::PathBuf;

use plugpen::v1::{ErrorReason, PluginDescription, ScanFailure};
use plugpen::{EventList, OpenOptions, ScanItem, Server};
use tempfile::TempDir;

use super::format::{Format, title};
use super::lifecycle::PLUGINS;
use crate::system::{play_events, server_with};

/// A folder with nothing in it but a link to a format's file.
fn folder_of(format: &Format) -> (TempDir, PathBuf) {
    let file = (format.file)().canonicalize().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    (folder, file)
}

fn scan(
    server: &Server,
    folder: &TempDir,
    refresh: bool,
) -> (Vec<PluginDescription>, Vec<ScanFailure>) {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    let folders = [folder.path().to_str().unwrap().to_owned()];
    server
        .scan(&folders, refresh, &mut |item| match item {
            ScanItem::Plugin(plugin) => found.push(plugin),
            ScanItem::Failure(failure) => failures.push(failure),
            ScanItem::Progress(_) => {}
        })
        .unwrap();
    (found, failures)
}

pub fn every_plugin_of_a_file_is_found_and_reached(format: &Format) {
    let server = server_with("[deadlines]\nprobe_seconds = 3\n");
    let (folder, file) = folder_of(format);
    let file = file.to_str().unwrap();
    let (found, failures) = scan(&server, &folder, true);
    let indices: BTreeSet<u32> = found.iter().map(|plugin| plugin.index).collect();
    assert_eq!(indices.len(), found.len(), "{}: {found:?}", format.name);
    for name in PLUGINS {
        let title = title(name);
        let plugin = found.iter().find(|plugin| plugin.name == title);
        let plugin = plugin.unwrap_or_else(|| panic!("{title}: {found:?}, {failures:?}"));
        assert_eq!(plugin.path, file);
        assert_eq!(plugin.vendor, "plugpen");
        if name == "gain" {
            assert_eq!((plugin.num_inputs, plugin.num_outputs), (2, 2));
        }
        for selector in [
            plugin.index.to_string(),
            plugin.name.to_uppercase(),
            plugin.identifier.clone(),
        ] {
            let options = OpenOptions {
                selector: selector.clone(),
                ..OpenOptions::default()
            };
            let opened = server.open(file, &options);
            let opened = opened.unwrap_or_else(|error| panic!("{selector}: {error}"));
            let description = opened.description();
            assert_eq!(description.name, title, "{selector}");
            assert_eq!(description.identifier, plugin.identifier, "{selector}");
            assert_eq!(description.unique_id, plugin.unique_id, "{selector}");
            assert_eq!(description.index, plugin.index, "{selector}");
            play_events(&opened, &[0.5; 64], &EventList::new()).unwrap();
        }
    }
    for selector in ["4000", "nobody"] {
        let options = OpenOptions {
            selector: selector.into(),
            ..OpenOptions::default()
        };
        let error = server.open(file, &options).unwrap_err();
        let reasons = [ErrorReason::NotFound, ErrorReason::IndexOutOfRange];
        assert!(reasons.contains(&error.reason), "{selector}: {error}");
    }
}

pub fn one_that_dies_does_not_hide_the_others(format: &Format) {
    let server = server_with("[deadlines]\nprobe_seconds = 3\n");
    let (folder, file) = folder_of(format);
    // From the cache, the second time.
    for refresh in [true, false] {
        let (found, failures) = scan(&server, &folder, refresh);
        let has = |name: &str| found.iter().any(|plugin| plugin.name == name);
        assert!(has("Test Gain") && !has("Test Born Crashing"), "{found:?}");
        for (text, reason) in [
            ("died of SIGSEGV (11)", ErrorReason::PluginCrashed),
            ("called exit(", ErrorReason::PluginCrashed),
            ("no answer within 3 s", ErrorReason::PluginHung),
            ("", ErrorReason::PluginRefused),
        ] {
            let is_it = |failure: &&ScanFailure| {
                failure.message.contains(text) && failure.reason() == reason
            };
            assert_eq!(
                failures.iter().filter(is_it).count(),
                1,
                "{text}: {failures:?}"
            );
        }
        for failure in failures {
            assert_eq!(failure.path, file.to_str().unwrap());
        }
    }
}
