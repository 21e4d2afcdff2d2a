//! JACK: audio and MIDI of one client, so that a message's frame is exact and the same period's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jack::{
    AsyncClient, AudioIn, AudioOut, Client, ClientOptions, Control, MidiIn, MidiOut,
    NotificationHandler, Port, PortFlags, PortSpec, ProcessHandler, ProcessScope, RawMidi,
};
use plugpen_proto::Error;
use plugpen_proto::event::EventBody;
use plugpen_proto::v1::{AudioDeviceInfo, MidiDirection, MidiPortInfo};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::meters::{Cause, Meters};
use crate::player::Player;
use crate::system::{Facts, PortChoice, Running, Wish, failed, port_missing};

/// How JACK calls its ports' types.
const AUDIO: &str = "32 bit float mono audio";
const MIDI: &str = "8 bit raw midi";
/// A port that is let go comes back within a period or two; a server that stands still gives none.
const PATIENCE: Duration = Duration::from_secs(1);

/// A client of the server that runs, if one does; none is started.
pub fn client() -> Option<Client> {
    let (client, _) = Client::new("plugpen", ClientOptions::NO_START_SERVER).ok()?;
    Some(client)
}

/// The one device that JACK is, in each direction that it has.
pub fn devices(client: &Client, direction: PortFlags) -> Vec<AudioDeviceInfo> {
    let ports = client.ports(None, Some(AUDIO), direction | PortFlags::IS_PHYSICAL);
    let owner = ports.first().and_then(|port| port.split_once(':'));
    let owner = owner.map_or("no sound card", |(owner, _)| owner);
    vec![AudioDeviceInfo {
        index: 0,
        name: format!("JACK ({owner})"),
        is_default: true,
    }]
}

/// The MIDI ports of that kind.
pub fn midi_ports(client: &Client, flag: PortFlags) -> Vec<MidiPortInfo> {
    let names = client.ports(None, Some(MIDI), flag);
    (0..)
        .zip(names)
        .map(|(index, name)| MidiPortInfo { index, name })
        .collect()
}

/// What is known before the plugins are.
pub fn facts(client: &Client, wish: &Wish) -> Result<Facts, Error> {
    let devices = devices(client, PortFlags::IS_INPUT);
    for index in [wish.playback_device, wish.capture_device]
        .into_iter()
        .flatten()
    {
        if index != 0 {
            return Err(crate::system::device_missing(index, devices.len()));
        }
    }
    let capture_channels = match wish.capture {
        true => wish.inputs.max(1),
        false => 0,
    };
    Ok(Facts {
        system: "JACK",
        name: devices
            .into_iter()
            .next()
            .map(|d| d.name)
            .unwrap_or_default(),
        sample_rate: f64::from(client.sample_rate()),
        buffer_frames: client.buffer_size(),
        channels: wish.channels,
        capture_channels,
    })
}

/// Registers the ports, connects those of a sound card and lets the server call the player.
pub fn open(
    client: Client,
    facts: &Facts,
    player: Player,
    meters: &Arc<Meters>,
) -> Result<Box<dyn Running>, Error> {
    let refused = |error: jack::Error| failed("JACK does not take our ports", &error);
    let outs = register(&client, "out", facts.channels, AudioOut::default).map_err(refused)?;
    let ins = register(&client, "in", facts.capture_channels, AudioIn::default).map_err(refused)?;
    let names = |ports: Vec<Result<String, jack::Error>>| -> Result<Vec<String>, Error> {
        ports
            .into_iter()
            .map(|name| name.map_err(refused))
            .collect()
    };
    let out_names = names(outs.iter().map(Port::name).collect())?;
    let in_names = names(ins.iter().map(Port::name).collect())?;
    let (orders, taken) = RingBuffer::new(16);
    let (let_go, gone) = RingBuffer::new(16);
    let process = Process {
        player,
        outs,
        ins,
        midi_in: None,
        midi_out: None,
        orders: taken,
        gone: let_go,
        meters: meters.clone(),
    };
    let notices = Notices(meters.clone());
    let active = AsyncClient::new(client, notices, process)
        .map_err(|error| failed("JACK does not let us play", &error))?;
    connect_card(active.as_client(), &out_names, &in_names);
    Ok(Box::new(JackDevice {
        client: active,
        orders,
        gone,
        connected: [false; 2],
    }))
}

fn register<S: PortSpec>(
    client: &Client,
    name: &str,
    count: u32,
    spec: impl Fn() -> S,
) -> Result<Vec<Port<S>>, jack::Error> {
    (1..=count)
        .map(|number| client.register_port(&format!("{name}_{number}"), spec()))
        .collect()
}

