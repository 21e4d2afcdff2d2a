//! The command line that the daemon's warden starts a worker with.

use std::ffi::OsString;
use std::path::PathBuf;

use plugpen_proto::v1::WorkerLimits;

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Loads one plugin and plays it.
    Plugin,
    /// Reads metadata of plugins.
    Probe,
}

/// What happens where the system cannot give the whole jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxLevel {
    /// No plugin is loaded without no_new_privs, a filesystem layer and seccomp.
    Required,
    /// What the system offers.
    BestEffort,
    /// No jail.
    Off,
}

/// What happens on a call that the plugin may not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    Enforce,
    /// It is refused by the daemon, who tells of it.
    Report,
    /// The same, and the daemon hears of every file too.
    TraceFiles,
    /// It ends the process.
    Kill,
}

/// The parsed command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// `--role`.
    pub role: Role,
    /// `--private-dir`: the only folder the worker may write in.
    pub private_dir: PathBuf,
    /// `--sandbox`.
    pub sandbox: SandboxLevel,
    /// `--read-only`, repeated: readable beside the standard list.
    pub read_only: Vec<PathBuf>,
    /// `--read-write`, repeated: the same, and writable.
    pub read_write: Vec<PathBuf>,
    /// `--mode`.
    pub mode: Mode,
    /// `--namespace`, repeated: those of its own that it was started in, by their layers' names.
    pub namespaces: Vec<String>,
    /// `--missing NAME=WHY`, repeated: those that the system does not give.
    pub missing: Vec<(String, String)>,
    /// `--user`: who it becomes, where it was started as root.
    pub user: Option<u32>,
    /// `--limit`, repeated: what the process may use.
    pub limits: WorkerLimits,
}

/// Shown with every refusal.
pub const USAGE: &str = "usage: plugpen-worker --role plugin|probe --private-dir DIR \
    [--sandbox required|best-effort|off] [--mode enforce|report|trace-files|kill] \
    [--read-only PATH]... [--read-write PATH]... [--namespace NAME]... [--missing NAME=WHY]... \
    [--user UID] [--limit memory|cpu|descriptors|disk=NUMBER]...\n\
    plugpen-worker is started by plugpend, with its control socket as descriptor 3.";

impl Arguments {
    /// Whether it was started in a namespace of that kind of its own.
    #[cfg(target_os = "linux")]
    pub fn has(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|name| name == namespace)
    }

    /// Parses the arguments after the program's name.
    ///
    /// # Errors
    /// One sentence that names the argument at fault.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let mut role = None;
        let mut private_dir = None;
        let mut sandbox = SandboxLevel::Required;
        let mut read_only = Vec::new();
        let mut read_write = Vec::new();
        let mut mode = Mode::Enforce;
        let mut namespaces = Vec::new();
        let mut missing = Vec::new();
        let mut user = None;
        let mut limits = WorkerLimits::default();
        while let Some(flag) = arguments.next() {
            let flag = flag.to_string_lossy().into_owned();
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--role" => {
                    role = Some(match value()?.to_string_lossy().as_ref() {
                        "plugin" => Role::Plugin,
                        "probe" => Role::Probe,
                        other => return Err(format!("--role is plugin or probe, not {other}")),
                    });
                }
                "--private-dir" => private_dir = Some(PathBuf::from(value()?)),
                "--sandbox" => {
                    sandbox = match value()?.to_string_lossy().as_ref() {
                        "required" => SandboxLevel::Required,
                        "best-effort" => SandboxLevel::BestEffort,
                        "off" => SandboxLevel::Off,
                        other => {
                            return Err(format!(
                                "--sandbox is required, best-effort or off, not {other}"
                            ));
                        }
                    };
                }
                "--mode" => {
                    mode = match value()?.to_string_lossy().as_ref() {
                        "enforce" => Mode::Enforce,
                        "report" => Mode::Report,
                        "trace-files" => Mode::TraceFiles,
                        "kill" => Mode::Kill,
                        other => {
                            return Err(format!(
                                "--mode is enforce, report, trace-files or kill, not {other}"
                            ));
                        }
                    };
                }
                "--read-write" => read_write.push(PathBuf::from(value()?)),
                "--namespace" => namespaces.push(value()?.to_string_lossy().into_owned()),
                "--missing" => {
                    let text = value()?.to_string_lossy().into_owned();
                    let (name, why) = text
                        .split_once('=')
                        .ok_or_else(|| format!("--missing is NAME=WHY, not {text}"))?;
                    missing.push((name.to_owned(), why.to_owned()));
                }
                "--user" => {
                    let text = value()?.to_string_lossy().into_owned();
                    let id = text.parse().ok().filter(|id| *id > 0);
                    user = Some(id.ok_or_else(|| format!("--user is a number, not {text}"))?);
                }
                "--read-only" => read_only.push(PathBuf::from(value()?)),
                "--limit" => limit(&value()?.to_string_lossy(), &mut limits)?,
                _ => return Err(format!("unknown argument {flag}")),
            }
        }
        Ok(Self {
            role: role.ok_or("--role is missing")?,
            private_dir: private_dir.ok_or("--private-dir is missing")?,
            sandbox,
            read_only,
            read_write,
            mode,
            namespaces,
            missing,
            user,
            limits,
        })
    }
}

/// Takes one `NAME=NUMBER`.
fn limit(word: &str, limits: &mut WorkerLimits) -> Result<(), String> {
    let wrong =
        || format!("--limit is memory, cpu, descriptors or disk, \"=\" and a number, not {word}");
    let (name, number) = word.split_once('=').ok_or_else(wrong)?;
    let number = number.parse().map_err(|_| wrong())?;
    match name {
        "memory" => limits.memory_bytes = number,
        "cpu" => limits.cpu_seconds = number,
        "descriptors" => limits.descriptors = number,
        "disk" => limits.disk_bytes = number,
        _ => return Err(wrong()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_warden_s_line_is_understood() {
        let parsed = parse(
            "--role probe --private-dir /p --sandbox best-effort --read-only /a --read-only /b \
             --read-write /c --mode report --namespace pid_ns --missing net_ns=no --user 7 \
             --limit cpu=7",
        );
        assert_eq!(
            parsed,
            Ok(Arguments {
                role: Role::Probe,
                private_dir: "/p".into(),
                sandbox: SandboxLevel::BestEffort,
                read_only: vec!["/a".into(), "/b".into()],
                read_write: vec!["/c".into()],
                mode: Mode::Report,
                namespaces: vec!["pid_ns".into()],
                missing: vec![("net_ns".into(), "no".into())],
                user: Some(7),
                limits: WorkerLimits {
                    cpu_seconds: 7,
                    ..WorkerLimits::default()
                },
            })
        );
    }

    #[test]
    fn a_refusal_names_the_argument() {
        for (line, culprit) in [
            ("--private-dir /p", "--role"),
            ("--role plugin", "--private-dir"),
            ("--role chef --private-dir /p", "chef"),
            ("--role", "--role"),
            ("--role plugin --private-dir /p --sandbox maybe", "maybe"),
            ("--role plugin --private-dir /p --mode odd", "odd"),
            ("--role plugin --private-dir /p --missing odd", "odd"),
            ("--role plugin --private-dir /p --user 0", "--user"),
            ("--role plugin --private-dir /p --limit cpu", "cpu"),
            ("--role plugin --private-dir /p --limit ram=1", "ram=1"),
            ("--verbose", "--verbose"),
        ] {
            assert!(parse(line).unwrap_err().contains(culprit), "{line}");
        }
    }
}
