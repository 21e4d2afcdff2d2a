//! Parameters: described, read, set, as numbers and as texts.

use plugpen::v1::ErrorReason::{self, IndexOutOfRange, InvalidInput};

use super::format::Format;
use super::{assert_near, play};
use crate::system::server;

pub fn every_parameter_is_described(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    let all = plugin.params().unwrap();
    assert_eq!(all.len(), usize::try_from(plugin.num_params()).unwrap());
    for (index, parameter) in (0..).zip(&all) {
        assert_eq!(parameter.index, index);
        assert_ne!(parameter.name, "", "parameter {index}");
        assert_ne!(parameter.id, "", "parameter {index}");
        for value in [parameter.value, parameter.default_value] {
            assert!((0.0..=1.0).contains(&value), "{parameter:?}");
        }
        assert_eq!(&plugin.get_param_info(index).unwrap(), parameter);
        let value = plugin.get_param(index).unwrap();
        assert!((value - parameter.value).abs() < 1e-9, "{parameter:?}");
    }
    let mut ids: Vec<_> = all.iter().map(|parameter| &parameter.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all.len(), "two parameters of one id");
    assert_eq!(plugin.find_param("gain").unwrap(), 0);
}

pub fn names_units_and_steps_are_the_plugins(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "parameter");
    let all = plugin.params().unwrap();
    let names: Vec<_> = all
        .iter()
        .take(4)
        .map(|known| known.name.as_str())
        .collect();
    assert_eq!(names, ["Value", "Plain", "Steps", "Switch"]);
    assert_eq!(all[1].label, "dB");
    let defaults = [0.5, 0.5, 0.5, 1.0];
    for (parameter, default) in all.iter().zip(defaults) {
        assert!(
            (parameter.default_value - default).abs() < 1e-6,
            "{parameter:?}"
        );
        assert!((parameter.value - default).abs() < 1e-6, "{parameter:?}");
        assert!(parameter.is_automatable, "{parameter:?}");
    }
    for (index, value, text) in [(2, 0.5, "Two"), (2, 1.0, "Four"), (2, 0.0, "Zero")] {
        assert_eq!(plugin.param_to_text(index, value).unwrap(), text);
        let back = plugin.param_from_text(index, text).unwrap();
        assert!((back - value).abs() < 1e-6, "{text}: {back}");
    }
    let plain = plugin.param_from_text(1, "-5").unwrap();
    assert!((plain - 0.25).abs() < 1e-6, "{plain}");
}

pub fn values_and_texts_go_round(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    for value in [0.0, 0.125, 0.25, 0.5, 0.75, 1.0] {
        plugin.set_param(0, value).unwrap();
        assert!((plugin.get_param(0).unwrap() - value).abs() < 1e-6);
        let text = plugin.param_to_text(0, value).unwrap();
        assert_eq!(plugin.get_param_info(0).unwrap().text, text);
        let back = plugin.param_from_text(0, &text).unwrap();
        assert!((back - value).abs() < 1e-3, "{text}: {back}, not {value}");
    }
    // To ask for a text sets nothing.
    plugin.set_param(0, 0.375).unwrap();
    plugin.param_to_text(0, 1.0).unwrap();
    plugin.param_from_text(0, "0").unwrap();
    assert!((plugin.get_param(0).unwrap() - 0.375).abs() < 1e-6);
    assert_near(
        play(&plugin, &[1.0])[0],
        format.most_gain * 0.375,
        "after texts",
    );
}

pub fn a_value_is_heard_from_the_next_block(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    for step in 0..50 {
        let value = f64::from(step) / 49.0;
        plugin.set_param(0, value).unwrap();
        let output = play(&plugin, &[1.0; 32]);
        for got in output {
            assert_near(got, format.most_gain * value, &format!("step {step}"));
        }
    }
    plugin.set_param(0, 7.0).unwrap();
    assert_near(play(&plugin, &[1.0])[0], format.most_gain, "above 1");
    plugin.set_param(0, -7.0).unwrap();
    assert_near(play(&plugin, &[1.0])[0], 0.0, "below 0");
}

pub fn many_values_are_set_at_once(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    let value = |round: i32| f64::from(round % 8) / 8.0;
    for round in 0..20 {
        plugin.set_params(&[(0, 1.0), (0, value(round))]).unwrap();
        let all = plugin.get_params().unwrap();
        assert!((all[0] - value(round)).abs() < 1e-6);
    }
    assert_near(
        play(&plugin, &[1.0])[0],
        format.most_gain * value(19),
        "at once",
    );
}

pub fn what_is_no_value_is_refused_at_the_door(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    let count = plugin.num_params();
    plugin.set_param(0, 0.5).unwrap();
    let refusals = [
        (plugin.set_param(0, f64::NAN), InvalidInput),
        (plugin.set_param(0, f64::INFINITY), InvalidInput),
        (plugin.set_params(&[(0, f64::NEG_INFINITY)]), InvalidInput),
        (plugin.param_to_text(0, f64::NAN).map(drop), InvalidInput),
        (plugin.set_param(count, 0.5), IndexOutOfRange),
        (plugin.set_param(u32::MAX, 0.5), IndexOutOfRange),
        (plugin.get_param(count).map(drop), IndexOutOfRange),
        (plugin.get_param_info(count).map(drop), IndexOutOfRange),
        (plugin.param_to_text(count, 0.0).map(drop), IndexOutOfRange),
        (
            plugin.param_from_text(count, "0").map(drop),
            IndexOutOfRange,
        ),
        (plugin.begin_param_gesture(count), IndexOutOfRange),
        (plugin.end_param_gesture(count), IndexOutOfRange),
    ];
    for (at, (result, reason)) in refusals.into_iter().enumerate() {
        let found: Option<ErrorReason> = result.err().map(|error| error.reason);
        assert_eq!(found, Some(reason), "refusal {at}");
    }
    assert_near(
        play(&plugin, &[1.0])[0],
        format.most_gain * 0.5,
        "after refusals",
    );
}
