//! Timers and descriptors that a plugin wants served on the main thread (Linux has no message
//! loop that everybody could share).

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vst3::ComPtr;
use vst3::ComRef;
use vst3::Steinberg::Linux::{
    FileDescriptor, IEventHandler, IEventHandlerTrait, ITimerHandler, ITimerHandlerTrait,
    TimerInterval,
};
use vst3::Steinberg::{kInvalidArgument, kOutOfMemory, kResultFalse, kResultOk, tresult};

use crate::formats::{Notices, fpu};

/// Timers, and descriptors, at most.
const MOST: usize = 256;
/// A timer that wants to run more often is called this often.
const SHORTEST: Duration = Duration::from_millis(5);
/// One that wants to wait longer than a day is called once a day: no clock ends before that.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// How often descriptors are looked at.
const LOOK: Duration = Duration::from_millis(20);

struct Timer {
    handler: ComPtr<ITimerHandler>,
    every: Duration,
    due: Instant,
}

struct Watch {
    handler: ComPtr<IEventHandler>,
    descriptor: FileDescriptor,
}

/// Who wants to be called.
pub struct RunLoop {
    /// Wake the main thread, which sleeps until what it knows of is due.
    notices: Arc<Notices>,
    timers: Mutex<Vec<Timer>>,
    watches: Mutex<Vec<Watch>>,
}

impl RunLoop {
    /// Nobody yet.
    pub fn new(notices: Arc<Notices>) -> Self {
        Self {
            notices,
            timers: Mutex::default(),
            watches: Mutex::default(),
        }
    }

    /// # Safety
    /// Null, or an object of the plugin.
    pub unsafe fn add_timer(&self, handler: *mut ITimerHandler, every: TimerInterval) -> tresult {
        // SAFETY: the caller's promise.
        let Some(handler) = (unsafe { ComRef::from_raw(handler) }) else {
            return kInvalidArgument;
        };
        let every = Duration::from_millis(every).clamp(SHORTEST, LONGEST);
        let mut timers = self.timers.lock().unwrap_or_else(|e| e.into_inner());
        if timers.len() >= MOST {
            return kOutOfMemory;
        }
        timers.push(Timer {
            handler: handler.to_com_ptr(),
            every,
            due: Instant::now() + every,
        });
        drop(timers);
        self.notices.stir();
        kResultOk
    }

    /// Forgets a timer's handler.
    pub fn remove_timer(&self, handler: *mut ITimerHandler) -> tresult {
        let mut timers = self.timers.lock().unwrap_or_else(|e| e.into_inner());
        let gone = timers.extract_if(.., |timer| timer.handler.as_ptr() == handler);
        let gone: Vec<Timer> = gone.collect();
        drop(timers);
        if gone.is_empty() {
            kResultFalse
        } else {
            kResultOk
        }
    }

    /// # Safety
    /// Null, or an object of the plugin.
    pub unsafe fn add_watch(
        &self,
        handler: *mut IEventHandler,
        descriptor: FileDescriptor,
    ) -> tresult {
        // SAFETY: the caller's promise.
        let Some(handler) = (unsafe { ComRef::from_raw(handler) }) else {
            return kInvalidArgument;
        };
        if descriptor < 0 {
            return kInvalidArgument;
        }
        let mut watches = self.watches.lock().unwrap_or_else(|e| e.into_inner());
        if watches.len() >= MOST {
            return kOutOfMemory;
        }
        watches.push(Watch {
            handler: handler.to_com_ptr(),
            descriptor,
        });
        drop(watches);
        self.notices.stir();
        kResultOk
    }

    /// Forgets a handler's descriptors.
    pub fn remove_watch(&self, handler: *mut IEventHandler) -> tresult {
        let mut watches = self.watches.lock().unwrap_or_else(|e| e.into_inner());
        let gone = watches.extract_if(.., |watch| watch.handler.as_ptr() == handler);
        let gone: Vec<Watch> = gone.collect();
        drop(watches);
        if gone.is_empty() {
            kResultFalse
        } else {
            kResultOk
        }
    }

    /// Calls what is due. Main thread. Returns when to come again at the latest.
    pub fn serve(&self) -> Option<Duration> {
        self.serve_timers();
        self.serve_watches();
        let timers = self.timers.lock().unwrap_or_else(|e| e.into_inner());
        let now = Instant::now();
        let next = timers
            .iter()
            .map(|timer| timer.due.saturating_duration_since(now))
            .min();
        let watches = self.watches.lock().unwrap_or_else(|e| e.into_inner());
        let look = (!watches.is_empty()).then_some(LOOK);
        next.into_iter().chain(look).min()
    }

    fn serve_timers(&self) {
        let now = Instant::now();
        // One at a time: a handler may add and remove timers, and one that is removed may be gone.
        while let Some(handler) = self.next_due(now) {
            // SAFETY: an object of the plugin that we hold.
            fpu::guarded(|| unsafe { handler.onTimer() });
        }
    }

