//! Reading what plugins say of themselves runs none of their code.

use plugpen::ScanItem;

use super::{bundle, server};

#[test]
fn a_probe_finds_every_plugin_of_a_bundle() {
    let server = server();
    let found = server.probe(bundle()).unwrap();
    let mut names: Vec<&str> = found
        .iter()
        .filter_map(|plugin| plugin.identifier.strip_prefix("urn:plugpen:test:"))
        .collect();
    names.sort_unstable();
    for name in ["beep", "born-crashing", "gain", "midi", "villain"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let gain = found
        .iter()
        .find(|plugin| plugin.name == "Test Gain")
        .unwrap();
    assert_eq!((gain.num_inputs, gain.num_outputs), (2, 2));
    assert_eq!(gain.path, bundle());
    assert_eq!(gain.vendor, "plugpen");
    assert_eq!(gain.unique_id.len(), 8);
}

#[test]
fn a_scan_survives_broken_bundles() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, manifest: &[u8]| {
        let bundle = folder.path().join(name);
        std::fs::create_dir(&bundle).unwrap();
        std::fs::write(bundle.join("manifest.ttl"), manifest).unwrap();
    };
    make("junk.lv2", b"this is no Turtle");
    make("binary.lv2", &[0, 1, 2, 0xFF, 0xFE]);
    make("empty.lv2", b"");
    std::fs::create_dir(folder.path().join("bare.lv2")).unwrap();
    std::os::unix::fs::symlink(bundle(), folder.path().join("good.lv2")).unwrap();
    std::os::unix::fs::symlink("/no/such/place", folder.path().join("dangling.lv2")).unwrap();
    let server = server();
    let directories = [folder.path().to_str().unwrap().to_owned()];
    for refresh in [false, false, true] {
        let mut names = Vec::new();
        let mut last = None;
        server
            .scan(&directories, refresh, &mut |item| match item {
                ScanItem::Plugin(plugin) => names.push(plugin.name),
                ScanItem::Progress(progress) => last = Some((progress.done, progress.total)),
                ScanItem::Failure(_) => {}
            })
            .unwrap();
        assert!(names.iter().any(|name| name == "Test Gain"), "{names:?}");
        assert!(last.is_none_or(|(done, total)| done == total), "{last:?}");
    }
}
