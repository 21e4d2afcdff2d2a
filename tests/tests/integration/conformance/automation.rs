//! Parameter changes within a block take effect at their frame, not one before or after.

use plugpen::{EventList, Planes, PlanesMut, Plugin};

use super::format::Format;
use super::{MAX_FRAMES, assert_near, play};
use crate::system::{Random, play_events, server};

/// Plays ones through a gain that changes; returns what it should have been as well.
#[track_caller]
fn check(plugin: &Plugin, most: f64, before: f64, frames: usize, changes: &[(u32, f64)]) -> f64 {
    let mut events = EventList::new();
    for &(offset, value) in changes {
        events.push_parameter(offset, 0, value);
    }
    let (outputs, _) = play_events(plugin, &vec![1.0; frames], &events).unwrap();
    let mut value = before;
    let mut changes = changes.iter().peekable();
    for (frame, &got) in outputs[0].iter().enumerate() {
        while let Some(&(_, new)) = changes.next_if(|change| change.0 as usize <= frame) {
            value = new;
        }
        assert_near(got, most * value, &format!("frame {frame} of {frames}"));
    }
    let after = plugin.get_param(0).unwrap();
    assert!((after - value).abs() < 1e-6, "{after}, not {value}");
    value
}

pub fn a_block_is_split_exactly_at_its_changes(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    let most = format.most_gain;
    plugin.set_param(0, 0.25).unwrap();
    let mut value = 0.25;
    let each_frame: Vec<(u32, f64)> = (0..64).map(|at| (at, f64::from(at) / 64.0)).collect();
    for changes in [
        &[(0, 0.5)][..],
        &[(63, 1.0)],
        &[(1, 0.125), (62, 0.875)],
        &[(16, 0.25), (17, 0.75), (48, 0.0)],
        &each_frame,
        &[],
    ] {
        value = check(&plugin, most, value, 64, changes);
    }
    let mut random = Random::new();
    for _ in 0..40 {
        let frames = 1 + random.below(MAX_FRAMES as u64);
        let mut offsets: Vec<u64> = (0..random.below(12))
            .map(|_| random.below(frames))
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
        let changes: Vec<(u32, f64)> = offsets
            .into_iter()
            .map(|at| (u32::try_from(at).unwrap(), random.below(257) as f64 / 256.0))
            .collect();
        value = check(
            &plugin,
            most,
            value,
            usize::try_from(frames).unwrap(),
            &changes,
        );
    }
}

/// Against a plugin whose output is its parameter.
pub fn the_output_is_the_parameter_at_every_frame(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "parameter");
    plugin.set_param(0, 0.5).unwrap();
    let mut random = Random::new();
    let mut value = 0.5;
    for frames in [1, 17, 64, 441, 512] {
        let mut events = EventList::new();
        let mut expected = Vec::new();
        for frame in 0..frames {
            if random.below(3) == 0 {
                value = random.below(257) as f64 / 256.0;
                events.push_parameter(frame, 0, value);
            }
            expected.push(value);
        }
        let input = vec![0.0; expected.len()];
        let (outputs, _) = play_events(&plugin, &input, &events).unwrap();
        for (frame, (&got, &value)) in outputs[0].iter().zip(&expected).enumerate() {
            assert_near(got, value, &format!("{} {frame} of {frames}", format.name));
        }
    }
}

pub fn the_last_change_of_a_frame_wins(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.0).unwrap();
    let changes = [
        (8, 0.25),
        (8, 1.0),
        (8, 0.5),
        (8, 0.75),
        (20, 1.0),
        (20, 0.125),
    ];
    check(&plugin, format.most_gain, 0.0, 32, &changes);
    // Beyond the ends of the range is the range's end, beyond the block its last frame.
    let mut events = EventList::new();
    events.push_parameter(4, 0, 3.0);
    events.push_parameter(8, 0, -3.0);
    let (outputs, _) = play_events(&plugin, &[1.0; 16], &events).unwrap();
    assert_near(outputs[0][7], format.most_gain, "above 1");
    assert_near(outputs[0][8], 0.0, "below 0");
}

pub fn what_is_no_change_is_refused_at_the_door(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.5).unwrap();
    for (index, value) in [
        (0, f64::NAN),
        (0, f64::INFINITY),
        (plugin.num_params(), 0.5),
        (u32::MAX, 0.5),
    ] {
        let mut events = EventList::new();
        events.push_parameter(3, index, value);
        play_events(&plugin, &[1.0; 16], &events).unwrap_err();
    }
    assert_near(
        play(&plugin, &[1.0])[0],
        format.most_gain * 0.5,
        "after refusals",
    );
}

pub fn what_only_the_plugin_sets_is_not_automated(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "edits");
    let mut events = EventList::new();
    // `Meter`, which is the plugin's, and a parameter that is not.
    events.push_parameter(3, 2, 1.0);
    events.push_parameter(3, 1, 1.0);
    let report = plugin
        .process(
            Planes::None,
            Planes::None,
            PlanesMut::None,
            64,
            &events,
            &mut EventList::new(),
        )
        .unwrap();
    assert_eq!(report.events_dropped, 1, "{}", format.name);
    let values = plugin.get_params().unwrap();
    assert_eq!((values[1], values[2]), (1.0, 0.0));
}
