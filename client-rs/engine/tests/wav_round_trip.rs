//! WAV files: what is written comes back, what is broken is refused.
#![allow(missing_docs, reason = "tests")]

use std::path::Path;

use plugpen_engine::{BitDepth, WavWriter, read_wav, wav_info, write_wav};
use plugpen_proto::v1::ErrorReason;
use proptest::prelude::*;

/// Largest error of a round trip, in full scales.
fn step(depth: BitDepth) -> f32 {
    match depth {
        BitDepth::Int16 => 0.5 / 32768.0,
        BitDepth::Int24 => 0.5 / 8_388_608.0,
        BitDepth::Float32 => 0.0,
    }
}

fn depth() -> impl Strategy<Value = BitDepth> {
    prop::sample::select(vec![BitDepth::Int16, BitDepth::Int24, BitDepth::Float32])
}

fn slices(planes: &[Vec<f32>]) -> Vec<&[f32]> {
    planes.iter().map(Vec::as_slice).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn samples_come_back_within_half_a_step(
        planes in (1_usize..4, 0_usize..50).prop_flat_map(|(channels, frames)| {
            prop::collection::vec(prop::collection::vec(-0.999_f32..0.999, frames), channels)
        }),
        rate in 1_u32..400_000,
        depth in depth(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        write_wav(&path, &slices(&planes), rate, depth).unwrap();
        let (read, read_rate) = read_wav(&path).unwrap();
        prop_assert_eq!(read_rate, rate);
        prop_assert_eq!(read.len(), planes.len());
        for (read, plane) in read.iter().zip(&planes) {
            prop_assert_eq!(read.len(), plane.len());
            for (a, b) in read.iter().zip(plane) {
                prop_assert!((a - b).abs() <= step(depth) * 1.001);
            }
        }
        let info = wav_info(&path).unwrap();
        prop_assert_eq!(info.channels, planes.len());
        prop_assert_eq!(info.frames, u64::try_from(planes[0].len()).unwrap());
    }

    #[test]
    fn damaged_files_never_panic(
        hits in prop::collection::vec((0_usize..90, any::<u8>()), 0..6),
        length in 0_usize..120,
        depth in depth(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        write_wav(&path, &[&[0.5; 5], &[0.25; 5]], 48_000, depth).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, byte) in hits {
            if let Some(hit) = bytes.get_mut(at) {
                *hit = byte;
            }
        }
        bytes.truncate(length);
        std::fs::write(&path, bytes).unwrap();
        let _ = read_wav(&path);
        let _ = wav_info(&path);
    }
}

fn rewritten(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn odd_chunks_and_missing_ends_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    write_wav(&path, &[&[0.5, -0.5, 0.25]], 8000, BitDepth::Int16).unwrap();
    rewritten(&path, |bytes| {
        bytes.splice(12..12, *b"LIST\x03\0\0\0abc\0");
    });
    assert_eq!(read_wav(&path).unwrap().0, [[0.5, -0.5, 0.25]]);
    // Cut within the last frame.
    rewritten(&path, |bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(read_wav(&path).unwrap().0, [[0.5, -0.5]]);
    // A length that was never filled in.
    rewritten(&path, |bytes| {
        let data = bytes.windows(4).position(|w| w == b"data").unwrap();
        bytes[data + 4..data + 8].fill(0xFF);
    });
    assert_eq!(read_wav(&path).unwrap().0, [[0.5, -0.5]]);
    assert_eq!(wav_info(&path).unwrap().frames, 2);
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let missing = read_wav(&path).unwrap_err();
    assert_eq!(missing.reason, ErrorReason::NotFound);
    assert_eq!(
        missing.message,
        format!("Audio file not found: {}", path.display())
    );
    std::fs::write(&path, "hello, this is text").unwrap();
    let text = wav_info(&path).unwrap_err();
    assert!(
        text.message.ends_with("it is not a WAV file"),
        "{}",
        text.message
    );
    let nowhere = folder.path().join("no").join("a.wav");
    let error = write_wav(&nowhere, &[&[0.0]], 48_000, BitDepth::Int24).unwrap_err();
    assert!(error.message.starts_with("Failed to open file for writing"));
    for (channels, rate) in [(0, 48_000), (1, 0), (70_000, 48_000), (2, u32::MAX)] {
        assert!(WavWriter::create(&path, channels, rate, BitDepth::Int16).is_err());
    }
    let mut writer = WavWriter::create(&path, 2, 48_000, BitDepth::Int16).unwrap();
    assert!(writer.write(&[&[0.0]]).is_err());
    assert!(writer.write(&[&[0.0], &[]]).is_err());
    writer.write(&[&[1.5], &[-1.5]]).unwrap();
    assert_eq!(writer.finish().unwrap(), 1);
    assert_eq!(read_wav(&path).unwrap().0, [[32767.0 / 32768.0], [-1.0]]);
    let error = BitDepth::from_bits(8).unwrap_err();
    assert_eq!(error.message, "bit_depth must be 16, 24, or 32, got 8");
}
