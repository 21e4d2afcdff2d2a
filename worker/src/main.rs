//! plugpen-worker: one plugin in one jailed process.
//!
//! A worker's life, in order:
//!
//! 1. The warden starts it with a control socket as descriptor 3 and nothing else to hold.
//! 2. It builds its jail, before a byte of any plugin is read, and tests that it holds. In a
//!    process namespace it does so in a process of its own, and the first one waits for it.
//! 3. It says `Hello` with a report of the jail.
//! 4. `Load` names the one plugin it will ever load ([`formats`]); the audio thread starts
//!    ([`audio`]).
//! 5. `AttachRings` brings the shared memory through which blocks come and go.
//! 6. Calls are carried out in their order ([`control`]); what the plugin does by itself is told
//!    between them.
//! 7. When the daemon closes the socket, the process ends at once, wherever its threads are.
//!
//! A probe worker stops after 3 and reads metadata instead.
//!
//! Unsafe code lives in [`formats`] (plugin ABIs) and [`jail`] (system calls without a safe
//! face) and nowhere else.

mod arguments;
mod audio;
mod control;
mod formats;
mod jail;
mod transport;

use std::process::ExitCode;

use arguments::{Arguments, USAGE};

/// Ends the process when a thread panics: a panic is a mistake of ours, and a worker that goes
/// on without one of its threads would only hang its client.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

fn main() -> ExitCode {
    let _guard = AbortOnPanic;
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("plugpen-worker: {error}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    if let Err(error) = jail::be_second(&arguments) {
        eprintln!("plugpen-worker: cannot be the second process of its namespace: {error}");
        return ExitCode::from(71);
    }
    let connection = match jail::control_socket().and_then(control::connect) {
        Ok(connection) => connection,
        Err(error) => {
            eprintln!("plugpen-worker: descriptor 3 is no control socket: {error}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    let (report, refusal) = jail::enter(&arguments);
    match control::serve(connection, arguments.role, report, refusal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plugpen-worker: the daemon does not take what it is told: {error}");
            ExitCode::from(74)
        }
    }
}
