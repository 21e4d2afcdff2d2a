//! A recording again, in a fresh worker of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use plugpen_proto::Error;
use plugpen_proto::event::EventList;
use plugpen_proto::v1::{
    AudioPath, Death, FlightRecording, OpenOptions, OpenedPlugin, RecordedBlock, Recording,
    ReplayRecordingResponse,
};
use plugpen_proto::worker::{Load, ToWorker, to_worker::Call};
use plugpen_shm::{BlockHeader, ClientEnd, RingError, RingSpec};
use plugpen_warden::{KillCause, Role};
use prost::Message as _;
use std::sync::Arc;

use crate::config::Class;
use crate::daemon::Daemon;
use crate::discovery::{self, Reach, Target};
use crate::identity::identity;
use crate::launcher::Errand;
use crate::plugins::check_options;
use crate::rings;
use crate::worker_client::{Ended, Terms, Worker};

/// How long a plugin that died while nobody called it is given to do so again.
const IDLE: Duration = Duration::from_secs(1);
/// A replay waits so much longer for a block than the watchdog, which then says what happened.
const BEYOND_WATCHDOG: Duration = Duration::from_secs(5);

/// One thing that was done to the plugin.
enum Step {
    Call { call: Box<Call>, after_block: u64 },
    Block(RecordedBlock),
}

/// Runs a recording; `path` is where the plugin lies here, where not empty.
///
/// # Errors
/// The recording makes no sense, its plugin is not here, or no worker can be started.
pub async fn replay(
    daemon: &Daemon,
    recording: FlightRecording,
    path: &str,
    reach: &Reach,
) -> Result<ReplayRecordingResponse, Error> {
    let recorded = recording
        .death
        .clone()
        .ok_or_else(|| Error::invalid("the recording says of no death"))?;
    let options = recording
        .options
        .clone()
        .ok_or_else(|| Error::invalid("the recording does not say how the plugin was opened"))?;
    let mut options = OpenOptions {
        recording: Recording::Off.into(),
        observe_host_callbacks: false,
        ..options
    };
    if !path.is_empty() {
        path.clone_into(&mut options.path);
    } else if !Target::is_uri(&options.path) && !Path::new(&options.path).exists() {
        options.path.clone_from(&recording.bundle);
    }
    check_options(daemon, &options)?;
    let target = discovery::resolve(daemon, &options.path, reach).await?;
    if options.selector.is_empty() {
        options.selector.clone_from(&target.identifier);
    }
    let mut cautions = cautions(&recording, target.clone()).await;
    let steps = steps(&recording, &mut cautions);
    let mut outcome = ReplayRecordingResponse {
        calls: count(
            steps
                .iter()
                .filter(|step| matches!(step, Step::Call { .. })),
        ),
        blocks: count(steps.iter().filter(|step| matches!(step, Step::Block(_)))),
        ..ReplayRecordingResponse::default()
    };
    let errand = Errand {
        role: Role::Plugin,
        read_only: target.readable.clone(),
        name: recording
            .description
            .as_ref()
            .map_or_else(|| options.path.clone(), |d| d.name.clone()),
        generation: recorded.generation,
        limits: Some(daemon.config.limits.tightened(options.limits.as_ref())?),
        recording: Recording::Off,
        jail: None,
        path: options.path.clone(),
        bundle: target.bundle.clone(),
    };
    let (worker, _) = daemon.launcher.launch(errand, |_| {}).await?;
    let run = Run {
        daemon,
        worker: &worker,
        outcome: &mut outcome,
        cautions: &mut cautions,
    };
    let ran = run
        .all(&options, &target, steps, recorded.call.is_empty())
        .await;
    let ended = worker.has_ended();
    worker.close(daemon.close_deadline()).await;
    outcome.replayed = match ended {
        Some(Ended::Died(death)) => Some(Death::clone(&death)),
        _ => {
            // Alive: an error of its own is the end of this replay.
            ran?;
            None
        }
    };
    outcome.same = outcome
        .replayed
        .as_ref()
        .is_some_and(|replayed| is_same(&recorded, replayed));
    outcome.recorded = Some(recorded);
    outcome.cautions = cautions;
    Ok(outcome)
}

