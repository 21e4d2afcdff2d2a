//! A sound device that plays a plugin or a chain.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use plugpen_proto::v1::{
    AttachDeviceRequest, CloseDeviceRequest, ConnectMidiRequest, Death, DeviceFallback,
    DeviceStatus, DisconnectMidiRequest, ErrorReason, GetDeviceRequest, ListAudioDevicesRequest,
    ListAudioDevicesResponse, ListMidiPortsRequest, ListMidiPortsResponse, MidiDirection,
    OpenDeviceRequest, SendMidiRequest, SetDeviceInputRequest, SetDeviceMixRequest,
    StartDeviceRequest, StopDeviceRequest, WriteDeviceInputRequest,
};

use crate::callbacks::{Callbacks, XrunCallback};
use crate::chain::PluginChain;
use crate::connection::{Call, Connection, LOAD, QUICK};
use crate::error::{Error, Result};
use crate::plugin::Plugin;
use crate::server::{Server, prefixed};

/// Samples that travel in one call.
const CHUNK: usize = 64 * 1024;

/// What a device plays.
#[derive(Debug, Clone)]
pub enum DeviceTarget {
    /// One plugin.
    Plugin(Arc<Plugin>),
    /// Plugins one after the other, with the chain's mixes, which [`PluginChain::set_mix`] changes
    /// while they are heard too.
    Chain(Arc<PluginChain>),
}

impl DeviceTarget {
    fn plugins(&self) -> &[Arc<Plugin>] {
        match self {
            Self::Plugin(plugin) => std::slice::from_ref(plugin),
            Self::Chain(chain) => chain.plugins(),
        }
    }

    fn mixes(&self) -> Result<Vec<f64>> {
        match self {
            Self::Plugin(_) => Ok(Vec::new()),
            Self::Chain(chain) => (0..chain.num_plugins()).map(|i| chain.get_mix(i)).collect(),
        }
    }
}

impl From<Arc<Plugin>> for DeviceTarget {
    fn from(plugin: Arc<Plugin>) -> Self {
        Self::Plugin(plugin)
    }
}

impl From<Arc<PluginChain>> for DeviceTarget {
    fn from(chain: Arc<PluginChain>) -> Self {
        Self::Chain(chain)
    }
}

/// How a device is opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceOptions {
    /// Frames a second; 0: the device's own. A device that has another rate keeps it.
    pub sample_rate: f64,
    /// Wish for the frames of a period; 0: 512, or what the JACK server uses.
    pub buffer_frames: u32,
    /// Channels to play; 0: as many as the plugin has.
    pub output_channels: u32,
    /// A MIDI input to connect, by its index in [`Server::midi_ports`].
    pub midi_input_port: Option<u32>,
    /// A MIDI output to connect.
    pub midi_output_port: Option<u32>,
    /// Plays what the device records through the plugin.
    pub capture: bool,
    /// Which device plays, by its index in [`Server::audio_devices`]; none: the default.
    pub playback_device: Option<u32>,
    /// Which device records.
    pub capture_device: Option<u32>,
    /// Where the plugin is late or dead, the input is heard and not silence.
    pub dry_fallback: bool,
}

/// A sound device of the daemon's machine that plays a plugin or a chain, in a process of its own.
///
/// While it is open the plugins' audio belongs to it: [`Plugin::process`] is refused. Parameters,
/// state and everything else work as ever, and what is set is heard. A plugin that is late or dies
/// leaves silence, which is counted; its restart policy or [`Plugin::restart`] brings it back on
/// the same stream. Where the device's own process dies the plugins' audio is this client's again, and another device can
/// be opened. Dropping the device closes it.
pub struct AudioDevice {
    link: Arc<DeviceLink>,
    server: Server,
    target: DeviceTarget,
    opened: DeviceStatus,
    closed: AtomicBool,
}

/// A call of the device service, by name, method and message.
macro_rules! call {
    ($connection:expr, $name:literal, $method:ident, $request:expr) => {
        $connection.call(
            Call::new($name, QUICK),
            $request,
            |mut api, request| async move { api.devices.$method(request).await },
        )
    };
}
pub(crate) use call;

/// Where a device or a MIDI input can be reached, and what is heard of it.
pub(crate) struct DeviceLink {
    pub(crate) connection: Arc<Connection>,
    pub(crate) handle: String,
    pub(crate) callbacks: Arc<Callbacks>,
    xruns: AtomicU64,
    death: OnceLock<Death>,
}

