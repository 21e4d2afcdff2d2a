//! The worker extension: work that a plugin may not do while it processes, in a thread beside.
//!
//! Offline (`non_realtime`) and while a state is restored, work is done at once on the thread
//! that asks: the result is then the same on every machine.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::{JoinHandle, Thread};

use lv2_sys::{
    LV2_Handle, LV2_Worker_Interface, LV2_Worker_Schedule, LV2_Worker_Status,
    LV2_Worker_Status_LV2_WORKER_ERR_NO_SPACE, LV2_Worker_Status_LV2_WORKER_ERR_UNKNOWN,
    LV2_Worker_Status_LV2_WORKER_SUCCESS,
};

use crate::formats::{door, fpu};

/// Bytes of requests and of responses that can wait.
const ROOM: usize = 256 * 1024;

/// One plugin's work, for the life of the process.
pub struct Work {
    interface: AtomicPtr<LV2_Worker_Interface>,
    instance: AtomicPtr<c_void>,
    requests: Messages,
    responses: Messages,
    synchronous: AtomicBool,
    /// One thread works at a time, so that there is one writer of responses.
    working: Mutex<()>,
    thread: OnceLock<Thread>,
    stopping: AtomicBool,
}

impl Work {
    /// No plugin yet; requests are refused until [`Work::start`].
    pub fn new() -> Self {
        Self {
            interface: AtomicPtr::default(),
            instance: AtomicPtr::default(),
            requests: Messages::new(ROOM),
            responses: Messages::new(ROOM),
            synchronous: AtomicBool::new(false),
            working: Mutex::new(()),
            thread: OnceLock::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// The feature for the plugin.
    pub fn feature(&'static self) -> LV2_Worker_Schedule {
        LV2_Worker_Schedule {
            handle: std::ptr::from_ref(self).cast_mut().cast(),
            schedule_work: Some(schedule),
        }
    }

    /// Takes the plugin's side and starts the thread. Returns what has to be joined before the
    /// plugin is unloaded.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(
        &'static self,
        interface: *const LV2_Worker_Interface,
        instance: LV2_Handle,
    ) -> std::io::Result<Option<JoinHandle<()>>> {
        if interface.is_null() {
            return Ok(None);
        }
        self.instance.store(instance, Ordering::Release);
        self.interface
            .store(interface.cast_mut(), Ordering::Release);
        let handle = std::thread::Builder::new()
            .name("lv2-worker".into())
            .stack_size(crate::audio::PLUGIN_STACK)
            .spawn(|| {
                let _guard = crate::AbortOnPanic;
                self.serve();
            })?;
        // Set once: a process has one plugin.
        let _ = self.thread.set(handle.thread().clone());
        Ok(Some(handle))
    }

    /// Ends the thread after the work at hand.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Whether requests are carried out at once by whoever makes them. Returns how it was.
    pub fn set_synchronous(&self, synchronous: bool) -> bool {
        self.synchronous.swap(synchronous, Ordering::AcqRel)
    }

    /// Hands responses to the plugin and ends its run. Called where `run` may be called, after
    /// it. `message` is the caller's room for one response.
    pub fn deliver(&self, message: &mut Message) {
        let Some(interface) = self.interface() else {
            return;
        };
        let instance = self.instance.load(Ordering::Acquire);
        while let Some(size) = self.responses.pop(message) {
            if let Some(respond) = interface.work_response {
                // SAFETY: the instance belongs to the interface; the message is whole and
                // aligned; the caller is in the plugin's audio context.
                fpu::guarded(|| unsafe { respond(instance, size, message.as_ptr()) });
            }
        }
        if let Some(end) = interface.end_run {
            // SAFETY: as above.
            fpu::guarded(|| unsafe { end(instance) });
        }
    }

    fn serve(&self) {
        let mut message = Message::new(ROOM);
        while !self.stopping.load(Ordering::Acquire) {
            match self.requests.pop(&mut message) {
                Some(size) => {
                    self.work(size, message.as_ptr());
                }
                None => std::thread::park(),
            }
        }
    }

    /// Lets the plugin work; waits for work going on elsewhere.
    fn work(&self, size: u32, data: *const c_void) -> LV2_Worker_Status {
        let _alone = self.working.lock().unwrap_or_else(|e| e.into_inner());
        let Some(work) = self.interface().and_then(|interface| interface.work) else {
            return LV2_Worker_Status_LV2_WORKER_ERR_UNKNOWN;
        };
        let instance = self.instance.load(Ordering::Acquire);
        let handle = std::ptr::from_ref(self).cast_mut().cast();
        // SAFETY: the instance belongs to the interface, the data is the plugin's own message;
        // the lock keeps this the only call of `work`.
        fpu::guarded(|| unsafe { work(instance, Some(respond), handle, size, data) })
    }

    fn interface(&self) -> Option<&LV2_Worker_Interface> {
        // SAFETY: null, or the plugin's static interface; the plugin stays loaded while any
        // thread can come here (`stop` and join come first).
        unsafe { self.interface.load(Ordering::Acquire).as_ref() }
    }
}

unsafe extern "C" fn schedule(
    handle: *mut c_void,
    size: u32,
    data: *const c_void,
) -> LV2_Worker_Status {
    let failed = LV2_Worker_Status_LV2_WORKER_ERR_UNKNOWN;
    // SAFETY: the handle is the one of `feature`: a `Work` that lives as long as the process.
    unsafe {
        door::enter("worker:schedule", handle.cast::<Work>(), failed, |work| {
            if work.interface.load(Ordering::Acquire).is_null() || (data.is_null() && size > 0) {
                return failed;
            }
            if work.synchronous.load(Ordering::Acquire) {
                return work.work(size, data);
            }
            let status = work.requests.push_raw(data, size);
            if let Some(thread) = work.thread.get() {
                thread.unpark();
            }
            status
        })
    }
}

unsafe extern "C" fn respond(
    handle: *mut c_void,
    size: u32,
    data: *const c_void,
) -> LV2_Worker_Status {
    let failed = LV2_Worker_Status_LV2_WORKER_ERR_UNKNOWN;
    // SAFETY: the handle was given to `work` a few lines above: the same `Work`.
    unsafe {
        door::enter("worker:respond", handle.cast::<Work>(), failed, |work| {
            if data.is_null() && size > 0 {
                return failed;
            }
            work.responses.push_raw(data, size)
        })
    }
}

/// Room for one message, aligned for whatever a plugin puts in it.
#[derive(Debug)]
pub struct Message {
    words: Box<[u64]>,
}

impl Message {
    /// Room for `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self {
            words: vec![0; bytes.div_ceil(8)].into_boxed_slice(),
        }
    }

    /// Room for any response.
    pub fn for_response() -> Self {
        Self::new(ROOM)
    }

    fn as_ptr(&self) -> *const c_void {
        self.words.as_ptr().cast()
    }

    fn put(&mut self, at: usize, byte: u8) {
        let shift = (at % 8) * 8;
        let word = &mut self.words[at / 8];
        *word = (*word & !(0xff << shift)) | u64::from(byte) << shift;
    }
}

