//! Open sound devices and MIDI inputs: a process each, and the plugins whose audio it has.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use plugpen_proto::Error;
use plugpen_proto::calls::WorkerCall;
use plugpen_proto::limits::MAX_TEXT;
use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::*;
use plugpen_proto::worker::{self, OpenDevice};
use plugpen_warden::Role;

use crate::config::Class;
use crate::daemon::Daemon;
use crate::launcher::Errand;
use crate::plugins::Plugin;
use crate::session::Session;
use crate::worker_client::{Ended, Terms, Told, Worker};

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// Most plugins of a device's chain.
const MAX_PLUGINS: usize = 64;
/// Most channels to play.
const MAX_CHANNELS: u32 = 64;
/// Highest rate and longest period that can be asked for.
const MAX_RATE: f64 = 768_000.0;
const MAX_PERIOD: u32 = 8192;
/// Bytes of samples in one WriteDeviceInput.
const MAX_SAMPLES: usize = 256 * 1024;
/// Longest name of a virtual port, in bytes; JACK takes some 300 with the client's name.
const MAX_PORT_NAME: usize = 128;

/// One device, or one MIDI input, of one session.
pub struct Device {
    /// Its handle.
    pub handle: String,
    worker: Arc<Worker>,
    /// In the order of the chain; none for a MIDI input.
    plugins: Vec<Arc<Plugin>>,
}

impl Device {
    /// Opens a device that plays plugins of this session.
    ///
    /// # Errors
    /// There is no such device, a plugin is played by another, a limit.
    pub async fn open(
        daemon: &Daemon,
        session: &Arc<Session>,
        request: OpenDeviceRequest,
    ) -> Result<(Arc<Self>, DeviceStatus), Error> {
        check(&request)?;
        let plugins = request
            .plugins
            .iter()
            .map(|handle| session.plugin(handle))
            .collect::<Result<Vec<_>, _>>()?;
        let handle = new_handle("d");
        let lent = Lent::lend(&plugins, &handle)?;
        let worker = start(daemon, session, &handle, "the audio device").await?;
        let call = OpenDevice {
            plugins: plugins.iter().map(|plugin| plugin.describe()).collect(),
            request: Some(request),
        };
        let opened = worker
            .call(call, terms(daemon, Class::Load), Vec::new())
            .await;
        let status = match opened {
            Ok(response) => response.device.unwrap_or_default(),
            Err(error) => {
                worker.close(daemon.close_deadline()).await;
                return Err(error);
            }
        };
        lent.keep();
        let device = Arc::new(Self {
            handle: handle.clone(),
            worker,
            plugins,
        });
        let status = device.described(status);
        device.enter(daemon, session).await?;
        // Nobody found it in the session to give them back if it died before it was there.
        if device.worker.has_ended().is_some() {
            device.give_back();
        }
        tracing::info!(%handle, device = %status.name, "device opened");
        Ok((device, status))
    }

    /// Opens a MIDI input.
    ///
    /// # Errors
    /// There is no such port, or no MIDI at all; a limit.
    pub async fn listen(
        daemon: &Daemon,
        session: &Arc<Session>,
        request: OpenMidiInRequest,
    ) -> Result<Arc<Self>, Error> {
        check_port(request.port, &request.virtual_name)?;
        let handle = new_handle("m");
        let worker = start(daemon, session, &handle, "the MIDI input").await?;
        let opened = worker
            .call(request, terms(daemon, Class::Control), Vec::new())
            .await;
        if let Err(error) = opened {
            worker.close(daemon.close_deadline()).await;
            return Err(error);
        }
        let device = Arc::new(Self {
            handle,
            worker,
            plugins: Vec::new(),
        });
        device.enter(daemon, session).await?;
        Ok(device)
    }

    async fn enter(self: &Arc<Self>, daemon: &Daemon, session: &Session) -> Result<(), Error> {
        if let Err((error, device)) = session.add_device(self.clone()) {
            device.close(daemon).await;
            return Err(error);
        }
        Ok(())
    }

