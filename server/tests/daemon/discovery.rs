//! Probing and scanning.

use std::collections::BTreeMap;

use plugpen_proto::v1::scan_plugins_response::Result as Found;
use plugpen_proto::v1::*;

use crate::support::{Client, Daemon, fails};

#[derive(Debug, Default, PartialEq)]
struct Scanned {
    plugins: Vec<String>,
    failures: BTreeMap<String, ErrorReason>,
    done: u32,
    total: u32,
}

async fn scan(client: &Client, directories: &[&str], refresh: bool) -> Scanned {
    let request = ScanPluginsRequest {
        directories: directories.iter().map(|d| (*d).to_owned()).collect(),
        refresh,
    };
    let mut stream = client
        .discovery()
        .scan_plugins(request)
        .await
        .unwrap()
        .into_inner();
    let mut scanned = Scanned::default();
    while let Some(message) = stream.message().await.unwrap() {
        match message.result.unwrap() {
            Found::Plugin(plugin) => scanned.plugins.push(plugin.path),
            Found::Failure(failure) => {
                let name = failure.path.rsplit('/').next().unwrap_or_default();
                scanned.failures.insert(name.to_owned(), failure.reason());
            }
            Found::Progress(progress) => {
                assert!(progress.done >= scanned.done);
                (scanned.done, scanned.total) = (progress.done, progress.total);
            }
        }
    }
    scanned.plugins.sort();
    scanned
}

#[tokio::test]
async fn one_bad_bundle_does_not_hide_the_others() {
    let daemon = Daemon::with_villain("[deadlines]\nprobe_seconds = 0.3\n");
    let client = daemon.client().await;
    let mut good: Vec<String> = (0..40)
        .map(|n| daemon.bundle(&format!("good{n:02}.lv2")))
        .collect();
    good.sort();
    for bad in ["crash.lv2", "hang.lv2", "refuse.lv2", "deep/exit.lv2"] {
        daemon.bundle(bad);
    }
    let folder = daemon.dir.path().join("plugins");
    let folder = folder.to_str().unwrap();
    let scanned = scan(&client, &[folder, "/nowhere/at/all"], false).await;
    assert_eq!(scanned.plugins, good);
    let expected = [
        ("all", ErrorReason::NotFound),
        ("crash.lv2", ErrorReason::PluginCrashed),
        ("exit.lv2", ErrorReason::PluginCrashed),
        ("hang.lv2", ErrorReason::PluginHung),
        ("refuse.lv2", ErrorReason::PluginRefused),
    ];
    let expected = expected.map(|(name, reason)| (name.to_owned(), reason));
    assert_eq!(scanned.failures, BTreeMap::from(expected));
    assert_eq!((scanned.done, scanned.total), (44, 44));
    // From the cache: the villain would fail the second time if it were asked.
    std::fs::write(daemon.villain_switch(), "stillborn").unwrap();
    let again = scan(&client, &[folder], false).await;
    assert_eq!(again.plugins, good);
    assert_eq!(again.failures.len(), 4);
    let fresh = scan(&client, &[folder], true).await;
    assert!(fresh.plugins.is_empty());
    assert_eq!(fresh.failures.len(), 44);
}

#[tokio::test]
async fn installed_plugins_are_found_and_a_second_scan_is_the_same() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let scanned = scan(&client, &["/usr/lib/lv2"], false).await;
    let mda = scanned
        .plugins
        .iter()
        .filter(|path| path.contains("/mda.lv2"));
    assert!(mda.count() > 30, "{scanned:?}");
    assert_eq!(scanned.done, scanned.total);
    assert_eq!(scan(&client, &["/usr/lib/lv2"], false).await, scanned);
}

#[tokio::test]
async fn a_probe_describes_without_opening() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let probe = async |path: &str| {
        let path = path.to_owned();
        let answer = client
            .discovery()
            .probe_plugin(ProbePluginRequest { path })
            .await;
        answer
            .map(|answer| answer.into_inner().plugins)
            .map_err(plugpen_proto::Error::from)
    };
    let mda = probe("/usr/lib/lv2/mda.lv2").await.unwrap();
    assert!(mda.len() > 30);
    let uri = "http://drobilla.net/plugins/mda/EPiano";
    let one = probe(uri).await.unwrap();
    assert_eq!(one.len(), 1);
    assert_eq!(
        (one[0].identifier.as_str(), one[0].accepts_midi),
        (uri, true)
    );
    assert_eq!(probe("null:gain").await.unwrap().len(), 1);
    fails(probe("/nowhere.lv2").await, ErrorReason::NotFound);
    fails(probe("").await, ErrorReason::InvalidInput);
}
