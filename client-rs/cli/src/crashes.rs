//! `plugpen crashes`: how plugins died.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use plugpen::CrashFilter;
use plugpen::v1::{CrashFrame, CrashReport, CrashSummary, CrashThread};
use serde_json::Value;

use crate::context::Context;
use crate::crash_json::{report_json, summary_json};
use crate::output::{Done, Paint, plain, print, print_json, table, write_new};

/// Look at how plugins died
#[derive(Debug, clap::Args)]
pub struct Crashes {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print a JSON list, one object a death
    #[arg(short, long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List deaths, newest first: one line for all at the same place
    List(List),
    /// Print a report: where and why, with the stacks of all threads
    Show {
        /// The report's id, or the beginning of it
        id: String,
        /// Print a JSON object
        #[arg(short, long)]
        json: bool,
    },
    /// Write a report's minidump to a file, for debuggers
    Export {
        /// The report's id, or the beginning of it
        id: String,
        /// The file [default: ID.dmp]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Write the report as JSON instead
        #[arg(short, long)]
        json: bool,
        /// Overwrite the file
        #[arg(short = 'y', long)]
        overwrite: bool,
    },
    /// Forget reports
    Clear {
        /// Their ids [default: all]
        ids: Vec<String>,
    },
}

#[derive(Debug, Default, clap::Args)]
struct List {
    /// Only plugins with this in their names or paths, whatever the case
    plugin: Option<String>,
    /// Only deaths at the place with this signature
    #[arg(long)]
    signature: Option<String>,
    /// Every death that is kept, not one line for all at the same place
    #[arg(short, long)]
    each: bool,
    /// Print a JSON list, one object a death
    #[arg(short, long)]
    json: bool,
}

impl Crashes {
    /// Asks the daemon.
    ///
    /// # Errors
    /// There is no such report; the file cannot be written.
    pub fn run(self, context: &Context) -> Done {
        let server = &context.server;
        let paint = Paint::of(&std::io::stdout());
        let json_list = self.json;
        match self.action.unwrap_or(Action::List(List::default())) {
            Action::List(list) => {
                let crashes = server.crashes(&CrashFilter {
                    plugin: list.plugin.unwrap_or_default(),
                    signature: list.signature.unwrap_or_default(),
                    each: list.each,
                    ..CrashFilter::default()
                })?;
                match list.json || json_list {
                    true => print_json(&Value::Array(crashes.iter().map(summary_json).collect())),
                    false => print(&listing(&crashes, paint)),
                }
            }
            Action::Show { id, json } => {
                let report = server.crash(&id)?;
                match json || json_list {
                    true => print_json(&report_json(&report)),
                    false => print(&shown(&report, paint)),
                }
            }
            Action::Export {
                id,
                output,
                json,
                overwrite,
            } => {
                let report = server.crash(&id)?;
                let (bytes, ending) = match json || json_list {
                    true => (format!("{:#}\n", report_json(&report)).into_bytes(), "json"),
                    false => (server.crash_minidump(&report.report_id)?, "dmp"),
                };
                let path =
                    output.unwrap_or_else(|| format!("{}.{ending}", report.report_id).into());
                write_new(&path, &bytes, overwrite)?;
                print(&format!(
                    "wrote {} ({} bytes)\n",
                    path.display(),
                    bytes.len()
                ))
            }
            Action::Clear { ids } => {
                let ids = ids.iter().map(|id| Ok(server.crash(id)?.report_id));
                let ids = ids.collect::<Result<Vec<_>, plugpen::Error>>()?;
                let count = server.forget_crashes(&ids)?;
                print(&format!("Forgot {count} report(s)\n"))
            }
        }
    }
}

