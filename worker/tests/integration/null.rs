//! Calls, rings and their order, with the null plugin.

use crate::support::{Input, Worker, noise, options};
use plugpen_proto::event::{EventBody, EventList};
use plugpen_proto::v1::*;
use plugpen_proto::worker::event::Event;
use plugpen_proto::worker::{Load, Ping};

fn input<'a>(planes: &'a [Vec<f32>], events: &'a EventList) -> Input<'a> {
    Input {
        frames: u32::try_from(planes[0].len()).unwrap(),
        planes,
        events,
        transport: None,
    }
}

#[test]
fn a_block_passes_through_the_plugin() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(options("null:gain")).unwrap();
    assert_eq!(plugin.state(), PluginState::Ready);
    assert_eq!(plugin.num_parameters, 4);
    let mut audio = worker.attach(&plugin, 4);
    let planes = [noise(512, 1), noise(512, 2)];
    let mut events = EventList::new();
    events.push_midi(17, &[0x90, 60, 100]);
    events.push_parameter(256, 0, 0.25);
    let (output, events_out) = audio.block(&input(&planes, &events));
    for (input, output) in planes.iter().zip(&output) {
        for (frame, (input, output)) in input.iter().zip(output).enumerate() {
            let gain = if frame < 256 { 1.0 } else { 0.5 };
            assert_eq!(input * gain, *output, "frame {frame}");
        }
    }
    let midi = events_out.get(0).unwrap();
    assert_eq!(
        (midi.offset, midi.body),
        (17, EventBody::Midi(&[0x90, 60, 100]))
    );
    let value = worker.call(GetParameterRequest::default()).unwrap().value;
    assert_eq!(value, 0.25);
}

#[test]
fn a_set_value_is_heard_and_in_the_state_at_once() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(options("null:gain")).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let set = SetParameterRequest {
        value: 0.125,
        ..SetParameterRequest::default()
    };
    assert_eq!(worker.call(set).unwrap().value, 0.125);
    let state = worker.call(GetStateRequest::default()).unwrap().data;
    assert!(String::from_utf8(state).unwrap().contains("gain 0.25"));
    let planes = [vec![1.0; 64], vec![1.0; 64]];
    let (output, _) = audio.block(&input(&planes, &EventList::new()));
    assert_eq!(output[1], [0.25; 64]);
    worker.call(Ping {}).unwrap();
    let told = worker.events.iter().any(|event| {
        matches!(event, Event::ParameterChanged(c) if c.index == 0 && c.value == 0.125 && c.by_host)
    });
    assert!(told, "{:?}", worker.events);
}

#[test]
fn an_exclusive_call_comes_after_the_blocks_submitted_before_it() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(options("null:gain")).unwrap();
    let mut audio = worker.attach(&plugin, 4);
    let planes = [vec![1.0; 512], vec![1.0; 512]];
    for round in 0..200u32 {
        let mut events = EventList::new();
        let value = f64::from(round % 64) / 64.0;
        events.push_parameter(511, 0, value);
        for _ in 0..3 {
            audio.submit(&input(&planes, &EventList::new()));
        }
        audio.submit(&input(&planes, &events));
        worker.after_block(audio.client.submitted());
        let state = worker.call(GetStateRequest::default()).unwrap().data;
        let expected = format!("gain {}", value * 2.0);
        let state = String::from_utf8(state).unwrap();
        assert!(
            state.lines().any(|line| line == expected),
            "{state}, not {expected}"
        );
        assert_eq!(audio.client.done().unwrap(), 4);
        for _ in 0..4 {
            audio.collect();
        }
    }
}

#[test]
fn fresh_rings_replace_the_old_ones() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(options("null:gain?latency=64")).unwrap();
    assert_eq!(plugin.latency_samples, 64);
    let planes = [noise(128, 3), noise(128, 4)];
    for _ in 0..3 {
        let mut audio = worker.attach(&plugin, 4);
        worker.call(ResetRequest::default()).unwrap();
        let (output, _) = audio.block(&input(&planes, &EventList::new()));
        assert_eq!(output[0][64..], planes[0][..64]);
        audio.regions.mark_dead();
    }
    worker.call(Ping {}).unwrap();
}

#[test]
fn bypass_by_the_host_is_the_dry_signal_in_time() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(options("null:gain?latency=100")).unwrap();
    assert!(!plugin.has_bypass);
    let mut audio = worker.attach(&plugin, 4);
    let invert = SetParameterRequest {
        index: 2,
        value: 1.0,
        ..SetParameterRequest::default()
    };
    worker.call(invert).unwrap();
    let song = noise(1024, 5);
    let mut heard = Vec::new();
    for (block, plane) in song.chunks(256).enumerate() {
        let bypass = SetBypassRequest {
            bypass: block % 2 == 1,
            ..SetBypassRequest::default()
        };
        worker.call(bypass).unwrap();
        let planes = [plane.to_vec(), plane.to_vec()];
        heard.extend(audio.block(&input(&planes, &EventList::new())).0.remove(1));
    }
    for frame in 100..1024 {
        let sign = if (frame / 256) % 2 == 1 { 1.0 } else { -1.0 };
        assert_eq!(heard[frame], sign * song[frame - 100], "frame {frame}");
    }
}

