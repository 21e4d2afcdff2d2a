//! AudioToolbox's functions on units.

use std::ffi::c_void;

use super::abi::*;
use super::objects::exported;
use super::properties::INVALID_PROPERTY;
use super::unit::{Listener, Sim};
use crate::kit::demand;

fn status(result: Result<(), OSStatus>) -> OSStatus {
    result.err().unwrap_or(0)
}

exported! {
    fn AudioUnitInitialize(unit: AudioUnit) -> OSStatus {
        // SAFETY: a unit.
        status(unsafe { Sim::of(unit) }.initialize())
    }

    fn AudioUnitUninitialize(unit: AudioUnit) -> OSStatus {
        // SAFETY: a unit.
        let mut inner = unsafe { Sim::of(unit) }.inner();
        demand(inner.is_initialized, "uninitialise what is initialised");
        inner.is_initialized = false;
        0
    }

    fn AudioUnitGetPropertyInfo(
        unit: AudioUnit, property: u32, scope: u32, element: u32, size: *mut u32,
        writable: *mut Boolean
    ) -> OSStatus {
        // SAFETY: a unit.
        match unsafe { Sim::of(unit) }.size(property, scope, element) {
            Ok(bytes) => {
                // SAFETY: room for both answers.
                unsafe {
                    size.write(u32::try_from(bytes).unwrap_or(0));
                    writable.write(1);
                }
                0
            }
            Err(status) => status,
        }
    }

    fn AudioUnitGetProperty(
        unit: AudioUnit, property: u32, scope: u32, element: u32, data: *mut c_void,
        size: *mut u32
    ) -> OSStatus {
        // SAFETY: a unit, and the structure that the property has.
        let sim = unsafe { Sim::of(unit) };
        if scope == scope::GLOBAL {
            // SAFETY: as above.
            match unsafe { sim.ask(property, data) } {
                Err(INVALID_PROPERTY) => {}
                asked => return status(asked),
            }
        }
        match sim.get(property, scope, element) {
            Ok(bytes) => {
                // SAFETY: as much room as is said, and a number.
                unsafe {
                    let room = usize::try_from(size.read()).unwrap_or(0);
                    demand(room >= bytes.len(), "make room for a property's value");
                    data.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                    size.write(u32::try_from(bytes.len()).unwrap_or(0));
                }
                0
            }
            Err(status) => status,
        }
    }

    fn AudioUnitSetProperty(
        unit: AudioUnit, property: u32, scope: u32, element: u32, data: *const c_void, _size: u32
    ) -> OSStatus {
        // SAFETY: a unit, and the type that the property has.
        status(unsafe { Sim::of(unit).set_property(property, scope, element, data) })
    }

    fn AudioUnitAddPropertyListener(
        unit: AudioUnit, property: u32, callback: AudioUnitPropertyListenerProc,
        user_data: *mut c_void
    ) -> OSStatus {
        // SAFETY: a unit.
        let sim = unsafe { Sim::of(unit) };
        let mut listeners = sim.listeners.lock().unwrap_or_else(|e| e.into_inner());
        listeners.push(Listener { property, callback, user_data });
        0
    }

    fn AudioUnitGetParameter(
        unit: AudioUnit, id: u32, scope: u32, element: u32, value: *mut f32
    ) -> OSStatus {
        demand(scope == scope::GLOBAL && element == 0, "parameters here are global");
        // SAFETY: a unit, and room for the answer.
        unsafe { Sim::of(unit).read(id, value) }
    }

    fn AudioUnitSetParameter(
        unit: AudioUnit, id: u32, scope: u32, element: u32, value: f32, _offset: u32
    ) -> OSStatus {
        demand(scope == scope::GLOBAL && element == 0, "parameters here are global");
        // SAFETY: a unit.
        unsafe { Sim::of(unit) }.set(id, value)
    }

    fn AudioUnitReset(unit: AudioUnit, _scope: u32, _element: u32) -> OSStatus {
        // SAFETY: a unit.
        unsafe { Sim::of(unit) }.reset();
        0
    }

    fn AudioUnitRender(
        unit: AudioUnit, flags: *mut u32, time: *const AudioTimeStamp, bus: u32, frames: u32,
        list: *mut AudioBufferList
    ) -> OSStatus {
        // SAFETY: a unit, a time stamp, and a list of buffers of that many frames.
        status(unsafe { Sim::of(unit).render(flags, &*time, bus, frames, list) })
    }

    fn MusicDeviceMIDIEvent(
        unit: AudioUnit, status: u32, first: u32, second: u32, offset: u32
    ) -> OSStatus {
        // SAFETY: a unit.
        unsafe { Sim::of(unit) }.midi(status, first, second, offset)
    }

    fn MusicDeviceSysEx(unit: AudioUnit, data: *const u8, length: u32) -> OSStatus {
        let length = usize::try_from(length).unwrap_or(0);
        // SAFETY: a unit, and as many bytes as are said.
        unsafe { Sim::of(unit).sysex(std::slice::from_raw_parts(data, length)) }
    }
}
