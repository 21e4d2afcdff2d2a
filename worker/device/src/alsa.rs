//! ALSA: audio through cpal, MIDI through midir, and our own clock between the two.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Device, FromSample, SampleFormat, SizedSample, Stream, StreamConfig,
    SupportedBufferSize, SupportedStreamConfigRange,
};
use midir::os::unix::{VirtualInput, VirtualOutput};
use midir::{MidiInput, MidiInputConnection, MidiOutput};
use plugpen_proto::Error;
use plugpen_proto::event::EventBody;
use plugpen_proto::v1::{AudioDeviceInfo, ErrorReason, MidiDirection, MidiPortInfo};

use crate::clock::{Clock, DriverClock, Periods, offset};
use crate::input_buffer::{InputReader, InputWriter, input_buffer};
use crate::meters::{Cause, Meters};
use crate::midi_queue::{MidiReceiver, MidiSender, midi_queue};
use crate::player::{LONGEST_PERIOD, Player};
use crate::post::{Outlet, Post};
use crate::system::{
    Facts, PortChoice, Running, Wish, device_missing, failed, listed, listed_ports, port_missing,
};

/// What we are called among MIDI ports.
const NAME: &str = "plugpen";
/// The rate and the period where nothing is asked for and the device has no say in it.
const USUAL_RATE: u32 = 48_000;
const USUAL_PERIOD: u32 = 512;

fn host() -> Result<cpal::Host, Error> {
    cpal::host_from_id(cpal::HostId::Alsa).map_err(|error| failed("there is no ALSA", &error))
}

type Devices = (Vec<Device>, Option<Device>);

fn playback() -> Result<Devices, Error> {
    let host = host()?;
    let all = host
        .output_devices()
        .map_err(|e| failed("ALSA does not list its devices", &e))?;
    Ok((all.collect(), host.default_output_device()))
}

fn capture() -> Result<Devices, Error> {
    let host = host()?;
    let all = host
        .input_devices()
        .map_err(|e| failed("ALSA does not list its devices", &e))?;
    Ok((all.collect(), host.default_input_device()))
}

fn name(device: &Device) -> String {
    let id = device.id().map(|id| id.id().to_owned()).unwrap_or_default();
    match device.description() {
        Ok(description) if description.name() != id => format!("{} ({id})", description.name()),
        _ => id,
    }
}

/// Devices that play, and those that record.
pub fn devices() -> Result<(Vec<AudioDeviceInfo>, Vec<AudioDeviceInfo>), Error> {
    let described = |(all, default): Devices| {
        listed(
            all.iter()
                .map(|device| (name(device), default.as_ref() == Some(device))),
        )
    };
    Ok((described(playback()?), described(capture()?)))
}

fn pick((all, default): Devices, index: Option<u32>, what: &str) -> Result<Device, Error> {
    let found = match index {
        None => default.or_else(|| all.first().cloned()).ok_or_else(|| {
            Error::new(
                ErrorReason::WrongState,
                format!(
                    "there is no {what} device; is a sound card there, or a JACK server running?"
                ),
            )
        })?,
        Some(index) => {
            let position = usize::try_from(index).unwrap_or(usize::MAX);
            let count = all.len();
            let found = all.into_iter().nth(position);
            found.ok_or_else(|| device_missing(index, count))?
        }
    };
    Ok(found)
}

/// A device and how it is to be opened.
pub struct Found {
    device: Device,
    format: SampleFormat,
    config: StreamConfig,
    capture: Option<(Device, SampleFormat, StreamConfig)>,
}

