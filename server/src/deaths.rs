//! From a worker's end to a [`Death`]: kind, call and one sentence.

use std::time::Duration;

use plugpen_proto::v1::{Death, DeathKind};
use plugpen_warden::{End, ExitStatus, KillCause, signal_name};

use crate::guards::{Block, Guards};
use crate::ids;

/// Characters of the last output that a summary quotes; `Death.output` has all of it.
const LONGEST_QUOTE: usize = 200;
/// Bytes of a guard beside a buffer.
const PAGE: u64 = 4096;

/// What the daemon knew of a worker when it ended.
#[derive(Debug, Clone)]
pub struct LastSeen {
    /// The plugin's name, or what else it is known by.
    pub name: String,
    /// The call that was running, "process", or nothing.
    pub call: String,
    /// The deadline it outlasted, where it did.
    pub overdue: Option<Duration>,
    /// Which worker of its plugin it was.
    pub generation: u64,
    /// Where the plugin's buffers were, if they were guarded.
    pub guards: Guards,
    /// The block that was played.
    pub block: Option<Block>,
}

/// The death of a worker that nobody closed.
pub fn death(end: &End, seen: &LastSeen) -> Death {
    Death {
        kind: end.kind().into(),
        signal: end.signal(),
        exit_code: end.exit_code(),
        call: seen.call.clone(),
        output: end.output.clone(),
        report_id: ids::random_hex::<8>().unwrap_or_default(),
        summary: summary(end, seen),
        generation: seen.generation,
        time_ms: ids::now_ms(),
        fault_address: end.fault.as_ref().and_then(|fault| fault.address),
        location: place(end).unwrap_or_default(),
    }
}

/// Module and offset of what ran when a signal came.
fn place(end: &End) -> Option<String> {
    let (module, offset) = end.fault.as_ref()?.place.as_ref()?;
    Some(format!("{module}+{offset:#x}"))
}

/// What it did outside of its guarded buffers, if that was it.
fn outside(end: &End, seen: &LastSeen) -> Option<String> {
    let address = end.fault.as_ref()?.address?;
    seen.guards.describe_fault(address, seen.block, PAGE)
}

fn summary(end: &End, seen: &LastSeen) -> String {
    let name = &seen.name;
    let when = match seen.call.as_str() {
        "" => "while idle".to_owned(),
        call => format!("during {}", snake(call)),
    };
    let what = match end.kind() {
        DeathKind::Killed if end.cause == Some(KillCause::Asked) => {
            format!("{name} was killed {when} because a user asked for it")
        }
        DeathKind::Killed => format!(
            "{name} was killed from outside {when} (SIGKILL: the out-of-memory killer or a person)"
        ),
        DeathKind::Hang => {
            // A block's has the block's own length in it.
            let limit = (seen.overdue.unwrap_or_default().as_secs_f64() * 100.0).round() / 100.0;
            format!("{name} hung {when}: no answer within {limit} s, so it was killed")
        }
        DeathKind::Protocol => {
            let how = match &end.cause {
                Some(KillCause::Protocol(how)) => how.as_str(),
                _ => "unknown",
            };
            format!("{name} broke the protocol {when} and was killed: {how}")
        }
        DeathKind::Flood => {
            let how = match &end.cause {
                Some(KillCause::Flood(how)) => how.as_str(),
                _ => "unknown",
            };
            format!("{name} flooded the daemon with messages {when} and was killed: {how}")
        }
        DeathKind::CpuLimit => format!("{name} used up its CPU time {when}"),
        DeathKind::MemoryLimit | DeathKind::Limit => {
            let what = match &end.cause {
                Some(KillCause::Memory(what) | KillCause::Limit(what)) => what.as_str(),
                _ => "more memory than it may have",
            };
            format!("{name} used {what} {when} and was killed")
        }
        DeathKind::Sandbox => {
            format!("{name} was ended by the sandbox {when} (SIGSYS: a forbidden system call)")
        }
        DeathKind::Exit => format!("{name} called exit({}) {when}", end.exit_code()),
        DeathKind::Signal | DeathKind::Unspecified => match end.status {
            ExitStatus::Signaled(signal) => {
                let place = place(end).map(|place| format!(" in {place}"));
                let place = place.unwrap_or_default();
                let outside = outside(end, seen).map(|what| format!("; it {what}"));
                format!(
                    "{name} died of {} ({signal}){place} {when}{}",
                    signal_name(signal),
                    outside.unwrap_or_default()
                )
            }
            _ => format!("{name} ended {when}"),
        },
    };
    match end.output.last() {
        Some(line) => {
            let quoted: String = line.chars().take(LONGEST_QUOTE).collect();
            let more = if quoted.len() < line.len() { "…" } else { "" };
            format!("{what}; last output: {quoted:?}{more}.")
        }
        None => format!("{what}."),
    }
}

/// `GetState` as the clients say it: `get_state`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: ExitStatus, cause: Option<KillCause>, call: &str, expected: &str) {
        let end = End {
            status,
            cause,
            output: vec!["first".into(), "oh no".into()],
            fault: None,
        };
        let seen = LastSeen {
            name: "MDA EPiano".into(),
            call: call.into(),
            overdue: Some(Duration::from_secs(10)),
            generation: 2,
            guards: Guards::default(),
            block: None,
        };
        let death = death(&end, &seen);
        assert_eq!(
            death.summary,
            format!("{expected}; last output: \"oh no\".")
        );
        assert_eq!((death.call.as_str(), death.generation), (call, 2));
        assert_eq!(death.report_id.len(), 16);
    }

    #[test]
    fn one_sentence_says_it_all() {
        use ExitStatus::{Exited, Signaled};
        check(
            Signaled(11),
            None,
            "GetState",
            "MDA EPiano died of SIGSEGV (11) during get_state",
        );
        check(
            Signaled(9),
            Some(KillCause::Hang),
            "process",
            "MDA EPiano hung during process: no answer within 10 s, so it was killed",
        );
        check(Exited(3), None, "", "MDA EPiano called exit(3) while idle");
        check(
            Signaled(9),
            Some(KillCause::Protocol("noise".into())),
            "SetState",
            "MDA EPiano broke the protocol during set_state and was killed: noise",
        );
        check(
            Signaled(9),
            Some(KillCause::Flood("too many".into())),
            "process",
            "MDA EPiano flooded the daemon with messages during process and was killed: too many",
        );
        check(
            Signaled(9),
            Some(KillCause::Asked),
            "process",
            "MDA EPiano was killed during process because a user asked for it",
        );
        check(
            Signaled(9),
            None,
            "Reset",
            "MDA EPiano was killed from outside during reset (SIGKILL: the out-of-memory killer or a person)",
        );
    }
}
