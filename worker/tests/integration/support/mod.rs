//! A worker under test: the built binary, spoken to as the daemon does.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plugpen_proto::calls::WorkerCall;
use plugpen_proto::event::EventList;
use plugpen_proto::framing::{Assembler, encode};
use plugpen_proto::v1::{
    AudioRings, ErrorReason, ListParametersRequest, OpenOptions, OpenedPlugin, Parameter,
    PluginFormat, SandboxReport, SetParameterRequest, Transport,
};
use plugpen_proto::worker::{AttachRings, FromWorker, Hello, Load, ToWorker, event, from_worker};
use plugpen_shm::{BlockHeader, ClientEnd, Regions, RingSpec};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair, sockopt,
};

/// Longer than any call takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running worker; killed and reaped when dropped.
pub struct Worker {
    child: Child,
    socket: Option<OwnedFd>,
    assembler: Assembler,
    last_id: u64,
    after_block: u64,
    pub hello: Hello,
    pub events: VecDeque<event::Event>,
    pub private_dir: tempfile::TempDir,
}

/// A call the worker refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub reason: ErrorReason,
    pub message: String,
}

/// Rings that are attached.
pub struct Audio {
    pub client: ClientEnd,
    pub regions: Regions,
    /// Events that the last block dropped.
    pub dropped: u32,
    outputs: usize,
}

impl Worker {
    pub fn plugin() -> Self {
        Self::start("plugin", "best-effort", &[])
    }

    pub fn probe() -> Self {
        Self::start("probe", "best-effort", &[])
    }

    pub fn start(role: &str, sandbox: &str, read_only: &[&str]) -> Self {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(DEADLINE)).unwrap();
        let private_dir = tempfile::tempdir().unwrap();
        // The shell moves the socket from 0 to 3, where a worker looks for it.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "exec \"$@\" 3<&0 </dev/null", "sh"])
            .arg(worker_binary())
            .args(["--role", role, "--sandbox", sandbox, "--private-dir"])
            .arg(private_dir.path())
            .env_clear()
            .env("HOME", private_dir.path())
            .env("TMPDIR", private_dir.path())
            .env("LANG", "C.UTF-8")
            .env("PATH", "/usr/bin:/bin")
            .env("QT_QPA_PLATFORM", "offscreen")
            .envs(std::env::var_os("LV2_PATH").map(|path| ("LV2_PATH", path)))
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(if std::env::var_os("WORKER_STDERR").is_some() {
                Stdio::inherit()
            } else {
                Stdio::null()
            });
        for path in read_only {
            command.args(["--read-only", path]);
        }
        let child = command.spawn().unwrap();
        // It holds the worker's end of the socket open.
        drop(command);
        let mut worker = Self {
            child,
            socket: Some(ours),
            assembler: Assembler::new(),
            last_id: 0,
            after_block: 0,
            hello: Hello::default(),
            events: VecDeque::new(),
            private_dir,
        };
        match worker.receive().body {
            Some(from_worker::Body::Hello(hello)) => worker.hello = hello,
            other => panic!("not a Hello: {other:?}"),
        }
        worker
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn sandbox(&self) -> SandboxReport {
        self.hello.sandbox.clone().unwrap()
    }

    /// Makes a call and waits for its answer; events on the way are kept.
    pub fn call<C: WorkerCall>(&mut self, call: C) -> Result<C::Response, Refused> {
        self.call_with(call, &[])
    }

    pub fn call_with<C: WorkerCall>(
        &mut self,
        call: C,
        descriptors: &[OwnedFd],
    ) -> Result<C::Response, Refused> {
        self.last_id += 1;
        let id = self.last_id;
        let message = ToWorker {
            id,
            after_block: self.after_block,
            call: Some(call.into_call()),
        };
        self.send(&message, descriptors);
        loop {
            let answer = self.receive();
            if answer.id == 0 {
                self.keep(answer);
                continue;
            }
            assert_eq!(answer.id, id, "answers come in order");
            return match answer.body {
                Some(from_worker::Body::Error(error)) => Err(Refused {
                    reason: error.reason(),
                    message: error.message,
                }),
                Some(body) => Ok(C::response(body).expect("an answer of the call's type")),
                None => panic!("an empty answer"),
            };
        }
    }

