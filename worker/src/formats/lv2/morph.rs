//! Ports of several types (the morph extension), switched through the plugin's options
//! interface before anything is connected.

use std::collections::HashMap;
use std::ffi::{CStr, c_void};

use lv2_sys::{
    LV2_Options_Context, LV2_Options_Context_LV2_OPTIONS_INSTANCE,
    LV2_Options_Context_LV2_OPTIONS_PORT, LV2_Options_Interface, LV2_Options_Option,
    LV2_Options_Status_LV2_OPTIONS_SUCCESS,
};
use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use super::host::Host;
use super::instance::Instance;
use super::ports::{Kind, Morph, PortInfo};
use crate::formats::fpu;

const INTERFACE: &CStr = c"http://lv2plug.in/ns/ext/options#interface";
const CURRENT_TYPE: &CStr = c"http://lv2plug.in/ns/ext/morph#currentType";

/// What clients call the classes of ports.
const WORDS: [(&str, &CStr); 5] = [
    ("control", c"http://lv2plug.in/ns/lv2core#ControlPort"),
    ("audio", c"http://lv2plug.in/ns/lv2core#AudioPort"),
    ("cv", c"http://lv2plug.in/ns/lv2core#CVPort"),
    ("atom", c"http://lv2plug.in/ns/ext/atom#AtomPort"),
    ("event", c"http://lv2plug.in/ns/ext/event#EventPort"),
];

/// Gives ports the types that the client wishes, by their symbols, and those without a type that
/// the host knows one that it does; finds what others have become by that.
///
/// # Errors
/// No such port, a type that it cannot have, or the plugin's refusal.
pub fn settle(
    ports: &mut [PortInfo],
    wishes: &HashMap<String, String>,
    instance: &Instance,
    host: &Host,
) -> Result<(), Error> {
    for symbol in wishes.keys() {
        if !ports.iter().any(|port| is_it(port, symbol)) {
            return Err(no_such_port(symbol, ports));
        }
    }
    if ports.iter().all(|port| port.morph == Morph::Never) {
        return Ok(());
    }
    let plugin = Options::new(instance, host);
    for port in ports.iter_mut() {
        let Morph::Chosen(types) = &port.morph else {
            continue;
        };
        let wish = match wishes.get(&port.symbol) {
            Some(word) => Some(class_of(word, port, types)?),
            None if port.kind == Kind::Other => first_known(types),
            None => None,
        };
        let Some(class) = wish else {
            continue;
        };
        let kind = Kind::of(text(class), port.is_output);
        if kind == port.kind {
            continue;
        }
        if !plugin.set_type(port.index, class) {
            return Err(Error::new(
                ErrorReason::PluginRefused,
                format!(
                    "the plugin says that its port {} can be {} and does not take it; leave it \
                     out of port_types",
                    port.symbol,
                    word_of(text(class))
                ),
            ));
        }
        port.kind = plugin.type_of(port).unwrap_or(kind);
        host.notices.log(&format!(
            "port {} is {} now",
            port.symbol,
            word_of(text(class))
        ));
    }
    for port in ports.iter_mut().filter(|p| p.morph == Morph::Follows) {
        port.kind = plugin.type_of(port).unwrap_or(port.kind);
    }
    Ok(())
}

fn is_it(port: &PortInfo, symbol: &str) -> bool {
    port.symbol == symbol && matches!(port.morph, Morph::Chosen(_))
}

fn text(class: &CStr) -> &str {
    class.to_str().unwrap_or_default()
}

/// The word for a class, or its URI where there is none.
fn word_of(class: &str) -> &str {
    let known = WORDS.iter().find(|(_, uri)| text(uri) == class);
    known.map_or(class, |(word, _)| word)
}

/// The class that a client's word means, if the port can be of it.
fn class_of(word: &str, port: &PortInfo, types: &[String]) -> Result<&'static CStr, Error> {
    let known = WORDS.iter().find(|(known, uri)| {
        (known.eq_ignore_ascii_case(word) || text(uri) == word)
            && types.iter().any(|class| class == text(uri))
    });
    known.map(|(_, uri)| *uri).ok_or_else(|| {
        let words: Vec<&str> = types.iter().map(|class| word_of(class)).collect();
        Error::invalid(format!(
            "the port {} cannot be \"{word}\"; it can be: {}",
            port.symbol,
            words.join(", ")
        ))
    })
}

