//! Parameters: what the plugin says of them, and texts for values and back.

use plugpen_proto::v1::Parameter;

use super::abi::{effect, parameter};
use super::host::{Quiet, quietly};
use super::instance::Instance;
use super::shared::Shared;
use crate::formats::count;
use crate::formats::numbers::narrow;

/// Steps in which a continuous range is searched for a text.
const GRID: u32 = 128;
/// Halvings that find a number in a range as exactly as an `f32` can say it.
const HALVINGS: u32 = 24;

/// What is constant about a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterInfo {
    /// What it had when the plugin was loaded.
    pub default: f64,
    /// Number of steps, 0 if continuous.
    pub num_steps: u32,
    pub is_boolean: bool,
    pub is_automatable: bool,
}

/// Reads all parameters of a fresh plugin.
pub fn read(instance: &Instance) -> Vec<ParameterInfo> {
    let all = 0..usize::try_from(instance.num_params()).unwrap_or(0);
    all.map(|at| {
        let index = i32::try_from(at).unwrap_or(i32::MAX);
        let properties = instance.parameter_properties(at);
        let flags = properties.as_ref().map_or(0, |p| p.flags);
        let is_boolean = flags & parameter::IS_SWITCH != 0;
        let num_steps = match &properties {
            _ if is_boolean => 2,
            Some(p) if flags & parameter::USES_INTEGER_MIN_MAX != 0 => {
                steps(p.min_integer, p.max_integer)
            }
            Some(p) if flags & parameter::USES_FLOAT_STEP != 0 => steps_of(p.step_float),
            _ => 0,
        };
        ParameterInfo {
            default: instance.get_parameter(at),
            num_steps,
            is_boolean,
            is_automatable: instance.ask(effect::CAN_BE_AUTOMATED, index, 0, 0.0) > 0,
        }
    })
    .collect()
}

/// Steps of a range of whole numbers, 0 for one that is none.
fn steps(min: i32, max: i32) -> u32 {
    match max.checked_sub(min) {
        Some(range) if range > 0 => range.unsigned_abs() + 1,
        _ => 0,
    }
}

/// Steps of this size from 0 to 1, 0 for a size that is none.
fn steps_of(size: f32) -> u32 {
    const FINEST: f32 = 1e-4;
    if !(FINEST..=0.5).contains(&size) {
        return 0;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 2 to 10,000"
    )]
    let steps = (1.0 / size).round() as u32;
    steps + 1
}

impl Shared {
    /// Everything about a parameter. Whoever owns the processor.
    pub fn describe(&self, at: usize, info: &ParameterInfo) -> Parameter {
        let index = i32::try_from(at).unwrap_or(i32::MAX);
        let instance = &self.instance;
        let mut name = instance.text(effect::GET_PARAM_NAME, index, 0).1;
        if name.is_empty() {
            name = format!("Parameter {}", at + 1);
        }
        let label = instance.text(effect::GET_PARAM_LABEL, index, 0).1;
        let value = self.value(at);
        Parameter {
            index: count(at),
            id: at.to_string(),
            name,
            label,
            value,
            text: self.text(at, value),
            default_value: info.default,
            num_steps: info.num_steps,
            is_automatable: info.is_automatable,
            is_boolean: info.is_boolean,
            plain_max: 1.0,
            ..Parameter::default()
        }
    }

    /// The plugin's text for a value. Whoever owns the processor.
    pub fn text(&self, at: usize, value: f64) -> String {
        self.settle();
        let has = self.instance.get_parameter(at);
        if narrow(has) == narrow(value) {
            return self.display(at);
        }
        self.trying(at, || {
            self.instance.set_parameter(at, value);
            self.display(at)
        })
    }

    /// The value a text stands for: as the plugin reads it, else the value whose text it is, else
    /// a number among the numbers of the plugin's texts, else 0. Whoever owns the processor.
    pub fn value_of(&self, at: usize, info: &ParameterInfo, text: &str) -> f64 {
        self.settle();
        let text = text.trim();
        let understood = self.trying(at, || {
            let known = self.instance.set_from_text(at, text);
            known.then(|| self.instance.get_parameter(at))
        });
        if let Some(value) = understood {
            return value;
        }
        self.trying(at, || self.search(at, info, text))
    }

