//! How plugins died: what `Server` says of it, as the classes of `plugpen._crashes`.

use plugpen::{
    CrashFilter,
    v1::{CrashCall, CrashFault, CrashFrame, CrashReport, CrashSummary, CrashThread},
};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyTuple},
};

use crate::{
    errors::{OrRaise, death_object},
    plugin::format_name,
    server::{Server, default_server},
};

#[pymethods]
impl Server {
    /// The deaths that the daemon knows of, newest first: of all its clients, and of daemons before
    /// it that kept theirs in the same folder.
    ///
    /// Args:
    ///     plugin: Only plugins with this in their names or paths, whatever its case.
    ///     each: Every death that is kept, not one for all at the same place.
    ///
    /// Returns:
    ///     A list of `CrashSummary`.
    #[pyo3(signature = (plugin = "", *, each = false))]
    fn crashes<'py>(
        &self,
        py: Python<'py>,
        plugin: &str,
        each: bool,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let filter = CrashFilter {
            plugin: plugin.to_owned(),
            each,
            ..CrashFilter::default()
        };
        let crashes = self.call(py, |server| server.crashes(&filter))?;
        crashes.iter().map(|crash| summary(py, crash)).collect()
    }

    /// One report. Waits for one in the making, some seconds at most.
    ///
    /// Args:
    ///     report_id: Its id, or the beginning of it (`Death.report_id`).
    ///
    /// Returns:
    ///     A `CrashReport`.
    ///
    /// Raises:
    ///     PluginNotFound: There is none, or it was forgotten.
    fn crash<'py>(&self, py: Python<'py>, report_id: &str) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.call(py, |server| server.crash(report_id))?)
    }

    /// The minidump of a report, which debuggers read.
    ///
    /// Args:
    ///     report_id: Its id, or the beginning of it.
    ///
    /// Raises:
    ///     PluginNotFound: There is no such report, or it has no minidump.
    fn crash_minidump<'py>(
        &self,
        py: Python<'py>,
        report_id: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.call(py, |server| server.crash_minidump(report_id))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Forget these reports, or all where none are named.
    ///
    /// Args:
    ///     report_ids: Their ids.
    ///
    /// Returns:
    ///     How many were forgotten.
    #[pyo3(signature = (*report_ids))]
    fn forget_crashes(&self, py: Python<'_>, report_ids: Vec<String>) -> PyResult<u32> {
        self.call(py, |server| server.forget_crashes(&report_ids))
    }
}

/// A report of this process's own daemon, for `PluginError.report`.
#[pyfunction]
pub fn crash_report<'py>(py: Python<'py>, report_id: &str) -> PyResult<Bound<'py, PyAny>> {
    let found = py.detach(|| default_server()?.crash(report_id));
    report(py, &found.or_raise()?)
}

/// An object of one of the classes.
fn make<'py>(
    py: Python<'py>,
    class: &str,
    fields: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let module = py.import("plugpen._crashes")?;
    module.getattr(class)?.call((), Some(fields))
}

fn short<'a>(name: &'a str, prefix: &str) -> &'a str {
    name.strip_prefix(prefix).unwrap_or(name)
}

fn summary<'py>(py: Python<'py>, crash: &CrashSummary) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("report_id", &crash.report_id)?;
    fields.set_item("time_ms", crash.time_ms)?;
    let kind = crash.kind().as_str_name();
    fields.set_item("kind", short(kind, "DEATH_KIND_"))?;
    fields.set_item("signal", crash.signal)?;
    fields.set_item("exit_code", crash.exit_code)?;
    fields.set_item("call", &crash.call)?;
    fields.set_item("summary", &crash.summary)?;
    fields.set_item("plugin_name", &crash.plugin_name)?;
    fields.set_item("plugin_path", &crash.plugin_path)?;
    fields.set_item("format", format_name(crash.format()))?;
    fields.set_item("location", &crash.location)?;
    fields.set_item("signature", &crash.signature)?;
    fields.set_item("count", crash.count)?;
    make(py, "CrashSummary", &fields)
}

