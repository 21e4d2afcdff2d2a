//! The one door, for methods of the objects we hand to plugins. Those that only pass numbers of a
//! block do without: nothing in them can fail, and they run on the audio thread.

use super::super::door;

/// Runs the body of a method that a plugin called on one of our objects.
pub fn enter<T, R>(method: &str, this: &T, fallback: R, body: impl FnOnce(&T) -> R) -> R {
    // SAFETY: a reference is not null and outlives the call.
    unsafe { door::enter(method, this, fallback, body) }
}
