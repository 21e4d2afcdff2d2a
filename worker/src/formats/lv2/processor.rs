//! The audio half: blocks cut at parameter changes, each piece one `run`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugpen_proto::event::{EventBody, EventList};
use plugpen_proto::v1::Transport;

use super::atoms::Value;
use super::buffers::Buffers;
use super::parameters::Target;
use super::patch;
use super::position;
use super::shared::Shared;
use super::work::Message;
use crate::formats::numbers::narrow;
use crate::formats::{Block, Planes, Processor, Samples};

/// Where messages of each sort go or come from, by position in the buffers.
#[derive(Debug, Clone, Copy, Default)]
struct Routes {
    midi_in: Option<usize>,
    /// The same for plugins of the old event extension.
    old_midi_in: Option<usize>,
    position_in: Option<usize>,
    patch_in: Option<usize>,
}

/// Owns everything that `run` touches.
pub struct Lv2Processor {
    shared: Arc<Shared>,
    buffers: Buffers,
    routes: Routes,
    /// Ports of a block's channels.
    inputs: Vec<u32>,
    outputs: Vec<u32>,
    latency_port: Option<u32>,
    /// Version of the values that the ports have.
    version: u64,
    /// What the plugin was last told of each property, or told us, by parameter index.
    patched: Vec<f64>,
    position: Option<Transport>,
    response: Message,
    active: bool,
}

impl Lv2Processor {
    /// Connects all ports and activates the plugin.
    pub fn new(shared: Arc<Shared>, max_frames: usize, sequence_bytes: usize) -> Self {
        let ports = &shared.ports;
        let buffers = Buffers::connect(
            ports,
            &shared.instance,
            &shared.host.rooms,
            max_frames,
            sequence_bytes,
        );
        let at = |port: Option<&super::ports::PortInfo>| {
            let index = port?.index;
            buffers.atoms_in.iter().position(|atom| atom.index == index)
        };
        let routes = Routes {
            midi_in: at(ports.midi_in()),
            old_midi_in: match ports.midi_in() {
                Some(_) => None,
                None => ports.old_midi_in().and_then(|port| {
                    let is_it = |event: &super::buffers::EventPort| event.index == port.index;
                    buffers.events_in.iter().position(is_it)
                }),
            },
            position_in: at(ports.position_in()),
            patch_in: at(ports.patch_in()),
        };
        let mut processor = Self {
            routes,
            inputs: ports.fed_inputs(),
            outputs: ports.read_outputs(),
            latency_port: ports.latency().map(|port| port.index),
            // No version that the values can have, so that the first block loads them.
            version: u64::MAX,
            patched: (0..shared.values.len())
                .map(|at| shared.values.get(at))
                .collect(),
            position: None,
            response: Message::for_response(),
            active: false,
            buffers,
            shared,
        };
        processor.load_values();
        processor.activate();
        processor
    }

    /// Takes values that are not the host's wish but what the plugin has: nothing is sent.
    pub fn adopt(&mut self, parameter: usize, plain: f64) {
        self.shared.values.set(parameter, plain);
        self.patched[parameter] = plain;
    }

    /// Gives the plugin what was set since the last block, for a state that is about to be
    /// saved. Properties travel in a run of no frames.
    pub fn settle(&mut self) {
        self.load_values();
        let pending = |at: usize| self.is_patch(at) && self.is_unsent(at);
        if (0..self.patched.len()).any(pending) {
            let nothing = EventList::new();
            let mut ignored = EventList::new();
            let mut block = Block {
                frames: 0,
                samples: Samples::Single(&Planes::default()),
                events: &nothing,
                transport: None,
                events_out: &mut ignored,
                events_lost: 0,
            };
            self.write_atoms(&block, 0, 0, 0);
            self.run(&mut block, 0, 0);
        }
    }

