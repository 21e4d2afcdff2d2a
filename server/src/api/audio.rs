//! `AudioService`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use plugpen_proto::Error;
use plugpen_proto::v1::audio_service_server::AudioService;
use plugpen_proto::v1::{ErrorReason, InputBlock, StreamAudioRequest, StreamAudioResponse};
use plugpen_warden::KillCause;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Api;
use crate::streams::{Answer, Ending, Pump, WAITING};
use crate::worker_client::Worker;

type Answers = Pin<Box<dyn Stream<Item = Answer> + Send>>;

/// How long a client may take to name its plugin.
const NAMING: Duration = Duration::from_secs(10);
/// How long the cause of a dead ring is waited for; it comes within a millisecond where the
/// plugin died.
const CAUSE: Duration = Duration::from_millis(500);

#[tonic::async_trait]
impl AudioService for Api {
    type StreamAudioStream = Answers;

    async fn stream_audio(
        &self,
        request: Request<Streaming<StreamAudioRequest>>,
    ) -> Result<Response<Answers>, Status> {
        self.0.takes_work()?;
        let session = self.session(&request)?;
        let mut requests = request.into_inner();
        let first = tokio::time::timeout(NAMING, requests.message()).await;
        let first = first
            .map_err(|_| Error::new(ErrorReason::TimedOut, "the stream names no plugin"))??
            .ok_or_else(|| Error::invalid("the stream ended before it named its plugin"))?;
        let plugin = session.plugin(&first.handle)?;
        let (rings, end, worker) = plugin.attach_stream(&self.0).await?;
        let (to_pump, inputs) = mpsc::channel(WAITING);
        let (outputs, answers) = mpsc::channel(WAITING);
        let shape = StreamAudioResponse {
            rings: Some(rings),
            blocks: Vec::new(),
        };
        // There is room: nothing was sent yet.
        let _ = outputs.send(Ok(shape)).await;
        let runtime = Handle::current();
        let mut pump = Pump::new(end, inputs, outputs.clone());
        std::thread::Builder::new()
            .name("stream".into())
            .spawn(move || {
                let ending = pump.run();
                if let Some(error) = runtime.block_on(error_of(ending, &worker)) {
                    let _ = outputs.blocking_send(Err(error.into()));
                }
            })
            .map_err(|error| Error::new(ErrorReason::LimitReached, error.to_string()))?;
        tokio::spawn(feed(first.blocks, requests, to_pump));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

/// Hands a client's blocks to the pump until either has enough.
async fn feed(
    first: Vec<InputBlock>,
    mut requests: Streaming<StreamAudioRequest>,
    pump: mpsc::Sender<Vec<InputBlock>>,
) {
    if !first.is_empty() && pump.send(first).await.is_err() {
        return;
    }
    // A stream that breaks is one that ends.
    while let Ok(Some(request)) = requests.message().await {
        if pump.send(request.blocks).await.is_err() {
            return;
        }
    }
}

/// What the client is told of an ending.
async fn error_of(ending: Ending, worker: &Arc<Worker>) -> Option<Error> {
    match ending {
        Ending::Finished => None,
        Ending::Refused(error) => Some(error),
        Ending::Broken(how) => {
            worker.kill(KillCause::Protocol(how));
            Some(worker.ended_error().await)
        }
        Ending::Dead => {
            let taken_over = Error::new(
                ErrorReason::WrongState,
                "the plugin was restarted, or its audio was taken over by another stream or a device",
            );
            let ended = tokio::time::timeout(CAUSE, worker.ended_error()).await;
            Some(ended.unwrap_or(taken_over))
        }
    }
}
