//! Dead plugins come back by themselves where that was asked for, as they were; and their deaths
//! can be had again.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugpen::v1::{DeathKind, ErrorReason, Recording, RestartPolicy, WorkerLimits};
use plugpen::{
    BlockInput, BlockOutput, BlockProcessor, EventList, Life, OnDead, OpenOptions, Planes,
    PlanesMut, Plugin, PluginChain, Replay, Server,
};

use super::deaths::{deed, kill};
use super::{FRAMES, bundle, options, play, play_events, server, server_with, until};

const IN_RUN: u32 = 0;
const IN_SAVE: u32 = 1;

/// Short deadlines, and recordings of this test's own.
const IMPATIENT: &str = "[deadlines]\nload_seconds = 1.5\nstate_seconds = 1\nblock_seconds = 1\n";

fn open_with(server: &Server, name: &str, restart: RestartPolicy) -> Plugin {
    let options = OpenOptions {
        restart,
        ..options(name)
    };
    server.open(bundle(), &options).unwrap()
}

/// Has what becomes of the plugin told.
fn lives(plugin: &Plugin) -> mpsc::Receiver<Life> {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    plugin.set_life_callback(Some(Box::new(move |life| {
        // The test may have heard enough.
        let _ = sender.lock().unwrap().send(life.clone());
    })));
    receiver
}

#[track_caller]
fn next(lives: &mpsc::Receiver<Life>) -> Life {
    lives.recv_timeout(Duration::from_secs(30)).unwrap()
}

#[test]
fn the_next_call_finds_a_plugin_that_is_what_it_was() {
    let server = server();
    let plugin = open_with(&server, "villain", RestartPolicy::OnCrash);
    let told = lives(&plugin);
    plugin.set_param(4, 3.0 / 131_072.0).unwrap();
    let state = plugin.get_state().unwrap();
    plugin.set_param(IN_SAVE, deed(1)).unwrap();
    let before = plugin.get_params().unwrap();
    for generation in 2..5 {
        let died = plugin.get_state().unwrap_err();
        assert_eq!(died.reason, ErrorReason::PluginCrashed, "{died}");
        // Nothing but the next call.
        assert_eq!(plugin.get_params().unwrap(), before);
        assert_eq!(plugin.generation(), generation);
        assert_eq!(play(&plugin).unwrap()[0], [1.0; FRAMES]);
        assert!(matches!(next(&told), Life::Died(death) if death.signal == 11));
        assert_eq!(next(&told), Life::Restored(generation));
    }
    plugin.set_param(IN_SAVE, 0.0).unwrap();
    assert_eq!(plugin.get_state().unwrap(), state);
}

#[test]
fn a_block_that_kills_is_an_error_and_the_next_is_played() {
    let server = server();
    let plugin = open_with(&server, "villain", RestartPolicy::OnCrash);
    play(&plugin).unwrap();
    let mut fatal = EventList::new();
    fatal.push_parameter(0, IN_SAVE, deed(2));
    play_events(&plugin, &[0.5; FRAMES], &fatal).unwrap();
    let died = plugin.get_state().unwrap_err();
    assert_eq!(died.reason, ErrorReason::PluginCrashed);
    let (outputs, _) = play_events(&plugin, &[0.5; FRAMES], &EventList::new()).unwrap();
    assert_eq!(outputs[0], [0.5; FRAMES]);
    let kept = plugin.get_param(IN_SAVE).unwrap();
    assert!(
        (kept - deed(2)).abs() < 1e-6,
        "what a block set is restored"
    );
}

#[test]
fn a_restored_plugin_goes_on_from_its_state_to_the_sample() {
    let server = server();
    for policy in [RestartPolicy::Always, RestartPolicy::OnCrash] {
        let plugin = open_with(&server, "counter", policy);
        (0..10).for_each(|_| drop(play(&plugin).unwrap()));
        plugin.get_state().unwrap();
        kill(plugin.worker_pid());
        until("the news", || !plugin.is_alive());
        let played = play(&plugin);
        match policy {
            RestartPolicy::Always => assert_eq!(played.unwrap()[0][0], 640.0),
            // Somebody killed it: that is no crash.
            _ => assert_eq!(played.unwrap_err().reason, ErrorReason::PluginDead),
        }
    }
}

