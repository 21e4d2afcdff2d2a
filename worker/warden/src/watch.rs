//! The loop of a watching thread.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use plugpen_proto::framing::Assembler;
use plugpen_proto::v1::LogSource;
use plugpen_proto::worker::FromWorker;
use prost::Message as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::end::{End, ExitStatus, KillCause};
use crate::flow::Flow;
use crate::output::{Allowance, Lines, Tail};
use crate::tracer::{Capture, Dying};
use crate::warden::{Shared, lock};

/// What a worker does, told from its watching thread. None of these may block for long: the next
/// one waits, and so does the worker.
pub trait Report: Send + 'static {
    /// A whole message.
    ///
    /// # Errors
    /// How the message breaks the protocol; the worker is killed for it.
    fn message(&mut self, message: FromWorker) -> Result<(), String>;
    /// A line it printed, cleaned and without its line break.
    fn output(&mut self, source: LogSource, line: String);
    /// It has ended, or is about to: it will do nothing more. Always made.
    fn ended(&mut self, end: End);
    /// It is gone, and this is what was found when it was looked at. The last report, and always
    /// made; it may block.
    fn buried(&mut self, capture: Option<Capture>);
}

/// Read from a descriptor at a time, in bytes.
const PIECE: usize = 64 * 1024;
/// How long a worker that closed its control channel may take to end: an exiting process closes
/// its files before it becomes a zombie. One that lives on is killed.
const EOF_GRACE: Duration = Duration::from_secs(1);
/// How long a dying worker may be looked at. It takes some milliseconds.
const LOOK: Duration = Duration::from_secs(1);
/// How long a worker that was killed may take to be gone before it counts as stuck in the kernel.
const BURIAL: Duration = Duration::from_secs(2);

/// One worker under watch.
pub(crate) struct Watch<'a, R: Report> {
    shared: &'a Shared,
    report: R,
    assembler: Assembler,
    control_open: bool,
    /// When a worker that closed its control channel is killed.
    eof_deadline: Option<Instant>,
    streams: [Stream; 2],
    allowance: Allowance,
    tail: Tail,
    piece: Vec<u8>,
    flow: Flow,
}

/// One of the worker's output streams.
struct Stream {
    source: LogSource,
    pipe: Option<OwnedFd>,
    lines: Lines,
}

impl<'a, R: Report> Watch<'a, R> {
    pub(crate) fn new(shared: &'a Shared, output: OwnedFd, error: OwnedFd, report: R) -> Self {
        let stream = |source, pipe| Stream {
            source,
            pipe: Some(pipe),
            lines: Lines::default(),
        };
        Self {
            shared,
            report,
            assembler: Assembler::new(),
            control_open: true,
            eof_deadline: None,
            streams: [
                stream(LogSource::Stdout, output),
                stream(LogSource::Stderr, error),
            ],
            allowance: Allowance::new(Instant::now()),
            tail: Tail::default(),
            piece: vec![0; PIECE],
            flow: Flow::new(Instant::now()),
        }
    }

    /// Watches until the worker has ended and that is reported.
    pub(crate) fn run(mut self) {
        // A worker is told what to load after its first message: by then it is under trace.
        if let Err(error) = self.shared.inquest.traced(BURIAL) {
            tracing::debug!(%error, "a worker cannot be traced");
        }
        while !self.step() {}
        let shared = self.shared;
        let dying = shared.inquest.dying();
        let (status, fault) = match dying.clone() {
            Some(Dying { status, fault }) => (status, fault),
            None => (self.reap(), None),
        };
        // What it wrote before it ended still counts: an answer, the last words.
        // What is left is what the socket holds; one that is looked at while it dies writes on.
        let mut budget = 16;
        while self.control_open && budget > 0 && self.read_control() {
            budget -= 1;
        }
        for index in 0..self.streams.len() {
            let mut budget = 32;
            while budget > 0 && self.read_stream(index) {
                budget -= 1;
            }
            if let Some(line) = self.streams[index].lines.finish() {
                self.line(index, line);
            }
        }
        self.report_dropped(LogSource::Stderr);
        let end = End {
            status,
            cause: lock(&shared.cause).clone(),
            output: self.tail.into_lines(),
            fault,
        };
        self.report.ended(end);
        shared.inquest.set_published();
        if dying.is_some() {
            see_off(shared);
        }
        self.report.buried(shared.inquest.take_capture());
    }

    /// How it ended; takes its zombie, unless the tracer does.
    fn reap(&self) -> ExitStatus {
        let inquest = &self.shared.inquest;
        if inquest.traced(BURIAL).is_ok() {
            return inquest.wait_over(BURIAL).unwrap_or(ExitStatus::Unknown);
        }
        self.shared.status()
    }

