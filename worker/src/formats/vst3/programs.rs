//! Program lists, through the parameter that selects from them.

use vst3::ComPtr;
use vst3::Steinberg::Vst::BusDirections_::kInput;
use vst3::Steinberg::Vst::MediaTypes_::kEvent;
use vst3::Steinberg::Vst::{IUnitInfo, IUnitInfoTrait, ProgramListInfo, UnitInfo};
use vst3::Steinberg::kResultOk;

use super::edit::{Edit, ParameterInfo};
use super::midi_map::{CHANNELS, MidiMap};
use super::roomy::Roomy;
use super::text;
use crate::formats::fpu;

/// Programs, and units, that are looked at.
const MOST: i32 = 16_384;
/// The unit that everything belongs to that belongs to no other.
const ROOT: i32 = 0;

/// The programs of a plugin.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Programs {
    /// In the list's order.
    pub names: Vec<String>,
    /// Index of the parameter that selects one.
    pub parameter: Option<usize>,
    /// That parameter's steps.
    steps: u32,
}

impl Programs {
    /// Reads the list of the root unit, or the first there is.
    pub fn read(
        edit: &Edit,
        units: Option<&ComPtr<IUnitInfo>>,
        parameters: &[ParameterInfo],
    ) -> Self {
        let selecting = || {
            let all = parameters.iter().enumerate();
            all.filter(|(_, parameter)| parameter.is_program() && !parameter.is_read_only())
        };
        let chosen = selecting()
            .find(|(_, parameter)| parameter.unit == ROOT)
            .or_else(|| selecting().next());
        let Some((at, parameter)) = chosen else {
            return Self::default();
        };
        let listed = units.and_then(|units| names_of(units, parameter.unit));
        let names = listed.unwrap_or_else(|| {
            let last = parameter.steps.min(MOST.cast_unsigned());
            (0..=last)
                .filter(|_| last > 0)
                .map(|step| edit.text(parameter.id, f64::from(step) / f64::from(last)))
                .collect()
        });
        Self {
            parameter: (!names.is_empty()).then_some(at),
            steps: parameter.steps,
            names,
        }
    }

    /// The normalised value that selects a program.
    pub fn value(&self, index: u32) -> f64 {
        let steps = match self.steps {
            0 => crate::formats::count(self.names.len()).saturating_sub(1),
            steps => steps,
        };
        (f64::from(index) / f64::from(steps.max(1))).min(1.0)
    }

    /// The program that a normalised value selects.
    pub fn index(&self, value: f64) -> u32 {
        let last = crate::formats::count(self.names.len()).saturating_sub(1);
        let near = |index: &u32| (self.value(*index) - value).abs();
        (0..=last)
            .min_by(|a, b| near(a).total_cmp(&near(b)))
            .unwrap_or(0)
    }
}

/// Which parameter a program change on each channel moves: that of the channel's own unit, or the
/// one all programs are selected with.
pub fn map_channels(
    map: &MidiMap,
    units: Option<&ComPtr<IUnitInfo>>,
    parameters: &[ParameterInfo],
    programs: &Programs,
) {
    for channel in 0..CHANNELS {
        let unit = units.and_then(|units| unit_of(units, channel));
        let own = parameters
            .iter()
            .position(|parameter| parameter.is_program() && Some(parameter.unit) == unit);
        map.set_program(channel, own.or(programs.parameter));
    }
}

fn unit_of(units: &ComPtr<IUnitInfo>, channel: usize) -> Option<i32> {
    let channel = i32::try_from(channel).ok()?;
    let (media, direction) = (kEvent.cast_signed(), kInput.cast_signed());
    let mut unit = 0;
    // SAFETY: numbers in range, and room for an id.
    let told =
        fpu::guarded(|| unsafe { units.getUnitByBus(media, direction, 0, channel, &raw mut unit) });
    (told == kResultOk).then_some(unit)
}

/// The names in a unit's list; `None` where it has none.
fn names_of(units: &ComPtr<IUnitInfo>, unit: i32) -> Option<Vec<String>> {
    let list = list_of(units, unit);
    // SAFETY: no arguments.
    let lists = fpu::guarded(|| unsafe { units.getProgramListCount() });
    let mut infos = (0..lists.clamp(0, MOST)).filter_map(|index| {
        let mut info = Roomy::<ProgramListInfo>::zeroed();
        // SAFETY: room for the answer; the index is below the count.
        let told = fpu::guarded(|| unsafe { units.getProgramListInfo(index, info.as_mut_ptr()) });
        (told == kResultOk).then(|| (info.get().id, info.get().programCount))
    });
    let (id, programs) = infos.find(|(id, _)| list.is_none_or(|list| list == *id))?;
    let names = (0..programs.clamp(0, MOST)).map(|index| {
        let mut field = Roomy::<[u16; text::ROOM]>::zeroed();
        // SAFETY: more room than it is told of; the index is below the list's count.
        let told =
            fpu::guarded(|| unsafe { units.getProgramName(id, index, field.as_mut_ptr().cast()) });
        match told {
            kResultOk => text::wide(field.get()),
            _ => format!("Program {}", index + 1),
        }
    });
    Some(names.collect())
}

/// The list of a unit; `None` where the plugin does not say.
fn list_of(units: &ComPtr<IUnitInfo>, unit: i32) -> Option<i32> {
    // SAFETY: no arguments.
    let count = fpu::guarded(|| unsafe { units.getUnitCount() });
    (0..count.clamp(0, MOST)).find_map(|index| {
        let mut info = Roomy::<UnitInfo>::zeroed();
        // SAFETY: room for the answer; the index is below the count.
        let told = fpu::guarded(|| unsafe { units.getUnitInfo(index, info.as_mut_ptr()) });
        let info = info.get();
        (told == kResultOk && info.id == unit).then_some(info.programListId)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_values_lead_to_each_other() {
        for steps in [0, 4, 127] {
            let programs = Programs {
                names: (0..5).map(|n| n.to_string()).collect(),
                parameter: Some(0),
                steps,
            };
            for index in 0..5 {
                assert_eq!(programs.index(programs.value(index)), index);
            }
            assert!((0.0..=1.0).contains(&programs.value(9999)));
        }
        assert_eq!(Programs::default().index(0.5), 0);
    }
}
