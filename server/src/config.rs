//! What the daemon can be told: flags over a TOML file over defaults.

mod bounds;
mod recorder;
mod restarts;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use plugpen_warden::{Mode, Sandbox};
use serde::Deserialize;

use crate::address::Address;
use crate::discovery::SearchPaths;
use crate::runtime_dir;
use crate::scope::Scope;
use crate::tls::TlsFiles;
pub(crate) use bounds::check_own;
pub use bounds::{Class, CrashSettings, Deadlines, Limits};
pub use recorder::RecorderTerms;
pub use restarts::{Restarts, restarts_after};

/// The command line of `plugpend`.
#[derive(Debug, Clone, Default, Parser)]
#[command(
    name = "plugpend",
    version,
    about = "Hosts audio plugins, each in a sandboxed process"
)]
pub struct Flags {
    /// Where to listen: unix:PATH, https://ADDRESS:PORT or http://127.0.0.1:PORT; repeatable [default: plugpend.sock in the runtime directory]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// Sockets, token and the workers' directories go here [default: $XDG_RUNTIME_DIR/plugpen, else /tmp/plugpen-UID]
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
    /// The worker program [default: plugpen-worker beside this program]
    #[arg(long, value_name = "PATH")]
    pub worker: Option<PathBuf>,
    /// The program that plays on sound cards [default: plugpen-device beside this program]
    #[arg(long, value_name = "PATH")]
    pub device: Option<PathBuf>,
    /// The program that reads what is left of a worker that died [default: plugpen-autopsy beside this program]
    #[arg(long, value_name = "PATH")]
    pub autopsy: Option<PathBuf>,
    /// Crash reports go here [default: $XDG_STATE_HOME/plugpen/crashes]
    #[arg(long, value_name = "DIR")]
    pub crashes: Option<PathBuf>,
    /// What workers may read besides the system's libraries and their plugin; repeatable
    #[arg(long, value_name = "PATH")]
    pub read_only: Vec<PathBuf>,
    /// A TOML file with any of these settings, limits and deadlines
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Form of the log on standard error
    #[arg(long, value_enum)]
    pub log_format: Option<LogFormat>,
    /// Least level that is logged: error, warn, info, debug or trace, or a tracing filter
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How strictly workers are jailed: required, best-effort or off
    #[arg(long, value_name = "LEVEL")]
    pub sandbox: Option<Sandbox>,
    /// What happens on a call that the jail forbids: enforce, report, trace-files or kill
    #[arg(long, value_name = "MODE")]
    pub sandbox_mode: Option<Mode>,
    /// Start workers without namespaces of their own
    #[arg(long)]
    pub no_namespaces: bool,
    /// Let clients ask for a looser jail than these
    #[arg(long)]
    pub let_clients_loosen: bool,
    /// Serve one client process: end when it does (with --lifeline-fd)
    #[arg(long, requires = "lifeline_fd")]
    pub private: bool,
    /// Descriptor of a socket: "ready" is written to it, its end of file ends the daemon
    #[arg(long, value_name = "N", requires = "private")]
    pub lifeline_fd: Option<i32>,
    /// Let every process of this user in, without the token
    #[arg(long)]
    pub no_token: bool,
    /// The certificate (PEM, with those between it and its authority) that https:// listeners show
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Take clients with a certificate of this authority (PEM) without a token
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// The tokens of callers from other machines, as `plugpen token` writes them
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Allow http:// on loopback addresses, where all users of this machine can reach it
    #[arg(long)]
    pub insecure_loopback: bool,
    /// Where callers from other machines may open plugins; repeatable [default: the standard plugin folders]
    #[arg(long, value_name = "DIR")]
    pub plugin_folder: Vec<PathBuf>,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The TOML file. Every key may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Vec<String>,
    runtime_dir: Option<PathBuf>,
    worker: Option<PathBuf>,
    device: Option<PathBuf>,
    autopsy: Option<PathBuf>,
    read_only: Vec<PathBuf>,
    log_format: Option<LogFormat>,
    log_level: Option<String>,
    sandbox: Option<String>,
    sandbox_mode: Option<String>,
    no_namespaces: bool,
    let_clients_loosen: bool,
    no_client_grants: bool,
    no_token: bool,
    tls: Option<TlsTable>,
    tokens: Option<PathBuf>,
    insecure_loopback: bool,
    plugin_folders: Vec<PathBuf>,
    grace_seconds: Option<u32>,
    limits: Limits,
    deadlines: Deadlines,
    crashes: CrashSettings,
    restarts: Restarts,
    recorder: RecorderTerms,
}