/// Finds the device and a configuration that is near the wish.
pub fn choose(wish: &Wish) -> Result<(Found, Facts), Error> {
    let device = pick(playback()?, wish.playback_device, "playback")?;
    let no_answer =
        |error: cpal::Error| failed("the audio device does not say what it can do", &error);
    let ranges: Vec<_> = device
        .supported_output_configs()
        .map_err(no_answer)?
        .collect();
    let default = device
        .default_output_config()
        .ok()
        .map(|config| config.sample_rate());
    let (format, config) = configure(&ranges, default, wish, wish.channels)?;
    let capture = match wish.capture {
        false => None,
        true => {
            let device = pick(capture()?, wish.capture_device, "capture")?;
            let ranges: Vec<_> = device
                .supported_input_configs()
                .map_err(no_answer)?
                .collect();
            let same_rate = Wish {
                sample_rate: f64::from(config.sample_rate),
                ..wish.clone()
            };
            let (format, config) = configure(&ranges, None, &same_rate, wish.inputs.max(1))?;
            Some((device, format, config))
        }
    };
    let facts = Facts {
        system: "ALSA",
        name: name(&device),
        sample_rate: f64::from(config.sample_rate),
        buffer_frames: match config.buffer_size {
            BufferSize::Fixed(frames) => frames,
            BufferSize::Default => USUAL_PERIOD,
        },
        channels: config.channels.into(),
        capture_channels: capture.as_ref().map_or(0, |(_, _, c)| c.channels.into()),
    };
    Ok((
        Found {
            device,
            format,
            config,
            capture,
        },
        facts,
    ))
}

/// Formats that we can convert to, best first.
const FORMATS: [SampleFormat; 5] = [
    SampleFormat::F32,
    SampleFormat::I32,
    SampleFormat::I24,
    SampleFormat::I16,
    SampleFormat::U8,
];

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a rate, and clamped by the cast itself"
)]
fn configure(
    ranges: &[SupportedStreamConfigRange],
    default_rate: Option<u32>,
    wish: &Wish,
    channels: u32,
) -> Result<(SampleFormat, StreamConfig), Error> {
    let wanted = match wish.sample_rate {
        0.0 => None,
        rate => Some(rate.round() as u32),
    };
    let has = |range: &&SupportedStreamConfigRange, rate: u32| {
        (range.min_sample_rate()..=range.max_sample_rate()).contains(&rate)
    };
    let usable = || {
        let known = ranges.iter();
        known.filter(|range| FORMATS.contains(&range.sample_format()))
    };
    let rates = [wanted, Some(USUAL_RATE), default_rate];
    let rate = rates
        .into_iter()
        .flatten()
        .find(|rate| usable().any(|range| has(&range, *rate)))
        .or_else(|| usable().map(|range| range.max_sample_rate()).max());
    let best = rate.and_then(|rate| {
        usable()
            .filter(|range| has(range, rate))
            .min_by_key(|range| {
                let format = FORMATS.iter().position(|f| *f == range.sample_format());
                let found = u32::from(range.channels());
                // As many channels as wanted; else rather too many than too few.
                let off = match found < channels {
                    true => 1000 + channels - found,
                    false => found - channels,
                };
                (off, format)
            })
    });
    let (Some(rate), Some(best)) = (rate, best) else {
        return Err(failed(
            "the audio device cannot be used",
            &"it offers no sample format that we know",
        ));
    };
    let frames = match wish.buffer_frames {
        0 => USUAL_PERIOD,
        frames => frames,
    };
    let buffer_size = match best.buffer_size() {
        SupportedBufferSize::Range { min, max } => {
            let most = (*max).min(u32::try_from(LONGEST_PERIOD).unwrap_or(u32::MAX));
            BufferSize::Fixed(frames.clamp((*min).min(most), most))
        }
        SupportedBufferSize::Unknown => BufferSize::Fixed(frames),
    };
    let config = StreamConfig {
        channels: best.channels(),
        sample_rate: rate,
        buffer_size,
    };
    Ok((best.sample_format(), config))
}

