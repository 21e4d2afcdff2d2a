//! Reading what plugins say of themselves, whatever they do meanwhile. LV2's Turtle is read
//! without running any of their code.

use plugpen::v1::{DeathKind, ErrorReason, PluginDescription, PluginFormat, ScanFailure};
use plugpen::{OpenOptions, ScanItem, Server};
use plugpen_tests::places::built;

use super::{bundle, server, server_with};

/// What is found below a folder.
fn scan(server: &Server, folder: &std::path::Path) -> (Vec<PluginDescription>, Vec<ScanFailure>) {
    let (mut plugins, mut failures) = (Vec::new(), Vec::new());
    let folder = [folder.to_str().unwrap().to_owned()];
    server
        .scan(&folder, true, &mut |item| match item {
            ScanItem::Plugin(plugin) => plugins.push(plugin),
            ScanItem::Failure(failure) => failures.push(failure),
            ScanItem::Progress(_) => {}
        })
        .unwrap();
    (plugins, failures)
}

#[test]
fn a_class_that_dies_does_not_hide_the_others_of_its_module() {
    let server = server_with("[deadlines]\nprobe_seconds = 3\n");
    let module = built().unwrap().vst3();
    let (plugins, failures) = scan(&server, &module);
    let gain = plugins.iter().find(|plugin| plugin.name == "Test Gain");
    let gain = gain.unwrap_or_else(|| panic!("{plugins:?}, {failures:?}"));
    assert_eq!(gain.format(), PluginFormat::Vst3);
    assert_eq!(gain.path, module.to_str().unwrap());
    assert_eq!((gain.num_inputs, gain.num_outputs), (2, 2));
    assert_eq!((gain.identifier.len(), gain.unique_id.len()), (32, 8));
    let says = |text: &str, reason: ErrorReason| {
        let is_it = |f: &ScanFailure| f.message.contains(text) && f.reason() == reason;
        assert!(failures.iter().any(is_it), "{text}: {failures:?}");
    };
    let crashed = failures.iter().find(|f| f.message.contains("SIGSEGV"));
    let death = crashed.and_then(|failure| failure.death.as_ref());
    let death = death.unwrap_or_else(|| panic!("{failures:?}"));
    assert_eq!((death.kind(), death.signal), (DeathKind::Signal, 11));
    assert!(death.summary.contains("Test Born Crashing"), "{death:?}");
    says("died of SIGSEGV (11)", ErrorReason::PluginCrashed);
    says("called exit(", ErrorReason::PluginCrashed);
    says("no answer within 3 s", ErrorReason::PluginHung);
    // Each way to say which one leads to it.
    for selector in [&gain.index.to_string(), &gain.name, &gain.identifier] {
        let options = OpenOptions {
            selector: selector.clone(),
            audio_path: plugpen::AudioPath::None,
            ..OpenOptions::default()
        };
        let plugin = server.open(&gain.path, &options).unwrap();
        assert_eq!(plugin.description().identifier, gain.identifier);
    }
    let options = OpenOptions {
        selector: "nobody".into(),
        ..OpenOptions::default()
    };
    let error = server.open(&gain.path, &options).unwrap_err();
    assert_eq!(error.reason, ErrorReason::NotFound);
    assert!(error.message.contains("Test Gain"), "{error}");
}

#[test]
fn a_probe_of_a_module_with_deadly_classes_finds_the_others() {
    let server = server_with("[deadlines]\nprobe_seconds = 3\n");
    let probed = server
        .probe(built().unwrap().vst3().to_str().unwrap())
        .unwrap();
    let names: Vec<&str> = probed
        .plugins
        .iter()
        .map(|plugin| plugin.name.as_str())
        .collect();
    assert!(names.contains(&"Test Gain"), "{names:?}");
    let signals: Vec<i32> = probed
        .failures
        .iter()
        .filter_map(|failure| Some(failure.death.as_ref()?.signal))
        .collect();
    assert!(signals.contains(&11), "{:?}", probed.failures);
}

#[test]
fn a_selector_that_could_mean_several_is_refused_in_every_format() {
    let server = server();
    let built = built().unwrap();
    let folders = [
        built.lv2(),
        built.vst3(),
        built.component(),
        built.vst2("shell"),
    ];
    for path in folders {
        let open = |selector: &str| {
            let options = OpenOptions {
                selector: selector.into(),
                audio_path: plugpen::AudioPath::None,
                ..OpenOptions::default()
            };
            server.open(path.to_str().unwrap(), &options)
        };
        let refused = open("test bor").unwrap_err();
        assert_eq!(refused.reason, ErrorReason::InvalidInput, "{refused}");
        for part in ["\"Test Born Slow\" (", "choose one by its index"] {
            assert!(refused.message.contains(part), "{refused}");
        }
        for selector in ["Test Gain", "test GAIN", "Test Gai"] {
            let name = open(selector).unwrap().description().name;
            assert_eq!(name, "Test Gain", "{}: {selector}", path.display());
        }
        let refused = open("9999").unwrap_err();
        assert_eq!(refused.reason, ErrorReason::IndexOutOfRange, "{refused}");
    }
}

#[test]
fn a_probe_finds_every_plugin_of_a_bundle() {
    let server = server();
    let found = server.probe(bundle()).unwrap().plugins;
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
