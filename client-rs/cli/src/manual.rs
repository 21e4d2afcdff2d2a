//! `plugpen completions` and `plugpen man`: made from the command line's own description.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Arguments;
use crate::output::{Done, Failure, print};

/// Print the completions of a shell; for bash: source <(plugpen completions bash)
#[derive(Debug, clap::Args)]
pub struct Completions {
    shell: Shell,
}

impl Completions {
    /// Prints a script.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn run(self) -> Done {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Arguments::command(),
            "plugpen",
            &mut script,
        );
        print(&String::from_utf8_lossy(&script))
    }
}

/// Print the manual page, or write those of all commands
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Write one page a command into this folder
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Man {
    /// Prints or writes pages for `man`.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn run(self) -> Done {
        let command = Arguments::command();
        match self.dir {
            Some(dir) => {
                clap_mangen::generate_to(command, &dir).map_err(|error| Failure::file(&dir, &error))
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page)?;
                print(&String::from_utf8_lossy(&page))
            }
        }
    }
}