impl Found {
    /// Opens the streams, stopped.
    ///
    /// # Errors
    /// The device refuses.
    pub fn open(
        self,
        facts: &mut Facts,
        player: Player,
        meters: &Arc<Meters>,
        clock: Clock,
    ) -> Result<Box<dyn Running>, Error> {
        let refused = |error: cpal::Error| failed("the audio device does not open", &error);
        let (midi, heard) = midi_queue();
        let post = Post::start(clock, meters.clone())
            .map_err(|error| failed("no thread for MIDI output", &error))?;
        let (captured, recorded) = match &self.capture {
            None => (None, None),
            Some((_, _, config)) => {
                let frames = 8 * facts.buffer_frames;
                let channels = usize::from(config.channels);
                let (writer, reader) = input_buffer(channels, frames, facts.sample_rate);
                (Some(writer), Some(reader))
            }
        };
        let inputs = player.inputs();
        let callback = Callback {
            player,
            channels: usize::from(self.config.channels),
            rate: facts.sample_rate,
            recorded,
            recording: vec![vec![0.0; LONGEST_PERIOD]; inputs],
            heard,
            outlet: post.outlet(),
            meters: meters.clone(),
            clock,
            periods: Periods::default(),
        };
        let output = output_stream(&self.device, self.config, self.format, callback, meters)
            .map_err(refused)?;
        let input = match (self.capture, captured) {
            (Some((device, format, config)), Some(writer)) => {
                Some(input_stream(&device, config, format, writer, meters).map_err(refused)?)
            }
            _ => None,
        };
        if let Ok(frames) = output.buffer_size() {
            facts.buffer_frames = frames;
        }
        Ok(Box::new(AlsaDevice {
            output,
            input,
            clock,
            meters: meters.clone(),
            midi: Arc::new(Mutex::new(midi)),
            midi_in: None,
            post,
        }))
    }
}

/// What the output stream's thread owns.
struct Callback {
    player: Player,
    channels: usize,
    rate: f64,
    recorded: Option<InputReader>,
    /// What was recorded for the player's channels.
    recording: Vec<Vec<f32>>,
    heard: MidiReceiver,
    outlet: Outlet,
    meters: Arc<Meters>,
    clock: Clock,
    periods: Periods,
}

impl Callback {
    fn fill<T: SizedSample + FromSample<f32>>(&mut self, data: &mut [T]) {
        if !self.meters.is_playing() {
            self.player.rest();
            data.fill(T::from_sample(0.0));
            return;
        }
        for part in data.chunks_mut(LONGEST_PERIOD * self.channels) {
            self.fill_part(part);
        }
    }

    fn fill_part<T: SizedSample + FromSample<f32>>(&mut self, data: &mut [T]) {
        let frames = data.len() / self.channels.max(1);
        let length_us = frames as f64 / self.rate * 1e6;
        let begin_us = self.periods.begin(self.clock.now_us(), length_us);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "microseconds since the start, never below 0"
        )]
        let end = begin_us.max(0.0) as u64;
        let count = u32::try_from(frames).unwrap_or(u32::MAX);
        while let Some((time, message)) = self.heard.pop_before(end) {
            let at = offset(time, begin_us, length_us, count);
            self.player.push_midi(at, message);
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.read(&mut self.recording, frames);
            for (channel, from) in self.recording.iter().enumerate() {
                if let Some(to) = self.player.input(channel) {
                    to[..frames].copy_from_slice(&from[..frames]);
                }
            }
        }
        self.player.play(frames);
        for channel in 0..self.channels {
            let samples = data.iter_mut().skip(channel).step_by(self.channels);
            match self.player.output(channel) {
                Some(output) => {
                    for (sample, value) in samples.zip(output) {
                        *sample = T::from_sample(*value);
                    }
                }
                None => samples.for_each(|sample| *sample = T::from_sample(0.0)),
            }
        }
        let mut given = false;
        for event in self.player.midi_out().iter() {
            if let EventBody::Midi(message) = event.body {
                let into_us = f64::from(event.offset) / self.rate * 1e6;
                given |= self.outlet.put(begin_us + length_us + into_us, message);
            }
        }
        if given {
            self.outlet.wake();
        }
    }
}

