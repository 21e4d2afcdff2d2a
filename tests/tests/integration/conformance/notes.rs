//! Notes with ids, and what shapes single notes.

use std::sync::Arc;

use plugpen::v1::ErrorReason;
use plugpen::{
    EventBody, EventList, Note, NoteExpression, OpenOptions, Planes, PlanesMut, Plugin, PluginChain,
};

use super::format::{Format, NULL};
use super::midi_of;
use crate::system::{play_events, server};

const FRAMES: usize = 64;
/// What `notes` shapes a note's height with.
const VOLUME: u32 = 0;
/// What it bends a note with, 100 cents either way.
const BEND: u32 = 100_001;

fn note(id: i32, is_on: bool, key: u8) -> Note {
    Note {
        id,
        is_on,
        channel: 3,
        key,
        velocity: 0.5,
        tuning: 0.0,
    }
}

fn shape(note_id: i32, type_id: u32, value: f64) -> NoteExpression {
    NoteExpression {
        note_id,
        type_id,
        value,
    }
}

/// Where each new value begins in a channel.
fn steps(channel: &[f32]) -> Vec<(usize, f32)> {
    let mut steps = Vec::new();
    for (at, value) in channel.iter().enumerate() {
        if steps.last().is_none_or(|(_, last)| last != value) {
            steps.push((at, *value));
        }
    }
    steps
}

pub fn an_expression_shapes_one_note_from_its_frame_on(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "notes");
    assert!(plugin.takes_note_expression() && plugin.supports_mpe());
    let mut events = EventList::new();
    events.push_note(3, note(7, true, 60));
    events.push_expression(10, shape(7, VOLUME, 0.25));
    // Two notes of one key, told apart by their ids alone.
    events.push_note(
        20,
        Note {
            tuning: 25.0,
            ..note(8, true, 60)
        },
    );
    events.push_expression(20, shape(8, BEND, 1.0));
    events.push_expression(31, shape(7, VOLUME, 1.0));
    // A note that nobody has begun.
    events.push_expression(31, shape(9, VOLUME, 0.0));
    events.push_parameter(40, 0, 0.5);
    events.push_note(50, note(7, false, 60));
    events.push_expression(u32::try_from(FRAMES).unwrap() + 100, shape(8, VOLUME, 0.5));
    let (outputs, _) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
    let heights = [
        (0, 0.0),
        (3, 0.5),
        (10, 0.125),
        (20, 0.625),
        (31, 1.0),
        (40, 0.5),
        (50, 0.25),
        (63, 0.125),
    ];
    assert_eq!(steps(&outputs[0]), heights, "{}", format.name);
    assert_eq!(steps(&outputs[1]), [(0, 0.0), (20, 125.0)]);
    // It goes on in the next block, and a note off in MIDI finds it.
    let mut events = EventList::new();
    events.push_expression(0, shape(8, VOLUME, 1.0));
    events.push_midi(5, &[0x83, 60, 0]);
    let (outputs, _) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
    assert_eq!(steps(&outputs[0]), [(0, 0.25), (5, 0.0)]);
}

pub fn what_a_plugin_says_of_notes_comes_back(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "notes");
    let last = i32::MAX / 2;
    let mut events = EventList::new();
    events.push_note(
        0,
        Note {
            tuning: -12.5,
            ..note(0, true, 0)
        },
    );
    events.push_note(0, note(last, true, 127));
    events.push_expression(0, shape(0, VOLUME, 0.1));
    events.push_expression(17, shape(last, BEND, 1.0 / 3.0));
    events.push_note(17, note(0, false, 0));
    events.push_expression(63, shape(last, 199_999, 0.0));
    for _ in 0..3 {
        let (_, said) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
        assert_eq!(said, events, "{}", format.name);
    }
    // What came as MIDI goes as MIDI.
    let mut events = EventList::new();
    events.push_midi(1, &[0x90, 60, 100]);
    events.push_midi(9, &[0x80, 60, 64]);
    let (_, said) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
    assert_eq!(said, events, "{}", format.name);
}

pub fn what_can_be_shaped_is_listed(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "notes");
    for channel in [0, 15] {
        let types = plugin.note_expressions(0, channel).unwrap();
        let [volume, bend] = &types[..] else {
            panic!("{types:?}");
        };
        assert_eq!(
            (volume.type_id, &*volume.name, &*volume.short_name),
            (VOLUME, "Volume", "Vol")
        );
        assert_eq!(
            (volume.default_value, volume.minimum, volume.maximum),
            (1.0, 0.0, 1.0)
        );
        assert_eq!((volume.num_steps, volume.parameter), (0, Some(0)));
        assert!(!volume.is_bipolar && !volume.is_one_shot && !volume.is_absolute);
        assert_eq!(
            (bend.type_id, &*bend.name, &*bend.label),
            (BEND, "Bend", "ct")
        );
        assert_eq!(
            (bend.default_value, bend.num_steps, bend.parameter),
            (0.5, 201, None)
        );
        assert!(bend.is_bipolar);
    }
    assert_eq!(plugin.note_expressions(1, 0).unwrap(), []);
    let refused = plugin.note_expressions(0, 16).unwrap_err();
    assert_eq!(refused.reason, ErrorReason::InvalidInput);
    let none = format.open(&server, "midi");
    assert_eq!(none.note_expressions(0, 0).unwrap(), []);
    assert!(!none.takes_note_expression() && !none.supports_mpe());
    refuses_expressions(&none);
}

