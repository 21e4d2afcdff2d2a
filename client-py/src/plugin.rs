//! The class `Plugin`: opening, closing, dying.

mod notifications;
mod parameters;
mod playback;
mod processing;
mod properties;
mod state;

use std::collections::BTreeMap;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use plugpen::{
    Error, OpenOptions,
    v1::{Deadlines, ErrorReason, Guard, PathGrant},
};
use plugpen_proto::limits::MAX_BLOCK_SIZE;
use pyo3::{PyTraverseError, PyVisit, prelude::*, types::PyTuple};

use crate::{
    arguments::{Int, PathText, Selector},
    errors::{OrRaise, death_object, exception},
    notebook::face,
    patience::patiently,
    recovery::Care,
};

use notifications::Slots;
pub use properties::format_name;

/// An audio plugin, loaded in a sandboxed process of its own.
///
/// Any method may be called from any thread. Calls to the plugin's process raise `PluginCrashed`
/// when it dies in them, `PluginDead` when it died before, and `WrongState` after `close`.
/// Instances are context managers; leaving the block closes the plugin.
///
/// Args:
///     path: A plugin file, a bundle (a folder), or the URI of an installed LV2 plugin.
///     sample_rate: Frames a second, finite and above 0.
///     max_block_size: Most frames a `process` call may have, 1 to 1048576.
///     in_channels: Channels wished for on the main input; the plugin's own layout wins.
///     out_channels: Channels wished for on the main output; the plugin's own layout wins.
///     sidechain_channels: Channels wished for on the sidechain input; 0 for none.
///     plugin: Which one of a file that holds several: its index, or its name, URI or class id.
///         None is the first.
///     audio_callback: Has each call of a VST2 plugin to its host told, those while it loads
///         included: called with a dict of `opcode`, `name`, `index`, `value`, `opt`, `text`,
///         `result` (what the host answered) and `count` (equal calls close together are told
///         once). It runs where `set_change_callback` says, and cannot change the answer.
///     port_types: Types of an LV2 plugin's ports that can be of several, by symbol: "control",
///         "audio", "cv", "atom" or a port class's URI. Others keep their default type.
///     sandbox: How strictly the plugin is jailed: "required" (it is not loaded where an essential
///         layer is missing), "best-effort" or "off"; None is the daemon's own choice. Looser than
///         that is `NotAllowed`, but not on this process's own daemon.
///     sandbox_mode: What happens on a system call that the plugin may not make: "enforce" (it
///         fails), "report" (it is told too), "trace-files" (files it uses are told as well) or
///         "kill" (it ends the plugin); None is the daemon's own choice.
///     grants: Files and folders beside its own that the plugin may use, with "r" or "rw" for each:
///         `{"/samples": "r"}`; at most 64.
///     restart: What becomes of the plugin when it dies: "never" leaves it dead, "on-crash" and
///         "always" (also where somebody killed it) bring it back, as it was, before the next call.
///         None is what the daemon is configured for, else "never".
///     recording: What is kept for `Server.replay` when it dies: "full", "calls" (no samples) or
///         "off". None is what the daemon is configured for, else "full".
///     limits: What its process may use at most, of `memory_bytes`, `cpu_seconds`, `threads`,
///         `descriptors` and `disk_bytes`. The daemon's own limits can only be tightened.
///     guard: "end" has each audio buffer end, "begin" has it begin at memory that is not there, and
///         LV2's inputs cannot be written: a plugin that leaves its buffers dies where it does, with
///         what it did in its `Death`. Inputs of VST are not guarded. Costs two copies a block.
///     numerics: Count what is wrong with the numbers in the outputs (`numerics`).
///     deadlines: Seconds after which the plugin's process is ended as hung, by kind: "load", "state"
///         (calls that stop the audio), "control" (other calls) and "block". The daemon's count for
///         those that are left out.
///
/// Raises:
///     PluginNotFound: There is no such file, or no plugin in it.
///     InvalidInput: A value is out of its range.
///     PluginError: The plugin refuses to load.
///     PluginCrashed: It died while loading.
///     ServerUnavailable: The daemon cannot be started.
#[pyclass(module = "plugpen", name = "Plugin", frozen, subclass, weakref)]
pub struct Plugin {
    inner: Arc<plugpen::Plugin>,
    slots: Arc<Slots>,
    midi_out_dropped: AtomicU64,
}

