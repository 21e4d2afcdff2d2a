//! A MIDI input without a plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plugpen_proto::v1::{CloseDeviceRequest, Death, ErrorReason, OpenMidiInRequest};

use crate::callbacks::MidiCallback;
use crate::connection::{Call, QUICK};
use crate::device::{DeviceLink, call};
use crate::error::Result;
use crate::server::{Server, prefixed};

/// An open MIDI input of the daemon's machine, in a process of its own. Dropping it closes it.
///
/// The callback is told each message whole, SysEx included, in order, on the background thread of
/// all callbacks. Messages that find no room on the way are counted.
pub struct MidiIn {
    link: Arc<DeviceLink>,
    server: Server,
    closed: AtomicBool,
}

impl MidiIn {
    /// Listens to a port, by its index in [`Server::midi_ports`].
    ///
    /// # Errors
    /// `InvalidInput` where there is no such port, `WrongState` where it cannot be connected or
    /// there is no MIDI, `LimitReached`.
    pub fn open(server: &Server, port: u32, callback: MidiCallback) -> Result<MidiIn> {
        let request = OpenMidiInRequest {
            port: Some(port),
            virtual_name: String::new(),
        };
        MidiIn::begin(server, request, callback)
            .map_err(|error| prefixed("Failed to open MIDI input", error))
    }

    /// Makes a port of this name that others can connect to, and listens to it.
    ///
    /// # Errors
    /// `InvalidInput` for an unusable name, `WrongState` where there is no MIDI, `LimitReached`.
    pub fn open_virtual(server: &Server, name: &str, callback: MidiCallback) -> Result<MidiIn> {
        let request = OpenMidiInRequest {
            port: None,
            virtual_name: name.into(),
        };
        MidiIn::begin(server, request, callback)
            .map_err(|error| prefixed("Failed to open virtual MIDI input", error))
    }

    fn begin(
        server: &Server,
        request: OpenMidiInRequest,
        callback: MidiCallback,
    ) -> Result<MidiIn> {
        let connection = server.check()?.clone();
        let opened = call!(connection, "OpenMidiIn", open_midi_in, request)?;
        let link = Arc::new(DeviceLink::new(&connection, &opened.handle));
        link.callbacks.set_midi(Some(callback));
        server.events().add_device(&link);
        Ok(MidiIn {
            link,
            server: server.clone(),
            closed: AtomicBool::new(false),
        })
    }

    /// Messages that found no room on their way from the port to the callback.
    pub fn dropped(&self) -> u64 {
        self.link.callbacks.dropped()
    }

    /// How its process died, if it did: nothing is heard any more.
    pub fn death(&self) -> Option<Death> {
        self.link.death().cloned()
    }

    /// Ends it; the callback is not told of anything from now on. Closing twice is no error.
    ///
    /// # Errors
    /// `TimedOut`; it counts as closed all the same.
    pub fn close(&self) -> Result<()> {
        self.link.connection.core.check_process()?;
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.link.callbacks.clear();
        self.server.events().remove_device(&self.link.handle);
        let request = CloseDeviceRequest {
            handle: self.link.handle.clone(),
        };
        match call!(self.link.connection, "CloseDevice", close_device, request) {
            Err(error) if error.reason != ErrorReason::ServerUnavailable => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl Drop for MidiIn {
    fn drop(&mut self) {
        if self.link.connection.core.is_own_process() {
            // Whatever fails here, the daemon closes it with the session.
            let _ = self.close();
        }
    }
}

impl std::fmt::Debug for MidiIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MidiIn")
            .field("handle", &self.link.handle)
            .finish()
    }
}
