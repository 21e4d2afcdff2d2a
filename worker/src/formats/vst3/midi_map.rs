//! Which parameters MIDI controllers move: asked for on the main thread, read by the audio
//! thread.

use std::sync::atomic::{AtomicU32, Ordering};

use vst3::ComPtr;
use vst3::Steinberg::Vst::ControllerNumbers_::{kAfterTouch, kPitchBend};
use vst3::Steinberg::Vst::{IMidiMapping, IMidiMappingTrait};
use vst3::Steinberg::kResultOk;

use crate::formats::{count, fpu};

/// Channels of an event bus.
pub const CHANNELS: usize = 16;
/// Controllers 0 to 127, channel pressure and pitch bend.
const CONTROLLERS: usize = 130;
/// Number of channel pressure among them.
pub const PRESSURE: usize = kAfterTouch as usize;
/// Number of pitch bend among them.
pub const BEND: usize = kPitchBend as usize;
/// No parameter.
const NONE: u32 = u32::MAX;

/// Parameter indices by channel and controller, and the program parameter of each channel.
pub struct MidiMap {
    controllers: Box<[AtomicU32]>,
    programs: Box<[AtomicU32]>,
}

impl Default for MidiMap {
    fn default() -> Self {
        let none = |cells: usize| (0..cells).map(|_| AtomicU32::new(NONE)).collect();
        Self {
            controllers: none(CHANNELS * CONTROLLERS),
            programs: none(CHANNELS),
        }
    }
}

impl MidiMap {
    /// The parameter that a controller moves.
    pub fn controller(&self, channel: usize, controller: usize) -> Option<usize> {
        if controller >= CONTROLLERS {
            return None;
        }
        read(self.controllers.get(channel * CONTROLLERS + controller)?)
    }

    /// The parameter that selects the programs of a channel.
    pub fn program(&self, channel: usize) -> Option<usize> {
        read(self.programs.get(channel)?)
    }

    /// Asks the plugin anew. `index_of` knows the parameters' ids.
    pub fn ask(
        &self,
        mapping: Option<&ComPtr<IMidiMapping>>,
        index_of: impl Fn(u32) -> Option<usize>,
    ) {
        for (at, cell) in self.controllers.iter().enumerate() {
            let found = mapping.and_then(|mapping| {
                let channel = i16::try_from(at / CONTROLLERS).ok()?;
                let controller = i16::try_from(at % CONTROLLERS).ok()?;
                let mut id = 0;
                // SAFETY: numbers in range, and room for an id.
                let told = fpu::guarded(|| unsafe {
                    mapping.getMidiControllerAssignment(0, channel, controller, &raw mut id)
                });
                (told == kResultOk).then(|| index_of(id)).flatten()
            });
            cell.store(found.map_or(NONE, count), Ordering::Relaxed);
        }
    }

    /// Sets the parameter that selects the programs of a channel.
    pub fn set_program(&self, channel: usize, parameter: Option<usize>) {
        if let Some(cell) = self.programs.get(channel) {
            cell.store(parameter.map_or(NONE, count), Ordering::Relaxed);
        }
    }
}

fn read(cell: &AtomicU32) -> Option<usize> {
    let index = cell.load(Ordering::Relaxed);
    (index != NONE)
        .then(|| usize::try_from(index).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_mapped_at_first_or_out_of_range() {
        let map = MidiMap::default();
        assert_eq!(map.controller(0, 7), None);
        map.set_program(3, Some(5));
        assert_eq!((map.program(3), map.program(4)), (Some(5), None));
        assert_eq!(map.controller(16, 0), None);
        assert_eq!(map.controller(0, 130), None);
        map.set_program(99, Some(1));
        assert_eq!(map.program(99), None);
        assert_eq!((PRESSURE, BEND), (128, 129));
    }
}
