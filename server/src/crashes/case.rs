//! What the daemon knows of a death before anybody has looked into it.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use plugpen_proto::v1::{CrashCall, CrashedPlugin, Death, SandboxReport};
use plugpen_proto::worker::to_worker::Call;
use plugpen_warden::{Capture, Fault, Role};

use crate::ids;

/// One death.
#[derive(Debug)]
pub struct Case {
    /// As it was published.
    pub death: Death,
    /// Whose.
    pub subject: Subject,
    /// The last calls.
    pub calls: Vec<CrashCall>,
    /// What the kernel said of the signal.
    pub fault: Option<Fault>,
    /// What was found when the worker was looked at.
    pub capture: Option<Capture>,
}

/// What a worker is, for the report of its death.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What it is for.
    pub role: Role,
    /// The plugin, as far as it is known.
    pub plugin: CrashedPlugin,
    /// The bundle or file that its code comes from.
    pub bundle: PathBuf,
    /// How its jail stands.
    pub sandbox: Option<SandboxReport>,
    /// Why it cannot be looked at when it dies, where that is so.
    pub untraced: Option<String>,
}

impl Subject {
    /// A worker that has loaded nothing yet.
    pub fn new(role: Role, path: &str, bundle: PathBuf) -> Self {
        Self {
            role,
            plugin: CrashedPlugin {
                path: path.to_owned(),
                ..CrashedPlugin::default()
            },
            bundle,
            sandbox: None,
            untraced: None,
        }
    }
}

/// Calls that are kept.
const KEPT: usize = 64;
/// Bytes of a call's arguments that are kept.
const LONGEST: usize = 400;

/// The last calls of one worker.
#[derive(Debug, Default)]
pub struct CallLog(VecDeque<Entry>);

#[derive(Debug)]
struct Entry {
    id: u64,
    began: Instant,
    call: CrashCall,
}

impl CallLog {
    /// A call goes to the worker.
    pub fn begin(&mut self, id: u64, name: &str, call: Option<&Call>, after_block: u64) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Entry {
            id,
            began: Instant::now(),
            call: CrashCall {
                name: name.to_owned(),
                arguments: call.map(arguments).unwrap_or_default(),
                time_ms: ids::now_ms(),
                after_block,
                ..CrashCall::default()
            },
        });
    }

    /// It is answered.
    pub fn end(&mut self, id: u64, error: Option<&str>) {
        let Some(entry) = self.0.iter_mut().rev().find(|entry| entry.id == id) else {
            return;
        };
        let micros = entry.began.elapsed().as_micros();
        entry.call.micros = Some(u64::try_from(micros).unwrap_or(u64::MAX));
        if let Some(error) = error {
            entry.call.error = error.chars().take(LONGEST).collect();
        }
    }

    /// All of them, oldest first.
    pub fn take(&mut self) -> Vec<CrashCall> {
        self.0.drain(..).map(|entry| entry.call).collect()
    }
}

/// The fields of a call's message as text.
fn arguments(call: &Call) -> String {
    let mut text = Bounded(String::new());
    // It ends early where the text is long enough.
    let whole = write!(text, "{call:?}").is_ok();
    let mut text = text.0;
    if let Some(start) = text.find('{') {
        text.drain(..=start);
    } else {
        text.clear();
    }
    match whole {
        true => text.trim_end_matches([' ', '}', ')']).trim().to_owned(),
        false => format!("{}…", text.trim()),
    }
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() >= LONGEST {
                return Err(fmt::Error);
            }
            self.0.push(c);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::{SetParameterRequest, SetStateRequest};

    use super::*;

    #[test]
    fn calls_are_told_with_their_arguments() {
        let mut log = CallLog::default();
        for id in 1..=100 {
            let call = Call::SetParameter(SetParameterRequest {
                handle: "p1".into(),
                index: 3,
                value: 0.5,
            });
            log.begin(id, "SetParameter", Some(&call), 7);
            if id != 100 {
                log.end(id, (id == 99).then_some("no"));
            }
        }
        let calls = log.take();
        assert_eq!(calls.len(), KEPT);
        assert!(
            calls[0].arguments.contains("index: 3, value: 0.5"),
            "{:?}",
            calls[0]
        );
        assert!(calls[62].micros.is_some() && calls[62].error == "no");
        assert!(calls[63].micros.is_none() && calls[63].after_block == 7);
    }

    #[test]
    fn a_long_argument_is_cut() {
        let call = Call::SetState(SetStateRequest {
            handle: "p1".into(),
            data: vec![200; 1 << 20],
            ..SetStateRequest::default()
        });
        let text = arguments(&call);
        assert!(text.ends_with('…') && text.len() < 2 * LONGEST, "{text}");
    }
}
