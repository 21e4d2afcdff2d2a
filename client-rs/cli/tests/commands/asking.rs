//! What plugins say.

use crate::support::{failed, json, printed, real};

#[test]
fn info_lists_programs_and_parameters() {
    let text = printed(&["info", "null:gain"]);
    for line in [
        "Plugin name: Null Gain",
        "Vendor name: plugpen",
        "Product name: plugpen",
        "numPrograms = 3",
        "numParams = 4",
        "Program 001: Quiet",
        "Param 000: Gain [1] (normalized = 0.500000)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    // Nobody looks at a pipe, so it gets no colours.
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn info_as_json_can_be_read_by_machines() {
    let value = json(&["info", "--json", "null:gain"]);
    assert_eq!(value["name"], "Null Gain");
    assert_eq!(value["num_params"], 4);
    assert_eq!(value["programs"][2], "Echo");
    assert_eq!(value["parameters"][1]["label"], "frames");
}

#[test]
fn a_scan_of_an_empty_folder_finds_nothing_and_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(printed(&["scan", path]), "Found 0 plugin(s)\n");
    assert_eq!(printed(&["scan", "--json", path]), "[]\n");
}

#[test]
fn failures_say_what_was_wrong() {
    for (arguments, expected) in [
        (["info", "/nowhere/x.lv2"], "/nowhere/x.lv2"),
        (["info", "null:fuzz"], "null:gain"),
        (["scan", "/nowhere"], "not a directory"),
        (["params", "/nowhere/x.lv2"], "/nowhere/x.lv2"),
    ] {
        let (code, said) = failed(&arguments);
        assert_eq!(code, Some(3), "{said}");
        assert!(
            said.starts_with("Error: ") && said.contains(expected),
            "{said}"
        );
    }
    let (code, said) = failed(&["--server", "unix:/nowhere/p.sock", "ps"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("/nowhere/p.sock") && said.contains("plugpen serve"),
        "{said}"
    );
}

#[test]
fn mistakes_in_the_command_line_are_told_apart() {
    for arguments in [&["info"][..], &["dance"], &[]] {
        assert_eq!(failed(arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn addresses_that_are_none_are_refused_with_the_expected_ones() {
    for target in ["tcp://box:7380", "https://box", "http://box:7380"] {
        let (code, said) = failed(&["--server", target, "info", "null:gain"]);
        assert_eq!(code, Some(1));
        assert!(
            said.contains("unix:/path") && said.contains("https://HOST:PORT"),
            "{said}"
        );
    }
}

#[test]
fn params_list_values_and_details() {
    let text = printed(&["params", "null:gain"]);
    assert!(text.starts_with("Parameters (4):\n  [  0] Gain"), "{text}");
    assert!(text.contains("= 0.5000 (1)"), "{text}");
    let text = printed(&["params", "-V", "null:gain"]);
    assert!(
        text.contains("Default: 0.5000") && text.contains("automatable"),
        "{text}"
    );
    let value = json(&["params", "-j", "null:gain"]);
    assert_eq!(value.as_array().unwrap().len(), 4);
    for key in [
        "index",
        "name",
        "id",
        "label",
        "value",
        "current_value_str",
        "min_value",
        "max_value",
        "default_value",
        "num_steps",
        "is_automatable",
        "is_boolean",
        "category",
    ] {
        assert!(value[0].get(key).is_some(), "{key}");
    }
}

#[test]
fn rates_may_be_given_before_and_after_the_command() {
    let value = json(&["-r", "44100", "-b", "64", "info", "-j", "null:gain"]);
    assert_eq!(value["sample_rate"], 44_100.0);
    assert_eq!(value["max_block_size"], 64);
    let value = json(&["-r", "44100", "info", "-j", "-r", "96000", "null:gain"]);
    assert_eq!(value["sample_rate"], 96_000.0);
}

#[test]
fn a_probe_opens_nothing_and_says_less() {
    let value = json(&["info", "--probe", "-j", "null:gain"]);
    assert_eq!(value["product"], "plugpen");
    assert_eq!(value.get("num_params"), None);
    let text = printed(&["info", "--probe", "null:gain"]);
    assert!(
        text.contains("numOutputs = 2") && !text.contains("Param 000"),
        "{text}"
    );
}

#[test]
fn every_format_has_a_product_name() {
    for (path, name, product) in [
        ("/usr/lib/lv2/MVerb.lv2", "MVerb", "MVerb"),
        ("/usr/lib/vst3/ZamVerb.vst3", "ZamVerb", "ZamVerb"),
        ("/usr/lib/vst/ZamVerb-vst.so", "ZamVerb", "ZamVerb"),
    ] {
        if let Some(path) = real(path) {
            let value = json(&["info", "-j", path]);
            assert_eq!(
                (&value["name"], &value["product"]),
                (&name.into(), &product.into())
            );
            let text = printed(&["info", path]);
            assert!(
                text.contains(&format!("Product name: {product}\n")),
                "{text}"
            );
        }
    }
}

#[test]
fn one_of_a_bundle_is_chosen_by_index_and_by_name() {
    if let Some(mda) = real("/usr/lib/lv2/mda.lv2") {
        let by_name = json(&["info", "--probe", "-j", mda, "--plugin", "MDA ePiano"]);
        let by_index = json(&[
            "info",
            "--probe",
            "-j",
            &format!("{mda}:{}", by_name["index"]),
        ]);
        assert_eq!(by_index, by_name);
        let opened = json(&["info", "-j", &format!("{mda}:{}", by_name["index"])]);
        assert_eq!(opened["identifier"], by_name["identifier"]);
        let (code, said) = failed(&["info", "--probe", mda, "--plugin", "Organ 9000"]);
        assert_eq!(code, Some(3));
        assert!(said.contains("MDA ePiano"), "{said}");
    }
}

#[test]
fn completions_and_manual_come_from_the_program_itself() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        assert!(
            script.contains("plugpen") && script.contains("presets"),
            "{shell}"
        );
    }
    assert!(printed(&["man"]).contains(".TH plugpen 1"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(printed(&["man", "--dir", path]), "");
    assert!(folder.path().join("plugpen-presets.1").is_file());
}
