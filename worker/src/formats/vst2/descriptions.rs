//! What a plugin says of its parameters and channels in structures.

use std::ptr::null_mut;

use super::abi::{ParameterProperties, PinProperties, SpeakerArrangement, effect};
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

    /// Channels of the main input and output as loudspeakers, where the plugin says.
    pub fn speakers(&self) -> Option<(i32, i32)> {
        let mut inputs: *mut SpeakerArrangement = null_mut();
        let mut outputs: *mut SpeakerArrangement = null_mut();
        // Where the first pointer goes is passed as a number.
        let value = (&raw mut inputs).expose_provenance().cast_signed();
        let pointer = (&raw mut outputs).cast();
        // SAFETY: two places for pointers to the plugin's own memory.
        let known =
            unsafe { self.dispatch(effect::GET_SPEAKER_ARRANGEMENT, 0, value, pointer, 0.0) > 0 };
        if !known || inputs.is_null() || outputs.is_null() {
            return None;
        }
        // SAFETY: not null, and valid until the next call, says the interface.
        unsafe { Some(((*inputs).num_channels, (*outputs).num_channels)) }
    }

    /// Offers arrangements of loudspeakers; whether the plugin took them.
    pub fn set_speakers(
        &self,
        inputs: &mut SpeakerArrangement,
        outputs: &mut SpeakerArrangement,
    ) -> bool {
        let value = std::ptr::from_mut(inputs).expose_provenance().cast_signed();
        let pointer = std::ptr::from_mut(outputs).cast();
        // SAFETY: two arrangements with as many speakers as they say.
        unsafe { self.dispatch(effect::SET_SPEAKER_ARRANGEMENT, 0, value, pointer, 0.0) > 0 }
    }
}
