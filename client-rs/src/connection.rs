//! One connection to a daemon: the channel, who we are on it, and a deadline for every call.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use plugpen_proto::limits::MAX_WORKER_MESSAGE;
use plugpen_proto::v1::audio_service_client::AudioServiceClient;
use plugpen_proto::v1::bus_service_client::BusServiceClient;
use plugpen_proto::v1::crash_service_client::CrashServiceClient;
use plugpen_proto::v1::device_service_client::DeviceServiceClient;
use plugpen_proto::v1::discovery_service_client::DiscoveryServiceClient;
use plugpen_proto::v1::event_service_client::EventServiceClient;
use plugpen_proto::v1::parameter_service_client::ParameterServiceClient;
use plugpen_proto::v1::playback_service_client::PlaybackServiceClient;
use plugpen_proto::v1::plugin_service_client::PluginServiceClient;
use plugpen_proto::v1::recording_service_client::RecordingServiceClient;
use plugpen_proto::v1::server_service_client::ServerServiceClient;
use plugpen_proto::v1::state_service_client::StateServiceClient;
use plugpen_proto::v1::{ErrorReason, OpenSessionRequest};
use plugpen_proto::{AFTER_BLOCK_KEY, PROTOCOL_MAJOR, PROTOCOL_MINOR, SESSION_KEY, VERSION};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::address::Address;
use crate::core::Core;
use crate::dial::{ConnectOptions, Dialer, Refused, refusal};
use crate::error::{self, Error, Result};

/// Calls that are answered at once.
///
/// All of these are longer than the daemon's own deadline for the call, so that a plugin that
/// hangs is reported as such by the daemon, and these end only a wait for a daemon that hangs.
pub(crate) const QUICK: Duration = Duration::from_secs(20);
/// States and programs: the plugin may read files and drain its ring first.
pub(crate) const STATE: Duration = Duration::from_secs(40);
/// Starting a worker and loading a plugin.
pub(crate) const LOAD: Duration = Duration::from_secs(60);
/// Probing a file.
pub(crate) const PROBE: Duration = Duration::from_secs(120);

/// Connecting, TLS included.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// As [`CONNECT`], and a moment for the dialer to say what took so long.
const OPEN: Duration = Duration::from_secs(6);

type Line = InterceptedService<Channel, Credentials>;

/// The services of a daemon; clones share the connection.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) server: ServerServiceClient<Line>,
    pub(crate) plugins: PluginServiceClient<Line>,
    pub(crate) parameters: ParameterServiceClient<Line>,
    pub(crate) state: StateServiceClient<Line>,
    pub(crate) playback: PlaybackServiceClient<Line>,
    pub(crate) audio: AudioServiceClient<Line>,
    pub(crate) buses: BusServiceClient<Line>,
    pub(crate) events: EventServiceClient<Line>,
    pub(crate) discovery: DiscoveryServiceClient<Line>,
    pub(crate) devices: DeviceServiceClient<Line>,
    pub(crate) crashes: CrashServiceClient<Line>,
    pub(crate) recordings: RecordingServiceClient<Line>,
}

impl Api {
    fn new(channel: Channel, credentials: Credentials) -> Api {
        let line = InterceptedService::new(channel, credentials);
        // The parameters of the largest plugin do not fit gRPC's usual 4 MiB.
        let limit = MAX_WORKER_MESSAGE;
        Api {
            server: ServerServiceClient::new(line.clone()),
            plugins: PluginServiceClient::new(line.clone()).max_decoding_message_size(limit),
            parameters: ParameterServiceClient::new(line.clone()).max_decoding_message_size(limit),
            state: StateServiceClient::new(line.clone()).max_decoding_message_size(limit),
            playback: PlaybackServiceClient::new(line.clone()),
            audio: AudioServiceClient::new(line.clone()),
            buses: BusServiceClient::new(line.clone()),
            events: EventServiceClient::new(line.clone()).max_decoding_message_size(limit),
            devices: DeviceServiceClient::new(line.clone()),
            crashes: CrashServiceClient::new(line.clone()).max_decoding_message_size(limit),
            recordings: RecordingServiceClient::new(line.clone()),
            discovery: DiscoveryServiceClient::new(line).max_decoding_message_size(limit),
        }
    }
}

