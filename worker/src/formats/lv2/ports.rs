//! A plugin's ports, sorted by what the host does with them.

use std::collections::BTreeMap;

use plugpen_proto::v1::Bus;

use super::world::{Plugin, Port, World};
use crate::formats::count;

const MIDI_EVENT: &str = "http://lv2plug.in/ns/ext/midi#MidiEvent";
const POSITION: &str = "http://lv2plug.in/ns/ext/time#Position";
const PATCH_MESSAGE: &str = "http://lv2plug.in/ns/ext/patch#Message";
const CONTROL: &str = "http://lv2plug.in/ns/lv2core#control";
const LATENCY: &str = "http://lv2plug.in/ns/lv2core#latency";
const REPORTS_LATENCY: &str = "http://lv2plug.in/ns/lv2core#reportsLatency";
const FREE_WHEELING: &str = "http://lv2plug.in/ns/lv2core#freeWheeling";
/// Spelt as plugins in the wild spell it.
const IS_SIDE_CHAIN: &str = "http://lv2plug.in/ns/lv2core#isSideChain";

/// What a port carries, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    AudioIn,
    AudioOut,
    CvIn,
    CvOut,
    ControlIn,
    ControlOut,
    AtomIn,
    AtomOut,
    /// Of the old event extension.
    EventIn,
    EventOut,
    /// Of a class nobody knows: connected to zeros.
    Other,
}

const CONTROL_PORT: &str = "http://lv2plug.in/ns/lv2core#ControlPort";
const AUDIO_PORT: &str = "http://lv2plug.in/ns/lv2core#AudioPort";
const CV_PORT: &str = "http://lv2plug.in/ns/lv2core#CVPort";
const ATOM_PORT: &str = "http://lv2plug.in/ns/ext/atom#AtomPort";
const EVENT_PORT: &str = "http://lv2plug.in/ns/ext/event#EventPort";

impl Kind {
    /// Of a class, by its URI.
    pub fn of(class: &str, output: bool) -> Self {
        match (class, output) {
            (CONTROL_PORT, false) => Self::ControlIn,
            (CONTROL_PORT, true) => Self::ControlOut,
            (AUDIO_PORT, false) => Self::AudioIn,
            (AUDIO_PORT, true) => Self::AudioOut,
            (CV_PORT, false) => Self::CvIn,
            (CV_PORT, true) => Self::CvOut,
            (ATOM_PORT, false) => Self::AtomIn,
            (ATOM_PORT, true) => Self::AtomOut,
            (EVENT_PORT, false) => Self::EventIn,
            (EVENT_PORT, true) => Self::EventOut,
            _ => Self::Other,
        }
    }
}

/// One port.
#[derive(Debug, Clone)]
pub struct PortInfo {
    /// Its index.
    pub index: u32,
    /// What it carries.
    pub kind: Kind,
    /// Whether the plugin writes it.
    pub is_output: bool,
    /// Unique name.
    pub symbol: String,
    /// `lv2:designation`.
    pub designations: Vec<String>,
    /// `lv2:portProperty`.
    pub properties: Vec<String>,
    /// For ports of atoms or events: which it wants.
    pub supports: Vec<String>,
    /// For ports of atoms or events: bytes it asks for.
    pub minimum_size: usize,
    /// For ports of atoms: symbols of those whose buffers its own must not be smaller than.
    pub as_large_as: Vec<String>,
    /// URI of the group it is in.
    pub group: Option<String>,
    /// Whether and how it can be of another kind.
    pub morph: Morph,
}

/// How a port changes its type (the morph extension).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Morph {
    /// Not at all.
    Never,
    /// The host may choose one of these classes (URIs), its default among them.
    Chosen(Vec<String>),
    /// It follows what the host chose for others.
    Follows,
}

/// One bus: a name and the indices of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusInfo {
    pub name: String,
    pub ports: Vec<u32>,
}

/// All ports and how they form buses.
#[derive(Debug, Clone)]
pub struct Ports {
    /// All, by index.
    pub list: Vec<PortInfo>,
    /// Input buses; the first is the main one.
    pub inputs: Vec<BusInfo>,
    /// Output buses; the first is the main one.
    pub outputs: Vec<BusInfo>,
    /// Channels of the second input bus that the client wants to feed, 0 if none.
    pub sidechain: usize,
}

/// All ports of a plugin as its bundle describes them, by index.
pub fn read_all(plugin: Plugin) -> Vec<PortInfo> {
    let ports = plugin.ports();
    let ports = ports.iter().zip(0..);
    ports
        .map(|(port, index)| read(plugin.world(), port, index))
        .collect()
}