    fn search(&self, at: usize, info: &ParameterInfo, text: &str) -> f64 {
        let shown = |value: f64| {
            self.instance.set_parameter(at, value);
            self.display(at)
        };
        let steps = match info.num_steps {
            0 | 1 => GRID,
            steps => (steps - 1).min(1024),
        };
        let index = i32::try_from(at).unwrap_or(i32::MAX);
        let label = self.instance.text(effect::GET_PARAM_LABEL, index, 0).1;
        let mut texts: Vec<(f64, String)> = Vec::new();
        for step in 0..=steps {
            let value = f64::from(step) / f64::from(steps);
            let known = shown(value);
            let is_it = known.eq_ignore_ascii_case(text)
                || format!("{known} {label}").eq_ignore_ascii_case(text);
            // Not on to the end without need: ZynReverb dies of some of its own values.
            if is_it {
                return value;
            }
            texts.push((value, known));
        }
        let Some(wanted) = number(text) else {
            return 0.0;
        };
        let numbers: Vec<(f64, f64)> = texts
            .iter()
            .filter_map(|(value, text)| Some((*value, number(text)?)))
            .collect();
        match nearest(&numbers, wanted) {
            Some(range) => halve(range, wanted, |value| number(&shown(value))),
            // Texts without numbers: the number can only be the value itself.
            None => wanted.clamp(0.0, 1.0),
        }
    }

    fn display(&self, at: usize) -> String {
        let index = i32::try_from(at).unwrap_or(i32::MAX);
        let (_, text) = self.instance.text(effect::GET_PARAM_DISPLAY, index, 0);
        text
    }

    /// Lets `act` try values and puts the plugin's own back.
    fn trying<T>(&self, at: usize, act: impl FnOnce() -> T) -> T {
        quietly(Quiet::Yes, || {
            let has = self.instance.get_parameter(at);
            let result = act();
            self.instance.set_parameter(at, has);
            result
        })
    }
}

/// The number a text begins with.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let is_infinite = |text: &str| text.get(..3).is_some_and(|t| t.eq_ignore_ascii_case("inf"));
    let (sign, rest) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if is_infinite(rest) {
        return Some(sign * f64::INFINITY);
    }
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')
        .unwrap_or(rest.len());
    rest[..end]
        .replace(',', ".")
        .parse()
        .ok()
        .map(|n: f64| sign * n)
}

/// The two neighbours between whose numbers a number lies, or the one it is nearest to twice.
fn nearest(numbers: &[(f64, f64)], wanted: f64) -> Option<[(f64, f64); 2]> {
    let between = numbers.windows(2).find(|pair| {
        let (low, high) = (pair[0].1.min(pair[1].1), pair[0].1.max(pair[1].1));
        low <= wanted && wanted <= high && low < high
    });
    if let Some(pair) = between {
        return Some([pair[0], pair[1]]);
    }
    let distance = |entry: &&(f64, f64)| (entry.1 - wanted).abs();
    let one = numbers
        .iter()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    Some([*one, *one])
}

/// Halves a range until its number is the wanted one or the range cannot be halved.
fn halve(
    [mut low, mut high]: [(f64, f64); 2],
    wanted: f64,
    number_at: impl Fn(f64) -> Option<f64>,
) -> f64 {
    for _ in 0..HALVINGS {
        for end in [low, high] {
            if end.1 == wanted {
                return end.0;
            }
        }
        let middle = f64::midpoint(low.0, high.0);
        let Some(number) = number_at(middle) else {
            break;
        };
        if (number < wanted) == (low.1 < high.1) {
            low = (middle, number);
        } else {
            high = (middle, number);
        }
    }
    if (low.1 - wanted).abs() <= (high.1 - wanted).abs() {
        low.0
    } else {
        high.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_have_a_unit_behind_them() {
        for (text, expected) in [
            ("-3.5 dB", Some(-3.5)),
            ("12", Some(12.0)),
            ("+1,5", Some(1.5)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("off", None),
            ("", None),
            ("1.2.3", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn a_number_is_found_in_a_range_rising_or_falling() {
        for (from, to) in [(-24.0, 24.0), (24.0, -24.0)] {
            let shown = |value: f64| {
                let plain = from + value * (to - from);
                Some((plain * 100.0f64).round() / 100.0)
            };
            let numbers: Vec<_> = (0..=8u32)
                .map(|step| f64::from(step) / 8.0)
                .map(|value| (value, shown(value).unwrap()))
                .collect();
            for wanted in [-24.0, -7.31, 0.0, 11.99, 24.0] {
                let found = halve(nearest(&numbers, wanted).unwrap(), wanted, shown);
                assert_eq!(shown(found), Some(wanted));
            }
            let beyond = halve(nearest(&numbers, 99.0).unwrap(), 99.0, shown);
            assert_eq!(shown(beyond), Some(24.0));
        }
        assert_eq!(nearest(&[], 1.0), None);
    }

    #[test]
    fn steps_are_counted_where_they_make_sense() {
        assert_eq!(
            (steps(0, 127), steps(3, 3), steps(i32::MIN, 5)),
            (128, 0, 0)
        );
        assert_eq!(
            (steps_of(0.25), steps_of(0.0), steps_of(f32::NAN)),
            (5, 0, 0)
        );
    }
}
