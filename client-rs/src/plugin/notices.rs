//! Hearing of what the plugin does by itself.

use super::Plugin;
use crate::callbacks::{ChangeCallback, LifeCallback, ParamGestureCallback, ParamValueCallback};
use crate::error::Result;

impl Plugin {
    /// Sets what is told of changes of the plugin as a whole (see [`crate::CHANGE_LATENCY`] and
    /// its siblings), or unsets it. All callbacks of a server run on one background thread, in
    /// order; they may make calls, and should not keep the plugin itself alive.
    pub fn set_change_callback(&self, callback: Option<ChangeCallback>) {
        self.shared.callbacks.set_change(callback);
    }

    /// Sets what is told of parameter values, set by the plugin or by this client.
    pub fn set_param_value_callback(&self, callback: Option<ParamValueCallback>) {
        self.shared.callbacks.set_value(callback);
    }

    /// Sets what is told of the beginning and the end of gestures.
    pub fn set_param_gesture_callback(&self, callback: Option<ParamGestureCallback>) {
        self.shared.callbacks.set_gesture(callback);
    }

    /// Sets what is told when the plugin's worker dies, is replaced by its restart policy, or grows.
    pub fn set_life_callback(&self, callback: Option<LifeCallback>) {
        self.shared.callbacks.set_life(callback);
    }

    /// Waits until everything that has happened has been told to the callbacks; returns how many
    /// calls were made since this was last asked.
    ///
    /// # Errors
    /// `WrongState` from within a callback, `TimedOut` where a callback does not return,
    /// `PluginClosed`, `ServerUnavailable`.
    pub fn poll_callbacks(&self) -> Result<usize> {
        self.shared.check_open()?;
        self.server.events().flush(&self.shared)?;
        Ok(self.shared.callbacks.take_delivered())
    }

    /// Calls that were lost because a callback did not keep up, so far.
    pub fn callback_events_dropped(&self) -> u64 {
        self.shared.callbacks.dropped()
    }
}