fn first_known(types: &[String]) -> Option<&'static CStr> {
    let fits = |(_, uri): &&(&str, &CStr)| types.iter().any(|class| class == text(uri));
    WORDS.iter().find(fits).map(|(_, uri)| *uri)
}

fn no_such_port(symbol: &str, ports: &[PortInfo]) -> Error {
    let symbols: Vec<&str> = ports
        .iter()
        .filter(|port| matches!(port.morph, Morph::Chosen(_)))
        .map(|port| port.symbol.as_str())
        .collect();
    let there = match symbols.is_empty() {
        true => "this plugin has none".to_owned(),
        false => format!("there are: {}", symbols.join(", ")),
    };
    Error::invalid(format!(
        "port_types names no port of several types: \"{symbol}\"; {there}"
    ))
}

/// The plugin's options interface.
struct Options<'a> {
    interface: Option<&'a LV2_Options_Interface>,
    instance: &'a Instance,
    host: &'a Host,
    key: u32,
}

impl<'a> Options<'a> {
    fn new(instance: &'a Instance, host: &'a Host) -> Self {
        let interface = instance.extension_data(INTERFACE);
        Self {
            // SAFETY: null, or the plugin's static interface of this type.
            interface: unsafe { interface.cast::<LV2_Options_Interface>().as_ref() },
            instance,
            host,
            key: host.urids.map(CURRENT_TYPE),
        }
    }

    fn set_type(&self, port: u32, class: &CStr) -> bool {
        let Some(set) = self.interface.and_then(|interface| interface.set) else {
            return false;
        };
        let class = self.host.urids.map(class);
        let value: *const c_void = (&raw const class).cast();
        let options = [self.option(port, 4, self.host.known.atom_urid, value), END];
        // SAFETY: an array that ends with a zeroed option; nothing else is in the plugin.
        let status = fpu::guarded(|| unsafe { set(self.instance.handle(), options.as_ptr()) });
        status == LV2_Options_Status_LV2_OPTIONS_SUCCESS
    }

    /// What the plugin says of a port's type; `None` where it says nothing that the host knows.
    fn type_of(&self, port: &PortInfo) -> Option<Kind> {
        let get = self.interface?.get?;
        let mut options = [self.option(port.index, 0, 0, std::ptr::null()), END];
        // SAFETY: as in `set_type`.
        let status = fpu::guarded(|| unsafe { get(self.instance.handle(), options.as_mut_ptr()) });
        let answer = options[0];
        let is_urid = answer.type_ == self.host.known.atom_urid && answer.size == 4;
        if status != LV2_Options_Status_LV2_OPTIONS_SUCCESS || !is_urid || answer.value.is_null() {
            return None;
        }
        // SAFETY: the plugin gave four bytes, which need not be aligned.
        let class = unsafe { answer.value.cast::<u32>().read_unaligned() };
        let class = self.host.urids.unmap(class)?;
        Some(Kind::of(class.to_str().ok()?, port.is_output)).filter(|kind| *kind != Kind::Other)
    }

    fn option(&self, port: u32, size: u32, kind: u32, value: *const c_void) -> LV2_Options_Option {
        LV2_Options_Option {
            size,
            type_: kind,
            value,
            ..option(LV2_Options_Context_LV2_OPTIONS_PORT, port, self.key)
        }
    }
}

/// Ends an array of options.
const END: LV2_Options_Option = option(LV2_Options_Context_LV2_OPTIONS_INSTANCE, 0, 0);

const fn option(context: LV2_Options_Context, subject: u32, key: u32) -> LV2_Options_Option {
    LV2_Options_Option {
        context,
        subject,
        key,
        size: 0,
        type_: 0,
        value: std::ptr::null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_classes_that_the_port_can_have() {
        let types = [
            "http://lv2plug.in/ns/lv2core#CVPort".to_owned(),
            "urn:unknown".to_owned(),
        ];
        let port = PortInfo::of_index(0);
        assert_eq!(class_of("CV", &port, &types), Ok(WORDS[2].1));
        assert_eq!(class_of(&types[0], &port, &types), Ok(WORDS[2].1));
        let refused = class_of("audio", &port, &types).unwrap_err();
        assert!(refused.message.contains("it can be: cv, urn:unknown"));
        assert_eq!(first_known(&types), Some(WORDS[2].1));
        assert_eq!(first_known(&types[1..]), None);
        let missing = no_such_port("x", &[port]);
        assert!(missing.message.contains("this plugin has none"));
    }
}
