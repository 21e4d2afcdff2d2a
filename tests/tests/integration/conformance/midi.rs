//! MIDI in and out, exact to the frame.

use plugpen::{EventList, OpenOptions, Planes, PlanesMut};

use super::format::Format;
use super::midi_of;
use crate::system::{play_events, server};

const FRAMES: usize = 64;

#[track_caller]
fn check_echo(format: &Format, sent: &[(u32, Vec<u8>)]) {
    let server = server();
    let plugin = format.open(&server, "midi");
    assert!(plugin.produces_midi(), "{}", format.name);
    for _ in 0..3 {
        let mut events = EventList::new();
        for (offset, bytes) in sent {
            events.push_midi(*offset, bytes);
        }
        let (_, said) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
        assert_eq!(midi_of(&said), sent, "{}", format.name);
    }
}

pub fn a_message_keeps_its_frame_both_ways(format: &Format) {
    let last = u32::try_from(FRAMES).unwrap() - 1;
    for offset in [0, 1, 31, last] {
        for message in format.messages {
            check_echo(format, &[(offset, message.to_vec())]);
        }
    }
    let all: Vec<_> = (0..).step_by(7).zip(format.messages).collect();
    let all: Vec<_> = all
        .iter()
        .map(|(at, bytes)| (*at, bytes.to_vec()))
        .collect();
    check_echo(format, &all);
    // Notes of one frame stay in their order.
    let chord: Vec<_> = [60, 64, 67, 64, 60]
        .map(|key| (9, vec![0x90, key, 1 + key]))
        .to_vec();
    check_echo(format, &chord);
}

pub fn sysex_of_any_length_comes_back(format: &Format) {
    let sysex = |length: usize| {
        let mut bytes: Vec<u8> = (0..length)
            .map(|at| u8::try_from(at % 128).unwrap())
            .collect();
        bytes[0] = 0xF0;
        bytes[length - 1] = 0xF7;
        bytes
    };
    let sent = [
        (0, sysex(3)),
        (0, sysex(6)),
        (17, sysex(3000)),
        (63, sysex(257)),
    ];
    check_echo(format, &sent);
}

pub fn a_message_beyond_the_block_moves_to_its_last_frame(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "midi");
    let mut events = EventList::new();
    events.push_midi(1_000_000, &[0x90, 60, 100]);
    let (_, said) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
    assert_eq!(midi_of(&said), [(63, vec![0x90, 60, 100])]);
}

pub fn a_plugin_makes_notes_at_known_frames(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "midi");
    plugin.set_param(0, 100.0 / 10_000.0).unwrap();
    let mut heard = Vec::new();
    let mut played = 0;
    for frames in [64, 64, 1, 99, 300, 72] {
        let (_, said) = play_events(&plugin, &vec![0.0; frames], &EventList::new()).unwrap();
        for (offset, bytes) in midi_of(&said) {
            assert_eq!(bytes, [0x90, 60, 100]);
            heard.push(played + usize::try_from(offset).unwrap());
        }
        played += frames;
    }
    assert_eq!(heard, [0, 100, 200, 300, 400, 500]);
    // The clicks say where events arrived.
    plugin.set_param(0, 0.0).unwrap();
    let mut events = EventList::new();
    for offset in [0, 5, 6, 63] {
        events.push_midi(offset, &[0x90, 127, 1]);
    }
    let (outputs, _) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
    let clicks: Vec<usize> = (0..FRAMES).filter(|&at| outputs[0][at] != 0.0).collect();
    assert_eq!(clicks, [0, 5, 6, 63]);
}

pub fn what_finds_no_room_is_counted(format: &Format) {
    let server = server();
    let options = OpenOptions {
        event_bytes: 4096,
        ..OpenOptions::default()
    };
    let plugin = format.open_with(&server, "midi", options);
    plugin.set_param(1, 0.4).unwrap();
    let mut said = EventList::new();
    let report = plugin
        .process(
            Planes::None,
            Planes::None,
            PlanesMut::None,
            FRAMES,
            &EventList::new(),
            &mut said,
        )
        .unwrap();
    let delivered = midi_of(&said);
    assert!(!delivered.is_empty() && delivered.len() < 400);
    assert!(
        delivered
            .iter()
            .all(|(at, bytes)| *at == 0 && bytes[0] == 0xB0)
    );
    let all = delivered.len() as u64 + report.events_dropped;
    assert_eq!(all, 400, "{} delivered", delivered.len());
}

pub fn who_has_no_midi_input_hears_none(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    let mut events = EventList::new();
    events.push_midi(0, &[0x90, 60, 100]);
    events.push_midi(1, &[0xF0, 1, 0xF7]);
    let (outputs, said) = play_events(&plugin, &[0.5; FRAMES], &events).unwrap();
    assert_eq!(outputs[0], [0.5; FRAMES], "{}", format.name);
    assert!(said.is_empty());
}
