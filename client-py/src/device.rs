//! The classes `AudioDevice` and `MidiIn`, and the lists of devices and ports.

use std::sync::{Arc, Mutex};

use plugpen::{
    AudioDevice as ClientDevice, DeviceOptions, DeviceTarget, MidiIn as ClientMidiIn,
    v1::{AudioDeviceInfo, DeviceStatus, MidiPortInfo},
};
use pyo3::{
    PyTraverseError, PyVisit,
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyDict, PyTuple},
};

use crate::{
    arguments::Int,
    arrays::{Input, type_name},
    chain::PluginChain,
    errors::{OrRaise, invalid},
    plugin::Plugin,
    server::Server,
};

/// Most frames of `enable_input`'s buffer.
const MAX_INPUT: u32 = 1 << 21;

/// A sound card (or a JACK server) that plays a plugin or a chain in real time.
///
/// It plays on the machine where the daemon runs. While it is open, `process` of its plugins is
/// refused; parameters, state and everything else work and are heard. A plugin that is late or
/// dies leaves silence, which `xrun_count` counts; `Plugin.restart` brings it back on the same
/// stream. Where a JACK server runs (PipeWire's counts), audio and MIDI are JACK's, else ALSA's.
/// A context manager: entering starts it, leaving stops and closes it.
///
/// Args:
///     plugin: The `Plugin` or `PluginChain` to play; a chain may also be given as `chain`.
///     sample_rate: Frames a second; 0 is the device's own. A device that has another rate keeps
///         it, and the plugin takes the device's.
///     buffer_frames: Wish for the frames of a period; 0 is 512, or what the JACK server uses.
///     output_channels: Channels to play; 0 is as many as the plugin has.
///     midi_input_port: Index of a port of `midi_get_input_ports`; -1 is none. One that cannot be
///         connected is warned of in the log, and then reads -1.
///     midi_output_port: Index of a port of `midi_get_output_ports`, likewise.
///     capture: Whether the plugin hears what the device records.
///     playback_device_index: Index of `audio_get_playback_devices`; -1 is the default.
///     capture_device_index: Index of `audio_get_capture_devices`; -1 is the default.
///     chain: The chain to play, in place of `plugin`.
///     dry_fallback: Whether the input is heard, and not silence, where the plugin is late or dead.
///
/// Raises:
///     WrongState: There is no such device, another device plays the plugin, or the plugin's
///         `max_block_size` is shorter than the device's period.
///     InvalidInput: A value is out of its range, or there is no device of that index.
///     Unsupported: The daemon was installed without `plugpen-device`.
#[pyclass(module = "plugpen", name = "AudioDevice", frozen, weakref)]
pub struct AudioDevice {
    inner: ClientDevice,
    /// Keeps what is played alive.
    played: Py<PyAny>,
}

fn port(value: Int, name: &str) -> PyResult<Option<u32>> {
    match value.0 {
        -1 => Ok(None),
        _ => match u32::try_from(value.0) {
            Ok(index) => Ok(Some(index)),
            Err(_) => Err(invalid(format!(
                "{name} must be an index from 0 on, or -1 for none, got {}",
                value.0
            ))),
        },
    }
}

impl AudioDevice {
    fn status(&self, py: Python<'_>) -> PyResult<DeviceStatus> {
        py.detach(|| self.inner.status()).or_raise()
    }

    fn call(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&ClientDevice) -> plugpen::Result<()> + Send,
    ) -> PyResult<()> {
        py.detach(|| call(&self.inner)).or_raise()
    }
}