impl Ports {
    /// Forms buses of ports. `sidechain` is the client's wish for sidechain channels.
    pub fn arrange(plugin: Plugin, list: Vec<PortInfo>, sidechain: u32) -> Self {
        let world = plugin.world();
        let main = |predicate| plugin.values(predicate).first().map(|node| node.text());
        let groups = read_groups(plugin, &list);
        let mut inputs = buses(&list, Kind::AudioIn, main(&world.terms.main_input), &groups);
        let mut outputs = buses(
            &list,
            Kind::AudioOut,
            main(&world.terms.main_output),
            &groups,
        );
        if sidechain > 0 && inputs.len() == 1 {
            split_side_chain(&list, &mut inputs);
        }
        inputs.extend(control_voltages(&list, Kind::CvIn));
        outputs.extend(control_voltages(&list, Kind::CvOut));
        let sidechain = match inputs.get(1) {
            Some(bus) if sidechain > 0 => bus.ports.len(),
            _ => 0,
        };
        Self {
            list,
            inputs,
            outputs,
            sidechain,
        }
    }

    /// Ports of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &PortInfo> {
        self.list.iter().filter(move |port| port.kind == kind)
    }

    /// The input port that MIDI goes to.
    pub fn midi_in(&self) -> Option<&PortInfo> {
        self.preferred(Kind::AtomIn, MIDI_EVENT)
    }

    /// The input port of the old event extension that MIDI goes to.
    pub fn old_midi_in(&self) -> Option<&PortInfo> {
        self.preferred(Kind::EventIn, MIDI_EVENT)
    }

    /// Whether MIDI goes anywhere.
    pub fn has_midi_in(&self) -> bool {
        self.midi_in().or(self.old_midi_in()).is_some()
    }

    /// Whether any output carries MIDI.
    pub fn has_midi_out(&self) -> bool {
        self.of(Kind::AtomOut)
            .chain(self.of(Kind::EventOut))
            .any(|port| port.does_support(MIDI_EVENT))
    }

    /// The input port that the transport goes to.
    pub fn position_in(&self) -> Option<&PortInfo> {
        self.preferred(Kind::AtomIn, POSITION)
    }

    /// The input port that `patch:Set` goes to.
    pub fn patch_in(&self) -> Option<&PortInfo> {
        self.preferred(Kind::AtomIn, PATCH_MESSAGE).or_else(|| {
            self.of(Kind::AtomIn)
                .find(|port| port.has_designation(CONTROL))
        })
    }

    /// The output port that reports the latency.
    pub fn latency(&self) -> Option<&PortInfo> {
        self.of(Kind::ControlOut)
            .find(|port| port.has_designation(LATENCY) || port.has_property(REPORTS_LATENCY))
    }

    /// The input port that says whether this is offline work.
    pub fn free_wheeling(&self) -> Option<&PortInfo> {
        self.of(Kind::ControlIn)
            .find(|port| port.is_free_wheeling())
    }

    /// Indices of the input ports that a block feeds: main, then sidechain.
    pub fn fed_inputs(&self) -> Vec<u32> {
        let sidechain = if self.sidechain > 0 { 2 } else { 1 };
        let fed = self.inputs.iter().take(sidechain);
        fed.flat_map(|bus| bus.ports.iter().copied()).collect()
    }

    /// Indices of the output ports, bus by bus.
    pub fn read_outputs(&self) -> Vec<u32> {
        self.outputs
            .iter()
            .flat_map(|bus| bus.ports.iter().copied())
            .collect()
    }

    /// Buses as clients see them.
    pub fn as_buses(&self) -> (Vec<Bus>, Vec<Bus>) {
        let described = |buses: &[BusInfo]| {
            let described = buses.iter().enumerate().map(|(at, bus)| Bus {
                name: bus.name.clone(),
                channels: count(bus.ports.len()),
                is_main: at == 0,
                is_enabled: true,
            });
            described.collect()
        };
        (described(&self.inputs), described(&self.outputs))
    }

    /// The one that supports a message, if possible the one designated for control.
    fn preferred(&self, kind: Kind, message: &str) -> Option<&PortInfo> {
        let fitting = || self.of(kind).filter(|port| port.does_support(message));
        fitting()
            .find(|port| port.has_designation(CONTROL))
            .or_else(|| fitting().next())
    }
}

