//! Where callers from other machines may have plugins opened, and what they learn of the rest.

use plugpen::v1::ErrorReason;
use plugpen::{AudioPath, OpenOptions, ScanItem};
use plugpen_tests::places::built;

use super::{Setup, open, try_open};

#[test]
fn plugins_open_from_the_allowed_folders_only_and_nothing_else_is_told_of() {
    let plugins = &built().unwrap().plugins;
    let daemon = Setup::plain().argument("--plugin-folder", plugins).start();
    let server = daemon.owner();
    let bundle = built().unwrap().lv2();
    let options = OpenOptions {
        audio_path: AudioPath::None,
        selector: "urn:plugpen:test:gain".into(),
        ..OpenOptions::default()
    };
    let plugin = server.open(bundle.to_str().unwrap(), &options).unwrap();
    plugin.get_param(0).unwrap();

    let there = "/etc/passwd";
    let nowhere = "/etc/there is no such file";
    let above = plugins.join("../../../../../etc/passwd");
    let mut told = Vec::new();
    for path in [there, nowhere, above.to_str().unwrap()] {
        for error in [
            try_open(&server, path).unwrap_err(),
            server.probe(path).unwrap_err(),
            server
                .scan(&[path.to_owned()], false, &mut |_| {})
                .unwrap_err(),
        ] {
            assert_eq!(error.reason, ErrorReason::NotAllowed, "{error}");
            assert!(error.message.contains("plugin_folders"), "{error}");
            told.push(error.message.replace(path, "PATH"));
        }
    }
    // What is there and what is not is refused in the same words.
    let (first, rest) = told.split_at(3);
    assert!(rest.chunks(3).all(|other| other == first), "{told:#?}");
    plugin.get_param(0).unwrap();
}

#[test]
fn a_scan_from_elsewhere_looks_where_plugins_may_be() {
    let plugins = &built().unwrap().plugins;
    let daemon = Setup::plain().argument("--plugin-folder", plugins).start();
    let mut found = Vec::new();
    daemon
        .owner()
        .scan(&[], false, &mut |item| {
            if let ScanItem::Plugin(plugin) = item {
                found.push(plugin.path);
            }
        })
        .unwrap();
    assert!(!found.is_empty());
    for path in &found {
        assert!(path.starts_with(plugins.to_str().unwrap()), "{path}");
    }
}

#[test]
fn paths_are_those_of_the_daemons_machine() {
    let daemon = Setup::plain().start();
    let server = daemon.owner();
    let error = try_open(&server, "plugins/MVerb.lv2").unwrap_err();
    assert_eq!(error.reason, ErrorReason::InvalidInput, "{error}");
    assert!(error.message.contains("from the root"), "{error}");
    // The daemon's word, although no such folder is here either.
    let nowhere = "/nowhere/at/all".to_owned();
    let error = server.scan(&[nowhere], false, &mut |_| {}).unwrap_err();
    assert_eq!(error.reason, ErrorReason::NotAllowed, "{error}");
    open(&server);
}
