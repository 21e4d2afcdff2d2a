//! What the warden reports, on its watching thread: answers, events, the end.

use std::sync::Arc;
use std::time::Instant;

use plugpen_proto::Error;
use plugpen_proto::limits::MAX_TEXT;
use plugpen_proto::v1::{ErrorReason, LogSource};
use plugpen_proto::worker::{CallError, FromWorker};
use plugpen_warden::{Capture, End, KillCause, Report};

use super::{Body, Ended, Shared, Told};
use crate::crashes::Case;
use crate::deaths;
use crate::lock::lock;

/// Hears what the warden reports; on the watching thread.
pub struct Listener<F> {
    pub shared: Arc<Shared>,
    pub tell: F,
    /// Of a worker that died, until it is gone.
    pub case: Option<Case>,
}

impl<F: FnMut(Told) + Send + 'static> Report for Listener<F> {
    fn message(&mut self, message: FromWorker) -> Result<(), String> {
        let body = message.body.ok_or("an empty message")?;
        match (message.id, body) {
            (0, Body::Event(event)) => (self.tell)(Told::Event(event)),
            (0, Body::Hello(hello)) => {
                let waiting = lock(&self.shared.inner).hello.take();
                // Nobody waits any more when the daemon is closing it.
                let _ = waiting.ok_or("a second hello")?.send(hello);
            }
            (0, _) => return Err("an answer without the number of its call".into()),
            (id, body) => {
                let mut inner = lock(&self.shared.inner);
                let pending = inner.pending.remove(&id).ok_or("an answer to no call")?;
                inner.last_answer = Instant::now();
                if let Some(recorder) = &self.shared.recorder {
                    recorder.answered(id);
                }
                let answer = match body {
                    Body::Error(error) => Err(worker_error(error)),
                    body => Ok(body),
                };
                let error = answer.as_ref().err().map(|error| error.message.as_str());
                inner.calls.end(id, error);
                // Whoever asked may have given up.
                let _ = pending.answer.send(answer);
            }
        }
        Ok(())
    }

    fn output(&mut self, source: LogSource, line: String) {
        (self.tell)(Told::Output(source, line));
    }

    fn ended(&mut self, end: End) {
        let mut inner = lock(&self.shared.inner);
        // First of all: somebody may be waiting in these.
        let seen = inner.last_seen(self.shared.generation);
        if let Some(rings) = &inner.rings {
            rings.mark_dead();
        }
        let was_closed = end.cause == Some(KillCause::Closed) && end.signal() == 9;
        let ended = if was_closed {
            Ended::Closed
        } else {
            let death = deaths::death(&end, &seen);
            self.shared.crashes.expect(&death.report_id);
            self.case = Some(Case {
                death: death.clone(),
                subject: inner.subject.clone(),
                calls: inner.calls.take(),
                fault: end.fault,
                capture: None,
            });
            Ended::Died(Arc::new(death))
        };
        self.shared.ended.send_replace(Some(ended.clone()));
        let pending = std::mem::take(&mut inner.pending);
        inner.hello = None;
        inner.permit = None;
        drop(inner);
        // Before the callers hear of it: whoever then asks sees a dead plugin.
        if let Ended::Died(death) = &ended {
            (self.tell)(Told::Died(death.clone()));
        }
        for (_, call) in pending {
            let _ = call.answer.send(Err(ended.during()));
        }
    }

    fn buried(&mut self, capture: Option<Capture>) {
        if let Some(mut case) = self.case.take() {
            case.capture = capture;
            self.shared.crashes.submit(case);
        }
    }
}

/// A worker speaks for its plugin only: reasons that are the daemon's to give are not taken over.
fn worker_error(error: CallError) -> Error {
    use ErrorReason::{
        IndexOutOfRange, InvalidInput, LimitReached, NotFound, PluginRefused, ServerBug,
        Unsupported, WrongState,
    };
    let reason = match error.reason() {
        reason @ (InvalidInput | IndexOutOfRange | NotFound | Unsupported | WrongState
        | LimitReached | ServerBug) => reason,
        _ => PluginRefused,
    };
    let mut message = error.message;
    if message.len() > MAX_TEXT {
        let mut end = MAX_TEXT;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
    }
    Error::new(reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_cannot_speak_for_the_daemon() {
        for (claimed, taken) in [
            (ErrorReason::InvalidInput, ErrorReason::InvalidInput),
            (ErrorReason::PluginCrashed, ErrorReason::PluginRefused),
            (ErrorReason::Unauthenticated, ErrorReason::PluginRefused),
            (ErrorReason::ServerUnavailable, ErrorReason::PluginRefused),
        ] {
            let error = worker_error(CallError {
                reason: claimed.into(),
                message: "é".repeat(MAX_TEXT),
            });
            assert_eq!(error.reason, taken);
            assert!(error.message.len() <= MAX_TEXT);
        }
    }
}
