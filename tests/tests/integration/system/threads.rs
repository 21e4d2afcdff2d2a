//! One plugin, many threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use plugpen::EventList;

use super::{FRAMES, open, play_events, server};

/// Blocks, parameters, state and MIDI at once: nothing is lost, repeated or mixed up. The
/// counter's output is the number of frames before it, so a block too many or too few shows; the
/// villain's state call parks the audio thread each time.
#[test]
fn ten_thousand_blocks_beside_parameters_midi_and_state_from_four_threads() {
    let server = server();
    let counter = open(&server, "counter");
    let midi = open(&server, "midi");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let state = midi.get_state().unwrap();
                midi.set_state(&state).unwrap();
                counter.get_state().unwrap();
            }
        });
        scope.spawn(|| {
            let mut value = 0.0;
            while !done.load(Ordering::Relaxed) {
                midi.set_param(0, value).unwrap();
                midi.param_to_text(0, value).unwrap();
                value = (value + 0.01_f64).fract();
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                midi.get_params().unwrap();
                midi.reset().unwrap();
                counter.params().unwrap();
            }
        });
        for block in 0..10_000_usize {
            let (outputs, _) = play_events(&counter, &[0.0; FRAMES], &EventList::new()).unwrap();
            for (frame, &sample) in outputs[0].iter().enumerate() {
                assert_eq!(sample, (block * FRAMES + frame) as f32);
            }
            let mut events = EventList::new();
            let note = u8::try_from(block % 128).unwrap();
            events.push_midi(5, &[0x90, note, 1]);
            let (_, said) = play_events(&midi, &[0.0; FRAMES], &events).unwrap();
            let echoed = said
                .iter()
                .any(|event| event.body == plugpen::EventBody::Midi(&[0x90, note, 1]));
            assert!(echoed, "block {block}: the note is gone");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn threads_that_play_one_plugin_take_turns() {
    let server = server();
    let plugin = open(&server, "parameter");
    thread::scope(|scope| {
        for number in 0..4_u32 {
            let plugin = &plugin;
            scope.spawn(move || {
                let value = f64::from(number) / 4.0;
                for _ in 0..500 {
                    let mut events = EventList::new();
                    events.push_parameter(0, 0, value);
                    let (outputs, _) = play_events(plugin, &[0.0; FRAMES], &events).unwrap();
                    assert!((f64::from(outputs[0][FRAMES - 1]) - value).abs() < 1e-6);
                }
            });
        }
    });
}
