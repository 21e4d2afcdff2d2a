//! Ctrl-C: leave nothing behind.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use plugpen::Server;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a command may take to undo what it had begun.
const PATIENCE: Duration = Duration::from_secs(5);

/// Watches for Ctrl-C and for the wish that this program ends, from before a private daemon is
/// started until the end.
///
/// Either closes the session, and a private daemon with it: whatever the command waits for fails,
/// and it removes what it had begun on its way out.
#[derive(Clone)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The exit code, once there was a signal.
    code: Option<u8>,
    finished: bool,
    /// What has to be closed.
    server: Option<Server>,
}

impl Interrupt {
    /// Begins to watch.
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn watch() -> io::Result<Interrupt> {
        let interrupt = Interrupt(Arc::default());
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let (mut ctrl_c, mut terminate) = {
            let _context = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        let watching = interrupt.clone();
        let watch = move || {
            let code = runtime.block_on(either(&mut ctrl_c, &mut terminate));
            watching.end(code);
        };
        thread::Builder::new()
            .name("interrupt".into())
            .spawn(watch)?;
        Ok(interrupt)
    }

    /// From now on a signal ends this session, and a private daemon with it. Does so at once where
    /// there was one already.
    pub fn guard(&self, server: &Server) {
        let mut state = self.lock();
        state.server = Some(server.clone());
        if state.code.is_some() {
            drop(state);
            server.close();
        }
    }

    /// Whether there was a signal.
    pub fn happened(&self) -> bool {
        self.lock().code.is_some()
    }

    /// Waits for a signal, but not longer than that; whether there was one.
    pub fn wait_for(&self, limit: Duration) -> bool {
        let state = self.lock();
        let waiting = |state: &mut State| state.code.is_none();
        let waited = self.0.changed.wait_timeout_while(state, limit, waiting);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.code.is_some()
    }

    /// The command has ended. The exit code where a signal ended it, whatever it says of that.
    pub fn finish(self) -> Option<u8> {
        let mut state = self.lock();
        state.finished = true;
        state.server = None;
        self.0.changed.notify_all();
        state.code
    }

    fn end(&self, code: u8) {
        let mut state = self.lock();
        state.code = Some(code);
        self.0.changed.notify_all();
        let server = state.server.clone();
        drop(state);
        if let Some(server) = server {
            server.close();
        }
        let state = self.lock();
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !state.finished);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !state.finished {
            std::process::exit(code.into());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What shells report of a program that was ended so.
async fn either(ctrl_c: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = ctrl_c.recv() => 130,
        _ = terminate.recv() => 143,
    }
}
