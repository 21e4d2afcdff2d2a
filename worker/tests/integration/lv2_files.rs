//! LV2 parameters that are texts and paths, on real plugins.

use crate::support::{Audio, Input, Worker, installed};
use plugpen_proto::event::EventList;
use plugpen_proto::v1::*;

fn parameter(worker: &mut Worker, name: &str) -> Parameter {
    let listed = worker.call(ListParametersRequest::default()).unwrap();
    let mut named = listed.parameters.into_iter().filter(|p| p.name == name);
    named.next().expect("a parameter of that name")
}

/// Gives a text its value and sets it.
fn tell(worker: &mut Worker, index: u32, text: &str) {
    let value = value_of(worker, index, text);
    let set = SetParameterRequest {
        index,
        value,
        ..SetParameterRequest::default()
    };
    worker.call(set).unwrap();
}

fn value_of(worker: &mut Worker, index: u32, text: &str) -> f64 {
    let ask = ParameterFromTextRequest {
        index,
        text: text.into(),
        ..ParameterFromTextRequest::default()
    };
    worker.call(ask).unwrap().value
}

fn stage(worker: &mut Worker, name: &str, data: Vec<u8>) -> String {
    let stage = StageFileRequest {
        name: name.into(),
        data,
        ..StageFileRequest::default()
    };
    worker.call(stage).unwrap().path
}

fn state(worker: &mut Worker) -> String {
    String::from_utf8(worker.call(GetStateRequest::default()).unwrap().data).unwrap()
}

fn restore(worker: &mut Worker, state: &str) {
    let set = SetStateRequest {
        data: state.into(),
        ..SetStateRequest::default()
    };
    worker.call(set).unwrap();
}

/// A mono WAV file at 48 kHz: silence but for full scale at one frame.
fn impulse(frames: u32, at: u32) -> Vec<u8> {
    let bytes = frames * 2;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(48_000u32.to_le_bytes());
    wav.extend(96_000u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(bytes.to_le_bytes());
    for frame in 0..frames {
        let sample = if frame == at { i16::MAX } else { 0 };
        wav.extend(sample.to_le_bytes());
    }
    wav
}

#[test]
fn texts_are_told_read_back_and_saved() {
    let mut worker = Worker::plugin();
    worker.load(installed("eg-params.lv2", "")).unwrap();
    let string = parameter(&mut worker, "string");
    assert_eq!(string.kind(), ParameterKind::Text);
    assert_eq!(string.text, "Hello, world", "the default state's");
    let path = parameter(&mut worker, "path");
    assert_eq!(path.kind(), ParameterKind::Path);
    let float = parameter(&mut worker, "float");
    assert_eq!(float.kind(), ParameterKind::Number);

    tell(&mut worker, string.index, "Grüße");
    assert_eq!(parameter(&mut worker, "string").text, "Grüße");
    let saved = state(&mut worker);
    assert!(saved.contains("\"Grüße\""), "{saved}");
    tell(&mut worker, string.index, "again");
    restore(&mut worker, &saved);
    assert_eq!(parameter(&mut worker, "string").text, "Grüße");
    let known = value_of(&mut worker, string.index, "Grüße");
    assert_eq!(parameter(&mut worker, "string").value, known);
}

/// Plays a click at frame 7 of a block; the loudest sample of the first channel and its frame.
fn click(audio: &mut Audio) -> (usize, f32) {
    let mut click = vec![0.0; 512];
    click[7] = 0.5;
    let (output, _) = audio.block(&Input {
        frames: 512,
        planes: &[click],
        events: &EventList::new(),
        transport: None,
    });
    let samples = output[0].iter().map(|sample| sample.abs()).enumerate();
    samples.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

/// x42's zeroconvo 0.6 takes no path by a message: its `work` takes 48 bytes off the length of
/// each (zeroconvolv.so+0x8065), and of shorter ones a length below zero. A state it takes.
#[test]
fn a_convolver_gets_its_impulse_by_a_state() {
    const MONO: &str = "http://gareus.org/oss/lv2/zeroconvolv#Mono";
    const AT: u32 = 100;
    let mut worker = Worker::plugin();
    let plugin = worker.load(installed("zeroconvo.lv2", MONO)).unwrap();
    let impulse_path = stage(&mut worker, "hall.wav", impulse(512, AT));
    let state = format!(
        "@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
         @prefix state: <http://lv2plug.in/ns/ext/state#> .
         <{MONO}/savedState> a <http://lv2plug.in/ns/ext/presets#Preset> ; lv2:appliesTo <{MONO}> ;
         state:state [ <http://gareus.org/oss/lv2/zeroconvolv#ir> <file://{impulse_path}> ] ."
    );
    restore(&mut worker, &state);
    let mut audio = worker.attach(&plugin, 4);
    // It is one of its own partitions late.
    let (at, loudest) = click(&mut audio);
    assert_eq!(at, 7 + usize::try_from(AT).unwrap() + 64, "{loudest}");
    assert!((loudest - 0.5).abs() < 1e-3, "{loudest}");
}

#[test]
fn a_convolution_reverb_gets_its_impulse() {
    const AT: u32 = 100;
    let mut worker = Worker::plugin();
    let options = OpenOptions {
        // So that the impulse is read while the caller waits.
        non_realtime: true,
        ..installed("convo.lv2", "LV2 Convolution Mono")
    };
    let plugin = worker.load(options.clone()).unwrap();
    let impulse_path = stage(&mut worker, "hall.wav", impulse(512, AT));
    assert!(impulse_path.ends_with("/hall.wav"), "{impulse_path}");
    let parameter = parameter(&mut worker, "impulse");
    tell(&mut worker, parameter.index, &impulse_path);
    let mut audio = worker.attach(&plugin, 4);
    // The first block brings the message, the plugin takes the impulse up behind it.
    click(&mut audio);
    let (at, loudest) = click(&mut audio);
    assert_eq!(at, 7 + usize::try_from(AT).unwrap(), "{loudest}");
    assert!(loudest > 0.1, "{loudest}");
    worker.after_block(2);
    let saved = state(&mut worker);
    assert!(saved.contains("/hall.wav"), "{saved}");
}
