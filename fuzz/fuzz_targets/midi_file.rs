//! MIDI files: unchanged ones are written as they were, changed ones say the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugpen_engine::{MidiFile, MidiSchedule};

fuzz_target!(|data: &[u8]| {
    let Ok(mut file) = MidiFile::parse(data) else {
        return;
    };
    assert_eq!(file.to_bytes().unwrap(), data);
    assert!(file.duration_seconds() >= 0.0);
    let events = MidiSchedule::new(&file, 48_000.0).len();
    file.add_track();
    let with_a_track = MidiFile::parse(&file.to_bytes().unwrap()).unwrap();
    assert_eq!(MidiSchedule::new(&with_a_track, 48_000.0).len(), events);
    file.join_tracks();
    file.split_tracks();
    let written = file.to_bytes().unwrap();
    let again = MidiFile::parse(&written).unwrap();
    assert_eq!(again.num_tracks(), file.num_tracks());
});
