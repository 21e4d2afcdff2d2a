//! The host's buffers, by port number.

use std::ffi::c_void;
use std::ptr;

use super::atoms::{Atoms, Writer};

const MAX_PORTS: usize = 16;

/// What the host connected.
pub struct Ports {
    data: [*mut c_void; MAX_PORTS],
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            data: [ptr::null_mut(); MAX_PORTS],
        }
    }
}

impl Ports {
    pub(super) fn connect(&mut self, port: u32, data: *mut c_void) {
        if let Some(slot) = usize::try_from(port)
            .ok()
            .and_then(|port| self.data.get_mut(port))
        {
            *slot = data;
        }
    }

    /// What is connected to a port; null for nothing.
    pub fn data(&self, port: usize) -> *mut c_void {
        self.data.get(port).copied().unwrap_or(ptr::null_mut())
    }

    /// A control port's value, 0 if unconnected.
    pub fn control(&self, port: usize) -> f32 {
        let data = self.data(port).cast::<f32>();
        // SAFETY: LV2 has a control port connected to one float, or to nothing.
        unsafe { data.as_ref().copied().unwrap_or(0.0) }
    }

    /// Sets an output control port.
    pub fn set_control(&self, port: usize, value: f32) {
        let data = self.data(port).cast::<f32>();
        if !data.is_null() {
            // SAFETY: as in `control`, and an output port is the plugin's to write.
            unsafe { data.write(value) };
        }
    }

    /// The events of an atom input.
    pub fn atoms(&self, port: usize) -> Atoms<'_> {
        // SAFETY: LV2 has an atom port connected to a sequence, or to nothing.
        unsafe { Atoms::new(self.data(port).cast()) }
    }

    /// Starts the sequence of an atom output.
    pub fn writer(&self, port: usize, sequence_urid: u32) -> Writer<'_> {
        // SAFETY: LV2 has an atom output connected to a buffer whose atom tells its size.
        unsafe { Writer::new(self.data(port).cast(), sequence_urid) }
    }
}
