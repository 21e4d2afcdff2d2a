//! Bad arguments are refused with a typed error that says what was expected, and hurt nobody.

use plugpen::v1::{ErrorReason, Transport};
use plugpen::{EventList, OpenOptions, Planes, PlanesMut, Plugin, Result};

use super::{FRAMES, bundle, open, play, server, server_with};

use ErrorReason::{
    IndexOutOfRange, InvalidInput, LimitReached, NotFound, PluginClosed, PluginRefused,
    Unsupported, WrongState,
};

#[test]
fn bad_openings_are_refused() {
    let server = server();
    let with = |change: &dyn Fn(&mut OpenOptions)| {
        let mut options = super::options("gain");
        change(&mut options);
        server.open(bundle(), &options).map(drop)
    };
    let named = |selector: &str| with(&|options| selector.clone_into(&mut options.selector));
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.lv2");
    std::fs::create_dir(&junk).unwrap();
    std::fs::write(junk.join("manifest.ttl"), "this is no Turtle").unwrap();
    let at = |path: &str| server.open(path, &OpenOptions::default()).map(drop);
    let cases: Vec<(&str, Result<()>, &[ErrorReason])> = vec![
        ("empty path", at(""), &[InvalidInput]),
        ("no such file", at("/no/such/plugin.lv2"), &[NotFound]),
        ("no such URI", at("urn:plugpen:test:nobody"), &[NotFound]),
        (
            "not a plugin",
            at("/etc/passwd"),
            &[NotFound, PluginRefused],
        ),
        ("a folder", at("/etc"), &[NotFound, PluginRefused]),
        (
            "a broken bundle",
            at(junk.to_str().unwrap()),
            &[NotFound, PluginRefused],
        ),
        ("no such name", named("Nobody"), &[NotFound]),
        ("no such index", named("999"), &[NotFound, IndexOutOfRange]),
        ("rate 0", with(&|o| o.sample_rate = 0.0), &[InvalidInput]),
        (
            "rate NaN",
            with(&|o| o.sample_rate = f64::NAN),
            &[InvalidInput],
        ),
        ("block 0", with(&|o| o.max_block_size = 0), &[InvalidInput]),
        (
            "block 2^31",
            with(&|o| o.max_block_size = 1 << 31),
            &[InvalidInput],
        ),
        ("depth 1", with(&|o| o.ring_depth = 1), &[InvalidInput]),
        (
            "refuses",
            named("urn:plugpen:test:born-refusing"),
            &[PluginRefused],
        ),
        (
            "not in library",
            named("urn:plugpen:test:not-in-library"),
            &[PluginRefused],
        ),
        (
            "no library",
            named("urn:plugpen:test:no-library"),
            &[PluginRefused, NotFound],
        ),
        (
            "unknown feature",
            named("urn:plugpen:test:needs-the-moon"),
            &[Unsupported, PluginRefused],
        ),
    ];
    check(cases);
}

#[track_caller]
fn check(cases: Vec<(&str, Result<()>, &[ErrorReason])>) {
    for (what, result, reasons) in cases {
        match result {
            Ok(()) => panic!("{what}: was let through"),
            Err(error) => {
                assert!(
                    reasons.contains(&error.reason),
                    "{what}: {:?} {error}",
                    error.reason
                );
                assert!(error.message.len() > 10, "{what}: {error}");
                assert!(error.death.is_none(), "{what}: {error}");
            }
        }
    }
}

fn block(plugin: &Plugin, inputs: usize, frames: usize, length: usize) -> Result<()> {
    let silence = vec![0.0; length];
    let mut outputs = vec![vec![0.0; length]; 2];
    let inputs = vec![silence.as_slice(); inputs];
    let mut planes: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    plugin
        .process(
            Planes::F32(&inputs),
            Planes::None,
            PlanesMut::F32(&mut planes),
            frames,
            &EventList::new(),
            &mut EventList::new(),
        )
        .map(drop)
}

fn with_events(plugin: &Plugin, fill: impl FnOnce(&mut EventList)) -> Result<()> {
    let mut events = EventList::new();
    fill(&mut events);
    super::play_events(plugin, &[0.0; FRAMES], &events).map(drop)
}

