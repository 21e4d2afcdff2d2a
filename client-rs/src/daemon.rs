//! A private `plugpend`: found, started for this process alone, and taken down with it.
//!
//! The daemon inherits one end of a socket pair, the lifeline. It says "ready" there when it
//! listens, and ends when the other end closes, which happens however this process ends.

use std::collections::VecDeque;
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plugpen_proto::v1::ErrorReason;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::FdFlags;
use rustix::process::Pid;
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::plugin::shared::lock;

/// The daemon's program.
pub(crate) const PROGRAM: &str = "plugpend";
/// Names a folder that holds plugpen's programs, before all other places.
pub(crate) const BIN_DIR_VARIABLE: &str = "PLUGPEN_BIN_DIR";

const START: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(5);
/// A socket's path has at most 107 bytes; the folder's own name and the socket's come after this.
const LONGEST_FOLDER: usize = 107 - "/plugpen-XXXXXX/plugpend.sock".len();
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Lines of the daemon's standard error that are kept for error messages: the first ones, which
/// say what is wrong, and the last ones, which may say more.
const HEAD: usize = 10;
const TAIL: usize = 10;

/// How a private daemon is started.
#[derive(Debug, Clone, Default)]
pub struct PrivateOptions {
    /// Folders to look for `plugpend` in, after `PLUGPEN_BIN_DIR` and the running program's own
    /// folder, before `PATH`.
    pub binary_dirs: Vec<PathBuf>,
    /// The daemon's configuration file; none: its defaults.
    pub config: Option<PathBuf>,
    /// "required", "best-effort" or "off"; none: the daemon's default.
    pub sandbox: Option<String>,
}

/// A running private daemon; dropping it ends the daemon.
pub(crate) struct Daemon {
    folder: Option<TempDir>,
    lifeline: Option<UnixStream>,
    child: Child,
    owner: u32,
}