#[test]
fn a_plugin_that_dies_all_the_time_is_left_dead_and_says_so() {
    let config = "[restarts]\npolicy = \"on-crash\"\ncrashes = 3\ndelay_seconds = 0.001\n";
    let server = server_with(config);
    let plugin = open_with(&server, "villain", RestartPolicy::Unspecified);
    assert_eq!(plugin.restart_policy(), RestartPolicy::OnCrash);
    let told = lives(&plugin);
    plugin.set_param(IN_RUN, deed(1)).unwrap();
    for _ in 0..4 {
        assert_eq!(
            play(&plugin).unwrap_err().reason,
            ErrorReason::PluginCrashed
        );
    }
    let error = play(&plugin).unwrap_err();
    assert_eq!(error.reason, ErrorReason::PluginDead);
    assert!(error.message.contains("restarts.crashes = 3"), "{error}");
    let reason = loop {
        if let Life::GaveUp(reason) = next(&told) {
            break reason;
        }
    };
    assert!(reason.contains("4 times"), "{reason}");
    // By hand it can be had back, and another instance is opened all the same.
    plugin.restart().unwrap();
    plugin.set_param(IN_RUN, 0.0).unwrap();
    play(&plugin).unwrap();
    open_with(&server, "villain", RestartPolicy::Never);
}

#[test]
fn many_threads_meet_one_recovery() {
    let server = server();
    let plugin = open_with(&server, "parameter", RestartPolicy::Always);
    plugin.set_param(0, 0.375).unwrap();
    for generation in 2..5 {
        kill(plugin.worker_pid());
        until("the news", || !plugin.is_alive());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let value = plugin.get_param(0).unwrap();
                    assert!((value - 0.375).abs() < 1e-6, "{value}");
                    let outputs = play(&plugin).unwrap();
                    assert!((outputs[0][0] - 0.375).abs() < 1e-6);
                });
            }
        });
        assert_eq!(plugin.generation(), generation);
    }
}

#[test]
fn a_chain_plays_on_without_its_dead_plugin() {
    let server = server_with("[restarts]\ncrashes = 3\ndelay_seconds = 0.001\n");
    for (on_dead, expected) in [(OnDead::Silence, 0.0), (OnDead::Dry, 0.25)] {
        let before = Arc::new(open_with(&server, "gain", RestartPolicy::Never));
        let villain = Arc::new(open_with(&server, "villain", RestartPolicy::OnCrash));
        let told = lives(&villain);
        let chain = PluginChain::new(vec![before, villain.clone()]).unwrap();
        chain.set_on_dead(on_dead);
        let mut audio = chain.lock_audio().unwrap();
        let mut play = |value: f32, fatal: bool| {
            let channels = audio.io().inputs;
            let input = vec![[value; FRAMES]; channels];
            let input: Vec<&[f32]> = input.iter().map(|plane| &plane[..]).collect();
            let mut changes = EventList::new();
            if fatal {
                changes.push_parameter(0, IN_RUN, deed(1));
            }
            let block = BlockInput {
                frames: FRAMES,
                audio: Planes::F32(&input),
                sidechain: Planes::None,
                events: &EventList::new(),
                transport: None,
            };
            audio
                .submit_with(&block, &[EventList::new(), changes])
                .unwrap();
            let mut output = [f32::NAN; FRAMES];
            let mut events = EventList::new();
            audio
                .collect(&mut BlockOutput {
                    audio: PlanesMut::F32(&mut [&mut output]),
                    events: &mut events,
                    events_dropped: 0,
                })
                .unwrap();
            output[0]
        };
        let alive = play(0.25, false);
        assert_eq!(play(0.25, true), if expected == 0.0 { 0.0 } else { alive });
        assert!(matches!(next(&told), Life::Died(_)));
        // It is restored with what killed it, and so on: until the daemon gives it up.
        loop {
            assert_eq!(play(0.25, false), if expected == 0.0 { 0.0 } else { alive });
            match told.try_recv() {
                Ok(Life::GaveUp(_)) => break,
                _ => std::thread::yield_now(),
            }
        }
        drop(audio);
        villain.restart().unwrap();
        villain.set_param(IN_RUN, 0.0).unwrap();
        let mut output = [f32::NAN; FRAMES];
        let input = [[0.25; FRAMES]; 2];
        let input: Vec<&[f32]> = input.iter().map(|plane| &plane[..]).collect();
        let count = usize::try_from(chain.num_input_channels()).unwrap();
        chain
            .process(
                Planes::F32(&input[..count]),
                Planes::None,
                PlanesMut::F32(&mut [&mut output]),
                FRAMES,
                &EventList::new(),
                &[],
                &mut EventList::new(),
            )
            .unwrap();
        assert_eq!(output[0], alive, "back");
    }
}

