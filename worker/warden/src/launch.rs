//! What a worker is started with: program, role, jail, arguments and environment.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::namespaces::Namespaces;
use crate::users::User;

use plugpen_proto::v1::WorkerLimits;

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Hosts one plugin.
    Plugin,
    /// Reads metadata.
    Probe,
    /// Plays plugins on a sound card; loads none.
    Device,
}

impl Role {
    /// Its word on the worker's command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Probe => "probe",
            Self::Device => "device",
        }
    }
}

/// How strictly a worker is jailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sandbox {
    /// A missing essential layer means that nothing is loaded.
    Required,
    /// Whatever this system offers.
    #[default]
    BestEffort,
    /// No jail.
    Off,
}

impl Sandbox {
    /// Its word on command lines and in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::BestEffort => "best-effort",
            Self::Off => "off",
        }
    }
}

impl std::str::FromStr for Sandbox {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Required, Self::BestEffort, Self::Off]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| {
                format!("unknown sandbox level {text:?}; use required, best-effort or off")
            })
    }
}

/// What happens when a plugin makes a system call that it may not make; it is refused in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// An error, and that is all.
    #[default]
    Enforce,
    /// The call is told, with its arguments and who made it.
    Report,
    /// The same, and every file that is opened, made, renamed or removed.
    TraceFiles,
    /// The worker ends.
    Kill,
}

impl Mode {
    /// Its word on command lines and in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
            Self::TraceFiles => "trace-files",
            Self::Kill => "kill",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Enforce, Self::Report, Self::TraceFiles, Self::Kill]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| {
                format!("unknown sandbox mode {text:?}; use enforce, report, trace-files or kill")
            })
    }
}

/// How to start a worker.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The worker program, absolute.
    pub program: PathBuf,
    /// What the worker is for.
    pub role: Role,
    /// How strictly it is jailed.
    pub sandbox: Sandbox,
    /// Made when the worker starts (mode 0700), removed with all it holds when it has ended.
    pub private_dir: PathBuf,
    /// What the worker may read besides the system's libraries.
    pub read_only: Vec<PathBuf>,
    /// `LV2_PATH` of the worker, where it has one.
    pub lv2_path: Option<OsString>,
    /// What a device needs to find the sound system; others get none of it.
    pub sound: Vec<(OsString, OsString)>,
    /// What happens on a forbidden call.
    pub mode: Mode,
    /// Where the worker may write besides its private directory.
    pub read_write: Vec<PathBuf>,
    /// The namespaces that it starts in.
    pub namespaces: Namespaces,
    /// Who it becomes once its jail is built, where the daemon is root.
    pub user: Option<Arc<User>>,
    /// What it may use. It limits itself as far as the system lets it; nothing is 0.
    pub limits: Option<WorkerLimits>,
}

impl Launch {
    /// Whether the worker is number 2 of a process namespace.
    pub(crate) fn has_register(&self) -> bool {
        self.namespaces.has_pid()
    }

    /// Program name and arguments. Fails on a NUL byte in a path.
    pub(crate) fn arguments(&self) -> Result<Vec<CString>, std::ffi::NulError> {
        let mut words: Vec<&OsStr> = vec![
            self.program.as_os_str(),
            OsStr::new("--role"),
            OsStr::new(self.role.as_str()),
            OsStr::new("--private-dir"),
            self.private_dir.as_os_str(),
            OsStr::new("--sandbox"),
            OsStr::new(self.sandbox.as_str()),
        ];
        for path in &self.read_only {
            words.push(OsStr::new("--read-only"));
            words.push(path.as_os_str());
        }
        for path in &self.read_write {
            words.push(OsStr::new("--read-write"));
            words.push(path.as_os_str());
        }
        let mut rest: Vec<OsString> = Vec::new();
        if self.mode != Mode::default() {
            rest.extend(["--mode".into(), self.mode.as_str().into()]);
        }
        for name in self.namespaces.here() {
            rest.extend(["--namespace".into(), name.into()]);
        }
        for (name, why) in self.namespaces.missing() {
            rest.extend(["--missing".into(), format!("{name}={why}").into()]);
        }
        if let Some(user) = &self.user {
            rest.extend(["--user".into(), user.id().to_string().into()]);
        }
        let limits = self.limits_words();
        for word in &limits {
            words.push(OsStr::new("--limit"));
            words.push(OsStr::new(word));
        }
        words
            .into_iter()
            .chain(rest.iter().map(OsString::as_os_str))
            .map(|word| CString::new(word.as_bytes()))
            .collect()
    }

