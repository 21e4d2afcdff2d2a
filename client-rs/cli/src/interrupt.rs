//! Ctrl-C: leave nothing behind.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use plugpen::Server;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// What shells report of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Watches for Ctrl-C, from before a private daemon is started until the end.
#[derive(Clone)]
pub struct Interrupt(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    happened: bool,
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
        let mut ctrl_c = {
            let _context = runtime.enter();
            signal(SignalKind::interrupt())?
        };
        let watching = interrupt.clone();
        let watch = move || {
            runtime.block_on(ctrl_c.recv());
            // The lock is kept: whoever wants it next has lost the race against the exit.
            let mut state = watching.lock();
            state.happened = true;
            if let Some(server) = state.server.take() {
                end(&server);
            }
        };
        thread::Builder::new()
            .name("interrupt".into())
            .spawn(watch)?;
        Ok(interrupt)
    }

    /// From now on Ctrl-C ends this session, and a private daemon with it, and then the program.
    /// Does so at once where it was pressed already.
    pub fn guard(&self, server: &Server) {
        let mut state = self.lock();
        if state.happened {
            end(server);
        }
        state.server = Some(server.clone());
    }

    /// Does not return while an interrupt is being dealt with, of which a command has failed.
    pub fn finish(self) {
        self.lock().server = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(server: &Server) -> ! {
    server.close();
    std::process::exit(INTERRUPTED)
}
