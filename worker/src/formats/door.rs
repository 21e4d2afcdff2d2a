//! The one door through which a plugin calls back into the host.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::realtime;

/// Runs the body of a callback that a plugin made: a null handle and a panic of ours become
/// `fallback`, never undefined behaviour in the plugin's stack frames. Both are told on standard
/// error, which the daemon keeps.
///
/// # Safety
/// `handle` is null or points to a `T` that outlives the call and is not borrowed mutably.
pub unsafe fn enter<T, R>(
    callback: &str,
    handle: *const T,
    fallback: R,
    body: impl FnOnce(&T) -> R,
) -> R {
    // SAFETY: the caller's promise.
    let Some(host) = (unsafe { handle.as_ref() }) else {
        eprintln!("plugpen: the plugin called {callback} with a null handle");
        return fallback;
    };
    // A plugin that logs or maps while it processes has chosen to wait.
    let entered = || realtime::permitted(|| body(host));
    catch_unwind(AssertUnwindSafe(entered)).unwrap_or_else(|_| {
        eprintln!("plugpen: {callback} panicked; this is a mistake in plugpen");
        fallback
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_handles_and_panics_stay_at_the_door() {
        let host = 7;
        // SAFETY: null, and a local that outlives the calls.
        unsafe {
            assert_eq!(enter("f", std::ptr::null::<i32>(), -1, |h| *h), -1);
            assert_eq!(enter("f", &raw const host, -1, |h| *h), 7);
            assert_eq!(enter("f", &raw const host, -1, |_| panic!("ours")), -1);
        }
    }
}