#[test]
fn refusals_have_reasons() {
    let mut worker = Worker::plugin();
    let early = worker.call(GetStateRequest::default()).unwrap_err();
    assert_eq!(early.reason, ErrorReason::WrongState);
    for (path, reason) in [
        ("null:fuzz", ErrorReason::NotFound),
        ("/nowhere.lv2", ErrorReason::NotFound),
    ] {
        assert_eq!(worker.load(options(path)).unwrap_err().reason, reason);
    }
    for (rate, size) in [
        (0.0, 512),
        (f64::NAN, 512),
        (48_000.0, 0),
        (48_000.0, 1_048_577),
    ] {
        let options = OpenOptions {
            sample_rate: rate,
            max_block_size: size,
            ..options("null:gain")
        };
        assert_eq!(
            worker.load(options).unwrap_err().reason,
            ErrorReason::InvalidInput
        );
    }
    let foreign = Load {
        format: PluginFormat::AudioUnit.into(),
        options: Some(options("/x.component")),
        ..Load::default()
    };
    assert_eq!(
        worker.call(foreign).unwrap_err().reason,
        ErrorReason::Unsupported
    );
    worker.load(options("null:gain")).unwrap();
    let twice = worker.load(options("null:gain")).unwrap_err();
    assert_eq!(twice.reason, ErrorReason::WrongState);
    let index = GetParameterRequest {
        index: 4,
        ..GetParameterRequest::default()
    };
    let error = worker.call(index).unwrap_err();
    assert_eq!(error.reason, ErrorReason::IndexOutOfRange);
    assert!(error.message.contains("[0, 3]"), "{}", error.message);
    for value in [f64::NAN, f64::INFINITY] {
        let set = SetParameterRequest {
            value,
            ..SetParameterRequest::default()
        };
        assert_eq!(
            worker.call(set).unwrap_err().reason,
            ErrorReason::InvalidInput
        );
    }
    let set = SetParametersRequest {
        values: vec![
            ParameterValue {
                index: 0,
                value: 0.1,
            },
            ParameterValue {
                index: 9,
                value: 0.1,
            },
        ],
        ..SetParametersRequest::default()
    };
    assert_eq!(
        worker.call(set).unwrap_err().reason,
        ErrorReason::IndexOutOfRange
    );
    let value = worker.call(GetParameterRequest::default()).unwrap().value;
    assert_eq!(value, 0.5, "all or none");
    let junk = SetStateRequest {
        data: b"junk".to_vec(),
        ..SetStateRequest::default()
    };
    assert_eq!(
        worker.call(junk).unwrap_err().reason,
        ErrorReason::InvalidInput
    );
}

#[test]
fn double_precision_passes_unharmed_and_is_converted_where_it_must() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(options("null:gain")).unwrap();
    assert!(plugin.supports_double);
    let mut audio = worker.attach(&plugin, 8);
    let third = 1.0f64 / 3.0;
    for (precision, expected) in [
        (Precision::Single, f64::from(1.0f32 / 3.0)),
        (Precision::Double, third),
    ] {
        let set = SetPrecisionRequest {
            precision: precision.into(),
            ..SetPrecisionRequest::default()
        };
        worker.call(set).unwrap();
        let mut slot = audio.client.begin().unwrap();
        slot.set_header(&plugpen_shm::BlockHeader {
            frames: 8,
            double: true,
            transport: None,
        });
        slot.write_f64(0, &[third; 8]);
        slot.write_f64(1, &[third; 8]);
        slot.submit();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        audio.client.wait(1, deadline).unwrap();
        let slot = audio.client.output().unwrap().unwrap();
        let mut output = [0.0; 8];
        slot.read_f64(1, &mut output);
        assert_eq!(output, [expected; 8]);
    }
}

#[test]
fn the_worker_ends_with_its_daemon() {
    let mut worker = Worker::plugin();
    let plugin = worker.load(options("null:gain")).unwrap();
    let _audio = worker.attach(&plugin, 4);
    assert_eq!(worker.end(), Some(0));
}

#[test]
fn programs_and_lists() {
    let mut worker = Worker::plugin();
    worker.load(options("null:gain?sidechain=1")).unwrap();
    let programs = worker.call(ListProgramsRequest::default()).unwrap();
    assert_eq!(programs.names, ["Default", "Quiet", "Echo"]);
    let set = SetProgramRequest {
        index: 1,
        ..SetProgramRequest::default()
    };
    worker.call(set).unwrap();
    assert_eq!(
        worker.call(ListProgramsRequest::default()).unwrap().current,
        1
    );
    let values = worker.call(GetParametersRequest::default()).unwrap().values;
    assert_eq!(values, [0.125, 0.0, 0.0, 0.0]);
    let page = ListParametersRequest {
        start: 1,
        count: 2,
        ..ListParametersRequest::default()
    };
    let page = worker.call(page).unwrap().parameters;
    let names: Vec<_> = page
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    assert_eq!(names, ["Delay", "Invert"]);
    let buses = worker.call(ListBusesRequest::default()).unwrap();
    assert_eq!((buses.inputs.len(), buses.outputs.len()), (2, 1));
    let layout = CheckBusesLayoutRequest {
        input_channels: vec![2, 1],
        output_channels: vec![2],
        ..CheckBusesLayoutRequest::default()
    };
    assert!(worker.call(layout).unwrap().supported);
    worker
        .call(BeginParameterGestureRequest::default())
        .unwrap();
    worker.call(EndParameterGestureRequest::default()).unwrap();
    let gestures: Vec<_> = worker
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ParameterGesture(gesture) => Some(gesture.is_begin),
            _ => None,
        })
        .collect();
    assert_eq!(gestures, [true, false]);
}
