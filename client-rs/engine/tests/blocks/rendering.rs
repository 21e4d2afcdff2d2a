//! Renders are the same however many blocks are in flight, and start at the right sample.

use plugpen_engine::{
    AudioInput, BlockProcessor, Io, MidiFile, MidiRenderer, MidiStream, RenderOptions, Tail,
    TempoMap, process_audio, process_audio_each, render_midi,
};
use plugpen_proto::Error;
use plugpen_proto::event::EventList;
use plugpen_proto::v1::ErrorReason;
use proptest::prelude::*;

use crate::memory::{Memory, instrument};

/// At 120 ticks a quarter note, 120 bpm and 24 kHz a tick is 100 frames.
fn rate(io: Io) -> Io {
    Io {
        sample_rate: 24_000.0,
        ..io
    }
}

fn song(notes: &[(i64, i64)]) -> MidiFile {
    let mut file = MidiFile::new();
    for (tick, velocity) in notes {
        file.add_note_on(0, *tick, 0, 60, *velocity).unwrap();
    }
    file
}

fn options(block_size: usize, tail: Tail) -> RenderOptions {
    RenderOptions {
        block_size,
        tail,
        ..RenderOptions::default()
    }
}

fn bits(planes: &[Vec<f32>]) -> Vec<Vec<u32>> {
    let bits = |plane: &Vec<f32>| plane.iter().map(|sample| sample.to_bits()).collect();
    planes.iter().map(bits).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pipelined_is_block_by_block(
        notes in prop::collection::vec((0_i64..40, 1_i64..128), 0..12),
        block_size in 1_usize..700,
        latency in prop_oneof![Just(0_usize), 1_usize..1500],
        depth in 1_usize..9,
        look_ahead in 1_usize..9,
        tail in prop_oneof![Just(Tail::Auto), (0.0..0.2).prop_map(Tail::Seconds)],
    ) {
        let file = song(&notes);
        let io = rate(Io { latency_samples: latency, ..instrument() });
        let options = RenderOptions {
            look_ahead,
            max_tail_seconds: 0.3,
            tail_threshold: 0.1,
            ..options(block_size, tail)
        };
        let one = RenderOptions { look_ahead: 1, ..options.clone() };
        let mut single = Memory::new(io, 1).with(0.0, 300);
        let expected = render_midi(&mut single, &file, &one).unwrap();
        let mut deep = Memory::new(io, depth).with(0.0, 300);
        let rendered = render_midi(&mut deep, &file, &options).unwrap();
        prop_assert_eq!(bits(&rendered), bits(&expected));
        prop_assert_eq!(deep.in_flight(), 0);
        prop_assert!(deep.heard.starts_with(&single.heard));

        // The latency is taken out to the sample.
        let mut first = vec![0.0; rendered[0].len()];
        for (tick, velocity) in &notes {
            if let Some(sample) = first.get_mut(usize::try_from(tick * 100).unwrap()) {
                *sample += f64::from(i32::try_from(*velocity).unwrap()) / 127.0;
            }
        }
        for frame in 300..first.len() {
            first[frame] += first[frame - 300] * 0.5;
        }
        for (sample, expected) in rendered[0].iter().zip(first) {
            prop_assert!((f64::from(*sample) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn audio_comes_out_as_long_as_it_went_in(
        frames in 0_usize..3000,
        shorter in 0_usize..100,
        block_size in 1_usize..700,
        latency in 0_usize..1500,
        depth in 1_usize..9,
        gain_at in 1_u32..3000,
    ) {
        let ramp = |length: usize| -> Vec<f32> {
            (0_u16..).take(length).map(|frame| f32::from(frame) / 4096.0).collect()
        };
        let (left, right) = (ramp(frames), ramp(frames.saturating_sub(shorter)));
        let io = rate(Io { latency_samples: latency, max_block_size: 4096, ..Io::default() });
        let mut events = EventList::new();
        events.push_parameter(gain_at, 0, 0.25);
        events.push_parameter(0, 0, 0.5);
        let input = AudioInput {
            audio: &[&left, &right],
            sidechain: &[&right],
            events: Some(&events),
            tempo_map: None,
        };
        let mut processor = Memory::new(io, depth);
        let rendered =
            process_audio(&mut processor, input, &options(block_size, Tail::Seconds(0.01))).unwrap();
        prop_assert_eq!(rendered[0].len(), frames + 240);
        let gain_at = usize::try_from(gain_at).unwrap();
        for (frame, (a, b)) in rendered[0].iter().zip(&rendered[1]).enumerate() {
            let at = |plane: &[f32]| plane.get(frame).copied().unwrap_or(0.0);
            let gain = if frame >= gain_at { 0.25 } else { 0.5 };
            prop_assert_eq!(*a, at(&left) * gain + at(&right));
            prop_assert_eq!(*b, at(&right) * gain);
        }
        prop_assert!(processor.heard.iter().all(|block| block.transport.is_none()));
    }
}

#[test]
fn lengths_are_the_contracts() {
    // 50.5 s of MIDI: 101 quarter notes at 120 bpm.
    let file = song(&[(0, 100), (101 * 120, 0)]);
    let io = Io {
        tail_seconds: 0.0,
        max_block_size: 512,
        ..instrument()
    };
    let length = |tail| {
        let renderer = MidiRenderer::new(&file, &io, &options(512, tail)).unwrap();
        renderer.total_samples()
    };
    assert_eq!(length(Tail::Reported), 2_520_000);
    assert_eq!(length(Tail::Seconds(0.0)), 2_424_000);
    assert_eq!(length(Tail::Seconds(1.5)), 2_496_000);
    assert_eq!(length(Tail::Auto), 3_864_000);
    let empty = MidiRenderer::new(&MidiFile::new(), &io, &options(512, Tail::Reported)).unwrap();
    assert_eq!(empty.total_samples(), 96_000);
    let mut quiet = Memory::new(io, 4);
    let auto = render_midi(&mut quiet, &file, &options(512, Tail::Auto)).unwrap();
    assert_eq!(auto[0].len(), 2_425_856);
    assert_eq!(auto[0].len() % 512, 0);
}

#[test]
fn a_render_tells_how_far_it_is() {
    let file = song(&[(0, 100), (10, 100)]);
    let mut processor = Memory::new(rate(instrument()), 4);
    let mut renderer =
        MidiRenderer::new(&file, &processor.io(), &options(300, Tail::Seconds(0.0))).unwrap();
    assert_eq!(renderer.duration_seconds(), 1000.0 / 24_000.0);
    assert_eq!(renderer.midi_duration_seconds(), 1000.0 / 24_000.0);
    assert_eq!((renderer.channels(), renderer.block_size()), (2, 300));
    let mut planes = vec![vec![1.0; 300]; 3];
    let mut lengths = Vec::new();
    while let Some(frames) = {
        let mut output: Vec<_> = planes.iter_mut().map(Vec::as_mut_slice).collect();
        renderer.render_block(&mut processor, &mut output).unwrap()
    } {
        lengths.push((frames, renderer.current_sample(), renderer.progress()));
        // A channel the processor has not got is silent.
        assert!(planes[2][..frames].iter().all(|sample| *sample == 0.0));
    }
    let expected = [
        (300, 300, 0.3),
        (300, 600, 0.6),
        (300, 900, 0.9),
        (100, 1000, 1.0),
    ];
    assert_eq!(lengths, expected);
    assert!(renderer.is_finished());
    assert_eq!(renderer.current_time(), 1000.0 / 24_000.0);
    let rest = renderer.render_all(&mut processor).unwrap();
    assert_eq!(rest, [Vec::<f32>::new(), Vec::new()]);
    renderer.reset(&mut processor);
    assert_eq!(renderer.render_all(&mut processor).unwrap()[0].len(), 1000);
    // Blocks of the song, from its beginning, with the playhead.
    let positions: Vec<_> = processor.heard[4..]
        .iter()
        .map(|block| block.transport.unwrap().position_samples)
        .collect();
    assert_eq!(positions, [0, 300, 600, 900]);
}

#[test]
fn the_playhead_follows_the_tempos() {
    let mut file = song(&[(480, 1)]);
    file.add_tempo(0, 240, 60.0).unwrap();
    file.add_meta(0, 240, 0x58, &[3, 2, 24, 8]).unwrap();
    let mut processor = Memory::new(rate(instrument()), 8);
    render_midi(&mut processor, &file, &options(4000, Tail::Seconds(0.0))).unwrap();
    let heard: Vec<_> = processor
        .heard
        .iter()
        .map(|block| {
            let transport = block.transport.unwrap();
            assert!(transport.is_playing);
            (
                transport.position_samples,
                transport.position_beats,
                transport.bpm,
                transport.time_sig_num,
            )
        })
        .collect();
    let third = |n: f64| n / 3.0;
    assert_eq!(heard.len(), 18);
    assert_eq!(heard[3], (12_000, 1.0, 120.0, 4));
    assert_eq!(heard[6], (24_000, 2.0, 60.0, 3));
    assert!((heard[7].1 - (2.0 + third(0.5))).abs() < 1e-12);
    assert_eq!(heard[12], (48_000, 3.0, 60.0, 3));
}

#[test]
fn look_ahead_of_one_leaves_nothing_in_flight() {
    let file = song(&[(40, 1)]);
    let mut processor = Memory::new(rate(instrument()), 8);
    let options = RenderOptions {
        look_ahead: 1,
        ..options(512, Tail::Reported)
    };
    let mut renderer = MidiRenderer::new(&file, &processor.io(), &options).unwrap();
    let (mut left, mut right) = ([0.0; 512], [0.0; 512]);
    let mut output = [&mut left[..], &mut right[..]];
    while renderer
        .render_block(&mut processor, &mut output)
        .unwrap()
        .is_some()
    {
        assert_eq!(processor.in_flight(), 0);
    }
}

#[test]
fn a_dropped_stream_takes_back_what_is_in_flight() {
    let file = song(&[(400, 1)]);
    let mut processor = Memory::new(rate(instrument()), 8);
    let mut stream = MidiStream::new(&mut processor, &file, &options(512, Tail::Reported)).unwrap();
    let block = stream.next().unwrap().unwrap();
    assert_eq!((block.len(), block[0].len()), (2, 512));
    assert_eq!(stream.renderer().current_sample(), 512);
    drop(stream);
    assert_eq!(processor.in_flight(), 0);
    assert!(processor.heard.len() > 1);
    // With half of its blocks waited for at a time.
    let mut processor = Memory::new(rate(instrument()), 8);
    let stream = MidiStream::new(&mut processor, &file, &options(512, Tail::Reported)).unwrap();
    let blocks = stream.map(Result::unwrap).count();
    assert!(
        processor.waits <= blocks / 4 + 2,
        "{} waits",
        processor.waits
    );
}

#[test]
fn a_failure_ends_the_render() {
    let file = song(&[(400, 1)]);
    let mut processor = Memory::new(rate(instrument()), 4);
    processor.fails_at = Some(6);
    let mut renderer =
        MidiRenderer::new(&file, &processor.io(), &options(512, Tail::Reported)).unwrap();
    let error = renderer.render_all(&mut processor).unwrap_err();
    assert_eq!(error.message, "the test's failure");
    assert!(renderer.is_finished());
    // So does one of whoever takes the blocks; nothing stays in flight.
    processor.fails_at = None;
    renderer.reset(&mut processor);
    let mut seen = 0;
    let stopped = renderer.render_each(&mut processor, &mut |block| {
        seen += 1;
        assert_eq!(block.done, 512 * seen);
        match seen {
            3 => Err(Error::new(ErrorReason::Cancelled, "enough")),
            _ => Ok(()),
        }
    });
    assert_eq!(stopped.unwrap_err().message, "enough");
    assert_eq!((seen, processor.in_flight()), (3, 0));
}

#[test]
fn nonsense_is_refused_before_anything_is_rendered() {
    let file = song(&[(1, 1)]);
    let io = Io::default();
    let check = |options: &RenderOptions, io: &Io, message: &str| {
        let error = MidiRenderer::new(&file, io, options).unwrap_err();
        assert_eq!(error.message, message);
    };
    let tail = Tail::Reported;
    check(
        &options(0, tail),
        &io,
        "block_size must be at least 1, got 0",
    );
    check(
        &options(1024, tail),
        &io,
        "block_size 1024 exceeds max block size 512",
    );
    check(
        &options(512, Tail::Seconds(-1.0)),
        &io,
        "tail_seconds must be >= 0 and finite, got -1",
    );
    let late = Io {
        latency_samples: usize::MAX,
        ..io
    };
    assert!(MidiRenderer::new(&file, &late, &options(512, tail)).is_err());
    let long = options(512, Tail::Seconds(1e300));
    let error = render_midi(&mut Memory::new(io, 1), &file, &long).unwrap_err();
    assert_eq!(error.reason, ErrorReason::LimitReached);
    let mut small = [0.0; 10];
    let mut renderer = MidiRenderer::new(&file, &io, &options(512, tail)).unwrap();
    let mut processor = Memory::new(io, 1);
    assert!(
        renderer
            .render_block(&mut processor, &mut [&mut small])
            .is_err()
    );
}

#[test]
fn audio_blocks_carry_the_playhead_they_are_given() {
    let input = [0.0; 1000];
    let map = TempoMap::constant(90.0, 3, 4);
    let mut processor = Memory::new(rate(Io::default()), 4);
    let audio = AudioInput {
        audio: &[&input],
        tempo_map: Some(&map),
        ..AudioInput::default()
    };
    let mut totals = Vec::new();
    let options = options(400, Tail::Seconds(0.0));
    process_audio_each(&mut processor, audio, &options, &mut |block| {
        totals.push((block.audio.len(), block.done, block.total));
        Ok(())
    })
    .unwrap();
    assert_eq!(totals, [(2, 400, 1000), (2, 800, 1000), (2, 1000, 1000)]);
    let transport = processor.heard[1].transport.unwrap();
    assert_eq!((transport.bpm, transport.time_sig_num), (90.0, 3));
    assert!((transport.position_beats - 0.025).abs() < 1e-12);
}
