//! Audio files in and out.

use std::path::Path;

use plugpen::engine::{AudioFormat, WriteOptions, audio_info, read_audio, write_audio};
use plugpen::{BitDepth, MidiFile};
use serde_json::Value;

use crate::support::{failed, json, printed, real, run};

/// A folder for files that go in and come out.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// An audio file of constant samples, a level a channel.
    fn audio(&self, name: &str, levels: &[f32], frames: usize, sample_rate: u32) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        let planes: Vec<_> = levels.iter().map(|level| vec![*level; frames]).collect();
        let planes: Vec<_> = planes.iter().map(Vec::as_slice).collect();
        let options = WriteOptions {
            channels: levels.len(),
            sample_rate,
            depth: BitDepth::Int24,
            broadcast: None,
        };
        write_audio(&path, &planes, &options).unwrap();
        path
    }

    /// A MIDI file of one note, half a second long.
    fn song(&self, name: &str) -> String {
        let path = self.path(name);
        let mut song = MidiFile::new();
        song.add_note_on(0, 0, 0, 60, 100).unwrap();
        song.add_note_off(0, 120, 0, 60, 0).unwrap();
        song.save(&path).unwrap();
        path
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path().join(folder)).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }
}

fn read(path: impl AsRef<Path>) -> (Vec<Vec<f32>>, u32) {
    read_audio(path).unwrap()
}

fn peak(path: impl AsRef<Path>) -> f32 {
    let (planes, _) = read(path);
    let samples = planes.iter().flatten();
    samples.fold(0.0, |peak, sample| peak.max(sample.abs()))
}

#[track_caller]
fn near(found: f32, expected: f32) {
    assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
}

#[test]
fn a_file_is_processed_at_its_own_rate_and_length() {
    let folder = Folder::new();
    let input = folder.audio("in.wav", &[0.5, 0.25], 1000, 44_100);
    let output = folder.path("out.wav");
    let said = printed(&["process", "null:gain", "-i", &input, "-o", &output]);
    assert!(said.contains("44100 Hz"), "{said}");
    let (planes, rate) = read(&output);
    assert_eq!((planes.len(), planes[0].len(), rate), (2, 1000, 44_100));
    near(planes[0][999], 0.5);
    near(planes[1][0], 0.25);
    // What is there stays until it may be overwritten.
    let again = [
        "process",
        "null:gain",
        &input,
        "-o",
        &output,
        "--param",
        "Gain:0.25",
    ];
    let (code, said) = failed(&again);
    assert_eq!(code, Some(1));
    assert!(said.contains("-y"), "{said}");
    near(peak(&output), 0.5);
    printed(&[&again[..], &["-y"]].concat());
    near(peak(&output), 0.25);
}

#[test]
fn parameters_presets_tails_and_levels_are_obeyed() {
    let folder = Folder::new();
    let input = folder.audio("in.wav", &[0.5], 4800, 48_000);
    let output = folder.path("out.wav");
    let process = |more: &[&str]| {
        let fixed = ["process", "null:gain", "-i", &input, "-o", &output, "-y"];
        printed(&[&fixed[..], more].concat());
        read(&output)
    };
    // One channel becomes the plugin's two.
    let (planes, _) = process(&["--tail", "0.1"]);
    assert_eq!((planes.len(), planes[0].len()), (2, 9600));
    near(planes[1][100], 0.5);
    near(planes[1][9000], 0.0);
    let (planes, rate) = process(&["-r", "24000"]);
    assert_eq!((planes[0].len(), rate), (2400, 24_000));
    process(&["--preset", "1"]);
    let quiet = peak(&output);
    assert!(quiet > 0.0 && quiet < 0.4, "{quiet}");
    process(&["--normalize", "-6"]);
    near(peak(&output), 0.501_187);
    process(&["--normalize"]);
    near(peak(&output), 1.0);
    let keyframes = folder.path("gain.json");
    std::fs::write(
        &keyframes,
        r#"{"Gain": {"0": 0.5, "50%": 0.5, "2401": 0.0}}"#,
    )
    .unwrap();
    let (planes, _) = process(&["--param-file", &keyframes]);
    near(planes[0][2399], 0.5);
    near(planes[0][4799], 0.0);
    let (code, said) = failed(&[
        "process",
        "null:gain",
        "-i",
        &input,
        "-o",
        &output,
        "-y",
        "--param",
        "Volume:1",
    ]);
    assert_eq!(code, Some(1));
    assert!(said.contains("Volume"), "{said}");
    let no = [
        "process",
        "null:gain",
        "-i",
        &input,
        "-o",
        &output,
        "-y",
        "-r",
        "96000",
    ];
    let (_, said) = failed(&[&no[..], &["--no-resample"]].concat());
    assert!(said.contains("48000 Hz"), "{said}");
}