impl PortInfo {
    /// Whether it has a designation.
    pub fn has_designation(&self, uri: &str) -> bool {
        self.designations
            .iter()
            .any(|designation| designation == uri)
    }

    /// Whether it has a property.
    pub fn has_property(&self, uri: &str) -> bool {
        self.properties.iter().any(|property| property == uri)
    }

    /// Whether it says whether this is offline work.
    pub fn is_free_wheeling(&self) -> bool {
        self.has_designation(FREE_WHEELING)
    }

    fn is_side_chain(&self) -> bool {
        self.has_property(IS_SIDE_CHAIN) || self.has_designation(IS_SIDE_CHAIN)
    }

    fn does_support(&self, message: &str) -> bool {
        self.supports.iter().any(|supported| supported == message)
    }
}

fn read(world: &World, port: &Port, index: u32) -> PortInfo {
    let terms = &world.terms;
    let texts = |predicate| -> Vec<String> {
        let nodes = port.values(predicate);
        nodes.iter().map(|node| node.text()).collect()
    };
    let output = port.is_a(&terms.output);
    let classes = [
        (&terms.control, CONTROL_PORT),
        (&terms.audio, AUDIO_PORT),
        (&terms.atom, ATOM_PORT),
        (&terms.cv, CV_PORT),
        (&terms.event, EVENT_PORT),
    ];
    let class = classes.iter().find(|(class, _)| port.is_a(class));
    let kind = class.map_or(Kind::Other, |(_, class)| Kind::of(class, output));
    let morph = if port.is_a(&terms.morph_port) {
        let mut types = texts(&terms.supports_type);
        types.extend(class.map(|(_, class)| (*class).to_owned()));
        types.sort();
        types.dedup();
        Morph::Chosen(types)
    } else if port.is_a(&terms.auto_morph_port) {
        Morph::Follows
    } else {
        Morph::Never
    };
    let supports = match kind {
        Kind::AtomIn | Kind::AtomOut => Some(&terms.supports),
        Kind::EventIn | Kind::EventOut => Some(&terms.supports_event),
        _ => None,
    };
    let minimum_size = supports
        .and_then(|_| port.value(&terms.minimum_size))
        .and_then(|node| node.size());
    PortInfo {
        index,
        kind,
        is_output: output,
        symbol: port.symbol(),
        designations: texts(&terms.designation),
        properties: texts(&terms.property),
        supports: supports.map(texts).unwrap_or_default(),
        minimum_size: minimum_size.unwrap_or(0),
        as_large_as: supports.map_or_else(Vec::new, |_| texts(&terms.as_large_as)),
        group: port.value(&terms.group).map(|node| node.text()),
        morph,
    }
}

/// What is said of a group of ports.
#[derive(Debug, Clone, Default)]
struct Group {
    name: String,
    is_side_chain: bool,
}

/// The groups that audio ports are in, by URI.
fn read_groups(plugin: Plugin, list: &[PortInfo]) -> BTreeMap<String, Group> {
    let world = plugin.world();
    let mut groups = BTreeMap::new();
    let described = plugin.ports();
    let is_audio = |info: &&PortInfo| matches!(info.kind, Kind::AudioIn | Kind::AudioOut);
    let grouped = list
        .iter()
        .filter(is_audio)
        .filter(|info| info.group.is_some());
    for info in grouped {
        let at = usize::try_from(info.index).unwrap_or(usize::MAX);
        let Some(port) = described.get(at) else {
            continue;
        };
        for group in port.values(&world.terms.group) {
            let name = world.object(&group, &world.terms.name);
            let described = Group {
                name: name.map(|name| name.text()).unwrap_or_default(),
                is_side_chain: world.object(&group, &world.terms.side_chain_of).is_some(),
            };
            groups.insert(group.text(), described);
        }
    }
    groups
}

/// One bus a group, in the order of their URIs as minihost has them, ports without a group
/// first. What the plugin calls main goes in front of all, what it calls a sidechain behind.
fn buses(
    list: &[PortInfo],
    kind: Kind,
    main: Option<String>,
    groups: &BTreeMap<String, Group>,
) -> Vec<BusInfo> {
    let mut members: BTreeMap<Option<&str>, Vec<u32>> = BTreeMap::new();
    for port in list.iter().filter(|port| port.kind == kind) {
        let group = port.group.as_deref();
        members.entry(group).or_default().push(port.index);
    }
    let described = |group: &Option<&str>| group.and_then(|group| groups.get(group));
    let mut order: Vec<_> = members.into_iter().collect();
    order.sort_by_key(|(group, _)| {
        let is_main = main.is_some() && *group == main.as_deref();
        let is_side_chain = described(group).is_some_and(|group| group.is_side_chain);
        (!is_main, is_side_chain)
    });
    let named = order.into_iter().map(|(group, ports)| BusInfo {
        name: described(&group).map_or_else(String::new, |group| group.name.clone()),
        ports,
    });
    named.collect()
}

