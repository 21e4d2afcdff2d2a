//! `plugpen kill`: ends workers.

use crate::context::Context;
use crate::output::{Done, Failure, complain, plain, print};

/// End workers of a running daemon; their clients see a death
#[derive(Debug, clap::Args)]
pub struct Kill {
    /// Handles or process ids, as `plugpen ps` lists them
    #[arg(value_name = "HANDLE|PID", required = true)]
    plugins: Vec<String>,
}

impl Kill {
    /// Kills all of them, and says which.
    ///
    /// # Errors
    /// One is not there or dead already.
    pub fn run(self, context: &Context) -> Done {
        let mut failures = Vec::new();
        for plugin in &self.plugins {
            match context.server.kill(plugin) {
                Ok(killed) => {
                    let name = killed.description.unwrap_or_default().name;
                    print(&format!(
                        "killed {} ({}, process {})\n",
                        killed.handle,
                        plain(&name),
                        killed.worker_pid
                    ))?;
                }
                // All of them get their turn.
                Err(error) => failures.push(Failure::Client(error)),
            }
        }
        let failed = failures.len();
        match failures.pop() {
            None => Ok(()),
            Some(only) if self.plugins.len() == 1 => Err(only),
            Some(last) => {
                failures.iter().chain([&last]).for_each(complain);
                let all = self.plugins.len();
                Err(Failure::Partly(format!(
                    "{failed} of {all} were not killed"
                )))
            }
        }
    }
}