/// What a plugin is opened with, as Python gives it.
pub struct Opening {
    pub path: PathText,
    pub sample_rate: f64,
    pub max_block_size: Int,
    pub in_channels: Int,
    pub out_channels: Int,
    pub sidechain_channels: Int,
    pub plugin: Selector,
    pub audio_callback: Option<Py<PyAny>>,
    pub port_types: Option<BTreeMap<String, String>>,
    pub sandbox: Option<String>,
    pub sandbox_mode: Option<String>,
    pub grants: Option<BTreeMap<PathText, String>>,
    pub care: Care,
    pub guard: Option<GuardName>,
    pub numerics: bool,
    pub deadlines: Option<BTreeMap<String, f64>>,
}

fn parsed<T>(word: Option<String>, parse: fn(&str) -> plugpen::Result<T>) -> PyResult<Option<T>> {
    word.map(|word| parse(&word)).transpose().or_raise()
}

fn grants(paths: BTreeMap<PathText, String>) -> PyResult<Vec<PathGrant>> {
    let grant = |(path, access): (PathText, String)| {
        let is_writable = match access.as_str() {
            "r" => false,
            "rw" => true,
            other => {
                return Err(exception(&Error::new(
                    ErrorReason::InvalidInput,
                    format!(
                        "grants: {} has {other:?}; it must be \"r\" or \"rw\"",
                        path.0
                    ),
                )));
            }
        };
        Ok(PathGrant {
            path: path.0,
            is_writable,
        })
    };
    paths.into_iter().map(grant).collect()
}

/// Deadlines by name.
///
/// # Errors
/// `InvalidInput` for another name.
fn deadlines(named: Option<BTreeMap<String, f64>>) -> PyResult<Deadlines> {
    let mut deadlines = Deadlines::default();
    for (name, seconds) in named.unwrap_or_default() {
        let place = match name.as_str() {
            "load" => &mut deadlines.load_seconds,
            "state" => &mut deadlines.state_seconds,
            "control" => &mut deadlines.control_seconds,
            "block" => &mut deadlines.block_seconds,
            _ => {
                return Err(exception(&Error::invalid(format!(
                    "deadlines may have \"load\", \"state\", \"control\" and \"block\", got {name:?}"
                ))));
            }
        };
        *place = seconds;
    }
    Ok(deadlines)
}

/// Where buffers are guarded, by name.
pub struct GuardName(Guard);

impl<'py> FromPyObject<'_, 'py> for GuardName {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let name: String = value.extract()?;
        match name.as_str() {
            "end" => Ok(Self(Guard::End)),
            "begin" => Ok(Self(Guard::Begin)),
            _ => Err(exception(&Error::invalid(format!(
                "guard must be \"end\", \"begin\" or None, got {name:?}"
            )))),
        }
    }
}

impl Opening {
    /// Opens the plugin on a server, or on this process's own.
    pub fn open(self, py: Python<'_>, server: Option<&plugpen::Server>) -> PyResult<Plugin> {
        let mut options = OpenOptions {
            sample_rate: self.sample_rate,
            max_block_size: self
                .max_block_size
                .within("max_block_size", 1, MAX_BLOCK_SIZE)?,
            in_channels: self.in_channels.saturated(),
            out_channels: self.out_channels.saturated(),
            sidechain_channels: self.sidechain_channels.saturated(),
            selector: self.plugin.0,
            port_types: self.port_types.unwrap_or_default(),
            sandbox: parsed(self.sandbox, plugpen::sandbox_level)?,
            sandbox_mode: parsed(self.sandbox_mode, plugpen::sandbox_mode)?,
            grants: grants(self.grants.unwrap_or_default())?,
            guard: self.guard.map_or(Guard::Unspecified, |guard| guard.0),
            numerics: self.numerics,
            deadlines: deadlines(self.deadlines)?,
            ..OpenOptions::default()
        };
        self.care.apply(&mut options)?;
        let path = self.path.0;
        let slots = Arc::<Slots>::default();
        let callback = self.audio_callback.map(|callback| callback.into_bound(py));
        let observer = notifications::observe(&slots, callback)?;
        let server = server.cloned();
        let inner = patiently(py, move || {
            let server = match server {
                Some(server) => server,
                None => crate::server::default_server()?,
            };
            match observer {
                Some(observer) => server.open_observed(&path, &options, observer),
                None => server.open(&path, &options),
            }
        })?;
        Ok(Plugin {
            inner: Arc::new(inner),
            slots,
            midi_out_dropped: AtomicU64::new(0),
        })
    }
}

impl Plugin {
    /// The client's plugin.
    pub fn client(&self) -> &Arc<plugpen::Plugin> {
        &self.inner
    }

