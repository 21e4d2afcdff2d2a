//! The daemon's life: take the directory, listen, serve, drain, leave nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use plugpen_proto::limits::MAX_AUDIO_MESSAGE;
use plugpen_proto::v1;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::transport::Server;
use tonic_health::pb::FILE_DESCRIPTOR_SET as HEALTH_DESCRIPTORS;

use crate::address::Address;
use crate::api::Api;
use crate::config::Config;
use crate::connection::Connection;
use crate::daemon::Daemon;
use crate::fd_door::FdDoor;
use crate::front;
use crate::gate::{GateLayer, Rules};
use crate::launcher::Launcher;
use crate::lifeline::Lifeline;
use crate::pace::Pace;
use crate::runtime_dir::{RuntimeDir, RuntimeDirError};
use crate::tls::Tls;
use crate::token::Token;
use crate::tokens::Tokens;
use crate::watchdog;

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its directory or a socket.
    #[error(transparent)]
    RuntimeDir(#[from] RuntimeDirError),
    /// The token's file.
    #[error("cannot write the token {path}: {source}")]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The lifeline.
    #[error("cannot use the lifeline descriptor {fd}: {source}")]
    Lifeline {
        /// Its number.
        fd: i32,
        /// What the system says.
        source: io::Error,
    },
    /// A listener that the runtime does not take.
    #[error("cannot listen: {0}")]
    Listen(io::Error),
    /// An address that is taken or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate or the tokens.
    #[error("{0}")]
    Credentials(String),
    /// The reflection service's descriptors.
    #[error("cannot describe the services: {0}")]
    Reflection(String),
    /// The transport.
    #[error("the server ended: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// HTTP/2 pings on quiet connections, and how long an answer may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// Calls that run at once on one connection.
const MAX_STREAMS: u32 = 256;
/// Bytes a stream and a connection may have on the way: enough for a state's chunks to flow.
const WINDOWS: (u32, u32) = (1 << 20, 4 << 20);

/// How long clients may take for the last answers when the daemon ends.
const GOODBYE: Duration = Duration::from_millis(500);

/// Serves until `shutdown` is ready or the lifeline is cut; then drains, ends all workers and
/// removes its files.
///
/// # Errors
/// See [`ServeError`]; nothing is left behind.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let mut lifeline = match config.lifeline_fd {
        Some(fd) => {
            let taken = Lifeline::take(fd);
            Some(taken.map_err(|source| ServeError::Lifeline { fd, source })?)
        }
        None => None,
    };
    let mut dir = RuntimeDir::open(&config.runtime_dir)?;
    if config.lifeline_fd.is_some() {
        dir.dispose();
    }
    let token = match config.token {
        true => Some(Token::create(&dir.token()).map_err(|source| {
            let path = dir.token();
            ServeError::Token { path, source }
        })?),
        false => None,
    };
    let rules = Rules {
        token,
        tokens: match &config.tokens {
            Some(path) => Some(Tokens::open(path.clone()).map_err(ServeError::Credentials)?),
            None => None,
        },
        certificate_scope: config.certificate_scope,
        pace: Pace::new(config.limits.calls_per_second),
    };
    let door = dir.door();
    let door = listen(&mut dir, &door)?;
    let listening = Listening::begin(&mut dir, &config).await?;

    let launcher = Launcher::new(&config, dir.workers());
    let daemon = Daemon::new(config, launcher, FdDoor::new(dir.door()));
    let mut background = listening.background;
    background.extend([
        tokio::spawn(daemon.door.clone().serve(door)),
        tokio::spawn(watchdog::watch(daemon.launcher.clone())),
        tokio::spawn({
            let daemon = daemon.clone();
            async move { daemon.close_abandoned().await }
        }),
        tokio::spawn(daemon.crashes.clone().work()),
    ]);
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_service_status("", tonic_health::ServingStatus::Serving)
        .await;
    let connections = stream::select_all(listening.connections);
    let api = Api(daemon.clone());
    let (finish, hang_up) = oneshot::channel();
    let services = router(&daemon, rules, &api)?
        .add_service(health_service)
        .serve_with_incoming_shutdown(connections, async {
            // Either way it is time.
            let _ = hang_up.await;
        });
    let mut server = tokio::spawn(services);
    let addresses: Vec<_> = listening
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    tracing::info!(listen = ?addresses, pid = std::process::id(), "ready");

    if let Some(lifeline) = &lifeline
        && let Err(error) = lifeline.ready()
    {
        tracing::warn!(%error, "the client is gone already");
    }
    let cut = async {
        match &mut lifeline {
            Some(lifeline) => lifeline.cut().await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        () = shutdown => {
            daemon.drain();
            tracing::info!("draining");
            health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
            let patience = Duration::from_secs_f64(daemon.config.deadlines.drain_seconds);
            if tokio::time::timeout(patience, daemon.calls.none()).await.is_err() {
                tracing::warn!("calls still run; they are cut off");
            }
            Ok(())
        }
        () = cut => {
            tracing::info!("the client is gone");
            daemon.drain();
            Ok(())
        }
        ended = &mut server => match ended {
            Ok(ended) => ended.map_err(ServeError::from),
            Err(error) => Err(ServeError::Listen(io::Error::other(error))),
        },
    };
    end(&daemon).await;
    // The last answers are on their way; clients that do not take them are hung up on.
    let _ = finish.send(());
    if !server.is_finished() && tokio::time::timeout(GOODBYE, &mut server).await.is_err() {
        server.abort();
    }
    background.iter().for_each(tokio::task::JoinHandle::abort);
    drop(dir);
    tracing::info!("ended");
    ended
}