/// The files of TLS, in the TOML file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_scope: Option<Scope>,
}

/// Everything the daemon was told, complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; never empty.
    pub listen: Vec<Address>,
    /// What `https://` listeners show.
    pub tls: Option<TlsFiles>,
    /// What a client's certificate is good for without a token.
    pub certificate_scope: Scope,
    /// The file of tokens for callers from elsewhere.
    pub tokens: Option<PathBuf>,
    /// Where callers from elsewhere may open plugins, where not in the standard folders.
    pub plugin_folders: Vec<PathBuf>,
    /// Sockets, token and the workers' directories.
    pub runtime_dir: PathBuf,
    /// The worker program.
    pub worker: PathBuf,
    /// The program that plays on sound cards. It may be missing: then there are no devices.
    pub device: PathBuf,
    /// The environment that it finds the sound system by.
    pub sound: Vec<(OsString, OsString)>,
    /// What workers may read besides the system's libraries and their plugin.
    pub read_only: Vec<PathBuf>,
    /// Form of the log.
    pub log_format: LogFormat,
    /// A tracing filter.
    pub log_level: String,
    /// How strictly workers are jailed.
    pub sandbox: Sandbox,
    /// What happens on a call that the jail forbids.
    pub sandbox_mode: Mode,
    /// Whether workers get namespaces of their own.
    pub namespaces: bool,
    /// Whether clients may ask for less than these; the client of a private daemon may.
    pub let_clients_loosen: bool,
    /// Whether clients may grant paths to their plugins.
    pub client_grants: bool,
    /// Whether calls need the token.
    pub token: bool,
    /// The lifeline of a private daemon.
    pub lifeline_fd: Option<i32>,
    /// How long a session outlives its last connection.
    pub grace: Duration,
    /// Where the environment says that plugins are.
    pub search_paths: SearchPaths,
    /// Where the scan cache goes.
    pub cache_dir: PathBuf,
    /// Bounds on what clients may use.
    pub limits: Limits,
    /// How long workers may take.
    pub deadlines: Deadlines,
    /// The program that reads what is left of a worker that died. It may be missing: then reports
    /// are without stacks.
    pub autopsy: PathBuf,
    /// Where crash reports go.
    pub crash_dir: PathBuf,
    /// How many of them are kept.
    pub crashes: CrashSettings,
    /// When dead plugins are brought back without being asked.
    pub restarts: Restarts,
    /// What is recorded of plugins that may die.
    pub recorder: RecorderTerms,
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration {path} is wrong: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected.
        message: String,
    },
    /// A value makes no sense.
    #[error("{0}")]
    Value(String),
    /// The worker program is not there.
    #[error(
        "there is no worker program {0}; install plugpen-worker beside plugpend or name it with --worker"
    )]
    NoWorker(PathBuf),
}

const DEFAULT_GRACE_SECONDS: u32 = 30;

