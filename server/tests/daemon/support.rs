//! A daemon per test, and a client for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use plugpen_proto::v1::{self, AudioPath, AudioRings, ErrorReason, OpenOptions, OpenedPlugin};
use plugpen_proto::{AFTER_BLOCK_KEY, Error, PROTOCOL_MAJOR, PROTOCOL_MINOR, SESSION_KEY};
use plugpen_shm::{ClientEnd, RingSpec};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Long enough that only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The real worker.
pub fn worker() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("plugpen-worker", "--bin", "plugpen-worker"))
}

/// The worker that misbehaves.
pub fn villain() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("plugpen-server", "--example", "villain_worker"))
}

/// Where a program is: where `PLUGPEN_BIN_DIR` says, else beside this test. Then it is built
/// first under `cargo test`: cargo does so itself only with what belongs to this very test.
fn build(package: &str, kind: &str, name: &str) -> PathBuf {
    let named = std::env::var_os("PLUGPEN_BIN_DIR").map(PathBuf::from);
    let profile = Path::new(env!("CARGO_BIN_EXE_plugpend")).parent().unwrap();
    let profile = named.as_deref().unwrap_or(profile);
    if let (None, Some(cargo)) = (&named, std::env::var_os("CARGO")) {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", package, kind, name]);
        build.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "{name} does not build");
    }
    let folder = match kind {
        "--example" => profile.join("examples"),
        _ => profile.to_owned(),
    };
    let program = folder.join(name);
    assert!(program.exists(), "build {name} first");
    program
}

/// A running daemon. Dropping it kills it.
pub struct Daemon {
    pub dir: TempDir,
    pub log: Log,
    pub child: Child,
}

/// What the daemon has logged so far.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    fn follow(&self, stderr: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.0.0.lock().unwrap().push(line);
                log.0.1.notify_all();
            }
            log.0.0.lock().unwrap().push("(end of the log)".into());
            log.0.1.notify_all();
        });
    }

    /// Waits for a line that contains this.
    pub fn wait_for(&self, text: &str) -> String {
        let found = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        let ended = |lines: &[String]| lines.last().is_some_and(|l| l == "(end of the log)");
        let lines = self.0.0.lock().unwrap();
        let (lines, _) = self
            .0
            .1
            .wait_timeout_while(lines, PATIENCE, |lines| {
                found(lines).is_none() && !ended(lines)
            })
            .unwrap();
        found(&lines).unwrap_or_else(|| panic!("no {text:?} in the log:\n{}", lines.join("\n")))
    }
}

impl Daemon {
    /// With the real worker and defaults.
    pub fn start() -> Self {
        Self::with(worker(), "", &[])
    }

    /// With the worker that misbehaves and these settings.
    pub fn with_villain(config: &str) -> Self {
        // It is a worker only as far as it must be to misbehave.
        Self::with(villain(), config, &["--no-namespaces"])
    }

    pub fn with(worker: &Path, config: &str, arguments: &[&str]) -> Self {
        let daemon = Self::launch(worker, config, arguments);
        daemon.log.wait_for("ready");
        daemon
    }

    /// Without waiting for it to be ready.
    pub fn launch(worker: &Path, config: &str, arguments: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        Self::launch_in(dir, worker, config, arguments)
    }

    pub fn launch_in(dir: TempDir, worker: &Path, config: &str, arguments: &[&str]) -> Self {
        let file = dir.path().join("plugpen.toml");
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_plugpend"))
            .arg("--runtime-dir")
            .arg(dir.path().join("run"))
            .arg("--config")
            .arg(&file)
            .arg("--worker")
            .arg(worker)
            .args(["--log-level", "debug"])
            .args(arguments)
            .env("XDG_CACHE_HOME", dir.path().join("cache"))
            .env_remove("LV2_PATH")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Log::default();
        log.follow(child.stderr.take().unwrap());
        Self { dir, log, child }
    }

