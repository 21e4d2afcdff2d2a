//! What a plugin does by itself: callbacks.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

use plugpen::v1::HostCallback;
use pyo3::{
    PyTraverseError, PyVisit,
    exceptions::{PyBaseException, PyTypeError},
    prelude::*,
    types::PyDict,
};

use super::Plugin;
use crate::{arrays::type_name, recovery::life_dict};

/// The Python callables of a plugin, where the garbage collector can see them, and the first
/// exception one of them raised since `poll_callbacks` last looked.
#[derive(Default)]
pub struct Slots {
    change: Slot,
    value: Slot,
    gesture: Slot,
    host_call: Slot,
    life: Slot,
    raised: Mutex<Option<Py<PyBaseException>>>,
    /// Dropped calls that `callback_events_dropped` has told of.
    dropped: AtomicU64,
}

type Slot = Mutex<Option<Py<PyAny>>>;

impl Slots {
    fn all(&self) -> [&Slot; 5] {
        [
            &self.change,
            &self.value,
            &self.gesture,
            &self.host_call,
            &self.life,
        ]
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for slot in self.all() {
            // Held only for an instant, and never while Python code runs; if it is held just
            // now, this collection takes the callback for alive.
            if let Ok(callback) = slot.try_lock() {
                visit.call(&*callback)?;
            }
        }
        // Its traceback knows the callback's frame, and so perhaps the plugin.
        if let Ok(raised) = self.raised.try_lock() {
            visit.call(&*raised)?;
        }
        Ok(())
    }

    pub fn clear(&self) {
        for slot in self.all() {
            let callback = lock(slot).take();
            // After the lock: the callback's end may run Python code.
            drop(callback);
        }
        let raised = lock(&self.raised).take();
        drop(raised);
    }

