//! `plugpen logs`: follows what plugins print and do.

use std::collections::HashMap;

use plugpen::v1::watch_events_response::Event;
use plugpen::v1::{LogSource, OpenedPlugin, ProcessorChanged, WatchEventsResponse};
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{Done, Paint, plain, print};

/// Follow what the plugins of a running daemon print and do, until it ends or Ctrl-C
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// Only these plugins: handles, workers' process ids or names
    #[arg(value_name = "PLUGIN")]
    plugins: Vec<String>,
    /// Print values and gestures of parameters too
    #[arg(long)]
    all: bool,
    /// Print a JSON object a line
    #[arg(short, long)]
    json: bool,
}

/// What is known of a plugin.
#[derive(Debug, Clone, Default)]
struct Known {
    name: String,
    worker_pid: u32,
}

/// One thing that happened.
struct Line {
    kind: &'static str,
    text: String,
}

impl Logs {
    /// Prints events as they come.
    ///
    /// # Errors
    /// The daemon is gone without a word, or the output cannot be written.
    pub fn run(self, context: &Context) -> Done {
        let mut events = context.server.watch_all()?;
        let paint = Paint::of(&std::io::stdout());
        let mut known = HashMap::new();
        while let Some(event) = events.next_event()? {
            match &event.event {
                Some(Event::Snapshot(snapshot)) => {
                    for plugin in &snapshot.plugins {
                        self.note(&mut known, plugin);
                        let opened = Line {
                            kind: "open",
                            text: about(plugin),
                        };
                        self.tell(&event, &plugin.handle, &known, &opened, paint)?;
                    }
                    continue;
                }
                Some(Event::Opened(opened)) => {
                    if let Some(plugin) = &opened.plugin {
                        self.note(&mut known, plugin);
                    }
                }
                Some(Event::Restarted(restarted)) => {
                    known.entry(event.handle.clone()).or_default().worker_pid =
                        restarted.worker_pid;
                }
                _ => {}
            }
            if let Some(line) = self.line(event.event.as_ref()) {
                self.tell(&event, &event.handle, &known, &line, paint)?;
            }
            if let Some(Event::Closed(_)) = event.event {
                known.remove(&event.handle);
            }
        }
        Ok(())
    }

    fn note(&self, known: &mut HashMap<String, Known>, plugin: &OpenedPlugin) {
        let about = plugin.description.clone().unwrap_or_default();
        let worker_pid = plugin.worker_pid;
        let name = plain(&about.name);
        known.insert(plugin.handle.clone(), Known { name, worker_pid });
    }

    fn wants(&self, handle: &str, plugin: &Known) -> bool {
        self.plugins.is_empty()
            || self.plugins.iter().any(|wanted| {
                wanted == handle
                    || *wanted == plugin.worker_pid.to_string()
                    || wanted.eq_ignore_ascii_case(&plugin.name)
            })
    }

    fn line(&self, event: Option<&Event>) -> Option<Line> {
        let (kind, text) = match event? {
            Event::LogLine(line) => (source(line.source()), plain(&line.text)),
            Event::Opened(opened) => ("open", opened.plugin.as_ref().map(about)?),
            Event::Died(death) => ("died", plain(&death.summary)),
            Event::Restarted(restarted) => {
                ("restart", format!("in process {}", restarted.worker_pid))
            }
            Event::GaveUp(told) => ("gave up", plain(&told.reason)),
            Event::MemoryGrowth(growth) => (
                "memory",
                format!(
                    "{} bytes of {}, growing by {:.0} a second",
                    growth.bytes, growth.limit_bytes, growth.bytes_per_second
                ),
            ),
            Event::Closed(_) => ("close", String::new()),
            Event::Lost(lost) => ("lost", format!("{} event(s) came too fast", lost.count)),
            Event::ProcessorChanged(changed) => ("change", changes(changed)),
            Event::ParameterChanged(changed) if self.all => {
                let by = if changed.by_host { "host" } else { "plugin" };
                let text = format!(
                    "parameter {} = {:.6} by the {by}",
                    changed.index, changed.value
                );
                ("value", text)
            }
            Event::ParameterGesture(gesture) if self.all => {
                let what = if gesture.is_begin { "begins" } else { "ends" };
                ("gesture", format!("parameter {} {what}", gesture.index))
            }
            _ => return None,
        };
        Some(Line { kind, text })
    }

    fn tell(
        &self,
        event: &WatchEventsResponse,
        handle: &str,
        known: &HashMap<String, Known>,
        line: &Line,
        paint: Paint,
    ) -> Done {
        let nobody = Known::default();
        let plugin = known.get(handle).unwrap_or(&nobody);
        if !self.wants(handle, plugin) {
            return Ok(());
        }
        if self.json {
            return print(&format!("{}\n", line_json(event, handle, plugin, line)));
        }
        let kind = match line.kind {
            "died" => paint.bad(format!("{:<7}", line.kind)),
            kind => paint.strong(format!("{kind:<7}")),
        };
        let name = plugin.name.as_str();
        print(&format!(
            "{} {} {kind} {}\n",
            paint.faint(clock(event.time_ms)),
            format!("{handle} {name}").trim_end(),
            line.text
        ))
    }
}

fn line_json(event: &WatchEventsResponse, handle: &str, plugin: &Known, line: &Line) -> Value {
    json!({
        "time_ms": event.time_ms,
        "handle": handle,
        "name": plugin.name,
        "worker_pid": plugin.worker_pid,
        "event": line.kind,
        "text": line.text,
    })
}

fn about(plugin: &OpenedPlugin) -> String {
    let about = plugin.description.clone().unwrap_or_default();
    format!(
        "{} in process {} for {}",
        plain(&about.path),
        plugin.worker_pid,
        plain(&plugin.session_name)
    )
}

fn source(source: LogSource) -> &'static str {
    match source {
        LogSource::Stdout => "stdout",
        LogSource::Stderr => "stderr",
        LogSource::Plugin => "log",
        LogSource::Worker | LogSource::Unspecified => "worker",
    }
}

fn changes(changed: &ProcessorChanged) -> String {
    let mut parts = Vec::new();
    if changed.latency {
        parts.push(format!("latency is {} samples", changed.latency_samples));
    }
    for (is_so, what) in [
        (changed.parameter_info, "parameters changed"),
        (changed.program, "program changed"),
        (changed.non_parameter_state, "state changed"),
    ] {
        if is_so {
            parts.push(what.into());
        }
    }
    parts.join(", ")
}

/// The time of day, in UTC.
fn clock(time_ms: i64) -> String {
    let ms = time_ms.rem_euclid(24 * 60 * 60 * 1000);
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_day() {
        assert_eq!(clock(0), "00:00:00.000Z");
        assert_eq!(clock(86_400_000 + 3_723_004), "01:02:03.004Z");
    }

    #[test]
    fn changes_are_told_in_words() {
        let changed = ProcessorChanged {
            latency: true,
            latency_samples: 64,
            program: true,
            ..ProcessorChanged::default()
        };
        assert_eq!(changes(&changed), "latency is 64 samples, program changed");
    }
}
