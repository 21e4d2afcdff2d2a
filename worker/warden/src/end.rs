//! How a worker ended, and what that is called.

use plugpen_proto::v1::DeathKind;
use rustix::process::WaitIdStatus;

/// What the kernel says of a process that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It called `exit` with this code.
    Exited(i32),
    /// A signal of this number ended it.
    Signaled(i32),
    /// The kernel would not say.
    Unknown,
}

impl From<Option<WaitIdStatus>> for ExitStatus {
    fn from(status: Option<WaitIdStatus>) -> Self {
        let Some(status) = status else {
            return Self::Unknown;
        };
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Exited(code),
            (_, Some(signal)) => Self::Signaled(signal),
            _ => Self::Unknown,
        }
    }
}

/// Why the daemon killed a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KillCause {
    /// Its plugin was closed.
    Closed,
    /// Somebody asked for it.
    Asked,
    /// It outlasted a deadline.
    Hang,
    /// It broke the protocol; the text says how.
    Protocol(String),
    /// It sent more messages than it may; the text says how many.
    Flood(String),
    /// It used more memory than it may; the text says how much.
    Memory(String),
    /// It used more CPU time than it may.
    Cpu,
    /// It exceeded another limit, which the text names.
    Limit(String),
}

impl KillCause {
    /// Whether it is worth to see what the worker was doing.
    pub(crate) fn wants_stacks(&self) -> bool {
        !matches!(self, Self::Closed | Self::Asked)
    }
}

/// What the kernel says of the signal that ended a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The signal's number.
    pub signal: i32,
    /// Its `si_code`.
    pub code: i32,
    /// The address that could not be used, of SIGSEGV and its like.
    pub address: Option<u64>,
    /// The system call that a filter refused, of SIGSYS.
    pub system_call: Option<i32>,
    /// File name of the module that ran, and the place in it.
    pub place: Option<(String, u64)>,
    /// The thread's stack had ended.
    pub stack_overflow: bool,
    /// The fault that a handler of the process was dealing with when this signal came.
    pub earlier: Option<Box<Fault>>,
}

/// A worker's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What the kernel says.
    pub status: ExitStatus,
    /// Why it was killed, where the daemon did that. A worker may have died by itself first:
    /// see [`End::kind`].
    pub cause: Option<KillCause>,
    /// Its last lines of output, oldest first.
    pub output: Vec<String>,
    /// Of a signal, where the worker was under trace.
    pub fault: Option<Fault>,
}

impl End {
    /// What became of the worker. A cause counts only if SIGKILL was what ended it.
    pub fn kind(&self) -> DeathKind {
        match (self.status, &self.cause) {
            (ExitStatus::Signaled(libc::SIGKILL), Some(KillCause::Hang)) => DeathKind::Hang,
            (ExitStatus::Signaled(libc::SIGKILL), Some(KillCause::Protocol(_))) => {
                DeathKind::Protocol
            }
            (ExitStatus::Signaled(libc::SIGKILL), Some(KillCause::Memory(_))) => {
                DeathKind::MemoryLimit
            }
            (ExitStatus::Signaled(libc::SIGKILL), Some(KillCause::Cpu)) => DeathKind::CpuLimit,
            (ExitStatus::Signaled(libc::SIGKILL), Some(KillCause::Limit(_))) => DeathKind::Limit,
            (ExitStatus::Signaled(libc::SIGKILL), Some(KillCause::Flood(_))) => DeathKind::Flood,
            (ExitStatus::Signaled(libc::SIGKILL), _) => DeathKind::Killed,
            (ExitStatus::Signaled(libc::SIGXCPU), _) => DeathKind::CpuLimit,
            (ExitStatus::Signaled(libc::SIGSYS), _) => DeathKind::Sandbox,
            (ExitStatus::Signaled(_), _) => DeathKind::Signal,
            (ExitStatus::Exited(_), _) => DeathKind::Exit,
            (ExitStatus::Unknown, _) => DeathKind::Unspecified,
        }
    }

    /// The signal's number, 0 where there was none.
    pub fn signal(&self) -> i32 {
        match self.status {
            ExitStatus::Signaled(signal) => signal,
            _ => 0,
        }
    }

    /// The exit code, 0 where a signal ended it.
    pub fn exit_code(&self) -> i32 {
        match self.status {
            ExitStatus::Exited(code) => code,
            _ => 0,
        }
    }
}

/// A signal's name, e.g. `SIGSEGV`.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: ExitStatus, cause: Option<KillCause>) -> DeathKind {
        End {
            status,
            cause,
            output: Vec::new(),
            fault: None,
        }
        .kind()
    }

    #[test]
    fn every_end_has_its_name() {
        use ExitStatus::{Exited, Signaled};
        assert_eq!(kind(Signaled(libc::SIGSEGV), None), DeathKind::Signal);
        assert_eq!(kind(Signaled(libc::SIGKILL), None), DeathKind::Killed);
        assert_eq!(kind(Signaled(libc::SIGXCPU), None), DeathKind::CpuLimit);
        assert_eq!(kind(Signaled(libc::SIGSYS), None), DeathKind::Sandbox);
        assert_eq!(kind(Exited(3), None), DeathKind::Exit);
        assert_eq!(
            kind(Signaled(libc::SIGKILL), Some(KillCause::Hang)),
            DeathKind::Hang
        );
        assert_eq!(
            kind(
                Signaled(libc::SIGKILL),
                Some(KillCause::Protocol("noise".into()))
            ),
            DeathKind::Protocol
        );
    }

    #[test]
    fn a_flood_has_its_name() {
        let status = ExitStatus::Signaled(libc::SIGKILL);
        let flood = KillCause::Flood("too many".into());
        assert_eq!(kind(status, Some(flood)), DeathKind::Flood);
    }

    #[test]
    fn a_crash_that_came_before_the_kill_stays_a_crash() {
        let status = ExitStatus::Signaled(libc::SIGSEGV);
        assert_eq!(kind(status, Some(KillCause::Hang)), DeathKind::Signal);
    }
}
