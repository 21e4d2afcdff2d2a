//! What commands work with: the daemon, and the wishes that hold for all of them.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
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

/// The daemon and what was said before the command.
pub struct Context {
    /// A session on the daemon.
    pub server: Server,
    /// Notices Ctrl-C.
    pub interrupt: Interrupt,
    /// Said before the command's name.
    pub pace: Pace,
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
        Ok(self.server.open(&place.path, &options)?)
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
