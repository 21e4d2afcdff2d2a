//! Audio files: what is written comes back, also to other readers; what cannot be is refused.
#![allow(missing_docs, reason = "tests")]

use std::path::Path;

use plugpen_engine::{
    AudioWriter, BitDepth, BroadcastInfo, WriteOptions, audio_info, read_audio, write_audio,
};
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

fn options(channels: usize, sample_rate: u32, depth: BitDepth) -> WriteOptions {
    WriteOptions {
        channels,
        sample_rate,
        depth,
        broadcast: None,
    }
}

fn write(
    path: &Path,
    planes: &[&[f32]],
    sample_rate: u32,
    depth: BitDepth,
) -> Result<(), plugpen_proto::Error> {
    write_audio(path, planes, &options(planes.len(), sample_rate, depth))
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
        write(&path, &slices(&planes), rate, depth).unwrap();
        let (read, read_rate) = read_audio(&path).unwrap();
        prop_assert_eq!(read_rate, rate);
        prop_assert_eq!(read.len(), planes.len());
        for (read, plane) in read.iter().zip(&planes) {
            prop_assert_eq!(read.len(), plane.len());
            for (a, b) in read.iter().zip(plane) {
                prop_assert!((a - b).abs() <= step(depth) * 1.001);
            }
        }
        let info = audio_info(&path).unwrap();
        prop_assert_eq!(info.channels, planes.len());
        prop_assert_eq!(info.frames, u64::try_from(planes[0].len()).unwrap());
    }

    #[test]
    fn damaged_files_never_panic(
        hits in prop::collection::vec((0_usize..140, any::<u8>()), 0..6),
        length in 0_usize..180,
        depth in depth(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        write(&path, &[&[0.5; 5], &[0.25; 5]], 48_000, depth).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, byte) in hits {
            if let Some(hit) = bytes.get_mut(at) {
                *hit = byte;
            }
        }
        bytes.truncate(length);
        std::fs::write(&path, bytes).unwrap();
        let _ = read_audio(&path);
        let _ = audio_info(&path);
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
    write(&path, &[&[0.5, -0.5, 0.25]], 8000, BitDepth::Int16).unwrap();
    rewritten(&path, |bytes| {
        bytes.splice(12..12, *b"LIST\x03\0\0\0abc\0");
    });
    assert_eq!(read_audio(&path).unwrap().0, [[0.5, -0.5, 0.25]]);
    // Cut within the last frame.
    rewritten(&path, |bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(read_audio(&path).unwrap().0, [[0.5, -0.5]]);
    // A length that was never filled in.
    rewritten(&path, |bytes| {
        let data = bytes.windows(4).position(|w| w == b"data").unwrap();
        bytes[data + 4..data + 8].fill(0xFF);
    });
    assert_eq!(read_audio(&path).unwrap().0, [[0.5, -0.5]]);
    assert_eq!(audio_info(&path).unwrap().frames, 2);
    // None was, because whoever wrote the file was killed.
    rewritten(&path, |bytes| {
        let data = bytes.windows(4).position(|w| w == b"data").unwrap();
        bytes[data + 4..data + 8].fill(0);
        bytes[4..8].fill(0);
    });
    assert_eq!(read_audio(&path).unwrap().0, [[0.5, -0.5]]);
    // A file that says where it ends is empty if it says so.
    rewritten(&path, |bytes| {
        let all = u32::try_from(bytes.len() - 8).unwrap();
        bytes[4..8].copy_from_slice(&all.to_le_bytes());
    });
    assert_eq!(audio_info(&path).unwrap().frames, 0);
}

#[test]
fn samples_of_a_stream_without_an_end_are_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/audio");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.w64");
    std::fs::copy(data.join("s24.w64"), &path).unwrap();
    let whole = read_audio(&path).unwrap();
    rewritten(&path, |bytes| {
        let data = bytes.windows(4).position(|w| w == b"data").unwrap();
        bytes[data + 16..data + 24].fill(0xFF);
    });
    assert_eq!(read_audio(&path).unwrap(), whole);
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let missing = read_audio(&path).unwrap_err();
    assert_eq!(missing.reason, ErrorReason::NotFound);
    assert_eq!(
        missing.message,
        format!("Audio file not found: {}", path.display())
    );
    std::fs::write(&path, "hello, this is text").unwrap();
    let text = audio_info(&path).unwrap_err();
    assert!(
        text.message.contains("not an audio file of a known format"),
        "{}",
        text.message
    );
    let nowhere = folder.path().join("no").join("a.wav");
    let error = write(&nowhere, &[&[0.0]], 48_000, BitDepth::Int24).unwrap_err();
    assert!(error.message.starts_with("Failed to open file for writing"));
    for (channels, rate) in [(0, 48_000), (1, 0), (70_000, 48_000), (2, u32::MAX)] {
        assert!(AudioWriter::create(&path, &options(channels, rate, BitDepth::Int16)).is_err());
    }
    let mut writer = AudioWriter::create(&path, &options(2, 48_000, BitDepth::Int16)).unwrap();
    assert!(writer.write(&[&[0.0]]).is_err());
    assert!(writer.write(&[&[0.0], &[]]).is_err());
    writer.write(&[&[1.5], &[-1.5]]).unwrap();
    assert_eq!(writer.finish().unwrap(), 1);
    assert_eq!(read_audio(&path).unwrap().0, [[32767.0 / 32768.0], [-1.0]]);
    let error = BitDepth::from_bits(8).unwrap_err();
    assert_eq!(error.message, "bit_depth must be 16, 24, or 32, got 8");
}

