//! The flight recorder of one worker: what it was told, for a replay of its death.
//!
//! Calls are kept here, in the daemon, where the worker cannot reach them. Blocks are kept by
//! nobody: the client's region of the rings is the daemon's too, and holds the last ones when the
//! worker dies. So recording costs nothing while blocks are played.

use std::collections::VecDeque;
use std::sync::Mutex;

use plugpen_proto::VERSION;
use plugpen_proto::v1::{
    Death, FlightRecording, OpenOptions, OpenedPlugin, RecordedBlock, RecordedCall, Recording,
};
use plugpen_proto::worker::ToWorker;
use plugpen_proto::worker::to_worker::Call;
use plugpen_shm::Regions;
use prost::Message as _;

use crate::lock::lock;

/// Calls that are kept.
const MAX_CALLS: usize = 4096;
/// Bytes of them, a few times the largest state met in a real plugin.
const MAX_BYTES: usize = 16 << 20;

/// What one worker was told.
pub struct Recorder {
    level: Recording,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    kept: VecDeque<Kept>,
    bytes: usize,
    dropped: u64,
}

struct Kept {
    id: u64,
    message: Vec<u8>,
    /// A fresh worker needs it to be the same.
    sets: bool,
    before_rings: bool,
    answered: bool,
}

/// What is told of the plugin beside what its worker was.
pub struct About<'a> {
    /// As it was opened.
    pub options: &'a OpenOptions,
    /// Its file or folder.
    pub bundle: &'a std::path::Path,
    /// What identifies that.
    pub identity: String,
    /// What is known of it.
    pub opened: &'a OpenedPlugin,
}

impl Recorder {
    /// Keeps as much as that; `None` for nothing.
    pub fn new(level: Recording) -> Option<Self> {
        (level != Recording::Off).then(|| Self {
            level,
            calls: Mutex::default(),
        })
    }

    /// A call is about to be sent. Those of the daemon's own life with its worker are not kept: a
    /// replay makes them itself.
    pub fn note(&self, message: &ToWorker) {
        let Some(call) = &message.call else {
            return;
        };
        if matches!(
            call,
            Call::Load(_) | Call::Probe(_) | Call::Ping(_) | Call::AttachRings(_)
        ) {
            return;
        }
        lock(&self.calls).push(Kept {
            id: message.id,
            message: message.encode_to_vec(),
            sets: sets(call),
            before_rings: false,
            answered: false,
        });
    }

    /// A call was answered.
    pub fn answered(&self, id: u64) {
        let mut calls = lock(&self.calls);
        // The latest calls are answered last.
        if let Some(call) = calls.kept.iter_mut().rev().find(|call| call.id == id) {
            call.answered = true;
        }
    }

    /// Rings begin to count anew.
    pub fn rings_attached(&self) {
        let mut calls = lock(&self.calls);
        for call in &mut calls.kept {
            call.before_rings = true;
        }
    }

    /// All that is known when the worker is dead.
    pub fn take(
        &self,
        death: &Death,
        rings: Option<&Regions>,
        about: About<'_>,
    ) -> FlightRecording {
        let (calls, calls_dropped) = {
            let mut calls = lock(&self.calls);
            (std::mem::take(&mut calls.kept), calls.dropped)
        };
        let with_samples = self.level == Recording::Full;
        let blocks = rings.map(Regions::recent).unwrap_or_default();
        let progress = rings.map(Regions::progress);
        FlightRecording {
            death: Some(death.clone()),
            options: Some(about.options.clone()),
            bundle: about.bundle.to_string_lossy().into_owned(),
            identity: about.identity,
            description: about.opened.description.clone(),
            version: VERSION.into(),
            calls: calls
                .into_iter()
                .map(|call| RecordedCall {
                    message: call.message,
                    before_rings: call.before_rings,
                    answered: call.answered,
                })
                .collect(),
            calls_dropped,
            blocks: blocks
                .into_iter()
                .map(|block| RecordedBlock {
                    sequence: block.sequence,
                    frames: block.header.frames,
                    double: block.header.double,
                    transport: block.header.transport,
                    events: block.events,
                    samples: if with_samples {
                        block.samples
                    } else {
                        Vec::new()
                    },
                    channels: block.channels,
                })
                .collect(),
            submitted: progress.map_or(0, |progress| progress.submitted),
            completed: progress.map_or(0, |progress| progress.completed),
        }
    }
}