    pub fn load(&mut self, options: OpenOptions) -> Result<OpenedPlugin, Refused> {
        let format = if options.path.starts_with("null:") {
            PluginFormat::Null
        } else if options.path.contains(".vst3") {
            PluginFormat::Vst3
        } else if options.path.ends_with(".component") {
            PluginFormat::AudioUnit
        } else if options.path.ends_with(".so") {
            PluginFormat::Vst2
        } else {
            PluginFormat::Lv2
        };
        let is_file = options.path.starts_with('/');
        let load = Load {
            bundle: if is_file {
                options.path.clone()
            } else {
                String::new()
            },
            private_dir: self.private_dir.path().display().to_string(),
            format: format.into(),
            options: Some(options),
        };
        Ok(self.call(load)?.plugin.expect("a plugin"))
    }

    /// Makes rings for the plugin and attaches them.
    pub fn attach(&mut self, plugin: &OpenedPlugin, sample_bytes: u32) -> Audio {
        let rings = AudioRings {
            depth: 4,
            max_frames: plugin.max_block_size,
            input_channels: plugin.num_input_channels + plugin.sidechain_channels,
            output_channels: plugin.num_output_channels,
            event_bytes: 32 * 1024,
            sample_bytes,
            parameters: plugin.num_parameters,
            generation: 1,
            ..AudioRings::default()
        };
        let layout = RingSpec::try_from(&rings).unwrap().layout().unwrap();
        let regions = Regions::create(&layout).unwrap();
        let client = ClientEnd::attach(regions.client_fds().unwrap(), &layout).unwrap();
        let descriptors = regions.worker_fds().unwrap();
        self.call_with(AttachRings { rings: Some(rings) }, &descriptors)
            .unwrap();
        self.after_block = 0;
        Audio {
            client,
            regions,
            dropped: 0,
            outputs: usize::try_from(plugin.num_output_channels).unwrap(),
        }
    }

    /// Calls from now on come after so many blocks.
    pub fn after_block(&mut self, blocks: u64) {
        self.after_block = blocks;
    }

    pub fn send(&self, message: &ToWorker, descriptors: &[OwnedFd]) {
        let mut wire = Vec::new();
        encode(message, &mut wire).unwrap();
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        }
        let socket = self.socket.as_ref().unwrap();
        let first = [IoSlice::new(&wire)];
        let mut sent = sendmsg(socket, &first, &mut ancillary, SendFlags::NOSIGNAL).unwrap();
        while sent < wire.len() {
            sent += rustix::io::write(socket, &wire[sent..]).unwrap();
        }
    }

    /// The next message; fails the test when the worker has gone or says nothing.
    pub fn receive(&mut self) -> FromWorker {
        self.try_receive().expect("the worker is gone")
    }

    /// `None` when the worker has gone.
    pub fn try_receive(&mut self) -> Option<FromWorker> {
        let mut bytes = vec![0; 65_536];
        loop {
            if let Some(message) = self.assembler.next_message().unwrap() {
                return Some(message);
            }
            match rustix::io::read(self.socket.as_ref().unwrap(), &mut bytes) {
                Ok(0) | Err(rustix::io::Errno::CONNRESET) => return None,
                Ok(count) => self.assembler.push(&bytes[..count]),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("nothing from the worker: {error}"),
            }
        }
    }

    fn keep(&mut self, message: FromWorker) {
        match message.body {
            Some(from_worker::Body::Event(event)) => self.events.extend(event.event),
            other => panic!("not an event: {other:?}"),
        }
    }

    /// Closes the socket and waits for the worker's end; its exit code.
    pub fn end(mut self) -> Option<i32> {
        self.socket = None;
        self.child.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Audio {
    /// Plays one block and returns its output planes and events.
    pub fn block(&mut self, block: &Input<'_>) -> (Vec<Vec<f32>>, EventList) {
        self.submit(block);
        self.collect()
    }

    pub fn submit(&mut self, block: &Input<'_>) {
        let mut slot = self.client.begin().expect("room in the ring");
        slot.set_header(&BlockHeader {
            frames: block.frames,
            double: false,
            transport: block.transport,
        });
        for (channel, plane) in block.planes.iter().enumerate() {
            slot.write_f32(channel, plane);
        }
        for event in block.events.iter() {
            slot.push_event(&event).unwrap();
        }
        slot.submit();
    }

    pub fn collect(&mut self) -> (Vec<Vec<f32>>, EventList) {
        self.client.wait(1, Instant::now() + DEADLINE).unwrap();
        let mut slot = self.client.output().unwrap().expect("a block is done");
        self.dropped = slot.header().events_dropped;
        let frames = usize::try_from(slot.header().frames).unwrap();
        let mut planes = vec![vec![0.0; frames]; self.outputs];
        for (channel, plane) in planes.iter_mut().enumerate() {
            slot.read_f32(channel, plane);
        }
        let mut events = EventList::new();
        slot.events(&mut events).unwrap();
        slot.release();
        (planes, events)
    }
}

/// A block to play.
pub struct Input<'a> {
    pub frames: u32,
    pub planes: &'a [Vec<f32>],
    pub events: &'a EventList,
    pub transport: Option<Transport>,
}