fn listen(dir: &mut RuntimeDir, path: &Path) -> Result<UnixListener, ServeError> {
    UnixListener::from_std(dir.listen(path)?).map_err(ServeError::Listen)
}

/// All places where clients come in.
struct Listening {
    connections: Vec<BoxStream<'static, io::Result<Connection>>>,
    background: Vec<JoinHandle<()>>,
    /// As they are: with the ports that the system chose.
    addresses: Vec<Address>,
}

impl Listening {
    async fn begin(dir: &mut RuntimeDir, config: &Config) -> Result<Self, ServeError> {
        let places = Arc::new(Semaphore::new(config.limits.connections));
        let mut all = Self {
            connections: Vec::new(),
            background: Vec::new(),
            addresses: Vec::new(),
        };
        for address in &config.listen {
            let (at, tls) = match address {
                Address::Unix(path) => {
                    let stream = UnixListenerStream::new(listen(dir, path)?);
                    let stream = stream.map(|accepted| accepted.map(Connection::local));
                    all.connections.push(stream.boxed());
                    all.addresses.push(address.clone());
                    continue;
                }
                Address::Plain(at) => (*at, None),
                Address::Tls(at) => {
                    let files = config.tls.clone().ok_or_else(|| {
                        ServeError::Credentials("an https:// address needs a certificate".into())
                    })?;
                    let tls = Tls::open(files).map_err(ServeError::Credentials)?;
                    (*at, Some(tls))
                }
            };
            let failed = |source| ServeError::Bind {
                address: address.clone(),
                source,
            };
            let listener = TcpListener::bind(at).await.map_err(failed)?;
            let bound = listener.local_addr().map_err(failed)?;
            all.addresses.push(match tls {
                Some(_) => Address::Tls(bound),
                None => Address::Plain(bound),
            });
            let (ready, connections) = front::channel();
            all.connections
                .push(ReceiverStream::new(connections).map(Ok).boxed());
            let accepting = front::accept(listener, tls, places.clone(), ready);
            all.background.push(tokio::spawn(accepting));
        }
        Ok(all)
    }
}

type Layers = tower::layer::util::Stack<GateLayer, tower::layer::util::Identity>;

fn router(
    daemon: &Arc<Daemon>,
    rules: Rules,
    api: &Api,
) -> Result<tonic::transport::server::Router<Layers>, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(plugpen_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(HEALTH_DESCRIPTORS)
    };
    let failed = |error: tonic_reflection::server::Error| ServeError::Reflection(error.to_string());
    Ok(Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .max_concurrent_streams(Some(MAX_STREAMS))
        .initial_stream_window_size(Some(WINDOWS.0))
        .initial_connection_window_size(Some(WINDOWS.1))
        .layer(GateLayer::new(rules, daemon.calls.clone()))
        .add_service(v1::server_service_server::ServerServiceServer::new(
            api.clone(),
        ))
        .add_service(v1::plugin_service_server::PluginServiceServer::new(
            api.clone(),
        ))
        .add_service(v1::parameter_service_server::ParameterServiceServer::new(
            api.clone(),
        ))
        .add_service(v1::state_service_server::StateServiceServer::new(
            api.clone(),
        ))
        .add_service(v1::playback_service_server::PlaybackServiceServer::new(
            api.clone(),
        ))
        .add_service(
            v1::audio_service_server::AudioServiceServer::new(api.clone())
                .max_decoding_message_size(MAX_AUDIO_MESSAGE),
        )
        .add_service(v1::bus_service_server::BusServiceServer::new(api.clone()))
        .add_service(v1::discovery_service_server::DiscoveryServiceServer::new(
            api.clone(),
        ))
        .add_service(v1::device_service_server::DeviceServiceServer::new(
            api.clone(),
        ))
        .add_service(v1::event_service_server::EventServiceServer::new(
            api.clone(),
        ))
        .add_service(v1::crash_service_server::CrashServiceServer::new(
            api.clone(),
        ))
        .add_service(v1::recording_service_server::RecordingServiceServer::new(
            api.clone(),
        ))
        .add_service(reflection().build_v1().map_err(failed)?)
        .add_service(reflection().build_v1alpha().map_err(failed)?))
}

/// Closes all sessions, which ends all workers, and then whatever worker is left (probes). Waits
/// for the reports of those that died.
async fn end(daemon: &Daemon) {
    let sessions = daemon.sessions.all();
    let closing = sessions.iter().map(|session| daemon.close_session(session));
    futures_util::future::join_all(closing).await;
    daemon.sessions.everyone.close();
    let rest = daemon.launcher.live();
    let deadline = daemon.close_deadline();
    futures_util::future::join_all(rest.into_iter().map(|worker| worker.close(deadline))).await;
    daemon.crashes.finish().await;
}