    /// The runtime directory.
    pub fn run(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    pub fn socket(&self) -> PathBuf {
        self.run().join("plugpend.sock")
    }

    pub fn token(&self) -> String {
        std::fs::read_to_string(self.run().join("token")).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// Waits until the program has ended.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// A client with a session.
    pub async fn client(&self) -> Client {
        Client::connect(&self.socket(), &self.token()).await
    }

    /// While this file is there the villain does what its content says. It lies where every
    /// worker's private directory does.
    pub fn villain_switch(&self) -> PathBuf {
        self.run().join("villain")
    }

    /// Makes a folder that looks like an LV2 bundle.
    pub fn bundle(&self, name: &str) -> String {
        let bundle = self.dir.path().join("plugins").join(name);
        std::fs::create_dir_all(&bundle).unwrap();
        std::fs::write(bundle.join("manifest.ttl"), "").unwrap();
        bundle.to_str().unwrap().to_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Stops a process and waits until each of its threads stands still.
pub fn stop(pid: u32) {
    kill(pid, Signal::STOP);
    let start = std::time::Instant::now();
    let stands = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        // "t" under trace.
        stat.contains(") T ") || stat.contains(") t ")
    };
    while !std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .all(stands)
    {
        assert!(start.elapsed() < PATIENCE, "process {pid} does not stop");
        std::thread::yield_now();
    }
}

/// Whether a process is there and no zombie.
pub fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
    !matches!(state, None | Some(b'Z' | b'X'))
}

/// Waits until a process is gone.
pub fn wait_gone(pid: u32) {
    let start = std::time::Instant::now();
    while is_running(pid) {
        assert!(start.elapsed() < PATIENCE, "process {pid} does not end");
        std::thread::yield_now();
    }
}

/// What every call carries.
#[derive(Clone, Default)]
pub struct Metadata {
    pub token: String,
    pub session: Option<String>,
    pub after_block: u64,
}

impl Interceptor for Metadata {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let map: &mut MetadataMap = request.metadata_mut();
        let text = |text: &str| MetadataValue::try_from(text).unwrap();
        map.insert("authorization", text(&format!("Bearer {}", self.token)));
        if let Some(session) = &self.session {
            map.insert(SESSION_KEY, text(session));
        }
        map.insert(AFTER_BLOCK_KEY, text(&self.after_block.to_string()));
        Ok(request)
    }
}

type Service = InterceptedService<Channel, Metadata>;

/// A client of one session.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    pub metadata: Metadata,
}

macro_rules! services {
    ($($name:ident: $module:ident::$client:ident,)*) => {
        $(pub fn $name(&self) -> v1::$module::$client<Service> {
            v1::$module::$client::with_interceptor(self.channel.clone(), self.metadata.clone())
        })*
    };
}

impl Client {
    pub async fn connect(socket: &Path, token: &str) -> Self {
        let mut client = Self::without_session(socket, token).await;
        let request = v1::OpenSessionRequest {
            client_name: "a test".into(),
            client_version: "1".into(),
            protocol_major: PROTOCOL_MAJOR,
            protocol_minor: PROTOCOL_MINOR,
        };
        let session = client.server().open_session(request).await.unwrap();
        client.metadata.session = Some(session.into_inner().session_id);
        client
    }

