//! Chains are their stages one after the other, however many blocks are in flight.

use std::sync::{Arc, Condvar, Mutex};

use plugpen_engine::{
    AudioInput, BlockInput, BlockOutput, BlockProcessor, Chain, ChainState, Io, MidiFile, Planes,
    PlanesFeed, PlanesMut, RenderOptions, Tail, drain, process_audio, render_midi,
};
use plugpen_proto::Error;
use plugpen_proto::event::{EventBody, EventList};
use plugpen_proto::v1::ErrorReason;
use proptest::prelude::*;

use crate::memory::{Memory, call, instrument};
use crate::worker::{DEADLINE, Worker};

fn effect(inputs: usize, outputs: usize, latency_samples: usize) -> Io {
    Io {
        inputs,
        outputs,
        latency_samples,
        ..Io::default()
    }
}

fn midi_effect() -> Io {
    Io {
        accepts_midi: true,
        produces_midi: true,
        ..Io::default()
    }
}

fn block<'a>(frames: usize, planes: &'a [&'a [f32]], events: &'a EventList) -> BlockInput<'a> {
    BlockInput {
        frames,
        audio: Planes::F32(planes),
        sidechain: Planes::None,
        events,
        transport: None,
    }
}

/// Finishes all it has right after it was looked at, as a process on another core may.
struct Hasty(Memory);

impl BlockProcessor for Hasty {
    fn io(&self) -> Io {
        self.0.io()
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }

    fn in_flight(&self) -> usize {
        self.0.in_flight()
    }

    fn done(&mut self) -> Result<usize, Error> {
        let seen = self.0.done()?;
        self.0.wait(self.0.in_flight())?;
        Ok(seen)
    }

    fn wait(&mut self, blocks: usize) -> Result<(), Error> {
        self.0.wait(blocks)
    }

    fn submit(&mut self, block: &BlockInput<'_>) -> Result<(), Error> {
        self.0.submit(block)
    }

    fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize, Error> {
        self.0.collect(block)
    }
}

#[test]
fn stages_that_finish_between_two_looks_are_no_mistake() {
    let stage = |gain| Hasty(Memory::new(effect(1, 1, 0), 4).with(gain, 0));
    let mut chain = Chain::new(vec![stage(0.5), stage(0.25)]).unwrap();
    let ones = [1.0f32; 16];
    for _ in 0..4 {
        chain
            .submit(&block(16, &[&ones], &EventList::new()))
            .unwrap();
    }
    for _ in 0..4 {
        let mut heard = [0.0f32; 16];
        let mut output = BlockOutput {
            audio: PlanesMut::F32(&mut [&mut heard]),
            events: &mut EventList::new(),
            events_dropped: 0,
        };
        assert_eq!(chain.collect(&mut output).unwrap(), 16);
        assert_eq!(heard, [0.125; 16]);
    }
}

fn note() -> EventList {
    let mut events = EventList::new();
    events.push_midi(3, &[0x90, 60, 127]);
    events
}

fn messages(events: &EventList) -> Vec<Vec<u8>> {
    let midi = events.iter().filter_map(|event| match event.body {
        EventBody::Midi(bytes) => Some(bytes.to_vec()),
        _ => None,
    });
    midi.collect()
}

#[derive(Debug, Clone)]
struct Stage {
    io: Io,
    depth: usize,
    gain: f64,
    mix: Option<f64>,
}

fn stage() -> impl Strategy<Value = Stage> {
    let io = (0_usize..4, 1_usize..4, 0_usize..40);
    let mix = prop::option::of((0_u8..5).prop_map(|quarters| f64::from(quarters) / 4.0));
    (io, 1_usize..6, mix).prop_map(|((inputs, outputs, latency), depth, mix)| Stage {
        io: effect(inputs, outputs, latency),
        depth,
        // Sums of few of these are exact in single precision.
        gain: 0.5,
        mix,
    })
}

fn memory(stage: &Stage) -> Memory {
    Memory::new(stage.io, stage.depth).with(stage.gain, 0)
}