    /// Delivers what restoring a state made the plugin's worker answer.
    pub fn deliver(&mut self) {
        self.shared.host.work.deliver(&mut self.response);
    }

    /// Follows the switch between real time and offline work.
    pub fn set_non_realtime(&mut self, non_realtime: bool) {
        if let Some(port) = self.shared.ports.free_wheeling() {
            let value = f32::from(u8::from(non_realtime));
            self.buffers.set_control(port.index, value);
        }
    }

    /// Finds the latency out before the first block, where the plugin has a port for it: by a
    /// run of no frames, which leaves no trace; by a silent block and a reset where the plugin
    /// says nothing in that.
    pub fn find_latency(&mut self, frames: u32) {
        let Some(port) = self.latency_port else {
            return;
        };
        self.buffers.set_control(port, f32::NAN);
        self.run_silent(0);
        if self.buffers.control(port).is_nan() {
            self.run_silent(frames);
            self.reset();
        }
        self.read_latency();
    }

    fn run_silent(&mut self, frames: u32) {
        let known = &self.shared.host.known;
        for port in &mut self.buffers.atoms_in {
            port.buffer.write(known.atom_sequence);
        }
        for port in &mut self.buffers.atoms_out {
            port.buffer.offer(known.atom_chunk);
        }
        self.clear_events();
        self.shared.instance.run(frames);
        self.deliver();
    }

    fn activate(&mut self) {
        if !self.active {
            self.shared.instance.activate();
            self.active = true;
        }
    }

    fn deactivate(&mut self) {
        if self.active {
            self.shared.instance.deactivate();
            self.active = false;
        }
    }

    /// Brings the control ports up to the values.
    fn load_values(&mut self) {
        let version = self.shared.values.version();
        if version == self.version {
            return;
        }
        self.version = version;
        for (at, parameter) in self.shared.parameters.iter().enumerate() {
            if let Target::Port(port) = parameter.target {
                let value = narrow(self.shared.values.get(at));
                self.buffers.set_control(port, value);
            }
        }
    }

    fn is_patch(&self, parameter: usize) -> bool {
        matches!(self.shared.parameters[parameter].target, Target::Patch(..))
    }

    fn is_unsent(&self, parameter: usize) -> bool {
        self.shared.values.get(parameter).to_bits() != self.patched[parameter].to_bits()
    }

    /// A parameter change within the block.
    fn apply(&mut self, index: u32, value: f64) {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(parameter) = self.shared.parameters.get(at) else {
            return;
        };
        let Ok(plain) = parameter.accept(value) else {
            return;
        };
        self.shared.values.set(at, plain);
        if let Target::Port(port) = parameter.target {
            self.buffers.set_control(port, narrow(plain));
        }
        self.shared.host.notices.parameter(at, true);
    }

    /// Fills the atom inputs for the piece from frame `start`: transport, properties, then the
    /// MIDI of events from `first` up to frame `end`. Returns where the piece has to end because
    /// an event found no room, `end` if all fit; and how many found none at its first frame.
    fn write_atoms(&mut self, block: &Block<'_>, first: usize, start: u32, end: u32) -> (u32, u32) {
        let known = &self.shared.host.known;
        let mut written = (end, 0);
        for at in 0..self.buffers.atoms_in.len() {
            let mut writer = self.buffers.atoms_in[at].buffer.write(known.atom_sequence);
            if self.routes.position_in == Some(at)
                && start == 0
                && let Some(transport) = &block.transport
                && self.position.as_ref() != Some(transport)
            {
                let properties = position::properties(transport, known);
                writer.object(
                    0,
                    known.atom_object,
                    known.time_position,
                    &properties,
                    known,
                );
                self.position = block.transport;
            }
            if self.routes.patch_in == Some(at) {
                for index in 0..self.shared.parameters.len() {
                    let plain = self.shared.values.get(index);
                    if plain.to_bits() == self.patched[index].to_bits() {
                        continue;
                    }
                    let parameter = &self.shared.parameters[index];
                    let Target::Patch(key, _) = parameter.target else {
                        continue;
                    };
                    let Some(value) = parameter.patch_value(plain) else {
                        self.patched[index] = plain;
                        continue;
                    };
                    let set = [
                        (known.patch_property, Value::Urid(key)),
                        (known.patch_value, value),
                    ];
                    if writer.object(0, known.atom_object, known.patch_set, &set, known) {
                        self.patched[index] = plain;
                    }
                }
            }
            if self.routes.midi_in == Some(at) {
                written = write_midi(midi(block, first, end), start, end, |frame, data| {
                    writer.event(frame, known.midi_event, data)
                });
            }
        }
        self.clear_events();
        if let Some(at) = self.routes.old_midi_in {
            let buffer = &mut self.buffers.events_in[at].buffer;
            written = write_midi(midi(block, first, end), start, end, |frame, data| {
                buffer.push(frame, known.midi_event, data)
            });
        }
        written
    }

