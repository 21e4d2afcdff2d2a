//! A unit. Its methods are calls into the plugin; each says which thread may make it.

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use super::abi::*;
use super::components::Component;
use super::foundation::Owned;
use super::toolbox::Toolbox;
use crate::formats::fpu;

/// Most elements read of a property that is a list.
const MAX_LIST: usize = 65_536;

/// What a property's value may be read as.
///
/// # Safety
/// Every bit pattern is a value of the type.
pub unsafe trait Plain: Copy {}

// SAFETY: numbers.
unsafe impl Plain for u32 {}
// SAFETY: numbers.
unsafe impl Plain for f64 {}
// SAFETY: numbers.
unsafe impl Plain for AudioStreamBasicDescription {}
// SAFETY: numbers.
unsafe impl Plain for AUChannelInfo {}
// SAFETY: numbers and pointers.
unsafe impl Plain for AudioUnitParameterInfo {}
// SAFETY: a number and a pointer.
unsafe impl Plain for AUPreset {}
// SAFETY: a pointer.
unsafe impl Plain for CFTypeRef {}

/// What went wrong in a call of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub OSStatus);

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.0 {
            -10_879 => "invalid property",
            -10_878 => "invalid parameter",
            -10_877 => "invalid element",
            -10_876 => "no connection",
            -10_875 => "failed initialisation",
            -10_874 => "too many frames",
            -10_868 => "format not supported",
            -10_867 => "not initialised",
            -10_866 => "invalid scope",
            -10_865 => "property not writable",
            -10_863 => "not in the current context",
            -10_851 => "invalid property value",
            -10_847 => "not authorised",
            _ => return write!(f, "OSStatus {}", self.0),
        };
        write!(f, "{name} (OSStatus {})", self.0)
    }
}

fn checked(status: OSStatus) -> Result<(), Status> {
    match status {
        0 => Ok(()),
        status => Err(Status(status)),
    }
}

/// The plugin's code and data. Disposed of when the last owner goes.
pub struct Instance {
    toolbox: &'static Toolbox,
    unit: AudioUnit,
    is_initialized: AtomicBool,
}

