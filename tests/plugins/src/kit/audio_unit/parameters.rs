//! Parameters: numbers, what is said of them, and setting them.

use super::abi::*;
use super::unit::Sim;
use super::{events, objects};
use crate::kit::{Kind, Parameter, demand};

/// What a parameter's number is above its index.
const FIRST: u32 = 1000;

/// `kAudioUnitErr_InvalidParameter`.
pub const INVALID_PARAMETER: OSStatus = -10_878;

impl Sim {
    /// The parameters that hosts see, by index: all but a bypass.
    fn parameters(&self) -> impl Iterator<Item = (usize, &'static Parameter)> {
        let all = self.about.parameters.iter().enumerate();
        all.filter(|(_, parameter)| parameter.kind != Kind::Bypass)
    }

    /// The index of the bypass parameter.
    pub fn bypass(&self) -> Option<usize> {
        let kinds = self.about.parameters.iter().map(|parameter| parameter.kind);
        kinds.into_iter().position(|kind| kind == Kind::Bypass)
    }

    /// The numbers of all parameters.
    pub fn ids(&self) -> Vec<u32> {
        self.parameters()
            .map(|(index, _)| number_of(index))
            .collect()
    }

    /// The parameter of a number.
    pub fn parameter(&self, id: u32) -> Option<(usize, &'static Parameter)> {
        let index = usize::try_from(id.checked_sub(FIRST)?).ok()?;
        self.parameters().find(|(known, _)| *known == index)
    }

    /// What is said of a parameter. The name is a string that the host has to release.
    pub fn describe(&self, id: u32) -> Option<AudioUnitParameterInfo> {
        let (_, parameter) = self.parameter(id)?;
        let is_meter = parameter.kind == Kind::Meter;
        let is_switch = parameter.is_whole && parameter.max == 1.0;
        let unit = match (parameter.unit, parameter.is_whole) {
            (_, true) if is_switch => parameter_unit::BOOLEAN,
            (_, true) => parameter_unit::INDEXED,
            ("dB", _) => 13,
            ("s", _) => 4,
            _ => 0,
        };
        let readable = 1 << 30;
        let writable = if is_meter {
            0
        } else {
            parameter_flag::IS_WRITABLE
        };
        let strings = match parameter.labels {
            [] => 0,
            _ => parameter_flag::VALUES_HAVE_STRINGS,
        };
        let context = self.context.lock().unwrap_or_else(|e| e.into_inner());
        let name = match context.as_str() {
            "" => parameter.name.to_owned(),
            context => format!("{} ({context})", parameter.name),
        };
        Some(AudioUnitParameterInfo {
            name: [0; 52],
            unit_name: std::ptr::null(),
            clump: 0,
            cf_name: objects::string(&name),
            unit,
            min: narrow(parameter.min),
            max: narrow(parameter.max),
            default: narrow(parameter.default),
            flags: readable
                | writable
                | strings
                | parameter_flag::HAS_CF_NAME
                | parameter_flag::CF_NAME_RELEASE,
        })
    }

    /// Sets a parameter as a host does. What the plugin does about it is told when it is asked.
    pub fn set(&self, id: u32, value: f32) -> OSStatus {
        let Some((index, parameter)) = self.parameter(id) else {
            return INVALID_PARAMETER;
        };
        let value = f64::from(value);
        demand(
            (parameter.min - 1e-4..=parameter.max + 1e-4).contains(&value),
            "set a parameter within its range",
        );
        demand(
            parameter.kind != Kind::Meter,
            "do not set what is not writable",
        );
        let before = (self.latency)(&self.values);
        self.values.set(index, value);
        if (self.latency)(&self.values) != before {
            self.changed(property::LATENCY);
        }
        if let Some(gesture) = (self.answer)(index, &self.values) {
            self.values.set(gesture.index, gesture.plain);
            let edited = number_of(gesture.index);
            let told = |kind| events::Told {
                unit: std::ptr::from_ref(self).addr(),
                kind,
                id: edited,
                value: narrow(gesture.plain),
            };
            events::tell(told(event::BEGIN_GESTURE));
            events::tell(told(event::PARAMETER_VALUE_CHANGE));
            events::tell(told(event::END_GESTURE));
        }
        0
    }
}

/// The number of a parameter.
pub fn number_of(index: usize) -> u32 {
    FIRST + u32::try_from(index).unwrap_or(0)
}

/// The nearest f32.
pub fn narrow(value: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation, reason = "the nearest is meant")]
    let narrow = value as f32;
    narrow
}
