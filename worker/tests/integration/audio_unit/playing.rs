//! What is heard: blocks, changes, MIDI, latency, transport, edits.

use super::*;

#[test]
fn a_change_within_a_block_is_heard_from_its_frame() {
    let (mut worker, plugin) = open("Test Parameter");
    assert_eq!(
        (plugin.num_input_channels, plugin.num_output_channels),
        (0, 2)
    );
    let mut audio = worker.attach(&plugin, 4);
    set(&mut worker, 0, 0.25);
    let mut events = EventList::new();
    events.push_parameter(100, 0, 1.0);
    events.push_parameter(100, 0, 0.0);
    events.push_parameter(300, 0, 0.75);
    events.push_parameter(300, 99, 0.75);
    events.push_parameter(300, 1, f64::NAN);
    let (output, _) = play(&mut audio, &[], &events);
    for (frame, sample) in output[0].iter().enumerate() {
        let expected = match frame {
            0..100 => 0.25,
            100..300 => 0.0,
            _ => 0.75,
        };
        assert_eq!(*sample, expected, "frame {frame}");
    }
    worker.after_block(1);
    assert_eq!(get(&mut worker, 0), 0.75);
}

#[test]
fn a_sidechain_is_there_for_who_asks() {
    let planes = [noise(512, 1), noise(512, 2)];
    for (wish, buses) in [(0, 1), (1, 2)] {
        let (mut worker, plugin) = open_with(OpenOptions {
            sidechain_channels: wish,
            ..unit("Test Sidechain")
        });
        assert_eq!(plugin.sidechain_channels, wish);
        assert_eq!(plugin.input_buses.len(), buses);
        let mut audio = worker.attach(&plugin, 4);
        let inputs = usize::try_from(1 + wish).unwrap();
        let (output, _) = play(&mut audio, &planes[..inputs], &quiet());
        let product = |at: usize| {
            if wish == 0 {
                0.0
            } else {
                planes[0][at] * planes[1][at]
            }
        };
        for (frame, sample) in output[0].iter().enumerate() {
            assert!((sample - product(frame)).abs() < 1e-6, "frame {frame}");
        }
    }
}

#[test]
fn a_synth_sounds_from_the_note_s_own_frame() {
    let (mut worker, plugin) = open("Test Beep");
    let mut audio = worker.attach(&plugin, 4);
    let mut events = EventList::new();
    events.push_midi(200, &[0x90, 69, 100]);
    let (output, _) = play(&mut audio, &[], &events);
    assert!(output[0][..201].iter().all(|sample| *sample == 0.0));
    assert!(output[0][201..].iter().any(|sample| sample.abs() > 0.01));
}

