//! Chains and whole files.

use std::sync::Arc;

use crate::common::{GAIN, open, ramp, scaled, server};
use plugpen::v1::ErrorReason;
use plugpen::{
    AudioInput, EventList, MidiFile, OpenOptions, Planes, PlanesMut, Plugin, PluginChain,
    RenderOptions, Server, Tail,
};

fn chain_of(server: &Server, gains: &[f64]) -> PluginChain {
    let plugin = |gain: &f64| {
        let plugin = open(server);
        plugin.set_param(GAIN, *gain).unwrap();
        Arc::new(plugin)
    };
    PluginChain::new(gains.iter().map(plugin).collect()).unwrap()
}

fn play(chain: &PluginChain, input: &[Vec<f32>; 2], changes: &[EventList]) -> [Vec<f32>; 2] {
    let frames = input[0].len();
    let mut output = [vec![0.0; frames], vec![0.0; frames]];
    let [left, right] = &mut output;
    chain
        .process(
            Planes::F32(&[&input[0], &input[1]]),
            Planes::None,
            PlanesMut::F32(&mut [left, right]),
            frames,
            &EventList::new(),
            changes,
            &mut EventList::new(),
        )
        .unwrap();
    output
}

#[test]
fn a_chain_is_its_plugins_one_after_the_other() {
    let server = server();
    let chain = chain_of(&server, &[0.25, 0.25, 1.0]);
    assert_eq!(play(&chain, &ramp(256), &[]), scaled(&ramp(256), 0.5));
    let mut silence = EventList::new();
    silence.push_parameter(0, GAIN, 0.0);
    let changes = [EventList::new(), silence];
    assert_eq!(play(&chain, &ramp(256), &changes), scaled(&ramp(256), 0.0));
    chain.set_mix(1, 0.0).unwrap();
    assert_eq!(chain.get_mix(1).unwrap(), 0.0);
    assert_eq!(play(&chain, &ramp(256), &[]), ramp(256));
    chain.reset().unwrap();
    chain.set_non_realtime(true).unwrap();
    assert!(chain.get_plugin(2).unwrap().non_realtime());
}

#[test]
fn impossible_chains_are_refused() {
    let server = server();
    let refused = |plugins: Vec<Arc<Plugin>>| PluginChain::new(plugins).unwrap_err().message;
    assert!(refused(vec![]).contains("at least one plugin"));
    let plugin = Arc::new(open(&server));
    let twice = refused(vec![plugin.clone(), plugin.clone()]);
    assert!(twice.contains("Plugin at index 1 is the same instance as index 0"));
    let options = OpenOptions {
        sample_rate: 44_100.0,
        ..OpenOptions::default()
    };
    let other = Arc::new(server.open("null:gain", &options).unwrap());
    let mixed = refused(vec![plugin.clone(), other]);
    assert!(
        mixed.contains("plugin 0 has 48000 Hz, plugin 1 has 44100 Hz"),
        "{mixed}"
    );
    plugin.close().unwrap();
    assert!(refused(vec![plugin]).contains("plugin is closed"));
}

#[test]
fn a_plugin_in_a_chain_keeps_its_rate_and_its_other_uses() {
    let server = server();
    let chain = chain_of(&server, &[0.5, 0.5]);
    let plugin = chain.get_plugin(0).unwrap().clone();
    assert_eq!(crate::common::play(&plugin, &ramp(64)).unwrap(), ramp(64));
    let error = plugin.set_sample_rate(44_100.0).unwrap_err();
    assert_eq!(error.reason, ErrorReason::WrongState);
    chain.close();
    plugin.set_sample_rate(44_100.0).unwrap();
    assert!(chain.is_closed() && chain.set_mix(0, 0.5).is_err());
    assert_eq!(
        chain.get_plugin(7).unwrap_err().reason,
        ErrorReason::IndexOutOfRange
    );
}

