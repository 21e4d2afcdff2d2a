//! The plugpen command line: a client like any other.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 for success
//! (a scan that met broken plugins is one), 1 for failure, 2 for a mistake in the command line,
//! 130 after Ctrl-C.
#![forbid(unsafe_code)]

mod describe;
mod info;
mod interrupt;
mod output;
mod ps;
mod scan;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use plugpen::Server;

use crate::interrupt::Interrupt;
use crate::output::Done;

const AFTER_HELP: &str = "\
Exit codes: 0 success, 1 failure, 2 a mistake in the command line, 130 interrupted.

Without --server (or the environment variable PLUGPEN_SERVER), scan and info start a private
daemon and end it when they are done; ps asks the user's own daemon.";

/// Play untrusted audio plugins, each in a sandboxed process of its own.
#[derive(Debug, Parser)]
#[command(name = "plugpen", version, after_help = AFTER_HELP)]
struct Arguments {
    /// Daemon to use, for example unix:/run/user/1000/plugpen/plugpend.sock
    #[arg(long, global = true, value_name = "unix:PATH", env = "PLUGPEN_SERVER")]
    server: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Scan(scan::Scan),
    Info(info::Info),
    Ps(ps::Ps),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let server = arguments
        .server
        .as_deref()
        .filter(|server| !server.is_empty());
    let done = match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Scan(scan) => with(server, |server| scan.run(server)),
        Command::Info(info) => with(server, |server| info.run(server)),
        Command::Ps(ps) => ps.run(server),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Does something with the named daemon, or with a private one that ends with this program.
fn with(server: Option<&str>, command: impl FnOnce(&Server) -> Done) -> Done {
    let interrupt = Interrupt::watch()?;
    let server = match server {
        Some(target) => Server::connect(target)?,
        None => Server::private()?,
    };
    interrupt.guard(&server);
    let done = command(&server);
    interrupt.finish();
    done
}
