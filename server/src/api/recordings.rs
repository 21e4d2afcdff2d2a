//! `RecordingService`.

use std::pin::Pin;

use futures_util::{Stream, stream};
use plugpen_proto::Error;
use plugpen_proto::limits::STATE_CHUNK;
use plugpen_proto::v1::recording_service_server::RecordingService;
use plugpen_proto::v1::*;
use tonic::{Request, Response, Status, Streaming};

use super::Api;
use crate::recordings::{MAX_RECORDING, from_bytes};
use crate::replay::replay;

#[tonic::async_trait]
impl RecordingService for Api {
    type GetRecordingStream =
        Pin<Box<dyn Stream<Item = Result<GetRecordingResponse, Status>> + Send>>;

    async fn get_recording(
        &self,
        request: Request<GetRecordingRequest>,
    ) -> Result<Response<Self::GetRecordingStream>, Status> {
        self.session(&request)?;
        let bytes = self.0.recordings.read(&request.get_ref().report_id).await?;
        let chunks: Vec<_> = bytes
            .chunks(STATE_CHUNK)
            .map(|data| {
                Ok(GetRecordingResponse {
                    data: data.to_vec(),
                })
            })
            .collect();
        Ok(Response::new(Box::pin(stream::iter(chunks))))
    }

    async fn replay_recording(
        &self,
        request: Request<Streaming<ReplayRecordingRequest>>,
    ) -> Result<Response<ReplayRecordingResponse>, Status> {
        self.0.takes_work()?;
        self.session(&request)?;
        let reach = self.reach(&request)?;
        let mut chunks = request.into_inner();
        let first = chunks.message().await?.unwrap_or_default();
        let mut bytes = first.data;
        if bytes.is_empty() {
            bytes = self.0.recordings.read(&first.report_id).await?;
        } else {
            while let Some(chunk) = chunks.message().await? {
                if bytes.len() + chunk.data.len() > MAX_RECORDING {
                    return Err(Error::invalid(format!(
                        "the recording is larger than {MAX_RECORDING} bytes"
                    ))
                    .into());
                }
                bytes.extend(chunk.data);
            }
        }
        let recording = from_bytes(&bytes)?;
        drop(bytes);
        Ok(Response::new(
            replay(&self.0, recording, &first.path, &reach).await?,
        ))
    }
}