fn report<'py>(py: Python<'py>, report: &CrashReport) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    let death = report.death.clone().unwrap_or_default();
    fields.set_item("report_id", &report.report_id)?;
    fields.set_item("death", death_object(py, &death)?)?;
    fields.set_item("plugin", plugin(py, report)?)?;
    fields.set_item("reason", &report.reason)?;
    fields.set_item("location", &report.location)?;
    let signal = report.fault.as_ref();
    fields.set_item("fault", signal.map(|f| fault(py, f)).transpose()?)?;
    let threads = report.threads.iter().map(|t| thread(py, t));
    fields.set_item("threads", tuple(py, threads)?)?;
    let calls = report.calls.iter().map(|c| call(py, c));
    fields.set_item("calls", tuple(py, calls)?)?;
    fields.set_item("signature", &report.signature)?;
    fields.set_item("count", report.count)?;
    let sandbox = PyDict::new(py);
    for layer in report.sandbox.iter().flat_map(|report| &report.layers) {
        let state = layer.state().as_str_name();
        sandbox.set_item(&layer.name, short(state, "SANDBOX_STATE_"))?;
    }
    fields.set_item("sandbox", sandbox)?;
    let analysis = report.analysis().as_str_name();
    fields.set_item("analysis", short(analysis, "CRASH_ANALYSIS_"))?;
    fields.set_item("analysis_note", &report.analysis_note)?;
    fields.set_item("minidump_bytes", report.minidump_bytes)?;
    fields.set_item("role", &report.role)?;
    fields.set_item("system", &report.system)?;
    make(py, "CrashReport", &fields)
}

fn tuple<'py>(
    py: Python<'py>,
    items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, items.collect::<PyResult<Vec<_>>>()?)
}

fn plugin<'py>(py: Python<'py>, report: &CrashReport) -> PyResult<Bound<'py, PyAny>> {
    let plugin = report.plugin.clone().unwrap_or_default();
    let fields = PyDict::new(py);
    fields.set_item("format", format_name(plugin.format()))?;
    fields.set_item("name", plugin.name)?;
    fields.set_item("vendor", plugin.vendor)?;
    fields.set_item("version", plugin.version)?;
    fields.set_item("path", plugin.path)?;
    fields.set_item("identifier", plugin.identifier)?;
    fields.set_item("library", plugin.library)?;
    fields.set_item("sha256", plugin.sha256)?;
    fields.set_item("size", plugin.size)?;
    make(py, "CrashedPlugin", &fields)
}

fn fault<'py>(py: Python<'py>, fault: &CrashFault) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("signal", fault.signal)?;
    fields.set_item("signal_name", &fault.signal_name)?;
    fields.set_item("code", fault.code)?;
    fields.set_item("code_name", &fault.code_name)?;
    fields.set_item("address", fault.address)?;
    fields.set_item("system_call", fault.system_call)?;
    fields.set_item("instruction", &fault.instruction)?;
    fields.set_item("stack_overflow", fault.stack_overflow)?;
    let earlier = fault.earlier.as_deref();
    let earlier = earlier.map(|earlier| self::fault(py, earlier));
    fields.set_item("earlier", earlier.transpose()?)?;
    make(py, "CrashFault", &fields)
}

fn thread<'py>(py: Python<'py>, thread: &CrashThread) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("tid", thread.tid)?;
    fields.set_item("name", &thread.name)?;
    fields.set_item("crashed", thread.crashed)?;
    let frames = thread.frames.iter().map(|f| frame(py, f));
    fields.set_item("frames", tuple(py, frames)?)?;
    fields.set_item("truncated", thread.truncated)?;
    make(py, "CrashThread", &fields)
}

fn frame<'py>(py: Python<'py>, frame: &CrashFrame) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("address", frame.address)?;
    fields.set_item("module", &frame.module)?;
    fields.set_item("offset", frame.offset)?;
    fields.set_item("function", &frame.function)?;
    fields.set_item("file", &frame.file)?;
    fields.set_item("line", frame.line)?;
    fields.set_item("inlined", frame.inlined)?;
    make(py, "CrashFrame", &fields)
}

fn call<'py>(py: Python<'py>, call: &CrashCall) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("name", &call.name)?;
    fields.set_item("arguments", &call.arguments)?;
    fields.set_item("time_ms", call.time_ms)?;
    fields.set_item("micros", call.micros)?;
    fields.set_item("error", &call.error)?;
    fields.set_item("after_block", call.after_block)?;
    make(py, "CrashCall", &fields)
}