impl DeviceLink {
    pub(crate) fn new(connection: &Arc<Connection>, handle: &str) -> DeviceLink {
        DeviceLink {
            connection: connection.clone(),
            handle: handle.into(),
            callbacks: Arc::default(),
            xruns: AtomicU64::new(0),
            death: OnceLock::new(),
        }
    }

    /// Its process died: how, if that has been heard.
    pub(crate) fn death(&self) -> Option<&Death> {
        self.death.get()
    }

    /// Notes how many periods were not the plugins' output so far.
    pub(crate) fn note_xruns(&self, count: u64) {
        self.xruns.store(count, Ordering::Relaxed);
    }

    /// Notes that its process died; the count of periods that were not the plugins' output.
    pub(crate) fn note_death(&self, death: Death) -> u64 {
        // The first one is the one.
        let _ = self.death.set(death);
        self.xruns.load(Ordering::Relaxed) + 1
    }

    /// Whether the daemon says that its process died: the event may be on its way.
    pub(crate) fn is_lost(&self) -> bool {
        let request = GetDeviceRequest {
            handle: self.handle.clone(),
        };
        if let Err(error) = call!(self.connection, "GetDevice", get_device, request)
            && let Some(death) = error.death
        {
            self.note_death(*death);
        }
        self.death().is_some()
    }

    /// Has a plugin of its chain heard at this mix from now on.
    pub(crate) fn set_mix(&self, index: usize, mix: f64) -> Result<()> {
        let request = SetDeviceMixRequest {
            handle: self.handle.clone(),
            index: u32::try_from(index).unwrap_or(u32::MAX),
            mix,
        };
        call!(self.connection, "SetDeviceMix", set_device_mix, request).map(|_| ())
    }

    /// Has the device play this plugin's worker from now on.
    pub(crate) fn attach(&self, plugin: &str) -> Result<()> {
        let request = AttachDeviceRequest {
            handle: self.handle.clone(),
            plugin: plugin.into(),
        };
        self.connection.call(
            Call::new("AttachDevice", QUICK),
            request,
            |mut api, request| async move { api.devices.attach_device(request).await },
        )?;
        Ok(())
    }
}

impl AudioDevice {
    /// Opens a device; [`AudioDevice::start`] has it play. Each plugin whose rate is another takes
    /// the device's, as by [`Plugin::set_sample_rate`].
    ///
    /// # Errors
    /// `WrongState` where there is no such device, where a plugin is played by another or was
    /// opened without audio, or with blocks shorter than the device's period; `InvalidInput` for
    /// options out of range; `Unsupported` where the daemon has no `plugpen-device`; `LimitReached`;
    /// those of [`Plugin::restart`] for a change of the rate. A MIDI port that cannot be connected
    /// is one of them.
    pub fn open(target: impl Into<DeviceTarget>, options: &DeviceOptions) -> Result<AudioDevice> {
        let target = target.into();
        let what = match &target {
            DeviceTarget::Plugin(_) => "Failed to open audio device",
            DeviceTarget::Chain(_) => "Failed to open audio device with chain",
        };
        AudioDevice::open_for(target, options).map_err(|error| prefixed(what, error))
    }

    fn open_for(target: DeviceTarget, options: &DeviceOptions) -> Result<AudioDevice> {
        let server = match target.plugins().first() {
            Some(first) => first.server().clone(),
            None => return Err(Error::invalid("a device plays at least one plugin")),
        };
        let connection = server.check()?.clone();
        let mut claimed = Claimed(Vec::new());
        for plugin in target.plugins() {
            plugin.claim()?;
            claimed.0.push(plugin.clone());
        }
        let mixes = target.mixes()?;
        let request = OpenDeviceRequest {
            plugins: target.plugins().iter().map(|p| p.handle().into()).collect(),
            sample_rate: options.sample_rate,
            buffer_frames: options.buffer_frames,
            output_channels: options.output_channels,
            capture: options.capture,
            playback_device: options.playback_device,
            capture_device: options.capture_device,
            fallback: match options.dry_fallback {
                true => DeviceFallback::Dry.into(),
                false => DeviceFallback::Silence.into(),
            },
            mixes: mixes.clone(),
        };
        let opened = connection.call(
            Call::new("OpenDevice", LOAD),
            request,
            |mut api, request| async move { api.devices.open_device(request).await },
        )?;
        let opened = opened
            .device
            .ok_or_else(|| Error::bug("the daemon opened a device and did not describe it"))?;
        let link = Arc::new(DeviceLink::new(&connection, &opened.handle));
        server.events().add_device(&link);
        // From here on its drop closes it and frees the plugins.
        for plugin in claimed.0.drain(..) {
            plugin.hold(&link);
        }
        let device = AudioDevice {
            link,
            server,
            target,
            opened,
            closed: AtomicBool::new(false),
        };
        device.attach()?;
        device.follow_mixes(&mixes)?;
        if let Some(port) = options.midi_input_port {
            device.connect_midi_input(port)?;
        }
        if let Some(port) = options.midi_output_port {
            device.connect_midi_output(port)?;
        }
        Ok(device)
    }

