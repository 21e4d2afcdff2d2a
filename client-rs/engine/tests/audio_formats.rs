//! Files that other programs wrote, in every format that is read, whole and damaged.
#![allow(missing_docs, reason = "tests")]

use std::f64::consts::PI;
use std::path::{Path, PathBuf};

use plugpen_engine::{AudioReader, audio_info, read_audio};
use proptest::prelude::*;

/// Files, their frames, and how well they keep the signal: 0 is exactly, else the least ratio of
/// signal to error in dB.
const FILES: &[(&str, u64, f64)] = &[
    ("s16.flac", 5000, 0.0),
    ("s24.flac", 5000, 0.0),
    ("alac.m4a", 5000, 0.0),
    ("alac.caf", 5000, 0.0),
    // lame turns it down by a twentieth.
    ("vbr.mp3", 5000, 25.0),
    ("cbr.mp3", 5000, 25.0),
    ("vorbis.ogg", 5000, 20.0),
    ("u8.wav", 500, 30.0),
    ("s16.wav", 500, 0.0),
    ("s24.wav", 500, 0.0),
    ("s32.wav", 500, 0.0),
    ("f32.wav", 500, 0.0),
    ("f64.wav", 500, 0.0),
    ("alaw.wav", 500, 30.0),
    ("mulaw.wav", 500, 30.0),
    ("s16.aiff", 500, 0.0),
    ("s24.aiff", 500, 0.0),
    ("f32.aiff", 500, 0.0),
    ("s16.caf", 500, 0.0),
    ("f32.caf", 500, 0.0),
    ("rf64.wav", 500, 0.0),
    ("s24.w64", 500, 0.0),
    ("six.wav", 500, 0.0),
];

/// The frames that a header says: ffmpeg's says that the last packet is full.
fn said(name: &str, frames: u64) -> u64 {
    match name {
        "alac.caf" => 8192,
        _ => frames,
    }
}

fn file(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/audio");
    data.join(name)
}

/// The signal that `tests/data/make_audio.py` wrote.
fn signal(channel: usize, frames: usize) -> Vec<f32> {
    let (hertz, peak) = [(441.0, 13_000.0), (1_000.0, 10_000.0)][channel % 2];
    #[allow(clippy::cast_possible_truncation, reason = "whole numbers of 16 bits")]
    (0_u32..)
        .take(frames)
        .map(|frame| {
            let sample = (2.0 * PI * hertz * f64::from(frame) / 44_100.0).sin() * peak;
            (sample.round_ties_even() / 32_768.0) as f32
        })
        .collect()
}

/// The ratio of a signal to what is added to it, in dB.
fn ratio(read: &[f32], signal: &[f32]) -> f64 {
    let power = |samples: &mut dyn Iterator<Item = f64>| samples.map(|s| s * s).sum::<f64>();
    let error = read.iter().zip(signal).map(|(a, b)| f64::from(a - b));
    let signal = signal.iter().map(|sample| f64::from(*sample));
    10.0 * (power(&mut { signal }) / power(&mut { error })).log10()
}

#[test]
fn every_format_is_read_as_it_was_written() {
    for (name, frames, least) in FILES {
        let (planes, rate) = read_audio(file(name)).unwrap();
        let info = audio_info(file(name)).unwrap();
        assert_eq!((rate, info.sample_rate), (44_100, 44_100), "{name}");
        assert_eq!(
            planes.len(),
            if *name == "six.wav" { 6 } else { 2 },
            "{name}"
        );
        assert_eq!(
            (info.channels, info.frames),
            (planes.len(), said(name, *frames)),
            "{name}"
        );
        for (channel, plane) in planes.iter().enumerate() {
            let signal = signal(channel, plane.len());
            assert_eq!(u64::try_from(plane.len()).unwrap(), *frames, "{name}");
            match *least {
                0.0 => assert_eq!(*plane, signal, "{name}"),
                least => {
                    let ratio = ratio(plane, &signal);
                    assert!(ratio > least, "{name}: {ratio} dB");
                }
            }
        }
    }
}

