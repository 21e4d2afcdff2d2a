//! How a plugin is jailed: the daemon's choice, and what its client may make of it.

use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::limits::MAX_PATH;
use plugpen_proto::v1::{ErrorReason, OpenOptions, PathGrant, SandboxLevel, SandboxMode};
use plugpen_warden::{Mode, Sandbox};

use crate::config::Config;

/// Paths that one client may grant to one plugin.
const MAX_GRANTS: usize = 64;

/// The jail of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jail {
    /// How strict it is.
    pub level: Sandbox,
    /// What happens on a forbidden call.
    pub mode: Mode,
    /// What may be read beside the plugin.
    pub read_only: Vec<PathBuf>,
    /// What may be written too.
    pub read_write: Vec<PathBuf>,
}

impl Jail {
    /// The daemon's own choice.
    pub fn of(config: &Config) -> Self {
        Self {
            level: config.sandbox,
            mode: config.sandbox_mode,
            read_only: Vec::new(),
            read_write: Vec::new(),
        }
    }

    /// What a client asks for. Looks at the granted paths.
    ///
    /// # Errors
    /// A jail looser than the daemon's where that is not allowed, or a path that cannot be
    /// granted.
    pub fn wished(config: &Config, options: &OpenOptions) -> Result<Self, Error> {
        let mut jail = Self::of(config);
        if let Some(level) = level(options)? {
            may_have(
                config,
                strictness(level),
                strictness(jail.level),
                level.as_str(),
            )?;
            jail.level = level;
        }
        if let Some(mode) = mode(options)? {
            let kills = |mode| usize::from(mode == Mode::Kill);
            may_have(config, kills(mode), kills(jail.mode), mode.as_str())?;
            jail.mode = mode;
        }
        if options.grants.len() > MAX_GRANTS {
            return Err(Error::invalid(format!(
                "{} paths are granted; at most {MAX_GRANTS} are possible",
                options.grants.len()
            )));
        }
        if !options.grants.is_empty() && !config.client_grants {
            return Err(Error::new(
                ErrorReason::NotAllowed,
                "this daemon lets no client grant paths (no_client_grants in its configuration)",
            ));
        }
        for grant in &options.grants {
            let path = granted(config, grant)?;
            match grant.is_writable {
                true => jail.read_write.push(path),
                false => jail.read_only.push(path),
            }
        }
        Ok(jail)
    }
}

fn level(options: &OpenOptions) -> Result<Option<Sandbox>, Error> {
    match SandboxLevel::try_from(options.sandbox_level) {
        Ok(SandboxLevel::Unspecified) => Ok(None),
        Ok(SandboxLevel::Required) => Ok(Some(Sandbox::Required)),
        Ok(SandboxLevel::BestEffort) => Ok(Some(Sandbox::BestEffort)),
        Ok(SandboxLevel::Off) => Ok(Some(Sandbox::Off)),
        Err(error) => Err(Error::invalid(format!("sandbox_level: {error}"))),
    }
}

fn mode(options: &OpenOptions) -> Result<Option<Mode>, Error> {
    match SandboxMode::try_from(options.sandbox_mode) {
        Ok(SandboxMode::Unspecified) => Ok(None),
        Ok(SandboxMode::Enforce) => Ok(Some(Mode::Enforce)),
        Ok(SandboxMode::Report) => Ok(Some(Mode::Report)),
        Ok(SandboxMode::TraceFiles) => Ok(Some(Mode::TraceFiles)),
        Ok(SandboxMode::Kill) => Ok(Some(Mode::Kill)),
        Err(error) => Err(Error::invalid(format!("sandbox_mode: {error}"))),
    }
}

fn strictness(level: Sandbox) -> usize {
    match level {
        Sandbox::Off => 0,
        Sandbox::BestEffort => 1,
        Sandbox::Required => 2,
    }
}

fn may_have(config: &Config, wished: usize, own: usize, name: &str) -> Result<(), Error> {
    if wished >= own || config.let_clients_loosen {
        return Ok(());
    }
    Err(Error::new(
        ErrorReason::NotAllowed,
        format!(
            "the sandbox {name:?} is looser than this daemon's; ask for a stricter one, or start \
             plugpend with --let-clients-loosen"
        ),
    ))
}