impl Calls {
    fn push(&mut self, call: Kept) {
        if call.message.len() > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        self.bytes += call.message.len();
        self.kept.push_back(call);
        while self.kept.len() > MAX_CALLS || self.bytes > MAX_BYTES {
            self.drop_one();
        }
    }

    /// The oldest that only asked something, else the oldest; never the latest.
    fn drop_one(&mut self) {
        let last = self.kept.len() - 1;
        let asked = self.kept.iter().take(last).position(|call| !call.sets);
        if let Some(call) = self.kept.remove(asked.unwrap_or(0)) {
            self.bytes -= call.message.len();
            self.dropped += 1;
        }
    }
}

fn sets(call: &Call) -> bool {
    matches!(
        call,
        Call::SetParameter(_)
            | Call::SetParameters(_)
            | Call::ParameterFromText(_)
            | Call::SetState(_)
            | Call::SetProgram(_)
            | Call::StageFile(_)
            | Call::SetTransport(_)
            | Call::ClearTransport(_)
            | Call::Reset(_)
            | Call::SetBypass(_)
            | Call::SetNonRealtime(_)
            | Call::SetPrecision(_)
            | Call::SetTrackProperties(_)
    )
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::{GetParameterRequest, SetParameterRequest};

    use super::*;

    fn message(id: u64, call: Call) -> ToWorker {
        ToWorker {
            id,
            after_block: id,
            call: Some(call),
        }
    }

    fn taken(recorder: &Recorder) -> (Vec<u64>, u64) {
        let options = OpenOptions::default();
        let opened = OpenedPlugin::default();
        let recording = recorder.take(
            &Death::default(),
            None,
            About {
                options: &options,
                bundle: "/x".as_ref(),
                identity: String::new(),
                opened: &opened,
            },
        );
        let ids = recording.calls.iter().map(|call| {
            let message = ToWorker::decode(call.message.as_slice()).unwrap();
            message.id
        });
        (ids.collect(), recording.calls_dropped)
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_to_be() {
        assert!(Recorder::new(Recording::Off).is_none());
    }

    #[test]
    fn what_sets_something_outlives_what_asks() {
        let recorder = Recorder::new(Recording::Calls).unwrap();
        recorder.note(&message(
            1,
            Call::SetParameter(SetParameterRequest::default()),
        ));
        for id in 2..=u64::try_from(MAX_CALLS).unwrap() + 10 {
            let ask = Call::GetParameter(GetParameterRequest::default());
            recorder.note(&message(id, ask));
        }
        let (ids, dropped) = taken(&recorder);
        assert_eq!((ids.len(), ids[0], dropped), (MAX_CALLS, 1, 10));
        assert_eq!(ids[1], 12);
    }

    #[test]
    fn answers_and_rings_are_noted() {
        let recorder = Recorder::new(Recording::Full).unwrap();
        recorder.note(&message(1, Call::Ping(Default::default())));
        recorder.note(&message(2, Call::Reset(Default::default())));
        recorder.rings_attached();
        recorder.note(&message(3, Call::Reset(Default::default())));
        recorder.answered(2);
        let calls = lock(&recorder.calls);
        let noted: Vec<_> = calls
            .kept
            .iter()
            .map(|c| (c.id, c.before_rings, c.answered))
            .collect();
        assert_eq!(noted, [(2, true, true), (3, false, false)]);
    }
}