/// Moves ports marked as a sidechain from the only bus to one of their own. Without the wish
/// they stay, as minihost has it.
fn split_side_chain(list: &[PortInfo], inputs: &mut Vec<BusInfo>) {
    let marked = |index: &u32| {
        list.iter()
            .any(|port| port.index == *index && port.is_side_chain())
    };
    let (aside, main): (Vec<u32>, Vec<u32>) = inputs[0].ports.iter().partition(|at| marked(at));
    if !aside.is_empty() && !main.is_empty() {
        inputs[0].ports = main;
        inputs.push(BusInfo {
            name: "Sidechain".into(),
            ports: aside,
        });
    }
}

/// The bus of all control voltages, behind those of audio.
fn control_voltages(list: &[PortInfo], kind: Kind) -> Option<BusInfo> {
    let ports = list.iter().filter(|port| port.kind == kind);
    let ports: Vec<u32> = ports.map(|port| port.index).collect();
    (!ports.is_empty()).then(|| BusInfo {
        name: "CV".into(),
        ports,
    })
}

#[cfg(test)]
impl PortInfo {
    /// An audio input without anything else to it.
    pub fn of_index(index: u32) -> Self {
        Self {
            index,
            kind: Kind::AudioIn,
            is_output: false,
            symbol: format!("port{index}"),
            designations: Vec::new(),
            properties: Vec::new(),
            supports: Vec::new(),
            minimum_size: 0,
            as_large_as: Vec::new(),
            group: None,
            morph: Morph::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(index: u32, group: Option<&str>, properties: &[&str]) -> PortInfo {
        PortInfo {
            properties: properties.iter().map(|p| (*p).into()).collect(),
            group: group.map(Into::into),
            ..PortInfo::of_index(index)
        }
    }

    #[test]
    fn groups_become_buses_in_order_of_their_uris() {
        let list = [
            port(0, Some("u:s"), &[]),
            port(1, Some("u:s"), &[]),
            port(2, Some("u:a"), &[]),
        ];
        let env = Group {
            name: "Env".into(),
            is_side_chain: false,
        };
        let mut groups = BTreeMap::from([("u:a".to_owned(), env)]);
        let found = buses(&list, Kind::AudioIn, None, &groups);
        assert_eq!(
            found[0],
            BusInfo {
                name: "Env".into(),
                ports: vec![2]
            }
        );
        assert_eq!(found[1].ports, [0, 1]);
        let found = buses(&list, Kind::AudioIn, Some("u:s".into()), &groups);
        assert_eq!(found[0].ports, [0, 1]);
        groups
            .entry("u:a".to_owned())
            .and_modify(|group| group.is_side_chain = true);
        let found = buses(&list, Kind::AudioIn, None, &groups);
        assert_eq!(
            (&found[0].ports[..], &found[1].ports[..]),
            (&[0, 1][..], &[2][..])
        );
    }

    #[test]
    fn control_voltages_are_a_bus_of_their_own() {
        let mut list = [port(0, None, &[]), port(1, None, &[]), port(2, None, &[])];
        assert_eq!(control_voltages(&list, Kind::CvIn), None);
        (list[1].kind, list[2].kind) = (Kind::CvIn, Kind::CvOut);
        let bus = control_voltages(&list, Kind::CvIn).unwrap();
        assert_eq!((bus.name.as_str(), &bus.ports[..]), ("CV", &[1][..]));
    }

    #[test]
    fn a_marked_port_becomes_the_sidechain() {
        let list = [port(0, None, &[]), port(1, None, &[IS_SIDE_CHAIN])];
        let mut found = buses(&list, Kind::AudioIn, None, &BTreeMap::new());
        split_side_chain(&list, &mut found);
        assert_eq!(
            (&found[0].ports[..], &found[1].ports[..]),
            (&[0][..], &[1][..])
        );
        // All marked: there would be no main bus left.
        let list = [port(0, None, &[IS_SIDE_CHAIN])];
        let mut found = buses(&list, Kind::AudioIn, None, &BTreeMap::new());
        split_side_chain(&list, &mut found);
        assert_eq!(found.len(), 1);
    }
}
