//! What commands work with: the daemon, and the wishes that hold for all of them.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use plugpen::v1::{PathGrant, SandboxLevel, SandboxMode};
use plugpen::{OpenOptions, Plugin, Server};

use crate::interrupt::Interrupt;
use crate::output::Failure;
use crate::which::{self, Which};

/// How plugins run.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Pace {
    /// Frames a second [default: 48000]
    #[arg(short = 'r', long, value_name = "HZ")]
    pub sample_rate: Option<f64>,
    /// Largest block, in frames [default: 512]
    #[arg(short, long, value_name = "FRAMES")]
    pub block_size: Option<u32>,
}

impl Pace {
    /// These wishes, and `others` where there are none.
    pub fn or(self, others: Pace) -> Pace {
        Pace {
            sample_rate: self.sample_rate.or(others.sample_rate),
            block_size: self.block_size.or(others.block_size),
        }
    }

    /// The options to open a plugin with.
    pub fn options(self) -> OpenOptions {
        let usual = OpenOptions::default();
        OpenOptions {
            sample_rate: self.sample_rate.unwrap_or(usual.sample_rate),
            max_block_size: self.block_size.unwrap_or(usual.max_block_size),
            ..usual
        }
    }
}

/// How plugins are jailed; said before the command's name, so that `serve` has its own.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Jail {
    /// How strictly plugins are jailed: required, best-effort or off [default: the daemon's]
    #[arg(long, value_name = "LEVEL", value_parser = plugpen::sandbox_level)]
    sandbox: Option<SandboxLevel>,
    /// What happens on a system call that plugins may not make: enforce, report, trace-files or
    /// kill [default: the daemon's]
    #[arg(long, value_name = "MODE", value_parser = plugpen::sandbox_mode)]
    sandbox_mode: Option<SandboxMode>,
    /// A file or folder that plugins may read beside their own; repeatable
    #[arg(long, value_name = "PATH")]
    grant: Vec<String>,
    /// One that they may write too; repeatable
    #[arg(long, value_name = "PATH")]
    grant_write: Vec<String>,
}

impl Jail {
    /// The options, with these wishes.
    fn on(&self, options: OpenOptions) -> OpenOptions {
        let granted = |paths: &[String], is_writable| {
            let paths = paths.iter().cloned();
            paths
                .map(|path| PathGrant { path, is_writable })
                .collect::<Vec<_>>()
        };
        OpenOptions {
            sandbox: self.sandbox,
            sandbox_mode: options.sandbox_mode.or(self.sandbox_mode),
            grants: [
                granted(&self.grant, false),
                granted(&self.grant_write, true),
            ]
            .concat(),
            ..options
        }
    }
}

/// The daemon and what was said before the command.
pub struct Context {
    /// A session on the daemon.
    pub server: Server,
    /// Notices Ctrl-C.
    pub interrupt: Interrupt,
    /// Said before the command's name.
    pub pace: Pace,
    /// How plugins are jailed.
    pub jail: Jail,
}

impl Context {
    /// Opens a plugin to ask it something: without audio.
    ///
    /// # Errors
    /// It is not found, or does not open.
    pub fn open_quietly(&self, which: &Which, pace: Pace) -> Result<Plugin, Failure> {
        let options = OpenOptions {
            audio_path: plugpen::AudioPath::None,
            ..pace.or(self.pace).options()
        };
        self.open(which, options)
    }

    /// Opens a plugin.
    ///
    /// # Errors
    /// It is not found, or does not open.
    pub fn open(&self, which: &Which, options: OpenOptions) -> Result<Plugin, Failure> {
        let place = which::find(&self.server, which)?;
        let options = OpenOptions {
            selector: place.selector,
            ..options
        };
        self.open_at(&place.path, options)
    }

    /// Opens the plugin of a path.
    ///
    /// # Errors
    /// It does not open.
    pub fn open_at(&self, path: &str, options: OpenOptions) -> Result<Plugin, Failure> {
        Ok(self.server.open(path, &self.jail.on(options))?)
    }
}

/// A bar on standard error, where a person watches.
pub fn progress_bar(length: u64, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
