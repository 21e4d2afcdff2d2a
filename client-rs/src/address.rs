//! Where a daemon is.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use tonic::codegen::http::Uri;

use crate::error::{Error, Result};

/// An address as users write it, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A Unix socket on this machine, absolute.
    Unix(PathBuf),
    /// A port, on whatever machine.
    Tcp(Tcp),
}

/// A port of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tcp {
    /// A name or a number, an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether it is `https://`; in the clear it goes to this machine only.
    pub(crate) is_tls: bool,
}

const EXPECTED: &str =
    "expected unix:/path/to/plugpend.sock, https://HOST:PORT or http://127.0.0.1:PORT";

impl Address {
    /// Reads `unix:/path`, a path, `https://host:port` or `http://loopback:port`.
    ///
    /// # Errors
    /// `InvalidInput`, with what was expected.
    pub(crate) fn parse(target: &str) -> Result<Address> {
        let wrong = |why: &str| Error::invalid(format!("the address {target:?} {why}; {EXPECTED}"));
        let is_unix = target.starts_with("unix:");
        if target.contains("://") && !is_unix {
            return tcp(target, &wrong).map(Address::Tcp);
        }
        let path = target.strip_prefix("unix:").unwrap_or(target);
        // "unix:///run/x" has an empty authority before an absolute path.
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(wrong("names no socket"));
        }
        let path = std::path::absolute(path).map_err(|e| wrong(&format!("is no path ({e})")))?;
        Ok(Address::Unix(path))
    }
}

fn tcp(target: &str, wrong: &dyn Fn(&str) -> Error) -> Result<Tcp> {
    let uri: Uri = target.parse().map_err(|_| wrong("cannot be read"))?;
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong("is of a kind that no daemon listens on")),
    };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(wrong("has a user in it; the token is given by itself"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong("goes on after the port"));
    }
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let Some(port) = uri.port_u16().filter(|_| !host.is_empty()) else {
        return Err(wrong("has no port"));
    };
    let is_here = match host.parse::<IpAddr>() {
        Ok(number) => number.is_loopback(),
        Err(_) => host == "localhost",
    };
    if !is_tls && !is_here {
        return Err(wrong(
            "is in the clear: everybody on the way could read the token and change what is said. The daemon needs a \
             certificate and an https:// address (or an SSH tunnel to a port of this machine)",
        ));
    }
    Ok(Tcp {
        host: host.to_owned(),
        port,
        is_tls,
    })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(tcp) => {
                let scheme = if tcp.is_tls { "https" } else { "http" };
                match tcp.host.contains(':') {
                    true => write!(f, "{scheme}://[{}]:{}", tcp.host, tcp.port),
                    false => write!(f, "{scheme}://{}:{}", tcp.host, tcp.port),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use plugpen_proto::v1::ErrorReason;

    use super::*;

    #[test]
    fn addresses_of_all_spellings_are_understood() {
        for target in ["unix:/run/p.sock", "unix:///run/p.sock", "/run/p.sock"] {
            let expected = Address::Unix(Path::new("/run/p.sock").into());
            assert_eq!(Address::parse(target).unwrap(), expected);
        }
        for (target, host, is_tls) in [
            ("https://box:7380", "box", true),
            ("https://box.example.org:7380/", "box.example.org", true),
            ("https://[2001:db8::1]:7380", "2001:db8::1", true),
            ("http://127.0.0.1:7380", "127.0.0.1", false),
            ("http://localhost:7380", "localhost", false),
            ("http://[::1]:7380", "::1", false),
        ] {
            let address = Address::parse(target).unwrap();
            assert_eq!(address.to_string(), target.trim_end_matches('/'));
            let expected = Tcp {
                host: host.into(),
                port: 7380,
                is_tls,
            };
            assert_eq!(address, Address::Tcp(expected));
        }
    }

    #[test]
    fn other_addresses_are_refused_with_the_expected_form() {
        for (target, word) in [
            ("", "no socket"),
            ("unix:", "no socket"),
            ("https://box", "no port"),
            ("https://:7380", ""),
            ("https://box:99999", ""),
            ("https://me@box:7380", "user"),
            ("https://box:7380/plugins", "after the port"),
            ("tcp://box:7380", "of a kind"),
            ("http://box:7380", "in the clear"),
            ("http://192.0.2.1:7380", "in the clear"),
        ] {
            let error = Address::parse(target).unwrap_err();
            assert_eq!(error.reason, ErrorReason::InvalidInput, "{target}");
            assert!(error.message.contains(word), "{}", error.message);
            assert!(error.message.contains("https://HOST:PORT"), "{error}");
        }
    }
}