impl Daemon {
    /// Starts a daemon and waits until it listens.
    ///
    /// # Errors
    /// `ServerUnavailable` where the program is not found, ends at once or does not listen in
    /// time; the message carries the last lines it wrote.
    pub(crate) fn start(options: &PrivateOptions) -> Result<Daemon> {
        let program = find_program(PROGRAM, &options.binary_dirs)?;
        let failed = |what: &str, why: &dyn std::fmt::Display| {
            Error::new(
                ErrorReason::ServerUnavailable,
                format!("cannot start a private daemon: {what}: {why}"),
            )
        };
        let folder = tempfile::Builder::new()
            .prefix("plugpen-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(short_folder())
            .map_err(|e| failed("no folder for its sockets", &e))?;
        let (ours, theirs) = lifeline().map_err(|e| failed("no lifeline for it", &e))?;
        let mut command = Command::new(&program);
        command
            .arg("--private")
            .arg("--lifeline-fd")
            .arg(theirs.as_raw_fd().to_string())
            .arg("--runtime-dir")
            .arg(folder.path());
        if let Some(config) = &options.config {
            command.arg("--config").arg(config);
        }
        if let Some(sandbox) = &options.sandbox {
            command.arg("--sandbox").arg(sandbox);
        }
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A Ctrl-C at the terminal is for the client, which may well go on afterwards.
            .process_group(0)
            .spawn();
        drop(theirs);
        let mut child =
            spawned.map_err(|e| failed(&format!("{} does not start", program.display()), &e))?;
        let words = child.stderr.take().map(LastWords::follow);
        let mut daemon = Daemon {
            folder: Some(folder),
            lifeline: Some(ours),
            child,
            owner: std::process::id(),
        };
        if let Err(why) = daemon.await_ready() {
            daemon.end();
            let words = words.map(LastWords::text).unwrap_or_default();
            return Err(failed(
                &program.display().to_string(),
                &format!("{why}{words}"),
            ));
        }
        Ok(daemon)
    }

    /// The socket of the gRPC services.
    pub(crate) fn socket(&self) -> PathBuf {
        self.runtime_dir().join("plugpend.sock")
    }

    /// The folder with the sockets and the token.
    pub(crate) fn runtime_dir(&self) -> &Path {
        self.folder
            .as_ref()
            .map_or(Path::new(""), |folder| folder.path())
    }

    /// Waits for the "ready" on the lifeline.
    fn await_ready(&mut self) -> std::result::Result<(), String> {
        let Some(lifeline) = &mut self.lifeline else {
            return Err("it was ended".into());
        };
        let child = watch(&self.child).map_err(|e| e.to_string())?;
        let deadline = Instant::now() + START;
        let mut said = Vec::new();
        while said != *b"ready\n" {
            let either = [lifeline.as_fd(), child.as_fd()];
            let Some(ready) = poll_until(either, deadline).map_err(|e| e.to_string())? else {
                return Err(format!("it did not listen within {} s", START.as_secs()));
            };
            let mut byte = [0];
            if !ready[0] || lifeline.read(&mut byte).map_err(|e| e.to_string())? == 0 {
                return Err(format!("it ended at once ({})", self.describe_end()));
            }
            said.extend_from_slice(&byte);
            if !b"ready\n".starts_with(&said) {
                return Err("it said something else than \"ready\"".into());
            }
        }
        Ok(())
    }

    fn describe_end(&mut self) -> String {
        if wait_for_end(&self.child, END)
            && let Ok(Some(status)) = self.child.try_wait()
        {
            return status.to_string();
        }
        "it closed its lifeline".into()
    }

    /// Ends the daemon: its lifeline first, SIGKILL if it does not take the hint.
    fn end(&mut self) {
        drop(self.lifeline.take());
        if !wait_for_end(&self.child, END) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::process::id() == self.owner {
            self.end();
        } else if let Some(folder) = self.folder.take() {
            // The copy in a forked child: the daemon and its folder belong to the parent.
            let _ = folder.keep();
        }
    }
}

/// Where the daemon's folder goes: the system's temporary folder, unless a socket's path in it
/// would be longer than the kernel takes.
fn short_folder() -> PathBuf {
    let usual = std::env::temp_dir();
    match usual.as_os_str().len() <= LONGEST_FOLDER {
        true => usual,
        false => PathBuf::from("/tmp"),
    }
}

/// A socket pair: our end, and the one that the daemon inherits.
///
/// The latter stays open in whatever another thread happens to start between this and the
/// daemon's start. That does no harm: the daemon ends when our end closes, and its own end is
/// noticed by its process, not by the socket.
fn lifeline() -> std::io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    // Above the standard streams, which this process may have closed.
    let theirs = rustix::io::fcntl_dupfd_cloexec(&theirs, 3)?;
    rustix::io::fcntl_setfd(&theirs, FdFlags::empty())?;
    Ok((ours, theirs))
}

fn pid(child: &Child) -> std::io::Result<Pid> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| std::io::ErrorKind::InvalidInput.into())
}

/// A descriptor that becomes readable when the child ends.
#[cfg(target_os = "linux")]
fn watch(child: &Child) -> std::io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};

    Ok(pidfd_open(pid(child)?, PidfdFlags::empty())?)
}

/// A descriptor that becomes readable when the child ends: a thread waits for that, without
/// reaping, and then lets go of the other end.
#[cfg(not(target_os = "linux"))]
fn watch(child: &Child) -> std::io::Result<OwnedFd> {
    use rustix::io::Errno;
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    let pid = pid(child)?;
    let (ours, theirs) = UnixStream::pair()?;
    let wait = move || {
        let _theirs = theirs;
        let end = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while waitid(WaitId::Pid(pid), end).is_err_and(|error| error == Errno::INTR) {}
    };
    std::thread::Builder::new()
        .name("plugpend-end".into())
        .spawn(wait)?;
    Ok(ours.into())
}

/// Waits until a child has ended, without reaping it.
fn wait_for_end(child: &Child, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    let ended = watch(child).and_then(|child| poll_until([child.as_fd()], deadline));
    matches!(ended, Ok(Some(_)))
}

