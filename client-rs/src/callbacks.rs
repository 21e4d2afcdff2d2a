//! Runs the users' callbacks: one background thread a server, in order, with bounded queues.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use plugpen_proto::v1::{Death, ErrorReason, HostCallback, MemoryGrowth};

use crate::error::{self, Error, Result};

/// The plugin's latency changed (minihost's `MH_CHANGE_LATENCY`).
pub const CHANGE_LATENCY: u32 = 1;
/// Names, ranges or texts of parameters changed (`MH_CHANGE_PARAM_INFO`).
pub const CHANGE_PARAM_INFO: u32 = 2;
/// The current program changed (`MH_CHANGE_PROGRAM`).
pub const CHANGE_PROGRAM: u32 = 4;
/// State that no parameter shows changed (`MH_CHANGE_NON_PARAM_STATE`).
pub const CHANGE_NON_PARAM_STATE: u32 = 8;

/// Told of changes of the plugin as a whole, as a sum of the `CHANGE_` flags.
pub type ChangeCallback = Box<dyn Fn(u32) + Send + Sync>;
/// Told a parameter's index and new value, 0 to 1.
pub type ParamValueCallback = Box<dyn Fn(u32, f64) + Send + Sync>;
/// Told a parameter's index and whether a gesture begins (or ends).
pub type ParamGestureCallback = Box<dyn Fn(u32, bool) + Send + Sync>;
/// Told each call of a VST2 plugin to its host.
pub type HostCallbackObserver = Box<dyn Fn(&HostCallback) + Send + Sync>;

/// What becomes of a plugin's worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Life {
    /// It died.
    Died(Box<Death>),
    /// The plugin's restart policy brought it back, and it is what it was: the generation of the
    /// fresh worker.
    Restored(u64),
    /// Its policy gave it up, for this reason; [`Plugin::restart`](crate::Plugin::restart) tries
    /// again.
    GaveUp(String),
    /// Its memory grows towards its limit.
    MemoryGrowth(MemoryGrowth),
}

/// Told what becomes of a plugin's worker.
pub type LifeCallback = Box<dyn Fn(&Life) + Send + Sync>;

/// Told how many periods of a device were not the plugins' output so far, and why the latest:
/// "late", "dead", "device" or "broken".
pub type XrunCallback = Box<dyn Fn(u64, &str) + Send + Sync>;
/// Told each message that a MIDI input hears.
pub type MidiCallback = Box<dyn Fn(&[u8]) + Send + Sync>;

/// Calls of one plugin that may wait for the background thread; more are counted and dropped.
const PENDING: usize = 8192;

/// Something a callback is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    Change(u32),
    Value(u32, f64),
    Gesture(u32, bool),
    HostCall(HostCallback),
    Xruns(u64, String),
    Midi(Vec<u8>),
    Life(Life),
}

/// The callbacks of one plugin, device or MIDI input, and their counts.
#[derive(Default)]
pub(crate) struct Callbacks {
    change: Mutex<Option<Arc<ChangeCallback>>>,
    value: Mutex<Option<Arc<ParamValueCallback>>>,
    gesture: Mutex<Option<Arc<ParamGestureCallback>>>,
    host_call: Mutex<Option<Arc<HostCallbackObserver>>>,
    xruns: Mutex<Option<Arc<XrunCallback>>>,
    midi: Mutex<Option<Arc<MidiCallback>>>,
    life: Mutex<Option<Arc<LifeCallback>>>,
    pending: AtomicUsize,
    delivered: AtomicUsize,
    dropped: AtomicU64,
}

impl Callbacks {
    pub(crate) fn set_change(&self, callback: Option<ChangeCallback>) {
        *lock(&self.change) = callback.map(Arc::new);
    }

    pub(crate) fn set_value(&self, callback: Option<ParamValueCallback>) {
        *lock(&self.value) = callback.map(Arc::new);
    }

    pub(crate) fn set_gesture(&self, callback: Option<ParamGestureCallback>) {
        *lock(&self.gesture) = callback.map(Arc::new);
    }

    pub(crate) fn set_host_call(&self, observer: Option<HostCallbackObserver>) {
        *lock(&self.host_call) = observer.map(Arc::new);
    }

    pub(crate) fn set_xruns(&self, callback: Option<XrunCallback>) {
        *lock(&self.xruns) = callback.map(Arc::new);
    }