/// Puts the session and the token on every call.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    session: Option<AsciiMetadataValue>,
    token: Option<AsciiMetadataValue>,
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        if let Some(session) = &self.session {
            metadata.insert(SESSION_KEY, session.clone());
        }
        if let Some(token) = &self.token {
            metadata.insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// How one call is made.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// The method, for messages.
    pub(crate) name: &'static str,
    /// How long to wait for the answer.
    pub(crate) deadline: Duration,
    /// Blocks submitted before the call, where it belongs to a plugin's audio.
    pub(crate) after_block: Option<u64>,
}

impl Call {
    /// A call that has nothing to do with audio.
    pub(crate) fn new(name: &'static str, deadline: Duration) -> Call {
        Call {
            name,
            deadline,
            after_block: None,
        }
    }

    /// The request with the call's metadata.
    pub(crate) fn request<Q>(&self, message: Q) -> Request<Q> {
        let mut request = Request::new(message);
        if let Some(block) = self.after_block {
            request
                .metadata_mut()
                .insert(AFTER_BLOCK_KEY, AsciiMetadataValue::from(block));
        }
        request
    }
}

/// A session on a daemon.
pub(crate) struct Connection {
    pub(crate) core: Arc<Core>,
    /// The daemon's address as the user would write it.
    pub(crate) target: String,
    is_remote: bool,
    /// How long the daemon keeps the session when it hears nothing.
    grace: Duration,
    api: Api,
    /// Why the session is over, once it is.
    gone: OnceLock<String>,
}

impl Connection {
    /// Connects and opens a session. Blocks for twice [`OPEN`] at most.
    ///
    /// # Errors
    /// `ServerUnavailable` where nobody listens, `VersionMismatch`, `Unauthenticated` (either does
    /// not trust the other), `InvalidInput` for options that make no sense.
    pub(crate) fn open(
        core: Arc<Core>,
        address: &Address,
        options: &ConnectOptions,
    ) -> Result<Connection> {
        let target = address.to_string();
        let token = options.token.as_deref().map(bearer).transpose()?;
        let dialer = Dialer::new(address, options)?;
        let channel = match core.wait_for(OPEN, dialer.channel(&target)) {
            Some(Ok(channel)) => channel,
            Some(Err(e)) => return Err(failed_to_open(&target, &e)),
            None => return Err(error::nobody(&target, "it does not take the connection")),
        };
        let mut credentials = Credentials {
            session: None,
            token,
        };
        let mut connection = Connection {
            core,
            target,
            is_remote: matches!(address, Address::Tcp(_)),
            grace: Duration::ZERO,
            api: Api::new(channel.clone(), credentials.clone()),
            gone: OnceLock::new(),
        };
        let hello = OpenSessionRequest {
            client_name: client_name(),
            client_version: VERSION.into(),
            protocol_major: PROTOCOL_MAJOR,
            protocol_minor: PROTOCOL_MINOR,
        };
        let mut api = connection.api();
        let opening = api.server.open_session(hello);
        let session = match connection.core.wait_for(OPEN, opening) {
            Some(Ok(session)) => session.into_inner(),
            Some(Err(status)) => {
                return Err(match std::error::Error::source(&status) {
                    Some(source) => failed_to_open(&connection.target, source),
                    None => status.into(),
                });
            }
            None => return Err(error::timed_out("OpenSession", OPEN.as_secs_f64())),
        };
        let id = session
            .session_id
            .parse()
            .map_err(|_| Error::bug("the daemon gave out a session id that is no header value"))?;
        credentials.session = Some(id);
        connection.api = Api::new(channel, credentials);
        connection.grace = Duration::from_secs(session.grace_seconds.into());
        Ok(connection)
    }

    /// Whether the daemon is reached over a network, and files are its and not ours.
    pub(crate) fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// How long it is tried to have a broken connection back before the daemon counts as gone.
    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    /// The services, for calls that are streams or run in the background.
    pub(crate) fn api(&self) -> Api {
        self.api.clone()
    }