/// hound, which has never seen ours, reads the same.
#[test]
fn another_reader_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let plane: Vec<f32> = (-8_i16..8).map(|step| f32::from(step) / 8.0).collect();
    for channels in [1, 2, 5] {
        for depth in [BitDepth::Int16, BitDepth::Int24, BitDepth::Float32] {
            let planes = vec![plane.as_slice(); channels];
            write(&path, &planes, 44_100, depth).unwrap();
            let mut reader = hound::WavReader::open(&path).unwrap();
            let spec = reader.spec();
            assert_eq!(usize::from(spec.channels), channels);
            assert_eq!(
                (spec.sample_rate, spec.bits_per_sample),
                (44_100, depth.bits())
            );
            assert_eq!(reader.duration(), 16);
            let scale = 2.0_f32.powi(i32::from(depth.bits()) - 1);
            let samples: Vec<f32> = match spec.sample_format {
                hound::SampleFormat::Float => reader.samples().map(Result::unwrap).collect(),
                hound::SampleFormat::Int => reader
                    .samples::<i32>()
                    .map(|sample| {
                        #[allow(clippy::cast_precision_loss, reason = "24 bits fit")]
                        let sample = sample.unwrap() as f32;
                        sample / scale
                    })
                    .collect(),
            };
            let expected = plane.iter().flat_map(|s| std::iter::repeat_n(*s, channels));
            assert!(samples.into_iter().eq(expected), "{channels} {depth:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn flac_comes_back_exactly(
        channels in 1_usize..9,
        frames in prop::sample::select(vec![1_usize, 2, 15, 4095, 4096, 4097, 9000]),
        rate in prop::sample::select(vec![1_u32, 8000, 44_100, 65_535, 65_536, 96_000, 192_000, 655_350]),
        depth in prop::sample::select(vec![BitDepth::Int16, BitDepth::Int24]),
        loud in 0.0..2.0_f32,
        seed in any::<u32>(),
        pieces in 1_usize..5000,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.flac");
        let mut state = seed | 1;
        let planes: Vec<Vec<f32>> = (0..channels).map(|_| (0..frames).map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            #[allow(clippy::cast_precision_loss, reason = "noise")]
            let noise = state as f32 / 2.0_f32.powi(31) - 1.0;
            noise * loud
        }).collect()).collect();
        let mut writer = AudioWriter::create(&path, &options(channels, rate, depth)).unwrap();
        for begin in (0..frames).step_by(pieces) {
            let end = frames.min(begin + pieces);
            let block: Vec<_> = planes.iter().map(|plane| &plane[begin..end]).collect();
            writer.write(&block).unwrap();
        }
        prop_assert_eq!(writer.finish().unwrap(), u64::try_from(frames).unwrap());
        let info = audio_info(&path).unwrap();
        prop_assert_eq!((info.channels, info.sample_rate), (channels, rate));
        prop_assert_eq!(info.frames, u64::try_from(frames).unwrap());
        let (read, _) = read_audio(&path).unwrap();
        let wave = folder.path().join("a.wav");
        write(&wave, &slices(&planes), rate.min(400_000), depth).unwrap();
        prop_assert_eq!(read, read_audio(&wave).unwrap().0);
    }
}

