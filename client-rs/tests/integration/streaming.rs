//! Blocks over the connection instead of shared memory.

use std::thread;

use crate::common::{GAIN, open, play, play_events, ramp, scaled, server};
use plugpen::v1::ErrorReason;
use plugpen::{
    AudioPath, BlockInput, BlockOutput, BlockProcessor, EventList, OpenOptions, Planes, PlanesMut,
    Plugin, Server,
};
use rustix::process::{Pid, Signal, kill_process};

fn stream(server: &Server) -> Plugin {
    let options = OpenOptions {
        audio_path: AudioPath::Stream,
        ..OpenOptions::default()
    };
    server.open("null:gain", &options).unwrap()
}

#[test]
fn a_stream_gives_the_samples_and_events_that_shared_memory_gives() {
    let server = server();
    let (near, far) = (open(&server), stream(&server));
    for plugin in [&near, &far] {
        plugin.set_param(GAIN, 0.25).unwrap();
    }
    for frames in [1, 17, 512] {
        let mut events = EventList::new();
        events.push_midi(0, &[0x90, 60, 100]);
        events.push_midi(0, &[0xF0, 1, 2, 3, 0xF7]);
        events.push_parameter(u32::from(frames) / 2, GAIN, 0.75);
        let mut heard = [EventList::new(), EventList::new()];
        let [a, b] = &mut heard;
        let expected = play_events(&near, &ramp(frames), &events, a).unwrap();
        let got = play_events(&far, &ramp(frames), &events, b).unwrap();
        assert_eq!(got, expected, "{frames} frames");
        let [a, b] = heard.map(|list| format!("{:?}", list.iter().collect::<Vec<_>>()));
        assert_eq!(b, a);
    }
    assert_eq!(far.get_param(GAIN).unwrap(), 0.75);
    let nothing = [Vec::new(), Vec::new()];
    assert_eq!(play(&far, &nothing).unwrap(), nothing);
}

#[test]
fn calls_and_streamed_blocks_keep_their_order() {
    let server = server();
    let plugin = stream(&server);
    for step in 0..50u16 {
        let value = f64::from(step % 2) / 2.0;
        plugin.set_param(GAIN, value).unwrap();
        let expected = scaled(&ramp(64), 2.0 * f32::from(step % 2) / 2.0);
        assert_eq!(play(&plugin, &ramp(64)).unwrap(), expected, "step {step}");
    }
}

#[test]
fn many_blocks_are_under_way() {
    let server = server();
    let plugin = stream(&server);
    let mut audio = plugin.lock_audio().unwrap();
    assert!(audio.capacity() >= 4);
    let (mut submitted, mut collected) = (0u16, 0u16);
    let events = EventList::new();
    while collected < 500 {
        while submitted < 500 && audio.in_flight() < audio.capacity() {
            submitted += 1;
            let level = vec![f32::from(submitted); 512];
            let block = BlockInput {
                frames: 512,
                audio: Planes::F32(&[&level, &level]),
                sidechain: Planes::None,
                events: &events,
                transport: None,
            };
            audio.submit(&block).unwrap();
        }
        let mut planes = [vec![0.0f32; 512], vec![0.0; 512]];
        let [left, right] = &mut planes;
        let mut block = BlockOutput {
            audio: PlanesMut::F32(&mut [left, right]),
            events: &mut EventList::new(),
            events_dropped: 0,
        };
        assert_eq!(audio.collect(&mut block).unwrap(), 512);
        collected += 1;
        assert!(
            planes[1]
                .iter()
                .all(|sample| *sample == f32::from(collected))
        );
    }
}

#[test]
fn a_death_ends_the_stream_and_a_restart_begins_another() {
    let server = server();
    let plugin = stream(&server);
    plugin.set_param(GAIN, 0.25).unwrap();
    play(&plugin, &ramp(64)).unwrap();
    let pid = Pid::from_raw(i32::try_from(plugin.worker_pid()).unwrap()).unwrap();
    let error = thread::scope(|scope| {
        let player = scope.spawn(|| {
            loop {
                if let Err(error) = play(&plugin, &ramp(64)) {
                    return error;
                }
            }
        });
        kill_process(pid, Signal::KILL).unwrap();
        player.join().unwrap()
    });
    let expected = [ErrorReason::PluginCrashed, ErrorReason::PluginDead];
    assert!(expected.contains(&error.reason), "{error:?}");
    assert_eq!(error.death.unwrap().signal, 9);
    plugin.restart().unwrap();
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), scaled(&ramp(64), 0.5));
}

#[test]
fn many_streams_at_once_do_not_wait_for_each_other() {
    let server = server();
    let plugins: Vec<_> = (0..8).map(|_| stream(&server)).collect();
    thread::scope(|scope| {
        for plugin in &plugins {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert_eq!(play(plugin, &ramp(256)).unwrap(), ramp(256));
                }
            });
        }
    });
}

#[test]
fn a_block_that_no_message_can_carry_is_refused_when_the_plugin_is_opened() {
    let server = server();
    let options = OpenOptions {
        audio_path: AudioPath::Stream,
        max_block_size: 1_048_576,
        in_channels: 2,
        ring_depth: 4,
        event_bytes: 16_777_216,
        ..OpenOptions::default()
    };
    let error = server.open("null:gain", &options).unwrap_err();
    assert_eq!(error.reason, ErrorReason::InvalidInput);
    assert!(error.message.contains("max_block_size"), "{error}");
}
