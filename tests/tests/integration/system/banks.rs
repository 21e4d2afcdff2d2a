//! Banks and programs of real VST2 plugins, as their own hosts write them and as others do.

use std::path::{Path, PathBuf};

use plugpen::{EventList, OpenOptions, Plugin, Server};

use super::{FRAMES, play_events, server};

/// Where a file's head has its size, and where its version.
const SIZE: std::ops::Range<usize> = 4..8;
const VERSION: std::ops::Range<usize> = 12..16;

/// An installed VST2; `None` where it isn't and `PLUGPEN_REAL_PLUGINS` does not demand it.
fn installed(name: &str) -> Option<PathBuf> {
    let file = Path::new("/usr/lib/vst").join(name);
    assert!(
        file.is_file() || std::env::var_os("PLUGPEN_REAL_PLUGINS").is_none(),
        "{} is not installed: run ./dev setup",
        file.display()
    );
    if !file.is_file() {
        eprintln!("not tested: {} is not installed", file.display());
    }
    Some(file).filter(|file| file.is_file())
}

fn open(server: &Server, file: &Path) -> Plugin {
    let file = file.to_str().unwrap();
    let plugin = server.open(file, &OpenOptions::default());
    plugin.unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn run(plugin: &Plugin) {
    play_events(plugin, &[0.1; FRAMES], &EventList::new()).unwrap();
}

/// Turns every knob, each elsewhere; `far` is how far apart.
fn turn(plugin: &Plugin, far: u32) {
    for index in 0..plugin.num_params() {
        let value = f64::from((index + 1) * far % 97) / 97.0;
        plugin.set_param(index, value).unwrap();
    }
    run(plugin);
}

#[track_caller]
fn assert_same(plugin: &Plugin, expected: &[f64], what: &str) {
    run(plugin);
    let values = plugin.get_params().unwrap();
    assert_eq!(values.len(), expected.len(), "{what}");
    for (index, (value, expected)) in values.iter().zip(expected).enumerate() {
        let off = (value - expected).abs();
        assert!(
            off < 1e-5,
            "{what}: parameter {index}: {value}, not {expected}"
        );
    }
}

/// What a foreign host may have written otherwise: no size, an older version, more behind the end.
fn foreign(data: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let altered = |alter: &dyn Fn(&mut Vec<u8>)| {
        let mut data = data.to_vec();
        alter(&mut data);
        data
    };
    vec![
        ("as it is", data.to_vec()),
        ("without its size", altered(&|data| data[SIZE].fill(0))),
        (
            "of version 1",
            altered(&|data| data[VERSION].copy_from_slice(&1u32.to_be_bytes())),
        ),
        (
            "with more behind it",
            altered(&|data| data.extend([0xA5; 7])),
        ),
    ]
}

#[test]
fn a_bank_or_program_brings_every_parameter_to_a_fresh_instance() {
    let server = server();
    let mut kinds = Vec::new();
    let files = [
        "MVerb-vst.so",
        "Kars-vst.so",
        "ZamCompX2-vst.so",
        "ZynAddSubFX.so",
        "ZynEcho.so",
        "amsynth_vst.so",
    ];
    for file in files.into_iter().filter_map(installed) {
        let plugin = open(&server, &file);
        turn(&plugin, 31);
        let expected = plugin.get_params().unwrap();
        let bank = plugin.get_state().unwrap();
        let program = plugin.get_program_state().unwrap();
        kinds.extend([bank[8..12].to_vec(), program[8..12].to_vec()]);
        for (how, bank) in foreign(&bank) {
            let what = format!("{}, bank {how}", file.display());
            let fresh = open(&server, &file);
            fresh.set_state(&bank).unwrap();
            assert_same(&fresh, &expected, &what);
            turn(&fresh, 53);
            fresh.set_state(&bank).unwrap();
            assert_same(&fresh, &expected, &what);
        }
        for (how, program) in foreign(&program) {
            let what = format!("{}, program {how}", file.display());
            let fresh = open(&server, &file);
            fresh.set_program_state(&program).unwrap();
            assert_same(&fresh, &expected, &what);
        }
    }
    if !kinds.is_empty() {
        for kind in [b"FBCh", b"FPCh", b"FxBk", b"FxCk"] {
            assert!(kinds.iter().any(|found| found == kind), "{kinds:?}");
        }
    }
}