fn granted(config: &Config, grant: &PathGrant) -> Result<PathBuf, Error> {
    let path = Path::new(&grant.path);
    if grant.path.len() > MAX_PATH || grant.path.contains('\0') || !path.is_absolute() {
        return Err(Error::invalid(format!(
            "the granted path {:?} must be absolute, free of NUL bytes and at most {MAX_PATH} bytes long",
            grant.path
        )));
    }
    let found = path.canonicalize().map_err(|error| {
        Error::new(
            ErrorReason::NotFound,
            format!("the granted path {} cannot be used: {error}", grant.path),
        )
    })?;
    // The daemon's sockets and its token are in there: whoever has them is a client.
    let own = config.runtime_dir.canonicalize();
    let own = own.as_deref().unwrap_or(&config.runtime_dir);
    if own.starts_with(&found) || found.starts_with(own) {
        return Err(Error::new(
            ErrorReason::NotAllowed,
            format!(
                "the granted path {} holds the daemon's own sockets and token; grant a folder \
                 beside {}",
                grant.path,
                own.display()
            ),
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn config(arguments: &[&str]) -> Config {
        let given = [
            "plugpend",
            "--worker",
            "/bin/sh",
            "--runtime-dir",
            "/tmp/x/y",
        ];
        let flags = crate::config::Flags::try_parse_from(given.iter().chain(arguments)).unwrap();
        Config::load(&flags).unwrap()
    }

    fn wished(arguments: &[&str], options: OpenOptions) -> Result<Jail, ErrorReason> {
        Jail::wished(&config(arguments), &options).map_err(|error| error.reason)
    }

    #[test]
    fn a_client_may_ask_for_more_but_not_for_less() {
        let level = |level: SandboxLevel| OpenOptions {
            sandbox_level: level.into(),
            ..OpenOptions::default()
        };
        let got = wished(&[], level(SandboxLevel::Required)).unwrap();
        assert_eq!(got.level, Sandbox::Required);
        let refused = Err(ErrorReason::NotAllowed);
        assert_eq!(wished(&[], level(SandboxLevel::Off)), refused);
        let loose = wished(&["--let-clients-loosen"], level(SandboxLevel::Off));
        assert_eq!(loose.unwrap().level, Sandbox::Off);
        let mode = |mode: SandboxMode| OpenOptions {
            sandbox_mode: mode.into(),
            ..OpenOptions::default()
        };
        assert_eq!(
            wished(&[], mode(SandboxMode::Report)).unwrap().mode,
            Mode::Report
        );
        let farm = ["--sandbox-mode", "kill"];
        assert_eq!(wished(&farm, mode(SandboxMode::Report)), refused);
        let unknown = OpenOptions {
            sandbox_level: 77,
            ..OpenOptions::default()
        };
        assert_eq!(wished(&[], unknown), Err(ErrorReason::InvalidInput));
    }

    #[test]
    fn grants_are_looked_at() {
        let grants = |paths: &[&str]| OpenOptions {
            grants: paths
                .iter()
                .map(|path| PathGrant {
                    path: (*path).into(),
                    is_writable: true,
                })
                .collect(),
            ..OpenOptions::default()
        };
        let jail = wished(&[], grants(&["/usr/../etc"])).unwrap();
        assert_eq!(jail.read_write, [PathBuf::from("/etc")]);
        for (path, reason) in [
            ("relative", ErrorReason::InvalidInput),
            ("/nowhere", ErrorReason::NotFound),
            ("/", ErrorReason::NotAllowed),
            ("/tmp", ErrorReason::NotAllowed),
        ] {
            assert_eq!(wished(&[], grants(&[path])), Err(reason), "{path}");
        }
        let many = vec!["/usr"; MAX_GRANTS + 1];
        assert_eq!(wished(&[], grants(&many)), Err(ErrorReason::InvalidInput));
    }
}
