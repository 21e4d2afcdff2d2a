//! What a caller may do.

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use serde::Deserialize;

/// From little to everything; each has what those before it have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Learn about the daemon and what earlier scans found.
    Read,
    /// Scan, open and play plugins of its own.
    Play,
    /// See and end what others opened, and forget what is kept.
    Admin,
}

impl Scope {
    /// Its name, as configurations say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Play => "play",
            Self::Admin => "admin",
        }
    }

    /// What a call of this path, `/package.Service/Method`, needs. Calls nobody listed need
    /// [`Scope::Play`].
    pub fn needed(path: &str) -> Self {
        if path.starts_with("/grpc.") {
            return Self::Read;
        }
        match path.rsplit('/').next().unwrap_or_default() {
            "GetServerInfo" | "OpenSession" | "CloseSession" | "ListPlugins" | "WatchEvents"
            | "GetScanCache" => Self::Read,
            "KillPlugin" | "TrimScanCache" | "ListCrashes" | "ExportCrash" | "DeleteCrashes" => {
                Self::Admin
            }
            _ => Self::Play,
        }
    }

    /// Fails unless this is at least that.
    ///
    /// # Errors
    /// `NotAllowed`, with both names.
    pub fn require(self, needed: Self, what: &str) -> Result<(), Error> {
        if self >= needed {
            return Ok(());
        }
        Err(Error::new(
            ErrorReason::NotAllowed,
            format!(
                "{what} needs the scope {:?}, and this token has {:?}; ask the daemon's owner for another token",
                needed.name(),
                self.name()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_need_no_more_than_they_do() {
        for (path, scope) in [
            ("/plugpen.v1.ServerService/GetServerInfo", Scope::Read),
            ("/grpc.health.v1.Health/Check", Scope::Read),
            ("/plugpen.v1.PluginService/OpenPlugin", Scope::Play),
            ("/plugpen.v1.PluginService/KillPlugin", Scope::Admin),
            ("/some.Other/Thing", Scope::Play),
            ("", Scope::Play),
        ] {
            assert_eq!(Scope::needed(path), scope, "{path}");
        }
        assert!(Scope::Play.require(Scope::Read, "x").is_ok());
        let error = Scope::Read.require(Scope::Play, "OpenPlugin").unwrap_err();
        assert!(error.message.contains("\"play\""), "{error}");
    }
}
