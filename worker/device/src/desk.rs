//! The daemon's calls, carried out one after the other on the main thread.

use std::sync::Arc;

use plugpen_channel::Incoming;
use plugpen_proto::Error;
use plugpen_proto::v1::*;
use plugpen_proto::worker::from_worker::Body;
use plugpen_proto::worker::to_worker::Call;
use plugpen_proto::worker::{AttachStage, CallError, FromWorker, OpenDevice, Pong, StageAttached};
use plugpen_shm::{ClientEnd, RingSpec};

use crate::clock::Clock;
use crate::input_buffer::{InputWriter, input_buffer};
use crate::meters::Meters;
use crate::midi_queue::{MidiSender, midi_queue};
use crate::player::{Console, Player};
use crate::reporter::{self, Line};
use crate::ring_stage::{Ring, RingWidth, io_of};
use crate::system::{Facts, PortChoice, Running, System, Wish};

/// Everything this process holds.
pub struct Desk {
    clock: Clock,
    meters: Arc<Meters>,
    /// For what a MIDI input hears, until one is opened.
    heard: Option<MidiSender>,
    device: Option<Device>,
    /// An open MIDI input; dropping it closes it.
    listening: Option<Box<dyn Send>>,
}

/// An open device.
struct Device {
    running: Box<dyn Running>,
    console: Console,
    facts: Facts,
    stages: usize,
    inputs: usize,
    input: Option<InputWriter>,
    midi: [Option<MidiConnection>; 2],
}