#[pymethods]
impl AudioDevice {
    #[new]
    #[pyo3(signature = (
        plugin=None, sample_rate=0.0, buffer_frames=Int(0), output_channels=Int(0),
        midi_input_port=Int(-1), midi_output_port=Int(-1), capture=false,
        playback_device_index=Int(-1), capture_device_index=Int(-1), *, chain=None,
        dry_fallback=false
    ), text_signature = "(plugin=None, sample_rate=0.0, buffer_frames=0, output_channels=0, \
        midi_input_port=-1, midi_output_port=-1, capture=False, playback_device_index=-1, \
        capture_device_index=-1, *, chain=None, dry_fallback=False)")]
    #[allow(clippy::too_many_arguments, reason = "they are minihost's")]
    fn new(
        py: Python<'_>,
        plugin: Option<&Bound<'_, PyAny>>,
        sample_rate: f64,
        buffer_frames: Int,
        output_channels: Int,
        midi_input_port: Int,
        midi_output_port: Int,
        capture: bool,
        playback_device_index: Int,
        capture_device_index: Int,
        chain: Option<&Bound<'_, PyAny>>,
        dry_fallback: bool,
    ) -> PyResult<Self> {
        let played = match (plugin, chain) {
            (Some(played), None) | (None, Some(played)) => played,
            _ => return Err(PyTypeError::new_err("either plugin or chain is expected")),
        };
        let target = if let Ok(plugin) = played.cast::<Plugin>() {
            DeviceTarget::Plugin(plugin.get().client().clone())
        } else if let Ok(chain) = played.cast::<PluginChain>() {
            DeviceTarget::Chain(chain.get().shared().or_raise()?)
        } else {
            let name = type_name(played);
            let message = format!("plugin must be a Plugin or a PluginChain, got {name}");
            return Err(PyTypeError::new_err(message));
        };
        let options = DeviceOptions {
            sample_rate,
            buffer_frames: buffer_frames.within("buffer_frames", 0, 8192)?,
            output_channels: output_channels.within("output_channels", 0, 64)?,
            capture,
            playback_device: port(playback_device_index, "playback_device_index")?,
            capture_device: port(capture_device_index, "capture_device_index")?,
            dry_fallback,
            ..DeviceOptions::default()
        };
        let input = port(midi_input_port, "midi_input_port")?;
        let output = port(midi_output_port, "midi_output_port")?;
        let open = || {
            let device = ClientDevice::open(target, &options)?;
            // As minihost has it: the ports then read -1.
            let connected = [
                input.map(|port| device.connect_midi_input(port)),
                output.map(|port| device.connect_midi_output(port)),
            ];
            for error in connected.into_iter().flatten().filter_map(Result::err) {
                tracing::warn!("the audio device goes without a MIDI port: {error}");
            }
            Ok(device)
        };
        let inner = py.detach(open).or_raise()?;
        Ok(Self {
            inner,
            played: played.clone().unbind(),
        })
    }

    /// Whether it plays; False once it is closed.
    #[getter]
    fn is_playing(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(!self.inner.is_closed() && self.status(py)?.is_playing)
    }

    /// The device's sample rate in frames a second, which the plugin has too.
    #[getter]
    fn sample_rate(&self) -> f64 {
        self.inner.sample_rate()
    }

    /// Frames of a period. A single period may be longer or shorter.
    #[getter]
    fn buffer_frames(&self) -> u32 {
        self.inner.buffer_frames()
    }

    /// Number of output channels.
    #[getter]
    fn channels(&self) -> u32 {
        self.inner.channels()
    }

    /// Index of the connected MIDI input port; -1 if there is none, or a virtual one.
    #[getter]
    fn midi_input_port(&self, py: Python<'_>) -> PyResult<i64> {
        let port = self.status(py)?.midi_input.and_then(|midi| midi.port);
        Ok(port.map_or(-1, i64::from))
    }

    /// Index of the connected MIDI output port; -1 if there is none, or a virtual one.
    #[getter]
    fn midi_output_port(&self, py: Python<'_>) -> PyResult<i64> {
        let port = self.status(py)?.midi_output.and_then(|midi| midi.port);
        Ok(port.map_or(-1, i64::from))
    }

    /// Whether the MIDI input is a virtual port.
    #[getter]
    fn is_midi_input_virtual(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self
            .status(py)?
            .midi_input
            .is_some_and(|midi| midi.port.is_none()))
    }

    /// Whether the MIDI output is a virtual port.
    #[getter]
    fn is_midi_output_virtual(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self
            .status(py)?
            .midi_output
            .is_some_and(|midi| midi.port.is_none()))
    }

    /// Frames that `write_input` wrote and that were not played yet; 0 if it is not enabled.
    #[getter]
    fn input_available(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.status(py)?.input_available)
    }

    /// Periods, or parts of one, that were not the plugin's output: it was late or dead, or the
    /// sound system lost some.
    #[getter]
    fn xrun_count(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.status(py)?.xrun_count)
    }

    /// The part of its time that the device used lately; 1.0 is all of it.
    #[getter]
    fn cpu_load(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.status(py)?.cpu_load)
    }

    /// MIDI messages that found no room on their way to the plugin and from it, as a pair.
    #[getter]
    fn midi_dropped(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let status = self.status(py)?;
        Ok((status.midi_in_dropped, status.midi_out_dropped))
    }

    /// The device's name.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    /// The sound system, "JACK" or "ALSA".
    #[getter]
    fn system(&self) -> &str {
        self.inner.system()
    }

    /// Why the device plays no more, where it broke; else empty.
    #[getter]
    fn error(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.status(py)?.error)
    }

    /// Starts playing. Does nothing if it plays.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, ClientDevice::start)
    }

    /// Stops playing. Does nothing if it does not play, or is closed.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        match self.inner.is_closed() {
            true => Ok(()),
            false => self.call(py, ClientDevice::stop),
        }
    }

    /// Sends a MIDI message to the plugin, in the next period; also while stopped.
    ///
    /// Args:
    ///     status: The status byte, 128 to 255.
    ///     data1: The first data byte, 0 to 127.
    ///     data2: The second, 0 to 127; left out where the status has one data byte only.
    ///
    /// Raises:
    ///     InvalidInput: A byte is out of its range.
    ///     LimitReached: The queue is full.
    fn send_midi(&self, py: Python<'_>, status: Int, data1: Int, data2: Int) -> PyResult<()> {
        let byte = |value: Int, name: &str, low: u32, high: u32| {
            let byte = value.within(name, low, high)?;
            Ok::<_, PyErr>(u8::try_from(byte).unwrap_or(0))
        };
        let message = [
            byte(status, "status", 128, 255)?,
            byte(data1, "data1", 0, 127)?,
            byte(data2, "data2", 0, 127)?,
        ];
        let length = match message[0] {
            0xC0..=0xDF | 0xF1 | 0xF3 => 2,
            0xF4..=0xFF => 1,
            _ => 3,
        };
        self.call(py, |device| device.send_midi(&message[..length]))
    }

    /// Sends a whole MIDI message of any length, such as SysEx, as bytes.
    ///
    /// Raises:
    ///     InvalidInput: It does not begin with a status byte, or is longer than 16 KiB.
    ///     LimitReached: The queue is full.
    fn send_midi_bytes(&self, py: Python<'_>, message: &[u8]) -> PyResult<()> {
        self.call(py, |device| device.send_midi(message))
    }

    /// Connects a MIDI input port in place of an earlier one.
    ///
    /// Raises:
    ///     InvalidInput: There is no such port.
    ///     WrongState: It cannot be connected.
    fn connect_midi_input(&self, py: Python<'_>, port_index: Int) -> PyResult<()> {
        let index = port_index.within("port_index", 0, u32::MAX)?;
        self.call(py, |device| device.connect_midi_input(index))
    }

    /// Connects a MIDI output port in place of an earlier one.
    ///
    /// Raises:
    ///     InvalidInput: There is no such port.
    ///     WrongState: It cannot be connected.
    fn connect_midi_output(&self, py: Python<'_>, port_index: Int) -> PyResult<()> {
        let index = port_index.within("port_index", 0, u32::MAX)?;
        self.call(py, |device| device.connect_midi_output(index))
    }

    /// Disconnects the MIDI input. Does nothing if there is none.
    fn disconnect_midi_input(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, ClientDevice::disconnect_midi_input)
    }

    /// Disconnects the MIDI output. Does nothing if there is none.
    fn disconnect_midi_output(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, ClientDevice::disconnect_midi_output)
    }

    /// Makes a MIDI input of this name that other programs can connect to.
    ///
    /// Raises:
    ///     WrongState: There is no MIDI on this machine.
    fn create_virtual_midi_input(&self, py: Python<'_>, port_name: &str) -> PyResult<()> {
        self.call(py, |device| device.create_virtual_midi_input(port_name))
    }

    /// Makes a MIDI output of this name that other programs can connect to.
    ///
    /// Raises:
    ///     WrongState: There is no MIDI on this machine.
    fn create_virtual_midi_output(&self, py: Python<'_>, port_name: &str) -> PyResult<()> {
        self.call(py, |device| device.create_virtual_midi_output(port_name))
    }

    /// Has the plugin hear what `write_input` writes, through an empty buffer.
    ///
    /// Args:
    ///     capacity_frames: The buffer's size, rounded up to a power of two, of which one frame
    ///         stays free; 0 is half a second.
    #[pyo3(signature = (capacity_frames=Int(0)), text_signature = "($self, capacity_frames=0)")]
    fn enable_input(&self, py: Python<'_>, capacity_frames: Int) -> PyResult<()> {
        let frames = capacity_frames.within("capacity_frames", 0, MAX_INPUT)?;
        self.call(py, |device| device.enable_input(frames))
    }

    /// Ends that: the plugin hears silence again, or what the device records.
    fn disable_input(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, ClientDevice::disable_input)
    }

    /// Writes samples for the plugin to hear, from any thread.
    ///
    /// Args:
    ///     data: Array of shape (channels, frames). Missing channels are silent.
    ///
    /// Returns:
    ///     The frames that found room; 0 if the input is not enabled.
    fn write_input(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let input = Input::<f32>::new(data, "data")?;
        let rows = input.rows();
        let rows = rows.as_slice();
        py.detach(|| self.inner.write_input(rows)).or_raise()
    }

    /// Closes the device; its plugins can be processed again. Closing twice is no error.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, ClientDevice::close)
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        slf.get().start(py)?;
        Ok(slf)
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.played)
    }

    fn __repr__(&self) -> String {
        format!(
            "<plugpen.AudioDevice {:?}, {} Hz, {} frames>",
            self.inner.name(),
            self.inner.sample_rate(),
            self.inner.buffer_frames()
        )
    }
}