    /// Gives the plugins the device's rate and the device the plugins' rings.
    fn attach(&self) -> Result<()> {
        let period = self.opened.buffer_frames;
        for plugin in self.target.plugins() {
            let block = plugin.max_block_size();
            if block < period {
                return Err(Error::new(
                    ErrorReason::WrongState,
                    format!(
                        "plugin was opened with max_block_size={block} but the audio device needs up to {period} frames per callback. \
                         Open the plugin with max_block_size={period} or more, or ask for a smaller buffer_frames"
                    ),
                ));
            }
        }
        for plugin in self.target.plugins() {
            plugin.play_at(self.opened.sample_rate)?;
            plugin.rescue_in_background();
        }
        if self.link.death().is_some() {
            // Says how it died.
            self.status()?;
        }
        Ok(())
    }

    /// Hears of the chain's mixes from now on, and of what changed since it was opened with these.
    fn follow_mixes(&self, opened_with: &[f64]) -> Result<()> {
        let DeviceTarget::Chain(chain) = &self.target else {
            return Ok(());
        };
        chain.played_by(&self.link);
        for (index, mix) in self.target.mixes()?.into_iter().enumerate() {
            if opened_with.get(index) != Some(&mix) {
                self.link.set_mix(index, mix)?;
            }
        }
        Ok(())
    }

    /// How its process died, if it did; the plugins' audio is this client's again then.
    pub fn death(&self) -> Option<Death> {
        self.link.death().cloned()
    }

    /// What it plays.
    pub fn target(&self) -> &DeviceTarget {
        &self.target
    }

    /// Frames a second.
    pub fn sample_rate(&self) -> f64 {
        self.opened.sample_rate
    }

    /// Frames of a period.
    pub fn buffer_frames(&self) -> u32 {
        self.opened.buffer_frames
    }

    /// Channels that are played.
    pub fn channels(&self) -> u32 {
        self.opened.channels
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.opened.name
    }

    /// "JACK" or "ALSA".
    pub fn system(&self) -> &str {
        &self.opened.system
    }

    /// How it stands: everything below in one call.
    ///
    /// # Errors
    /// `WrongState` once it is closed, `PluginDead` where its process died.
    pub fn status(&self) -> Result<DeviceStatus> {
        let request = GetDeviceRequest {
            handle: self.handle()?,
        };
        let answer = call!(self.link.connection, "GetDevice", get_device, request)?;
        answer
            .device
            .ok_or_else(|| Error::bug("the daemon did not describe the device"))
    }

    /// Whether it plays.
    ///
    /// # Errors
    /// As for [`AudioDevice::status`].
    pub fn is_playing(&self) -> Result<bool> {
        Ok(self.status()?.is_playing)
    }

    /// Periods, or parts of one, that were not the plugins' output.
    ///
    /// # Errors
    /// As for [`AudioDevice::status`].
    pub fn xrun_count(&self) -> Result<u64> {
        Ok(self.status()?.xrun_count)
    }

    /// The part of its time that the callback used lately; 1 is all of it.
    ///
    /// # Errors
    /// As for [`AudioDevice::status`].
    pub fn cpu_load(&self) -> Result<f64> {
        Ok(self.status()?.cpu_load)
    }

    /// Frames that [`AudioDevice::write_input`] wrote and that were not played yet.
    ///
    /// # Errors
    /// As for [`AudioDevice::status`].
    pub fn input_available(&self) -> Result<u64> {
        Ok(self.status()?.input_available)
    }

    /// Begins to play; where it plays already, nothing happens.
    ///
    /// # Errors
    /// `WrongState` where the device refuses or is closed.
    pub fn start(&self) -> Result<()> {
        let handle = self.handle()?;
        let request = StartDeviceRequest { handle };
        call!(self.link.connection, "StartDevice", start_device, request).map(|_| ())
    }

