//! Daemons: the class `Server`, and the functions that use this process's own.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, OnceLock},
};

use plugpen::{
    ConnectOptions, Error, PrivateOptions, Probed, ScanItem,
    v1::{OpenedPlugin, PluginDescription, SandboxReport, ScanFailure},
};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyList, PyTuple},
};

use crate::{
    arguments::{Int, PathText, Selector},
    device::{devices, ports},
    errors::{OrRaise, death_object},
    notebook::scan_results,
    patience::patiently,
    plugin::{GuardName, Opening, Plugin, format_name},
    recovery::{Care, What, replay_dict},
};

/// What `default_server` gave last, and the process it was for.
static DEFAULT: Mutex<Option<(u32, plugpen::Server)>> = Mutex::new(None);

/// The daemon that is used where none is named: a private one, ended with this process, or the one
/// that PLUGPEN_SERVER names.
pub fn default_server() -> plugpen::Result<plugpen::Server> {
    let server = plugpen::Server::shared_default_with(&PrivateOptions {
        binary_dirs: package_bin().into_iter().collect(),
        ..PrivateOptions::default()
    })?;
    // Held by another thread, it is being set to the same.
    if let Ok(mut default) = DEFAULT.try_lock() {
        *default = Some((std::process::id(), server.clone()));
    }
    Ok(server)
}

/// Ends what runs in the background, for the end of Python: threads must not enter it then.
#[pyfunction]
pub fn _shutdown(py: Python<'_>) {
    py.detach(|| {
        let default = DEFAULT.try_lock().ok().and_then(|mut slot| slot.take());
        match default {
            Some((process, server)) if process == std::process::id() => server.close(),
            // In a forked child it is the parent's, and not to be touched.
            Some(parents) => std::mem::forget(parents),
            None => {}
        }
        crate::logging::end();
    });
}

/// The folder of the installed package that holds the daemon and the worker.
fn package_bin() -> Option<PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = |py: Python<'_>| {
        let file = py.import("plugpen").ok()?.getattr("__file__").ok()?;
        let file: PathBuf = file.extract().ok()?;
        Some(file.parent()?.join("bin"))
    };
    FOLDER.get_or_init(|| Python::attach(find)).clone()
}

/// A connection to a daemon, made by `connect`. A context manager; leaving the block closes it.
#[pyclass(module = "plugpen", name = "Server", frozen, weakref)]
pub struct Server {
    inner: plugpen::Server,
}

impl Server {
    /// The client's own.
    pub fn client(&self) -> &plugpen::Server {
        &self.inner
    }

    pub fn call<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&plugpen::Server) -> plugpen::Result<T> + Send,
    ) -> PyResult<T> {
        py.detach(|| call(&self.inner)).or_raise()
    }
}

