//! A controller's parameters: what they are, their values and texts.

use plugpen_proto::limits::MAX_PARAMETERS;
use vst3::ComPtr;
use vst3::Steinberg::Vst::ParameterInfo_::ParameterFlags_::{
    kCanAutomate, kIsBypass, kIsProgramChange, kIsReadOnly,
};
use vst3::Steinberg::Vst::{IEditController, IEditControllerTrait, ParameterInfo as Sdk};
use vst3::Steinberg::kResultOk;

use super::roomy::Roomy;
use super::text;
use crate::formats::fpu;
use crate::formats::numbers::leading_number;

/// A value that comes back from a plugin this near is the one that was set: plugins keep floats.
const NEAR: f64 = 1e-5;

/// What a controller says of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterInfo {
    pub id: u32,
    pub name: String,
    /// Unit, e.g. "dB".
    pub label: String,
    /// Number of values less one; 0 if continuous.
    pub steps: u32,
    pub default: f64,
    /// The unit, in the sense of a part of the plugin, that it belongs to.
    pub unit: i32,
    flags: i32,
}

impl ParameterInfo {
    /// Whether a host may automate it.
    pub fn is_automatable(&self) -> bool {
        self.flags & kCanAutomate != 0
    }

    /// Whether only the plugin changes it.
    pub fn is_read_only(&self) -> bool {
        self.flags & kIsReadOnly != 0
    }

    /// Whether it is the plugin's own bypass.
    pub fn is_bypass(&self) -> bool {
        self.flags & kIsBypass != 0
    }

    /// Whether it selects programs.
    pub fn is_program(&self) -> bool {
        self.flags & kIsProgramChange != 0
    }
}

/// A controller. Main thread only.
pub struct Edit(pub ComPtr<IEditController>);

impl Edit {
    /// All parameters, in the controller's order.
    pub fn parameters(&self) -> Vec<ParameterInfo> {
        // SAFETY: no arguments.
        let count = fpu::guarded(|| unsafe { self.0.getParameterCount() });
        let most = i32::try_from(MAX_PARAMETERS).unwrap_or(i32::MAX);
        (0..count.clamp(0, most))
            .filter_map(|index| {
                let mut info = Roomy::<Sdk>::zeroed();
                // SAFETY: room for the answer; the index is below the count.
                let told =
                    fpu::guarded(|| unsafe { self.0.getParameterInfo(index, info.as_mut_ptr()) });
                (told == kResultOk).then(|| described(info.get()))
            })
            .collect()
    }

    /// The normalised value; `None` where the plugin says nonsense.
    pub fn value(&self, id: u32) -> Option<f64> {
        // SAFETY: an id of the controller.
        let value = fpu::guarded(|| unsafe { self.0.getParamNormalized(id) });
        sane(value)
    }

    /// Sets a normalised value.
    pub fn set(&self, id: u32, value: f64) {
        // SAFETY: an id of the controller, a value from 0 to 1. What it answers is in the value
        // it has then.
        fpu::guarded(|| unsafe { self.0.setParamNormalized(id, value) });
    }

    /// The value in plain units.
    pub fn plain(&self, id: u32, value: f64) -> Option<f64> {
        // SAFETY: an id of the controller, a value from 0 to 1.
        let plain = fpu::guarded(|| unsafe { self.0.normalizedParamToPlain(id, value) });
        plain.is_finite().then_some(plain)
    }

    /// The text for a value; two decimals where the plugin has none, as with JUCE.
    pub fn text(&self, id: u32, value: f64) -> String {
        let mut field = Roomy::<[u16; text::ROOM]>::zeroed();
        // SAFETY: an id of the controller, a value from 0 to 1, and more room than it is told of.
        let told = fpu::guarded(|| unsafe {
            self.0
                .getParamStringByValue(id, value, field.as_mut_ptr().cast())
        });
        match told {
            kResultOk => text::wide(field.get()),
            _ => format!("{value:.2}"),
        }
    }

    /// The value a text stands for; a plain number is taken as normalised where the plugin cannot
    /// read it, anything else is 0, as with JUCE.
    pub fn value_of(&self, id: u32, words: &str) -> f64 {
        let mut units = text::to_wide(words);
        // Some plugins look at all of the 128 units they know of.
        units.resize(units.len().max(text::ROOM), 0);
        let mut value = 0.0;
        // SAFETY: an id of the controller, a text with a zero at its end, and room for a value.
        let told = fpu::guarded(|| unsafe {
            self.0
                .getParamValueByString(id, units.as_mut_ptr(), &raw mut value)
        });
        let said = (told == kResultOk).then(|| sane(value)).flatten();
        said.unwrap_or_else(|| leading_number(words).clamp(0.0, 1.0))
    }
}

fn described(info: &Sdk) -> ParameterInfo {
    ParameterInfo {
        id: info.id,
        name: text::wide(&info.title),
        label: text::wide(&info.units),
        steps: u32::try_from(info.stepCount).unwrap_or(0),
        default: sane(info.defaultNormalizedValue).unwrap_or(0.0),
        unit: info.unitId,
        flags: info.flags,
    }
}

/// The value to tell of after `wanted` was set: what the plugin says that it has, unless that is
/// still what it had before, or as good as what was wanted.
pub fn had(wanted: f64, before: f64, says: Option<f64>, steps: u32) -> f64 {
    let followed = says.filter(|says| steps > 0 || *says != before);
    followed
        .filter(|says| (says - wanted).abs() > NEAR)
        .unwrap_or(wanted)
}

/// A normalised value of a plugin; `None` where it is no number.
pub fn sane(value: f64) -> Option<f64> {
    value.is_finite().then(|| value.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_number_in_range_or_none() {
        assert_eq!((sane(f64::NAN), sane(2.0)), (None, Some(1.0)));
    }

    #[test]
    fn what_a_plugin_has_is_what_it_says_where_it_can_know() {
        // Steps count, and so does any answer to the change.
        assert_eq!(had(0.3, 0.25, Some(0.25), 4), 0.25);
        assert_eq!(had(0.3, 0.9, Some(0.5), 0), 0.5);
        // Nearly the same is the same.
        assert_eq!(had(0.3, 0.9, Some(0.300_000_01), 0), 0.3);
        // A controller that has not followed yet knows nothing of the new value.
        assert_eq!(had(0.3, 0.9, Some(0.9), 0), 0.3);
        assert_eq!(had(0.3, 0.9, None, 0), 0.3);
    }
}
