//! Recordings of deaths, and playing them again.

use std::time::Duration;

use plugpen_proto::limits::STATE_CHUNK;
use plugpen_proto::v1::{GetRecordingRequest, ReplayRecordingRequest, ReplayRecordingResponse};

use crate::connection::{Call, STATE};
use crate::error::{Error, Result};
use crate::options::resolve;
use crate::server::Server;

/// A replay may load, hang and be killed as often as the recording has calls; this is for a daemon
/// that hangs itself.
const REPLAY: Duration = Duration::from_secs(600);

/// What is to be replayed.
#[derive(Debug, Clone, Copy)]
pub enum Replay<'a> {
    /// A death that this daemon, or another of this user, recorded: its report id.
    Report(&'a str),
    /// What [`Server::recording`] gave, here or on another machine.
    Recording(&'a [u8]),
}

impl Server {
    /// The recording of a death, by its report id: bytes for a file. It holds the audio that the
    /// plugin heard last, if it was opened for that.
    ///
    /// # Errors
    /// `NotFound` where there is none, or none any more; `ServerUnavailable`.
    pub fn recording(&self, report_id: &str) -> Result<Vec<u8>> {
        let call = Call::new("GetRecording", STATE);
        let request = call.request(GetRecordingRequest {
            report_id: report_id.into(),
        });
        let connection = self.check()?;
        let mut api = connection.api();
        connection.run(call, async move {
            let mut chunks = api.recordings.get_recording(request).await?.into_inner();
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.message().await? {
                bytes.extend(chunk.data);
            }
            Ok(bytes)
        })
    }

    /// Does to a fresh plugin what was done to one that died, and says how that ends. `path` is
    /// where the plugin lies, if not where it lay then. No plugin that is open has a part in it.
    ///
    /// # Errors
    /// `NotFound` where the recording or its plugin is not there, `InvalidInput` where it is none,
    /// those of [`Server::open`] where the plugin does not open for another reason than then.
    pub fn replay(&self, what: Replay<'_>, path: Option<&str>) -> Result<ReplayRecordingResponse> {
        let path = path.map(|path| resolve(path, self.is_remote()));
        let path = path.transpose()?.unwrap_or_default();
        let first = |data: &[u8], report_id: &str| ReplayRecordingRequest {
            data: data.to_vec(),
            report_id: report_id.into(),
            path: path.clone(),
        };
        let chunks: Vec<_> = match what {
            Replay::Report(report_id) => vec![first(&[], report_id)],
            Replay::Recording([]) => return Err(Error::invalid("the recording is empty")),
            Replay::Recording(bytes) => bytes
                .chunks(STATE_CHUNK)
                .map(|chunk| first(chunk, ""))
                .collect(),
        };
        let call = Call::new("ReplayRecording", REPLAY);
        let request = call.request(futures_util::stream::iter(chunks));
        let connection = self.check()?;
        let mut api = connection.api();
        connection
            .run(call, async move {
                api.recordings.replay_recording(request).await
            })
            .map(tonic::Response::into_inner)
    }
}
