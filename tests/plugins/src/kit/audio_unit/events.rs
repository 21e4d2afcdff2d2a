//! Event listeners, told in the run loop of the main thread.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::thread::ThreadId;

use super::abi::*;
use super::objects::{self, exported};
use crate::kit::demand;

/// What happened to a parameter.
#[derive(Clone, Copy, PartialEq)]
pub struct Told {
    pub unit: usize,
    pub kind: u32,
    pub id: u32,
    pub value: f32,
}

struct Listener {
    callback: AUEventListenerProc,
    user_data: *mut c_void,
    /// Unit, kind, number.
    wanted: Vec<(usize, u32, u32)>,
    thread: ThreadId,
}

// SAFETY: the pointer is the host's, given back to it on the thread that it came from.
unsafe impl Send for Listener {}

static QUEUE: Mutex<VecDeque<Told>> = Mutex::new(VecDeque::new());
static LISTENERS: Mutex<Vec<Listener>> = Mutex::new(Vec::new());

/// Keeps an event until the run loop runs; a value that is there already is replaced.
pub fn tell(told: Told) {
    let mut queue = QUEUE.lock().unwrap_or_else(|e| e.into_inner());
    let is_value = |event: &Told| event.kind == event::PARAMETER_VALUE_CHANGE;
    if let Some(last) = queue.back_mut()
        && is_value(last)
        && is_value(&told)
        && last.id == told.id
    {
        *last = told;
        return;
    }
    queue.push_back(told);
}

exported! {
    fn AUEventListenerCreate(
        callback: AUEventListenerProc, user_data: *mut c_void, _run_loop: CFTypeRef,
        mode: CFStringRef, interval: f32, _granularity: f32, listener: *mut AUEventListenerRef
    ) -> OSStatus {
        demand(objects::text(mode) == "kCFRunLoopDefaultMode", "listen in the default mode");
        demand(interval > 0.0, "listen in the run loop, as this simulation tells there only");
        let mut listeners = LISTENERS.lock().unwrap_or_else(|e| e.into_inner());
        listeners.push(Listener {
            callback,
            user_data,
            wanted: Vec::new(),
            thread: std::thread::current().id(),
        });
        // SAFETY: room for the answer.
        unsafe { listener.write(std::ptr::without_provenance_mut(listeners.len())) };
        0
    }

    fn AUEventListenerAddEventType(
        listener: AUEventListenerRef, _object: *mut c_void, event: *const AudioUnitEvent
    ) -> OSStatus {
        // SAFETY: an event.
        let event = unsafe { *event };
        let mut listeners = LISTENERS.lock().unwrap_or_else(|e| e.into_inner());
        let found = listeners.get_mut(listener.addr().wrapping_sub(1));
        demand(found.is_some(), "add events to listeners that exist");
        if let Some(found) = found {
            let parameter = event.parameter;
            found.wanted.push((parameter.unit.addr(), event.kind, parameter.id));
        }
        0
    }

    fn CFRunLoopRunInMode(mode: CFStringRef, seconds: f64, _once: Boolean) -> i32 {
        demand(objects::text(mode) == "kCFRunLoopDefaultMode", "run in the default mode");
        demand(seconds == 0.0, "do not wait in the run loop");
        let due = QUEUE.lock().unwrap_or_else(|e| e.into_inner()).pop_front();
        let Some(told) = due else { return 3 };
        let listeners = LISTENERS.lock().unwrap_or_else(|e| e.into_inner());
        let wanted = (told.unit, told.kind, told.id);
        let calls: Vec<_> = listeners
            .iter()
            .filter(|listener| listener.wanted.contains(&wanted))
            .map(|listener| (listener.callback, listener.user_data, listener.thread))
            .collect();
        drop(listeners);
        for (callback, user_data, thread) in calls {
            demand(thread == std::thread::current().id(), "run the loop of the thread that listens");
            let event = AudioUnitEvent {
                kind: told.kind,
                parameter: AudioUnitParameter {
                    unit: std::ptr::with_exposed_provenance_mut(told.unit),
                    id: told.id,
                    scope: scope::GLOBAL,
                    element: 0,
                },
            };
            // SAFETY: the host's callback with its own user data.
            unsafe { callback(user_data, null_mut(), &raw const event, 0, told.value) };
        }
        4
    }
}