/// What a stage makes of a whole signal, mixed with itself as late as the stage.
fn alone(stage: &Stage, signal: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let io = Io {
        max_block_size: signal[0].len(),
        ..stage.io
    };
    let mut memory = Memory::new(io, 1).with(stage.gain, 0);
    let planes: Vec<_> = signal.iter().map(Vec::as_slice).collect();
    let events = EventList::new();
    let block = block(signal[0].len(), &planes, &events);
    let (mut wet, _) = call(&mut memory, &block, io.outputs).unwrap();
    #[allow(clippy::cast_possible_truncation, reason = "a mix of quarters")]
    let part = stage.mix.unwrap_or(1.0) as f32;
    for (channel, plane) in wet.iter_mut().enumerate() {
        for (frame, sample) in plane.iter_mut().enumerate() {
            let dry = frame.checked_sub(io.latency_samples);
            let dry = dry.and_then(|frame| Some(*signal.get(channel)?.get(frame)?));
            *sample = *sample * part + dry.unwrap_or(0.0) * (1.0 - part);
        }
    }
    wet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_chain_is_its_stages_one_after_the_other(
        stages in prop::collection::vec(stage(), 1..5),
        channels in 1_usize..4,
        frames in 1_usize..1500,
        block_size in 1_usize..512,
        look_ahead in 1_usize..30,
    ) {
        let ramp = |from: usize| -> Vec<f32> {
            (0..frames).map(|frame| f32::from(u16::try_from(frame % 64 + from).unwrap())).collect()
        };
        let signal: Vec<_> = (0..channels).map(|channel| ramp(channel + 1)).collect();
        let planes: Vec<_> = signal.iter().map(Vec::as_slice).collect();
        let mut chain = Chain::new(stages.iter().map(memory).collect()).unwrap();
        for (index, stage) in stages.iter().enumerate() {
            if let Some(mix) = stage.mix {
                chain.state_mut().set_mix(index, mix).unwrap();
            }
        }
        let latency = stages.iter().map(|stage| stage.io.latency_samples).sum::<usize>();
        prop_assert_eq!(chain.io().latency_samples, latency);
        let options = RenderOptions {
            block_size,
            look_ahead,
            tail: Tail::Seconds(0.0),
            ..RenderOptions::default()
        };
        let input = AudioInput { audio: Some(Box::new(PlanesFeed::new(&planes))), ..AudioInput::default() };
        let rendered = process_audio(&mut chain, input, &options).unwrap();
        prop_assert_eq!(chain.in_flight(), 0);

        let mut expected = signal.clone();
        expected.iter_mut().for_each(|plane| plane.resize(frames + latency, 0.0));
        for stage in &stages {
            expected = alone(stage, &expected);
        }
        expected.iter_mut().for_each(|plane| drop(plane.drain(..latency)));
        prop_assert_eq!(rendered, expected);
    }
}

#[test]
fn midi_goes_to_the_first_that_accepts_it_and_on_with_what_comes_out() {
    let check = |ios: &[Io], heard: &[&[u8]], given: &[&[u8]]| {
        let stages = ios.iter().map(|io| Memory::new(*io, 2)).collect();
        let mut chain = Chain::new(stages).unwrap();
        let (_, out) = call(&mut chain, &block(8, &[], &note()), 2).unwrap();
        assert_eq!(messages(&out), given);
        let pitches: Vec<Vec<u8>> = chain
            .stages()
            .iter()
            .map(|stage| stage.heard[0].midi.iter().map(|(_, m)| m[1]).collect())
            .collect();
        assert_eq!(pitches, heard);
    };
    let audio = effect(2, 2, 0);
    check(&[audio, instrument(), audio], &[&[], &[60], &[]], &[]);
    check(
        &[midi_effect(), midi_effect(), audio],
        &[&[60], &[61], &[]],
        &[],
    );
    check(
        &[midi_effect(), audio, midi_effect()],
        &[&[60], &[], &[61]],
        &[&[0x90, 62, 127]],
    );
    check(&[instrument(), instrument()], &[&[60], &[]], &[]);
    check(&[audio], &[&[]], &[]);
}

#[test]
fn parameter_changes_find_their_plugin() {
    let stages = vec![
        Memory::new(effect(1, 1, 0), 1),
        Memory::new(midi_effect(), 1),
    ];
    let mut chain = Chain::new(stages).unwrap();
    let mut changes = [EventList::new(), EventList::new()];
    changes[0].push_parameter(2, 0, 0.25);
    changes[1].push_parameter(3, 0, 1.0);
    let (events, input) = (note(), [1.0; 4]);
    let planes = [&input[..]];
    chain
        .submit_with(&block(4, &planes, &events), &changes)
        .unwrap();
    let mut output = [0.0; 4];
    let mut given = EventList::new();
    chain
        .collect(&mut BlockOutput {
            audio: PlanesMut::F32(&mut [&mut output]),
            events: &mut given,
            events_dropped: 0,
        })
        .unwrap();
    // The second stage hears a note in its last frame, too: an impulse of 1.
    assert_eq!(output, [0.25, 0.25, 0.125, 0.25 + 1.0]);
    assert_eq!(messages(&given), [[0x90, 61, 127]]);

    let too_many = vec![EventList::new(); 3];
    let error = chain.submit_with(&block(4, &planes, &events), &too_many);
    assert_eq!(error.unwrap_err().reason, ErrorReason::IndexOutOfRange);
    let error = chain.submit(&block(4, &planes, &changes[0])).unwrap_err();
    assert_eq!(error.reason, ErrorReason::InvalidInput);
    assert_eq!(chain.in_flight(), 0);
}