/// Whether two deaths are the same, as far as a replay can tell: in the same place, where both
/// places are known.
fn is_same(one: &Death, other: &Death) -> bool {
    let what = |death: &Death| {
        (
            death.kind,
            death.signal,
            death.exit_code,
            death.call.clone(),
        )
    };
    let places = [&one.location, &other.location];
    let is_known = places.iter().all(|place| !place.is_empty());
    what(one) == what(other) && (!is_known || places[0] == places[1])
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

async fn cautions(recording: &FlightRecording, target: Target) -> Vec<String> {
    let mut cautions = Vec::new();
    let own = tokio::task::spawn_blocking(move || identity(&target)).await;
    if own.unwrap_or_default() != recording.identity {
        cautions.push("the plugin's file is not the one that died: its contents differ".into());
    }
    if recording.version != plugpen_proto::VERSION {
        cautions.push(format!("it was recorded by plugpen {}", recording.version));
    }
    if recording.calls_dropped > 0 {
        cautions.push(format!("{} calls are missing", recording.calls_dropped));
    }
    if let Some(first) = recording.blocks.first().filter(|block| block.sequence > 1) {
        cautions.push(format!(
            "the {} blocks before the last {} are missing",
            first.sequence - 1,
            recording.blocks.len()
        ));
    }
    let silent =
        |block: &RecordedBlock| block.samples.is_empty() && block.frames > 0 && block.channels > 0;
    if recording.blocks.iter().any(silent) {
        cautions.push("samples were not recorded: the blocks are silent".into());
    }
    cautions
}

/// What was done, in its order: a call comes after the blocks that were submitted before it.
fn steps(recording: &FlightRecording, cautions: &mut Vec<String>) -> Vec<Step> {
    let before_first = recording
        .blocks
        .first()
        .map_or(recording.submitted, |block| {
            block.sequence.saturating_sub(1)
        });
    let mut blocks = recording.blocks.iter().cloned().peekable();
    let mut steps = Vec::new();
    let mut unreadable = 0;
    for recorded in &recording.calls {
        let message = ToWorker::decode(recorded.message.as_slice()).unwrap_or_default();
        let Some(call) = message.call else {
            unreadable += 1;
            continue;
        };
        if matches!(
            call,
            Call::Load(_) | Call::Probe(_) | Call::AttachRings(_) | Call::StageFile(_)
        ) {
            if matches!(call, Call::StageFile(_)) {
                cautions.push("a file was handed over, under another name than now".into());
            } else {
                unreadable += 1;
                continue;
            }
        }
        let after = match recorded.before_rings {
            true => 0,
            false => message.after_block,
        };
        while let Some(block) = blocks.next_if(|block| block.sequence <= after) {
            steps.push(Step::Block(block));
        }
        steps.push(Step::Call {
            call: Box::new(call),
            after_block: after.saturating_sub(before_first),
        });
    }
    steps.extend(blocks.map(Step::Block));
    if unreadable > 0 {
        cautions.push(format!("{unreadable} calls are none of this version"));
    }
    steps
}

struct Run<'a> {
    daemon: &'a Daemon,
    worker: &'a Arc<Worker>,
    outcome: &'a mut ReplayRecordingResponse,
    cautions: &'a mut Vec<String>,
}

impl Run<'_> {
    async fn all(
        self,
        options: &OpenOptions,
        target: &Target,
        steps: Vec<Step>,
        is_idle: bool,
    ) -> Result<(), Error> {
        let opened = self.load(options, target).await?;
        let mut ring = self.ring(options, &opened).await?;
        for step in steps {
            match step {
                Step::Call { call, after_block } => {
                    let terms = Terms {
                        after_block,
                        deadline: self.deadline(&call),
                    };
                    match self.worker.call_any(*call, terms).await {
                        Err(error) if error.death.is_some() => return Err(error),
                        // What the plugin refused then it refuses now.
                        _ => self.outcome.calls_made += 1,
                    }
                }
                Step::Block(block) => {
                    let Some(end) = ring.take() else {
                        continue;
                    };
                    let (end, played) = self.play(end, block).await?;
                    ring = Some(end);
                    match played {
                        Ok(()) => self.outcome.blocks_played += 1,
                        Err(Unplayed::Broken(why)) => self.cautions.push(why),
                        // The daemon's watchdog, or the kernel, says of what.
                        Err(Unplayed::Dead) => return Err(self.worker.ended_error().await),
                    }
                }
            }
        }
        if is_idle {
            let _ = tokio::time::timeout(IDLE, self.worker.ended()).await;
        }
        Ok(())
    }

    fn deadline(&self, call: &Call) -> Duration {
        self.daemon.config.deadlines.of(match call.parks() {
            true => Class::State,
            false => match call {
                Call::GetState(_) | Call::SetState(_) | Call::StageFile(_) => Class::State,
                _ => Class::Control,
            },
        })
    }

    async fn load(&self, options: &OpenOptions, target: &Target) -> Result<OpenedPlugin, Error> {
        let load = Load {
            options: Some(options.clone()),
            bundle: target.bundle.to_string_lossy().into_owned(),
            private_dir: self.worker.private_dir().to_string_lossy().into_owned(),
            format: target.format.into(),
        };
        let terms = Terms {
            after_block: 0,
            deadline: self.daemon.config.deadlines.of(Class::Load),
        };
        let loaded = self.worker.call(load, terms, Vec::new()).await?;
        let opened = loaded.plugin.unwrap_or_default();
        if let Err(violation) = rings::check_loaded(&opened) {
            self.worker.kill(KillCause::Protocol(violation));
            return Err(self.worker.ended_error().await);
        }
        Ok(opened)
    }

    async fn ring(
        &self,
        options: &OpenOptions,
        opened: &OpenedPlugin,
    ) -> Result<Option<ClientEnd>, Error> {
        if options.audio_path() == AudioPath::None {
            return Ok(None);
        }
        let shape = rings::shape(options, opened, 1)?;
        let terms = Terms {
            after_block: 0,
            deadline: self.daemon.config.deadlines.of(Class::Load),
        };
        let deadlines = self
            .daemon
            .config
            .deadlines
            .with(options.deadlines.as_ref());
        let block_deadline = deadlines.of_block(shape.max_frames, options.sample_rate);
        let regions = rings::attach(self.worker, &shape, terms, block_deadline).await?;
        let no_ring = |error: &dyn std::fmt::Display| Error::bug(format!("no ring: {error}"));
        let layout = RingSpec::try_from(&shape)
            .and_then(|spec| spec.layout())
            .map_err(|error| no_ring(&error))?;
        let fds = regions.client_fds().map_err(|error| no_ring(&error))?;
        let end = ClientEnd::attach(fds, &layout).map_err(|error| no_ring(&error))?;
        Ok(Some(end))
    }

    /// Plays one block and waits for it, away from the threads that others wait for.
    async fn play(
        &self,
        mut end: ClientEnd,
        block: RecordedBlock,
    ) -> Result<(ClientEnd, Result<(), Unplayed>), Error> {
        let seconds = self.daemon.config.deadlines.block_seconds;
        let patience = Duration::from_secs_f64(seconds) + BEYOND_WATCHDOG;
        let played = tokio::task::spawn_blocking(move || {
            let played = play(&mut end, block, Instant::now() + patience);
            (end, played)
        });
        played.await.map_err(|error| Error::bug(error.to_string()))
    }
}

