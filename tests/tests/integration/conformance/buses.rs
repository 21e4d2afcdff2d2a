//! Buses and their channels.

use plugpen::v1::ErrorReason;
use plugpen::{EventList, OpenOptions, Planes, PlanesMut};

use super::format::Format;
use crate::system::{play_events, server};

pub fn the_layout_is_described(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    assert_eq!(
        (plugin.num_input_channels(), plugin.num_output_channels()),
        (2, 2)
    );
    assert_eq!(plugin.sidechain_channels(), 0);
    for is_input in [true, false] {
        let buses = plugin.buses(is_input).unwrap();
        assert!(buses[0].is_main && buses[0].channels == 2, "{buses:?}");
        assert_eq!(plugin.bus(is_input, 0).unwrap(), buses[0]);
        let beyond = u32::try_from(buses.len()).unwrap();
        plugin.bus(is_input, beyond).unwrap_err();
    }
    assert!(plugin.check_buses_layout(&[2], &[2]).unwrap());
    for (inputs, outputs) in [
        (&[][..], &[][..]),
        (&[-1], &[2]),
        (&[2], &[i32::MAX]),
        (&[2, 2, 2], &[2]),
        (&[3], &[2]),
    ] {
        let fits = plugin.check_buses_layout(inputs, outputs).unwrap();
        assert!(!fits, "{}: {inputs:?} {outputs:?}", format.name);
    }
    super::play(&plugin, &[1.0; 64]);
}

pub fn a_sidechain_is_an_input_of_its_own(format: &Format) {
    let server = server();
    let options = OpenOptions {
        in_channels: 1,
        out_channels: 1,
        sidechain_channels: 1,
        ..OpenOptions::default()
    };
    let plugin = format.open_with(&server, "sidechain", options);
    assert_eq!(plugin.num_input_channels(), 1, "{}", format.name);
    assert_eq!(plugin.sidechain_channels(), 1, "{}", format.name);
    for (main, side) in [(0.5, 0.25), (1.0, 0.0), (0.0, 1.0), (-0.5, 0.5)] {
        let mut output = [f32::NAN; 64];
        plugin
            .process(
                Planes::F32(&[&[main; 64]]),
                Planes::F32(&[&[side; 64]]),
                PlanesMut::F32(&mut [&mut output]),
                64,
                &EventList::new(),
                &mut EventList::new(),
            )
            .unwrap();
        assert_eq!(
            output,
            [(format.sidechain)(main, side); 64],
            "{}",
            format.name
        );
    }
    // Without the sidechain the plugin hears silence there.
    let mut output = [f32::NAN; 64];
    plugin
        .process(
            Planes::F32(&[&[0.5; 64]]),
            Planes::None,
            PlanesMut::F32(&mut [&mut output]),
            64,
            &EventList::new(),
            &mut EventList::new(),
        )
        .unwrap();
    assert_eq!(
        output,
        [(format.sidechain)(0.5, 0.0); 64],
        "{}",
        format.name
    );
}

pub fn a_layout_is_asked_of_the_plugin_and_its_own_comes_back(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    plugin.set_param(0, 0.5).unwrap();
    let twice = super::play(&plugin, &[0.25; 64]);
    let before = plugin.buses(true).unwrap();
    let asked: [(&[i32], &[i32], bool); 8] = [
        (&[1], &[1], true),
        (&[6], &[6], true),
        (&[64], &[64], true),
        (&[2], &[2], true),
        (&[3], &[2], false),
        (&[0], &[0], false),
        (&[65], &[65], false),
        (&[2, 2], &[2], false),
    ];
    for (inputs, outputs, fits) in asked {
        let told = plugin.check_buses_layout(inputs, outputs).unwrap();
        assert_eq!(told, fits, "{}: {inputs:?} {outputs:?}", format.name);
        assert_eq!(plugin.buses(true).unwrap(), before);
        assert_eq!(super::play(&plugin, &[0.25; 64]), twice);
    }
    assert_eq!(plugin.get_param(0).unwrap(), 0.5);
}

pub fn a_plugin_that_changes_its_buses_plays_on_or_says_that_it_cannot(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "edits");
    let channels = |count: f64| {
        plugin.set_param(3, count / 2000.0).unwrap();
        plugin.poll_callbacks().unwrap();
    };
    channels(3.0);
    assert_eq!(plugin.bus(true, 0).unwrap().channels, 3, "{}", format.name);
    assert_eq!(super::play(&plugin, &[1.0; 64]), [0.5; 64]);
    for _ in 0..2 {
        // More than blocks can have.
        channels(2000.0);
        for _ in 0..2 {
            let refused = play_events(&plugin, &[1.0; 64], &EventList::new()).unwrap_err();
            assert_eq!(refused.reason, ErrorReason::PluginRefused, "{refused}");
        }
        plugin.reset().unwrap();
        assert!(plugin.is_alive());
        channels(1.0);
        assert_eq!(super::play(&plugin, &[1.0; 64]), [0.5; 64]);
    }
}
