//! What a plugin says of its parameters and channels in structures.

use super::abi::{ParameterProperties, PinProperties, effect};
use super::instance::Instance;

impl Instance {
    /// Name and unit of a parameter, steps and switch, where the plugin says.
    pub fn parameter_properties(&self, at: usize) -> Option<ParameterProperties> {
        let index = i32::try_from(at).ok()?;
        // SAFETY: all zeros are valid numbers and texts.
        let mut properties: ParameterProperties = unsafe { std::mem::zeroed() };
        let pointer = (&raw mut properties).cast();
        // SAFETY: the structure that this opcode fills.
        let known =
            unsafe { self.dispatch(effect::GET_PARAMETER_PROPERTIES, index, 0, pointer, 0.0) > 0 };
        known.then_some(properties)
    }

    /// What the plugin says of an input or output.
    pub fn pin(&self, is_input: bool, at: usize) -> Option<PinProperties> {
        let opcode = match is_input {
            true => effect::GET_INPUT_PROPERTIES,
            false => effect::GET_OUTPUT_PROPERTIES,
        };
        let index = i32::try_from(at).ok()?;
        // SAFETY: all zeros are valid numbers and texts.
        let mut pin: PinProperties = unsafe { std::mem::zeroed() };
        let pointer = (&raw mut pin).cast();
        // SAFETY: the structure that these opcodes fill.
        let known = unsafe { self.dispatch(opcode, index, 0, pointer, 0.0) > 0 };
        known.then_some(pin)
    }
}
