//! Probing and scanning.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use plugpen_proto::v1::scan_plugins_response::Result as Found;
use plugpen_proto::v1::*;

use crate::support::{Client, Daemon, fails};

#[derive(Debug, Default, PartialEq)]
struct Scanned {
    found: Vec<PluginDescription>,
    plugins: Vec<String>,
    failures: BTreeMap<String, ErrorReason>,
    done: u32,
    total: u32,
}

async fn scan(client: &Client, directories: &[&str], refresh: bool) -> Scanned {
    let request = ScanPluginsRequest {
        directories: directories.iter().map(|d| (*d).to_owned()).collect(),
        refresh,
        ..ScanPluginsRequest::default()
    };
    listen(client, request).await
}

async fn listen(client: &Client, request: ScanPluginsRequest) -> Scanned {
    let mut stream = client
        .discovery()
        .scan_plugins(request)
        .await
        .unwrap()
        .into_inner();
    let mut scanned = Scanned::default();
    while let Some(message) = stream.message().await.unwrap() {
        match message.result.unwrap() {
            Found::Plugin(plugin) => {
                scanned.plugins.push(plugin.path.clone());
                scanned.found.push(plugin);
            }
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
    scanned.found.sort_by(|a, b| a.path.cmp(&b.path));
    scanned
}

/// Makes files that look like plugins below the daemon's folder.
fn files(daemon: &Daemon, names: &[&str]) -> PathBuf {
    let folder = daemon.dir.path().canonicalize().unwrap().join("plugins");
    for name in names {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    folder
}

#[tokio::test]
async fn files_that_run_when_they_are_read_have_a_worker_each() {
    let daemon = Daemon::with_villain("[deadlines]\nprobe_seconds = 0.3\n");
    let client = daemon.client().await;
    let folder = files(
        &daemon,
        &[
            "vst/a.so",
            "vst/b.so",
            "vst/C.vst/C.so",
            "vst/crash.so",
            "vst/hang.so",
            "vst3/d.vst3",
            "vst3/e.vst3/Contents/x86_64-linux/e.so",
            "vst3/exit.vst3",
            "vst3/refuse.vst3",
        ],
    );
    let scanned = scan(&client, &[folder.to_str().unwrap()], false).await;
    let found: Vec<_> = scanned
        .found
        .iter()
        .map(|plugin| {
            let path = Path::new(&plugin.path).strip_prefix(&folder).unwrap();
            (path.to_str().unwrap(), plugin.format())
        })
        .collect();
    // The villain says LV2 of all of them; it is believed what it can know.
    assert_eq!(
        found,
        [
            ("vst/C.vst/C.so", PluginFormat::Vst2),
            ("vst/a.so", PluginFormat::Vst2),
            ("vst/b.so", PluginFormat::Vst2),
            ("vst3/d.vst3", PluginFormat::Vst3),
            ("vst3/e.vst3", PluginFormat::Vst3),
        ]
    );
    let workers: BTreeSet<_> = scanned.found.iter().map(|plugin| &plugin.vendor).collect();
    assert_eq!(workers.len(), 5, "{workers:?}");
    let expected = [
        ("crash.so", ErrorReason::PluginCrashed),
        ("exit.vst3", ErrorReason::PluginCrashed),
        ("hang.so", ErrorReason::PluginHung),
        ("refuse.vst3", ErrorReason::PluginRefused),
    ];
    let expected = expected.map(|(name, reason)| (name.to_owned(), reason));
    assert_eq!(scanned.failures, BTreeMap::from(expected));
    assert_eq!((scanned.done, scanned.total), (9, 9));
}

#[tokio::test]
async fn what_went_wrong_is_remembered_until_the_file_changes() {
    let daemon = Daemon::with_villain("[deadlines]\nprobe_seconds = 0.3\n");
    let client = daemon.client().await;
    let library = "vst3/e.vst3/Contents/x86_64-linux/e.so";
    let folder = files(&daemon, &["vst/crash.so", "vst/hang.so", library]);
    let path = folder.to_str().unwrap();
    let first = scan(&client, &[path], false).await;
    assert_eq!((first.found.len(), first.failures.len()), (1, 2));
    // No worker is needed: none would live to be asked.
    std::fs::write(daemon.villain_switch(), "stillborn").unwrap();
    assert_eq!(scan(&client, &[path], false).await, first);
    // The library within the bundle is not the same any more. That no worker lives says nothing
    // of the file, and is not remembered.
    std::fs::write(folder.join(library), "new").unwrap();
    let changed = scan(&client, &[path], false).await;
    assert_eq!((changed.found.len(), changed.failures.len()), (0, 3));
    std::fs::remove_file(daemon.villain_switch()).unwrap();
    let again = scan(&client, &[path], false).await;
    assert_eq!((again.found.len(), again.failures.len()), (1, 2));
    assert_ne!(again.found[0].vendor, first.found[0].vendor);
}

#[tokio::test]
async fn what_scans_found_can_be_listed_and_forgotten() {
    let daemon = Daemon::with_villain("");
    let client = daemon.client().await;
    let folder = files(&daemon, &["vst/a.so", "vst/crash.so", "more/b.so"]);
    let found = scan(&client, &[folder.to_str().unwrap()], false).await;
    // No worker is needed: none would live to be asked.
    std::fs::write(daemon.villain_switch(), "stillborn").unwrap();
    let known = |directory: &str| ScanPluginsRequest {
        directories: vec![directory.to_owned()],
        known_only: true,
        ..ScanPluginsRequest::default()
    };
    let all = listen(&client, known(folder.to_str().unwrap())).await;
    assert_eq!((all.found, all.failures), (found.found, found.failures));
    let some = listen(&client, known(folder.join("more").to_str().unwrap())).await;
    assert_eq!((some.found.len(), some.failures.len()), (1, 0));
    std::fs::remove_file(folder.join("more/b.so")).unwrap();
    let cache = || async {
        let mut discovery = client.discovery();
        let cache = discovery.get_scan_cache(GetScanCacheRequest {}).await;
        cache.unwrap().into_inner()
    };
    let trim = async |everything| {
        let mut discovery = client.discovery();
        let request = TrimScanCacheRequest { everything };
        let trimmed = discovery.trim_scan_cache(request).await;
        trimmed.unwrap().into_inner().removed
    };
    let full = cache().await;
    assert_eq!((full.files, full.gone), (3, 1));
    assert_eq!((full.plugins, full.failures), (2, 1));
    assert_eq!((trim(false).await, cache().await.files), (1, 2));
    assert_eq!((trim(true).await, cache().await.files), (2, 0));
}

#[tokio::test]
async fn a_spoiled_cache_costs_a_scan_and_nothing_else() {
    let daemon = Daemon::with_villain("");
    let client = daemon.client().await;
    let folder = files(&daemon, &["vst/a.so"]);
    let path = folder.to_str().unwrap();
    let first = scan(&client, &[path], false).await;
    let cache = daemon.dir.path().join("cache/plugpen/scan.json");
    std::fs::write(&cache, "{\"worker\": \"").unwrap();
    let second = scan(&client, &[path], false).await;
    assert_eq!(second.plugins, first.plugins);
    assert_ne!(second.found[0].vendor, first.found[0].vendor);
    assert_eq!(scan(&client, &[path], false).await, second);
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
