//! Parameters: ranges, units and texts. Values are linear in their normalised ones, as in JUCE.

use std::sync::atomic::{AtomicU32, Ordering};

use plugpen_proto::v1::Parameter;

use super::abi::*;
use super::foundation::{self, Owned};
use super::instance::Instance;
use crate::formats::numbers::{leading_number, narrow, six_digits};

/// Most steps a parameter is said to have.
const MAX_STEPS: f32 = 65_536.0;

/// What a unit says of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterInfo {
    /// The unit's own number for it.
    pub id: u32,
    pub name: String,
    pub label: String,
    pub default: f32,
    unit: u32,
    flags: u32,
    /// Names of an indexed parameter's values, from its minimum on.
    strings: Vec<String>,
}

/// What both threads need of a parameter.
#[derive(Debug)]
pub struct Range {
    /// The unit's own number for it.
    pub id: u32,
    /// Whether only whole values count.
    is_whole: bool,
    /// Whether the host may set it.
    pub is_writable: bool,
    min: AtomicU32,
    max: AtomicU32,
}

impl Range {
    fn new(info: &AudioUnitParameterInfo, id: u32) -> Self {
        let range = Self {
            id,
            is_whole: is_whole(info.unit),
            is_writable: info.flags & parameter_flag::IS_WRITABLE != 0,
            min: AtomicU32::new(0),
            max: AtomicU32::new(0),
        };
        range.follow(info);
        range
    }

    /// Takes limits over, made sane.
    fn follow(&self, info: &AudioUnitParameterInfo) {
        let sane = |number: f32, otherwise| {
            if number.is_finite() {
                number
            } else {
                otherwise
            }
        };
        let min = sane(info.min, 0.0);
        let max = sane(info.max, 1.0).max(min);
        self.min.store(min.to_bits(), Ordering::Relaxed);
        self.max.store(max.to_bits(), Ordering::Relaxed);
    }

    /// Least plain value.
    pub fn min(&self) -> f32 {
        f32::from_bits(self.min.load(Ordering::Relaxed))
    }

    /// Largest plain value.
    pub fn max(&self) -> f32 {
        f32::from_bits(self.max.load(Ordering::Relaxed))
    }

    /// The plain value of a normalised one.
    pub fn plain(&self, normal: f64) -> f32 {
        let (min, max) = (f64::from(self.min()), f64::from(self.max()));
        let plain = min + normal.clamp(0.0, 1.0) * (max - min);
        self.clamp(narrow(if self.is_whole { plain.round() } else { plain }))
    }