#[pymethods]
impl Server {
    /// Open a plugin on this daemon; arguments and errors are those of the class `Plugin`.
    #[pyo3(name = "Plugin", signature = (
        path, sample_rate = 48000.0, max_block_size = Int(512), in_channels = Int(2),
        out_channels = Int(2), sidechain_channels = Int(0), *, plugin = Selector::default(),
        audio_callback = None, port_types = None, sandbox = None, sandbox_mode = None,
        grants = None, restart = None, recording = None, limits = None, guard = None,
        numerics = false, deadlines = None
    ), text_signature = "($self, path, sample_rate=48000.0, max_block_size=512, in_channels=2, \
        out_channels=2, sidechain_channels=0, *, plugin=None, audio_callback=None, \
        port_types=None, sandbox=None, sandbox_mode=None, grants=None, restart=None, \
        recording=None, limits=None, guard=None, numerics=False, deadlines=None)")]
    #[allow(clippy::too_many_arguments, reason = "the contract's signature")]
    fn plugin(
        &self,
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
    ) -> PyResult<Plugin> {
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
        .open(py, Some(&self.inner))
    }

    /// What is known of a plugin without playing it; see `plugpen.probe`.
    #[pyo3(signature = (path, plugin = Selector::default()),
        text_signature = "($self, path, plugin=None)")]
    fn probe<'py>(
        &self,
        py: Python<'py>,
        path: PathText,
        plugin: Selector,
    ) -> PyResult<Bound<'py, PyDict>> {
        probed(py, Some(&self.inner), path.0, &plugin)
    }

    /// All plugins below a folder; see `plugpen.scan_directory`.
    #[pyo3(signature = (directory_path, *, refresh = false))]
    fn scan_directory<'py>(
        &self,
        py: Python<'py>,
        directory_path: PathText,
        refresh: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        scan(py, Some(&self.inner), directory_path.0, refresh)
    }

    /// The plugins that are open on this daemon.
    ///
    /// Args:
    ///     all_sessions: Those of all clients, not only this connection's.
    ///
    /// Returns:
    ///     Dicts with ``handle``, ``name``, ``path``, ``format``, ``state`` ("READY", "DEAD", ...),
    ///     ``generation``, ``worker_pid``, ``session_name``, ``age_seconds``, ``memory_bytes``,
    ///     ``cpu_seconds`` and ``death`` (a `Death` or None).
    #[pyo3(signature = (all_sessions = false))]
    fn plugins<'py>(
        &self,
        py: Python<'py>,
        all_sessions: bool,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let plugins = self.call(py, |server| server.plugins(all_sessions))?;
        plugins
            .iter()
            .map(|plugin| opened_dict(py, plugin))
            .collect()
    }

    /// The devices of the daemon's machine that play; see `plugpen.audio_get_playback_devices`.
    fn audio_get_playback_devices<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let found = self.call(py, plugpen::Server::audio_devices)?;
        devices(py, &found.playback)
    }

    /// The devices of the daemon's machine that record; see `plugpen.audio_get_capture_devices`.
    fn audio_get_capture_devices<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let found = self.call(py, plugpen::Server::audio_devices)?;
        devices(py, &found.capture)
    }

    /// The MIDI ports of the daemon's machine that can be listened to, by `MidiIn.open` with this
    /// server; see `plugpen.midi_get_input_ports`.
    fn midi_get_input_ports<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let found = self.call(py, plugpen::Server::midi_ports)?;
        ports(py, &found.inputs)
    }

    /// The MIDI ports of the daemon's machine that can be sent to; see
    /// `plugpen.midi_get_output_ports`.
    fn midi_get_output_ports<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let found = self.call(py, plugpen::Server::midi_ports)?;
        ports(py, &found.outputs)
    }

    /// What the daemon says of itself.
    ///
    /// Returns:
    ///     A dict with ``version``, ``pid``, ``uptime_seconds``, ``live_workers``, ``formats`` (a
    ///     dict from names to whether they can be loaded here), ``sandbox`` (a dict from layers to
    ///     "ENFORCED", "PARTIAL", "ABSENT" or "OFF"), ``capabilities`` (a list) and ``limits`` (a
    ///     dict).
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let info = self.call(py, plugpen::Server::info)?;
        let formats = PyDict::new(py);
        for support in &info.formats {
            formats.set_item(format_name(support.format()), support.available)?;
        }
        let sandbox = sandbox_dict(py, info.sandbox.as_ref())?;
        let limits = PyDict::new(py);
        for limit in &info.limits {
            limits.set_item(&limit.name, limit.value)?;
        }
        let dict = PyDict::new(py);
        dict.set_item("version", &info.version)?;
        dict.set_item("pid", info.pid)?;
        dict.set_item("uptime_seconds", info.uptime_seconds)?;
        dict.set_item("live_workers", info.live_workers)?;
        dict.set_item("formats", formats)?;
        dict.set_item("sandbox", sandbox)?;
        dict.set_item("capabilities", &info.capabilities)?;
        dict.set_item("limits", limits)?;
        Ok(dict)
    }

    /// The recording of a death, as bytes for a file: what `replay` and `plugpen replay` take, here
    /// and on other machines. It holds the audio that the plugin heard last, if that was recorded.
    ///
    /// Args:
    ///     report_id: `Death.report_id`.
    ///
    /// Raises:
    ///     PluginNotFound: There is none, or none any more.
    fn recording<'py>(&self, py: Python<'py>, report_id: &str) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.call(py, |server| server.recording(report_id))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Do to a fresh plugin what was done to one that died, and see how that ends.
    ///
    /// Args:
    ///     recording: `Death.report_id`, or what `recording` gave.
    ///     path: Where the plugin is, if not where it was.
    ///
    /// Returns:
    ///     A dict with ``same`` (whether kind, signal, exit code and call of the two deaths are the
    ///     same), ``recorded`` and ``replayed`` (`Death`; the latter None where it lived), ``calls``,
    ///     ``calls_made``, ``blocks``, ``blocks_played`` and ``cautions`` (what the recording lacks).
    #[pyo3(signature = (recording, path = None))]
    fn replay<'py>(
        &self,
        py: Python<'py>,
        recording: What,
        path: Option<PathText>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let path = path.map(|path| path.0);
        let outcome = self.call(py, |server| {
            server.replay(recording.as_replay(), path.as_deref())
        })?;
        replay_dict(py, &outcome)
    }

    /// End the session: its plugins are closed. Closing twice is no error.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.close());
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        format!("<plugpen.Server '{}'>", self.inner.target())
    }
}