    pub async fn without_session(socket: &Path, token: &str) -> Self {
        let socket = socket.to_owned();
        let connector = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(socket).await?;
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(connector).await.unwrap();
        let token = token.to_owned();
        Self {
            channel,
            metadata: Metadata {
                token,
                ..Metadata::default()
            },
        }
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// What the reflection service lists.
    pub async fn reflected_services(&self) -> Vec<String> {
        use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
        use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
        let mut client =
            ServerReflectionClient::with_interceptor(self.channel(), self.metadata.clone());
        let request = ServerReflectionRequest {
            message_request: Some(MessageRequest::ListServices(String::new())),
            ..ServerReflectionRequest::default()
        };
        let answers = client
            .server_reflection_info(tokio_stream::once(request))
            .await;
        let answer = answers.unwrap().into_inner().message().await.unwrap();
        match answer {
            Some(ServerReflectionResponse {
                message_response: Some(MessageResponse::ListServicesResponse(list)),
                ..
            }) => list
                .service
                .into_iter()
                .map(|service| service.name)
                .collect(),
            other => panic!("unexpected {other:?}"),
        }
    }

    services! {
        server: server_service_client::ServerServiceClient,
        plugins: plugin_service_client::PluginServiceClient,
        parameters: parameter_service_client::ParameterServiceClient,
        states: state_service_client::StateServiceClient,
        playback: playback_service_client::PlaybackServiceClient,
        buses: bus_service_client::BusServiceClient,
        discovery: discovery_service_client::DiscoveryServiceClient,
        events: event_service_client::EventServiceClient,
        devices: device_service_client::DeviceServiceClient,
    }

    /// Opens a plugin without audio.
    pub async fn open(&self, path: &str) -> Result<OpenedPlugin, Error> {
        let options = options(path, AudioPath::None);
        let (plugin, audio) = self.open_with(options).await?;
        assert!(audio.is_none());
        Ok(plugin)
    }

    /// Opens a plugin and takes its rings.
    pub async fn open_audio(&self, path: &str) -> (OpenedPlugin, ClientEnd) {
        let options = options(path, AudioPath::SharedMemory);
        let (plugin, audio) = self.open_with(options).await.unwrap();
        (plugin, attach(&audio.unwrap()))
    }

    pub async fn open_with(
        &self,
        options: OpenOptions,
    ) -> Result<(OpenedPlugin, Option<AudioRings>), Error> {
        let request = v1::OpenPluginRequest {
            options: Some(options),
            request_id: String::new(),
        };
        let opened = self.plugins().open_plugin(request).await?.into_inner();
        Ok((opened.plugin.unwrap(), opened.audio))
    }

    pub async fn get_plugin(&self, handle: &str) -> Result<OpenedPlugin, Error> {
        let handle = handle.to_owned();
        let request = v1::GetPluginRequest { handle };
        let plugin = self.plugins().get_plugin(request).await?;
        Ok(plugin.into_inner().plugin.unwrap())
    }

    /// The session's plugins.
    pub async fn list(&self) -> Vec<OpenedPlugin> {
        let mut plugins = self.plugins();
        let answer = plugins.list_plugins(v1::ListPluginsRequest::default());
        answer.await.unwrap().into_inner().plugins
    }

    pub async fn close(&self, handle: &str) -> Result<(), Error> {
        let handle = handle.to_owned();
        let request = v1::ClosePluginRequest { handle };
        self.plugins().close_plugin(request).await?;
        Ok(())
    }

    pub async fn get_parameter(&self, handle: &str, index: u32) -> Result<f64, Error> {
        let handle = handle.to_owned();
        let request = v1::GetParameterRequest { handle, index };
        let answer = self.parameters().get_parameter(request).await?;
        Ok(answer.into_inner().value)
    }

    pub async fn set_parameter(&self, handle: &str, index: u32, value: f64) -> Result<f64, Error> {
        let request = v1::SetParameterRequest {
            handle: handle.into(),
            index,
            value,
        };
        let answer = self.parameters().set_parameter(request).await?;
        Ok(answer.into_inner().value)
    }

    pub async fn get_state(&self, handle: &str) -> Result<Vec<u8>, Error> {
        let request = v1::GetStateRequest {
            handle: handle.into(),
            scope: v1::StateScope::Plugin.into(),
        };
        let mut chunks = self.states().get_state(request).await?.into_inner();
        let mut state = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            state.extend(chunk.data);
        }
        Ok(state)
    }
}

pub fn options(path: &str, audio_path: AudioPath) -> OpenOptions {
    OpenOptions {
        path: path.into(),
        sample_rate: 48_000.0,
        max_block_size: 512,
        in_channels: 2,
        out_channels: 2,
        audio_path: audio_path.into(),
        ..OpenOptions::default()
    }
}

/// Trades a ticket at the door.
pub fn redeem(rings: &AudioRings) -> Result<[OwnedFd; 3], String> {
    let mut door = UnixStream::connect(&rings.door).unwrap();
    door.write_all(&rings.ticket).unwrap();
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [std::io::IoSliceMut::new(&mut byte)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(&door, &mut slices, &mut beside, flags).unwrap();
    let fds: Vec<OwnedFd> = beside
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if byte == *b"k" {
        return Ok(fds.try_into().unwrap());
    }
    assert_eq!(byte, *b"n");
    let mut reason = String::new();
    door.read_to_string(&mut reason).unwrap();
    Err(reason)
}

/// The client's end of fresh rings.
pub fn attach(rings: &AudioRings) -> ClientEnd {
    let layout = RingSpec::try_from(rings).unwrap().layout().unwrap();
    ClientEnd::attach(redeem(rings).unwrap(), &layout).unwrap()
}

/// Asserts the reason of a failure and hands it over.
#[track_caller]
pub fn fails<T: std::fmt::Debug>(result: Result<T, Error>, reason: ErrorReason) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.reason, reason, "{error}");
    error
}
