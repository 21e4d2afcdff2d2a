//! What the watching thread and the tracer tell each other.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::end::{ExitStatus, Fault};
use crate::warden::lock;

/// What was found when a dying worker was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// A minidump: the first thread in it is the one to blame.
    pub minidump: Vec<u8>,
    /// How long the worker was held for it.
    pub took: Duration,
}

/// A worker that is about to be dead: known before the kernel takes its memory back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dying {
    pub(crate) status: ExitStatus,
    pub(crate) fault: Option<Fault>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the worker is under trace, once that is known; why not.
    traced: Option<Result<(), String>>,
    dying: Option<Dying>,
    published: bool,
    /// Somebody wants to know where its threads are; it dies of that.
    wanted: bool,
    capture: Option<Capture>,
    status: Option<ExitStatus>,
    /// The tracer has ended.
    over: bool,
}

/// The case of one worker.
#[derive(Debug, Default)]
pub(crate) struct Inquest {
    state: Mutex<State>,
    changed: Condvar,
}

impl Inquest {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    /// Waits until something is known; `None` if that takes too long.
    fn wait<T>(&self, limit: Duration, mut known: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let until = Instant::now() + limit;
        let mut state = lock(&self.state);
        loop {
            if let Some(known) = known(&state) {
                return Some(known);
            }
            let left = until.checked_duration_since(Instant::now())?;
            let waited = self.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The tracer has the worker, or cannot have it.
    pub(crate) fn set_traced(&self, traced: Result<(), String>) {
        self.change(|state| state.traced = Some(traced));
    }

    /// Whether the worker is under trace; why not. Waits until that is known.
    pub(crate) fn traced(&self, limit: Duration) -> Result<(), String> {
        let known = self.wait(limit, |state| state.traced.clone());
        known.unwrap_or_else(|| Err("the tracer does not answer".into()))
    }

    /// The worker is about to be dead; `false` if that is known already.
    pub(super) fn announce(&self, dying: Dying) -> bool {
        let mut state = lock(&self.state);
        if state.dying.is_some() {
            return false;
        }
        state.dying = Some(dying);
        true
    }

    /// Declares a worker dead whose threads are to be looked at first; `false` where that cannot
    /// be done.
    pub(crate) fn want(&self, dying: Dying) -> bool {
        let mut state = lock(&self.state);
        if state.over || state.dying.is_some() || state.traced != Some(Ok(())) {
            return false;
        }
        state.dying = Some(dying);
        state.wanted = true;
        true
    }

    /// Whether a declared dead worker waits to be looked at.
    pub(crate) fn is_wanted(&self) -> bool {
        lock(&self.state).wanted
    }

    /// Whether it is about to be dead, and of what.
    pub(crate) fn dying(&self) -> Option<Dying> {
        lock(&self.state).dying.clone()
    }

    /// Those who waited for the worker know.
    pub(crate) fn set_published(&self) {
        self.change(|state| state.published = true);
    }

    /// Waits until those who waited for the worker know.
    pub(super) fn wait_published(&self, limit: Duration) {
        self.wait(limit, |state| state.published.then_some(()));
    }

    /// What was found.
    pub(super) fn set_capture(&self, capture: Capture) {
        self.change(|state| state.capture = Some(capture));
    }

    /// Whether something was found.
    pub(super) fn has_capture(&self) -> bool {
        lock(&self.state).capture.is_some()
    }

    /// The tracer ends, with what the kernel said at last.
    pub(super) fn set_over(&self, status: Option<ExitStatus>) {
        self.change(|state| {
            state.status = status;
            state.over = true;
        });
    }

    /// What the kernel said at last; `None` if the tracer has not ended by then.
    pub(crate) fn wait_over(&self, limit: Duration) -> Option<ExitStatus> {
        self.wait(limit, |state| {
            state
                .over
                .then(|| state.status.unwrap_or(ExitStatus::Unknown))
        })
    }

    /// What was found, for whoever asks first.
    pub(crate) fn take_capture(&self) -> Option<Capture> {
        lock(&self.state).capture.take()
    }
}