/// Channel by channel. A connection that fails leaves a port that the user can connect.
fn connect_card(client: &Client, outs: &[String], ins: &[String]) {
    let card = |flag| client.ports(None, Some(AUDIO), flag | PortFlags::IS_PHYSICAL);
    for (ours, theirs) in outs.iter().zip(card(PortFlags::IS_INPUT)) {
        report(client.connect_ports_by_name(ours, &theirs));
    }
    for (ours, theirs) in ins.iter().zip(card(PortFlags::IS_OUTPUT)) {
        report(client.connect_ports_by_name(&theirs, ours));
    }
}

fn report(connected: Result<(), jack::Error>) {
    if let Err(error) = connected {
        eprintln!("plugpen-device: JACK does not connect a port: {error}");
    }
}

/// A MIDI port on its way to the callback, or back from it.
enum MidiPort {
    In(Option<Port<MidiIn>>),
    Out(Option<Port<MidiOut>>),
}

struct JackDevice {
    client: AsyncClient<Notices, Process>,
    orders: Producer<MidiPort>,
    gone: Consumer<MidiPort>,
    /// Which of input and output has a port.
    connected: [bool; 2],
}

impl JackDevice {
    fn exchange(&mut self, port: MidiPort, had_one: bool) -> Result<(), Error> {
        let stuck = || failed("the JACK server does not ask for audio", &"no period came");
        self.orders.push(port).map_err(|_| stuck())?;
        if !had_one {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let client = self.client.as_client();
            match self.gone.pop() {
                Ok(MidiPort::In(Some(port))) => report(client.unregister_port(port)),
                Ok(MidiPort::Out(Some(port))) => report(client.unregister_port(port)),
                Ok(_) => {}
                Err(_) if Instant::now() >= deadline => return Err(stuck()),
                Err(_) => {
                    std::thread::park_timeout(Duration::from_millis(1));
                    continue;
                }
            }
            return Ok(());
        }
    }
}

fn slot(direction: MidiDirection) -> usize {
    usize::from(direction == MidiDirection::Output)
}

impl Running for JackDevice {
    fn start(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn connect(&mut self, direction: MidiDirection, choice: &PortChoice) -> Result<String, Error> {
        let client = self.client.as_client();
        let is_input = direction != MidiDirection::Output;
        let flag = match is_input {
            true => PortFlags::IS_OUTPUT,
            false => PortFlags::IS_INPUT,
        };
        let (own, theirs) = match choice {
            PortChoice::Virtual(name) => (name.as_str(), None),
            PortChoice::Index(index) => {
                let ports = midi_ports(client, flag);
                let port = ports.iter().find(|port| port.index == *index);
                let port = port.ok_or_else(|| port_missing(*index, ports.len()))?;
                let own = if is_input { "midi_in" } else { "midi_out" };
                (own, Some(port.name.clone()))
            }
        };
        self.disconnect(direction)?;
        let client = self.client.as_client();
        let refused = |error: jack::Error| failed("JACK does not take a MIDI port", &error);
        let (port, name) = match is_input {
            true => {
                let port = client
                    .register_port(own, MidiIn::default())
                    .map_err(refused)?;
                let name = port.name().map_err(refused)?;
                (MidiPort::In(Some(port)), name)
            }
            false => {
                let port = client
                    .register_port(own, MidiOut::default())
                    .map_err(refused)?;
                let name = port.name().map_err(refused)?;
                (MidiPort::Out(Some(port)), name)
            }
        };
        let connected = match (&theirs, is_input) {
            (None, _) => Ok(()),
            (Some(theirs), true) => client.connect_ports_by_name(theirs, &name),
            (Some(theirs), false) => client.connect_ports_by_name(&name, theirs),
        };
        self.exchange(port, false)?;
        self.connected[slot(direction)] = true;
        if let Err(error) = connected {
            self.disconnect(direction)?;
            return Err(failed("JACK does not connect the MIDI port", &error));
        }
        Ok(theirs.unwrap_or(name))
    }

    fn is_connected(&self, direction: MidiDirection) -> bool {
        self.connected[slot(direction)]
    }

    fn disconnect(&mut self, direction: MidiDirection) -> Result<(), Error> {
        if !std::mem::take(&mut self.connected[slot(direction)]) {
            return Ok(());
        }
        let none = match direction {
            MidiDirection::Output => MidiPort::Out(None),
            _ => MidiPort::In(None),
        };
        self.exchange(none, true)
    }
}

struct Process {
    player: Player,
    outs: Vec<Port<AudioOut>>,
    ins: Vec<Port<AudioIn>>,
    midi_in: Option<Port<MidiIn>>,
    midi_out: Option<Port<MidiOut>>,
    orders: Consumer<MidiPort>,
    gone: Producer<MidiPort>,
    meters: Arc<Meters>,
}

impl Process {
    fn take_orders(&mut self) {
        while self.gone.slots() > 0
            && let Ok(order) = self.orders.pop()
        {
            let gone = match order {
                MidiPort::In(port) => {
                    std::mem::replace(&mut self.midi_in, port).map(|port| MidiPort::In(Some(port)))
                }
                MidiPort::Out(port) => std::mem::replace(&mut self.midi_out, port)
                    .map(|port| MidiPort::Out(Some(port))),
            };
            if let Some(gone) = gone {
                // There is room, see above.
                let _ = self.gone.push(gone);
            }
        }
    }

