//! `ServerService`.

use plugpen_proto::v1::server_service_server::ServerService;
use plugpen_proto::v1::*;
use plugpen_proto::{Error, PROTOCOL_MAJOR, PROTOCOL_MINOR, VERSION};
use tonic::{Request, Response, Status};

use super::Api;
use crate::config::Config;
use crate::discovery;

#[tonic::async_trait]
impl ServerService for Api {
    async fn get_server_info(
        &self,
        _request: Request<GetServerInfoRequest>,
    ) -> Result<Response<GetServerInfoResponse>, Status> {
        let survey = discovery::survey(&self.0).await?;
        let live = self.0.launcher.live().len();
        Ok(Response::new(GetServerInfoResponse {
            version: VERSION.into(),
            protocol_major: PROTOCOL_MAJOR,
            protocol_minor: PROTOCOL_MINOR,
            pid: std::process::id(),
            uptime_seconds: self.0.started.elapsed().as_secs_f64(),
            formats: survey.formats.clone(),
            sandbox: survey.sandbox.clone(),
            capabilities: CAPABILITIES.map(String::from).to_vec(),
            limits: limits(&self.0.config),
            live_workers: u32::try_from(live).unwrap_or(u32::MAX),
        }))
    }

    async fn open_session(
        &self,
        request: Request<OpenSessionRequest>,
    ) -> Result<Response<OpenSessionResponse>, Status> {
        self.0.takes_work()?;
        let caller = self.caller(&request)?;
        let client = request.into_inner();
        check_version(&client)?;
        let session = self
            .0
            .sessions
            .open(&client.client_name, &caller.client, &caller.peer)?;
        tracing::info!(
            session = %session.name, version = %client.client_version, client = %caller.client,
            peer = %caller.peer,
            "session opened"
        );
        Ok(Response::new(OpenSessionResponse {
            session_id: session.id.clone(),
            version: VERSION.into(),
            grace_seconds: u32::try_from(self.0.config.grace.as_secs()).unwrap_or(u32::MAX),
        }))
    }

    async fn close_session(
        &self,
        request: Request<CloseSessionRequest>,
    ) -> Result<Response<CloseSessionResponse>, Status> {
        let session = self.session(&request)?;
        self.0.close_session(&session).await;
        Ok(Response::new(CloseSessionResponse {}))
    }
}

/// What clients may rely on beyond the protocol's version.
const CAPABILITIES: [&str; 6] = [
    "shared-memory",
    "events",
    "restart",
    "restart-policy",
    "recordings",
    "scan-cache",
];

fn check_version(client: &OpenSessionRequest) -> Result<(), Error> {
    if client.protocol_major == PROTOCOL_MAJOR {
        return Ok(());
    }
    Err(Error::new(
        ErrorReason::VersionMismatch,
        format!(
            "the client speaks protocol {}.{}, this daemon {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}; install both from one release",
            client.protocol_major, client.protocol_minor
        ),
    ))
}

fn limits(config: &Config) -> Vec<Limit> {
    let limit = |name: &str, value: usize, unit: &str| Limit {
        name: name.into(),
        value: u64::try_from(value).unwrap_or(u64::MAX),
        unit: unit.into(),
    };
    let limits = &config.limits;
    let worker = limits.of_worker();
    let of_worker = |name: &str, value: u64, unit: &str| Limit {
        name: format!("worker_{name}"),
        value,
        unit: unit.into(),
    };
    vec![
        limit("workers", limits.workers, "processes"),
        limit("plugins_per_session", limits.plugins_per_session, "plugins"),
        limit("sessions", limits.sessions, "sessions"),
        limit(
            "watchers_per_session",
            limits.watchers_per_session,
            "streams",
        ),
        limit("calls_per_plugin", limits.calls_per_plugin, "calls"),
        limit("state_bytes", limits.state_bytes, "bytes"),
        limit("crashes_per_minute", limits.crashes_per_minute, "deaths"),
        of_worker("memory_bytes", worker.memory_bytes, "bytes"),
        of_worker("cpu_seconds", worker.cpu_seconds, "seconds"),
        of_worker("threads", worker.threads, "threads"),
        of_worker("descriptors", worker.descriptors, "files"),
        of_worker("disk_bytes", worker.disk_bytes, "bytes"),
    ]
}