#[test]
fn midi_and_sysex_pass_at_their_frames() {
    let (mut worker, plugin) = open("Test MIDI");
    assert!(plugin.accepts_midi && plugin.produces_midi);
    let mut audio = worker.attach(&plugin, 4);
    let sysex: Vec<u8> = std::iter::once(0xf0)
        .chain([0x42; 3000])
        .chain([0xf7])
        .collect();
    let messages: [(u32, &[u8]); 6] = [
        (0, &[0x90, 127, 100]),
        (7, &[0xc3, 5]),
        (77, &sysex),
        (77, &[0xe0, 1, 2]),
        (300, &[0xf8]),
        (511, &[0x80, 127, 0]),
    ];
    let mut events = EventList::new();
    for (offset, data) in messages {
        events.push_midi(offset, data);
    }
    // A change in between cuts the block and moves nothing.
    events.push_parameter(250, 1, 0.0);
    events.sort();
    let (output, heard) = play(&mut audio, &[], &events);
    let heard: Vec<(u32, Vec<u8>)> = heard
        .iter()
        .map(|event| match event.body {
            EventBody::Midi(data) => (event.offset, data.to_vec()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = messages.map(|(offset, data)| (offset, data.to_vec()));
    assert_eq!(heard, expected);
    assert_eq!(
        (output[0][0], output[0][1], output[0][511]),
        (1.0, 0.0, 1.0)
    );
    // More than there is room for is counted, not lost in silence.
    set(&mut worker, 1, 1.0);
    let mut busy = EventList::new();
    for frame in 0..8 {
        busy.push_parameter(frame * 60, 0, 0.0);
    }
    play(&mut audio, &[], &busy);
    assert!(audio.dropped > 0);
}

#[test]
fn the_latency_is_known_at_once_and_followed() {
    let (mut worker, plugin) = open("Test Latency");
    assert_eq!(plugin.latency_samples, 480);
    let mut audio = worker.attach(&plugin, 4);
    let mut click = vec![vec![0.0f32; 512]; 2];
    click[0][3] = 1.0;
    let (output, _) = play(&mut audio, &click, &quiet());
    assert_eq!(
        output[0].iter().position(|sample| *sample == 1.0),
        Some(483)
    );
    // The unit tells while it is given the value, on the audio thread.
    let mut events = EventList::new();
    events.push_parameter(0, 0, 0.01);
    play(&mut audio, &click, &events);
    until(
        &mut worker,
        |event| matches!(event, Event::ProcessorChanged(c) if c.latency && c.latency_samples == 100),
    );
    worker.after_block(2);
    let timing = worker.call(GetTimingRequest::default()).unwrap();
    assert_eq!(timing.latency_samples, 100);
}

#[test]
fn tail_and_reset() {
    let (mut worker, plugin) = open("Test Echo");
    assert_eq!(plugin.tail_seconds, 0.5);
    let mut audio = worker.attach(&plugin, 4);
    let silence = [vec![0.0; 512], vec![0.0; 512]];
    let loud = |audio: &mut Audio| {
        let blocks: Vec<f32> = (0..2)
            .flat_map(|_| play(audio, &silence, &quiet()).0.concat())
            .collect();
        blocks.iter().any(|sample| *sample != 0.0)
    };
    play(&mut audio, &[noise(512, 1), noise(512, 2)], &quiet());
    assert!(loud(&mut audio));
    worker.call(ResetRequest::default()).unwrap();
    assert!(!loud(&mut audio));
}

#[test]
fn the_unit_s_own_bypass_is_a_property() {
    let (mut worker, plugin) = open("Test Gain");
    assert!(plugin.has_bypass);
    assert_eq!(
        parameters(&mut worker).len(),
        1,
        "the bypass is no parameter"
    );
    let mut audio = worker.attach(&plugin, 4);
    set(&mut worker, 0, 0.0);
    let planes = [noise(512, 1), noise(512, 2)];
    for (bypass, is_dry) in [(false, false), (true, true), (false, false)] {
        let call = SetBypassRequest {
            bypass,
            ..SetBypassRequest::default()
        };
        worker.call(call).unwrap();
        let (output, _) = play(&mut audio, &planes, &quiet());
        assert_eq!(output[0] == planes[0], is_dry);
    }
}

#[test]
fn the_transport_is_told_where_each_piece_begins() {
    let (mut worker, plugin) = open("Test Transport");
    let mut audio = worker.attach(&plugin, 4);
    let (output, _) = play(&mut audio, &[], &quiet());
    let first = |output: &[Vec<f32>]| output.iter().map(|plane| plane[0]).collect::<Vec<_>>();
    assert_eq!(first(&output), [-1.0; 8], "nothing was said");
    let transport = Transport {
        bpm: 90.0,
        time_sig_num: 6,
        time_sig_denom: 8,
        position_samples: 32_000,
        position_beats: 1.0,
        is_playing: true,
        is_recording: true,
        is_looping: true,
        loop_start: 0,
        loop_end: 64_000,
    };
    let call = SetTransportRequest {
        transport: Some(transport),
        ..SetTransportRequest::default()
    };
    worker.call(call).unwrap();
    let (output, _) = play(&mut audio, &[], &quiet());
    assert_eq!(
        first(&output),
        [90.0, 1.0, 32_000.0, 1.0, 6.0, 8.0, 1.0, 2.0]
    );
}

#[test]
fn edits_of_the_unit_are_told_with_their_gestures() {
    let (mut worker, plugin) = open("Test Edits");
    assert!(!parameters(&mut worker)[2].is_automatable, "a meter");
    let mut audio = worker.attach(&plugin, 4);
    set(&mut worker, 0, 1.0);
    assert_eq!(set(&mut worker, 2, 0.5), 0.0, "a meter is not set");
    play(&mut audio, &[vec![0.25; 512]], &quiet());
    let edit = |event: &Event| match event {
        Event::ParameterChanged(c) if !c.by_host => Some((c.index, c.value)),
        _ => None,
    };
    until(&mut worker, |event| edit(event) == Some((2, 0.25)));
    let told: Vec<String> = worker
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ParameterGesture(g) if g.is_begin => Some(format!("begin {}", g.index)),
            Event::ParameterGesture(g) => Some(format!("end {}", g.index)),
            event => edit(event).map(|(index, value)| format!("{index} is {value}")),
        })
        .collect();
    let place = |what: &str| {
        let place = told.iter().position(|told| told == what);
        place.unwrap_or_else(|| panic!("no \"{what}\" in {told:?}"))
    };
    assert!(place("begin 1") < place("1 is 0.75"));
    assert!(place("1 is 0.75") < place("end 1"));
    assert_eq!(get(&mut worker, 1), 0.75);
    let (output, _) = play(&mut audio, &[vec![0.25; 512]], &quiet());
    assert_eq!(output[0][0], 0.75, "and it is not set back");
}

#[test]
fn blocks_of_any_size_play_and_hold_what_they_should() {
    let (mut worker, plugin) = open("Test Counter");
    let mut audio = worker.attach(&plugin, 4);
    let mut next = 0.0;
    for frames in [1u32, 512, 37, 511, 2, 64] {
        let (output, _) = audio.block(&Input {
            frames,
            planes: &[],
            events: &quiet(),
            transport: None,
        });
        for sample in &output[0] {
            assert_eq!(*sample, next);
            next += 1.0;
        }
    }
    // The count is state that no parameter shows.
    worker.after_block(6);
    let saved = state(&mut worker);
    let (mut fresh, plugin) = open("Test Counter");
    restore(&mut fresh, &saved).unwrap();
    let mut audio = fresh.attach(&plugin, 4);
    assert_eq!(play(&mut audio, &[], &quiet()).0[0][0], next);
}

#[test]
fn a_crash_in_render_ends_the_worker() {
    let (mut worker, plugin) = open("Test Villain");
    let mut audio = worker.attach(&plugin, 4);
    let planes = [noise(512, 1)];
    assert_eq!(play(&mut audio, &planes, &quiet()).0[0], planes[0]);
    set(&mut worker, 0, 1.0 / 12.0);
    audio.submit(&Input {
        frames: 512,
        planes: &planes,
        events: &quiet(),
        transport: None,
    });
    while worker.try_receive().is_some() {}
    assert_eq!(worker.end(), None, "ended by a signal");
}
