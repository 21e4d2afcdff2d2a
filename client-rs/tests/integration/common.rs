//! A private daemon of this build, and blocks of samples.
//!
//! The plugin is the worker's own `null:gain`: 2 in, 2 out, parameters Gain (0.5 is unity), Delay,
//! Invert and Sidechain, programs Default, Quiet and Echo; it gives out the MIDI it gets.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use plugpen::{
    BlockReport, EventList, OpenOptions, Planes, PlanesMut, Plugin, PrivateOptions, Result, Server,
};

/// Index of the parameter Gain.
pub const GAIN: u32 = 0;
/// The value of Gain that changes nothing.
pub const UNITY: f64 = 0.5;

/// The folder with `plugpend` and its helpers, built if need be.
pub fn programs() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            if let Some(named) = std::env::var_os("PLUGPEN_BIN_DIR") {
                return named.into();
            }
            // This program is in TARGET/PROFILE/deps.
            let own = std::env::current_exe().unwrap();
            let folder = own.ancestors().nth(2).unwrap().to_owned();
            // Builds of their own, so that the worker is not given the features of the daemon's crates.
            for package in ["plugpen-worker", "plugpen-server", "plugpen-device"] {
                let mut build = Command::new(env!("CARGO"));
                build
                    .args(["build", "--quiet", "-p", package, "--target-dir"])
                    .arg(folder.parent().unwrap());
                if folder.ends_with("release") {
                    build.arg("--release");
                }
                assert!(
                    build.status().unwrap().success(),
                    "{package} does not build"
                );
            }
            folder
        })
        .clone()
}

/// A daemon for one test.
pub fn server() -> Server {
    let options = PrivateOptions {
        binary_dirs: vec![programs()],
        ..PrivateOptions::default()
    };
    Server::private_with(&options).unwrap()
}

/// A null plugin with default options.
pub fn open(server: &Server) -> Plugin {
    server.open("null:gain", &OpenOptions::default()).unwrap()
}

/// Two channels of a ramp, so that every sample is another.
pub fn ramp(frames: u16) -> [Vec<f32>; 2] {
    let left: Vec<f32> = (0..frames).map(|frame| f32::from(frame) / 4096.0).collect();
    let right = left.iter().map(|sample| -sample).collect();
    [left, right]
}

/// Plays a stereo block.
pub fn play(plugin: &Plugin, input: &[Vec<f32>; 2]) -> Result<[Vec<f32>; 2]> {
    play_events(plugin, input, &EventList::new(), &mut EventList::new()).map(|(output, _)| output)
}

/// Plays a stereo block with events.
pub fn play_events(
    plugin: &Plugin,
    input: &[Vec<f32>; 2],
    events: &EventList,
    events_out: &mut EventList,
) -> Result<([Vec<f32>; 2], BlockReport)> {
    let frames = input[0].len();
    let mut output = [vec![f32::NAN; frames], vec![f32::NAN; frames]];
    let [left, right] = &mut output;
    let report = plugin.process(
        Planes::F32(&[&input[0], &input[1]]),
        Planes::None,
        PlanesMut::F32(&mut [left, right]),
        frames,
        events,
        events_out,
    )?;
    Ok((output, report))
}

/// The block times a factor.
pub fn scaled(input: &[Vec<f32>; 2], factor: f32) -> [Vec<f32>; 2] {
    input
        .clone()
        .map(|plane| plane.iter().map(|sample| sample * factor).collect())
}
