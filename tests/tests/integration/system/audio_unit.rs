//! AudioUnit bundles that the system does not know: their units are registered by the worker.

use plugpen::OpenOptions;
use plugpen::v1::ErrorReason;
use plugpen_tests::places::built;

use super::{play, server};

#[test]
fn units_of_a_bundle_that_is_not_installed_are_registered() {
    let server = server();
    let bundle = built().unwrap().several();
    let bundle = bundle.to_str().unwrap();
    let probed = server.probe(bundle).unwrap();
    let found = probed.plugins;
    let codes: Vec<&str> = found
        .iter()
        .map(|plugin| plugin.identifier.as_str())
        .collect();
    assert_eq!(codes, ["aufx:gai2:Plpg", "aumu:bee2:Plpg"]);
    let [failure] = &probed.failures[..] else {
        panic!("{:?}", probed.failures);
    };
    assert!(failure.message.contains("PlugpenNoFactory"), "{failure:?}");
    for plugin in &found {
        assert_eq!(plugin.version, "2.0.5");
        assert_eq!((plugin.vendor.as_str(), plugin.num_outputs), ("plugpen", 2));
        for selector in [
            plugin.index.to_string(),
            plugin.name.clone(),
            plugin.identifier.clone(),
        ] {
            let options = OpenOptions {
                selector,
                ..OpenOptions::default()
            };
            let opened = server.open(bundle, &options).unwrap();
            let description = opened.description();
            assert_eq!(description.identifier, plugin.identifier);
            assert_eq!(description.unique_id, plugin.unique_id);
            let state = opened.get_state().unwrap();
            opened.set_state(&state).unwrap();
            play(&opened).unwrap();
        }
    }
    let options = OpenOptions {
        selector: "aufx:miss:Plpg".into(),
        ..OpenOptions::default()
    };
    let error = server.open(bundle, &options).unwrap_err();
    assert_eq!(error.reason, ErrorReason::NotFound, "{error}");
    assert!(error.message.contains("Second Gain"), "{error}");
}
