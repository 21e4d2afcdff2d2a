//! One buffer as a block's input and its output, at the client. A plugin never gets one buffer
//! for both: many cannot have it (LV2 has a name for them), and a worker cannot write where the
//! client put the input. The plugins under test end their process where a host does it.

use plugpen::{BlockInput, BlockOutput, BlockProcessor, EventList, Planes, PlanesMut, Plugin};

use super::format::Format;
use super::{MAX_FRAMES, assert_near, midi_of};
use crate::system::server;

/// Plays the buffers, which are what came out afterwards.
#[track_caller]
fn play_in_place(plugin: &Plugin, buffers: &mut [Vec<f32>], events: &EventList) -> EventList {
    let mut audio = plugin.lock_audio().unwrap();
    let frames = buffers[0].len();
    let inputs: Vec<&[f32]> = buffers.iter().map(Vec::as_slice).collect();
    let block = BlockInput {
        frames,
        audio: Planes::F32(&inputs),
        events,
        sidechain: Planes::None,
        transport: None,
    };
    audio.submit(&block).unwrap();
    let mut said = EventList::new();
    let mut outputs: Vec<&mut [f32]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
    let mut block = BlockOutput {
        audio: PlanesMut::F32(&mut outputs),
        events: &mut said,
        events_dropped: 0,
    };
    assert_eq!(audio.collect(&mut block).unwrap(), frames);
    said
}

pub fn one_buffer_is_input_and_output(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.125).unwrap();
    let gain = format.most_gain * 0.125;
    for frames in [1, 2, 63, 64, 65, 441, MAX_FRAMES - 1, MAX_FRAMES, 3] {
        let sample = |channel: usize, frame: usize| {
            let number = u16::try_from(frame + 1).unwrap();
            f32::from(number) * [0.001, -0.002][channel]
        };
        let mut buffers: Vec<Vec<f32>> = (0..2)
            .map(|channel| (0..frames).map(|frame| sample(channel, frame)).collect())
            .collect();
        for round in 1..4 {
            play_in_place(&plugin, &mut buffers, &EventList::new());
            for (channel, buffer) in buffers.iter().enumerate() {
                for (frame, got) in buffer.iter().enumerate() {
                    let expected = f64::from(sample(channel, frame)) * gain.powi(round);
                    assert_near(*got, expected, &format!("{} round {round}", format.name));
                }
            }
        }
    }
}

pub fn what_is_in_a_shared_buffer_is_split_at_changes_too(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.0).unwrap();
    let mut events = EventList::new();
    for (offset, value) in [(16, 0.5), (17, 0.25), (48, 1.0)] {
        events.push_parameter(offset, 0, value);
    }
    let mut buffers = vec![vec![1.0; 64]; 2];
    let said = play_in_place(&plugin, &mut buffers, &events);
    assert_eq!(midi_of(&said), []);
    for buffer in &buffers {
        for (frame, got) in buffer.iter().enumerate() {
            let value = match frame {
                0..16 => 0.0,
                16 => 0.5,
                17..48 => 0.25,
                _ => 1.0,
            };
            assert_near(*got, format.most_gain * value, &format!("frame {frame}"));
        }
    }
}
