//! Finding plugins: by path, position, name and URI, and all of them at once.

use crate::support::{Worker, installed, options};
use plugpen_proto::v1::{ErrorReason, OpenOptions, PluginFormat};
use plugpen_proto::worker::Probe;

#[test]
fn plugins_are_chosen_by_index_name_and_uri() {
    let uri = "http://drobilla.net/plugins/mda/DX10";
    let mut by_name = Worker::plugin();
    let by_name = by_name.load(installed("mda.lv2", "mda dx10")).unwrap();
    let found = by_name.description.unwrap();
    assert_eq!(found.identifier, uri);
    for (path, selector) in [
        ("/usr/lib/lv2/mda.lv2", found.index.to_string()),
        ("/usr/lib/lv2/mda.lv2", uri.to_string()),
        (uri, String::new()),
    ] {
        let mut worker = Worker::plugin();
        let options = OpenOptions {
            selector,
            ..options(path)
        };
        let description = worker.load(options).unwrap().description.unwrap();
        assert_eq!(
            (description.identifier.as_str(), description.index),
            (uri, found.index)
        );
    }
    let mut worker = Worker::plugin();
    for (path, selector, reason, part) in [
        (
            "/usr/lib/lv2/mda.lv2",
            "Nobody",
            ErrorReason::NotFound,
            "MDA Ambience",
        ),
        (
            "/usr/lib/lv2/mda.lv2",
            "99",
            ErrorReason::IndexOutOfRange,
            "99",
        ),
        (
            "http://nowhere/x",
            "",
            ErrorReason::NotFound,
            "http://nowhere/x",
        ),
        (
            "/usr/lib/lv2",
            "",
            ErrorReason::NotFound,
            "No compatible plugin",
        ),
        (
            "/usr/lib/nothing.lv2",
            "",
            ErrorReason::NotFound,
            "does not exist",
        ),
    ] {
        let options = OpenOptions {
            selector: selector.into(),
            ..options(path)
        };
        let refused = worker.load(options).unwrap_err();
        assert_eq!(refused.reason, reason, "{path} {selector}");
        assert!(refused.message.contains(part), "{}", refused.message);
    }
}

#[test]
fn one_probe_reads_all_that_is_installed() {
    let mut worker = Worker::probe();
    let probe = Probe {
        paths: vec!["/usr/lib/lv2".into()],
        search: true,
        format: PluginFormat::Lv2.into(),
        identifier: String::new(),
    };
    let probed = worker.call(probe).unwrap();
    let find = |name: &str| {
        let found = probed.plugins.iter().find(|plugin| plugin.name == name);
        found
            .unwrap_or_else(|| panic!("{name} is not installed"))
            .clone()
    };
    assert_eq!(probed.failures, []);
    let mverb = find("MVerb");
    assert_eq!(mverb.vendor, "Martin Eastwood, falkTX");
    assert_eq!(
        (mverb.unique_id.as_str(), mverb.path.as_str()),
        ("6BD0509D", "/usr/lib/lv2/MVerb.lv2")
    );
    assert_eq!(
        (mverb.num_inputs, mverb.num_outputs, mverb.accepts_midi),
        (2, 2, false)
    );
    let piano = find("MDA Piano");
    assert_eq!((piano.accepts_midi, piano.num_inputs), (true, 0));

    let one = Probe {
        paths: vec!["/usr/lib/lv2/mda.lv2".into(), "/usr/lib/nothing.lv2".into()],
        identifier: "http://drobilla.net/plugins/mda/Piano".into(),
        ..Probe::default()
    };
    let probed = worker.call(one).unwrap();
    assert_eq!(probed.plugins, [piano]);
    assert_eq!(probed.failures[0].path, "/usr/lib/nothing.lv2");
    let load = worker.load(installed("mda.lv2", "")).unwrap_err();
    assert_eq!(load.reason, ErrorReason::WrongState);
}