fn on_error(meters: &Arc<Meters>) -> impl FnMut(cpal::Error) + Send + 'static {
    let meters = meters.clone();
    move |error| match error.kind() {
        cpal::ErrorKind::Xrun => meters.xrun(Cause::Device),
        cpal::ErrorKind::RealtimeDenied | cpal::ErrorKind::DeviceChanged => {
            eprintln!("plugpen-device: {error}");
        }
        _ => {
            eprintln!("plugpen-device: the audio device broke: {error}");
            meters.xrun(Cause::Broken);
        }
    }
}

fn output_stream(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    callback: Callback,
    meters: &Arc<Meters>,
) -> Result<Stream, cpal::Error> {
    fn build<T: SizedSample + FromSample<f32>>(
        device: &Device,
        config: StreamConfig,
        mut callback: Callback,
        on_error: impl FnMut(cpal::Error) + Send + 'static,
    ) -> Result<Stream, cpal::Error> {
        let fill = move |data: &mut [T], _: &cpal::OutputCallbackInfo| callback.fill(data);
        device.build_output_stream(config, fill, on_error, None)
    }
    let on_error = on_error(meters);
    match format {
        SampleFormat::I32 => build::<i32>(device, config, callback, on_error),
        SampleFormat::I24 => build::<cpal::I24>(device, config, callback, on_error),
        SampleFormat::I16 => build::<i16>(device, config, callback, on_error),
        SampleFormat::U8 => build::<u8>(device, config, callback, on_error),
        _ => build::<f32>(device, config, callback, on_error),
    }
}

fn input_stream(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    writer: InputWriter,
    meters: &Arc<Meters>,
) -> Result<Stream, cpal::Error> {
    fn build<T: SizedSample>(
        device: &Device,
        config: StreamConfig,
        mut writer: InputWriter,
        on_error: impl FnMut(cpal::Error) + Send + 'static,
    ) -> Result<Stream, cpal::Error>
    where
        f32: FromSample<T>,
    {
        let take = move |data: &[T], _: &cpal::InputCallbackInfo| {
            writer.write_interleaved(data.iter().map(|sample| f32::from_sample_(*sample)));
        };
        device.build_input_stream(config, take, on_error, None)
    }
    let on_error = on_error(meters);
    match format {
        SampleFormat::I32 => build::<i32>(device, config, writer, on_error),
        SampleFormat::I24 => build::<cpal::I24>(device, config, writer, on_error),
        SampleFormat::I16 => build::<i16>(device, config, writer, on_error),
        SampleFormat::U8 => build::<u8>(device, config, writer, on_error),
        _ => build::<f32>(device, config, writer, on_error),
    }
}