/// Connect to a daemon that runs already, on this machine or another.
///
/// Over a network the paths of plugins and folders are those of the daemon's machine, from the
/// root; files to read and write stay here. When the connection breaks, the call that was running
/// raises `ServerUnavailable`, and the next one connects again: the plugins are kept for the
/// daemon's grace period, 30 s where nobody says otherwise.
///
/// Args:
///     target: ``"unix:/path/of/the/socket"``, ``"https://box:7380"``, or
///         ``"http://127.0.0.1:7380"`` for a port of this machine, such as an SSH tunnel's.
///     token: The daemon's token. None takes PLUGPEN_TOKEN, else what is in the file beside the
///         socket.
///     ca: A PEM file with the authority that vouches for the daemon; no other is trusted then.
///         None takes PLUGPEN_CA, else those that this system trusts.
///     client_cert: A PEM file with a certificate of your own, for daemons that ask for one.
///     client_key: A PEM file with its private key.
///
/// Raises:
///     ServerUnavailable: Nobody answers there.
///     NotAllowed: The daemon refuses this user or token, or its certificate is not trusted here.
///     InvalidInput: The address or a file is none.
#[pyfunction]
#[pyo3(signature = (target, token = None, ca = None, client_cert = None, client_key = None))]
pub fn connect(
    py: Python<'_>,
    target: PathText,
    token: Option<String>,
    ca: Option<PathText>,
    client_cert: Option<PathText>,
    client_key: Option<PathText>,
) -> PyResult<Server> {
    let file = |path: Option<PathText>| path.map(|path| path.0.into());
    let options = ConnectOptions {
        token,
        ca: file(ca),
        client_cert: file(client_cert),
        client_key: file(client_key),
        server_name: None,
    };
    let inner = patiently(py, move || {
        plugpen::Server::connect_with(&target.0, &options)
    })?;
    Ok(Server { inner })
}

/// What is known of a plugin without playing it. It is read in a process of its own.
///
/// Args:
///     path: A plugin file, a bundle, or the URI of an installed LV2 plugin.
///     plugin: Which one of a file that holds several: an index, or a name, URI or class id. None
///         is the first.
///
/// Returns:
///     A dict with ``name``, ``vendor``, ``version``, ``format``, ``unique_id``, ``path``,
///     ``identifier``, ``index``, ``accepts_midi`` (true for instruments), ``produces_midi``,
///     ``num_inputs`` and ``num_outputs``.
///
/// Raises:
///     PluginNotFound: There is no such file, or no plugin in it.
///     PluginCrashed: Reading it killed the process that did.
#[pyfunction]
#[pyo3(signature = (path, plugin = Selector::default()), text_signature = "(path, plugin=None)")]
pub fn probe<'py>(
    py: Python<'py>,
    path: PathText,
    plugin: Selector,
) -> PyResult<Bound<'py, PyDict>> {
    probed(py, None, path.0, &plugin)
}

fn probed<'py>(
    py: Python<'py>,
    server: Option<&plugpen::Server>,
    path: String,
    selector: &Selector,
) -> PyResult<Bound<'py, PyDict>> {
    let (server, asked) = (server.cloned(), path.clone());
    let probed = patiently(py, move || match server {
        Some(server) => server.probe(&asked),
        None => default_server()?.probe(&asked),
    })?;
    description_dict(py, &select(probed, &path, selector).or_raise()?)
}

/// All plugins below a folder, each read in a process of its own.
///
/// A file that crashes, hangs or refuses is left out and reported to the logger "plugpen"; the
/// list's attribute ``failures`` has a dict for each: its ``path``, the ``reason`` (a stable
/// name), the ``message``, and ``death``, a `Death` where it ended the process that read it.
///
/// Args:
///     directory_path: The folder, searched recursively.
///     refresh: Read again what an earlier scan has read.
///
/// Returns:
///     A dict a plugin, as `probe` returns them.
///
/// Raises:
///     PluginNotFound: It is not a folder.
#[pyfunction]
#[pyo3(signature = (directory_path, *, refresh = false))]
pub fn scan_directory<'py>(
    py: Python<'py>,
    directory_path: PathText,
    refresh: bool,
) -> PyResult<Bound<'py, PyAny>> {
    scan(py, None, directory_path.0, refresh)
}

