//! Factory presets, as programs.

use super::abi::*;
use super::foundation::{self, Owned};
use super::instance::{Instance, Status};

/// A preset of the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The unit's own number for it.
    pub number: i32,
    pub name: String,
}

/// Reads all factory presets, in the unit's order.
pub fn read(instance: &Instance) -> Vec<Program> {
    let toolbox = instance.toolbox();
    let Some(array) = instance.object(property::FACTORY_PRESETS, scope::GLOBAL, 0) else {
        return Vec::new();
    };
    // SAFETY: `array` lives until the end of this function.
    let presets = unsafe { foundation::elements(toolbox, array.get()) };
    presets
        .into_iter()
        .map(<*const std::ffi::c_void>::cast::<AUPreset>)
        .filter(|preset| !preset.is_null() && preset.is_aligned())
        .map(|preset| {
            // SAFETY: not null, aligned (checked on the line above); the array that this property
            // has is one of presets, which live as long as it does.
            let preset = unsafe { preset.read() };
            Program {
                number: preset.number,
                // SAFETY: alive as the preset is.
                name: unsafe { foundation::text(toolbox, preset.name) }.unwrap_or_default(),
            }
        })
        .collect()
}

/// Makes a preset the present one.
///
/// # Errors
/// The unit's refusal.
pub fn set(instance: &Instance, program: &Program) -> Result<(), Status> {
    let name = Owned::string(instance.toolbox(), &program.name);
    let preset = AUPreset {
        number: program.number,
        name: name.as_ref().map_or(std::ptr::null(), Owned::get),
    };
    instance.set(property::PRESENT_PRESET, scope::GLOBAL, 0, &preset)
}

/// Number of the present preset, negative for a user's.
pub fn present(instance: &Instance) -> Option<i32> {
    let preset: AUPreset = instance.get(property::PRESENT_PRESET, scope::GLOBAL, 0)?;
    // SAFETY: the name comes with a reference for the host.
    drop(unsafe { Owned::take(instance.toolbox(), preset.name) });
    Some(preset.number)
}