#[test]
fn what_flac_has_not_got_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.flac");
    let check = |options: WriteOptions, message: &str| {
        let error = AudioWriter::create(&path, &options).unwrap_err();
        assert!(error.message.contains(message), "{}", error.message);
        assert!(!path.exists());
    };
    check(
        options(2, 48_000, BitDepth::Float32),
        "bit_depth must be 16 or 24 for FLAC, got 32",
    );
    check(options(9, 48_000, BitDepth::Int16), "1 to 8 channels");
    check(options(2, 1 << 20, BitDepth::Int16), "1 to 655350 Hz");
    let broadcast = Some(BroadcastInfo::default());
    check(
        WriteOptions {
            broadcast,
            ..options(2, 48_000, BitDepth::Int16)
        },
        "only WAV files",
    );
    let empty = AudioWriter::create(&path, &options(1, 48_000, BitDepth::Int16)).unwrap();
    assert!(
        empty
            .finish()
            .unwrap_err()
            .message
            .ends_with("at least one frame")
    );
    assert!(!path.exists());
    let other = AudioWriter::create(
        folder.path().join("a.ogg"),
        &options(2, 48_000, BitDepth::Int16),
    );
    assert_eq!(
        other.unwrap_err().message,
        "Unsupported audio format for writing: '.ogg'. Supported: WAV (.wav), FLAC (.flac)."
    );
}

#[test]
fn broadcast_fields_are_in_front() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let broadcast = BroadcastInfo {
        originator: "plugpen".into(),
        coding_history: "A=PCM".into(),
        ..BroadcastInfo::default()
    };
    let options = WriteOptions {
        broadcast: Some(broadcast),
        ..options(1, 48_000, BitDepth::Int16)
    };
    write_audio(&path, &[&[0.5, 0.25]], &options).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // After "RIFF", "WAVE" and the free space; of odd length, and padded.
    assert_eq!(&bytes[48..56], b"bext\x5F\x02\0\0");
    assert_eq!(&bytes[56 + 256..56 + 263], b"plugpen");
    assert_eq!(&bytes[56 + 602..56 + 608 + 4], b"A=PCM\0fmt ");
    assert_eq!(read_audio(&path).unwrap().0, [[0.5, 0.25]]);
}

fn listed(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_has_its_name_only_once_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.wav", "a.flac"] {
        let path = folder.path().join(name);
        let options = options(1, 48_000, BitDepth::Int16);
        write_audio(&path, &[&[0.5]], &options).unwrap();
        let before = std::fs::read(&path).unwrap();
        let mut writer = AudioWriter::create(&path, &options).unwrap();
        writer.write(&[&[0.25; 10_000]]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before);
        drop(writer);
        assert_eq!(listed(folder.path()), [name]);
        let mut writer = AudioWriter::create(&path, &options).unwrap();
        writer.write(&[&[0.25; 10_000]]).unwrap();
        assert_eq!(listed(folder.path()).len(), 2);
        writer.finish().unwrap();
        assert_eq!(listed(folder.path()), [name]);
        assert_eq!(audio_info(&path).unwrap().frames, 10_000);
        std::fs::remove_file(path).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("a.wav"), folder.path().join("b.wav"));
    let options = options(1, 48_000, BitDepth::Int16);
    write_audio(&path, &[&[0.5]], &options).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&path, &link).unwrap();
    write_audio(&link, &[&[0.5; 3]], &options).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(audio_info(&path).unwrap().frames, 3);
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let not_a_file = folder.path().join("c.wav");
    std::fs::create_dir(&not_a_file).unwrap();
    let error = write_audio(&not_a_file, &[&[0.5]], &options).unwrap_err();
    assert!(error.message.ends_with("it is there and not a file"));
}

/// 5 GiB, which is RF64; without `PLUGPEN_FULL` a tenth of a second.
#[test]
fn a_long_file_can_be_read_to_its_end() {
    let full = std::env::var_os("PLUGPEN_FULL").is_some();
    let blocks: u64 = if full { 5 * 1024 } else { 1 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    let mut writer = AudioWriter::create(&path, &options(4, 192_000, BitDepth::Float32)).unwrap();
    let block = vec![0.25_f32; 1 << 16];
    for _ in 0..blocks {
        writer.write(&[&block, &block, &block, &block]).unwrap();
    }
    writer.write(&[&[1.0], &[2.0], &[3.0], &[4.0]]).unwrap();
    let frames = writer.finish().unwrap();
    assert_eq!(frames, blocks * 65_536 + 1);
    let mut head = [0; 4];
    let mut file = std::fs::File::open(&path).unwrap();
    std::io::Read::read_exact(&mut file, &mut head).unwrap();
    let large = path.metadata().unwrap().len() > u64::from(u32::MAX);
    assert_eq!(head, if large { *b"RF64" } else { *b"RIFF" });
    assert_eq!(large, full);
    let mut reader = plugpen_engine::AudioReader::open(&path).unwrap();
    assert_eq!(reader.frames(), frames);
    reader.seek(frames - 1).unwrap();
    let mut last = [[0.0_f32; 8]; 4];
    let mut room: Vec<_> = last.iter_mut().map(|plane| &mut plane[..]).collect();
    assert_eq!(reader.read(&mut room).unwrap(), 1);
    assert_eq!(last.map(|plane| plane[0]), [1.0, 2.0, 3.0, 4.0]);
}
