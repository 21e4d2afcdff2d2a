//! Parameters: control ports in, then writable patch properties. Values, texts and steps the way
//! minihost 0.11 gives them, which is JUCE's way.

use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::{Parameter, ParameterKind};

use super::atoms::{TextType, Value};
use super::node::Node;
use super::ports::{Kind, PortInfo, Ports};
use super::texts::{NUMBERS, Texts};
use super::units;
use super::urids::Urids;
use super::world::{Plugin, Port, World};
use crate::formats::normalised;
use crate::formats::numbers::{leading_number, narrow, six_digits};

const ENABLED: &str = "http://lv2plug.in/ns/lv2core#enabled";
const TOGGLED: &str = "http://lv2plug.in/ns/lv2core#toggled";
const INTEGER: &str = "http://lv2plug.in/ns/lv2core#integer";
const ENUMERATION: &str = "http://lv2plug.in/ns/lv2core#enumeration";
/// The largest number of a text.
#[allow(clippy::cast_precision_loss, reason = "far below 2^24")]
const LAST_TEXT: f32 = (NUMBERS - 1) as f32;
const SAMPLE_RATE: &str = "http://lv2plug.in/ns/lv2core#sampleRate";

/// Where a parameter's value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A control port's index.
    Port(u32),
    /// A property's number and type.
    Patch(u32, PatchType),
}

/// Type of a patch property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    Bool,
    Int,
    Long,
    Float,
    Double,
    Text(TextType),
}

/// What is constant about a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterInfo {
    pub name: String,
    pub id: String,
    pub label: String,
    pub target: Target,
    /// URI of the group it is shown in.
    group: Option<String>,
    /// Symbol of the port; empty for properties.
    pub symbol: String,
    pub min: f32,
    pub max: f32,
    /// In plain units.
    pub default: f32,
    toggled: bool,
    integer: bool,
    enumeration: bool,
    points: Vec<(f32, String)>,
    /// Where its values are texts, their numbers.
    pub texts: Option<Arc<Texts>>,
    /// The port is `lv2:enabled` and shown as its opposite, "Bypass".
    pub is_bypass: bool,
}

/// Reads all parameters.
pub fn read(plugin: Plugin, ports: &Ports, rate: f32, urids: &Urids) -> Vec<ParameterInfo> {
    let described = plugin.ports();
    // Some plugins (x42-comp 0.1) designate two ports; the first is meant.
    let enabled = ports
        .of(Kind::ControlIn)
        .find(|info| info.has_designation(ENABLED))
        .map(|info| info.index);
    let mut parameters: Vec<ParameterInfo> = ports
        .of(Kind::ControlIn)
        .filter(|info| !info.is_free_wheeling())
        .filter_map(|info| {
            let port = described.get(usize::try_from(info.index).ok()?)?;
            let is_bypass = enabled == Some(info.index);
            Some(from_port(plugin.world(), port, info, rate, is_bypass))
        })
        .collect();
    if ports.patch_in().is_some() {
        parameters.extend(from_properties(plugin, urids));
    }
    // Parameters without a group first, then group by group in the order of their URIs. Texts,
    // which minihost does not have, after all it has.
    parameters.sort_by(|a, b| {
        let key = |p: &ParameterInfo| (p.texts.is_some(), p.group.clone());
        key(a).cmp(&key(b))
    });
    parameters
}

fn from_port(
    world: &World,
    port: &Port,
    info: &PortInfo,
    rate: f32,
    is_bypass: bool,
) -> ParameterInfo {
    let terms = &world.terms;
    let scale = if info.has_property(SAMPLE_RATE) {
        rate
    } else {
        1.0
    };
    let number = |predicate: &Node| {
        let number = port.value(predicate)?.number()?;
        number.is_finite().then_some(number)
    };
    let (min, max) = range(number(&terms.minimum), number(&terms.maximum));
    let default = number(&terms.default).unwrap_or(min);
    let mut points = port.scale_points();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (min, max) = (min * scale, max * scale);
    ParameterInfo {
        name: if is_bypass {
            "Bypass".into()
        } else {
            port.name()
        },
        id: format!("sym:{}", info.symbol),
        label: units::symbol(world, port),
        target: Target::Port(info.index),
        group: info.group.clone(),
        symbol: info.symbol.clone(),
        min,
        max,
        default: (default * scale).clamp(min, max),
        toggled: is_bypass || info.has_property(TOGGLED),
        integer: info.has_property(INTEGER),
        enumeration: info.has_property(ENUMERATION),
        points,
        texts: None,
        is_bypass,
    }
}