#[test]
fn limits_are_named_when_they_are_hit() {
    let server = server();
    let info = server.info().unwrap();
    let limit = |name: &str| {
        let found = info.limits.iter().find(|limit| limit.name == name);
        found.unwrap_or_else(|| panic!("{name}")).value
    };
    assert!(limit("worker_memory_bytes") > 0 && limit("worker_threads") > 0);
    assert!(limit("crashes_per_minute") > 0 && limit("worker_disk_bytes") > 0);
    let open = |limits| {
        let options = OpenOptions {
            limits,
            ..options("villain")
        };
        server.open(bundle(), &options)
    };
    let looser = open(WorkerLimits {
        memory_bytes: u64::MAX,
        ..WorkerLimits::default()
    });
    let error = looser.unwrap_err();
    assert_eq!(error.reason, ErrorReason::InvalidInput);
    assert!(error.message.contains("worker_memory_bytes"), "{error}");

    let plugin = open(WorkerLimits {
        cpu_seconds: 1,
        ..WorkerLimits::default()
    })
    .unwrap();
    plugin.set_param(IN_RUN, deed(5)).unwrap();
    let death = play(&plugin).unwrap_err().death.unwrap();
    assert_eq!(death.kind(), DeathKind::CpuLimit, "{death:?}");

    // A state of 100 MiB where 64 MiB are allowed.
    let plugin = open(WorkerLimits {
        memory_bytes: 64 << 20,
        ..WorkerLimits::default()
    })
    .unwrap();
    plugin.set_param(4, 102_400.0 / 131_072.0).unwrap();
    let death = plugin.get_state().unwrap_err().death.unwrap();
    assert!(
        death.kind() == DeathKind::MemoryLimit || death.signal == 6,
        "{death:?}"
    );
}

/// Each way to die in a call or a block, recorded and had again.
#[test]
fn a_replay_ends_in_the_same_death() {
    let server = server_with(IMPATIENT);
    for (number, in_block) in [
        (1, true),
        (1, false),
        (2, true),
        (3, false),
        (4, true),
        (10, true),
    ] {
        let plugin = open_with(&server, "villain", RestartPolicy::Never);
        for _ in 0..40 {
            play(&plugin).unwrap();
        }
        let what = if in_block { IN_RUN } else { IN_SAVE };
        plugin.set_param(what, deed(number)).unwrap();
        let error = match in_block {
            true => play(&plugin).unwrap_err(),
            false => {
                play(&plugin).unwrap();
                plugin.get_state().unwrap_err()
            }
        };
        let death = error.death.unwrap();
        let replayed = server
            .replay(Replay::Report(&death.report_id), None)
            .unwrap();
        assert!(replayed.same, "deed {number}: {replayed:?}");
        assert_eq!(replayed.recorded.as_ref(), Some(&*death));
        assert!(replayed.blocks >= 16 && replayed.blocks_played >= replayed.blocks - 1);
        assert!(
            replayed
                .cautions
                .iter()
                .any(|text| text.contains("blocks before"))
        );
        // The file is as good, on another daemon.
        let file = server.recording(&death.report_id).unwrap();
        assert!(file.starts_with(b"plugpen recording 1\n"));
        if number == 1 {
            let other = server_with(IMPATIENT);
            let again = other.replay(Replay::Recording(&file), None).unwrap();
            assert!(again.same, "{again:?}");
        }
    }
}