    /// Passes a call on to its process.
    ///
    /// # Errors
    /// The device's own; its death. A MIDI input takes none.
    pub async fn call<R: WorkerCall>(
        &self,
        daemon: &Daemon,
        request: R,
    ) -> Result<R::Response, Error> {
        if self.plugins.is_empty() {
            return Err(Error::new(
                ErrorReason::WrongState,
                format!(
                    "{} is a MIDI input, which can only be closed; {} is for devices that OpenDevice opens",
                    self.handle,
                    R::NAME
                ),
            ));
        }
        let terms = terms(daemon, Class::Control);
        let called = self.worker.call(request, terms, Vec::new()).await;
        called.map_err(|error| self.explained(error))
    }

    /// What is said of a worker that ended is said of a plugin; nothing restarts a device.
    fn explained(&self, error: Error) -> Error {
        let message = match (error.reason, &error.death) {
            (ErrorReason::PluginDead, Some(death)) => format!(
                "the device {} is dead: {} Close it and open it again.",
                self.handle, death.summary
            ),
            (ErrorReason::PluginClosed, _) => return closed(&self.handle),
            _ => return error,
        };
        Error { message, ..error }
    }

    /// Gives it the fresh rings of one of its plugins.
    ///
    /// # Errors
    /// It does not play that plugin; the plugin or the device is dead.
    pub async fn attach(&self, daemon: &Daemon, plugin: &str) -> Result<(), Error> {
        // Its plugins are somebody else's then, who keeps their rings.
        match self.worker.has_ended() {
            Some(Ended::Died(death)) => {
                return Err(self.explained(Error::dead(Death::clone(&death))));
            }
            Some(Ended::Closed) => return Err(closed(&self.handle)),
            None => {}
        }
        let mut places = (0u32..).zip(&self.plugins);
        let place = places.find(|(_, known)| known.handle == plugin);
        let (index, plugin) = place.ok_or_else(|| {
            Error::invalid(format!(
                "the device {} does not play {plugin:?}",
                self.handle
            ))
        })?;
        plugin
            .attach_device(daemon, (&self.handle, &self.worker), index)
            .await
    }

    /// What the daemon adds to what the process says of itself.
    pub fn described(&self, status: DeviceStatus) -> DeviceStatus {
        DeviceStatus {
            handle: self.handle.clone(),
            pid: self.worker.pid(),
            ..status
        }
    }

    /// Ends its process and gives the plugins' audio back.
    pub async fn close(&self, daemon: &Daemon) {
        self.worker.clone().close(daemon.close_deadline()).await;
        self.give_back();
        tracing::info!(handle = %self.handle, "device closed");
    }

    fn give_back(&self) {
        for plugin in &self.plugins {
            plugin.take_back_from(&self.handle);
        }
    }
}

impl Drop for Device {
    /// Whoever closes it may give up waiting half way.
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What is said of a device that was closed.
pub fn closed(handle: &str) -> Error {
    Error::new(
        ErrorReason::WrongState,
        format!("the device {handle} was closed; open it again"),
    )
}

/// Starts a device's process to ask it something, and ends it.
///
/// # Errors
/// The process cannot be started; its own.
pub async fn ask<R: WorkerCall>(
    daemon: &Daemon,
    session: &Arc<Session>,
    request: R,
) -> Result<R::Response, Error> {
    let worker = start(daemon, session, "", "the sound system").await?;
    let answer = worker
        .call(request, terms(daemon, Class::Control), Vec::new())
        .await;
    worker.close(daemon.close_deadline()).await;
    answer
}

fn terms(daemon: &Daemon, class: Class) -> Terms {
    Terms {
        after_block: 0,
        deadline: daemon.config.deadlines.of(class),
    }
}

fn new_handle(kind: &str) -> String {
    format!("{kind}{}", NEXT_NUMBER.fetch_add(1, Ordering::Relaxed))
}

async fn start(
    daemon: &Daemon,
    session: &Arc<Session>,
    handle: &str,
    name: &str,
) -> Result<Arc<Worker>, Error> {
    let errand = Errand {
        role: Role::Device,
        read_only: Vec::new(),
        name: name.to_owned(),
        generation: 1,
        jail: None,
        path: String::new(),
        bundle: PathBuf::new(),
        limits: None,
        recording: Recording::Off,
    };
    let (session, handle) = (Arc::downgrade(session), handle.to_owned());
    let tell = move |told: Told| {
        if let Some(session) = Weak::upgrade(&session) {
            tell(&session, &handle, told);
        }
    };
    let (worker, _) = daemon.launcher.launch(errand, tell).await?;
    Ok(worker)
}

/// Hears what a device's process does; on its watching thread.
fn tell(session: &Session, handle: &str, told: Told) {
    let event = match told {
        Told::Event(event) => match event.event {
            Some(worker::event::Event::DeviceXruns(xruns)) if xruns.cause.len() <= MAX_TEXT => {
                Some(Event::DeviceXruns(xruns))
            }
            Some(worker::event::Event::MidiReceived(midi)) if midi.data.len() <= MAX_TEXT => {
                Some(Event::MidiReceived(midi))
            }
            Some(worker::event::Event::Lost(lost)) => Some(Event::Lost(lost)),
            event => {
                tracing::warn!(handle, ?event, "an event out of range was dropped");
                None
            }
        },
        // What sound libraries print is for whoever looks after the daemon.
        Told::Output(_, text) => {
            tracing::info!(target: "device_output", handle, "{text}");
            None
        }
        Told::Died(death) => {
            tracing::error!(handle, report_id = %death.report_id, "{}", death.summary);
            // Before anybody hears of it: whoever then asks has the plugins' audio.
            if let Ok(device) = session.device(handle) {
                device.give_back();
            }
            let died = Event::Died(Death::clone(&death));
            if !handle.is_empty() {
                session.everyone.publish(handle, 1, died.clone());
            }
            Some(died)
        }
    };
    if let Some(event) = event.filter(|_| !handle.is_empty()) {
        session.hub.publish(handle, 1, event);
    }
}

/// Plugins lent to a device that is being opened; given back if that comes to nothing.
struct Lent<'a> {
    plugins: &'a [Arc<Plugin>],
    device: &'a str,
    kept: bool,
}