    /// Empties all buffers of the old event extension.
    fn clear_events(&mut self) {
        let buffers = &mut self.buffers;
        for port in buffers.events_in.iter_mut().chain(&mut buffers.events_out) {
            port.buffer.clear();
        }
    }

    /// Runs a piece and reads what the plugin says.
    fn run(&mut self, block: &mut Block<'_>, start: u32, end: u32) {
        let known = &self.shared.host.known;
        if let Samples::Single(planes) = block.samples {
            self.connect_audio(planes, start);
        }
        for port in &mut self.buffers.atoms_out {
            port.buffer.offer(known.atom_chunk);
        }
        self.shared.instance.run(end - start);
        self.shared.host.work.deliver(&mut self.response);
        self.read_latency();
        self.read_atoms(block, start, end);
    }

    fn connect_audio(&self, planes: &Planes<f32>, start: u32) {
        let start = usize::try_from(start).unwrap_or(0);
        for (channel, port) in self.inputs.iter().enumerate() {
            let data = match planes.input(channel) {
                // SAFETY: `start` is within the block the channel has.
                Some(from) => unsafe { from.add(start) }.cast_mut(),
                None => self.buffers.silence(),
            };
            // SAFETY: frames up to the block's end; connected anew before the next run.
            unsafe { self.shared.instance.connect(*port, data.cast()) };
        }
        for (channel, port) in self.outputs.iter().enumerate() {
            let data = match planes.output(channel) {
                // SAFETY: as above.
                Some(to) => unsafe { to.add(start) },
                None => self.buffers.scrap(*port),
            };
            // SAFETY: as above.
            unsafe { self.shared.instance.connect(*port, data.cast()) };
        }
    }

    fn read_latency(&self) {
        let Some(port) = self.latency_port else {
            return;
        };
        let frames = self.buffers.control(port);
        if frames.is_finite() && frames >= 0.0 {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 or above; float to integer saturates"
            )]
            let frames = frames.round() as u32;
            self.shared.latency.store(frames, Ordering::Relaxed);
        }
    }

    fn read_atoms(&mut self, block: &mut Block<'_>, start: u32, end: u32) {
        let known = &self.shared.host.known;
        let last = end.saturating_sub(start).saturating_sub(1);
        for port in &self.buffers.events_out {
            for event in port.buffer.events() {
                if event.kind == known.midi_event && !event.body.is_empty() {
                    block.push_midi(start + event.frame.min(last), event.body);
                }
            }
        }
        for port in &self.buffers.atoms_out {
            for event in port.buffer.events(known.atom_sequence) {
                if event.kind == known.midi_event {
                    if !event.body.is_empty() {
                        block.push_midi(start + event.frame.min(last), event.body);
                    }
                } else if event.kind == known.atom_object || event.kind == known.atom_blank {
                    patch::heard(event.body, known, |key, value| {
                        let target = |target| matches!(target, Target::Patch(k, _) if k == key);
                        let parameters = self.shared.parameters.iter();
                        let mut found = parameters.enumerate().filter(|(_, p)| target(p.target));
                        if let Some((at, parameter)) = found.next() {
                            // A text not met before cannot be remembered here; a state can.
                            let plain = match (value, &parameter.texts) {
                                (Value::Text(_, text), Some(texts)) => texts.find(text),
                                (_, Some(_)) => None,
                                (value, None) => value.number().map(|n| parameter.clamp(n)),
                            };
                            let Some(plain) = plain else {
                                return;
                            };
                            self.shared.values.set(at, plain);
                            self.patched[at] = plain;
                            self.shared.host.notices.parameter(at, false);
                        }
                    });
                }
            }
        }
    }
}