struct AlsaDevice {
    output: Stream,
    input: Option<Stream>,
    clock: Clock,
    meters: Arc<Meters>,
    /// Only ever held by the one connection that is open.
    midi: Arc<Mutex<MidiSender>>,
    midi_in: Option<MidiInputConnection<()>>,
    post: Post,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running for AlsaDevice {
    fn start(&mut self) -> Result<(), Error> {
        let streams = std::iter::once(&self.output).chain(&self.input);
        for stream in streams {
            stream
                .play()
                .map_err(|error| failed("the audio device does not start", &error))?;
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Error> {
        for stream in std::iter::once(&self.output).chain(&self.input) {
            // One that cannot pause plays silence.
            if let Err(error) = stream.pause() {
                eprintln!("plugpen-device: the audio device does not pause: {error}");
            }
        }
        Ok(())
    }

    fn connect(&mut self, direction: MidiDirection, choice: &PortChoice) -> Result<String, Error> {
        if direction == MidiDirection::Output {
            return self.post.connect(choice);
        }
        let (midi, meters, clock) = (self.midi.clone(), self.meters.clone(), self.clock);
        let mut driver = DriverClock::default();
        let heard = move |stamp: u64, message: &[u8]| {
            let time = driver.place(stamp, clock.now_us());
            // What comes while the device is stopped is not heard when it starts.
            if !meters.is_playing() {
                return;
            }
            if !lock(&midi).push(time, message) {
                meters.drop_midi_in(1);
            }
        };
        let (connection, name) = connect_input(choice, heard)?;
        self.midi_in = Some(connection);
        Ok(name)
    }

    fn is_connected(&self, direction: MidiDirection) -> bool {
        match direction {
            MidiDirection::Output => self.post.is_connected(),
            _ => self.midi_in.is_some(),
        }
    }

    fn disconnect(&mut self, direction: MidiDirection) -> Result<(), Error> {
        match direction {
            MidiDirection::Output => self.post.disconnect(),
            _ => self.midi_in = None,
        }
        Ok(())
    }
}

/// The sequencer's ports; none where the kernel has no sequencer.
pub fn midi_ports() -> (Vec<MidiPortInfo>, Vec<MidiPortInfo>) {
    let inputs = MidiInput::new(NAME).map(|midi| {
        let ports = midi.ports();
        let names = ports.iter().filter_map(|port| midi.port_name(port).ok());
        listed_ports(names.collect::<Vec<_>>())
    });
    let outputs = MidiOutput::new(NAME).map(|midi| {
        let ports = midi.ports();
        let names = ports.iter().filter_map(|port| midi.port_name(port).ok());
        listed_ports(names.collect::<Vec<_>>())
    });
    (inputs.unwrap_or_default(), outputs.unwrap_or_default())
}

fn connect_input(
    choice: &PortChoice,
    mut heard: impl FnMut(u64, &[u8]) + Send + 'static,
) -> Result<(MidiInputConnection<()>, String), Error> {
    let no_midi = |error: midir::InitError| failed("there is no MIDI here", &error);
    let midi = MidiInput::new(NAME).map_err(no_midi)?;
    let heard = move |stamp: u64, message: &[u8], (): &mut ()| heard(stamp, message);
    match choice {
        PortChoice::Virtual(name) => {
            let made = midi.create_virtual(name, heard, ());
            let made = made.map_err(|error| failed("the port cannot be made", &error))?;
            Ok((made, name.clone()))
        }
        PortChoice::Index(index) => {
            let ports = midi.ports();
            let port = usize::try_from(*index)
                .ok()
                .and_then(|index| ports.get(index));
            let port = port.ok_or_else(|| port_missing(*index, ports.len()))?;
            let name = midi.port_name(port).unwrap_or_default();
            let made = midi.connect(port, "midi_in", heard, ());
            let made = made.map_err(|error| failed("the port cannot be connected", &error))?;
            Ok((made, name))
        }
    }
}

/// A MIDI output, virtual or connected.
pub fn connect_output(choice: &PortChoice) -> Result<(midir::MidiOutputConnection, String), Error> {
    let no_midi = |error: midir::InitError| failed("there is no MIDI here", &error);
    let midi = MidiOutput::new(NAME).map_err(no_midi)?;
    match choice {
        PortChoice::Virtual(name) => {
            let made = midi.create_virtual(name);
            let made = made.map_err(|error| failed("the port cannot be made", &error))?;
            Ok((made, name.clone()))
        }
        PortChoice::Index(index) => {
            let ports = midi.ports();
            let port = usize::try_from(*index)
                .ok()
                .and_then(|index| ports.get(index));
            let port = port.ok_or_else(|| port_missing(*index, ports.len()))?;
            let name = midi.port_name(port).unwrap_or_default();
            let made = midi.connect(port, "midi_out");
            let made = made.map_err(|error| failed("the port cannot be connected", &error))?;
            Ok((made, name))
        }
    }
}

/// A MIDI input without a device; stamps are the sequencer's microseconds.
pub fn listen(
    choice: &PortChoice,
    heard: impl FnMut(u64, &[u8]) + Send + 'static,
) -> Result<Box<dyn Send>, Error> {
    let (connection, _) = connect_input(choice, heard)?;
    Ok(Box::new(connection))
}