impl<'a> Lent<'a> {
    fn lend(plugins: &'a [Arc<Plugin>], device: &'a str) -> Result<Self, Error> {
        let mut lent = Self {
            plugins: &plugins[..0],
            device,
            kept: false,
        };
        for (count, plugin) in (1..).zip(plugins) {
            plugin.lend_to(device)?;
            lent.plugins = &plugins[..count];
        }
        Ok(lent)
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if !self.kept {
            for plugin in self.plugins {
                plugin.take_back_from(self.device);
            }
        }
    }
}

/// Checks what can be checked of a wish before a process is started.
fn check(request: &OpenDeviceRequest) -> Result<(), Error> {
    let count = request.plugins.len();
    if !(1..=MAX_PLUGINS).contains(&count) {
        return Err(Error::invalid(format!(
            "a device plays 1 to {MAX_PLUGINS} plugins, got {count}"
        )));
    }
    let mut handles: Vec<_> = request.plugins.iter().collect();
    handles.sort();
    if let Some(pair) = handles.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::invalid(format!(
            "plugins has {:?} twice; a device plays each plugin in one place",
            pair[0]
        )));
    }
    let rate = request.sample_rate;
    if !(0.0..=MAX_RATE).contains(&rate) {
        return Err(Error::invalid(format!(
            "sample_rate is {rate}; it must be in [0, {MAX_RATE}], 0 for the device's own"
        )));
    }
    for (name, value, most) in [
        ("buffer_frames", request.buffer_frames, MAX_PERIOD),
        ("output_channels", request.output_channels, MAX_CHANNELS),
    ] {
        if value > most {
            return Err(Error::invalid(format!(
                "{name} is {value}; it must be in [0, {most}], 0 to leave it to the device"
            )));
        }
    }
    if !request.mixes.iter().all(|mix| (0.0..=1.0).contains(mix)) || request.mixes.len() > count {
        return Err(Error::invalid(
            "mixes must be in [0, 1], one for each plugin at most",
        ));
    }
    Ok(())
}

/// Checks a mix; whether the device has such a plugin, it says itself.
///
/// # Errors
/// It is out of range.
pub fn check_mix(mix: f64) -> Result<(), Error> {
    if !(0.0..=1.0).contains(&mix) {
        return Err(Error::invalid(format!("mix must be in [0, 1], got {mix}")));
    }
    Ok(())
}

