//! MIDI files of any content: nothing lost, nothing panics.
#![allow(missing_docs, reason = "tests")]

use plugpen_engine::{EventKind, MidiFile};
use proptest::prelude::*;

/// Tick and kind of the events of each track, sorted, without the marks of tracks' ends.
fn content(file: &MidiFile) -> Vec<Vec<(i64, EventKind)>> {
    (0..)
        .take(file.num_tracks())
        .map(|track| {
            let events = file.get_events(track).into_iter();
            let mut events: Vec<_> = events
                .filter(|event| event.kind.status() != 0xFF || event.kind.name() != "meta")
                .map(|event| (event.tick, event.kind))
                .collect();
            events.sort_by_key(|(tick, _)| *tick);
            events
        })
        .collect()
}

#[derive(Debug, Clone)]
enum Edit {
    NoteOn(i64, i64, i64),
    NoteOff(i64, i64, i64),
    Control(i64, i64, i64),
    Program(i64, i64),
    Bend(i64, i64),
    Tempo(f64),
    AddTrack,
}

fn edit() -> impl Strategy<Value = Edit> {
    let channel = || 0_i64..16;
    let seven = || 0_i64..128;
    prop_oneof![
        4 => (channel(), seven(), seven()).prop_map(|(c, p, v)| Edit::NoteOn(c, p, v)),
        4 => (channel(), seven(), seven()).prop_map(|(c, p, v)| Edit::NoteOff(c, p, v)),
        2 => (channel(), seven(), seven()).prop_map(|(c, n, v)| Edit::Control(c, n, v)),
        1 => (channel(), seven()).prop_map(|(c, p)| Edit::Program(c, p)),
        1 => (channel(), 0_i64..16384).prop_map(|(c, v)| Edit::Bend(c, v)),
        1 => (4.0..1000.0).prop_map(Edit::Tempo),
        1 => Just(Edit::AddTrack),
    ]
}

fn built(edits: Vec<(usize, i64, Edit)>) -> MidiFile {
    let mut file = MidiFile::new();
    for (track, tick, edit) in edits {
        let track = i64::try_from(track % file.num_tracks()).unwrap();
        match edit {
            Edit::NoteOn(c, p, v) => file.add_note_on(track, tick, c, p, v),
            Edit::NoteOff(c, p, v) => file.add_note_off(track, tick, c, p, v),
            Edit::Control(c, n, v) => file.add_control_change(track, tick, c, n, v),
            Edit::Program(c, p) => file.add_program_change(track, tick, c, p),
            Edit::Bend(c, v) => file.add_pitch_bend(track, tick, c, v),
            Edit::Tempo(bpm) => file.add_tempo(track, tick, bpm),
            Edit::AddTrack => {
                file.add_track();
                Ok(())
            }
        }
        .unwrap();
    }
    file
}

fn ticks() -> impl Strategy<Value = i64> {
    prop_oneof![20 => 0_i64..5000, 1 => 0_i64..=i64::from(i32::MAX)]
}

proptest! {
    #[test]
    fn what_is_saved_loads_equal(
        edits in prop::collection::vec((0_usize..8, ticks(), edit()), 0..60),
        resolution in 1_i64..=32767,
    ) {
        let mut file = built(edits);
        file.set_ticks_per_quarter(resolution).unwrap();
        let bytes = file.to_bytes().unwrap();
        let mut loaded = MidiFile::parse(&bytes).unwrap();
        prop_assert_eq!(content(&loaded), content(&file));
        prop_assert_eq!(i64::from(loaded.ticks_per_quarter()), resolution);
        prop_assert_eq!(loaded.duration_seconds(), file.duration_seconds());
        // Untouched, and touched without a difference.
        prop_assert_eq!(&loaded.to_bytes().unwrap(), &bytes);
        loaded.set_ticks_per_quarter(resolution).unwrap();
        prop_assert_eq!(&loaded.to_bytes().unwrap(), &bytes);
    }

    #[test]
    fn joining_loses_nothing_and_splitting_undoes_it(
        edits in prop::collection::vec((0_usize..8, ticks(), edit()), 0..60),
    ) {
        let mut file = built(edits);
        let before = content(&file);
        file.join_tracks();
        prop_assert_eq!(file.num_tracks(), 1);
        prop_assert_eq!(content(&file)[0].len(), before.iter().map(Vec::len).sum::<usize>());
        file.split_tracks();
        prop_assert_eq!(content(&file), before);
    }

    #[test]
    fn strangers_bytes_never_panic(
        header in prop::collection::vec(any::<u8>(), 6),
        body in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(vec![0, 0x80, 0x90, 0xC0, 0xF0, 0xF7, 0xFF, 0x2F, 0x51, 0x54, 0x58, 0x59]),
        ], 0..200),
        whole_header in any::<bool>(),
    ) {
        let mut bytes = b"MThd\0\0\0\x06".to_vec();
        if whole_header {
            bytes.extend([0, 1, 0, 1, 0, 96]);
        } else {
            bytes.extend(header);
        }
        bytes.extend(b"MTrk");
        bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(&body);
        if let Ok(mut file) = MidiFile::parse(&bytes) {
            prop_assert_eq!(&file.to_bytes().unwrap(), &bytes);
            // Written anew, it says the same.
            file.join_tracks();
            file.split_tracks();
            let again = MidiFile::parse(&file.to_bytes().unwrap()).unwrap();
            prop_assert_eq!(content(&again), content(&file));
        }
        let _ = MidiFile::parse(&body);
    }
}

#[test]
fn long_gaps_fit_into_a_file() {
    let mut file = MidiFile::new();
    let last = i64::from(i32::MAX);
    file.add_note_on(0, last, 0, 60, 1).unwrap();
    let loaded = MidiFile::parse(&file.to_bytes().unwrap()).unwrap();
    assert_eq!(content(&loaded), [[(last, EventKind::note_on(0, 60, 1))]]);
}

#[test]
fn files_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.mid");
    let mut file = MidiFile::new();
    file.add_note_on(0, 120, 0, 60, 1).unwrap();
    file.save(&path).unwrap();
    let loaded = MidiFile::load(&path).unwrap();
    assert_eq!(loaded.get_events(0)[0].seconds, 0.5);
    let missing = MidiFile::load(folder.path().join("no.mid")).unwrap_err();
    assert!(missing.message.starts_with("cannot read MIDI file"));
    assert!(file.save(folder.path().join("no/song.mid")).is_err());
}
