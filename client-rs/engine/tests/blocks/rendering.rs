//! Renders are the same however many blocks are in flight, and start at the right sample.

use plugpen_engine::{
    AudioInput, AudioRenderer, AudioStream, Automation, BlockProcessor, Io, MidiFile, MidiRenderer,
    MidiSchedule, MidiStream, ParameterAt, PlanesFeed, RenderOptions, Tail, TempoMap,
    process_audio, render_midi,
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
        let io = rate(Io { sidechain: 1, latency_samples: latency, max_block_size: 4096, ..Io::default() });
        let change = |sample, value| ParameterAt { sample, plugin: 0, index: 0, value };
        let automation = Automation::new(vec![change(gain_at.into(), 0.25), change(0, 0.5)]);
        let input = AudioInput {
            audio: Some(Box::new(PlanesFeed::new(&[&left, &right]))),
            sidechain: Some(Box::new(PlanesFeed::new(&[&right]))),
            automation,
            ..AudioInput::default()
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
    let mut processor = Memory::new(rate(Io::default()), 4);
    let audio = AudioInput {
        audio: Some(Box::new(PlanesFeed::new(&[&input, &input]))),
        tempo_map: Some(TempoMap::constant(90.0, 3, 4)),
        ..AudioInput::default()
    };
    let mut totals = Vec::new();
    let options = options(400, Tail::Seconds(0.0));
    AudioRenderer::new(audio, &processor.io(), &options)
        .unwrap()
        .render_each(&mut processor, &mut |block| {
            totals.push((block.audio.len(), block.done, block.total));
            Ok(())
        })
        .unwrap();
    assert_eq!(totals, [(2, 400, 1000), (2, 800, 1000), (2, 1000, 1000)]);
    let transport = processor.heard[1].transport.unwrap();
    assert_eq!((transport.bpm, transport.time_sig_num), (90.0, 3));
    assert!((transport.position_beats - 0.025).abs() < 1e-12);
}

/// Says that it has more than it gives.
struct Broken(PlanesFeed<'static>, u64);

impl plugpen_engine::AudioFeed for Broken {
    fn channels(&self) -> usize {
        self.0.channels()
    }
    fn frames(&self) -> u64 {
        self.1
    }
    fn read(&mut self, planes: &mut [&mut [f32]]) -> Result<usize, Error> {
        self.0.read(planes)
    }
}

#[test]
fn audio_that_ends_early_ends_the_render_there() {
    static ONES: [f32; 1000] = [1.0; 1000];
    for (latency, depth) in [(0, 1), (0, 8), (70, 8), (1500, 4)] {
        for tail in [0.0, 0.05] {
            let io = rate(Io {
                latency_samples: latency,
                ..Io::default()
            });
            let render = |said| {
                let input = AudioInput {
                    audio: Some(Box::new(Broken(PlanesFeed::new(&[&ONES, &ONES]), said))),
                    ..AudioInput::default()
                };
                let mut processor = Memory::new(io, depth);
                process_audio(&mut processor, input, &options(300, Tail::Seconds(tail))).unwrap()
            };
            let honest = render(1000);
            assert_eq!(
                bits(&render(5000)),
                bits(&honest),
                "{latency} {depth} {tail}"
            );
            // More than was said is cut off.
            let cut = render(700);
            let end = cut[0].len();
            assert_eq!(end + 300, honest[0].len());
            assert!(cut[0][..700].iter().all(|sample| *sample == 0.5));
            assert!(cut[0][700..].iter().all(|sample| *sample == 0.0));
        }
    }
}

#[test]
fn a_tail_is_listened_to_from_where_the_audio_really_ended() {
    static ONES: [f32; 1000] = [1.0; 1000];
    for latency in [0, 70, 1500] {
        let io = rate(Io {
            latency_samples: latency,
            ..Io::default()
        });
        let render = |said| {
            let input = AudioInput {
                audio: Some(Box::new(Broken(PlanesFeed::new(&[&ONES, &ONES]), said))),
                ..AudioInput::default()
            };
            let mut processor = Memory::new(io, 4);
            process_audio(&mut processor, input, &options(100, Tail::Auto)).unwrap()
        };
        let honest = render(1000);
        assert!(honest[0].len() < 2000, "{}", honest[0].len());
        assert_eq!(bits(&render(50_000)), bits(&honest), "{latency}");
    }
}

#[test]
fn a_midi_file_is_as_long_beside_audio_as_alone() {
    // Ends between two frames, as does the tail.
    let mut file = song(&[(0, 100), (1, 0)]);
    file.set_ticks_per_quarter(7).unwrap();
    let io = rate(instrument());
    for tail in [0.0, 0.0001, 1.0 / 7.0] {
        let options = options(64, Tail::Seconds(tail));
        let alone = MidiRenderer::new(&file, &io, &options).unwrap();
        let input = AudioInput {
            midi: MidiSchedule::new(&file, io.sample_rate),
            ..AudioInput::default()
        };
        let beside = AudioRenderer::new(input, &io, &options).unwrap();
        assert_eq!(beside.total_samples(), alone.total_samples(), "{tail}");
        assert!(alone.total_samples() > 1700);
    }
    let mut processor = Memory::new(io, 4);
    let input = AudioInput {
        midi: MidiSchedule::new(&file, io.sample_rate),
        ..AudioInput::default()
    };
    let options = options(64, Tail::Seconds(0.5));
    let stream = AudioStream::new(&mut processor, input, &options).unwrap();
    let blocks: Vec<_> = stream.map(Result::unwrap).collect();
    let whole = render_midi(&mut Memory::new(io, 4), &file, &options).unwrap();
    let first: Vec<f32> = blocks.iter().flat_map(|block| block[0].clone()).collect();
    assert_eq!(first, whole[0]);
}

#[test]
fn midi_can_outlast_the_audio_and_sound_without_any() {
    let mut notes = EventList::new();
    notes.push_midi(500, &[0x90, 60, 127]);
    notes.push_midi(0, &[0x90, 60, 127]);
    let midi = || MidiSchedule::from_events(&notes);
    let io = rate(Io {
        inputs: 2,
        ..instrument()
    });
    let mut processor = Memory::new(io, 4);
    let alone = AudioInput {
        midi: midi(),
        ..AudioInput::default()
    };
    let rendered = process_audio(&mut processor, alone, &options(64, Tail::Seconds(0.0))).unwrap();
    assert_eq!(rendered[0].len(), 501);
    assert_eq!(
        (rendered[0][0], rendered[0][1], rendered[0][500]),
        (1.0, 0.0, 1.0)
    );
    let input = [0.5; 100];
    let both = AudioInput {
        audio: Some(Box::new(PlanesFeed::new(&[&input, &input]))),
        midi: midi(),
        ..AudioInput::default()
    };
    let mut processor = Memory::new(io, 4);
    let rendered = process_audio(&mut processor, both, &options(64, Tail::Seconds(0.0))).unwrap();
    assert_eq!(rendered[0].len(), 501);
    assert_eq!(
        (rendered[0][0], rendered[0][99], rendered[0][100]),
        (1.25, 0.25, 0.0)
    );
}

#[test]
fn midi_that_a_render_has_no_place_for_is_counted() {
    let io = rate(Io {
        produces_midi: true,
        ..instrument()
    });
    let file = song(&[(0, 100), (3, 100), (9, 0)]);
    let mut processor = Memory::new(io, 4);
    let mut renderer = MidiRenderer::new(&file, &io, &options(64, Tail::Seconds(0.01))).unwrap();
    renderer.render_all(&mut processor).unwrap();
    assert_eq!(renderer.midi_dropped(), 3);
}

#[test]
fn latency_can_be_left_in() {
    let input = [1.0; 10];
    let io = rate(Io {
        latency_samples: 4,
        ..Io::default()
    });
    let audio = AudioInput {
        audio: Some(Box::new(PlanesFeed::new(&[&input, &input]))),
        ..AudioInput::default()
    };
    let options = RenderOptions {
        compensate_latency: false,
        ..options(8, Tail::Seconds(0.0))
    };
    let rendered = process_audio(&mut Memory::new(io, 4), audio, &options).unwrap();
    assert_eq!(
        rendered[0],
        [0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    );
}

#[test]
fn what_does_not_fit_a_processor_is_refused() {
    let one = [0.0; 10];
    let io = Io::default();
    let refused = |input: AudioInput<'_>, io: &Io| input.check_channels(io).unwrap_err().message;
    let audio = || Some(Box::new(PlanesFeed::new(&[&one])) as Box<dyn plugpen_engine::AudioFeed>);
    let narrow = AudioInput {
        audio: audio(),
        ..AudioInput::default()
    };
    assert_eq!(
        refused(narrow, &io),
        "Source audio has 1 channel(s) but the plugin requires at least 2"
    );
    let sidechain = || AudioInput {
        sidechain: audio(),
        ..AudioInput::default()
    };
    assert!(refused(sidechain(), &io).contains("no sidechain"));
    let wide = Io { sidechain: 2, ..io };
    assert!(refused(sidechain(), &wide).contains("Sidechain audio has 1 channel(s)"));
    let change = ParameterAt {
        sample: 0,
        plugin: usize::MAX,
        index: 0,
        value: 0.5,
    };
    let far = AudioInput {
        automation: Automation::new(vec![change]),
        ..AudioInput::default()
    };
    AudioRenderer::new(far, &io, &options(8, Tail::Reported)).unwrap_err();
}

#[test]
fn changes_of_a_chain_name_their_plugin() {
    let io = rate(Io::default());
    let stages = vec![
        Memory::new(io, 2).with(1.0, 0),
        Memory::new(io, 3).with(1.0, 0),
    ];
    let mut chain = plugpen_engine::Chain::new(stages).unwrap();
    let change = |sample, plugin, value| ParameterAt {
        sample,
        plugin,
        index: 0,
        value,
    };
    let input = [1.0; 400];
    let render = |chain: &mut dyn BlockProcessor, changes| {
        let audio = AudioInput {
            audio: Some(Box::new(PlanesFeed::new(&[&input, &input]))),
            automation: Automation::new(changes),
            ..AudioInput::default()
        };
        process_audio(chain, audio, &options(64, Tail::Seconds(0.0)))
    };
    let changes = vec![
        change(100, 0, 0.5),
        change(300, 1, 0.25),
        change(200, 1, 0.5),
    ];
    let rendered = render(&mut chain, changes).unwrap();
    for (frame, sample) in rendered[0].iter().enumerate() {
        let gain = [1.0, 0.5, 0.25, 0.125][frame / 100];
        assert_eq!(*sample, gain, "frame {frame}");
    }
    let error = render(&mut chain, vec![change(0, 2, 0.5)]).unwrap_err();
    assert_eq!(error.reason, ErrorReason::IndexOutOfRange);
    let mut single = Memory::new(io, 2);
    let error = render(&mut single, vec![change(0, 1, 0.5)]).unwrap_err();
    assert_eq!(error.reason, ErrorReason::IndexOutOfRange);
}
