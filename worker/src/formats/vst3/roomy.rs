//! Answers of plugins, with slack behind them.

use std::mem::MaybeUninit;

use vst3::Steinberg::Vst::{
    BusInfo, NoteExpressionTypeInfo, ParameterInfo, ProgramListInfo, UnitInfo,
};
use vst3::Steinberg::{PClassInfo, PClassInfo2, PClassInfoW, PFactoryInfo};

/// Plain data for which all bits zero are a value.
///
/// # Safety
/// Numbers and arrays of numbers only.
pub unsafe trait Plain: Copy {}

// SAFETY: numbers and arrays of numbers.
unsafe impl Plain for PFactoryInfo {}
// SAFETY: as above.
unsafe impl Plain for PClassInfo {}
// SAFETY: as above.
unsafe impl Plain for PClassInfo2 {}
// SAFETY: as above.
unsafe impl Plain for PClassInfoW {}
// SAFETY: as above.
unsafe impl Plain for BusInfo {}
// SAFETY: as above.
unsafe impl Plain for ParameterInfo {}
// SAFETY: as above.
unsafe impl Plain for UnitInfo {}
// SAFETY: as above.
unsafe impl Plain for ProgramListInfo {}
// SAFETY: as above.
unsafe impl Plain for NoteExpressionTypeInfo {}
// SAFETY: as above.
unsafe impl Plain for [u16; super::text::ROOM] {}

/// A value a plugin fills in. Plugins write strings past their fields; the slack behind takes
/// what spills.
#[repr(C)]
pub struct Roomy<T> {
    value: MaybeUninit<T>,
    _slack: [u64; 128],
}

impl<T: Plain> Roomy<T> {
    /// All zero.
    pub fn zeroed() -> Self {
        Self {
            value: MaybeUninit::zeroed(),
            _slack: [0; 128],
        }
    }

    /// For the plugin.
    pub fn as_mut_ptr(&mut self) -> *mut T {
        // The whole is passed, so that the slack may be written as well.
        (&raw mut *self).cast()
    }

    /// What it wrote.
    pub fn get(&self) -> &T {
        // SAFETY: zero at first, which is a value, and any bits a plugin writes are one too.
        unsafe { self.value.assume_init_ref() }
    }
}