fn from_properties(plugin: Plugin, urids: &Urids) -> Vec<ParameterInfo> {
    let world = plugin.world();
    let terms = &world.terms;
    let mut writable = plugin.values(&terms.writable);
    writable.sort_by_cached_key(Node::text);
    let known = |property: &&Node| world.object(property, &terms.rdfs_range).is_some();
    if !writable.iter().all(|property| known(&property)) {
        // Properties of the specification itself, described in its own bundles.
        super::bundles::load_parameter_specification(world);
    }
    writable
        .iter()
        .filter_map(|property| from_property(world, property, urids))
        .collect()
}

/// `None` for what is neither a number nor a text.
fn from_property(world: &World, property: &Node, urids: &Urids) -> Option<ParameterInfo> {
    let terms = &world.terms;
    let kind = match world
        .object(property, &terms.rdfs_range)?
        .text()
        .rsplit_once('#')?
        .1
    {
        "Bool" => PatchType::Bool,
        "Int" => PatchType::Int,
        "Long" => PatchType::Long,
        "Float" => PatchType::Float,
        "Double" => PatchType::Double,
        "String" => PatchType::Text(TextType::String),
        "Path" => PatchType::Text(TextType::Path),
        "URI" => PatchType::Text(TextType::Uri),
        _ => return None,
    };
    let uri = property.text();
    let is_text = matches!(kind, PatchType::Text(_));
    let number = |predicate| world.object(property, predicate)?.number();
    let (min, max, default) = if is_text {
        (0.0, LAST_TEXT, 0.0)
    } else {
        let (min, max) = range(number(&terms.minimum), number(&terms.maximum));
        let default = number(&terms.default).unwrap_or((min + max) / 2.0);
        (min, max, default)
    };
    let label = world.object(property, &terms.rdfs_label);
    let key = urids.map(&std::ffi::CString::new(uri.as_str()).ok()?);
    Some(ParameterInfo {
        name: label.map_or_else(|| uri.clone(), |label| label.text()),
        id: format!("des:{uri}"),
        label: units::of_node(world, property),
        target: Target::Patch(key, kind),
        group: world
            .object(property, &terms.group)
            .map(|group| group.text()),
        symbol: String::new(),
        min,
        max,
        default: default.clamp(min, max),
        toggled: kind == PatchType::Bool,
        integer: is_text || matches!(kind, PatchType::Int | PatchType::Long),
        enumeration: false,
        points: Vec::new(),
        texts: is_text.then(|| Arc::new(Texts::new())),
        is_bypass: false,
    })
}

/// A range that can be divided by: what is missing is 0 to 1, what is upside down is turned.
fn range(min: Option<f32>, max: Option<f32>) -> (f32, f32) {
    let min = min.unwrap_or(0.0);
    let max = max.unwrap_or(1.0);
    match min.total_cmp(&max) {
        std::cmp::Ordering::Less => (min, max),
        std::cmp::Ordering::Greater => (max, min),
        std::cmp::Ordering::Equal => (min, min + 1.0),
    }
}

impl ParameterInfo {
    /// From a normalised to the plain value the plugin gets.
    pub fn plain(&self, normal: f64) -> f64 {
        let plain = self.settle(self.shown(normal));
        f64::from(if self.is_bypass {
            self.max - (plain - self.min)
        } else {
            plain
        })
    }

    /// From the plugin's plain value to the normalised one; clamps.
    pub fn normal(&self, plain: f64) -> f64 {
        let normal = self.normal_of_shown(narrow(plain));
        f64::from(if self.is_bypass { 1.0 - normal } else { normal })
    }