/// Checks which MIDI port is meant.
///
/// # Errors
/// Neither a port nor a usable name, or both.
pub fn check_port(port: Option<u32>, virtual_name: &str) -> Result<(), Error> {
    let usable = |name: &str| {
        (1..=MAX_PORT_NAME).contains(&name.len())
            && !name.contains(|c: char| c.is_control() || c == ':')
    };
    match (port, virtual_name) {
        (Some(_), "") => Ok(()),
        (None, name) if usable(name) => Ok(()),
        (None, name) => Err(Error::invalid(format!(
            "{name:?} is no name for a virtual MIDI port; 1 to {MAX_PORT_NAME} bytes without control characters and colons are expected"
        ))),
        (Some(_), _) => Err(Error::invalid(
            "either the index of a MIDI port or the name of a virtual one, not both",
        )),
    }
}

/// Checks a MIDI message.
///
/// # Errors
/// It is none, or too long.
pub fn check_midi(data: &[u8]) -> Result<(), Error> {
    if data.first().is_none_or(|status| *status < 0x80) || data.len() > MAX_TEXT {
        return Err(Error::invalid(format!(
            "a MIDI message begins with its status byte, 128 or above, and has up to {MAX_TEXT} bytes"
        )));
    }
    Ok(())
}

/// Checks a direction.
///
/// # Errors
/// It says neither.
pub fn check_direction(direction: MidiDirection) -> Result<(), Error> {
    match direction {
        MidiDirection::Input | MidiDirection::Output => Ok(()),
        MidiDirection::Unspecified => Err(Error::invalid(
            "direction must be MIDI_DIRECTION_INPUT or MIDI_DIRECTION_OUTPUT",
        )),
    }
}

/// Checks samples.
///
/// # Errors
/// Their number does not go with the channels, or there are too many.
pub fn check_samples(request: &WriteDeviceInputRequest) -> Result<(), Error> {
    let frame = 4 * usize::try_from(request.channels).unwrap_or(usize::MAX / 4);
    let bytes = request.samples.len();
    if frame == 0 || bytes > MAX_SAMPLES || !bytes.is_multiple_of(frame) {
        return Err(Error::invalid(format!(
            "samples has {bytes} bytes for {} channels; whole frames of 4 bytes a sample are expected, up to {MAX_SAMPLES} bytes",
            request.channels
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> OpenDeviceRequest {
        OpenDeviceRequest {
            plugins: vec!["p1".into()],
            ..OpenDeviceRequest::default()
        }
    }

    #[test]
    fn wishes_out_of_range_are_named() {
        assert!(check(&request()).is_ok());
        type Spoil = fn(&mut OpenDeviceRequest);
        let wrong: [(&str, Spoil); 7] = [
            ("plugins", |r| r.plugins.clear()),
            ("twice", |r| r.plugins.push("p1".into())),
            ("sample_rate", |r| r.sample_rate = -1.0),
            ("sample_rate", |r| r.sample_rate = f64::NAN),
            ("buffer_frames", |r| r.buffer_frames = 8193),
            ("output_channels", |r| r.output_channels = 65),
            ("mixes", |r| r.mixes = vec![1.5]),
        ];
        for (word, spoil) in wrong {
            let mut request = request();
            spoil(&mut request);
            let error = check(&request).unwrap_err();
            assert!(error.message.contains(word), "{error}");
        }
    }

    #[test]
    fn a_mix_is_in_its_range() {
        assert!(check_mix(0.0).is_ok() && check_mix(1.0).is_ok());
        assert!(check_mix(-0.1).is_err() && check_mix(f64::NAN).is_err());
    }

    #[test]
    fn a_port_is_chosen_one_way() {
        assert!(check_port(Some(0), "").is_ok());
        assert!(check_port(None, "plugpen in").is_ok());
        for (port, name) in [(Some(0), "x"), (None, ""), (None, "a:b"), (None, "a\nb")] {
            assert!(check_port(port, name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_is_no_midi_or_no_audio_stops_here() {
        assert!(check_midi(&[0x90, 60, 100]).is_ok());
        assert!(check_midi(&[]).is_err() && check_midi(&[60, 100]).is_err());
        let samples = |channels, bytes| WriteDeviceInputRequest {
            channels,
            samples: vec![0; bytes],
            ..WriteDeviceInputRequest::default()
        };
        assert!(check_samples(&samples(2, 16)).is_ok());
        assert!(check_samples(&samples(2, 12)).is_err());
        assert!(check_samples(&samples(0, 0)).is_err());
    }
}