/// Puts a bundle of the test plugins together: some of its files as they are in the sources, and
/// the library that cargo builds for these tests.
pub fn assemble(name: &str, files: &[&str], library: &str) -> String {
    let bundle = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let put = |from: &Path, to: &str| {
        let to = bundle.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        // Renamed into place: another run's worker may have the old one mapped.
        let new = to.with_extension(std::process::id().to_string());
        let copied = std::fs::copy(from, &new);
        copied.unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        std::fs::rename(new, to).unwrap();
    };
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/plugins");
    for file in files {
        put(&plugins.join(name).join(file), file);
    }
    let own = std::env::current_exe().unwrap();
    put(&own.with_file_name("libplugpen_test_plugins.so"), library);
    bundle.to_str().unwrap().to_owned()
}

/// Options for a path, 48 kHz, blocks of up to 512 frames.
pub fn options(path: &str) -> OpenOptions {
    OpenOptions {
        path: path.into(),
        sample_rate: 48_000.0,
        max_block_size: 512,
        in_channels: 2,
        out_channels: 2,
        ..OpenOptions::default()
    }
}

/// Options for a plugin that the test needs; fails where it is not installed.
pub fn installed(bundle: &str, selector: &str) -> OpenOptions {
    let path = format!("/usr/lib/lv2/{bundle}");
    assert!(
        Path::new(&path).is_dir(),
        "{path} is not installed; install the plugins that the tests need (mda-lv2, lv2-examples, \
         dpf-plugins-lv2, zam-plugins, x42-plugins)"
    );
    OpenOptions {
        selector: selector.into(),
        ..options(&path)
    }
}

/// Options for a VST3 plugin that the test needs; fails where it is not installed.
pub fn installed_vst3(name: &str) -> OpenOptions {
    let path = format!("/usr/lib/vst3/{name}.vst3");
    assert!(
        Path::new(&path).is_dir(),
        "{path} is not installed; install the plugins that the tests need (zam-plugins)"
    );
    options(&path)
}

/// All VST3 modules that are installed.
pub fn vst3_modules() -> Vec<String> {
    let folder = std::fs::read_dir("/usr/lib/vst3").expect("zam-plugins, which has VST3 modules");
    let mut modules: Vec<String> = folder
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.ends_with(".vst3"))
        .collect();
    modules.sort();
    modules
}

/// Plays a block of 512 frames.
pub fn play(
    audio: &mut Audio,
    planes: &[Vec<f32>],
    events: &EventList,
) -> (Vec<Vec<f32>>, EventList) {
    audio.block(&Input {
        frames: 512,
        planes,
        events,
        transport: None,
    })
}

/// The loudest sample.
pub fn peak(planes: &[Vec<f32>]) -> f32 {
    planes
        .iter()
        .flatten()
        .fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// Sets a parameter.
pub fn set(worker: &mut Worker, index: u32, value: f64) {
    let call = SetParameterRequest {
        index,
        value,
        ..SetParameterRequest::default()
    };
    worker.call(call).unwrap();
}

/// All parameters as they are now.
pub fn parameters(worker: &mut Worker) -> Vec<Parameter> {
    worker
        .call(ListParametersRequest::default())
        .unwrap()
        .parameters
}

/// The same noise on every run, -1 to 1.
pub fn noise(frames: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_769).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f32::from(u16::try_from(state >> 16).unwrap()) / 32_768.0 - 1.0
    };
    (0..frames).map(|_| next()).collect()
}

fn worker_binary() -> std::path::PathBuf {
    option_env!("CARGO_BIN_EXE_plugpen-worker")
        .map(Into::into)
        .or_else(|| std::env::var_os("PLUGPEN_WORKER").map(Into::into))
        .expect("the built worker")
}