// SAFETY: the pointer is to the plugin's own memory, valid until `drop`. AudioUnits take
// parameters from any thread; that other calls do not overlap is upheld by who owns the processor.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Instance {
    /// Makes a unit. Main thread.
    ///
    /// # Errors
    /// It refuses.
    pub fn new(component: &Component) -> Result<Self, Error> {
        let mut unit = null_mut();
        let toolbox = component.toolbox;
        // SAFETY: a component that AudioToolbox knows, and room for the answer.
        let status =
            fpu::guarded(|| unsafe { (toolbox.instance_new)(component.handle, &raw mut unit) });
        match checked(status) {
            Ok(()) if !unit.is_null() => Ok(Self {
                toolbox,
                unit,
                is_initialized: AtomicBool::new(false),
            }),
            Ok(()) => Err(refused(component, "could not be made")),
            Err(status) => Err(refused(component, format!("could not be made: {status}"))),
        }
    }

    /// The functions it was made by.
    pub fn toolbox(&self) -> &'static Toolbox {
        self.toolbox
    }

    /// The unit itself, for callbacks to be compared with.
    pub fn as_ptr(&self) -> AudioUnit {
        self.unit
    }

    /// Makes it ready to render. Main thread, once, before the processor exists.
    ///
    /// # Errors
    /// The unit's refusal.
    pub fn initialize(&self) -> Result<(), Status> {
        // SAFETY: a unit that is not initialised.
        checked(fpu::guarded(|| unsafe {
            (self.toolbox.initialize)(self.unit)
        }))?;
        self.is_initialized.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes of a property's value, `None` where the unit does not have it. Main thread.
    pub fn size(&self, property: u32, scope: u32, element: u32) -> Option<usize> {
        let (mut size, mut writable) = (0u32, 0u8);
        // SAFETY: a unit, and room for both answers.
        let status = fpu::guarded(|| unsafe {
            (self.toolbox.get_property_info)(
                self.unit,
                property,
                scope,
                element,
                &raw mut size,
                &raw mut writable,
            )
        });
        checked(status).ok()?;
        usize::try_from(size).ok()
    }

    /// A property's value. Any thread for numbers that change while playing, else the main one.
    pub fn get<T: Plain>(&self, property: u32, scope: u32, element: u32) -> Option<T> {
        let mut value = MaybeUninit::<T>::zeroed();
        self.read(property, scope, element, &mut value)?;
        // SAFETY: zeroed, or written by the unit; any bits are a value.
        Some(unsafe { value.assume_init() })
    }

    /// A property that takes a question along with its answer. Main thread.
    ///
    /// # Safety
    /// Every pointer within `question` is one that this property of a unit may follow.
    pub unsafe fn ask<T: Copy>(&self, property: u32, question: T) -> Option<T> {
        let mut value = MaybeUninit::new(question);
        self.read(property, scope::GLOBAL, 0, &mut value)?;
        // SAFETY: initialised above, and any answer's numbers and pointers are values.
        Some(unsafe { value.assume_init() })
    }

    fn read<T>(
        &self,
        property: u32,
        scope: u32,
        element: u32,
        into: &mut MaybeUninit<T>,
    ) -> Option<()> {
        let whole = u32::try_from(size_of::<T>()).ok()?;
        let mut size = whole;
        // SAFETY: a unit, and as much room as is said.
        let status = fpu::guarded(|| unsafe {
            (self.toolbox.get_property)(
                self.unit,
                property,
                scope,
                element,
                into.as_mut_ptr().cast(),
                &raw mut size,
            )
        });
        checked(status).ok()?;
        (size == whole).then_some(())
    }

    /// An object that is a property's value and that the caller owns from then on. Main thread.
    pub fn object(&self, property: u32, scope: u32, element: u32) -> Option<Owned> {
        let object: CFTypeRef = self.get(property, scope, element)?;
        // SAFETY: AudioUnits hand objects out with a reference for the caller.
        unsafe { Owned::take(self.toolbox, object) }
    }

    /// A property that is a list; empty where the unit does not have it. Main thread.
    pub fn list<T: Plain>(&self, property: u32, scope: u32, element: u32) -> Vec<T> {
        let size = self.size(property, scope, element).unwrap_or(0);
        let room = (size / size_of::<T>()).min(MAX_LIST);
        let Ok(mut bytes) = u32::try_from(room * size_of::<T>()) else {
            return Vec::new();
        };
        if bytes == 0 {
            return Vec::new();
        }
        let mut list = vec![MaybeUninit::<T>::zeroed(); room];
        // SAFETY: a unit, and as much room as is said.
        let status = fpu::guarded(|| unsafe {
            (self.toolbox.get_property)(
                self.unit,
                property,
                scope,
                element,
                list.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        });
        if checked(status).is_err() {
            return Vec::new();
        }
        let filled = usize::try_from(bytes).unwrap_or(0) / size_of::<T>();
        // SAFETY: zeroed, or written by the unit; any bits are a value.
        let values = list.into_iter().map(|value| unsafe { value.assume_init() });
        values.take(filled).collect()
    }

    /// Sets a property. Main thread; the audio thread parked, unless the property allows more.
    ///
    /// # Errors
    /// The unit's refusal.
    pub fn set<T: Copy>(
        &self,
        property: u32,
        scope: u32,
        element: u32,
        value: &T,
    ) -> Result<(), Status> {
        let size = u32::try_from(size_of::<T>()).unwrap_or(0);
        // SAFETY: a unit, and a value of the type that the property has, which it copies.
        checked(fpu::guarded(|| unsafe {
            (self.toolbox.set_property)(
                self.unit,
                property,
                scope,
                element,
                std::ptr::from_ref(value).cast(),
                size,
            )
        }))
    }

    /// A parameter's plain value; `None` where the unit does not say or it is no number. Any
    /// thread.
    pub fn parameter(&self, id: u32) -> Option<f32> {
        let mut value = 0.0f32;
        // SAFETY: a unit, and room for the answer.
        let status = fpu::guarded(|| unsafe {
            (self.toolbox.get_parameter)(self.unit, id, scope::GLOBAL, 0, &raw mut value)
        });
        (status == 0 && value.is_finite()).then_some(value)
    }

    /// Sets a parameter to a plain value within its range. Whoever owns the processor.
    pub fn set_parameter(&self, id: u32, value: f32) {
        // SAFETY: a unit. A refusal shows in the value it has afterwards.
        fpu::guarded(|| unsafe {
            (self.toolbox.set_parameter)(self.unit, id, scope::GLOBAL, 0, value, 0)
        });
    }

    /// Renders one bus. Whoever owns the processor; initialised.
    ///
    /// # Safety
    /// `buffers` heads a list of as many buffers as the bus has channels, each null or of
    /// `frames` samples.
    pub unsafe fn render(
        &self,
        time: &AudioTimeStamp,
        bus: u32,
        frames: u32,
        buffers: *mut AudioBufferList,
    ) -> Result<u32, Status> {
        let mut flags = 0u32;
        // SAFETY: a unit that is initialised, and the caller's promise.
        checked(fpu::guarded(|| unsafe {
            (self.toolbox.render)(self.unit, &raw mut flags, time, bus, frames, buffers)
        }))?;
        Ok(flags)
    }

    /// Clears delay lines and voices. Whoever owns the processor.
    pub fn reset(&self) {
        // SAFETY: a unit.
        fpu::guarded(|| unsafe { (self.toolbox.reset)(self.unit, scope::GLOBAL, 0) });
    }

    /// Gives it a short MIDI message. Whoever owns the processor.
    pub fn midi(&self, [status, first, second]: [u8; 3], offset: u32) {
        // SAFETY: a unit.
        fpu::guarded(|| unsafe {
            (self.toolbox.midi_event)(
                self.unit,
                status.into(),
                first.into(),
                second.into(),
                offset,
            )
        });
    }

    /// Gives it a SysEx message, heard from the next frame rendered. Whoever owns the processor.
    pub fn sysex(&self, data: &[u8]) {
        if let Ok(length) = u32::try_from(data.len()) {
            // SAFETY: a unit, and bytes that live through the call.
            fpu::guarded(|| unsafe { (self.toolbox.sysex)(self.unit, data.as_ptr(), length) });
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: owned, and nothing else calls it any more.
        unsafe {
            if self.is_initialized.load(Ordering::Relaxed) {
                (self.toolbox.uninitialize)(self.unit);
            }
            (self.toolbox.instance_dispose)(self.unit);
        }
    }
}

/// A unit that does not let itself be opened.
pub fn refused(component: &Component, why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorReason::PluginRefused,
        format!(
            "createPluginInstance failed: {} ({}) {why}",
            component.name, component.codes
        ),
    )
}