#[test]
fn a_second_input_is_the_sidechain() {
    let folder = Folder::new();
    let main = folder.audio("main.wav", &[0.25, 0.25], 512, 48_000);
    let side = folder.audio("side.wav", &[0.5, 0.5], 512, 48_000);
    let output = folder.path("out.wav");
    let plugin = "null:gain?sidechain=2";
    printed(&[
        "process",
        plugin,
        "-i",
        &main,
        "-i",
        &side,
        "-o",
        &output,
        "--param",
        "Sidechain:1",
    ]);
    near(peak(&output), 0.75);
    assert_eq!(
        failed(&["process", plugin, "-y", "-o", &output, "-i", "/no.wav"]).0,
        Some(3)
    );
    assert_eq!(failed(&["process", plugin, "-o", &output]).0, Some(2));
}

#[test]
fn chains_are_written_in_one_line_or_in_a_file() {
    let folder = Folder::new();
    let input = folder.audio("in.wav", &[0.5, 0.5], 512, 48_000);
    let output = folder.path("out.wav");
    let process = |spec: &str| {
        let arguments = ["process", "--chain", spec, &input, "-o", &output, "-y"];
        printed(&arguments);
        peak(&output)
    };
    near(process("null:gain | null:gain"), 0.5);
    let spec = folder.path("chain.json");
    let write = |text: &str| std::fs::write(&spec, text).unwrap();
    write(
        r#"{"plugins": [{"path": "null:gain", "params": {"Gain": 0.25}},
                        {"path": "null:gain", "params": {"Gain": 0.25}, "mix": 0.5}]}"#,
    );
    near(process(&spec), 0.1875);
    for (text, why) in [
        ("[]", "expected JSON"),
        (r#"{"plugins": []}"#, "names no plugin"),
        (r#"{"plugins": [{"path": "null:gain", "wet": 1}]}"#, "wet"),
        (
            r#"{"plugins": [{"path": "null:gain", "preset": 1, "state": "x"}]}"#,
            "at most one",
        ),
    ] {
        write(text);
        let (code, said) = failed(&["process", "--chain", &spec, &input, "-o", &output, "-y"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why), "{said}");
    }
    let mixed = [
        "process",
        "--chain",
        "null:gain",
        "-p",
        "1",
        &input,
        "-o",
        &output,
    ];
    assert_eq!(failed(&mixed).0, Some(2));
}

#[test]
fn many_files_go_into_a_folder_and_a_bad_one_is_a_row() {
    let folder = Folder::new();
    for (name, level) in [("in/a.wav", 0.1), ("in/b.flac", 0.2), ("in/c.wav", 0.3)] {
        folder.audio(name, &[level, level], 256, 48_000);
    }
    let (pattern, out) = (folder.path("in/*"), folder.path("out"));
    let rows = json(&["process", "null:gain", &pattern, "-o", &out, "--json"]);
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(rows[0]["frames"], 256);
    assert_eq!(rows[0]["error"], Value::Null);
    assert_eq!(folder.names("out"), ["a.wav", "b.flac", "c.wav"]);
    near(peak(folder.path("out/b.flac")), 0.2);
    assert_eq!(audio_info(folder.path("out/b.flac")).unwrap().frames, 256);
    assert_eq!(AudioFormat::of("b.flac").unwrap(), AudioFormat::Flac);

    std::fs::write(folder.path("in/b.wav"), "no audio").unwrap();
    let pattern = folder.path("in/*.wav");
    let output = run(&[
        "process",
        "null:gain",
        &pattern,
        "-o",
        &out,
        "-y",
        "--json",
        "--jobs",
        "2",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["error"].is_string());
    assert_eq!(errors.collect::<Vec<_>>(), [false, true, false]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("1 of 3 files were not made"), "{said}");
    // Nothing half made is left.
    assert_eq!(folder.names("out"), ["a.wav", "b.flac", "c.wav"]);

    let twice = [
        &folder.path("in/a.wav")[..],
        &folder.audio("a.wav", &[0.1], 9, 48_000),
    ];
    let (code, said) = failed(&["process", "null:gain", twice[0], twice[1], "-o", &out, "-y"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("two results"), "{said}");
}

#[test]
fn files_are_resampled_without_any_daemon() {
    let folder = Folder::new();
    let input = folder.audio("in.wav", &[0.5, -0.5], 44_100, 44_100);
    let output = folder.path("out.flac");
    for quality in ["best", "medium", "fastest"] {
        let arguments = ["resample", &input, "-o", &output, "-r", "48000", "-y", "-j"];
        let rows = json(&[&arguments[..], &["--quality", quality, "--bit-depth", "16"]].concat());
        assert_eq!(
            (&rows[0]["frames"], &rows[0]["seconds"]),
            (&48_000.into(), &1.0.into())
        );
        let (planes, rate) = read(&output);
        assert_eq!((planes.len(), planes[0].len(), rate), (2, 48_000, 48_000));
        near(planes[1][24_000], -0.5);
    }
    assert_eq!(
        failed(&["resample", &input, "-o", &output, "-r", "0", "-y"]).0,
        Some(1)
    );
    assert_eq!(
        failed(&["resample", "/no.wav", "-o", &output, "-r", "8000", "-y"]).0,
        Some(3)
    );
    assert_eq!(
        failed(&["resample", &input, "-o", &output, "-r", "x"]).0,
        Some(2)
    );
}

#[test]
fn a_song_is_rendered_with_its_tail() {
    let folder = Folder::new();
    let (song, output) = (folder.song("song.mid"), folder.path("out.wav"));
    let render = [
        "render",
        "null:gain",
        &song,
        "-o",
        &output,
        "-t",
        "1.5",
        "-j",
    ];
    let rows = json(&render);
    assert_eq!(rows[0]["frames"], 96_000);
    assert_eq!(rows[0]["midi"], song);
    let Some(mda) = real("/usr/lib/lv2/mda.lv2") else {
        return;
    };
    let piano = [
        "render",
        mda,
        "--plugin",
        "MDA ePiano",
        &song,
        "-o",
        &output,
        "-y",
    ];
    printed(&[&piano[..], &["--tail", "auto", "--bit-depth", "32"]].concat());
    assert!(peak(&output) > 0.01);
    let info = audio_info(&output).unwrap();
    assert_eq!((info.channels, info.sample_rate), (2, 48_000));
    // The same through process, as minihost does it.
    let process = [
        "process",
        mda,
        "--plugin",
        "MDA ePiano",
        "-m",
        &song,
        "-o",
        &output,
        "-y",
    ];
    let rows = json(&[&process[..], &["-t", "0.5", "-j"]].concat());
    assert_eq!(rows[0]["frames"], 48_000);
    assert!(peak(&output) > 0.01);
}

#[test]
fn a_song_is_as_long_in_process_as_in_render() {
    let folder = Folder::new();
    let (song, output) = (folder.song("song.mid"), folder.path("out.wav"));
    let last = ["-o", &output, "-y", "-j", "-r", "44100", "-t", "0.1"];
    let render = json(&[&["render", "null:gain", &song][..], &last].concat());
    let process = json(&[&["process", "null:gain", "-m", &song][..], &last].concat());
    assert_eq!(render[0]["frames"], 26_460);
    assert_eq!(process[0]["frames"], 26_460);
}

#[test]
fn a_song_is_rendered_with_many_presets() {
    let folder = Folder::new();
    let (song, out) = (folder.song("song.mid"), folder.path("out"));
    let render = ["render", "null:gain", &song, "-o", &out, "-t", "0"];
    let rows = json(&[&render[..], &["--programs", "0-1,2", "-j"]].concat());
    let programs: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["program"])
        .collect();
    assert_eq!(programs, [0, 1, 2]);
    assert_eq!(
        folder.names("out"),
        [
            "song-000-Default.wav",
            "song-001-Quiet.wav",
            "song-002-Echo.wav"
        ]
    );
    let (code, said) = failed(&[&render[..], &["--programs", "0-3"]].concat());
    assert_eq!(code, Some(2));
    assert!(said.contains("3 programs"), "{said}");
    let (code, said) = failed(
        &[
            &render[..4],
            &[&folder.path("new.wav")],
            &["--programs", "0-1"],
        ]
        .concat(),
    );
    assert_eq!(code, Some(2));
    assert!(said.contains("give a folder"), "{said}");
    let preset = folder.path("quiet.state");
    printed(&["presets", "null:gain", "--program", "1", "--save", &preset]);
    let pattern = folder.path("*.state");
    printed(&[&render[..], &["--presets", &pattern]].concat());
    assert!(folder.names("out").contains(&"song-quiet.wav".to_owned()));
}