    /// Waits for something to happen and deals with it; `true` when the worker has ended.
    fn step(&mut self) -> bool {
        let shared = self.shared;
        let writing = self.control_open && !lock(&shared.outbox).is_empty();
        let control_flags = match (self.control_open, writing) {
            (true, true) => PollFlags::IN | PollFlags::OUT,
            (true, false) => PollFlags::IN,
            (false, _) => PollFlags::empty(),
        };
        // A closed descriptor keeps its place in the list but is not asked for anything. A hung-up
        // control socket would be reported for ever, so its place goes to the doorbell.
        let control = if self.control_open {
            shared.control.as_fd()
        } else {
            shared.doorbell.as_fd()
        };
        let [out, err] = self.streams.each_ref().map(|stream| match &stream.pipe {
            Some(pipe) => (pipe.as_fd(), PollFlags::IN),
            None => (shared.doorbell.as_fd(), PollFlags::empty()),
        });
        let mut ready = [
            PollFd::from_borrowed_fd(shared.pidfd.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(control, control_flags),
            PollFd::from_borrowed_fd(shared.doorbell.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(out.0, out.1),
            PollFd::from_borrowed_fd(err.0, err.1),
        ];
        let timeout = self.eof_deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec::try_from(left).unwrap_or_default()
        });
        match poll(&mut ready, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            // Only a lack of memory remains; the worker cannot be watched then.
            Err(error) => {
                shared.kill(KillCause::Protocol(format!("cannot watch it: {error}")));
                return true;
            }
        }
        let [ended, control, doorbell, out, err] = ready.map(|fd| !fd.revents().is_empty());
        if doorbell {
            let _ = rustix::io::read(&shared.doorbell, &mut [0u8; 8]);
            if shared.inquest.dying().is_some() {
                return true;
            }
        }
        if control && self.control_open {
            self.read_control();
        }
        if self.control_open {
            // A failed write is followed by the end of file.
            let _ = lock(&shared.outbox).flush(shared.control.as_fd());
        }
        for (index, is_ready) in [out, err].into_iter().enumerate() {
            if is_ready {
                self.read_stream(index);
            }
        }
        if self.eof_deadline.is_some_and(|at| Instant::now() >= at) {
            self.eof_deadline = None;
            shared.kill(KillCause::Protocol("it closed its control channel".into()));
        }
        ended
    }

    /// Reads once from the control socket; `false` if there was nothing or it is at its end.
    fn read_control(&mut self) -> bool {
        // Without a control buffer the kernel drops descriptors that a worker sends.
        let received = rustix::net::recv(
            &self.shared.control,
            &mut self.piece[..],
            RecvFlags::DONTWAIT,
        );
        let count = match received {
            Ok((count, _)) if count > 0 => count,
            Err(Errno::AGAIN | Errno::INTR) => return false,
            _ => {
                self.control_open = false;
                self.eof_deadline = Some(Instant::now() + EOF_GRACE);
                return false;
            }
        };
        self.assembler.push(&self.piece[..count]);
        let now = Instant::now();
        loop {
            let heard = match self.assembler.next_message::<FromWorker>() {
                Ok(None) => return true,
                Ok(Some(message)) => self.hear(message, now),
                Err(error) => Err(KillCause::Protocol(error.to_string())),
            };
            if let Err(cause) = heard {
                self.control_open = false;
                self.shared.kill(cause);
                return false;
            }
        }
    }

    fn hear(&mut self, message: FromWorker, now: Instant) -> Result<(), KillCause> {
        if message.id == 0 {
            let admitted = self.flow.admit(message.encoded_len(), now);
            admitted.map_err(KillCause::Flood)?;
        }
        self.report.message(message).map_err(KillCause::Protocol)
    }

    /// Reads once from an output stream; `false` if there was nothing or it is at its end.
    fn read_stream(&mut self, index: usize) -> bool {
        let stream = &mut self.streams[index];
        let Some(pipe) = &stream.pipe else {
            return false;
        };
        match rustix::io::read(pipe, &mut self.piece[..]) {
            Ok(count) if count > 0 => {
                let mut lines = Vec::new();
                stream
                    .lines
                    .push(&self.piece[..count], |line| lines.push(line));
                for line in lines {
                    self.line(index, line);
                }
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            _ => {
                stream.pipe = None;
                false
            }
        }
    }

    fn line(&mut self, index: usize, line: String) {
        let source = self.streams[index].source;
        let passes = self.allowance.admit(line.len(), Instant::now());
        if passes {
            self.report_dropped(source);
            self.report.output(source, line.clone());
        }
        self.tail.push(line);
    }

    fn report_dropped(&mut self, source: LogSource) {
        let dropped = self.allowance.take_dropped();
        if dropped > 0 {
            self.report
                .output(source, format!("{dropped} bytes dropped"));
        }
    }
}

/// Sees to it that a worker whose death was told ends, and waits for it.
fn see_off(shared: &Shared) {
    if shared.inquest.is_wanted() {
        shared.stop();
    }
    if shared.inquest.wait_over(LOOK).is_none() {
        shared.end_it();
        if shared.inquest.wait_over(BURIAL).is_none() {
            tracing::error!("a killed worker does not end; it is stuck in the kernel");
        }
    }
}
