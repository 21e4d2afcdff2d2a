//! Calls that may take long, and Ctrl-C meanwhile.

use std::{
    sync::mpsc::{RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use plugpen::Error;
use pyo3::prelude::*;

use crate::errors::OrRaise;

/// How often who waits looks for Ctrl-C.
pub const SIGNALS: Duration = Duration::from_millis(100);

/// Runs a call on a thread of its own, with Python released, and waits for it. Ctrl-C ends the wait
/// and is raised; the call goes on until its deadline then, and what it gives is dropped.
pub fn patiently<T: Send + 'static>(
    py: Python<'_>,
    call: impl FnOnce() -> plugpen::Result<T> + Send + 'static,
) -> PyResult<T> {
    let (sender, mut receiver) = sync_channel(1);
    let calling = thread::Builder::new()
        .name("plugpen-call".into())
        .spawn(move || {
            // After Ctrl-C nobody listens any more.
            let _ = sender.send(call());
        });
    calling
        .map_err(|error| Error::bug(format!("cannot start a thread for a call: {error}")))
        .or_raise()?;
    loop {
        let answer;
        (receiver, answer) = py.detach(|| {
            let answer = receiver.recv_timeout(SIGNALS);
            (receiver, answer)
        });
        match answer {
            Ok(called) => return called.or_raise(),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::bug("a call ended without an answer")).or_raise();
            }
        }
    }
}