    /// Stops playing; where it does not play, nothing happens.
    ///
    /// # Errors
    /// `WrongState` once it is closed.
    pub fn stop(&self) -> Result<()> {
        let handle = self.handle()?;
        let request = StopDeviceRequest { handle };
        call!(self.link.connection, "StopDevice", stop_device, request).map(|_| ())
    }

    /// Queues a whole MIDI message, SysEx included, for the next period; also while stopped.
    ///
    /// # Errors
    /// `LimitReached` where the queue is full, `InvalidInput` for what is no message.
    pub fn send_midi(&self, message: &[u8]) -> Result<()> {
        let request = SendMidiRequest {
            handle: self.handle()?,
            data: message.to_vec(),
        };
        call!(self.link.connection, "SendMidi", send_midi, request).map(|_| ())
    }

    /// Plays what comes in at a MIDI port, in place of an earlier one. Within a period messages keep
    /// their distances; on ALSA they are heard one period late.
    ///
    /// # Errors
    /// `InvalidInput` where there is no such port, `WrongState` where it cannot be connected.
    pub fn connect_midi_input(&self, port: u32) -> Result<()> {
        self.connect_midi(MidiDirection::Input, Some(port), "")
            .map_err(|error| prefixed("Failed to connect MIDI input", error))
    }

    /// Sends what the plugin gives out to a MIDI port, in place of an earlier one.
    ///
    /// # Errors
    /// As for [`AudioDevice::connect_midi_input`].
    pub fn connect_midi_output(&self, port: u32) -> Result<()> {
        self.connect_midi(MidiDirection::Output, Some(port), "")
            .map_err(|error| prefixed("Failed to connect MIDI output", error))
    }

    /// Makes a MIDI input of this name that others can connect to, in place of an earlier port.
    ///
    /// # Errors
    /// `InvalidInput` for an unusable name, `WrongState` where there is no MIDI.
    pub fn create_virtual_midi_input(&self, name: &str) -> Result<()> {
        self.connect_midi(MidiDirection::Input, None, name)
            .map_err(|error| {
                prefixed(
                    "Failed to create virtual MIDI input (may not be supported on this platform)",
                    error,
                )
            })
    }

    /// Makes a MIDI output of this name that others can connect to, in place of an earlier port.
    ///
    /// # Errors
    /// As for [`AudioDevice::create_virtual_midi_input`].
    pub fn create_virtual_midi_output(&self, name: &str) -> Result<()> {
        self.connect_midi(MidiDirection::Output, None, name)
            .map_err(|error| {
                prefixed(
                    "Failed to create virtual MIDI output (may not be supported on this platform)",
                    error,
                )
            })
    }

    /// Disconnects the MIDI input; without one that is no error.
    ///
    /// # Errors
    /// `WrongState` once it is closed.
    pub fn disconnect_midi_input(&self) -> Result<()> {
        self.disconnect_midi(MidiDirection::Input)
    }

    /// Disconnects the MIDI output; without one that is no error.
    ///
    /// # Errors
    /// `WrongState` once it is closed.
    pub fn disconnect_midi_output(&self) -> Result<()> {
        self.disconnect_midi(MidiDirection::Output)
    }

    fn connect_midi(&self, direction: MidiDirection, port: Option<u32>, name: &str) -> Result<()> {
        let request = ConnectMidiRequest {
            handle: self.handle()?,
            direction: direction.into(),
            port,
            virtual_name: name.into(),
        };
        call!(self.link.connection, "ConnectMidi", connect_midi, request).map(|_| ())
    }

    fn disconnect_midi(&self, direction: MidiDirection) -> Result<()> {
        let request = DisconnectMidiRequest {
            handle: self.handle()?,
            direction: direction.into(),
        };
        call!(
            self.link.connection,
            "DisconnectMidi",
            disconnect_midi,
            request
        )
        .map(|_| ())
    }

    /// Has the plugin hear what [`AudioDevice::write_input`] writes, in place of silence or of what
    /// is recorded, through an empty buffer of this many frames less one, rounded up to a power of
    /// two; 0: half a second.
    ///
    /// # Errors
    /// `WrongState` once it is closed.
    pub fn enable_input(&self, capacity_frames: u32) -> Result<()> {
        self.set_input(true, capacity_frames)
    }

    /// Ends that; what was written and not played is dropped.
    ///
    /// # Errors
    /// `WrongState` once it is closed.
    pub fn disable_input(&self) -> Result<()> {
        self.set_input(false, 0)
    }

    fn set_input(&self, enabled: bool, capacity_frames: u32) -> Result<()> {
        let request = SetDeviceInputRequest {
            handle: self.handle()?,
            enabled,
            capacity_frames,
        };
        call!(
            self.link.connection,
            "SetDeviceInput",
            set_device_input,
            request
        )
        .map(|_| ())
    }