    pub(crate) fn set_midi(&self, callback: Option<MidiCallback>) {
        *lock(&self.midi) = callback.map(Arc::new);
    }

    pub(crate) fn set_life(&self, callback: Option<LifeCallback>) {
        *lock(&self.life) = callback.map(Arc::new);
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.set_change(None);
        self.set_value(None);
        self.set_gesture(None);
        self.set_host_call(None);
        self.set_xruns(None);
        self.set_midi(None);
        self.set_life(None);
    }

    /// Counts calls that were lost on their way.
    pub(crate) fn add_dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Calls lost so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Calls made since this was last asked.
    pub(crate) fn take_delivered(&self) -> usize {
        self.delivered.swap(0, Ordering::Relaxed)
    }

    fn wants(&self, news: &News) -> bool {
        match news {
            News::Change(_) => lock(&self.change).is_some(),
            News::Value(..) => lock(&self.value).is_some(),
            News::Gesture(..) => lock(&self.gesture).is_some(),
            News::HostCall(_) => lock(&self.host_call).is_some(),
            News::Xruns(..) => lock(&self.xruns).is_some(),
            News::Midi(_) => lock(&self.midi).is_some(),
            News::Life(_) => lock(&self.life).is_some(),
        }
    }

    /// Calls the callback, without a lock held: it may set callbacks itself.
    fn deliver(&self, news: &News) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
        let call = AssertUnwindSafe(|| match news {
            News::Change(flags) => {
                let callback = lock(&self.change).clone();
                callback.map(|callback| callback(*flags))
            }
            News::Value(index, value) => {
                let callback = lock(&self.value).clone();
                callback.map(|callback| callback(*index, *value))
            }
            News::Gesture(index, is_begin) => {
                let callback = lock(&self.gesture).clone();
                callback.map(|callback| callback(*index, *is_begin))
            }
            News::HostCall(call) => {
                let observer = lock(&self.host_call).clone();
                observer.map(|observer| observer(call))
            }
            News::Xruns(count, cause) => {
                let callback = lock(&self.xruns).clone();
                callback.map(|callback| callback(*count, cause))
            }
            News::Midi(message) => {
                let callback = lock(&self.midi).clone();
                callback.map(|callback| callback(message))
            }
            News::Life(life) => {
                let callback = lock(&self.life).clone();
                callback.map(|callback| callback(life))
            }
        });
        match catch_unwind(call) {
            Ok(None) => {}
            Ok(Some(())) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
                tracing::error!(?news, "a callback panicked");
            }
        }
    }
}

/// The background thread and its queue. The thread starts with the first call to be made and ends
/// when the dispatcher is closed or dropped.
#[derive(Default)]
pub(crate) struct Dispatcher(Arc<Line>);

#[derive(Default)]
struct Line {
    queue: Mutex<Queue>,
    moved: Condvar,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<(Arc<Callbacks>, News)>,
    put: u64,
    finished: u64,
    closed: bool,
    thread: Option<ThreadId>,
}

impl Dispatcher {
    /// Queues a call, if there is a callback for it.
    pub(crate) fn push(&self, callbacks: &Arc<Callbacks>, news: News) {
        if !callbacks.wants(&news) {
            return;
        }
        let mut queue = lock(&self.0.queue);
        if queue.closed {
            return;
        }
        if callbacks.pending.load(Ordering::Relaxed) >= PENDING {
            callbacks.add_dropped(1);
            return;
        }
        if queue.thread.is_none() && !self.start(&mut queue) {
            callbacks.add_dropped(1);
            return;
        }
        callbacks.pending.fetch_add(1, Ordering::Relaxed);
        queue.calls.push_back((callbacks.clone(), news));
        queue.put += 1;
        self.0.moved.notify_all();
    }