#[test]
fn midi_that_a_stage_makes_and_nobody_hears_is_counted() {
    let maker = || Memory::new(midi_effect(), 1);
    let deaf = || Memory::new(effect(1, 1, 0), 1);
    let deaf_maker = || {
        let io = Io {
            produces_midi: true,
            ..effect(1, 1, 0)
        };
        Memory::new(io, 1)
    };
    // What the client sends past plugins without MIDI is not lost: nobody was to hear it.
    for (stages, given, dropped) in [
        (vec![deaf(), deaf()], 0, 0),
        (vec![deaf(), maker()], 1, 0),
        (vec![maker(), maker()], 1, 0),
        (vec![maker(), deaf()], 0, 1),
        (vec![maker(), deaf(), deaf()], 0, 1),
        (vec![maker(), deaf(), maker()], 1, 0),
        (vec![maker(), deaf_maker()], 0, 1),
    ] {
        let mut chain = Chain::new(stages).unwrap();
        chain.submit(&block(4, &[&[1.0; 4]], &note())).unwrap();
        let (mut audio, mut events) = ([0.0; 4], EventList::new());
        let mut output = BlockOutput {
            audio: PlanesMut::F32(&mut [&mut audio]),
            events: &mut events,
            events_dropped: 0,
        };
        chain.collect(&mut output).unwrap();
        assert_eq!(output.events_dropped, dropped);
        assert_eq!(messages(&events).len(), given);
    }
}

#[test]
fn chains_that_cannot_be_are_refused() {
    let none = Chain::<Memory>::new(Vec::new()).unwrap_err();
    assert_eq!(
        none.message,
        "a plugin chain must contain at least one plugin"
    );
    let fast = Io {
        sample_rate: 44_100.0,
        ..Io::default()
    };
    let stages = || vec![Memory::new(Io::default(), 1), Memory::new(fast, 1)];
    assert_eq!(
        Chain::new(stages()).unwrap_err().message,
        "sample rate mismatch: plugin 0 has 48000 Hz, plugin 1 has 44100 Hz"
    );
    let stages = vec![Memory::new(Io::default(), 1)];
    assert!(Chain::with_state(stages, ChainState::new(2)).is_err());
    let mut chain = Chain::new(vec![Memory::new(Io::default(), 1)]).unwrap();
    for frames in [0, 513] {
        let error = chain
            .submit(&block(frames, &[], &EventList::new()))
            .unwrap_err();
        assert_eq!(error.reason, ErrorReason::InvalidInput);
    }
}

#[test]
fn the_faces_of_the_stages_make_that_of_the_chain() {
    let small = Io {
        max_block_size: 128,
        tail_seconds: 3.0,
        latency_samples: 5,
        outputs: 7,
        ..midi_effect()
    };
    let last = Io {
        latency_samples: 7,
        inputs: 4,
        outputs: 6,
        tail_seconds: 1.0,
        ..Io::default()
    };
    let chain = Chain::new(vec![Memory::new(small, 3), Memory::new(last, 4)]).unwrap();
    let expected = Io {
        outputs: 6,
        latency_samples: 12,
        produces_midi: false,
        ..small
    };
    assert_eq!(chain.io(), expected);
    assert_eq!((chain.capacity(), chain.batch()), (7, 1));
}

#[test]
fn double_precision_stays_double() {
    let stages = vec![
        Memory::new(effect(1, 1, 1), 2),
        Memory::new(effect(1, 1, 1), 2),
    ];
    let mut chain = Chain::new(stages).unwrap();
    chain.state_mut().set_mix(0, 0.5).unwrap();
    let exact = 1.0 + f64::EPSILON;
    let input = [exact, 0.0, 0.0];
    let planes = [&input[..]];
    let events = EventList::new();
    chain
        .submit(&BlockInput {
            audio: Planes::F64(&planes),
            ..block(3, &[], &events)
        })
        .unwrap();
    let mut output = [0.0; 3];
    chain
        .collect(&mut BlockOutput {
            audio: PlanesMut::F64(&mut [&mut output]),
            events: &mut EventList::new(),
            events_dropped: 0,
        })
        .unwrap();
    assert_eq!(output, [0.0, 0.0, (exact * 0.25 + exact * 0.5) * 0.5]);
}