    /// Writes planar samples, all channels of one length; returns the frames that found room, 0
    /// where the input is not enabled. Missing channels are silent, surplus ones are dropped.
    ///
    /// # Errors
    /// `InvalidInput` for channels of different lengths, `WrongState` once it is closed.
    pub fn write_input(&self, channels: &[&[f32]]) -> Result<usize> {
        let frames = channels.first().map_or(0, |channel| channel.len());
        if channels.iter().any(|channel| channel.len() != frames) {
            return Err(Error::invalid(
                "all channels must have the same number of frames",
            ));
        }
        let handle = self.handle()?;
        let most = (CHUNK / channels.len().max(1)).max(1);
        let mut written = 0;
        while written < frames {
            let count = most.min(frames - written);
            let part = channels.iter().flat_map(|c| &c[written..written + count]);
            let request = WriteDeviceInputRequest {
                handle: handle.clone(),
                channels: u32::try_from(channels.len()).unwrap_or(u32::MAX),
                samples: part.flat_map(|sample| sample.to_le_bytes()).collect(),
            };
            let connection = &self.link.connection;
            let answer = call!(connection, "WriteDeviceInput", write_device_input, request)?;
            let taken = usize::try_from(answer.frames).unwrap_or(0).min(count);
            written += taken;
            if taken < count {
                break;
            }
        }
        Ok(written)
    }

    /// Has a callback told when something else than the plugins' output was played: the count so
    /// far, and why ("late", "dead", "device" or "broken", which is the last where the device or its
    /// process is gone). At most ten times a second, on the
    /// background thread of all callbacks.
    pub fn set_xrun_callback(&self, callback: Option<XrunCallback>) {
        self.link.callbacks.set_xruns(callback);
    }

    /// Closes it: its process ends, the plugins can be processed again. Closing twice is no error.
    ///
    /// # Errors
    /// `TimedOut`; it counts as closed all the same.
    pub fn close(&self) -> Result<()> {
        self.link.connection.core.check_process()?;
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.link.callbacks.clear();
        self.server.events().remove_device(&self.link.handle);
        if let DeviceTarget::Chain(chain) = &self.target {
            chain.let_go_by(&self.link);
        }
        let request = CloseDeviceRequest {
            handle: self.link.handle.clone(),
        };
        let closed = call!(self.link.connection, "CloseDevice", close_device, request);
        for plugin in self.target.plugins() {
            plugin.take_back(&self.link);
        }
        match closed {
            Err(error) if error.reason != ErrorReason::ServerUnavailable => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn handle(&self) -> Result<String> {
        self.link.connection.core.check_process()?;
        match self.is_closed() {
            false => Ok(self.link.handle.clone()),
            true => Err(Error::new(
                ErrorReason::WrongState,
                "AudioDevice is closed; open another",
            )),
        }
    }
}

impl Drop for AudioDevice {
    fn drop(&mut self) {
        if self.link.connection.core.is_own_process() {
            // Whatever fails here, the daemon closes it with the session.
            let _ = self.close();
        }
    }
}

impl std::fmt::Debug for AudioDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioDevice")
            .field("name", &self.opened.name)
            .field("target", &self.target)
            .finish()
    }
}

/// Plugins claimed for a device that is being opened; given back if that comes to nothing.
struct Claimed(Vec<Arc<Plugin>>);

impl Drop for Claimed {
    fn drop(&mut self) {
        for plugin in &self.0 {
            plugin.unclaim();
        }
    }
}

impl Server {
    /// The sound devices of the daemon's machine.
    ///
    /// # Errors
    /// `Unsupported` where the daemon has no `plugpen-device`, `WrongState` where the sound system
    /// does not answer, `ServerUnavailable`.
    pub fn audio_devices(&self) -> Result<ListAudioDevicesResponse> {
        let connection = self.check()?;
        let request = ListAudioDevicesRequest {};
        call!(connection, "ListAudioDevices", list_audio_devices, request)
    }

    /// The MIDI ports of the daemon's machine; none where it has no MIDI.
    ///
    /// # Errors
    /// `Unsupported` where the daemon has no `plugpen-device`, `ServerUnavailable`.
    pub fn midi_ports(&self) -> Result<ListMidiPortsResponse> {
        let connection = self.check()?;
        let request = ListMidiPortsRequest {};
        call!(connection, "ListMidiPorts", list_midi_ports, request)
    }
}