/// A queue of messages of bytes between two threads; neither waits.
#[derive(Debug)]
struct Messages {
    bytes: Box<[AtomicU8]>,
    /// Bytes ever read, by the reader.
    read: AtomicUsize,
    /// Bytes ever written, by the writer.
    written: AtomicUsize,
}

const LENGTH: usize = 4;

impl Messages {
    fn new(room: usize) -> Self {
        Self {
            bytes: (0..room).map(|_| AtomicU8::new(0)).collect(),
            read: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
        }
    }

    /// Appends a message of a plugin.
    ///
    /// # Safety
    /// `data` points to `size` readable bytes, unless `size` is 0.
    unsafe fn push_raw(&self, data: *const c_void, size: u32) -> LV2_Worker_Status {
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        let data: &[u8] = if length == 0 {
            &[]
        } else {
            // SAFETY: the caller's promise, which is the plugin's by the specification.
            unsafe { std::slice::from_raw_parts(data.cast(), length) }
        };
        if self.push(size, data) {
            LV2_Worker_Status_LV2_WORKER_SUCCESS
        } else {
            LV2_Worker_Status_LV2_WORKER_ERR_NO_SPACE
        }
    }

    fn push(&self, size: u32, data: &[u8]) -> bool {
        let written = self.written.load(Ordering::Relaxed);
        // SYNC: pairs with the release in `pop`: what was read may be overwritten.
        let used = written.wrapping_sub(self.read.load(Ordering::Acquire));
        if LENGTH + data.len() > self.bytes.len() - used {
            return false;
        }
        let whole = size.to_ne_bytes().into_iter().chain(data.iter().copied());
        for (at, byte) in whole.enumerate() {
            self.byte(written.wrapping_add(at))
                .store(byte, Ordering::Relaxed);
        }
        // SYNC: pairs with the acquire in `pop`: who sees the count sees the bytes.
        let written = written.wrapping_add(LENGTH + data.len());
        self.written.store(written, Ordering::Release);
        true
    }

