//! MIDI files of any content: nothing lost, nothing panics.
#![allow(missing_docs, reason = "tests")]

use plugpen_engine::{EventKind, MidiFile, MidiSchedule};
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

/// A chunk of a file.
fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = id.to_vec();
    chunk.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    chunk.extend(body);
    chunk
}

fn header(format: u8, tracks: u8, division: [u8; 2]) -> Vec<u8> {
    chunk(b"MThd", &[0, format, 0, tracks, division[0], division[1]])
}

/// Ways to write a track that no writer of ours has: running status, also through a meta event;
/// SysEx in packets; an end of track later than the last event; bytes behind it.
const ODD_TRACKS: [&[u8]; 4] = [
    b"\0\x90\x3c\x40\x10\x3e\x40\x10\xff\x01\x01a\x10\x3c\0\x81\0\xff\x2f\0",
    b"\0\xf0\x02\x01\x02\x05\xf7\x02\x03\x04\x05\xf7\x02\x05\xf7\0\xff\x2f\0",
    b"\x81\x80\0\xc3\x05\x87\xff\x7f\xff\x2f\0junk",
    b"\0\xff\x59\x01\0\0\xff\x51\x03\x07\xa1\x20\0\xf7\x01\xf8",
];

#[test]
fn an_edit_changes_its_track_and_nothing_else() {
    let strangers = [
        chunk(b"XFIH", b"odd"),
        chunk(b"XFKM", &[]),
        chunk(b"last", b"!"),
    ];
    let tracks = ODD_TRACKS.map(|body| chunk(b"MTrk", body));
    for format in [1, 2] {
        for division in [[0, 96], [0xE2, 80]] {
            let mut bytes = header(format, 4, division);
            bytes.extend([&strangers[0][..], &tracks[0], &tracks[1], &strangers[1]].concat());
            bytes.extend([&tracks[2][..], &tracks[3], &strangers[2]].concat());
            let mut file = MidiFile::parse(&bytes).unwrap();
            assert_eq!((file.num_tracks(), file.format()), (4, format));
            assert_eq!(file.to_bytes().unwrap(), bytes);
            // Looking changes nothing.
            file.duration_seconds();
            file.make_delta_ticks();
            file.make_absolute_ticks();
            assert_eq!(file.to_bytes().unwrap(), bytes);

            file.add_note_on(1, 7, 0, 60, 1).unwrap();
            file.add_track();
            let written = file.to_bytes().unwrap();
            let again = MidiFile::parse(&written).unwrap();
            assert_eq!(again.format(), format);
            assert_eq!(again.division(), file.division());
            assert_eq!(again.num_tracks(), 5);
            for (index, part) in [0, 2, 3].map(|index| (index, &tracks[index])) {
                let found = written.windows(part.len()).any(|window| window == part);
                assert!(found, "track {index} as it was");
            }
            for part in &strangers {
                assert!(written.windows(part.len()).any(|window| window == part));
            }
            assert_eq!(content(&again), content(&file));
        }
    }
}

#[test]
fn a_track_of_format_2_has_its_own_tempos() {
    let slow = b"\0\xff\x51\x03\x0f\x42\x40\x60\x90\x3c\x40\0\xff\x2f\0";
    let plain = b"\x60\x90\x3d\x40\0\xff\x2f\0";
    let seconds = |format| {
        let tracks = [chunk(b"MTrk", slow), chunk(b"MTrk", plain)].concat();
        let bytes = [header(format, 2, [0, 96]), tracks].concat();
        let file = MidiFile::parse(&bytes).unwrap();
        let note = |track| {
            let events = file.get_events(track).into_iter();
            let mut notes = events.filter(|event| event.kind.name() == "note_on");
            notes.next().unwrap().seconds
        };
        let schedule = MidiSchedule::new(&file, 1000.0);
        let samples: Vec<_> = schedule
            .iter()
            .map(|(at, message)| (at, message[1]))
            .collect();
        (note(0), note(1), samples)
    };
    assert_eq!(seconds(1), (1.0, 1.0, vec![(1000, 60), (1000, 61)]));
    assert_eq!(seconds(2), (1.0, 0.5, vec![(500, 61), (1000, 60)]));
}

#[test]
fn smpte_ticks_are_parts_of_seconds() {
    for (fps, ticks, seconds) in [
        (24, 100, 2400.0 / 2400.0),
        (25, 40, 2400.0 / 1000.0),
        (29, 80, 2400.0 / (80.0 * 30.0 / 1.001)),
        (30, 80, 1.0),
    ] {
        // A tempo says nothing there.
        let track = b"\0\xff\x51\x03\x00\x00\x01\x92\x60\x90\x3c\x40\0\xff\x2f\0";
        let division = [0u8.wrapping_sub(fps), ticks];
        let bytes = [header(0, 1, division), chunk(b"MTrk", track)].concat();
        let mut file = MidiFile::parse(&bytes).unwrap();
        let duration = file.duration_seconds();
        assert!((duration - seconds).abs() < 1e-12, "{fps}: {duration}");
        file.add_note_off(0, 2400, 0, 60, 0).unwrap();
        let again = MidiFile::parse(&file.to_bytes().unwrap()).unwrap();
        assert_eq!(again.division(), file.division());
    }
}

#[test]
fn sysex_and_meta_events_can_be_added() {
    let mut file = MidiFile::new();
    file.add_sysex(0, 5, b"\xf0\x7e\x7f\x09\x01\xf7").unwrap();
    file.add_meta(0, 6, 3, b"Strings").unwrap();
    let loaded = MidiFile::parse(&file.to_bytes().unwrap()).unwrap();
    let kinds: Vec<_> = loaded
        .get_events(0)
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds[0].message().unwrap(), b"\xf0\x7e\x7f\x09\x01\xf7");
    assert_eq!(kinds[1], EventKind::meta(3, b"Strings"));
    let schedule = MidiSchedule::new(&loaded, 48_000.0);
    assert_eq!(
        schedule.iter().next().unwrap().1,
        b"\xf0\x7e\x7f\x09\x01\xf7"
    );
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
            let events = content(&file);
            // With a further track the others stay as they were.
            file.add_track();
            let again = MidiFile::parse(&file.to_bytes().unwrap()).unwrap();
            prop_assert_eq!(&content(&again)[..events.len()], &events[..]);
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