fn scan<'py>(
    py: Python<'py>,
    server: Option<&plugpen::Server>,
    directory: String,
    refresh: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let server = server.cloned();
    let (plugins, failures) = patiently(py, move || {
        let server = match server {
            Some(server) => server,
            None => default_server()?,
        };
        let (mut plugins, mut failures) = (Vec::new(), Vec::new());
        // A bundle is searched for others in it, and is not one of them.
        let is_remote = server.is_remote();
        let place = |path: &str| match is_remote {
            // Its links are not ours to follow.
            true => Some(PathBuf::from(path)),
            false => std::fs::canonicalize(path).ok(),
        };
        let itself = place(&directory);
        let within = |path: &str| itself.is_none() || place(path) != itself;
        server.scan(&[directory], refresh, &mut |item| match item {
            ScanItem::Plugin(plugin) if !within(&plugin.path) => {}
            ScanItem::Plugin(plugin) => plugins.push(plugin),
            ScanItem::Failure(failure) => failures.push(failure),
            ScanItem::Progress(_) => {}
        })?;
        Ok((plugins, failures))
    })?;
    let logger = py
        .import("logging")?
        .call_method1("getLogger", ("plugpen",))?;
    let message = "scan: %s could not be read: %s";
    for failure in &failures {
        logger.call_method1("warning", (message, &failure.path, &failure.message))?;
    }
    let list = PyList::empty(py);
    for plugin in &plugins {
        list.append(description_dict(py, plugin)?)?;
    }
    let unread = PyList::empty(py);
    for failure in &failures {
        unread.append(failure_dict(py, failure)?)?;
    }
    scan_results(list, unread)
}

/// The plugin that a selector means.
fn select(probed: Probed, path: &str, selector: &Selector) -> Result<PluginDescription, Error> {
    probed.choose(path, &selector.0).map_err(|mut error| {
        error.message = format!("Failed to probe plugin: {}", error.message);
        error
    })
}

fn failure_dict<'py>(py: Python<'py>, failure: &ScanFailure) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let reason = failure.reason().as_str_name();
    dict.set_item("path", &failure.path)?;
    dict.set_item(
        "reason",
        reason.strip_prefix("ERROR_REASON_").unwrap_or(reason),
    )?;
    dict.set_item("message", &failure.message)?;
    let death = failure.death.as_ref();
    let death = death.map(|death| death_object(py, death)).transpose()?;
    dict.set_item("death", death)?;
    Ok(dict)
}

fn description_dict<'py>(
    py: Python<'py>,
    plugin: &PluginDescription,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", &plugin.name)?;
    dict.set_item("vendor", &plugin.vendor)?;
    dict.set_item("product", &plugin.product)?;
    dict.set_item("version", &plugin.version)?;
    dict.set_item("format", format_name(plugin.format()))?;
    dict.set_item("unique_id", &plugin.unique_id)?;
    dict.set_item("path", &plugin.path)?;
    dict.set_item("identifier", &plugin.identifier)?;
    dict.set_item("index", plugin.index)?;
    dict.set_item("accepts_midi", plugin.accepts_midi)?;
    dict.set_item("produces_midi", plugin.produces_midi)?;
    dict.set_item("num_inputs", plugin.num_inputs)?;
    dict.set_item("num_outputs", plugin.num_outputs)?;
    Ok(dict)
}

fn opened_dict<'py>(py: Python<'py>, plugin: &OpenedPlugin) -> PyResult<Bound<'py, PyDict>> {
    let description = plugin.description.clone().unwrap_or_default();
    let state = plugin.state().as_str_name();
    let death = plugin.death.as_ref();
    let dict = PyDict::new(py);
    dict.set_item("handle", &plugin.handle)?;
    dict.set_item("name", &description.name)?;
    dict.set_item("path", &description.path)?;
    dict.set_item("format", format_name(description.format()))?;
    dict.set_item(
        "state",
        state.strip_prefix("PLUGIN_STATE_").unwrap_or(state),
    )?;
    dict.set_item("generation", plugin.generation)?;
    dict.set_item("worker_pid", plugin.worker_pid)?;
    dict.set_item("session_name", &plugin.session_name)?;
    dict.set_item("age_seconds", plugin.age_seconds)?;
    dict.set_item("memory_bytes", plugin.memory_bytes)?;
    dict.set_item("cpu_seconds", plugin.cpu_seconds)?;
    dict.set_item(
        "death",
        death.map(|death| death_object(py, death)).transpose()?,
    )?;
    Ok(dict)
}

/// The layers of a jail, and how each stands.
pub fn sandbox_dict<'py>(
    py: Python<'py>,
    report: Option<&SandboxReport>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for layer in report.iter().flat_map(|report| &report.layers) {
        let state = layer.state().as_str_name();
        let state = state.strip_prefix("SANDBOX_STATE_").unwrap_or(state);
        dict.set_item(&layer.name, state)?;
    }
    Ok(dict)
}
