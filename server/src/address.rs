//! Where the daemon listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A place to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket at this path.
    Unix(PathBuf),
    /// TCP with TLS.
    Tls(SocketAddr),
    /// TCP in the clear, on a loopback address.
    Plain(SocketAddr),
}

impl Address {
    /// Reads `unix:/path`, `https://address:port` or `http://loopback-address:port`; addresses
    /// are numbers, not names.
    ///
    /// # Errors
    /// What is wrong with it, and what was expected.
    pub fn parse(text: &str, insecure_loopback: bool) -> Result<Self, String> {
        let number = |rest: &str| {
            rest.parse::<SocketAddr>().map_err(|_| {
                format!(
                    "cannot listen on {text:?}; expected an address in numbers and a port, as in https://0.0.0.0:7380 or https://[::1]:7380"
                )
            })
        };
        if let Some(path) = text.strip_prefix("unix:")
            && Path::new(path).is_absolute()
        {
            return Ok(Self::Unix(path.into()));
        }
        if let Some(rest) = text.strip_prefix("https://") {
            return number(rest).map(Self::Tls);
        }
        let Some(rest) = text.strip_prefix("http://") else {
            return Err(format!(
                "cannot listen on {text:?}; expected unix:/absolute/path, https://ADDRESS:PORT or, with --insecure-loopback, http://127.0.0.1:PORT"
            ));
        };
        let address = number(rest)?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "will not listen on {text:?}: everybody on the way could read and change what is said; use https:// and a certificate (plain http:// is for loopback addresses only)"
            ));
        }
        if !insecure_loopback {
            return Err(format!(
                "will not listen on {text:?} by itself: every user of this machine can reach it; say --insecure-loopback if that is wanted (calls need a token all the same), or use unix: or https://"
            ));
        }
        Ok(Self::Plain(address))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Plain(address) => write!(f, "http://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in [
            "unix:/run/p.sock",
            "https://0.0.0.0:7380",
            "https://[::1]:0",
            "http://127.0.0.1:7380",
        ] {
            assert_eq!(Address::parse(text, true).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_unsafe_or_unclear_is_refused_with_advice() {
        for (text, insecure, word) in [
            ("tcp:1", false, "unix:/absolute"),
            ("unix:x", false, "unix:/absolute"),
            ("https://box:7380", false, "in numbers"),
            ("https://1.2.3.4", false, "a port"),
            ("http://0.0.0.0:7380", true, "use https://"),
            ("http://10.0.0.1:7380", true, "use https://"),
            ("http://127.0.0.1:7380", false, "--insecure-loopback"),
        ] {
            let message = Address::parse(text, insecure).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
