//! The one error type, and the errors that only a client makes.

pub use plugpen_proto::{Error, Exception, StatusRow};

use std::time::Duration;

use plugpen_proto::v1::{Death, ErrorReason};

/// What every call of this crate answers with.
pub type Result<T> = std::result::Result<T, Error>;

/// Nobody answers where a daemon was expected.
pub(crate) fn nobody(target: &str, why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorReason::ServerUnavailable,
        format!("no plugpen daemon answers at {target}: {why}. `plugpen serve` starts one."),
    )
}

/// A daemon that was there is not any more.
pub(crate) fn unavailable(target: &str, why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorReason::ServerUnavailable,
        format!(
            "the plugpen daemon at {target} is not there any more: {why}. Its plugins are gone with it; connect and \
             open them anew."
        ),
    )
}

/// The connection to a daemon on another machine broke; that is not the end of it.
pub(crate) fn interrupted(target: &str, why: impl std::fmt::Display, grace: Duration) -> Error {
    Error::new(
        ErrorReason::ServerUnavailable,
        format!(
            "the connection to the plugpen daemon at {target} broke: {why}. The call may have taken effect. The next \
             one connects again; plugins are kept for {} s, unless the daemon itself has ended.",
            grace.as_secs()
        ),
    )
}

/// The object was made before a `fork()`, in another process.
pub(crate) fn forked(owner: u32) -> Error {
    Error::new(
        ErrorReason::WrongState,
        format!(
            "this object belongs to process {owner} and does not survive fork(): its threads and its connection stayed \
             there. Connect and open the plugin anew in this process (with Python's multiprocessing, in the worker's \
             initializer, or use the \"spawn\" start method)."
        ),
    )
}

/// The plugin was closed by this client.
pub(crate) fn closed(name: &str) -> Error {
    Error::new(
        ErrorReason::PluginClosed,
        format!(
            "Plugin is closed: {name} was closed earlier and cannot be used any more; open it anew"
        ),
    )
}

/// The session was closed by this client.
pub(crate) fn server_closed(target: &str) -> Error {
    Error::new(
        ErrorReason::WrongState,
        format!("the connection to {target} was closed; connect again to open plugins"),
    )
}

/// A wait of the client's own ended first.
pub(crate) fn timed_out(what: &str, seconds: f64) -> Error {
    Error::new(
        ErrorReason::TimedOut,
        format!(
            "{what} was not answered within {seconds} s; nothing was killed, the call may still have taken effect"
        ),
    )
}

/// The number is not one.
pub(crate) fn not_finite(what: &str, value: f64) -> Error {
    Error::invalid(format!("{what} must be a finite number, got {value}"))
}

/// A death that is certain while its cause is not known yet.
pub(crate) fn unexplained_death(name: &str, generation: u64) -> Death {
    Death {
        summary: format!("{name} died; the daemon has not said how yet."),
        generation,
        ..Death::default()
    }
}
