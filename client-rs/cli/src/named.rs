//! The daemon that a command line names.

use std::path::PathBuf;

use plugpen::{ConnectOptions, Server};

use crate::output::Failure;

/// Which daemon, and how to get in.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Named {
    /// Daemon to use: unix:PATH, https://HOST:PORT, or http://127.0.0.1:PORT
    #[arg(long, global = true, value_name = "URL", env = "PLUGPEN_SERVER")]
    server: Option<String>,
    /// Read the daemon's token from this file [default: PLUGPEN_TOKEN, else the file beside a
    /// Unix socket]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust this authority (PEM) for https://, and no other [default: PLUGPEN_CA, else those that
    /// the system trusts]
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Show the daemon this certificate (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl Named {
    /// A session on the named daemon, if one is named.
    ///
    /// # Errors
    /// It cannot be reached, or a file cannot be read.
    pub fn connect(&self) -> Result<Option<Server>, Failure> {
        let Some(target) = self.server.as_ref().filter(|target| !target.is_empty()) else {
            return Ok(None);
        };
        let token = match &self.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                Some(text.map_err(|error| Failure::file(path, &error))?)
            }
            None => None,
        };
        let options = ConnectOptions {
            token,
            ca: self.ca.clone(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
            server_name: None,
        };
        Ok(Some(Server::connect_with(target, &options)?))
    }
}
