//! Presets and what lies between them.

use crate::support::{failed, json, printed, real, run, text};

#[test]
fn presets_are_listed_with_the_current_one() {
    let text = printed(&["presets", "null:gain"]);
    assert!(text.contains("[0] Default (current)\n"), "{text}");
    let value = json(&["presets", "--json", "--program", "2", "null:gain"]);
    assert_eq!(value["count"], 3);
    assert_eq!(value["presets"][2]["name"], "Echo");
    assert_eq!(value["presets"][2]["is_current"], true);
    assert_eq!(value["presets"][0]["is_current"], false);
    let (code, said) = failed(&["presets", "--program", "7", "null:gain"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("[0, 2]"), "{said}");
}

#[test]
fn a_saved_state_is_loaded_again_and_not_overwritten_by_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("quiet.state");
    let file = file.to_str().unwrap();
    printed(&["presets", "null:gain", "--program", "1", "--save", file]);
    let value = json(&[
        "morph",
        "-j",
        "--a-state",
        file,
        "--b-program",
        "0",
        "-t",
        "0",
        "null:gain",
    ]);
    let quiet = json(&["morph", "-j", "--a-program", "1", "-t", "0", "null:gain"]);
    assert_eq!(value["params"][0]["a"], quiet["params"][0]["a"]);
    let again = ["presets", "null:gain", "--save", file];
    let (code, said) = failed(&again);
    assert_eq!(code, Some(1));
    assert!(said.contains("-y"), "{said}");
    printed(&[&again[..], &["-y"]].concat());
    let (_, said) = failed(&["presets", "null:gain", "--save", "/nowhere/x.vstpreset"]);
    assert!(said.contains("VST3"), "{said}");
}

#[test]
fn presets_of_every_format_go_through_files() {
    let folder = tempfile::tempdir().unwrap();
    for (path, name) in [
        ("/usr/lib/vst3/ZamVerb.vst3", "a.vstpreset"),
        ("/usr/lib/vst/ZamVerb-vst.so", "a.fxp"),
        ("/usr/lib/vst/ZamVerb-vst.so", "a.fxb"),
        ("/usr/lib/lv2/MVerb.lv2", "a.ttl"),
    ] {
        let Some(path) = real(path) else { continue };
        let files = ["first", "second"].map(|part| folder.path().join(part).join(name));
        let [first, second] = files.each_ref().map(|file| file.to_str().unwrap());
        for file in &files {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        let last = json(&["presets", "-j", path])["count"]
            .as_u64()
            .unwrap()
            .saturating_sub(1);
        let last = last.to_string();
        let program = ["--program", &last];
        let program = if last == "0" { &[][..] } else { &program };
        printed(&[&["presets", path, "--save", first][..], program].concat());
        printed(&["presets", path, "--state", first, "--save", second]);
        let read = |file| std::fs::read(file).unwrap();
        assert!(!read(first).is_empty(), "{name}");
        assert!(read(first) == read(second), "{name}");
    }
}

#[test]
fn a_morph_lies_between_two_programs() {
    let value = json(&["morph", "-j", "-t", "0.25", "null:gain"]);
    assert_eq!(value["blend"], 0.25);
    assert_eq!(value["num_params"], 4);
    let gain = &value["params"][0];
    let (a, b) = (gain["a"].as_f64().unwrap(), gain["b"].as_f64().unwrap());
    assert!(a != b);
    assert!((gain["blend"].as_f64().unwrap() - (a + 0.25 * (b - a))).abs() < 1e-9);
    let text = printed(&["morph", "null:gain"]);
    assert!(text.starts_with("idx  name"), "{text}");
    assert_eq!(failed(&["morph", "-t", "2", "null:gain"]).0, Some(2));
    assert_eq!(
        failed(&["morph", "--b-program", "9", "null:gain"]).0,
        Some(1)
    );
}

#[test]
fn a_morph_is_saved_as_a_state() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("half");
    let file = file.to_str().unwrap();
    let saved = run(&["morph", "null:gain", "-t", "0.5", "--save", file]);
    assert!(text(&saved.stdout).contains("Saved to"));
    let value = json(&["morph", "-j", "null:gain"]);
    let loaded = json(&["morph", "-j", "--a-state", file, "-t", "0", "null:gain"]);
    assert_eq!(loaded["params"][0]["a"], value["params"][0]["blend"]);
}
