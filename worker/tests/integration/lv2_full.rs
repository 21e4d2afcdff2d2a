//! LV2 plugins of the full set, for what none of the small set has.

use crate::support::{Input, Worker, installed, set};
use plugpen_proto::event::EventList;
use plugpen_proto::v1::OpenOptions;

/// The full set is not installed for every run.
fn is_full() -> bool {
    let is_full = std::env::var_os("PLUGPEN_FULL").is_some();
    if !is_full {
        println!("not tested: ./dev test --full does");
    }
    is_full
}

fn peak(samples: &[f32]) -> f32 {
    samples
        .iter()
        .fold(0.0, |peak, sample| peak.max(sample.abs()))
}

#[test]
fn an_organ_of_the_event_extension_hears_its_note() {
    if !is_full() {
        return;
    }
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("foo-yc20.lv2", "")).unwrap();
    assert!(plugin.accepts_midi);
    let mut audio = worker.attach(&plugin, 4);
    let mut play = |note: Option<[u8; 3]>| {
        let mut events = EventList::new();
        if let Some(note) = note {
            events.push_midi(200, &note);
        }
        let (output, _) = audio.block(&Input {
            frames: 512,
            planes: &[],
            events: &events,
            transport: None,
        });
        output.into_iter().next().unwrap()
    };
    // Its filters settle first.
    let quiet = (0..200).map(|_| peak(&play(None))).last().unwrap();
    play(Some([0x90, 60, 100]));
    let held = peak(&play(None));
    assert!(held > 10.0 * quiet.max(1e-5), "{quiet} {held}");
}

#[test]
fn control_voltages_are_the_last_bus() {
    if !is_full() {
        return;
    }
    let mut worker = Worker::plugin();
    let options = OpenOptions {
        sidechain_channels: 1,
        ..installed("fomp.lv2", "http://drobilla.net/plugins/fomp/pulse_vco")
    };
    let plugin = worker.load(options).unwrap();
    let names: Vec<_> = plugin.input_buses.iter().map(|bus| &bus.name).collect();
    assert_eq!(names.last().unwrap().as_str(), "CV");
}

#[test]
fn libraries_that_plugins_forget_to_name_are_lent() {
    if !is_full() {
        return;
    }
    for (bundle, selector) in [("b_whirl", ""), ("mbeq-swh.lv2", "")] {
        Worker::plugin().load(installed(bundle, selector)).unwrap();
    }
}

#[test]
fn an_amplifier_s_gain_becomes_a_control_voltage() {
    if !is_full() {
        return;
    }
    // 20 decibels by the parameter, and by a voltage beside the sound.
    let amp = installed("blop.lv2", "http://drobilla.net/plugins/blop/amp");
    let mut worker = Worker::plugin();
    let plugin = worker.load(amp.clone()).unwrap();
    assert_eq!((plugin.num_parameters, plugin.input_buses.len()), (1, 1));
    set(&mut worker, 0, (20.0 + 96.0) / 192.0);
    let mut audio = worker.attach(&plugin, 4);
    let mut play = |planes: &[Vec<f32>]| {
        let (output, _) = audio.block(&Input {
            frames: 64,
            planes,
            events: &EventList::new(),
            transport: None,
        });
        output[0][63]
    };
    assert!((play(&[vec![0.05; 64]]) - 0.5).abs() < 1e-3);

    let mut worker = Worker::plugin();
    let options = OpenOptions {
        sidechain_channels: 1,
        port_types: [("gain".to_owned(), "cv".to_owned())].into(),
        ..amp
    };
    let plugin = worker.load(options).unwrap();
    assert_eq!((plugin.num_parameters, plugin.sidechain_channels), (0, 1));
    assert_eq!(plugin.input_buses[1].name, "CV");
    let mut audio = worker.attach(&plugin, 4);
    for (decibels, expected) in [(20.0, 0.5), (0.0, 0.05), (-20.0, 0.005)] {
        let (output, _) = audio.block(&Input {
            frames: 64,
            planes: &[vec![0.05; 64], vec![decibels; 64]],
            events: &EventList::new(),
            transport: None,
        });
        assert!(
            (output[0][63] - expected).abs() < 1e-3,
            "{decibels}: {output:?}"
        );
    }
}