/// The MIDI events of a block from the event `first` up to frame `end`.
fn midi<'a>(
    block: &'a Block<'_>,
    first: usize,
    end: u32,
) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
    let events = block.events.iter().skip(first);
    let upcoming = events.take_while(move |event| event.offset < end);
    upcoming.filter_map(|event| match event.body {
        EventBody::Midi(data) => Some((event.offset, data)),
        _ => None,
    })
}

/// Writes the MIDI of a piece from frame `start` to `end` through `write`, which says whether there
/// was room. Returns where the piece has to end for want of room, so that the rest comes with the
/// next; and how many messages at its first frame are lost, where no shorter piece would help.
fn write_midi<'a>(
    events: impl Iterator<Item = (u32, &'a [u8])>,
    start: u32,
    end: u32,
    mut write: impl FnMut(u32, &[u8]) -> bool,
) -> (u32, u32) {
    let mut lost = 0;
    for (offset, data) in events {
        let frame = offset.saturating_sub(start);
        if !write(frame, data) {
            if frame > 0 {
                return (offset, lost);
            }
            lost += 1;
        }
    }
    (end, lost)
}

impl Processor for Lv2Processor {
    fn process(&mut self, block: &mut Block<'_>) {
        let Ok(frames) = u32::try_from(block.frames) else {
            return;
        };
        self.load_values();
        self.buffers.hush();
        let events = block.events;
        let (mut start, mut first) = (0, 0);
        while start < frames {
            // Everything at the piece's first frame counts for all of it; the next change ends
            // it.
            let mut end = frames;
            for event in events.iter().skip(first) {
                if let EventBody::Parameter { index, value } = event.body {
                    if event.offset > start {
                        end = event.offset.min(frames);
                        break;
                    }
                    self.apply(index, value);
                }
            }
            let (end, lost) = self.write_atoms(block, first, start, end);
            block.events_lost = block.events_lost.saturating_add(lost);
            self.run(block, start, end);
            first += events
                .iter()
                .skip(first)
                .take_while(|event| event.offset < end)
                .count();
            start = end;
        }
    }

    fn reset(&mut self) {
        self.deactivate();
        self.activate();
        self.position = None;
    }

    fn latency_samples(&self) -> u32 {
        self.shared.latency.load(Ordering::Relaxed)
    }

    fn as_any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

impl Drop for Lv2Processor {
    fn drop(&mut self) {
        self.deactivate();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_ends_the_piece_or_is_counted() {
        let events: [(u32, &[u8]); 4] = [(8, &[1]), (8, &[2]), (9, &[3]), (12, &[4])];
        for (room, ended) in [(4, (16, 0)), (3, (12, 0)), (2, (9, 0)), (1, (9, 1))] {
            let mut written = Vec::new();
            let told = write_midi(events.into_iter(), 8, 16, |frame, data| {
                let fits = written.len() < room;
                if fits {
                    written.push((frame, data[0]));
                }
                fits
            });
            assert_eq!(told, ended, "room for {room}");
            assert_eq!(written, [(0, 1), (0, 2), (1, 3), (4, 4)][..room]);
        }
    }
}