    /// Makes a call and waits for the answer.
    ///
    /// # Errors
    /// What the daemon says; `TimedOut` after the call's deadline; `ServerUnavailable`.
    pub(crate) fn call<Q, R, F>(
        &self,
        call: Call,
        message: Q,
        send: impl FnOnce(Api, Request<Q>) -> F,
    ) -> Result<R>
    where
        F: Future<Output = std::result::Result<Response<R>, Status>>,
    {
        let request = call.request(message);
        self.run(call, send(self.api(), request))
            .map(Response::into_inner)
    }

    /// Waits for a call of any shape, with the call's deadline.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn run<R>(
        &self,
        call: Call,
        answer: impl Future<Output = std::result::Result<R, Status>>,
    ) -> Result<R> {
        self.core.check_process()?;
        // A daemon that was started anew at the same address knows nothing of this session.
        if self.is_gone() {
            return Err(self.gone_error());
        }
        match self.core.wait_for(call.deadline, answer) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(status)) => Err(self.error(status)),
            None => Err(error::timed_out(call.name, call.deadline.as_secs_f64())),
        }
    }

    /// What a status means, with a broken connection told apart from a daemon's answer.
    pub(crate) fn error(&self, status: Status) -> Error {
        // Only the transport puts a source into a status; an answer of the daemon has none.
        if let Some(source) = std::error::Error::source(&status) {
            let refused = refusal(source);
            return match refused.filter(|refused| refused.reason != ErrorReason::ServerUnavailable)
            {
                Some(refused) => refused.into(),
                None => self.broken(innermost(source)),
            };
        }
        let error = Error::from(status);
        match error.reason {
            ErrorReason::ServerUnavailable => self.broken(error.message),
            _ => error,
        }
    }

    fn broken(&self, why: String) -> Error {
        match self.is_remote && !self.is_gone() {
            true => error::interrupted(&self.target, why, self.grace),
            false => error::unavailable(&self.target, why),
        }
    }

    /// The daemon's end of the event stream is gone and cannot be had back.
    pub(crate) fn mark_gone(&self, why: String) {
        let _ = self.gone.set(why);
    }

    /// Whether the daemon is known to be gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get().is_some()
    }

    /// The error of a daemon known to be gone.
    pub(crate) fn gone_error(&self) -> Error {
        let why = self
            .gone
            .get()
            .map_or("its connection broke", String::as_str);
        error::unavailable(&self.target, why)
    }
}

/// Why there is no session, where the daemon did not say.
fn failed_to_open(target: &str, source: &(dyn std::error::Error + 'static)) -> Error {
    match refusal(source) {
        Some(refused) => refused.into(),
        // It was there a moment ago.
        None if target.starts_with("http:") => error::nobody(
            target,
            format!(
                "it hung up ({}); does it expect https://, or has it as many connections as it takes (limit \
                 \"connections\")?",
                innermost(source)
            ),
        ),
        None => error::nobody(target, innermost(source)),
    }
}

impl From<&Refused> for Error {
    fn from(refused: &Refused) -> Error {
        Error::new(refused.reason, refused.message.clone())
    }
}

fn bearer(token: &str) -> Result<AsciiMetadataValue> {
    format!("Bearer {}", token.trim())
        .parse()
        .map_err(|_| Error::invalid("the token must be printable ASCII on one line"))
}

/// The message at the bottom of an error's chain, which names the cause.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The program this client runs in, for `plugpen ps` and logs.
fn client_name() -> String {
    let program = std::env::args_os()
        .next()
        .map(PathBuf::from)
        .and_then(|path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        })
        .unwrap_or_default();
    format!("{program} ({})", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_listening_is_unavailable_and_names_the_address() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("none.sock");
        // A port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        for (target, word) in [
            (socket.to_str().unwrap(), "none.sock"),
            (&format!("http://127.0.0.1:{port}"), &port.to_string()),
            (&format!("https://127.0.0.1:{port}"), &port.to_string()),
        ] {
            let address = Address::parse(target).unwrap();
            let opened = Connection::open(Core::get().unwrap(), &address, &Default::default());
            let error = opened.err().unwrap();
            assert_eq!(error.reason, ErrorReason::ServerUnavailable);
            assert!(error.message.contains(word), "{}", error.message);
        }
    }

    #[test]
    fn a_token_of_two_lines_is_refused() {
        let error = bearer("one\ntwo").unwrap_err();
        assert_eq!(error.reason, ErrorReason::InvalidInput);
    }
}