    /// The client's plugin, if it was not closed.
    fn open(&self) -> PyResult<&plugpen::Plugin> {
        match self.inner.is_closed() {
            false => Ok(&self.inner),
            true => Err(exception(&Error::new(
                ErrorReason::PluginClosed,
                "Plugin is closed; open it anew",
            ))),
        }
    }

    /// Runs a call with Python released.
    fn call<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&plugpen::Plugin) -> plugpen::Result<T> + Send,
    ) -> PyResult<T> {
        py.detach(|| call(&self.inner)).or_raise()
    }

    /// Notes what a block or a render had no place for.
    pub fn set_midi_out_dropped(&self, count: u64) {
        self.midi_out_dropped.store(count, Ordering::Relaxed);
    }
}

#[pymethods]
impl Plugin {
    #[new]
    #[pyo3(signature = (
        path, sample_rate = 48000.0, max_block_size = Int(512), in_channels = Int(2),
        out_channels = Int(2), sidechain_channels = Int(0), *, plugin = Selector::default(),
        audio_callback = None, port_types = None, sandbox = None, sandbox_mode = None,
        grants = None, restart = None, recording = None, limits = None, guard = None,
        numerics = false, deadlines = None
    ), text_signature = "(path, sample_rate=48000.0, max_block_size=512, in_channels=2, \
        out_channels=2, sidechain_channels=0, *, plugin=None, audio_callback=None, \
        port_types=None, sandbox=None, sandbox_mode=None, grants=None, restart=None, \
        recording=None, limits=None, guard=None, numerics=False, deadlines=None)")]
    #[allow(clippy::too_many_arguments, reason = "the contract's signature")]
    fn new(
        py: Python<'_>,
        path: PathText,
        sample_rate: f64,
        max_block_size: Int,
        in_channels: Int,
        out_channels: Int,
        sidechain_channels: Int,
        plugin: Selector,
        audio_callback: Option<Py<PyAny>>,
        port_types: Option<BTreeMap<String, String>>,
        sandbox: Option<String>,
        sandbox_mode: Option<String>,
        grants: Option<BTreeMap<PathText, String>>,
        restart: Option<String>,
        recording: Option<String>,
        limits: Option<BTreeMap<String, u64>>,
        guard: Option<GuardName>,
        numerics: bool,
        deadlines: Option<BTreeMap<String, f64>>,
    ) -> PyResult<Self> {
        Opening {
            path,
            sample_rate,
            max_block_size,
            in_channels,
            out_channels,
            sidechain_channels,
            plugin,
            audio_callback,
            port_types,
            sandbox,
            sandbox_mode,
            grants,
            care: Care {
                restart,
                recording,
                limits,
            },
            guard,
            numerics,
            deadlines,
        }
        .open(py, None)
    }

    /// Ends the plugin's process. Closing twice is no error; any other use afterwards raises
    /// `WrongState`.
    fn close(&self, py: Python<'_>) {
        self.slots.clear();
        // The daemon may be gone, which ends the plugin as well.
        let _ = py.detach(|| self.inner.close());
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// Starts a fresh process for the plugin, dead or alive, and brings it to where it was: the
    /// last state read or set, parameters and programs changed since, transport and sample rate.
    ///
    /// Raises:
    ///     PluginCrashed: It died again meanwhile.
    fn restart(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |plugin| plugin.restart())
    }

    /// Whether the plugin's process runs. Does not wait for anything.
    #[getter]
    fn is_alive(&self) -> bool {
        self.inner.is_alive()
    }

    /// How the plugin's process ended, a `Death`; None while it runs.
    #[getter]
    fn death<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let death = py.detach(|| self.inner.death());
        death.map(|death| death_object(py, &death)).transpose()
    }

    fn __repr__(&self) -> String {
        let plugin = &self.inner;
        let name = plugin.description().name;
        let life = match plugin.death() {
            _ if plugin.is_closed() => "closed".into(),
            Some(death) => format!("dead: {}", death.summary),
            None => format!(
                "{} in, {} out, {} parameter{}, {} Hz",
                plugin.num_input_channels(),
                plugin.num_output_channels(),
                plugin.num_params(),
                if plugin.num_params() == 1 { "" } else { "s" },
                plugin.sample_rate()
            ),
        };
        let format = format_name(plugin.description().format());
        format!("<plugpen.Plugin '{name}' ({format}), {life}>")
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        face(slf.as_any(), "plugin_html")
    }

    /// Python's garbage collector sees through the callbacks.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.slots.traverse(&visit)
    }

    fn __clear__(&self) {
        self.slots.clear();
    }
}