fn listing(crashes: &[CrashSummary], paint: Paint) -> String {
    if crashes.is_empty() {
        return "No plugin has died\n".into();
    }
    let titles = ["ID", "AGE", "COUNT", "PLUGIN", "HOW", "DURING", "WHERE"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for crash in crashes {
        rows.push(vec![
            plain(crash.report_id.get(..8).unwrap_or(&crash.report_id)),
            age(crash.time_ms),
            crash.count.to_string(),
            plain(match crash.plugin_name.as_str() {
                "" => &crash.plugin_path,
                name => name,
            }),
            how(crash),
            plain(&crash.call),
            plain(&crash.location),
        ]);
    }
    let text = table(&rows);
    match text.split_once('\n') {
        Some((head, rest)) => format!("{}\n{rest}", paint.strong(head)),
        None => text,
    }
}

fn how(crash: &CrashSummary) -> String {
    let kind = crash.kind().as_str_name().trim_start_matches("DEATH_KIND_");
    match (kind, crash.signal) {
        ("SIGNAL", signal) => match signal {
            4 => "SIGILL".into(),
            6 => "SIGABRT".into(),
            7 => "SIGBUS".into(),
            8 => "SIGFPE".into(),
            11 => "SIGSEGV".into(),
            signal => format!("signal {signal}"),
        },
        ("EXIT", _) => format!("exit({})", crash.exit_code),
        (kind, _) => kind.to_lowercase().replace('_', " "),
    }
}

fn age(time_ms: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
    match now - time_ms / 1000 {
        s if s < 120 => format!("{} s", s.max(0)),
        s if s < 7200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

fn shown(report: &CrashReport, paint: Paint) -> String {
    let death = report.death.clone().unwrap_or_default();
    let plugin = report.plugin.clone().unwrap_or_default();
    let mut text = format!("{}\n", paint.strong(plain(&death.summary)));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<12} {}", plain(value));
        }
    };
    line("Report", &report.report_id);
    line("Reason", &report.reason);
    line("Where", &report.location);
    if let Some(fault) = &report.fault {
        line("Instruction", &fault.instruction);
    }
    line(
        "Plugin",
        &format!("{} {} {}", plugin.name, plugin.version, plugin.vendor),
    );
    line("Path", &plugin.path);
    line("SHA-256", &plugin.sha256);
    line(
        "Signature",
        &format!("{}, {} time(s)", report.signature, report.count),
    );
    line("System", &report.system);
    line("Note", &report.analysis_note);
    for thread in &report.threads {
        show_thread(&mut text, thread, paint);
    }
    if !report.calls.is_empty() {
        let _ = writeln!(text, "\n{}", paint.strong("Last calls"));
    }
    for call in &report.calls {
        let took = match call.micros {
            Some(micros) => format!("{micros} us"),
            None => "not answered".into(),
        };
        let _ = writeln!(
            text,
            "  {} ({}) {} {}",
            plain(&call.name),
            plain(&call.arguments),
            paint.faint(took),
            plain(&call.error)
        );
    }
    if !death.output.is_empty() {
        let _ = writeln!(text, "\n{}", paint.strong("Last output"));
    }
    for line in &death.output {
        let _ = writeln!(text, "  {} {}", paint.faint("|"), plain(line));
    }
    text
}

fn show_thread(text: &mut String, thread: &CrashThread, paint: Paint) {
    let crashed = if thread.crashed {
        ", where it died"
    } else {
        ""
    };
    let head = format!("Thread {} {:?}{crashed}", thread.tid, thread.name);
    let _ = writeln!(text, "\n{}", paint.strong(head));
    let mut number = 0;
    for frame in &thread.frames {
        let _ = writeln!(text, "  {number:>3}  {}", frame_text(frame));
        number += usize::from(!frame.inlined);
    }
    if thread.truncated {
        let _ = writeln!(
            text,
            "       {}",
            paint.faint("… and more that could not be followed")
        );
    }
}

fn frame_text(frame: &CrashFrame) -> String {
    let place = match frame.module.as_str() {
        "" => format!("{:#x}", frame.address),
        module => format!("{module}+{:#x}", frame.offset),
    };
    let mut text = match frame.function.as_str() {
        "" => place,
        function => format!("{function}  {place}"),
    };
    if !frame.file.is_empty() {
        let _ = write!(text, "  {}:{}", frame.file, frame.line);
    }
    if frame.inlined {
        text += "  (inlined)";
    }
    plain(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_shown_with_what_is_known_of_it() {
        let frame = |function: &str, line| CrashFrame {
            module: "a.so".into(),
            offset: 16,
            function: function.into(),
            file: if line > 0 {
                "a.c".into()
            } else {
                String::new()
            },
            line,
            ..CrashFrame::default()
        };
        assert_eq!(frame_text(&frame("run", 7)), "run  a.so+0x10  a.c:7");
        assert_eq!(frame_text(&frame("", 0)), "a.so+0x10");
        let thread = CrashThread {
            name: "audio\x1b".into(),
            crashed: true,
            frames: vec![frame("", 0)],
            truncated: true,
            ..CrashThread::default()
        };
        let report = CrashReport {
            threads: vec![thread],
            ..CrashReport::default()
        };
        let paint = Paint::of(&std::fs::File::open("/dev/null").unwrap());
        let text = shown(&report, paint);
        assert!(
            text.contains("where it died") && text.contains("  0  a.so+0x10"),
            "{text}"
        );
        assert!(!text.contains('\x1b'));
    }
}
