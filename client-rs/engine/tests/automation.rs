//! Automation files: what they mean, by the list that the Python reader is checked with as well.
#![allow(missing_docs, reason = "tests")]

use plugpen_engine::{
    AutomationTimes, ParameterChange, Parameters, parse_automation, parse_automation_file,
    parse_param_arg,
};
use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use proptest::prelude::*;
use serde_json::Value;

struct Reverb;

impl Parameters for Reverb {
    fn find_param(&self, name: &str) -> Result<u32, Error> {
        let names = ["mix", "decay time", "mode", "mix"];
        let found = names.iter().position(|known| *known == name.to_lowercase());
        let index = found.and_then(|index| u32::try_from(index).ok());
        index.ok_or_else(|| Error::invalid(format!("Parameter not found: '{name}'")))
    }

    fn param_from_text(&self, _index: u32, text: &str) -> Result<f64, Error> {
        if text == "die" {
            return Err(Error::new(ErrorReason::PluginDead, "it died"));
        }
        let percent = text
            .strip_suffix('%')
            .map(|text| text.trim().parse::<f64>());
        match percent {
            Some(Ok(percent)) => Ok(percent / 100.0),
            _ => Err(Error::invalid("not a percentage")),
        }
    }
}

fn times(block_size: u32) -> AutomationTimes {
    AutomationTimes {
        sample_rate: 48_000.0,
        length: 1000,
        block_size,
    }
}

fn cases(kind: &str) -> Vec<(String, u32, Value)> {
    let list = include_str!("../../../tests/data/automation.json");
    let list: Value = serde_json::from_str(list).unwrap();
    let cases = list[kind].as_array().unwrap().iter();
    let case = |case: &Value| {
        let block_size = u32::try_from(case["block_size"].as_u64().unwrap()).unwrap();
        (
            case["file"].as_str().unwrap().to_owned(),
            block_size,
            case.clone(),
        )
    };
    cases.map(case).collect()
}

#[test]
fn files_mean_what_the_list_says() {
    for (file, block_size, case) in cases("good") {
        let changes = parse_automation(file.as_bytes(), &Reverb, &times(block_size)).unwrap();
        let expected: Vec<ParameterChange> = case["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| ParameterChange {
                offset: change[0].as_i64().unwrap(),
                parameter: u32::try_from(change[1].as_u64().unwrap()).unwrap(),
                value: change[2].as_f64().unwrap(),
            })
            .collect();
        assert_eq!(changes, expected, "{file}");
    }
}

#[test]
fn what_is_wrong_in_a_file_is_said() {
    for (file, block_size, case) in cases("bad") {
        let error = parse_automation(file.as_bytes(), &Reverb, &times(block_size)).unwrap_err();
        let says = case["says"].as_str().unwrap();
        assert_eq!(error.reason, ErrorReason::InvalidInput, "{file}");
        assert!(error.message.contains(says), "{file}: {error}");
    }
}

#[test]
fn a_file_is_read_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mix.json");
    let missing = parse_automation_file(&path, &Reverb, &times(512)).unwrap_err();
    assert_eq!(missing.reason, ErrorReason::NotFound);
    assert!(
        missing.message.contains("Automation file not found"),
        "{missing}"
    );
    std::fs::write(&path, r#"{"Mix": 0.5}"#).unwrap();
    let changes = parse_automation_file(&path, &Reverb, &times(512)).unwrap();
    assert_eq!(changes[0].value, 0.5);
}

#[test]
fn one_parameter_is_set_by_a_text() {
    for (text, index, value) in [
        ("Mix:0.5", 0, 0.5),
        ("mix:7.5:n", 0, 7.5),
        ("Decay Time:-1", 1, -1.0),
        ("Mode:50 %", 2, 0.5),
        ("Mode: 1e-3 ", 2, 0.001),
    ] {
        assert_eq!(parse_param_arg(text, &Reverb).unwrap(), (index, value));
    }
    assert!(parse_param_arg("Mix:nan", &Reverb).unwrap().1.is_nan());
    for (text, says) in [
        (
            "Mix",
            "Invalid parameter format: 'Mix'. Expected 'Name:value' or 'Name:value:n'.",
        ),
        ("", "Invalid parameter format"),
        ("Organ:1", "Parameter not found: 'Organ'"),
        (
            "Mix:loud",
            "Could not parse value 'loud' for parameter 'Mix': not a percentage",
        ),
    ] {
        let error = parse_param_arg(text, &Reverb).unwrap_err();
        assert!(error.message.contains(says), "{error}");
    }
    let dead = parse_param_arg("Mix:die", &Reverb).unwrap_err();
    assert_eq!(dead.reason, ErrorReason::PluginDead);
}

proptest! {
    #[test]
    fn no_file_does_harm(
        noise: Vec<u8>,
        key in "[0-9.eE+%s -]{0,8}",
        last in "-?[0-9]{1,19}[%s]?",
        block_size in 1u32..10_000,
    ) {
        let _ = parse_automation(&noise, &Reverb, &times(block_size));
        let file = format!(r#"{{"Mix": {{"{key}": 0, "{last}": 1}}}}"#);
        if let Ok(changes) = parse_automation(file.as_bytes(), &Reverb, &times(block_size)) {
            prop_assert!(changes.is_sorted_by_key(|change| change.offset));
            prop_assert!(changes.iter().all(|change| (0.0..=1.0).contains(&change.value)));
        }
    }
}