#[track_caller]
fn refuses_expressions(plugin: &Plugin) {
    let mut events = EventList::new();
    events.push_expression(0, shape(1, VOLUME, 0.5));
    let refused = play_events(plugin, &[0.0; FRAMES], &events).unwrap_err();
    assert_eq!(refused.reason, ErrorReason::Unsupported, "{refused}");
}

pub fn where_there_are_no_ids_a_note_is_midi(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "notes");
    assert!(!plugin.takes_note_expression());
    assert_eq!(plugin.note_expressions(0, 0).unwrap(), []);
    refuses_expressions(&plugin);
    let mut events = EventList::new();
    events.push_note(9, note(7, true, 60));
    events.push_note(40, note(7, false, 60));
    let (outputs, said) = play_events(&plugin, &[0.0; FRAMES], &events).unwrap();
    let heights = steps(&outputs[0]);
    assert_eq!(heights.len(), 3, "{}: {heights:?}", format.name);
    super::assert_near(heights[1].1, 64.0 / 127.0, "a note's height");
    assert_eq!((heights[1].0, heights[2]), (9, (40, 0.0)));
    let midi = [(9, vec![0x93, 60, 64]), (40, vec![0x83, 60, 64])];
    assert_eq!(midi_of(&said), midi);
    // What a chain passes on to it is counted.
    let first = NULL.open_with(&server, "gain", OpenOptions::default());
    let chain = PluginChain::new(vec![Arc::new(first), Arc::new(plugin)]).unwrap();
    events.push_expression(41, shape(7, VOLUME, 0.5));
    let mut said = EventList::new();
    let report = chain
        .process(
            Planes::None,
            Planes::None,
            PlanesMut::None,
            FRAMES,
            &events,
            &[],
            &mut said,
        )
        .unwrap();
    assert_eq!(report.events_dropped, 1);
    assert_eq!(midi_of(&said), midi);
}

pub fn notes_go_through_a_chain(format: &Format) {
    let server = server();
    let open = || Arc::new(format.open(&server, "notes"));
    let chain = PluginChain::new(vec![open(), open()]).unwrap();
    let mut events = EventList::new();
    events.push_note(1, note(5, true, 60));
    events.push_expression(2, shape(5, VOLUME, 0.5));
    let mut output = [[0.0f32; FRAMES]; 2];
    let [left, right] = &mut output;
    let mut said = EventList::new();
    let report = chain
        .process(
            Planes::None,
            Planes::None,
            PlanesMut::F32(&mut [left, right]),
            FRAMES,
            &events,
            &[],
            &mut said,
        )
        .unwrap();
    assert_eq!(report.events_dropped, 0);
    assert_eq!(said, events, "{}", format.name);
    assert_eq!(steps(&output[0]), [(0, 0.0), (1, 0.5), (2, 0.25)]);
}

pub fn what_is_no_note_is_refused_at_the_door(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "notes");
    let good = note(1, true, 60);
    let bad = [
        EventBody::Note(Note { id: -1, ..good }),
        EventBody::Note(Note {
            id: i32::MAX,
            ..good
        }),
        EventBody::Note(Note {
            channel: 16,
            ..good
        }),
        EventBody::Note(Note { key: 128, ..good }),
        EventBody::Note(Note {
            velocity: f32::NAN,
            ..good
        }),
        EventBody::Note(Note {
            velocity: -0.1,
            ..good
        }),
        EventBody::Note(Note {
            tuning: f32::INFINITY,
            ..good
        }),
        EventBody::Expression(shape(-1, VOLUME, 0.5)),
        EventBody::Expression(shape(1, u32::MAX, 0.5)),
        EventBody::Expression(shape(1, VOLUME, f64::NAN)),
        EventBody::Expression(shape(1, VOLUME, 1.5)),
    ];
    for body in bad {
        let mut events = EventList::new();
        events.push(plugpen::Event { offset: 0, body });
        let refused = play_events(&plugin, &[0.0; FRAMES], &events).unwrap_err();
        assert_eq!(refused.reason, ErrorReason::InvalidInput, "{body:?}");
    }
    play_events(&plugin, &[0.0; FRAMES], &EventList::new()).unwrap();
}