/// Waits until one of some descriptors is readable or at its end; says which. `None` when the
/// deadline came first.
fn poll_until<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    deadline: Instant,
) -> std::io::Result<Option<[bool; N]>> {
    let mut polled = descriptors.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(std::io::Error::other)?;
        match poll(&mut polled, Some(&left)) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(polled.map(|fd| !fd.revents().is_empty()))),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// What the daemon wrote to its standard error, in part; all of it goes to the log.
struct LastWords {
    lines: Arc<Mutex<Lines>>,
    /// Breaks when everything has been read.
    ended: Receiver<()>,
}

#[derive(Default)]
struct Lines {
    first: Vec<String>,
    last: VecDeque<String>,
}

impl Lines {
    fn push(&mut self, line: String) {
        if self.first.len() < HEAD {
            self.first.push(line);
            return;
        }
        if self.last.len() == TAIL {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

impl LastWords {
    fn follow(errors: impl Read + Send + 'static) -> LastWords {
        let lines = Arc::new(Mutex::new(Lines::default()));
        let (ending, ended) = channel();
        let kept = lines.clone();
        let follow = move || {
            let _ending = ending;
            for line in BufReader::new(errors).split(b'\n').map_while(|l| l.ok()) {
                let line = String::from_utf8_lossy(&line).into_owned();
                tracing::debug!(target: "plugpend", "{line}");
                lock(&kept).push(line);
            }
        };
        // Without the thread the daemon's messages are lost, which is no reason not to play.
        let _ = std::thread::Builder::new()
            .name("plugpend-stderr".into())
            .spawn(follow);
        LastWords { lines, ended }
    }

    /// The words of a daemon that has ended; a moment is given to read the last of them.
    fn text(self) -> String {
        let _ = self.ended.recv_timeout(LAST_WORDS);
        let lines = lock(&self.lines);
        let lines = lines.first.iter().chain(&lines.last);
        lines.map(|line| format!("\n  {line}")).collect()
    }
}

/// Finds one of plugpen's programs: in the folder that `PLUGPEN_BIN_DIR` names, beside the running
/// program, in the folders given, on the `PATH`.
///
/// # Errors
/// `ServerUnavailable`, naming the places that were searched.
pub fn find_program(name: &str, more: &[PathBuf]) -> Result<PathBuf> {
    let named = std::env::var_os(BIN_DIR_VARIABLE).filter(|value| !value.is_empty());
    let own = std::env::current_exe()
        .ok()
        .and_then(|program| program.parent().map(Path::to_owned));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = named
        .map(PathBuf::from)
        .into_iter()
        .chain(own)
        .chain(more.iter().cloned())
        .chain(std::env::split_paths(&path));
    search(name, places)
}

fn search(name: &str, places: impl Iterator<Item = PathBuf>) -> Result<PathBuf> {
    let mut searched = Vec::new();
    for place in places {
        let program = place.join(name);
        if program.is_file() {
            return std::path::absolute(&program)
                .map_err(|e| Error::bug(format!("{}: {e}", program.display())));
        }
        searched.push(place.display().to_string());
    }
    Err(Error::new(
        ErrorReason::ServerUnavailable,
        format!(
            "the program {name} was not found in {}; set {BIN_DIR_VARIABLE} to the folder that holds plugpen's programs",
            searched.join(", ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join(PROGRAM);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_missing_program_names_where_it_was_looked_for() {
        let error = search("plugpend", ["/nowhere".into()].into_iter()).unwrap_err();
        assert_eq!(error.reason, ErrorReason::ServerUnavailable);
        assert!(error.message.contains("/nowhere"));
        assert!(error.message.contains(BIN_DIR_VARIABLE));
    }

    #[test]
    fn the_first_place_that_has_the_program_wins() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        script(two.path(), "");
        let places = [one.path().to_owned(), two.path().to_owned()];
        let found = search(PROGRAM, places.into_iter()).unwrap();
        assert_eq!(found, two.path().join(PROGRAM));
    }

    #[test]
    fn a_wait_for_a_child_ends_with_it() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(!wait_for_end(&child, Duration::ZERO));
        drop(child.stdin.take());
        assert!(wait_for_end(&child, END));
        child.wait().unwrap();
    }
}
