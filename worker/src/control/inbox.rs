//! Calls on their way from the I/O thread to the main thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::thread::Thread;

use plugpen_channel::Incoming;

/// Calls that wait; beyond them the daemon has to.
const ROOM: usize = 256;

/// A bounded queue with one producer (I/O) and one consumer (main), which it wakes.
pub struct Inbox {
    queue: Mutex<VecDeque<Incoming>>,
    taken: Condvar,
    main: Thread,
}

impl Inbox {
    /// An inbox for the calling thread.
    pub fn new() -> Self {
        Self {
            queue: Mutex::default(),
            taken: Condvar::new(),
            main: std::thread::current(),
        }
    }

    /// Adds a call; waits while the inbox is full, which stops the reading and so the daemon.
    pub fn put(&self, incoming: Incoming) {
        let mut queue = self.queue.lock().unwrap_or_else(|e| e.into_inner());
        while queue.len() >= ROOM {
            queue = self.taken.wait(queue).unwrap_or_else(|e| e.into_inner());
        }
        queue.push_back(incoming);
        drop(queue);
        self.main.unpark();
    }

    /// The oldest call, if there is one.
    pub fn take(&self) -> Option<Incoming> {
        let mut queue = self.queue.lock().unwrap_or_else(|e| e.into_inner());
        let incoming = queue.pop_front();
        self.taken.notify_one();
        incoming
    }
}