    fn silence(&mut self, scope: &ProcessScope) {
        for port in &mut self.outs {
            port.as_mut_slice(scope).fill(0.0);
        }
        if let Some(port) = &mut self.midi_out {
            port.writer(scope);
        }
    }
}

impl ProcessHandler for Process {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        self.take_orders();
        if !self.meters.is_playing() {
            self.player.rest();
            self.silence(scope);
            return Control::Continue;
        }
        let frames = usize::try_from(scope.n_frames()).unwrap_or(0);
        for (channel, port) in self.ins.iter().enumerate() {
            let captured = port.as_slice(scope);
            if let Some(input) = self.player.input(channel) {
                let count = frames.min(input.len());
                input[..count].copy_from_slice(&captured[..count]);
            }
        }
        if let Some(port) = &self.midi_in {
            for message in port.iter(scope) {
                self.player.push_midi(message.time, message.bytes);
            }
        }
        self.player.play(frames);
        for (channel, port) in self.outs.iter_mut().enumerate() {
            let out = port.as_mut_slice(scope);
            match self.player.output(channel) {
                Some(output) => {
                    let count = frames.min(output.len());
                    out[..count].copy_from_slice(&output[..count]);
                    out[count..].fill(0.0);
                }
                None => out.fill(0.0),
            }
        }
        if let Some(port) = &mut self.midi_out {
            let mut writer = port.writer(scope);
            for event in self.player.midi_out().iter() {
                if let EventBody::Midi(bytes) = event.body {
                    let time = event.offset.min(scope.n_frames().saturating_sub(1));
                    if writer.write(&RawMidi { time, bytes }).is_err() {
                        self.meters.drop_midi_out(1);
                    }
                }
            }
        }
        Control::Continue
    }
}

struct Notices(Arc<Meters>);

impl NotificationHandler for Notices {
    fn xrun(&mut self, _: &Client) -> Control {
        if self.0.is_playing() {
            self.0.xrun(Cause::Device);
        }
        Control::Continue
    }
}

/// A MIDI input without a device.
pub fn listen(
    client: Client,
    choice: &PortChoice,
    heard: impl FnMut(u64, &[u8]) + Send + 'static,
) -> Result<Box<dyn Send>, Error> {
    let refused = |error: jack::Error| failed("JACK does not take a MIDI port", &error);
    let (own, theirs) = match choice {
        PortChoice::Virtual(name) => (name.as_str(), None),
        PortChoice::Index(index) => {
            let ports = midi_ports(&client, PortFlags::IS_OUTPUT);
            let count = ports.len();
            let port = ports.into_iter().find(|port| port.index == *index);
            let port = port.ok_or_else(|| port_missing(*index, count))?;
            ("midi_in", Some(port.name))
        }
    };
    let port = client
        .register_port(own, MidiIn::default())
        .map_err(refused)?;
    let name = port.name().map_err(refused)?;
    let active = AsyncClient::new(client, (), Listening { port, heard })
        .map_err(|error| failed("JACK does not let us listen", &error))?;
    if let Some(theirs) = theirs {
        let client = active.as_client();
        client
            .connect_ports_by_name(&theirs, &name)
            .map_err(|error| failed("JACK does not connect the MIDI port", &error))?;
    }
    Ok(Box::new(active))
}

struct Listening<F> {
    port: Port<MidiIn>,
    heard: F,
}

impl<F: FnMut(u64, &[u8]) + Send> ProcessHandler for Listening<F> {
    fn process(&mut self, client: &Client, scope: &ProcessScope) -> Control {
        for message in self.port.iter(scope) {
            let frame = scope.last_frame_time().wrapping_add(message.time);
            (self.heard)(client.frames_to_time(frame), message.bytes);
        }
        Control::Continue
    }
}
