//! What a process needs once: a small runtime for the connections, and its default server.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::error::{self, Error, Result};
use crate::server::Server;

/// One thread drives every connection of the process. A second one makes single calls a quarter
/// slower, because the two wake each other, and has nothing to win: what takes time is elsewhere.
const THREADS: usize = 1;

static CORE: Mutex<Option<Arc<Core>>> = Mutex::new(None);

/// The process's runtime, made on first use and never taken down: the process's end does that.
pub(crate) struct Core {
    runtime: Runtime,
    process: u32,
    /// What [`Server::shared_default`] hands out.
    pub(crate) default_server: Mutex<Option<Server>>,
}

impl Core {
    /// This process's core.
    ///
    /// After a `fork()` the child gets one of its own; the parent's is leaked there, because its
    /// threads do not exist in the child and a drop would wait for them.
    pub(crate) fn get() -> Result<Arc<Core>> {
        let process = std::process::id();
        let give_up = Instant::now() + Duration::from_secs(2);
        let mut slot = loop {
            match CORE.try_lock() {
                Ok(slot) => break slot,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                // Held for microseconds, unless fork() took place in just those: then for ever.
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => thread::yield_now(),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::bug(
                        "fork() was called while another thread was starting plugpen; start a fresh process instead",
                    ));
                }
            }
        };
        if let Some(core) = slot.as_ref().filter(|core| core.process == process) {
            return Ok(core.clone());
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("plugpen-io")
            .enable_all()
            .build()
            .map_err(|e| Error::bug(format!("cannot start the client's threads: {e}")))?;
        let core = Arc::new(Core {
            runtime,
            process,
            default_server: Mutex::new(None),
        });
        std::mem::forget(slot.replace(core.clone()));
        Ok(core)
    }

    /// Takes the default server away, if this process has one.
    pub(crate) fn take_default_server() -> Option<Server> {
        let core = CORE.try_lock().ok()?.clone()?;
        core.check_process().ok()?;
        let mut slot = core.default_server.try_lock().ok()?;
        slot.take()
    }

    /// Refuses objects that crossed a `fork()`, which would otherwise wait for threads that are
    /// not there.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.is_own_process() {
            Ok(())
        } else {
            Err(error::forked(self.process))
        }
    }

    /// Whether this is the process the core was made in.
    pub(crate) fn is_own_process(&self) -> bool {
        std::process::id() == self.process
    }

    /// Blocks this thread until the future is done.
    ///
    /// Not `Runtime::block_on`, which panics on a thread that already runs asynchronous code; a
    /// caller there gets a blocked thread, which is what a blocking call promises.
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        let _context = self.runtime.enter();
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            thread::park();
        }
    }

    /// As [`Core::wait`], but not longer than `limit`; `None` when that is over.
    pub(crate) fn wait_for<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        // The timer wants the runtime's context when it is made, hence the block.
        self.wait(async { tokio::time::timeout(limit, future).await })
            .ok()
    }

    /// Starts a task that outlives the call.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_core_a_process() {
        let core = Core::get().unwrap();
        assert!(Arc::ptr_eq(&core, &Core::get().unwrap()));
        core.check_process().unwrap();
    }

    #[test]
    fn waiting_works_on_a_thread_of_another_runtime() {
        let core = Core::get().unwrap();
        let other = Builder::new_current_thread().build().unwrap();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        core.spawn(async move {
            tokio::task::yield_now().await;
            let _ = sender.send(7);
        });
        let answer = other.block_on(async { core.wait(receiver) });
        assert_eq!(answer, Ok(7));
    }
}
