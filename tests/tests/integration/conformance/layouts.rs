//! A plugin that can have any number of channels, asked for and played with many.

use plugpen::{EventList, OpenOptions, Planes, PlanesMut};

use super::format::Format;
use super::{assert_near, play};
use crate::system::server;

/// Opens `gain` with so many channels and plays a different level on each.
#[track_caller]
fn check(format: &Format, channels: u8) {
    let server = server();
    let options = OpenOptions {
        in_channels: channels.into(),
        out_channels: channels.into(),
        ..OpenOptions::default()
    };
    let plugin = format.open_with(&server, "gain", options);
    let what = format!("{}, {channels} channels", format.name);
    let has = (plugin.num_input_channels(), plugin.num_output_channels());
    assert_eq!(has, (channels.into(), channels.into()), "{what}");
    plugin.set_param(0, 0.25).unwrap();
    let levels: Vec<f32> = (1..=channels).map(|at| f32::from(at) / 64.0).collect();
    let inputs: Vec<[f32; 64]> = levels.iter().map(|level| [*level; 64]).collect();
    let inputs: Vec<&[f32]> = inputs.iter().map(|input| &input[..]).collect();
    let mut outputs = vec![[f32::NAN; 64]; inputs.len()];
    let mut planes: Vec<&mut [f32]> = outputs.iter_mut().map(|output| &mut output[..]).collect();
    let mut changes = EventList::new();
    changes.push_parameter(32, 0, 0.5);
    plugin
        .process(
            Planes::F32(&inputs),
            Planes::None,
            PlanesMut::F32(&mut planes),
            64,
            &changes,
            &mut EventList::new(),
        )
        .unwrap();
    for (output, level) in outputs.iter().zip(levels) {
        for (frame, gain) in [(0, 0.25), (31, 0.25), (32, 0.5), (63, 0.5)] {
            let expected = f64::from(level) * gain * format.most_gain;
            assert_near(output[frame], expected, &format!("{what}, frame {frame}"));
        }
    }
}

pub fn one_to_eight_channels_are_played(format: &Format) {
    for channels in 1..=8 {
        check(format, channels);
    }
}

pub fn channels_beyond_every_arrangement_are_played(format: &Format) {
    for channels in [9, 16, 64] {
        check(format, channels);
    }
}

pub fn another_layout_is_asked_for_and_not_kept(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.125).unwrap();
    let gain = format.most_gain * 0.125;
    let fits = |inputs: &[i32], outputs: &[i32]| plugin.check_buses_layout(inputs, outputs);
    for channels in 1..=8 {
        assert!(fits(&[channels], &[channels]).unwrap(), "{channels}");
        assert!(!fits(&[channels], &[channels + 1]).unwrap(), "{channels}");
        let buses = plugin.buses(false).unwrap();
        assert_eq!(buses[0].channels, 2, "{}", format.name);
        assert_near(play(&plugin, &[1.0; 64])[63], gain, "after it was asked");
    }
    for (inputs, outputs) in [(&[][..], &[2][..]), (&[2, 2], &[2]), (&[0], &[0])] {
        assert!(!fits(inputs, outputs).unwrap(), "{inputs:?} {outputs:?}");
    }
    let value = plugin.get_param(0).unwrap();
    assert!((value - 0.125).abs() < 1e-6, "{value}");
}
