//! The plugpen command line: a client like any other.
//!
//! Results go to standard output, everything else to standard error. The exit codes are in
//! [`AFTER_HELP`], and in `output.rs`.
#![forbid(unsafe_code)]

mod analyze;
mod batch;
mod cache;
mod chain_spec;
mod context;
mod crash_json;
mod crashes;
mod describe;
mod devices;
mod info;
mod interrupt;
mod kill;
mod logs;
mod manual;
mod midi;
mod morph;
mod named;
mod output;
mod params;
mod paths;
mod play;
mod presets;
mod process;
mod ps;
mod render;
mod replay;
mod resample;
mod scan;
mod serve;
mod setup;
mod sound;
mod token;
mod which;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use plugpen::Server;

use crate::context::{Context, Jail, Pace};
use crate::interrupt::Interrupt;
use crate::named::Named;
use crate::output::Done;

const AFTER_HELP: &str = "\
PLUGIN is a name (MVerb), a name of one format (vst3:MVerb), a file or bundle, a file with an index
(mda.lv2:2) or an LV2 URI. Names are those that `plugpen scan` lists.

Exit codes: 0 success, 1 failure, 2 a mistake in the command line, 3 a plugin or file that is not
there, 4 a plugin that crashed, 5 a plugin that hung, 130 and 143 ended by a signal.

Without --server (or the environment variable PLUGPEN_SERVER) commands start a private daemon and
end it when they are done; ps, logs and kill ask the user's own daemon. On a daemon of another
machine, names, paths and folders of plugins are that machine's; files to read and write are here.";

/// Play untrusted audio plugins, each in a sandboxed process of its own.
#[derive(Debug, Parser)]
#[command(name = "plugpen", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    jail: Jail,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Scan(scan::Scan),
    Info(info::Info),
    Params(params::Params),
    Presets(presets::Presets),
    Morph(morph::Morph),
    Analyze(analyze::Analyze),
    Process(process::Process),
    Render(render::Render),
    Resample(resample::Resample),
    Devices(devices::Devices),
    Midi(midi::Midi),
    Play(play::Play),
    Cache(cache::Cache),
    Serve(serve::Serve),
    Ps(ps::Ps),
    Logs(logs::Logs),
    Kill(kill::Kill),
    Crashes(crashes::Crashes),
    Replay(replay::Replay),
    Token(token::Token),
    Completions(manual::Completions),
    Man(manual::Man),
}

impl Command {
    /// Whether it is about a daemon that runs rather than about plugins.
    fn is_about_the_daemon(&self) -> bool {
        matches!(self, Command::Ps(_) | Command::Logs(_) | Command::Kill(_))
    }

    fn run(self, context: &Context) -> Done {
        match self {
            Command::Scan(scan) => scan.run(context),
            Command::Info(info) => info.run(context),
            Command::Params(params) => params.run(context),
            Command::Presets(presets) => presets.run(context),
            Command::Morph(morph) => morph.run(context),
            Command::Analyze(analyze) => analyze.run(context),
            Command::Process(process) => process.run(context),
            Command::Render(render) => render.run(context),
            Command::Resample(resample) => resample.run(&context.interrupt),
            Command::Devices(devices) => devices.run(context),
            Command::Midi(midi) => midi.run(context),
            Command::Play(play) => play.run(context),
            Command::Cache(cache) => cache.run(context),
            Command::Ps(ps) => ps.run(context),
            Command::Logs(logs) => logs.run(context),
            Command::Kill(kill) => kill.run(context),
            Command::Crashes(crashes) => crashes.run(context),
            Command::Replay(replay) => replay.run(context),
            Command::Serve(serve) => serve.run(),
            Command::Token(token) => token.run(),
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => man.run(),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (done, signalled) = match arguments.command {
        // These talk to no daemon.
        Command::Serve(serve) => (serve.run(), None),
        Command::Token(token) => (token.run(), None),
        Command::Completions(completions) => (completions.run(), None),
        Command::Man(man) => (man.run(), None),
        command => match Interrupt::watch() {
            Ok(interrupt) => {
                let done = match command {
                    Command::Resample(resample) => resample.run(&interrupt),
                    command => on_daemon(
                        command,
                        &arguments.named,
                        (arguments.pace, arguments.jail),
                        &interrupt,
                    ),
                };
                (done, interrupt.finish())
            }
            Err(error) => (Err(error.into()), None),
        },
    };
    match (done, signalled) {
        (_, Some(code)) => ExitCode::from(code),
        (Ok(()), None) => ExitCode::SUCCESS,
        (Err(failure), None) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        (Err(failure), None) => {
            output::complain(&failure);
            ExitCode::from(failure.code())
        }
    }
}

/// Runs a command on the named daemon, on the user's own, or on a private one that ends with this
/// program.
fn on_daemon(
    command: Command,
    named: &Named,
    (pace, jail): (Pace, Jail),
    interrupt: &Interrupt,
) -> Done {
    let server = match named.connect()? {
        Some(server) => server,
        // The one that `plugpen serve` starts.
        None if command.is_about_the_daemon() => {
            Server::connect(&format!("unix:{}", plugpen::default_socket().display()))?
        }
        None => Server::private()?,
    };
    interrupt.guard(&server);
    let context = Context {
        server,
        interrupt: interrupt.clone(),
        pace,
        jail,
    };
    let done = command.run(&context);
    context.server.close();
    done
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