#[test]
fn a_chain_for_one_block_goes_on_where_the_last_one_ended() {
    let mut stage = Memory::new(effect(1, 1, 3), 1);
    let mut state = ChainState::new(1);
    state.set_mix(0, 0.0).unwrap();
    let events = EventList::new();
    let mut heard = Vec::new();
    for input in [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]] {
        let mut chain = Chain::with_state(vec![&mut stage], state).unwrap();
        let planes = [&input[..]];
        heard.extend(call(&mut chain, &block(2, &planes, &events), 1).unwrap().0[0].clone());
        state = chain.into_state();
    }
    assert_eq!(heard, [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn after_a_failure_nothing_is_left_in_the_stages_that_answer() {
    let events = EventList::new();
    for failing in 0..3 {
        let stages = (0..3).map(|_| Memory::new(effect(1, 1, 0), 2)).collect();
        let mut chain = Chain::new(stages).unwrap();
        for _ in 0..3 {
            chain.submit(&block(4, &[], &events)).unwrap();
        }
        chain.stages_mut()[failing].fails_at = Some(0);
        let error = chain.wait(1).unwrap_err();
        assert_eq!(error.message, "the test's failure");
        assert_eq!(chain.in_flight(), 0);
        for (index, stage) in chain.stages().iter().enumerate() {
            assert!(index == failing || stage.in_flight() == 0);
        }
        // It can be used again once the stage can.
        chain.stages_mut()[failing].fails_at = None;
        drain(&mut chain.stages_mut()[failing]);
        call(&mut chain, &block(4, &[], &events), 1).unwrap();
    }
}

#[test]
fn all_stages_work_at_once() {
    // The second stage does not finish a block before the first has begun the next.
    let begun = Arc::new((Mutex::new(0_u64), Condvar::new()));
    let blocks = 40;
    let first = Arc::clone(&begun);
    let first = move |block| {
        *first.0.lock().unwrap() = block + 1;
        first.1.notify_all();
    };
    let second = move |block: u64| {
        let ahead = (block + 2).min(blocks);
        let guard = begun.0.lock().unwrap();
        let met = begun
            .1
            .wait_timeout_while(guard, DEADLINE, |begun| *begun < ahead);
        assert!(!met.unwrap().1.timed_out(), "the second stage is alone");
    };
    let stages = vec![
        Worker::new(Io::default(), 4, Arc::new(first)),
        Worker::new(Io::default(), 4, Arc::new(second)),
    ];
    let mut chain = Chain::new(stages).unwrap();
    let frames = usize::try_from(blocks).unwrap() * 16;
    let silence = vec![0.0; frames];
    let input = AudioInput {
        audio: Some(Box::new(PlanesFeed::new(&[&silence, &silence]))),
        ..AudioInput::default()
    };
    let options = RenderOptions {
        block_size: 16,
        tail: Tail::Seconds(0.0),
        ..RenderOptions::default()
    };
    let rendered = process_audio(&mut chain, input, &options).unwrap();
    assert_eq!(rendered[0].len(), frames);
}

#[test]
fn a_chain_waits_for_several_blocks_at_a_time() {
    let stages = (0..3).map(|_| Memory::new(effect(1, 1, 0), 8)).collect();
    let mut chain = Chain::new(stages).unwrap();
    let input = AudioInput {
        audio: Some(Box::new(PlanesFeed::new(&[&[0.0; 32_000]]))),
        ..AudioInput::default()
    };
    let options = RenderOptions {
        block_size: 32,
        tail: Tail::Seconds(0.0),
        ..RenderOptions::default()
    };
    process_audio(&mut chain, input, &options).unwrap();
    let waits: Vec<_> = chain.stages().iter().map(|stage| stage.waits).collect();
    assert!(waits.iter().all(|waits| *waits <= 1000 / 3), "{waits:?}");
}

#[test]
fn a_worker_that_is_gone_is_an_error_and_not_a_hang() {
    let dies = |block| assert!(block < 5, "the test's death");
    let stages = vec![
        Worker::new(Io::default(), 4, Arc::new(|_| ())),
        Worker::new(Io::default(), 4, Arc::new(dies)),
    ];
    let mut chain = Chain::new(stages).unwrap();
    let mut file = MidiFile::new();
    file.add_note_on(0, 1000, 0, 60, 1).unwrap();
    let error: Error = render_midi(&mut chain, &file, &RenderOptions::default()).unwrap_err();
    assert_eq!(error.reason, ErrorReason::PluginCrashed);
}
