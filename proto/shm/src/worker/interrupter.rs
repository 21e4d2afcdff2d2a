//! Ending the audio thread's wait from another thread of the worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::protocol::Parking;
use crate::region::View;
use crate::wake::Sleeper;

/// Ends a wait of the [`WorkerEnd`](crate::WorkerEnd) it came from.
#[derive(Clone)]
pub struct Interrupter {
    bell: View,
    offset: usize,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    called: AtomicBool,
    listening: AtomicBool,
}

impl Interrupter {
    pub(super) fn new(bell: View, offset: usize) -> Self {
        Self {
            bell,
            offset,
            state: Arc::default(),
        }
    }

    /// Ends the wait that runs, or else the next one. Returns once the audio thread is out of its
    /// sleep, within microseconds. Not for the audio thread itself.
    pub fn wake(&self) {
        self.state.called.store(true, Ordering::SeqCst);
        // The audio thread sleeps on a word that only the client can change, so a wake that comes
        // between its last look and its sleep is lost. Hence wakes until it has noticed.
        while self.state.listening.load(Ordering::SeqCst)
            && self.state.called.load(Ordering::SeqCst)
        {
            Sleeper.unpark(self.bell.word(self.offset));
            Sleeper.rest(Duration::from_micros(20));
        }
    }

    pub(super) fn listen(&self) -> Listening {
        // SYNC: SeqCst on both words of both sides: either `wake` sees that someone listens, or
        // the listener sees the call.
        self.state.listening.store(true, Ordering::SeqCst);
        Listening(Arc::clone(&self.state))
    }
}

/// A wait that a call ends; using the call up.
pub(super) struct Listening(Arc<State>);

impl Listening {
    pub fn is_called(&self) -> bool {
        self.0.called.load(Ordering::SeqCst)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // In this order: a call that comes between the two stays, and ends the next wait.
        self.0.called.store(false, Ordering::SeqCst);
        self.0.listening.store(false, Ordering::SeqCst);
    }
}