    /// A plain value within the range; the default where it is not a number.
    pub fn clamp(&self, plain: f64) -> f64 {
        if plain.is_finite() {
            plain.clamp(f64::from(self.min), f64::from(self.max))
        } else {
            f64::from(self.default)
        }
    }

    /// The plain value as a user reads it.
    fn shown(&self, normal: f64) -> f32 {
        let shown = self.min + narrow(normal) * (self.max - self.min);
        shown.clamp(self.min, self.max)
    }

    /// A whole number where a stepped value misses one by no more than rounding: on its way
    /// through 0 to 1, 35 of 127 becomes 34.999996, which many plugins truncate.
    fn settle(&self, plain: f32) -> f32 {
        const ROUNDING: f32 = 1e-3;
        let whole = plain.round();
        let stepped = self.integer || self.enumeration || self.toggled;
        if stepped && (plain - whole).abs() < ROUNDING {
            whole
        } else {
            plain
        }
    }

    fn normal_of_shown(&self, shown: f32) -> f32 {
        ((shown - self.min) / (self.max - self.min)).clamp(0.0, 1.0)
    }

    /// Number of steps, 0 if continuous.
    pub fn num_steps(&self) -> u32 {
        if self.toggled {
            2
        } else if self.enumeration && !self.points.is_empty() {
            crate::formats::count(self.points.len())
        } else if self.integer {
            let steps = f64::from(self.max) - f64::from(self.min) + 1.0;
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "above 0; float to integer saturates"
            )]
            let steps = steps as u32;
            steps
        } else {
            0
        }
    }

    /// The text for a normalised value.
    pub fn text(&self, normal: f64) -> String {
        let shown = self.shown(normal);
        if let Some(texts) = &self.texts {
            return texts.text(f64::from(shown)).to_owned();
        }
        if self.enumeration {
            let near = |a: &&(f32, String), b: &&(f32, String)| {
                (a.0 - shown).abs().total_cmp(&(b.0 - shown).abs())
            };
            if let Some((_, label)) = self.points.iter().min_by(near) {
                return label.clone();
            }
        }
        if self.toggled {
            return if narrow(normal) > 0.0 { "On" } else { "Off" }.into();
        }
        if self.integer {
            return format!("{}", shown.trunc() + 0.0);
        }
        six_digits(shown)
    }

    /// The normalised value for a text: a label, "On" or "Off", or a number in plain units. What
    /// cannot be read is 0 in plain units, or the default of a list of labels.
    pub fn value_of(&self, text: &str) -> f64 {
        let text = text.trim();
        let label = self
            .points
            .iter()
            .find(|(_, label)| label.eq_ignore_ascii_case(text));
        let shown = if let Some((value, _)) = label {
            *value
        } else if self.toggled && text.eq_ignore_ascii_case("on") {
            self.max
        } else if self.toggled && text.eq_ignore_ascii_case("off") {
            self.min
        } else if self.enumeration && !self.points.is_empty() {
            self.default
        } else {
            narrow(leading_number(text))
        };
        f64::from(self.normal_of_shown(shown))
    }

    /// What a client has to know to set it.
    fn kind(&self) -> ParameterKind {
        match self.target {
            Target::Patch(_, PatchType::Text(TextType::Path)) => ParameterKind::Path,
            Target::Patch(_, PatchType::Text(_)) => ParameterKind::Text,
            _ => ParameterKind::Number,
        }
    }

    /// The atom that sets a property; `None` where there is nothing to say.
    pub fn patch_value(&self, plain: f64) -> Option<Value<'_>> {
        let Target::Patch(_, kind) = self.target else {
            return None;
        };
        #[allow(
            clippy::cast_possible_truncation,
            reason = "clamped to the parameter's range"
        )]
        Some(match kind {
            PatchType::Bool => Value::Bool(plain > 0.0),
            PatchType::Int => Value::Int(plain as i32),
            PatchType::Long => Value::Long(plain as i64),
            PatchType::Float => Value::Float(narrow(plain)),
            PatchType::Double => Value::Double(plain),
            PatchType::Text(kind) => {
                let text = self.texts.as_ref().map_or("", |texts| texts.text(plain));
                return (!text.is_empty()).then_some(Value::Text(kind, text));
            }
        })
    }

    /// Everything for the client.
    pub fn describe(&self, index: u32, value: f64) -> Parameter {
        Parameter {
            index,
            name: self.name.clone(),
            id: self.id.clone(),
            label: self.label.clone(),
            value,
            text: self.text(value),
            default_value: self.normal(f64::from(self.default)),
            num_steps: self.num_steps(),
            is_automatable: true,
            is_boolean: self.toggled,
            category: 0,
            plain_min: f64::from(self.min),
            plain_max: f64::from(self.max),
            is_bypass: self.is_bypass,
            kind: self.kind().into(),
        }
    }

    /// From a client's normalised value to the plugin's plain one.
    ///
    /// # Errors
    /// Not finite.
    pub fn accept(&self, normal: f64) -> Result<f64, Error> {
        Ok(self.plain(normalised(normal)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> ParameterInfo {
        ParameterInfo {
            name: "Gain".into(),
            id: "sym:gain".into(),
            label: "dB".into(),
            target: Target::Port(0),
            group: None,
            symbol: "gain".into(),
            min: -24.0,
            max: 24.0,
            default: 0.0,
            toggled: false,
            integer: false,
            enumeration: false,
            points: Vec::new(),
            texts: None,
            is_bypass: false,
        }
    }

    #[test]
    fn texts_are_plain_numbers() {
        let mut gain = info();
        let texts: Vec<_> = [0.0, 0.1, 0.5, 1.0].iter().map(|v| gain.text(*v)).collect();
        assert_eq!(texts, ["-24", "-19.2", "0", "24"]);
        for (text, value) in [
            ("0", 0.5),
            ("24 dB", 1.0),
            ("junk", 0.5),
            ("-99", 0.0),
            ("nan", 0.5),
        ] {
            assert_eq!(gain.value_of(text), value, "{text}");
        }
        gain.integer = true;
        for step in -24i16..=24 {
            let plain = f64::from(step);
            assert_eq!(gain.plain(gain.normal(plain)), plain);
        }
        assert!(
            (gain.plain(0.26) + 11.52).abs() < 1e-5,
            "between steps it stays"
        );
        assert_eq!(gain.text(0.1), "-19");
        assert_eq!(gain.num_steps(), 49);
    }

    #[test]
    fn an_enabled_port_is_a_bypass_upside_down() {
        let mut bypass = info();
        (bypass.min, bypass.max, bypass.default) = (0.0, 1.0, 1.0);
        (bypass.toggled, bypass.is_bypass) = (true, true);
        assert_eq!((bypass.plain(1.0), bypass.normal(1.0)), (0.0, 0.0));
        assert_eq!(
            (bypass.text(0.0), bypass.text(1.0)),
            ("Off".into(), "On".into())
        );
        assert_eq!(bypass.describe(0, 0.0).default_value, 0.0);
    }

    #[test]
    fn labels_are_nearest_and_can_be_typed() {
        let mut mode = info();
        (mode.min, mode.max, mode.enumeration) = (0.0, 3.0, true);
        mode.points = vec![
            (0.0, "Low".into()),
            (1.0, "Mid".into()),
            (3.0, "High".into()),
        ];
        assert_eq!(
            (mode.text(0.1), mode.text(0.2), mode.text(0.9)),
            ("Low".into(), "Mid".into(), "High".into())
        );
        assert_eq!(mode.value_of("high"), 1.0);
        assert_eq!(mode.num_steps(), 3);
    }

    #[test]
    fn nothing_but_numbers_in_range_gets_through() {
        let gain = info();
        assert!(gain.accept(f64::NAN).is_err() && gain.accept(f64::INFINITY).is_err());
        assert_eq!((gain.accept(7.0), gain.accept(-7.0)), (Ok(24.0), Ok(-24.0)));
        assert_eq!((gain.clamp(f64::NAN), gain.clamp(1e9)), (0.0, 24.0));
        assert_eq!(range(Some(1.0), Some(1.0)), (1.0, 2.0));
        assert_eq!(range(Some(5.0), None), (1.0, 5.0));
    }
}
