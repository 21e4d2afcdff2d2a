//! Looks at a worker that dies, from outside, before the kernel takes its memory back.
//!
//! A thread of its own for each worker, because ptrace belongs to a thread, and what happens to a
//! traced process is told by wait(2) alone, which cannot be waited for together with descriptors.
//! It sleeps in that call for as long as the worker is well. Nothing of it is inside the worker: a
//! plugin that blocks signals, ignores them or closes every descriptor dies no less visibly.
//!
//! 1. The worker is seized right after it was executed, and its threads as they are made.
//! 2. A signal stops it. One that a handler takes is passed on. One that will end it is announced
//!    to the watching thread, which tells those who wait.
//! 3. Then the other threads are stopped and a minidump is made, and then the worker is killed.
//! 4. A worker that calls `exit` stops once more on its way out, and is looked at there.
//! 5. For a worker that hangs, the watching thread announces the death and sends SIGSTOP, which no
//!    plugin can block: this thread wakes up, and goes on with 3.
//!
//! When this thread ends, however that comes, the kernel kills the worker.

mod dump;
mod inquest;
mod process;
mod ptrace;
mod registers;
mod signal;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use inquest::Capture;
pub(crate) use inquest::{Dying, Inquest};

use crate::end::{ExitStatus, Fault};
use crate::warden::Shared;
use process::{Disposition, Maps, Memory};
use ptrace::Stop;
use registers::Registers;
use signal::SignalInfo;

/// How long the watching thread may take to tell of a death. It does so at once.
const PUBLISH: Duration = Duration::from_millis(200);

/// One worker under trace.
pub(crate) struct Tracer {
    pid: i32,
    shared: Arc<Shared>,
    threads: BTreeMap<i32, Thread>,
}

/// What is known of a thread.
#[derive(Default)]
struct Thread {
    is_stopped: bool,
    /// The last fault that a handler of the process took, and where the thread was.
    earlier: Option<(SignalInfo, Registers)>,
}

/// The thread that a signal ends the worker by.
struct Blamed {
    tid: i32,
    info: SignalInfo,
    registers: Option<Registers>,
}

/// Whether there is more to wait for.
enum Next {
    More,
    Over(Option<ExitStatus>),
}

impl Tracer {
    /// Seizes a worker and traces it to its end. The whole life of the calling thread.
    pub(crate) fn run(pid: i32, shared: Arc<Shared>) {
        let mut tracer = Self {
            pid,
            shared,
            threads: BTreeMap::new(),
        };
        let seized = tracer.seize();
        let is_seized = seized.is_ok();
        let traced = seized.map_err(|error| error.to_string());
        tracer.shared.inquest.set_traced(traced);
        if !is_seized {
            return;
        }
        let status = loop {
            let Some((tid, stop)) = ptrace::wait() else {
                break None;
            };
            if let Next::Over(status) = tracer.follow(tid, stop) {
                break status;
            }
        };
        tracer.shared.inquest.set_over(status);
    }

    /// Threads that a seized thread makes are seized by the kernel; those it made before, here.
    fn seize(&mut self) -> io::Result<()> {
        ptrace::seize(self.pid)?;
        self.threads.insert(self.pid, Thread::default());
        loop {
            let mut found = false;
            for tid in process::threads(self.pid) {
                if !self.threads.contains_key(&tid) && ptrace::seize(tid).is_ok() {
                    self.threads.insert(tid, Thread::default());
                    found = true;
                }
            }
            if !found {
                return Ok(());
            }
        }
    }

    fn follow(&mut self, tid: i32, stop: Stop) -> Next {
        match stop {
            Stop::Exited(_) | Stop::Killed(_) => return self.gone(tid, stop),
            _ if self.shared.inquest.is_wanted() => {
                self.note_stop(tid);
                return self.investigate(None);
            }
            Stop::Signal(signal) => {
                if let Some(info) = self.deadly(tid, signal) {
                    return self.dies(tid, info);
                }
                self.pass_on(tid, signal);
                let _ = ptrace::resume(tid, signal);
            }
            Stop::Exiting => self.exits(tid),
            Stop::Suspended => {
                let _ = ptrace::listen(tid);
            }
            Stop::Cloned | Stop::Trapped => {
                self.threads.entry(tid).or_default();
                let _ = ptrace::resume(tid, 0);
            }
        }
        Next::More
    }