    /// Moves the oldest message out and returns its size.
    fn pop(&self, message: &mut Message) -> Option<u32> {
        let read = self.read.load(Ordering::Relaxed);
        // SYNC: pairs with the release in `push`.
        if self.written.load(Ordering::Acquire) == read {
            return None;
        }
        let byte = |at: usize| self.byte(read.wrapping_add(at)).load(Ordering::Relaxed);
        let size = u32::from_ne_bytes([byte(0), byte(1), byte(2), byte(3)]);
        let length = usize::try_from(size).unwrap_or(0);
        for at in 0..length {
            message.put(at, byte(LENGTH + at));
        }
        // SYNC: pairs with the acquire in `push`.
        self.read
            .store(read.wrapping_add(LENGTH + length), Ordering::Release);
        Some(size)
    }

    fn byte(&self, position: usize) -> &AtomicU8 {
        &self.bytes[position % self.bytes.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_pass_whole_and_in_order_between_threads() {
        let messages = Messages::new(64);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..1000u32 {
                    let size = number % 20;
                    let body = vec![number.to_ne_bytes()[0]; usize::try_from(size).unwrap()];
                    while !messages.push(size, &body) {
                        std::thread::yield_now();
                    }
                }
            });
            let mut message = Message::new(64);
            for number in 0..1000u32 {
                let size = loop {
                    match messages.pop(&mut message) {
                        Some(size) => break size,
                        None => std::thread::yield_now(),
                    }
                };
                assert_eq!(size, number % 20);
                for at in 0..usize::try_from(size).unwrap() {
                    let byte = message.words[at / 8] >> ((at % 8) * 8);
                    assert_eq!(byte & 0xff, u64::from(number.to_ne_bytes()[0]));
                }
            }
        });
    }

    #[test]
    fn a_message_without_room_is_refused_whole() {
        let messages = Messages::new(16);
        assert!(messages.push(12, &[1; 12]) && !messages.push(0, &[]));
        assert_eq!(messages.pop(&mut Message::new(16)), Some(12));
        assert!(!messages.push(13, &[1; 13]));
    }

    #[test]
    fn nothing_is_scheduled_before_there_is_a_plugin() {
        let work: &'static Work = Box::leak(Box::new(Work::new()));
        let feature = work.feature();
        // SAFETY: the feature's own handle; no data.
        let status = unsafe { feature.schedule_work.unwrap()(feature.handle, 0, std::ptr::null()) };
        assert_eq!(status, LV2_Worker_Status_LV2_WORKER_ERR_UNKNOWN);
    }
}