    /// The handler of a timer that is due at an instant; it is then due later.
    fn next_due(&self, now: Instant) -> Option<ComPtr<ITimerHandler>> {
        let mut timers = self.timers.lock().unwrap_or_else(|e| e.into_inner());
        let timer = timers.iter_mut().find(|timer| timer.due <= now)?;
        timer.due = now + timer.every;
        Some(timer.handler.clone())
    }

    fn serve_watches(&self) {
        let watches = self.watches.lock().unwrap_or_else(|e| e.into_inner());
        let ready: Vec<_> = watches
            .iter()
            .filter(|watch| is_ready(watch.descriptor))
            .map(|watch| (watch.handler.as_ptr(), watch.descriptor))
            .collect();
        drop(watches);
        for (handler, descriptor) in ready {
            if let Some(handler) = self.watching(handler, descriptor) {
                // SAFETY: an object of the plugin that we hold.
                fpu::guarded(|| unsafe { handler.onFDIsSet(descriptor) });
            }
        }
    }

    /// A handler, unless it has been removed meanwhile by another.
    fn watching(
        &self,
        handler: *mut IEventHandler,
        descriptor: FileDescriptor,
    ) -> Option<ComPtr<IEventHandler>> {
        let watches = self.watches.lock().unwrap_or_else(|e| e.into_inner());
        let mut all = watches.iter();
        let same =
            |watch: &&Watch| watch.handler.as_ptr() == handler && watch.descriptor == descriptor;
        Some(all.find(same)?.handler.clone())
    }
}

fn is_ready(descriptor: FileDescriptor) -> bool {
    // SAFETY: used for one poll, which says so where the plugin has closed it.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let mut asked = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut asked, Some(&at_once)).is_ok()
        && asked[0]
            .revents()
            .intersects(PollFlags::IN | PollFlags::HUP)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicI32, Ordering};

    use vst3::{Class, ComWrapper};

    use super::*;

    #[derive(Default)]
    struct Called(AtomicI32);

    impl Class for Called {
        type Interfaces = (ITimerHandler, IEventHandler);
    }

    impl ITimerHandlerTrait for Called {
        unsafe fn onTimer(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl IEventHandlerTrait for Called {
        unsafe fn onFDIsSet(&self, descriptor: FileDescriptor) {
            self.0.store(descriptor, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_timer_is_called_when_it_is_due_until_it_is_removed() {
        let called = ComWrapper::new(Called::default());
        let handler = called.to_com_ptr::<ITimerHandler>().unwrap();
        let notices = Arc::new(Notices::new());
        let run_loop = RunLoop::new(Arc::clone(&notices));
        assert_eq!(run_loop.serve(), None);
        // SAFETY: an object of this test, and null.
        unsafe {
            assert_eq!(run_loop.add_timer(handler.as_ptr(), 0), kResultOk);
            assert_ne!(run_loop.add_timer(std::ptr::null_mut(), 0), kResultOk);
        }
        assert!(notices.pending(), "whoever serves it looks when");
        while called.0.load(Ordering::Relaxed) == 0 {
            let next = run_loop.serve().unwrap();
            assert!(next <= SHORTEST);
            std::thread::yield_now();
        }
        assert_eq!(run_loop.remove_timer(handler.as_ptr()), kResultOk);
        assert_ne!(run_loop.remove_timer(handler.as_ptr()), kResultOk);
        assert_eq!(run_loop.serve(), None);
        // SAFETY: an object of this test.
        let added = unsafe { run_loop.add_timer(handler.as_ptr(), u64::MAX) };
        assert_eq!(added, kResultOk, "however long it wants to wait");
        let next = run_loop.serve().unwrap();
        assert!(next > LOOK && next <= LONGEST);
    }

    #[test]
    fn a_descriptor_is_told_when_it_can_be_read() {
        let called = ComWrapper::new(Called::default());
        let handler = called.to_com_ptr::<IEventHandler>().unwrap();
        let notices = Arc::new(Notices::new());
        let run_loop = RunLoop::new(Arc::clone(&notices));
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        // SAFETY: an object of this test.
        unsafe {
            let number = reader.as_raw_fd();
            assert_eq!(run_loop.add_watch(handler.as_ptr(), number), kResultOk);
            assert_ne!(run_loop.add_watch(handler.as_ptr(), -1), kResultOk);
        }
        assert!(notices.pending());
        assert_eq!(run_loop.serve(), Some(LOOK));
        assert_eq!(called.0.load(Ordering::Relaxed), 0);
        rustix::io::write(&writer, b"x").unwrap();
        run_loop.serve();
        assert_eq!(called.0.load(Ordering::Relaxed), reader.as_raw_fd());
        assert_eq!(run_loop.remove_watch(handler.as_ptr()), kResultOk);
        assert_eq!(run_loop.serve(), None);
    }
}