impl Config {
    /// Puts flags, file, environment and defaults together. Reads files.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        let runtime_dir = flags.runtime_dir.clone().or(file.runtime_dir);
        let runtime_dir = runtime_dir.unwrap_or_else(runtime_dir::default);
        let runtime_dir =
            std::path::absolute(&runtime_dir).map_err(|source| ConfigError::Read {
                path: runtime_dir,
                source,
            })?;
        let addresses = if flags.listen.is_empty() {
            &file.listen
        } else {
            &flags.listen
        };
        let mut listen = addresses
            .iter()
            .map(|address| {
                Address::parse(address, flags.insecure_loopback || file.insecure_loopback)
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(ConfigError::Value)?;
        if listen.is_empty() {
            listen.push(Address::Unix(runtime_dir.join("plugpend.sock")));
        }
        let tls = tls_files(flags, file.tls.as_ref());
        let is_remote = |address: &Address| matches!(address, Address::Tls(_));
        if tls.is_none() && listen.iter().any(is_remote) {
            return Err(ConfigError::Value(
                "an https:// address needs a certificate; give --tls-cert and --tls-key, or [tls] cert and key in the configuration".into(),
            ));
        }
        let sandbox = match (flags.sandbox, file.sandbox) {
            (Some(level), _) => level,
            (None, Some(text)) => text.parse().map_err(ConfigError::Value)?,
            (None, None) => Sandbox::default(),
        };
        let sandbox_mode = match (flags.sandbox_mode, file.sandbox_mode) {
            (Some(mode), _) => mode,
            (None, Some(text)) => text.parse().map_err(ConfigError::Value)?,
            (None, None) => Mode::default(),
        };
        bounds::check(&file.limits, &file.deadlines)?;
        let crash_dir = flags.crashes.clone().or(file.crashes.directory.clone());
        file.restarts.check()?;
        file.recorder.check()?;
        Ok(Self {
            listen,
            tls,
            certificate_scope: file
                .tls
                .and_then(|tls| tls.client_scope)
                .unwrap_or(Scope::Play),
            tokens: flags.tokens.clone().or(file.tokens),
            plugin_folders: readable(
                "plugin_folder",
                [file.plugin_folders, flags.plugin_folder.clone()].concat(),
            )?,
            worker: worker_program(flags.worker.clone().or(file.worker))?,
            device: named_or_beside(flags.device.clone().or(file.device), "plugpen-device"),
            sound: sound_environment(),
            read_only: readable(
                "read_only",
                [file.read_only, flags.read_only.clone()].concat(),
            )?,
            log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
            log_level: flags
                .log_level
                .clone()
                .or(file.log_level)
                .unwrap_or_else(|| "info".into()),
            sandbox,
            sandbox_mode,
            namespaces: !(flags.no_namespaces || file.no_namespaces),
            let_clients_loosen: flags.let_clients_loosen
                || file.let_clients_loosen
                || flags.private,
            client_grants: !file.no_client_grants,
            token: !(flags.no_token || file.no_token),
            lifeline_fd: flags.lifeline_fd.filter(|_| flags.private),
            grace: Duration::from_secs(file.grace_seconds.unwrap_or(DEFAULT_GRACE_SECONDS).into()),
            search_paths: SearchPaths::from_environment(),
            cache_dir: home("XDG_CACHE_HOME", ".cache", &runtime_dir),
            autopsy: named_or_beside(flags.autopsy.clone().or(file.autopsy), "plugpen-autopsy"),
            crash_dir: match crash_dir {
                Some(dir) => std::path::absolute(&dir)
                    .map_err(|source| ConfigError::Read { path: dir, source })?,
                None => home("XDG_STATE_HOME", ".local/state", &runtime_dir).join("crashes"),
            },
            runtime_dir,
            limits: file.limits,
            deadlines: file.deadlines,
            crashes: file.crashes,
            restarts: file.restarts,
            recorder: file.recorder,
        })
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.into(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| ConfigError::Parse {
        path: path.into(),
        message: error.to_string(),
    })
}

fn tls_files(flags: &Flags, file: Option<&TlsTable>) -> Option<TlsFiles> {
    match (&flags.tls_cert, &flags.tls_key, file) {
        (Some(certificate), Some(key), _) => Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            client_authority: flags.tls_client_ca.clone(),
        }),
        (_, _, Some(table)) => Some(TlsFiles {
            certificate: table.cert.clone(),
            key: table.key.clone(),
            client_authority: table.client_ca.clone(),
        }),
        _ => None,
    }
}