    /// The normalised value of a plain one.
    pub fn normal(&self, plain: f32) -> f64 {
        let (min, max) = (f64::from(self.min()), f64::from(self.max()));
        if max > min {
            ((f64::from(plain) - min) / (max - min)).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// A plain value within the range.
    pub fn clamp(&self, plain: f32) -> f32 {
        // Not `clamp`, which panics where another thread has just moved one of the limits.
        plain.min(self.max()).max(self.min())
    }
}

fn is_whole(unit: u32) -> bool {
    matches!(unit, parameter_unit::INDEXED | parameter_unit::BOOLEAN)
}

/// Reads all parameters of the global scope, in the unit's order.
pub fn read(instance: &Instance) -> Vec<(Range, ParameterInfo)> {
    let ids: Vec<u32> = instance.list(property::PARAMETER_LIST, scope::GLOBAL, 0);
    ids.into_iter()
        .filter_map(|id| {
            let info = instance.get(property::PARAMETER_INFO, scope::GLOBAL, id)?;
            let range = Range::new(&info, id);
            let described = describe(instance, &info, &range);
            Some((range, described))
        })
        .collect()
}

/// Reads one parameter again; the range follows.
pub fn read_again(instance: &Instance, range: &Range) -> Option<ParameterInfo> {
    let info = instance.get(property::PARAMETER_INFO, scope::GLOBAL, range.id)?;
    range.follow(&info);
    Some(describe(instance, &info, range))
}

fn describe(instance: &Instance, info: &AudioUnitParameterInfo, range: &Range) -> ParameterInfo {
    let toolbox = instance.toolbox();
    let has = |flag| info.flags & flag != 0;
    let name = if has(parameter_flag::HAS_CF_NAME) {
        // SAFETY: the unit says that it is a string, alive at least until it is released.
        let name = unsafe { foundation::text(toolbox, info.cf_name) };
        if has(parameter_flag::CF_NAME_RELEASE) {
            // SAFETY: the flag gives the reference to the host.
            drop(unsafe { Owned::take(toolbox, info.cf_name) });
        }
        name
    } else {
        None
    };
    let label = match info.unit {
        // SAFETY: the unit keeps this string.
        parameter_unit::CUSTOM => unsafe { foundation::text(toolbox, info.unit_name) },
        unit => Some(unit_name(unit).to_owned()),
    };
    let strings = instance.object(property::PARAMETER_VALUE_STRINGS, scope::GLOBAL, range.id);
    let strings = strings.map_or_else(Vec::new, |array| {
        // SAFETY: `array` lives until the closure ends, and its elements with it.
        unsafe { foundation::elements(toolbox, array.get()) }
            .into_iter()
            // SAFETY: as above.
            .map(|string| unsafe { foundation::text(toolbox, string) }.unwrap_or_default())
            .collect()
    });
    ParameterInfo {
        id: range.id,
        name: name.unwrap_or_else(|| short_name(info)),
        label: label.unwrap_or_default(),
        default: range.clamp(if info.default.is_finite() {
            info.default
        } else {
            range.min()
        }),
        unit: info.unit,
        flags: info.flags,
        strings,
    }
}

/// The name within the structure, which need not end.
fn short_name(info: &AudioUnitParameterInfo) -> String {
    let bytes = info.name.map(|character| character.cast_unsigned());
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

impl ParameterInfo {
    /// Everything that is said of a parameter at a normalised value.
    pub fn describe(
        &self,
        index: u32,
        value: f64,
        instance: &Instance,
        range: &Range,
    ) -> Parameter {
        let is_boolean = self.unit == parameter_unit::BOOLEAN;
        let steps = (range.max() - range.min()).min(MAX_STEPS) + 1.0;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 to MAX_STEPS + 1"
        )]
        let steps = steps as u32;
        Parameter {
            index,
            name: self.name.clone(),
            id: self.id.to_string(),
            label: self.label.clone(),
            value,
            text: self.text(value, instance, range),
            default_value: range.normal(self.default),
            num_steps: if is_whole(self.unit) { steps } else { 0 },
            is_automatable: range.is_writable && self.flags & parameter_flag::NON_REAL_TIME == 0,
            is_boolean,
            category: 0,
            plain_min: range.min().into(),
            plain_max: range.max().into(),
            is_bypass: false,
            ..Parameter::default()
        }
    }

    /// The text of a normalised value: the unit's own where it has texts.
    pub fn text(&self, value: f64, instance: &Instance, range: &Range) -> String {
        let plain = range.plain(value);
        if let Some(text) = self.text_of_unit(plain, instance) {
            return text;
        }
        if let Some(text) = self.strings.get(position(plain - range.min())) {
            return text.clone();
        }
        match self.unit {
            parameter_unit::BOOLEAN if plain > 0.5 => "On".into(),
            parameter_unit::BOOLEAN => "Off".into(),
            _ => six_digits(plain),
        }
    }

    fn text_of_unit(&self, plain: f32, instance: &Instance) -> Option<String> {
        if self.flags & parameter_flag::VALUES_HAVE_STRINGS == 0 {
            return None;
        }
        let question = AudioUnitParameterStringFromValue {
            id: self.id,
            value: &raw const plain,
            string: std::ptr::null(),
        };
        // SAFETY: the one pointer is to a value that lives through the call.
        let answer = unsafe { instance.ask(property::PARAMETER_STRING_FROM_VALUE, question) }?;
        // SAFETY: the unit gives the reference of the string to the host.
        let string = unsafe { Owned::take(instance.toolbox(), answer.string) }?;
        // SAFETY: alive.
        unsafe { foundation::text(instance.toolbox(), string.get()) }
    }

    /// The normalised value of a text; what cannot be read stands for 0 in plain units.
    pub fn value_of(&self, text: &str, instance: &Instance, range: &Range) -> f64 {
        let named = || {
            let is_meant = |name: &String| name.eq_ignore_ascii_case(text.trim());
            let at = self.strings.iter().position(is_meant)?;
            Some(range.min() + f32::from(u16::try_from(at).ok()?))
        };
        let switch = || match (self.unit, text.trim().to_ascii_lowercase().as_str()) {
            (parameter_unit::BOOLEAN, "on" | "true" | "yes") => Some(1.0),
            _ => None,
        };
        let plain = self
            .value_of_unit(text, instance)
            .or_else(named)
            .or_else(switch)
            .unwrap_or_else(|| narrow(leading_number(text)));
        range.normal(range.clamp(plain))
    }

    fn value_of_unit(&self, text: &str, instance: &Instance) -> Option<f32> {
        if self.flags & parameter_flag::VALUES_HAVE_STRINGS == 0 {
            return None;
        }
        let string = Owned::string(instance.toolbox(), text)?;
        let question = AudioUnitParameterValueFromString {
            id: self.id,
            string: string.get(),
            value: f32::NAN,
        };
        // SAFETY: the string lives through the call.
        let answer = unsafe { instance.ask(property::PARAMETER_VALUE_FROM_STRING, question) }?;
        answer.value.is_finite().then_some(answer.value)
    }
}

/// The position that a distance from the minimum names.
fn position(distance: f32) -> usize {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "float to integer saturates"
    )]
    let position = distance.round() as usize;
    position
}

/// What people call a unit.
fn unit_name(unit: u32) -> &'static str {
    match unit {
        3 => "%",
        4 => "s",
        5 => "frames",
        8 => "Hz",
        9 | 20 => "cents",
        10 => "semitones",
        13 => "dB",
        15 => "degrees",
        19 => "m",
        21 => "octaves",
        22 => "BPM",
        23 => "beats",
        24 => "ms",
        _ => "",
    }
}