    fn gone(&mut self, tid: i32, stop: Stop) -> Next {
        self.threads.remove(&tid);
        match stop {
            Stop::Exited(code) if tid == self.pid => Next::Over(Some(ExitStatus::Exited(code))),
            Stop::Killed(signal) if tid == self.pid => {
                Next::Over(Some(ExitStatus::Signaled(signal)))
            }
            _ => Next::More,
        }
    }

    fn note_stop(&mut self, tid: i32) {
        self.threads.entry(tid).or_default().is_stopped = true;
    }

    /// What is known of a signal that will end the worker.
    fn deadly(&self, tid: i32, signal: i32) -> Option<SignalInfo> {
        if !signal::is_deadly(signal) {
            return None;
        }
        match process::disposition(self.pid, tid, signal)? {
            Disposition::Default => ptrace::signal_info(tid).ok(),
            Disposition::Handled | Disposition::Ignored => None,
        }
    }

    /// Remembers a fault that a handler takes: it may be what the worker dies of in the end.
    fn pass_on(&mut self, tid: i32, signal: i32) {
        if !matches!(
            signal,
            libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE
        ) {
            return;
        }
        let info = ptrace::signal_info(tid).ok().filter(SignalInfo::is_fault);
        let earlier = info.zip(ptrace::registers(tid).ok());
        self.threads.entry(tid).or_default().earlier = earlier;
    }

    fn fault(info: SignalInfo, registers: Option<&Registers>, maps: &Maps) -> Fault {
        let registers = registers.filter(|_| info.is_fault());
        Fault {
            signal: info.signal,
            code: info.code,
            address: info.address(),
            system_call: info.system_call(),
            place: registers.and_then(|r| maps.place(r.instruction_pointer())),
            stack_overflow: info.address().is_some_and(|address| {
                registers.is_some_and(|r| is_overflow(address, r.stack_pointer(), maps))
            }),
            earlier: None,
        }
    }

    fn announce(&self, status: ExitStatus, fault: Option<Fault>) {
        if self.shared.inquest.announce(Dying { status, fault }) {
            self.shared.ring();
        }
        self.shared.inquest.wait_published(PUBLISH);
    }

    /// A signal is about to end the worker.
    fn dies(&mut self, tid: i32, info: SignalInfo) -> Next {
        self.note_stop(tid);
        let earlier = self.threads.get_mut(&tid).and_then(|t| t.earlier.take());
        let maps = match info.is_fault() || earlier.is_some() {
            true => Maps::read(self.pid),
            false => Maps::default(),
        };
        let registers = ptrace::registers(tid).ok();
        let mut fault = Self::fault(info, registers.as_ref(), &maps);
        let looked_at = earlier.clone();
        let earlier = earlier.map(|(info, registers)| Self::fault(info, Some(&registers), &maps));
        // The same once more is what a handler that gave up leaves behind.
        let is_news =
            |earlier: &Fault| (earlier.signal, earlier.address) != (fault.signal, fault.address);
        fault.earlier = earlier.filter(is_news).map(Box::new);
        // What a stack that ended held is told by the thread as it was then: the handler has a
        // stack of its own, and nobody can go back from there.
        let overflowed = fault.earlier.as_ref().is_some_and(|f| f.stack_overflow);
        let blamed = match looked_at.filter(|_| overflowed) {
            Some((info, registers)) => Blamed {
                tid,
                info,
                registers: Some(registers),
            },
            None => Blamed {
                tid,
                info,
                registers,
            },
        };
        self.announce(ExitStatus::Signaled(info.signal), Some(fault));
        self.investigate(Some(blamed))
    }

    /// A thread is about to end, perhaps with the whole process.
    fn exits(&mut self, tid: i32) {
        let status = ptrace::exit_status(tid).unwrap_or(0);
        let registers = ptrace::registers(tid).ok();
        let call = registers.as_ref().map_or(-1, Registers::system_call);
        let alone = libc::WIFEXITED(status) && call == libc::SYS_exit;
        if !alone && self.threads.contains_key(&tid) {
            let status = match libc::WIFEXITED(status) {
                true => ExitStatus::Exited(libc::WEXITSTATUS(status)),
                false => ExitStatus::Signaled(libc::WTERMSIG(status)),
            };
            self.announce(status, None);
            let began = Instant::now();
            // Whoever called exit, or what a filter refused, is still there with its stack.
            let by_itself = match status {
                ExitStatus::Exited(_) => call == libc::SYS_exit_group,
                ExitStatus::Signaled(signal) => signal != libc::SIGKILL,
                ExitStatus::Unknown => false,
            };
            if by_itself
                && let Some(registers) = registers
                && !self.shared.inquest.has_capture()
                && !self.is_closed()
            {
                let threads = [dump::Thread { tid, registers }];
                self.keep(&threads, None, began);
            }
        }
        let _ = ptrace::resume(tid, 0);
    }