    /// Runs a callback on the client's background thread.
    fn run(
        &self,
        slot: &Slot,
        call: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
    ) {
        // Nothing to be told when the interpreter is ending.
        Python::try_attach(|py| {
            let callback = lock(slot)
                .as_ref()
                .map(|callback| callback.clone_ref(py).into_bound(py));
            let Some(callback) = callback else {
                return;
            };
            if let Err(error) = call(&callback) {
                error.clone_ref(py).write_unraisable(py, Some(&callback));
                let mut raised = lock(&self.raised);
                if raised.is_none() {
                    *raised = Some(error.into_value(py));
                }
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Puts a callable into its slot; false if it is None.
fn put(slot: &Slot, callback: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
    if let Some(callback) = callback.as_ref().filter(|callback| !callback.is_callable()) {
        return Err(PyTypeError::new_err(format!(
            "callback must be callable or None, got {}",
            type_name(callback)
        )));
    }
    let given = callback.is_some();
    let old = std::mem::replace(&mut *lock(slot), callback.map(Bound::unbind));
    drop(old);
    Ok(given)
}

/// What tells a plugin's calls to its host to a callable, for a plugin that is about to be opened.
pub fn observe(
    slots: &Arc<Slots>,
    callback: Option<Bound<'_, PyAny>>,
) -> PyResult<Option<plugpen::HostCallbackObserver>> {
    let given = put(&slots.host_call, callback)?;
    let slots = Arc::downgrade(slots);
    Ok(given.then(|| -> plugpen::HostCallbackObserver {
        Box::new(move |call| {
            if let Some(slots) = slots.upgrade() {
                slots.run(&slots.host_call, |callback| {
                    callback.call1((host_call_dict(callback.py(), call)?,))
                });
            }
        })
    }))
}

fn host_call_dict<'py>(py: Python<'py>, call: &HostCallback) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("opcode", call.opcode)?;
    dict.set_item("name", &call.name)?;
    dict.set_item("index", call.index)?;
    dict.set_item("value", call.value)?;
    dict.set_item("opt", call.opt)?;
    dict.set_item("text", &call.text)?;
    dict.set_item("result", call.result)?;
    dict.set_item("count", call.count)?;
    Ok(dict)
}

#[pymethods]
impl Plugin {
    /// Have `callback(change_flags)` called when the plugin as a whole changes; None ends it.
    ///
    /// The flags are a sum of `MH_CHANGE_LATENCY`, `MH_CHANGE_PARAM_INFO`, `MH_CHANGE_PROGRAM` and
    /// `MH_CHANGE_NON_PARAM_STATE`. Callbacks run in order on one background thread. What they
    /// raise goes to `sys.unraisablehook`, and the first of it is raised by `poll_callbacks`.
    #[pyo3(signature = (callback))]
    fn set_change_callback(&self, callback: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.open()?;
        let given = put(&self.slots.change, callback)?;
        let slots = Arc::downgrade(&self.slots);
        let callback = given.then(|| -> plugpen::ChangeCallback {
            Box::new(move |flags| {
                if let Some(slots) = slots.upgrade() {
                    slots.run(&slots.change, |callback| callback.call1((flags,)));
                }
            })
        });
        self.inner.set_change_callback(callback);
        Ok(())
    }

    /// Have `callback(index, value)` called when a parameter gets a value, 0 to 1, from the plugin
    /// or by `set_param`; None ends it. See `set_change_callback` for where it runs.
    #[pyo3(signature = (callback))]
    fn set_param_value_callback(&self, callback: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.open()?;
        let given = put(&self.slots.value, callback)?;
        let slots = Arc::downgrade(&self.slots);
        let callback = given.then(|| -> plugpen::ParamValueCallback {
            Box::new(move |index, value| {
                if let Some(slots) = slots.upgrade() {
                    slots.run(&slots.value, |callback| callback.call1((index, value)));
                }
            })
        });
        self.inner.set_param_value_callback(callback);
        Ok(())
    }

    /// Have `callback(index, is_begin)` called when a gesture on a parameter begins or ends; None
    /// ends it. See `set_change_callback` for where it runs.
    #[pyo3(signature = (callback))]
    fn set_param_gesture_callback(&self, callback: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.open()?;
        let given = put(&self.slots.gesture, callback)?;
        let slots = Arc::downgrade(&self.slots);
        let callback = given.then(|| -> plugpen::ParamGestureCallback {
            Box::new(move |index, is_begin| {
                if let Some(slots) = slots.upgrade() {
                    slots.run(&slots.gesture, |callback| callback.call1((index, is_begin)));
                }
            })
        });
        self.inner.set_param_gesture_callback(callback);
        Ok(())
    }

    /// Have `callback(event)` called with what becomes of the plugin's process; None ends it.
    ///
    /// `event` is a dict, whose "event" is "died" (with the `Death` as "death"), "restored" (by the
    /// `restart` policy, with its new "generation"), "gave-up" (the policy does not try any more;
    /// with a "reason") or "memory-growth" (with "bytes", "bytes_per_second" and "limit_bytes", at
    /// which it is killed). See `set_change_callback` for where it runs.
    #[pyo3(signature = (callback))]
    fn set_life_callback(&self, callback: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.open()?;
        let given = put(&self.slots.life, callback)?;
        let slots = Arc::downgrade(&self.slots);
        let callback = given.then(|| -> plugpen::LifeCallback {
            Box::new(move |life| {
                if let Some(slots) = slots.upgrade() {
                    slots.run(&slots.life, |callback| {
                        callback.call1((life_dict(callback.py(), life)?,))
                    });
                }
            })
        });
        self.inner.set_life_callback(callback);
        Ok(())
    }

    /// Wait until everything that has happened so far has been delivered to the callbacks.
    ///
    /// Returns:
    ///     How many calls were delivered since this was last called.
    ///
    /// Raises:
    ///     Exception: The first one that a callback raised since this was last called.
    ///     WrongState: Called from within a callback.
    fn poll_callbacks(&self, py: Python<'_>) -> PyResult<usize> {
        let delivered = self.call(py, |plugin| plugin.poll_callbacks())?;
        let raised = lock(&self.slots.raised).take();
        match raised {
            Some(error) => Err(PyErr::from_value(error.into_bound(py).into_any())),
            None => Ok(delivered),
        }
    }

    /// How many calls of callbacks were dropped since this was last called, because they came
    /// faster than they could be delivered.
    fn callback_events_dropped(&self) -> PyResult<u64> {
        let total = self.open()?.callback_events_dropped();
        let reported = self.slots.dropped.swap(total, Ordering::Relaxed);
        Ok(total.saturating_sub(reported))
    }
}
