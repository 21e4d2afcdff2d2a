//! MIDI output where the sound system sends at once: a thread that waits until a message is due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Instant;

use midir::MidiOutputConnection;
use plugpen_proto::Error;

use crate::alsa::connect_output;
use crate::clock::Clock;
use crate::meters::Meters;
use crate::midi_queue::{MidiReceiver, MidiSender, midi_queue};
use crate::system::PortChoice;

/// The thread and the port it sends to.
pub struct Post {
    shared: Arc<Shared>,
    outlet: Mutex<Option<MidiSender>>,
    meters: Arc<Meters>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    port: Mutex<Option<MidiOutputConnection>>,
    connected: AtomicBool,
    ending: AtomicBool,
}

/// Where the callback puts messages.
pub struct Outlet {
    messages: Option<MidiSender>,
    thread: Thread,
    shared: Arc<Shared>,
    meters: Arc<Meters>,
}

impl Outlet {
    /// Queues a message for this microsecond, if there is a port; says whether it is to be sent.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "microseconds since the start, never below 0"
    )]
    pub fn put(&mut self, due_us: f64, message: &[u8]) -> bool {
        if !self.shared.connected.load(Ordering::Acquire) {
            return false;
        }
        let due = due_us.max(0.0) as u64;
        let put = self
            .messages
            .as_mut()
            .is_some_and(|queue| queue.push(due, message));
        if !put {
            self.meters.drop_midi_out(1);
        }
        put
    }

    /// Wakes the thread: a futex at most.
    pub fn wake(&self) {
        self.thread.unpark();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Post {
    /// Starts the thread; there is no port yet.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(clock: Clock, meters: Arc<Meters>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            port: Mutex::new(None),
            connected: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        });
        let (sender, receiver) = midi_queue();
        let (its, dropped) = (shared.clone(), meters.clone());
        let thread = std::thread::Builder::new()
            .name("midi-out".into())
            .spawn(move || deliver(&its, receiver, clock, &dropped))?;
        Ok(Self {
            shared,
            outlet: Mutex::new(Some(sender)),
            meters,
            thread: Some(thread),
        })
    }

    /// The callback's side; there is one.
    pub fn outlet(&self) -> Outlet {
        Outlet {
            messages: lock(&self.outlet).take(),
            thread: self
                .thread
                .as_ref()
                .map_or_else(std::thread::current, |t| t.thread().clone()),
            shared: self.shared.clone(),
            meters: self.meters.clone(),
        }
    }

    /// Sends to this port from now on; returns its name.
    ///
    /// # Errors
    /// There is no such port, or it cannot be connected.
    pub fn connect(&self, choice: &PortChoice) -> Result<String, Error> {
        let (port, name) = connect_output(choice)?;
        *lock(&self.shared.port) = Some(port);
        self.shared.connected.store(true, Ordering::Release);
        Ok(name)
    }

    /// Whether there is a port.
    pub fn is_connected(&self) -> bool {
        self.shared.connected.load(Ordering::Acquire)
    }

    /// Sends to none.
    pub fn disconnect(&self) {
        self.shared.connected.store(false, Ordering::Release);
        *lock(&self.shared.port) = None;
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn deliver(shared: &Shared, mut messages: MidiReceiver, clock: Clock, meters: &Meters) {
    while !shared.ending.load(Ordering::Acquire) {
        let Some((due, message)) = messages.pop() else {
            std::thread::park();
            continue;
        };
        let due = clock.instant(due);
        while !shared.ending.load(Ordering::Acquire) {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
        let sent = lock(&shared.port).as_mut().map(|port| port.send(message));
        if !matches!(sent, Some(Ok(()))) {
            meters.drop_midi_out(1);
        }
    }
}
