//! `plugpen serve`: becomes the daemon.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::output::Done;

/// Run the daemon plugpend in the foreground; all flags are its own (see plugpen serve --help)
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Serve {
    /// Flags of plugpend, for example --listen unix:PATH
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "FLAGS"
    )]
    flags: Vec<OsString>,
}

impl Serve {
    /// Does not return where it succeeds.
    ///
    /// # Errors
    /// `plugpend` is not found or cannot be executed.
    pub fn run(self) -> Done {
        let program = plugpen::find_program("plugpend", &[])?;
        Err(Command::new(program).args(self.flags).exec().into())
    }
}
