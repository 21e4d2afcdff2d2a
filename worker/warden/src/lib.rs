//! Spawns, watches and kills workers.
//!
//! The life of a worker, seen from here:
//!
//! 1. [`Warden::spawn`] starts a thread that belongs to this worker alone. It makes the private
//!    directory, the control socket pair and the output pipes, and executes the worker program in
//!    namespaces of its own, where the system gives them ([`Namespaces`]).
//!    The kernel kills the worker when that thread ends, so no worker outlives its daemon.
//! 2. The thread waits for the control socket, both pipes and the worker's pidfd. Whole messages,
//!    whole lines and the end go to a [`Report`], always from this one thread.
//! 3. [`Warden::send`] writes a message, with file descriptors beside it where the call has some.
//!    It never blocks: what the socket does not take waits in a bounded queue.
//! 4. [`Warden::kill`] ends the worker; the first cause given is the one that is reported.
//! 5. A second thread traces the worker (`tracer`): it sees a death before it has happened, and
//!    looks at what is dying.
//! 6. The first thread reads what the worker left behind and reports its [`End`]; when the worker
//!    is gone, it reports what was found ([`Capture`]), removes the private directory and ends.
//!
//! Nothing here trusts a worker: frames are bounded before they are decoded, descriptors it sends
//! are dropped by the kernel, its output is cut, cleaned and limited in rate.

mod end;
mod flow;
mod inherited;
mod launch;
mod namespaces;
mod outbox;
mod output;
mod private_dir;
mod register;
mod spawn;
mod tracer;
mod users;
mod warden;
mod watch;

pub use end::{End, ExitStatus, Fault, KillCause, signal_name};
pub use inherited::inherited;
pub use launch::{Launch, Mode, Role, Sandbox};
pub use namespaces::Namespaces;
pub use private_dir::remove_tree;
pub use spawn::SpawnError;
pub use tracer::Capture;
pub use users::{User, Users};
pub use warden::{SendError, Warden};
pub use watch::Report;
