//! A real daemon and real workers, used through the client.

mod audio_unit;
mod banks;
mod command_line;
mod crashes;
mod daemon;
pub(crate) mod deaths;
mod folders;
mod guards;
mod jail;
mod kill_storm;
mod leaks;
mod open;
mod playing;
mod presets;
mod real_plugins;
mod recovery;
mod refusals;
mod scanning;
mod threads;
mod versions;

use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use plugpen::v1::ErrorReason;
use plugpen::{
    Error, EventList, OpenOptions, Planes, PlanesMut, Plugin, PrivateOptions, Result, Server,
};
use plugpen_tests::places::built;

const FRAMES: usize = 64;

/// A daemon of this test's own.
pub(crate) fn server() -> Server {
    server_with("")
}

/// A daemon with a configuration.
pub(crate) fn server_with(config: &str) -> Server {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    let options = PrivateOptions {
        binary_dirs: vec![built().unwrap().programs.clone()],
        config: Some(file.path().to_owned()),
        ..PrivateOptions::default()
    };
    Server::private_with(&options).unwrap()
}

fn options(name: &str) -> OpenOptions {
    OpenOptions {
        selector: format!("urn:plugpen:test:{name}"),
        ..OpenOptions::default()
    }
}

/// Opens one of the test plugins.
fn try_open(server: &Server, name: &str) -> Result<Plugin> {
    server.open(bundle(), &options(name))
}

#[track_caller]
fn open(server: &Server, name: &str) -> Plugin {
    try_open(server, name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The path of the test plugins' LV2 bundle.
fn bundle() -> &'static str {
    static BUNDLE: OnceLock<String> = OnceLock::new();
    BUNDLE.get_or_init(|| built().unwrap().lv2().to_str().unwrap().to_owned())
}

/// Plays one block: every input channel is `input`; returns the output channels and what the
/// plugin said.
pub(crate) fn play_events(
    plugin: &Plugin,
    input: &[f32],
    events: &EventList,
) -> Result<(Vec<Vec<f32>>, EventList)> {
    let frames = input.len();
    let inputs = plugin.num_input_channels() + plugin.sidechain_channels();
    let inputs = vec![input; usize::try_from(inputs).unwrap()];
    let outputs = usize::try_from(plugin.num_output_channels()).unwrap();
    let mut outputs = vec![vec![f32::NAN; frames]; outputs];
    let mut said = EventList::new();
    let main = usize::try_from(plugin.num_input_channels()).unwrap();
    let mut planes: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    plugin.process(
        Planes::F32(&inputs[..main]),
        Planes::F32(&inputs[main..]),
        PlanesMut::F32(&mut planes),
        frames,
        events,
        &mut said,
    )?;
    Ok((outputs, said))
}

/// Plays a block of [`FRAMES`] ones without events.
fn play(plugin: &Plugin) -> Result<Vec<Vec<f32>>> {
    play_events(plugin, &[1.0; FRAMES], &EventList::new()).map(|(outputs, _)| outputs)
}

/// Whether an error is one of the given reasons.
fn is(error: &Error, reasons: &[ErrorReason]) -> bool {
    reasons.contains(&error.reason)
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < deadline, "waited 30 s for {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// Runs the calling test's `body` in a process of its own, so that what it counts (descriptors,
/// threads, memory) is only its own.
#[track_caller]
pub(crate) fn alone(body: impl FnOnce()) {
    const MARK: &str = "PLUGPEN_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    built().unwrap();
    let name = thread::current().name().unwrap().to_owned();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{text}");
}

/// Whether the long versions of the tests were asked for (`./dev test --full`).
pub(crate) fn full() -> bool {
    std::env::var_os("PLUGPEN_FULL").is_some()
}

/// Numbers that look random; the seed is printed, and `PLUGPEN_SEED` repeats a run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let seed = std::env::var("PLUGPEN_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| {
                let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
                u64::from(now.subsec_nanos()) << 16 | u64::from(std::process::id())
            });
        println!("PLUGPEN_SEED={seed}");
        Self(seed | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // xorshift64*, Vigna 2016.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end
    }
}
