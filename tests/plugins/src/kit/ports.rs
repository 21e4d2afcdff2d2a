//! The host's buffers, by port number. Reads and writes go through raw pointers, one sample at a
//! time, because a host may connect one buffer to an input and an output.

use std::ffi::c_void;
use std::ptr;

use super::atoms::{Atoms, Writer};

const MAX_PORTS: usize = 16;

/// What the host connected.
pub struct Ports {
    data: [*mut c_void; MAX_PORTS],
    frames: usize,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            data: [ptr::null_mut(); MAX_PORTS],
            frames: 0,
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

    pub(super) fn begin(&mut self, frames: usize) {
        self.frames = frames;
    }

    /// A control port's value, 0 if unconnected.
    pub fn control(&self, port: usize) -> f32 {
        let data = self.data[port].cast::<f32>();
        // SAFETY: LV2 has a control port connected to one float, or to nothing.
        unsafe { data.as_ref().copied().unwrap_or(0.0) }
    }

    /// A control port's value, rounded to a whole number of 0 or more.
    pub fn count(&self, port: usize) -> usize {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and NaN becomes 0"
        )]
        let value = self.control(port).round() as usize;
        value
    }

    /// Sets an output control port.
    pub fn set_control(&self, port: usize, value: f32) {
        let data = self.data[port].cast::<f32>();
        if !data.is_null() {
            // SAFETY: as in `control`, and an output port is the plugin's to write.
            unsafe { data.write(value) };
        }
    }

    /// A sample of an audio input; 0 outside the block or if unconnected.
    pub fn sample(&self, port: usize, frame: usize) -> f32 {
        let data = self.data[port].cast::<f32>();
        if data.is_null() || frame >= self.frames {
            return 0.0;
        }
        // SAFETY: LV2 has an audio port connected to as many floats as `run` has frames.
        unsafe { data.add(frame).read() }
    }

    /// Writes a sample of an audio output.
    pub fn put(&self, port: usize, frame: usize, value: f32) {
        let data = self.data[port].cast::<f32>();
        if !data.is_null() && frame < self.frames {
            // SAFETY: as in `sample`, and an output port is the plugin's to write.
            unsafe { data.add(frame).write(value) };
        }
    }

    /// The events of an atom input.
    pub fn atoms(&self, port: usize) -> Atoms<'_> {
        // SAFETY: LV2 has an atom port connected to a sequence, or to nothing.
        unsafe { Atoms::new(self.data[port].cast()) }
    }

    /// Starts the sequence of an atom output.
    pub fn writer(&self, port: usize, sequence_urid: u32) -> Writer<'_> {
        // SAFETY: LV2 has an atom output connected to a buffer whose atom tells its size.
        unsafe { Writer::new(self.data[port].cast(), sequence_urid) }
    }
}
