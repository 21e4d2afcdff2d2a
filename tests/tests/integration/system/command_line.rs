//! Plugins that die under the `plugpen` command.

use std::process::{Command, Output};

use plugpen::{MidiFile, Server};
use plugpen_tests::places::built;
use serde_json::Value;

use super::deaths::deed;
use super::{bundle, open, server};

/// The command, on a villain.
fn plugpen(arguments: &[&str]) -> Output {
    let programs = &built().unwrap().programs;
    let mut command = Command::new(programs.join("plugpen"));
    let command = command.env("PLUGPEN_BIN_DIR", programs);
    command
        .env_remove("PLUGPEN_SERVER")
        .args(arguments)
        .output()
        .unwrap()
}

/// A state of a villain that does this while it processes.
fn state(server: &Server, number: u32) -> Vec<u8> {
    let villain = open(server, "villain");
    villain.set_param(0, deed(number)).unwrap();
    villain.get_state().unwrap()
}

#[test]
fn a_preset_that_kills_its_plugin_is_a_row_and_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = server();
    for (name, number) in [
        ("a-harmless", 0),
        ("b-segv", 1),
        ("c-exit", 3),
        ("d-harmless", 0),
    ] {
        std::fs::write(folder.path().join(name), state(&server, number)).unwrap();
    }
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut song = MidiFile::new();
    song.add_note_on(0, 0, 0, 60, 100).unwrap();
    song.save(path("song.mid")).unwrap();
    let villain = format!("{}:urn:plugpen:test:villain", bundle());
    let (bundle, which) = villain.split_at(bundle().len());
    let which = &which[1..];
    let (song, out, presets) = (path("song.mid"), path("out"), path("?-*"));
    let render = [
        "render", bundle, "--plugin", which, &song, "-o", &out, "-t", "0.1",
    ];
    let output = plugpen(
        &[
            &render[..],
            &["--presets", &presets, "--json", "--jobs", "2"],
        ]
        .concat(),
    );
    assert_eq!(output.status.code(), Some(1));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["exit_code"])
        .collect();
    assert_eq!(codes, [&Value::Null, &4.into(), &4.into(), &Value::Null]);
    assert!(
        rows[1]["error"].as_str().unwrap().contains("SIGSEGV"),
        "{rows}"
    );
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2);

    // Alone it is the command's own end, with its own code.
    let (one, file) = (path("b-segv"), path("one.wav"));
    let output = plugpen(&[
        "render", bundle, "--plugin", which, &song, "-o", &file, "-s", &one,
    ]);
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("Error: ") && said.contains("SIGSEGV"),
        "{said}"
    );
    let output = plugpen(&["info", bundle, "--plugin", "urn:plugpen:test:born-crashing"]);
    assert_eq!(output.status.code(), Some(4));
}