impl Drop for AudioDevice {
    /// Closes it without holding Python up.
    fn drop(&mut self) {
        // Whatever fails here, the daemon closes it with the session.
        let _ = Python::attach(|py| py.detach(|| self.inner.close()));
    }
}

/// A MIDI input without a plugin. Made by `MidiIn.open` and `MidiIn.open_virtual`.
///
/// The callback is called with each message as bytes, SysEx included, on a background thread. A
/// context manager; leaving the block closes it.
#[pyclass(module = "plugpen", name = "MidiIn", frozen, weakref)]
pub struct MidiIn {
    inner: ClientMidiIn,
    callback: Arc<Mutex<Option<Py<PyAny>>>>,
}

impl MidiIn {
    fn forget(&self) {
        let callback = self.callback.lock().ok().and_then(|mut slot| slot.take());
        // After the lock: the callback's end may run Python code.
        drop(callback);
    }

    fn begin(
        py: Python<'_>,
        callback: &Bound<'_, PyAny>,
        server: Option<&Server>,
        open: impl FnOnce(&plugpen::Server, plugpen::MidiCallback) -> plugpen::Result<ClientMidiIn>
        + Send,
    ) -> PyResult<Self> {
        if !callback.is_callable() {
            let name = type_name(callback);
            let message = format!("callback must be callable, got {name}");
            return Err(PyTypeError::new_err(message));
        }
        let slot = Arc::new(Mutex::new(Some(callback.clone().unbind())));
        let heard = slot.clone();
        let hear: plugpen::MidiCallback = Box::new(move |message| {
            Python::try_attach(|py| {
                let callback = heard.lock().ok().and_then(|slot| {
                    let callback = slot.as_ref()?;
                    Some(callback.clone_ref(py).into_bound(py))
                });
                if let Some(callback) = callback
                    && let Err(error) = callback.call1((PyBytes::new(py, message),))
                {
                    error.write_unraisable(py, Some(&callback));
                }
            });
        });
        let server = server.map(|server| server.client().clone());
        let inner = py
            .detach(|| match server {
                Some(server) => open(&server, hear),
                None => open(&crate::server::default_server()?, hear),
            })
            .or_raise()?;
        Ok(Self {
            inner,
            callback: slot,
        })
    }
}