/// An installed VST2. None where it isn't installed and `PLUGPEN_REAL_PLUGINS` does not demand it.
fn real_vst2(name: &str) -> Option<String> {
    let path = format!("/usr/lib/vst/{name}");
    let found = std::path::Path::new(&path).is_file();
    assert!(
        found || std::env::var_os("PLUGPEN_REAL_PLUGINS").is_none(),
        "{path} is not installed: run ./dev setup"
    );
    found.then_some(path)
}

/// Real plugins that die of what users do: brought back bit by bit, and replayed.
#[test]
fn real_deaths_are_mended_and_replayed() {
    let server = server();
    let open = |name: &str| {
        let options = OpenOptions {
            restart: RestartPolicy::OnCrash,
            ..OpenOptions::default()
        };
        real_vst2(name).map(|path| server.open(&path, &options).unwrap())
    };
    let replays = |report: &str| {
        let replayed = server.replay(Replay::Report(report), None).unwrap();
        assert!(replayed.same, "{replayed:?}");
    };
    // amsynth aborts on a chunk with a wrong byte.
    if let Some(plugin) = open("amsynth_vst.so") {
        plugin.set_program(5).unwrap();
        play(&plugin).unwrap();
        let state = plugin.get_state().unwrap();
        let mut flipped = state.clone();
        flipped[state.len() / 2] ^= 0xFF;
        let death = plugin.set_state(&flipped).unwrap_err().death.unwrap();
        assert_eq!(death.signal, 6, "{death:?}");
        assert!(plugin.get_state().unwrap() == state, "bit by bit");
        replays(&death.report_id);
    }
    // ZynReverb asks for all memory there is.
    if let Some(plugin) = open("ZynReverb.so") {
        play(&plugin).unwrap();
        let state = plugin.get_state().unwrap();
        let died = plugin
            .set_param(8, 1.0)
            .and_then(|_| plugin.set_param(9, 1.0))
            .and_then(|_| play(&plugin));
        let death = died.unwrap_err().death.unwrap();
        assert_eq!(death.signal, 6, "{death:?}");
        replays(&death.report_id);
        assert!(!state.is_empty());
    }
}

#[test]
fn a_death_at_birth_is_replayed_too() {
    let server = server();
    let error = super::try_open(&server, "born-crashing").unwrap_err();
    let report = error.death.unwrap().report_id;
    let replayed = server.replay(Replay::Report(&report), None).unwrap();
    assert!(replayed.same && replayed.calls == 0, "{replayed:?}");
}

#[test]
fn what_was_not_to_be_recorded_was_not() {
    let server = server();
    let die = |recording| {
        let options = OpenOptions {
            recording,
            ..options("villain")
        };
        let plugin = server.open(bundle(), &options).unwrap();
        play(&plugin).unwrap();
        plugin.set_param(IN_RUN, deed(1)).unwrap();
        play(&plugin).unwrap_err().death.unwrap().report_id
    };
    let error = server.recording(&die(Recording::Off)).unwrap_err();
    assert_eq!(error.reason, ErrorReason::NotFound);
    let calls = server.recording(&die(Recording::Calls)).unwrap();
    let full = server.recording(&die(Recording::Full)).unwrap();
    let ones = 1f32.to_le_bytes().repeat(FRAMES);
    let has = |file: &[u8]| file.windows(ones.len()).any(|window| window == ones);
    assert!(has(&full) && !has(&calls));
    let replayed = server.replay(Replay::Recording(&calls), None).unwrap();
    assert!(replayed.same, "{replayed:?}");
    assert!(
        replayed
            .cautions
            .iter()
            .any(|text| text.contains("samples"))
    );
}

#[test]
fn nonsense_is_no_recording() {
    let server = server();
    for nonsense in [&b"RIFF"[..], b"plugpen recording 1\n\xFF\xFF\xFF"] {
        let error = server
            .replay(Replay::Recording(nonsense), None)
            .unwrap_err();
        assert_eq!(error.reason, ErrorReason::InvalidInput, "{error}");
    }
    let error = server.replay(Replay::Report("0123456789abcdef"), None);
    assert_eq!(error.unwrap_err().reason, ErrorReason::NotFound);
}
