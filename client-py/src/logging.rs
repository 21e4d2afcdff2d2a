//! What plugins print and the client notes, handed to Python's `logging`.
//!
//! Events arrive on threads that must not wait for Python, so they go through a bounded queue to
//! a thread that may.

use std::{
    fmt::{self, Write as _},
    sync::{
        Mutex, MutexGuard, TryLockError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use pyo3::prelude::*;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

/// Lines that may wait for Python; more are counted and dropped.
const PENDING: usize = 4096;
/// Our own crates; what they are built of has nothing to say to users.
const OWN: &str = "plugpen";

struct Record {
    level: Level,
    plugin: Option<String>,
    text: String,
}

/// The queue and its thread, while there are any.
#[derive(Default)]
struct Line {
    sender: Option<SyncSender<Record>>,
    thread: Option<JoinHandle<()>>,
    process: u32,
    lost: u64,
    ended: bool,
}

static LINE: Mutex<Line> = Mutex::new(Line {
    sender: None,
    thread: None,
    process: 0,
    lost: 0,
    ended: false,
});

/// The line, unless it was locked in the very moment of a `fork()`: then for ever.
fn line_in_time() -> Option<MutexGuard<'static, Line>> {
    let give_up = Instant::now() + Duration::from_secs(1);
    loop {
        match LINE.try_lock() {
            Ok(line) => return Some(line),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => std::thread::yield_now(),
            Err(TryLockError::WouldBlock) => return None,
        }
    }
}

/// Begins to listen. The first of several copies of this module in a process wins.
pub fn begin() {
    // It fails only where somebody listens already.
    let _ = tracing::subscriber::set_global_default(Bridge);
}

/// Hands over what is queued and ends the thread: Python must not be entered while it ends.
pub fn end() {
    let thread = match line_in_time() {
        Some(mut line) => {
            line.ended = true;
            line.sender = None;
            match line.process == std::process::id() {
                true => line.thread.take(),
                false => None,
            }
        }
        None => None,
    };
    if let Some(thread) = thread {
        // A panic of the thread was reported when it happened.
        let _ = thread.join();
    }
}

impl Line {
    fn send(&mut self, record: Record) {
        if self.ended {
            return;
        }
        let process = std::process::id();
        if self.sender.is_none() || self.process != process {
            let (sender, receiver) = sync_channel(PENDING);
            let thread = std::thread::Builder::new()
                .name("plugpen-log".into())
                .spawn(move || deliver(&receiver));
            let Ok(thread) = thread else {
                return;
            };
            *self = Self {
                sender: Some(sender),
                thread: Some(thread),
                process,
                ..Self::default()
            };
        }
        let sent = self.sender.as_ref().map(|sender| sender.try_send(record));
        if let Some(Err(TrySendError::Full(_))) = sent {
            self.lost += 1;
        }
    }
}

fn deliver(receiver: &Receiver<Record>) {
    for record in receiver {
        let lost = line_in_time().map_or(0, |mut line| std::mem::take(&mut line.lost));
        let delivered = Python::try_attach(|py| -> PyResult<()> {
            let logger = py.import("logging")?.call_method1("getLogger", (OWN,))?;
            if lost > 0 {
                logger.call_method1("warning", ("%d lines were lost", lost))?;
            }
            let level = match record.level {
                Level::ERROR => 40,
                Level::WARN => 30,
                Level::INFO => 20,
                _ => 10,
            };
            match record.plugin {
                Some(plugin) => {
                    logger.call_method1("log", (level, "%s: %s", plugin, record.text))?;
                }
                None => {
                    logger.call_method1("log", (level, "%s", record.text))?;
                }
            }
            Ok(())
        });
        match delivered {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                Python::try_attach(|py| error.write_unraisable(py, None));
            }
            // Python is ending.
            None => return,
        }
    }
}

struct Bridge;

impl Subscriber for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.enabled(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with(OWN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        if let Some(mut line) = line_in_time() {
            line.send(Record {
                level: *event.metadata().level(),
                plugin: text.plugin,
                text: text.message + &text.fields,
            });
        }
    }

    // There are no spans: they are not enabled.
    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}
    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}
    fn enter(&self, _span: &span::Id) {}
    fn exit(&self, _span: &span::Id) {}
}

#[derive(Default)]
struct Text {
    plugin: Option<String>,
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "plugin" => self.plugin = Some(format!("{value:?}")),
            // Writing into a string does not fail.
            name => drop(write!(self.fields, " {name}={value:?}")),
        }
    }
}
