//! Audio of a plugin whose daemon shares no memory with this process.
//!
//! The plugin's rings are made here, in this process's own memory, and a thread plays the worker:
//! it takes blocks out, sends them to the daemon, which puts them into the real ones, and puts the
//! answers in. So whoever plays does not know the difference, and any number of blocks is under
//! way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream;
use plugpen_proto::limits::{AUDIO_CHUNK, MAX_AUDIO_MESSAGE};
use plugpen_proto::v1::{
    AudioRings, InputBlock, OutputBlock, StreamAudioRequest, StreamAudioResponse,
};
use plugpen_shm::{ClientEnd, Interrupter, Regions, Relay, RingSpec, WorkerEnd};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::connection::{Call, Connection, STATE};
use crate::error::{Error, Result};

/// Messages that may wait to be sent; more is in the ring already.
const WAITING: usize = 2;
/// How often the thread looks whether it is still needed, whatever else happens.
const LOOK: Duration = Duration::from_millis(500);

/// The way to the daemon and back. Dropping it ends it.
pub(crate) struct Tunnel {
    shared: Arc<Shared>,
    interrupter: Interrupter,
}

struct Shared {
    regions: Regions,
    answers: Mutex<VecDeque<OutputBlock>>,
    /// What the daemon said at the end, or the transport.
    last_words: Mutex<Option<Status>>,
    /// Somebody has to look: it is over.
    over: AtomicBool,
}

impl Shared {
    fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        // Whoever waits for a block hears that there will be none; why, the daemon's events say.
        self.regions.mark_dead();
    }
}

impl Tunnel {
    /// Whether no more blocks pass.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::SeqCst)
    }

    /// Why it ended, where the daemon or the transport said so; once.
    pub(crate) fn last_words(&self) -> Option<Status> {
        lock(&self.shared.last_words).take()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.shared.end();
        self.interrupter.wake();
    }
}

/// Opens a way to a plugin's rings and returns the near end.
///
/// # Errors
/// What the daemon says; no memory or threads left.
pub(crate) fn open(
    connection: &Arc<Connection>,
    handle: &str,
    rings: &AudioRings,
) -> Result<(ClientEnd, Tunnel)> {
    let agreed = |e: &dyn std::fmt::Display| {
        Error::bug(format!(
            "the daemon's audio rings are not what was agreed: {e}"
        ))
    };
    let layout = RingSpec::try_from(rings)
        .and_then(|spec| spec.layout())
        .map_err(|e| agreed(&e))?;
    let regions = Regions::create(&layout).map_err(|e| no_memory(&e))?;
    regions.set_generation(rings.generation);
    let near = regions
        .client_fds()
        .and_then(|fds| ClientEnd::attach(fds, &layout))
        .map_err(|e| no_memory(&e))?;
    let far = regions
        .worker_fds()
        .and_then(|fds| WorkerEnd::attach(fds, &layout))
        .map_err(|e| no_memory(&e))?;
    let (sender, answers) = begin(connection, handle)?;
    let relay = Relay::new(far);
    let interrupter = relay.interrupter();
    let shared = Arc::new(Shared {
        regions,
        answers: Mutex::default(),
        last_words: Mutex::default(),
        over: AtomicBool::new(false),
    });
    connection
        .core
        .spawn(hear(answers, shared.clone(), interrupter.clone()));
    let tunnel = Tunnel {
        shared: shared.clone(),
        interrupter,
    };
    std::thread::Builder::new()
        .name("plugpen-tunnel".into())
        .spawn(move || {
            carry(relay, &shared, &sender);
            shared.end();
        })
        .map_err(|e| no_memory(&e))?;
    Ok((near, tunnel))
}

fn no_memory(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        plugpen_proto::v1::ErrorReason::LimitReached,
        format!("no memory, descriptors or threads for the audio: {error}"),
    )
}

type Answers = Streaming<StreamAudioResponse>;

/// Begins the stream; the daemon has made its rings when this returns.
fn begin(
    connection: &Arc<Connection>,
    handle: &str,
) -> Result<(mpsc::Sender<StreamAudioRequest>, Answers)> {
    let (sender, requests) = mpsc::channel(WAITING);
    let naming = StreamAudioRequest {
        handle: handle.into(),
        blocks: Vec::new(),
    };
    let _ = sender.try_send(naming);
    let requests = stream::unfold(requests, |mut requests| async {
        requests.recv().await.map(|request| (request, requests))
    });
    let call = Call::new("StreamAudio", STATE);
    let mut audio = connection
        .api()
        .audio
        .max_decoding_message_size(MAX_AUDIO_MESSAGE);
    let request = call.request(requests);
    let mut answers = connection
        .run(call, async move { audio.stream_audio(request).await })?
        .into_inner();
    let first = connection.run(call, answers.message())?;
    match first.and_then(|first| first.rings) {
        Some(_) => Ok((sender, answers)),
        None => Err(Error::bug("the daemon began a stream without its shape")),
    }
}

/// Takes answers as they come, so that the daemon never waits for this process. There are no more
/// than blocks under way.
async fn hear(mut answers: Answers, shared: Arc<Shared>, interrupter: Interrupter) {
    loop {
        match answers.message().await {
            Ok(Some(answer)) if !shared.over.load(Ordering::SeqCst) => {
                lock(&shared.answers).extend(answer.blocks);
                interrupter.wake();
            }
            ended => {
                *lock(&shared.last_words) = ended.err();
                shared.end();
                interrupter.wake();
                return;
            }
        }
    }
}

/// Carries blocks both ways until it is over.
fn carry(mut relay: Relay, shared: &Shared, sender: &mpsc::Sender<StreamAudioRequest>) {
    while !shared.over.load(Ordering::SeqCst) {
        let came = std::mem::take(&mut *lock(&shared.answers));
        for answer in came {
            if let Err(error) = relay.complete_block(&answer) {
                tracing::error!(%error, "the daemon's answer is none");
                return;
            }
        }
        let blocks = match gather(&mut relay) {
            Ok(blocks) => blocks,
            Err(error) => {
                tracing::error!(%error, "a ring of this process is broken");
                return;
            }
        };
        if blocks.is_empty() {
            if relay.wait(LOOK, &shared.over).is_err() {
                return;
            }
            continue;
        }
        let request = StreamAudioRequest {
            handle: String::new(),
            blocks,
        };
        if sender.blocking_send(request).is_err() {
            return;
        }
    }
}

/// What has been submitted, as much as one message carries.
fn gather(relay: &mut Relay) -> std::result::Result<Vec<InputBlock>, plugpen_shm::RingError> {
    let mut blocks = Vec::new();
    let mut bytes = 0;
    while bytes < AUDIO_CHUNK
        && let Some(block) = relay.take_block()?
    {
        bytes += block.samples.len() + 64 * block.events.len();
        blocks.push(block);
    }
    Ok(blocks)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