#[pymethods]
impl MidiIn {
    /// Listens to a MIDI input port.
    ///
    /// Args:
    ///     port_index: Index of a port of `midi_get_input_ports`.
    ///     callback: Called with each message as bytes.
    ///     server: The `Server` whose machine has the port; None is this process's own daemon.
    ///
    /// Raises:
    ///     InvalidInput: There is no such port.
    ///     WrongState: It cannot be opened.
    #[staticmethod]
    #[pyo3(signature = (port_index, callback, *, server = None))]
    fn open(
        py: Python<'_>,
        port_index: Int,
        callback: &Bound<'_, PyAny>,
        server: Option<&Bound<'_, Server>>,
    ) -> PyResult<Self> {
        let Ok(port) = u32::try_from(port_index.0) else {
            let index = port_index.0;
            return Err(invalid(format!(
                "Failed to open MIDI input: Invalid port index: {index}"
            )));
        };
        Self::begin(py, callback, server.map(Bound::get), |server, hear| {
            ClientMidiIn::open(server, port, hear)
        })
    }

    /// Makes a MIDI input of this name that other programs can connect to, and listens to it.
    ///
    /// Args:
    ///     name: The port's name.
    ///     callback: Called with each message as bytes.
    ///     server: The `Server` on whose machine it is made; None is this process's own daemon.
    ///
    /// Raises:
    ///     WrongState: There is no MIDI on this machine.
    #[staticmethod]
    #[pyo3(signature = (name, callback, *, server = None))]
    fn open_virtual(
        py: Python<'_>,
        name: &str,
        callback: &Bound<'_, PyAny>,
        server: Option<&Bound<'_, Server>>,
    ) -> PyResult<Self> {
        Self::begin(py, callback, server.map(Bound::get), |server, hear| {
            ClientMidiIn::open_virtual(server, name, hear)
        })
    }