    /// The limits as the worker takes them: NAME=VALUE.
    fn limits_words(&self) -> Vec<String> {
        let Some(limits) = &self.limits else {
            return Vec::new();
        };
        [
            ("memory", limits.memory_bytes),
            ("cpu", limits.cpu_seconds),
            ("descriptors", limits.descriptors),
            ("disk", limits.disk_bytes),
        ]
        .iter()
        .filter(|(_, value)| *value > 0)
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
    }

    /// The whole environment: nothing of the daemon's leaks into a worker but `LV2_PATH`. A device
    /// keeps the user's home and the sound system's variables, for it must find their sockets.
    pub(crate) fn environment(&self) -> Result<Vec<CString>, std::ffi::NulError> {
        const HOMES: [&str; 7] = [
            "HOME",
            "TMPDIR",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_CACHE_HOME",
            "XDG_STATE_HOME",
            "XDG_RUNTIME_DIR",
        ];
        let dir: &Path = &self.private_dir;
        let mut lines: Vec<OsString> = match self.role {
            Role::Device => self
                .sound
                .iter()
                .map(|(name, value)| assignment(name, value))
                .collect(),
            _ => HOMES
                .iter()
                .map(|name| assignment(OsStr::new(name), dir.as_os_str()))
                .collect(),
        };
        lines.push("PATH=/usr/bin:/bin".into());
        lines.push("LANG=C.UTF-8".into());
        lines.push("QT_QPA_PLATFORM=offscreen".into());
        if let Some(path) = &self.lv2_path {
            lines.push(assignment(OsStr::new("LV2_PATH"), path));
        }
        lines
            .into_iter()
            .map(|line| CString::new(line.into_vec()))
            .collect()
    }
}

fn assignment(name: &OsStr, value: &OsStr) -> OsString {
    let mut line = OsString::from(name);
    line.push("=");
    line.push(value);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        Launch {
            program: "/bin/worker".into(),
            role: Role::Plugin,
            sandbox: Sandbox::Required,
            private_dir: "/run/w1".into(),
            read_only: vec!["/a b".into(), "/c".into()],
            lv2_path: Some("/x:/y".into()),
            sound: vec![("JACK_DEFAULT_SERVER".into(), "mine".into())],
            mode: Mode::Enforce,
            read_write: Vec::new(),
            namespaces: Namespaces::default(),
            user: None,
            limits: Some(WorkerLimits {
                memory_bytes: 9,
                ..WorkerLimits::default()
            }),
        }
    }

    fn strings(words: Vec<CString>) -> Vec<String> {
        words.iter().map(|w| w.to_string_lossy().into()).collect()
    }

    #[test]
    fn the_command_line_is_the_documented_one() {
        assert_eq!(
            strings(launch().arguments().unwrap()).join("|"),
            "/bin/worker|--role|plugin|--private-dir|/run/w1|--sandbox|required|--read-only|/a b|--read-only|/c|--limit|memory=9"
        );
    }

    #[test]
    fn what_is_not_usual_is_said_on_the_command_line() {
        let launch = Launch {
            mode: Mode::TraceFiles,
            read_write: vec!["/d".into()],
            namespaces: Namespaces::none("no"),
            ..launch()
        };
        let line = strings(launch.arguments().unwrap()).join("|");
        let rest = "|--read-only|/c|--read-write|/d|--limit|memory=9|--mode|trace-files|--missing|user_ns=no|";
        assert!(line.contains(rest), "{line}");
        for mode in [Mode::Enforce, Mode::Report, Mode::TraceFiles, Mode::Kill] {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        assert!("some".parse::<Mode>().unwrap_err().contains("trace-files"));
    }

    #[test]
    fn the_environment_is_clean() {
        let lines = strings(launch().environment().unwrap());
        assert!(lines.contains(&"HOME=/run/w1".to_owned()));
        assert!(lines.contains(&"LV2_PATH=/x:/y".to_owned()));
        assert_eq!(lines.len(), 11);
    }

    #[test]
    fn a_device_finds_the_sound_system_and_no_plugins() {
        let launch = Launch {
            role: Role::Device,
            lv2_path: None,
            ..launch()
        };
        assert_eq!(
            strings(launch.environment().unwrap()),
            [
                "JACK_DEFAULT_SERVER=mine",
                "PATH=/usr/bin:/bin",
                "LANG=C.UTF-8",
                "QT_QPA_PLATFORM=offscreen"
            ]
        );
    }

    #[test]
    fn a_nul_byte_is_refused() {
        let mut launch = launch();
        launch.read_only.push(OsStr::from_bytes(b"/a\0b").into());
        assert!(launch.arguments().is_err());
    }

    #[test]
    fn sandbox_levels_read_back() {
        for level in [Sandbox::Required, Sandbox::BestEffort, Sandbox::Off] {
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert!("none".parse::<Sandbox>().is_err());
    }
}
