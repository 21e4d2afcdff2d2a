//! Unit symbols. The common ones are here, since the specification that defines them is not
//! installed with plugins.

use super::node::Node;
use super::world::{Port, World};

const UNITS: &str = "http://lv2plug.in/ns/extensions/units#";

/// The symbol of a port's unit, empty where it has none.
pub fn symbol(world: &World, port: &Port) -> String {
    port.value(&world.terms.unit)
        .map(|unit| of_unit(world, &unit))
        .unwrap_or_default()
}

/// The symbol of a property's unit.
pub fn of_node(world: &World, node: &Node) -> String {
    let unit = world.object(node, &world.terms.unit);
    unit.map(|unit| of_unit(world, &unit)).unwrap_or_default()
}

fn of_unit(world: &World, unit: &Node) -> String {
    let uri = unit.text();
    let standard = uri.strip_prefix(UNITS).and_then(standard);
    match standard {
        Some(symbol) => symbol.into(),
        // A unit the plugin defines itself.
        None => world
            .object(unit, &world.terms.unit_symbol)
            .map(|symbol| symbol.text())
            .unwrap_or_default(),
    }
}

fn standard(name: &str) -> Option<&'static str> {
    Some(match name {
        "bar" => "bars",
        "beat" => "beats",
        "bpm" => "BPM",
        "cent" => "ct",
        "cm" => "cm",
        "coef" => "",
        "db" => "dB",
        "degree" => "deg",
        "frame" => "frames",
        "hz" => "Hz",
        "inch" => "in",
        "khz" => "kHz",
        "km" => "km",
        "m" => "m",
        "mhz" => "MHz",
        "midiNote" => "note",
        "min" => "min",
        "mm" => "mm",
        "ms" => "ms",
        "oct" => "oct",
        "pc" => "%",
        "s" => "s",
        "semitone12TET" => "semi",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_units_have_symbols() {
        assert_eq!(
            (standard("db"), standard("pc"), standard("parsec")),
            (Some("dB"), Some("%"), None)
        );
    }
}