    /// Waits until every call queued so far has been made.
    ///
    /// # Errors
    /// `WrongState` from within a callback, which would wait for itself; `TimedOut`.
    pub(crate) fn settle(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let mut queue = lock(&self.0.queue);
        if queue.thread == Some(thread::current().id()) {
            return Err(Error::new(
                ErrorReason::WrongState,
                "poll_callbacks() was called from within a callback, which would wait for itself",
            ));
        }
        let goal = queue.put;
        while queue.finished < goal && !queue.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error::timed_out("a callback", timeout.as_secs_f64()));
            }
            queue = self
                .0
                .moved
                .wait_timeout(queue, left)
                .unwrap_or_else(|e| e.into_inner())
                .0;
        }
        Ok(())
    }

    /// Drops what is queued and ends the thread after the call it is making.
    pub(crate) fn close(&self) {
        let mut queue = lock(&self.0.queue);
        queue.closed = true;
        queue.calls.clear();
        self.0.moved.notify_all();
    }

    fn start(&self, queue: &mut Queue) -> bool {
        let line = self.0.clone();
        let thread = thread::Builder::new()
            .name("plugpen-callbacks".into())
            .spawn(move || line.run());
        match thread {
            Ok(thread) => queue.thread = Some(thread.thread().id()),
            Err(e) => tracing::error!("cannot start the thread for callbacks: {e}"),
        }
        queue.thread.is_some()
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.close();
    }
}

impl Line {
    fn run(&self) {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return;
            }
            let Some((callbacks, news)) = queue.calls.pop_front() else {
                queue = self.moved.wait(queue).unwrap_or_else(|e| e.into_inner());
                continue;
            };
            drop(queue);
            callbacks.deliver(&news);
            drop(callbacks);
            queue = lock(&self.queue);
            queue.finished += 1;
            self.moved.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn calls_come_in_order_and_are_counted() {
        let (dispatcher, callbacks) = (Dispatcher::default(), Arc::new(Callbacks::default()));
        let (sender, receiver) = mpsc::channel();
        let values = sender.clone();
        callbacks.set_value(Some(Box::new(move |index, value| {
            values.send(News::Value(index, value)).unwrap();
        })));
        callbacks.set_gesture(Some(Box::new(move |index, is_begin| {
            sender.send(News::Gesture(index, is_begin)).unwrap();
        })));
        let news = [
            News::Gesture(3, true),
            News::Value(3, 0.5),
            News::Gesture(3, false),
        ];
        for news in news.clone() {
            dispatcher.push(&callbacks, news);
        }
        dispatcher.push(&callbacks, News::Change(CHANGE_LATENCY));
        dispatcher.settle(PATIENCE).unwrap();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), news);
        assert_eq!(callbacks.take_delivered(), 3);
        assert_eq!(callbacks.take_delivered(), 0);
    }

    #[test]
    fn a_panic_in_a_callback_does_not_end_the_thread() {
        let (dispatcher, callbacks) = (Dispatcher::default(), Arc::new(Callbacks::default()));
        callbacks.set_change(Some(Box::new(|flags| assert_eq!(flags, 2, "as intended"))));
        dispatcher.push(&callbacks, News::Change(1));
        dispatcher.push(&callbacks, News::Change(2));
        dispatcher.settle(PATIENCE).unwrap();
        assert_eq!(callbacks.take_delivered(), 2);
    }

    #[test]
    fn waiting_within_a_callback_is_refused() {
        let (dispatcher, callbacks) = (Arc::new(Dispatcher::default()), Arc::default());
        let (sender, receiver) = mpsc::channel();
        let inner = dispatcher.clone();
        Callbacks::set_change(
            &callbacks,
            Some(Box::new(move |_| {
                sender.send(inner.settle(PATIENCE)).unwrap()
            })),
        );
        dispatcher.push(&callbacks, News::Change(1));
        let refused = receiver.recv_timeout(PATIENCE).unwrap().unwrap_err();
        assert_eq!(refused.reason, ErrorReason::WrongState);
        callbacks.clear();
    }

    #[test]
    fn a_full_queue_counts_what_it_drops() {
        let (dispatcher, callbacks) = (Dispatcher::default(), Arc::new(Callbacks::default()));
        let (entered, waiting) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        callbacks.set_change(Some(Box::new(move |flags| {
            if flags == 0 {
                entered.send(()).unwrap();
                let _ = released.lock().unwrap().recv();
            }
        })));
        dispatcher.push(&callbacks, News::Change(0));
        waiting.recv_timeout(PATIENCE).unwrap();
        for _ in 0..PENDING + 5 {
            dispatcher.push(&callbacks, News::Change(1));
        }
        assert_eq!(callbacks.dropped(), 5);
        drop(release);
        dispatcher.settle(PATIENCE).unwrap();
        assert_eq!(callbacks.take_delivered(), PENDING + 1);
    }
}