    /// Closes it: the callback is called no more. Closing twice is no error.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = py.detach(|| self.inner.close()).or_raise();
        self.forget();
        closed
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.callback.try_lock() {
            Ok(callback) => visit.call(&*callback),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.forget();
    }

    fn __repr__(&self) -> &'static str {
        match self.inner.is_closed() {
            true => "<plugpen.MidiIn, closed>",
            false => "<plugpen.MidiIn>",
        }
    }
}

impl Drop for MidiIn {
    /// Closes it without holding Python up.
    fn drop(&mut self) {
        // Whatever fails here, the daemon closes it with the session.
        let _ = Python::attach(|py| py.detach(|| self.inner.close()));
    }
}

/// Devices as dicts.
pub fn devices<'py>(
    py: Python<'py>,
    found: &[AudioDeviceInfo],
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let dict = |device: &AudioDeviceInfo| {
        let dict = PyDict::new(py);
        dict.set_item("name", &device.name)?;
        dict.set_item("index", device.index)?;
        dict.set_item("is_default", device.is_default)?;
        Ok(dict)
    };
    found.iter().map(dict).collect()
}

/// Ports as dicts.
pub fn ports<'py>(py: Python<'py>, found: &[MidiPortInfo]) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let dict = |port: &MidiPortInfo| {
        let dict = PyDict::new(py);
        dict.set_item("name", &port.name)?;
        dict.set_item("index", port.index)?;
        Ok(dict)
    };
    found.iter().map(dict).collect()
}

/// The devices that play, as dicts with `name`, `index` and `is_default`.
///
/// Raises:
///     Unsupported: The daemon was installed without `plugpen-device`.
#[pyfunction]
pub fn audio_get_playback_devices(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(|| crate::server::default_server()?.audio_devices());
    devices(py, &found.or_raise()?.playback)
}

/// The devices that record, as dicts with `name`, `index` and `is_default`.
///
/// Raises:
///     Unsupported: The daemon was installed without `plugpen-device`.
#[pyfunction]
pub fn audio_get_capture_devices(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(|| crate::server::default_server()?.audio_devices());
    devices(py, &found.or_raise()?.capture)
}

/// The MIDI ports that can be listened to, as dicts with `name` and `index`.
///
/// Raises:
///     Unsupported: The daemon was installed without `plugpen-device`.
#[pyfunction]
pub fn midi_get_input_ports(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(|| crate::server::default_server()?.midi_ports());
    ports(py, &found.or_raise()?.inputs)
}

/// The MIDI ports that can be sent to, as dicts with `name` and `index`.
///
/// Raises:
///     Unsupported: The daemon was installed without `plugpen-device`.
#[pyfunction]
pub fn midi_get_output_ports(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(|| crate::server::default_server()?.midi_ports());
    ports(py, &found.or_raise()?.outputs)
}