/// What is before the sound is not cut where no header says how much it is; the rest is there.
#[test]
fn encoders_without_a_header_leave_what_they_put_in_front() {
    for (name, front, least) in [
        ("plain.mp3", 1105, 25.0),
        ("aac.m4a", 1024, 15.0),
        ("aac.aac", 1024, 15.0),
        ("adpcm-ms.wav", 0, 30.0),
        ("adpcm-ima.wav", 0, 30.0),
    ] {
        let (planes, _) = read_audio(file(name)).unwrap();
        let frames = audio_info(file(name)).unwrap().frames;
        for (channel, plane) in planes.iter().enumerate() {
            assert_eq!(u64::try_from(plane.len()).unwrap(), frames, "{name}");
            let ratio = ratio(&plane[front..front + 4800], &signal(channel, 4800));
            assert!(ratio > least, "{name}: {ratio} dB");
        }
    }
}

#[test]
fn any_position_can_be_read_from() {
    let all = FILES.iter().map(|(name, ..)| *name);
    for name in all.chain(["plain.mp3", "aac.m4a", "aac.aac", "adpcm-ms.wav"]) {
        let (planes, _) = read_audio(file(name)).unwrap();
        let frames = planes[0].len();
        let mut reader = AudioReader::open(file(name)).unwrap();
        let mut block = vec![vec![0.0; 100]; planes.len()];
        for at in [
            frames / 2,
            0,
            frames - 10,
            7,
            frames / 3,
            frames,
            frames / 2,
        ] {
            reader.seek(u64::try_from(at).unwrap()).unwrap();
            assert_eq!(reader.position(), u64::try_from(at).unwrap(), "{name}");
            let mut room: Vec<_> = block.iter_mut().map(Vec::as_mut_slice).collect();
            let read = reader.read(&mut room).unwrap();
            assert_eq!(read, (frames - at).min(100), "{name} at {at}");
            for (plane, block) in planes.iter().zip(&block) {
                let expected = &plane[at..at + read];
                let same = block[..read]
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - b).abs() < 1e-6);
                assert!(same, "{name} at {at}");
            }
        }
    }
}

#[test]
fn the_name_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (name, frames, _) in FILES {
        let path = folder.path().join("mislabelled.txt");
        std::fs::copy(file(name), &path).unwrap();
        let info = audio_info(&path).unwrap();
        assert_eq!(info.frames, said(name, *frames), "{name}");
    }
    std::fs::copy(file("aac.m4a"), folder.path().join("a.wav")).unwrap();
    read_audio(folder.path().join("a.wav")).unwrap();
}

fn names() -> impl Strategy<Value = &'static str> {
    let names: Vec<_> = FILES.iter().map(|(name, ..)| *name).collect();
    let others = [
        "plain.mp3",
        "aac.m4a",
        "aac.aac",
        "adpcm-ms.wav",
        "adpcm-ima.wav",
    ];
    prop::sample::select([names, others.to_vec()].concat())
}

/// Reads it or refuses it with its name; never more than a file of its size can hold.
fn survive(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    std::fs::write(&path, bytes).unwrap();
    for error in [read_audio(&path).err(), audio_info(&path).err()]
        .into_iter()
        .flatten()
    {
        assert!(error.message.contains("damaged"), "{}", error.message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 512 }))]
    #[test]
    fn a_file_cut_short_gives_what_it_has(name in names(), part in 0.0..1.0_f64) {
        let bytes = std::fs::read(file(name)).unwrap();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a part of a file")]
        let length = (bytes.len() as f64 * part) as usize;
        survive(&bytes[..length]);
    }

    #[test]
    fn a_damaged_file_does_no_harm(
        name in names(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        head in prop::collection::vec((0_usize..200, any::<u8>()), 0..4),
    ) {
        let mut bytes = std::fs::read(file(name)).unwrap();
        let length = bytes.len();
        for (at, byte) in hits {
            bytes[at.index(length)] = byte;
        }
        for (at, byte) in head {
            bytes[at] = byte;
        }
        survive(&bytes);
    }
}

#[test]
fn lengths_that_are_lies_allocate_nothing() {
    // A header that promises 2^36 frames of 8 channels, and as many bytes.
    let mut flac = std::fs::read(file("s16.flac")).unwrap();
    flac[21] |= 0x0F;
    flac[22..26].fill(0xFF);
    survive(&flac);
    let mut wave = std::fs::read(file("rf64.wav")).unwrap();
    wave[20..48].fill(0x7F);
    survive(&wave);
    let mut sony = std::fs::read(file("s24.w64")).unwrap();
    for at in (24..sony.len() - 8).step_by(8) {
        let kept = sony[at..at + 8].to_vec();
        sony[at..at + 8].fill(0xFF);
        survive(&sony);
        sony[at..at + 8].copy_from_slice(&kept);
    }
}