impl Desk {
    /// Nothing is open; the reporter's thread starts.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn new(line: Line) -> std::io::Result<Self> {
        let meters = Arc::new(Meters::default());
        let (heard, told) = midi_queue();
        reporter::start(line, meters.clone(), told)?;
        Ok(Self {
            clock: Clock::new(),
            meters,
            heard: Some(heard),
            device: None,
            listening: None,
        })
    }

    /// Carries a call out and says how it went.
    pub fn answer(&mut self, incoming: Incoming) -> FromWorker {
        let id = incoming.message.id;
        let body = self.carry_out(incoming).unwrap_or_else(|error| {
            Body::Error(CallError {
                reason: error.reason.into(),
                message: error.message,
            })
        });
        FromWorker {
            id,
            body: Some(body),
        }
    }

    fn carry_out(&mut self, incoming: Incoming) -> Result<Body, Error> {
        let call = incoming.message.call;
        let call = call.ok_or_else(|| Error::bug("a call this device does not know"))?;
        Ok(match call {
            Call::Ping(_) => Body::Ping(Pong {}),
            Call::ListAudioDevices(_) => Body::ListAudioDevices(System::find().devices()?),
            Call::ListMidiPorts(_) => Body::ListMidiPorts(System::find().midi_ports()),
            Call::OpenMidiIn(call) => {
                let choice = choice(call.port, &call.virtual_name)?;
                self.listen(&choice)?;
                Body::OpenMidiIn(OpenMidiInResponse::default())
            }
            Call::OpenDevice(call) => {
                self.open(&call)?;
                Body::OpenDevice(OpenDeviceResponse {
                    device: Some(self.status()?),
                })
            }
            Call::AttachStage(call) => {
                self.attach(&call, incoming.descriptors)?;
                Body::AttachStage(StageAttached {})
            }
            Call::StartDevice(_) => {
                self.set_playing(true)?;
                Body::StartDevice(StartDeviceResponse {})
            }
            Call::StopDevice(_) => {
                self.set_playing(false)?;
                Body::StopDevice(StopDeviceResponse {})
            }
            Call::GetDevice(_) => Body::GetDevice(GetDeviceResponse {
                device: Some(self.status()?),
            }),
            Call::SendMidi(call) => {
                if !self.device()?.console.send_midi(&call.data) {
                    return Err(Error::new(
                        ErrorReason::LimitReached,
                        "Failed to send MIDI (queue may be full)",
                    ));
                }
                Body::SendMidi(SendMidiResponse {})
            }
            Call::ConnectMidi(call) => {
                self.connect(&call)?;
                Body::ConnectMidi(ConnectMidiResponse {})
            }
            Call::DisconnectMidi(call) => {
                let device = self.device()?;
                device.running.disconnect(call.direction())?;
                device.midi[slot(call.direction())] = None;
                Body::DisconnectMidi(DisconnectMidiResponse {})
            }
            Call::SetDeviceInput(call) => {
                self.set_input(&call)?;
                Body::SetDeviceInput(SetDeviceInputResponse {})
            }
            Call::SetDeviceMix(call) => {
                let stage = usize::try_from(call.index).unwrap_or(usize::MAX);
                self.device()?.console.set_mix(stage, call.mix)?;
                Body::SetDeviceMix(SetDeviceMixResponse {})
            }
            Call::WriteDeviceInput(call) => {
                let frames = self.write_input(&call)?;
                Body::WriteDeviceInput(WriteDeviceInputResponse { frames })
            }
            call => {
                let name = call.name();
                return Err(Error::bug(format!("{name} came to a device")));
            }
        })
    }

    fn device(&mut self) -> Result<&mut Device, Error> {
        self.device
            .as_mut()
            .ok_or_else(|| Error::bug("a device's call came before OpenDevice"))
    }

    fn listen(&mut self, choice: &PortChoice) -> Result<(), Error> {
        let heard = self.heard.take();
        let mut heard = heard.ok_or_else(|| Error::bug("one MIDI input a process"))?;
        let meters = self.meters.clone();
        let hear = move |time_us: u64, message: &[u8]| {
            if !heard.push(time_us, message) {
                meters.lose();
            }
            meters.ring();
        };
        self.listening = Some(System::find().listen(choice, hear)?);
        Ok(())
    }

    fn open(&mut self, call: &OpenDevice) -> Result<(), Error> {
        let request = call.request.clone().unwrap_or_default();
        let (Some(first), Some(last)) = (call.plugins.first(), call.plugins.last()) else {
            return Err(Error::invalid("a device plays at least one plugin"));
        };
        let wish = Wish {
            sample_rate: request.sample_rate,
            buffer_frames: request.buffer_frames,
            channels: match request.output_channels {
                0 => last.num_output_channels.max(1),
                channels => channels,
            },
            capture: request.capture,
            inputs: first.num_input_channels,
            playback_device: request.playback_device,
            capture_device: request.capture_device,
        };
        let (found, mut facts) = System::find().choose(&wish)?;
        let ios: Vec<_> = call.plugins.iter().map(io_of).collect();
        // They are given the device's rate before their rings are attached.
        let ios: Vec<_> = ios
            .into_iter()
            .map(|io| plugpen_engine::Io {
                sample_rate: facts.sample_rate,
                ..io
            })
            .collect();
        let dry = request.fallback() == DeviceFallback::Dry;
        let (player, console) = Player::new(&ios, &request.mixes, dry, self.meters.clone())?;
        let inputs = player.inputs();
        let running = found.open(&mut facts, player, &self.meters, self.clock)?;
        self.device = Some(Device {
            running,
            console,
            facts,
            stages: ios.len(),
            inputs,
            input: None,
            midi: [None, None],
        });
        Ok(())
    }

    fn attach(
        &mut self,
        call: &AttachStage,
        descriptors: Vec<std::os::fd::OwnedFd>,
    ) -> Result<(), Error> {
        let device = self.device()?;
        let stage = usize::try_from(call.index).unwrap_or(usize::MAX);
        if stage >= device.stages {
            return Err(Error::out_of_range("plugin", stage, device.stages));
        }
        let agreed = |error: &dyn std::fmt::Display| {
            Error::bug(format!(
                "the daemon's audio rings are not what was agreed: {error}"
            ))
        };
        let rings = call.rings.clone().unwrap_or_default();
        let plugin = call.plugin.clone().unwrap_or_default();
        let spec = RingSpec::try_from(&rings).map_err(|error| agreed(&error))?;
        let layout = spec.layout().map_err(|error| agreed(&error))?;
        let descriptors = descriptors
            .try_into()
            .map_err(|_| agreed(&"descriptors are missing"))?;
        let end = ClientEnd::attach(descriptors, &layout).map_err(|error| agreed(&error))?;
        let width = RingWidth {
            max_frames: rings.max_frames,
            inputs: rings.input_channels,
            outputs: rings.output_channels,
        };
        device
            .console
            .set_ring(stage, Ring::new(end, &plugin, width)?)
    }

    fn set_playing(&mut self, playing: bool) -> Result<(), Error> {
        let meters = self.meters.clone();
        let device = self.device()?;
        if meters.is_playing() == playing {
            return Ok(());
        }
        if playing {
            meters.set_playing(true);
            device
                .running
                .start()
                .inspect_err(|_| meters.set_playing(false))?;
            // The reporter looks after a device that plays.
            meters.ring();
            return Ok(());
        }
        meters.set_playing(false);
        device.running.stop()
    }

    fn connect(&mut self, call: &ConnectMidiRequest) -> Result<(), Error> {
        let choice = choice(call.port, &call.virtual_name)?;
        let device = self.device()?;
        let connected = device.running.connect(call.direction(), &choice);
        if !device.running.is_connected(call.direction()) {
            device.midi[slot(call.direction())] = None;
        }
        device.midi[slot(call.direction())] = Some(MidiConnection {
            port: call.port,
            name: connected?,
        });
        Ok(())
    }

    fn set_input(&mut self, call: &SetDeviceInputRequest) -> Result<(), Error> {
        let device = self.device()?;
        let (writer, reader) = match call.enabled {
            true => {
                let (rate, channels) = (device.facts.sample_rate, device.inputs);
                let (writer, reader) = input_buffer(channels, call.capacity_frames, rate);
                (Some(writer), Some(reader))
            }
            false => (None, None),
        };
        device.console.set_input(reader)?;
        device.input = writer;
        Ok(())
    }

    fn write_input(&mut self, call: &WriteDeviceInputRequest) -> Result<u32, Error> {
        let channels = usize::try_from(call.channels).unwrap_or(usize::MAX);
        let Some(input) = &mut self.device()?.input else {
            return Ok(0);
        };
        let samples = call.samples.chunks_exact(4);
        let samples: Vec<f32> = samples
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        let frames = input.write(channels, &samples);
        Ok(u32::try_from(frames).unwrap_or(u32::MAX))
    }

    fn status(&mut self) -> Result<DeviceStatus, Error> {
        let meters = self.meters.clone();
        let device = self.device()?;
        let (midi_in_dropped, midi_out_dropped) = meters.midi_dropped();
        let available = device.input.as_ref().map_or(0, InputWriter::available);
        Ok(DeviceStatus {
            handle: String::new(),
            system: device.facts.system.into(),
            name: device.facts.name.clone(),
            sample_rate: device.facts.sample_rate,
            buffer_frames: device.facts.buffer_frames,
            channels: device.facts.channels,
            capture_channels: device.facts.capture_channels,
            is_playing: meters.is_playing() && !meters.is_broken(),
            midi_input: device.midi[slot(MidiDirection::Input)].clone(),
            midi_output: device.midi[slot(MidiDirection::Output)].clone(),
            input_available: u64::try_from(available).unwrap_or(u64::MAX),
            xrun_count: meters.xruns().0,
            cpu_load: f64::from(meters.load()),
            midi_in_dropped,
            midi_out_dropped,
            error: match meters.is_broken() {
                true => {
                    "the audio device broke or its server ended; close it and open it again".into()
                }
                false => String::new(),
            },
            pid: std::process::id(),
        })
    }
}

fn slot(direction: MidiDirection) -> usize {
    usize::from(direction == MidiDirection::Output)
}

fn choice(port: Option<u32>, virtual_name: &str) -> Result<PortChoice, Error> {
    match (port, virtual_name) {
        (Some(index), "") => Ok(PortChoice::Index(index)),
        (None, name) if !name.is_empty() => Ok(PortChoice::Virtual(name.into())),
        _ => Err(Error::invalid(
            "either the index of a MIDI port or the name of a virtual one is expected",
        )),
    }
}