    fn is_closed(&self) -> bool {
        let cause = crate::warden::lock(&self.shared.cause);
        *cause == Some(crate::end::KillCause::Closed)
    }

    /// Stops all threads, keeps what they do, kills the worker and waits for its end.
    fn investigate(&mut self, blamed: Option<Blamed>) -> Next {
        let began = Instant::now();
        self.shared.inquest.wait_published(PUBLISH);
        if let Next::Over(status) = self.stop_all() {
            return Next::Over(status);
        }
        let mut tids: Vec<i32> = self.threads.keys().copied().collect();
        let is_blamed = |tid: i32| blamed.as_ref().is_some_and(|blamed| blamed.tid == tid);
        tids.sort_by_key(|tid| (!is_blamed(*tid), *tid != self.pid, *tid));
        let registers = |tid| {
            let kept = blamed.as_ref().filter(|_| is_blamed(tid));
            let kept = kept.and_then(|blamed| blamed.registers.clone());
            kept.or_else(|| ptrace::registers(tid).ok())
        };
        let threads: Vec<dump::Thread> = tids
            .into_iter()
            .filter_map(|tid| {
                Some(dump::Thread {
                    tid,
                    registers: registers(tid)?,
                })
            })
            .collect();
        self.keep(&threads, blamed.map(|blamed| blamed.info), began);
        self.shared.end_it();
        for (tid, thread) in &self.threads {
            if thread.is_stopped {
                let _ = ptrace::resume(*tid, 0);
            }
        }
        loop {
            let Some((tid, stop)) = ptrace::wait() else {
                return Next::Over(None);
            };
            match self.gone_or_on(tid, stop) {
                Next::More => {}
                over => return over,
            }
        }
    }

    fn gone_or_on(&mut self, tid: i32, stop: Stop) -> Next {
        if matches!(stop, Stop::Exited(_) | Stop::Killed(_)) {
            return self.gone(tid, stop);
        }
        let _ = ptrace::resume(tid, 0);
        Next::More
    }

    /// The watching thread kills a worker that takes too long to stop.
    fn stop_all(&mut self) -> Next {
        loop {
            for tid in process::threads(self.pid) {
                if !self.threads.contains_key(&tid) && ptrace::seize(tid).is_ok() {
                    self.threads.insert(tid, Thread::default());
                }
            }
            let running = self.threads.iter().filter(|(_, thread)| !thread.is_stopped);
            let running: Vec<i32> = running.map(|(tid, _)| *tid).collect();
            if running.is_empty() {
                return Next::More;
            }
            for tid in running {
                if ptrace::interrupt(tid).is_err() {
                    // It has ended; its last word comes, or came before we had it.
                    self.threads.remove(&tid);
                }
            }
            while self.threads.values().any(|thread| !thread.is_stopped) {
                let Some((tid, stop)) = ptrace::wait() else {
                    return Next::Over(None);
                };
                match stop {
                    Stop::Exited(_) | Stop::Killed(_) => {
                        if let Next::Over(status) = self.gone(tid, stop) {
                            return Next::Over(status);
                        }
                    }
                    _ => self.note_stop(tid),
                }
            }
        }
    }

    fn keep(&self, threads: &[dump::Thread], signal: Option<SignalInfo>, began: Instant) {
        let minidump = dump::write(&dump::Subject {
            pid: self.pid,
            maps: &Maps::read(self.pid),
            memory: &Memory::of(self.pid),
            threads,
            signal,
        });
        let took = began.elapsed();
        self.shared.inquest.set_capture(Capture { minidump, took });
    }
}

/// Whether a fault is one of a stack that ended: beside the stack pointer, where nothing can be
/// written.
fn is_overflow(address: u64, stack_pointer: u64, maps: &Maps) -> bool {
    const NEAR: u64 = 1 << 20;
    address.abs_diff(stack_pointer) < NEAR
        && maps
            .at(address)
            .is_none_or(|mapping| !mapping.readable && mapping.path.is_empty())
}