/// Absolute and there: a misspelt path would only show as plugins that do not load.
fn readable(setting: &str, paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, ConfigError> {
    let canonical = paths.into_iter().map(|path| {
        let found = path.canonicalize();
        found.map_err(|error| {
            ConfigError::Value(format!(
                "{setting} names {}, which cannot be read: {error}",
                path.display()
            ))
        })
    });
    canonical.collect()
}

fn worker_program(named: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    let path = named_or_beside(named, "plugpen-worker");
    match path.canonicalize() {
        Ok(path) if path.is_file() => Ok(path),
        _ => Err(ConfigError::NoWorker(path)),
    }
}

fn named_or_beside(named: Option<PathBuf>, name: &str) -> PathBuf {
    let beside = || std::env::current_exe().ok()?.parent().map(Path::to_owned);
    named.unwrap_or_else(|| beside().unwrap_or_default().join(name))
}

/// The variables by which ALSA, JACK and PipeWire find their files and sockets. None starts a
/// server: that is the user's to do.
fn sound_environment() -> Vec<(OsString, OsString)> {
    const NAMES: [&str; 6] = [
        "HOME",
        "USER",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "DBUS_SESSION_BUS_ADDRESS",
    ];
    const BEGINNINGS: [&str; 4] = ["ALSA_", "JACK_", "PIPEWIRE_", "PULSE_"];
    let mut found: Vec<_> = std::env::vars_os()
        .filter(|(name, _)| {
            let name = name.to_str().unwrap_or_default();
            NAMES.contains(&name) || BEGINNINGS.iter().any(|begin| name.starts_with(begin))
        })
        .filter(|(name, _)| name != "JACK_NO_START_SERVER")
        .collect();
    found.push(("JACK_NO_START_SERVER".into(), "1".into()));
    found
}

/// Our folder in one of the XDG base directories: the variable, else the place below the home,
/// else the runtime directory itself.
fn home(variable: &str, below: &str, runtime_dir: &Path) -> PathBuf {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below)))
        .map_or_else(|| runtime_dir.to_owned(), |base| base.join("plugpen"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, arguments: &[&str]) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("plugpen.toml");
        std::fs::write(&file, toml).unwrap();
        let file = file.to_str().unwrap();
        let given = ["plugpend", "--worker", "/bin/sh", "--config", file];
        let flags = Flags::try_parse_from(given.iter().chain(arguments)).unwrap();
        Config::load(&flags)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let toml = "sandbox = \"off\"\nlisten = [\"unix:/a\"]\n[limits]\nworkers = 3\n";
        let config = load(toml, &["--listen", "unix:/b"]).unwrap();
        assert_eq!(config.listen, [Address::Unix("/b".into())]);
        assert_eq!(config.sandbox, Sandbox::Off);
        assert_eq!((config.limits.workers, config.limits.probes), (3, 4));
        let config = load("read_only = [\"/usr\"]", &["--read-only", "/etc/.."]).unwrap();
        assert_eq!(config.read_only, [PathBuf::from("/usr"), "/".into()]);
        let config = load("", &["--runtime-dir", "/r"]).unwrap();
        assert_eq!(config.listen, [Address::Unix("/r/plugpend.sock".into())]);
        assert!(config.token && config.namespaces && config.client_grants);
        assert!(!config.let_clients_loosen);
        let config = load("sandbox_mode = \"kill\"", &["--sandbox-mode", "report"]).unwrap();
        assert_eq!(config.sandbox_mode, Mode::Report);
    }

    #[test]
    fn mistakes_are_named() {
        for (toml, word) in [
            ("workres = 3", "workres"),
            ("sandbox = \"some\"", "best-effort"),
            ("sandbox_mode = \"some\"", "trace-files"),
            ("read_only = [\"/nowhere\"]", "/nowhere"),
            ("listen = [\"tcp:1\"]", "unix:/absolute"),
            ("listen = [\"unix:x\"]", "unix:/absolute"),
            ("listen = [\"https://0.0.0.0:1\"]", "--tls-cert"),
            ("listen = [\"http://127.0.0.1:1\"]", "--insecure-loopback"),
            ("plugin_folders = [\"/nowhere\"]", "plugin_folder names"),
            ("[tls]\ncert = \"/c\"", "key"),
            ("[deadlines]\nload_seconds = -1", "load_seconds"),
            ("[deadlines]\nblock_seconds = nan", "block_seconds"),
            ("[limits]\nstate_bytes = 1000000000", "state_bytes"),
            (
                "[limits]\nworker_memory_bytes = 1000",
                "worker_memory_bytes",
            ),
            ("[restarts]\npolicy = \"sometimes\"", "on-crash"),
            ("[restarts]\ndelay_seconds = -1", "delay_seconds"),
            ("[recorder]\nrecording = \"some\"", "calls"),
        ] {
            let message = load(toml, &[]).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
        let flags = Flags::parse_from(["plugpend", "--worker", "/nowhere"]);
        let message = Config::load(&flags).unwrap_err().to_string();
        assert!(message.contains("/nowhere"), "{message}");
    }

    #[test]
    fn a_lifeline_belongs_to_a_private_daemon() {
        assert!(Flags::try_parse_from(["plugpend", "--private"]).is_err());
        assert!(Flags::try_parse_from(["plugpend", "--lifeline-fd", "5"]).is_err());
        let config = load("", &["--private", "--lifeline-fd", "5"]).unwrap();
        assert_eq!(config.lifeline_fd, Some(5));
    }
}