#[test]
fn bad_arguments_are_refused_and_the_plugin_plays_on() {
    let server = server();
    let plugin = open(&server, "gain");
    let bad_tempo = Transport {
        bpm: f64::NAN,
        time_sig_num: 4,
        time_sig_denom: 4,
        ..Transport::default()
    };
    let cases: Vec<(&str, Result<()>, &[ErrorReason])> = vec![
        (
            "get index",
            plugin.get_param(2).map(drop),
            &[IndexOutOfRange],
        ),
        (
            "set index",
            plugin.set_param(u32::MAX, 0.5),
            &[IndexOutOfRange],
        ),
        (
            "info index",
            plugin.get_param_info(2).map(drop),
            &[IndexOutOfRange],
        ),
        (
            "text index",
            plugin.param_to_text(2, 0.5).map(drop),
            &[IndexOutOfRange],
        ),
        (
            "gesture index",
            plugin.begin_param_gesture(2),
            &[IndexOutOfRange],
        ),
        ("set NaN", plugin.set_param(0, f64::NAN), &[InvalidInput]),
        (
            "set infinity",
            plugin.set_param(0, f64::INFINITY),
            &[InvalidInput],
        ),
        (
            "no such name",
            plugin.find_param("nobody").map(drop),
            &[InvalidInput, NotFound],
        ),
        (
            "empty state",
            plugin.set_state(b""),
            &[InvalidInput, PluginRefused],
        ),
        (
            "junk state",
            plugin.set_state(b"\0junk\xff"),
            &[InvalidInput, PluginRefused],
        ),
        ("no programs", plugin.set_program(0), &[IndexOutOfRange]),
        (
            "tempo NaN",
            plugin.set_transport(bad_tempo),
            &[InvalidInput],
        ),
        ("rate 0", plugin.set_sample_rate(0.0), &[InvalidInput]),
        (
            "too long a block",
            block(&plugin, 2, 513, 513),
            &[InvalidInput],
        ),
        (
            "too few channels",
            block(&plugin, 1, 64, 64),
            &[InvalidInput],
        ),
        (
            "too short channels",
            block(&plugin, 2, 64, 63),
            &[InvalidInput],
        ),
        (
            "parameter index",
            with_events(&plugin, |events| events.push_parameter(0, 9, 0.5)),
            &[InvalidInput, IndexOutOfRange],
        ),
        (
            "parameter NaN",
            with_events(&plugin, |events| events.push_parameter(0, 0, f64::NAN)),
            &[InvalidInput],
        ),
        (
            "empty MIDI",
            with_events(&plugin, |events| events.push_midi(0, &[])),
            &[InvalidInput],
        ),
        (
            "too many events",
            with_events(&plugin, |events| {
                for _ in 0..100_000 {
                    events.push_midi(0, &[0x90, 60, 100]);
                }
            }),
            &[LimitReached],
        ),
    ];
    check(cases);
    plugin.set_param(0, 0.5).unwrap();
    assert_eq!(play(&plugin).unwrap()[0][0], 2.0);
}

#[test]
fn a_closed_plugin_says_so() {
    let server = server();
    let plugin = open(&server, "gain");
    plugin.close().unwrap();
    let cases: Vec<(&str, Result<()>, &[ErrorReason])> = vec![
        ("get", plugin.get_param(0).map(drop), &[PluginClosed]),
        ("play", play(&plugin).map(drop), &[PluginClosed]),
        ("state", plugin.get_state().map(drop), &[PluginClosed]),
        ("restart", plugin.restart(), &[PluginClosed, WrongState]),
    ];
    check(cases);
}

#[test]
fn limits_are_named_when_they_are_reached() {
    let server = server_with("[limits]\nplugins_per_session = 2\n");
    let _held = [open(&server, "gain"), open(&server, "gain")];
    let error = super::try_open(&server, "gain").unwrap_err();
    assert_eq!(error.reason, LimitReached, "{error}");
    assert!(error.message.contains('2'), "{error}");
}