#[test]
fn two_chains_may_share_plugins_from_two_threads() {
    let server = server();
    let (one, two) = (Arc::new(open(&server)), Arc::new(open(&server)));
    let forth = PluginChain::new(vec![one.clone(), two.clone()]).unwrap();
    let back = PluginChain::new(vec![two, one]).unwrap();
    std::thread::scope(|scope| {
        for chain in [&forth, &back] {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert_eq!(play(chain, &ramp(64), &[]), ramp(64));
                }
            });
        }
    });
}

#[test]
fn a_dead_plugin_fails_the_chain_and_a_restart_mends_it() {
    let server = server();
    let chain = chain_of(&server, &[0.5, 0.25]);
    let plugin = chain.get_plugin(1).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(plugin.worker_pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    while crate::common::play(plugin, &ramp(8)).is_ok() {}
    let error = plugpen::process_audio(&chain, AudioInput::default(), &RenderOptions::default());
    assert_eq!(error.unwrap_err().reason, ErrorReason::PluginDead);
    plugin.restart().unwrap();
    assert_eq!(play(&chain, &ramp(64), &[]), scaled(&ramp(64), 0.5));
}

fn audio(frames: usize) -> Vec<f32> {
    let samples = (0u16..).map(|frame| f32::from(frame % 1000) / 1000.0);
    samples.take(frames).collect()
}

#[test]
fn audio_goes_through_with_its_latency_taken_out() {
    let server = server();
    let plugin = server
        .open("null:gain?latency=100", &OpenOptions::default())
        .unwrap();
    let samples = audio(10_000);
    let planes: [&[f32]; 2] = [&samples, &samples];
    let input = || AudioInput {
        audio: Some(Box::new(plugpen::engine::PlanesFeed::new(&planes))),
        ..AudioInput::default()
    };
    let options = RenderOptions {
        tail: Tail::Seconds(0.0),
        ..RenderOptions::default()
    };
    let output = plugpen::process_audio(&plugin, input(), &options).unwrap();
    assert_eq!(output, [samples.clone(), samples.clone()]);
    let chain = PluginChain::new(vec![Arc::new(plugin), Arc::new(open(&server))]).unwrap();
    chain.reset().unwrap();
    let output = plugpen::process_audio(&chain, input(), &options).unwrap();
    assert_eq!(output, [samples.clone(), samples]);
}

#[test]
fn a_midi_file_is_as_long_as_it_says_and_streams_alike() {
    let server = server();
    let plugin = open(&server);
    let mut file = MidiFile::new();
    file.add_note_on(0, 0, 0, 60, 100).unwrap();
    file.add_note_off(0, 120, 0, 60, 0).unwrap();
    let options = RenderOptions {
        tail: Tail::Seconds(0.25),
        ..RenderOptions::default()
    };
    let whole = plugpen::render_midi(&plugin, &file, &options).unwrap();
    assert_eq!(whole.len(), 2);
    assert_eq!(whole[0].len(), 36_000);
    let stream = plugpen::render_midi_stream(&plugin, &file, &options).unwrap();
    let frames: usize = stream.map(|block| block.unwrap()[0].len()).sum();
    assert_eq!(frames, 36_000);
    // The stream has given the audio back.
    assert_eq!(crate::common::play(&plugin, &ramp(64)).unwrap(), ramp(64));
}

#[test]
fn an_unfinished_stream_has_the_audio_until_it_is_dropped() {
    let server = server();
    let plugin = open(&server);
    let mut file = MidiFile::new();
    file.add_note_on(0, 480, 0, 60, 100).unwrap();
    let mut stream =
        plugpen::render_midi_stream(&plugin, &file, &RenderOptions::default()).unwrap();
    stream.next().unwrap().unwrap();
    let error = crate::common::play(&plugin, &ramp(64)).unwrap_err();
    assert_eq!(error.reason, ErrorReason::WrongState);
    drop(stream);
    assert_eq!(crate::common::play(&plugin, &ramp(64)).unwrap(), ramp(64));
}

#[test]
fn a_midi_file_becomes_a_wav_file_and_says_how_far_it_is() {
    let server = server();
    let plugin = open(&server);
    let mut file = MidiFile::new();
    file.add_note_on(0, 0, 0, 60, 100).unwrap();
    file.add_note_off(0, 120, 0, 60, 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.wav");
    let options = RenderOptions {
        tail: Tail::Seconds(0.5),
        ..RenderOptions::default()
    };
    let mut told = Vec::new();
    let mut render = |stop_at: u64| {
        plugpen::render_midi_to_file(
            &plugin,
            &file,
            &path,
            &plugpen::FileOptions {
                depth: plugpen::BitDepth::Int16,
                ..plugpen::FileOptions::default()
            },
            &options,
            &mut |done, total| {
                told.push((done, total));
                match done < stop_at {
                    true => Ok(()),
                    false => Err(plugpen::Error::invalid("stopped")),
                }
            },
        )
    };
    assert_eq!(render(u64::MAX).unwrap(), 48_000);
    assert_eq!(plugpen::engine::audio_info(&path).unwrap().frames, 48_000);
    assert_eq!(render(24_000).unwrap_err().message, "stopped");
    assert_eq!(plugpen::engine::audio_info(&path).unwrap().frames, 48_000);
    assert_eq!(told[0], (512, 48_000));
    assert!(told.contains(&(48_000, 48_000)));
    assert_eq!(crate::common::play(&plugin, &ramp(64)).unwrap(), ramp(64));
}

#[test]
fn a_file_goes_through_at_the_plugins_rate() {
    use plugpen::engine::{AudioReader, WriteOptions, audio_info, fitted, read_audio, write_audio};
    let server = server();
    let plugin = open(&server);
    let folder = tempfile::tempdir().unwrap();
    let (dry, wet) = (
        folder.path().join("dry.flac"),
        folder.path().join("wet.wav"),
    );
    let tone: Vec<f32> = (0..8000_u16)
        .map(|frame| (f32::from(frame) * 0.1).sin() * 0.5)
        .collect();
    let write = WriteOptions {
        channels: 1,
        sample_rate: 24_000,
        depth: plugpen::BitDepth::Int24,
        broadcast: None,
    };
    write_audio(&dry, &[&tone], &write).unwrap();
    let reader = AudioReader::open(&dry).unwrap();
    let input = AudioInput {
        audio: Some(fitted(reader, 24_000, 48_000, 2).unwrap()),
        ..AudioInput::default()
    };
    let options = RenderOptions {
        tail: Tail::Seconds(0.0),
        ..RenderOptions::default()
    };
    let normalized = plugpen::FileOptions {
        depth: plugpen::BitDepth::Float32,
        normalize: Some(0.0),
        broadcast: None,
    };
    let mut told = 0;
    let frames = plugpen::process_audio_to_file(
        &plugin,
        input,
        &wet,
        &normalized,
        &options,
        &mut |done, total| {
            told = done;
            assert_eq!(total, 16_000);
            Ok(())
        },
    );
    assert_eq!((frames.unwrap(), told), (16_000, 16_000));
    let info = audio_info(&wet).unwrap();
    assert_eq!((info.channels, info.sample_rate), (2, 48_000));
    let (planes, _) = read_audio(&wet).unwrap();
    let peak = planes[0].iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    assert!((peak - 1.0).abs() < 1e-6, "{peak}");
    assert_eq!(planes[0], planes[1]);
    // The ends of the tone overshoot, so that what is between them is a little lower.
    let inner = planes[0][1000..15_000].iter();
    let peak = inner.fold(0.0_f32, |peak, s| peak.max(s.abs()));
    assert!(peak > 0.8, "{peak}");
    for frame in 1000..15_000_u16 {
        let expected = (f32::from(frame) * 0.05).sin() * peak;
        assert!((planes[0][usize::from(frame)] - expected).abs() < 1e-3);
    }
}
