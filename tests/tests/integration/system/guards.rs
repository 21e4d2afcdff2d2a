//! Guarded buffers, and what is wrong with numbers, in every format.

use plugpen::v1::{DeathKind, ErrorReason, Guard};
use plugpen::{EventList, OpenOptions, Plugin, Result};

use plugpen_tests::places::{real_bundle, real_vst3};

use crate::conformance::format::{Format, LV2, VST2, VST3};
use crate::system::{play_events, server};

const WHERE: u32 = 0;
const FRAMES: u32 = 1;

fn guarded(guard: Guard) -> OpenOptions {
    OpenOptions {
        guard,
        ..OpenOptions::default()
    }
}

fn play(plugin: &Plugin, frames: usize) -> Result<Vec<Vec<f32>>> {
    let (outputs, _) = play_events(plugin, &vec![0.25; frames], &EventList::new())?;
    Ok(outputs)
}

fn set(plugin: &Plugin, place: u32, frames: u32) {
    plugin.set_param(WHERE, f64::from(place) / 8.0).unwrap();
    plugin.set_param(FRAMES, f64::from(frames) / 16.0).unwrap();
}

fn each_format(test: impl Fn(&Format)) {
    for format in [&LV2, &VST2, &VST3] {
        test(format);
    }
}

#[test]
fn a_plugin_that_leaves_its_buffers_dies_where_they_are_guarded() {
    let server = server();
    each_format(|format| {
        for (guard, place, frames, done) in [
            (Guard::End, 1, 1, "went 4 bytes past output 1"),
            (Guard::End, 1, 16, "went 64 bytes past output 1"),
            (Guard::End, 2, 1, "went 4 bytes past input 0"),
            (Guard::End, 4, 1, "wrote to input 1"),
            (Guard::Begin, 3, 1, "went 4 bytes before output 1"),
            (Guard::Begin, 4, 1, "wrote to input 1"),
        ] {
            let what = format!("{} {guard:?} {place} {frames}", format.name);
            // The adapters of the other formats copy inputs for the plugin.
            if [2, 4].contains(&place) && format.name != LV2.name {
                continue;
            }
            // It does the same without, and nobody is the wiser; but inputs are never writable.
            if place != 4 {
                let quiet = format.open(&server, "overrun");
                set(&quiet, place, frames);
                play(&quiet, 37).unwrap();
            }
            let plugin = format.open_with(&server, "overrun", guarded(guard));
            assert_eq!(play(&plugin, 37).unwrap(), [[0.25; 37]; 2], "{what}");
            set(&plugin, place, frames);
            let error = play(&plugin, 37).unwrap_err();
            assert_eq!(error.reason, ErrorReason::PluginCrashed, "{what}: {error}");
            let death = error.death.unwrap();
            assert_eq!(
                (death.kind(), death.signal),
                (DeathKind::Signal, 11),
                "{what}"
            );
            let done = format!("it {done} of a 37-frame block");
            assert!(death.summary.contains(&done), "{what}: {}", death.summary);
        }
    });
}

#[test]
fn blocks_of_every_size_are_the_same_where_they_are_guarded() {
    let server = server();
    each_format(|format| {
        for guard in [Guard::End, Guard::Begin] {
            let plugin = format.open_with(&server, "overrun", guarded(guard));
            for frames in [1, 2, 3, 37, 63, 64, 65, 511, 512] {
                let outputs = play(&plugin, frames).unwrap();
                assert_eq!(outputs, vec![vec![0.25; frames]; 2], "{}", format.name);
            }
            plugin.restart().unwrap();
            set(&plugin, 1, 1);
            assert_eq!(play(&plugin, 64).is_err(), guard == Guard::End);
        }
    });
}

#[test]
fn what_is_wrong_with_numbers_is_counted_by_output() {
    let server = server();
    each_format(|format| {
        let options = OpenOptions {
            numerics: true,
            ..OpenOptions::default()
        };
        let plugin = format.open_with(&server, "overrun", options);
        for place in [0, 5, 6, 7, 8] {
            set(&plugin, place, 1);
            play(&plugin, 50).unwrap();
        }
        let [first, second] = plugin.numerics(true).unwrap().try_into().unwrap();
        let what = format!("{}: {first:?} {second:?}", format.name);
        assert_eq!((first.samples, second.samples), (250, 250), "{what}");
        assert_eq!((first.nan, second.nan), (0, 50), "{what}");
        assert_eq!((first.infinite, second.infinite), (50, 0), "{what}");
        assert_eq!((first.denormal, second.denormal), (50, 0), "{what}");
        assert_eq!((first.silent, second.silent), (0, 50), "{what}");
        assert_eq!((first.clipped, second.clipped), (50, 0), "{what}");
        assert_eq!((first.peak, second.peak), (2.0, 0.5), "{what}");
        // Of 0.25, 0.25, nothing, 0 and 0.5.
        assert!((second.dc - 0.25).abs() < 1e-9, "{what}");
        set(&plugin, 0, 1);
        play(&plugin, 10).unwrap();
        assert_eq!(plugin.numerics(false).unwrap()[1].samples, 10, "{what}");
    });
    let without = LV2.open(&server, "overrun");
    let error = without.numerics(false).unwrap_err();
    assert_eq!(error.reason, ErrorReason::WrongState, "{error}");
}

/// ZynAddSubFX's effects compute blocks of their own size into the buffers that they are given,
/// whatever that block's size is.
#[test]
fn real_plugins_that_run_over_are_caught() {
    let server = server();
    let names = [
        "ZynAlienWah",
        "ZynChorus",
        "ZynEcho",
        "ZynPhaser",
        "ZynReverb",
    ];
    let bundles = names.map(|name| real_bundle(&format!("{name}.lv2")));
    for bundle in bundles.into_iter().flatten() {
        let bundle = bundle.to_str().unwrap();
        let quiet = server.open(bundle, &OpenOptions::default()).unwrap();
        let plugin = server.open(bundle, &guarded(Guard::End)).unwrap();
        for _ in 0..4 {
            play(&quiet, 37).unwrap();
        }
        let error = (0..4).find_map(|_| play(&plugin, 37).err()).unwrap();
        assert_eq!(
            error.reason,
            ErrorReason::PluginCrashed,
            "{bundle}: {error}"
        );
        assert_eq!(error.death.unwrap().signal, 11, "{bundle}");
    }
}

#[test]
fn a_real_plugin_gives_numbers() {
    let Some(bundle) = real_vst3("ZamVerb.vst3") else {
        return;
    };
    let server = server();
    let options = OpenOptions {
        numerics: true,
        ..OpenOptions::default()
    };
    let plugin = server.open(bundle.to_str().unwrap(), &options).unwrap();
    for _ in 0..10 {
        play(&plugin, 64).unwrap();
    }
    let outputs = plugin.numerics(false).unwrap();
    assert!(outputs.iter().all(|output| output.samples == 640));
    assert!(
        outputs
            .iter()
            .all(|output| output.nan == 0 && output.infinite == 0)
    );
    assert!(outputs.iter().any(|output| output.peak > 0.0));
}