/// Why a block was not played.
enum Unplayed {
    Broken(String),
    Dead,
}

fn play(end: &mut ClientEnd, block: RecordedBlock, deadline: Instant) -> Result<(), Unplayed> {
    let block = plugpen_shm::RecordedBlock {
        sequence: block.sequence,
        header: BlockHeader {
            frames: block.frames,
            double: block.double,
            transport: block.transport,
        },
        events: block.events,
        samples: block.samples,
        channels: block.channels,
    };
    let broken = |why: String| Unplayed::Broken(format!("block {}: {why}", block.sequence));
    end.replay(&block)
        .map_err(|error| broken(error.to_string()))?;
    match end.wait(1, deadline) {
        Ok(()) => {}
        Err(RingError::Dead) => return Err(Unplayed::Dead),
        Err(error) => return Err(broken(error.to_string())),
    }
    let mut events = EventList::new();
    match end.output() {
        Ok(Some(mut slot)) => drop(slot.events(&mut events)),
        Ok(None) => {}
        Err(error) => return Err(broken(error.to_string())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::{RecordedCall, ResetRequest};

    use super::*;

    fn call(after_block: u64, before_rings: bool) -> RecordedCall {
        let message = ToWorker {
            id: 1,
            after_block,
            call: Some(Call::Reset(ResetRequest::default())),
        };
        RecordedCall {
            message: message.encode_to_vec(),
            before_rings,
            answered: true,
        }
    }

    #[test]
    fn calls_come_after_the_blocks_that_were_submitted_before_them() {
        let block = |sequence| RecordedBlock {
            sequence,
            ..RecordedBlock::default()
        };
        let recording = FlightRecording {
            calls: vec![
                call(90, true),
                call(3, false),
                call(11, false),
                call(12, false),
            ],
            blocks: vec![block(10), block(11), block(12), block(13)],
            submitted: 13,
            ..FlightRecording::default()
        };
        let mut cautions = Vec::new();
        let words: Vec<_> = steps(&recording, &mut cautions)
            .iter()
            .map(|step| match step {
                Step::Call { after_block, .. } => format!("call after {after_block}"),
                Step::Block(block) => block.sequence.to_string(),
            })
            .collect();
        assert_eq!(
            words.join(", "),
            "call after 0, call after 0, 10, 11, call after 2, 12, call after 3, 13"
        );
        assert!(cautions.is_empty());
    }

    #[test]
    fn calls_that_no_client_makes_are_left_out() {
        let message = ToWorker {
            call: Some(Call::Load(Load::default())),
            ..ToWorker::default()
        };
        let recording = FlightRecording {
            calls: vec![RecordedCall {
                message: message.encode_to_vec(),
                ..RecordedCall::default()
            }],
            ..FlightRecording::default()
        };
        let mut cautions = Vec::new();
        assert!(steps(&recording, &mut cautions).is_empty());
        assert_eq!(cautions.len(), 1);
    }
}
