//! Crash reports as JSON, with the keys of the protocol.

use plugpen::v1::{CrashFault, CrashFrame, CrashReport, CrashSummary, CrashThread};
use serde_json::{Value, json};

use crate::describe::format_name;

fn short(name: &'static str, prefix: &str) -> &'static str {
    name.strip_prefix(prefix).unwrap_or(name)
}

/// One death of a list.
pub fn summary_json(crash: &CrashSummary) -> Value {
    json!({
        "report_id": crash.report_id,
        "time_ms": crash.time_ms,
        "kind": short(crash.kind().as_str_name(), "DEATH_KIND_"),
        "signal": crash.signal,
        "exit_code": crash.exit_code,
        "call": crash.call,
        "summary": crash.summary,
        "plugin_name": crash.plugin_name,
        "plugin_path": crash.plugin_path,
        "format": format_name(crash.format()),
        "location": crash.location,
        "signature": crash.signature,
        "count": crash.count,
    })
}

/// A whole report.
pub fn report_json(report: &CrashReport) -> Value {
    let death = report.death.clone().unwrap_or_default();
    let plugin = report.plugin.clone().unwrap_or_default();
    let layers = report.sandbox.iter().flat_map(|sandbox| &sandbox.layers);
    json!({
        "report_id": report.report_id,
        "time_ms": death.time_ms,
        "kind": short(death.kind().as_str_name(), "DEATH_KIND_"),
        "signal": death.signal,
        "exit_code": death.exit_code,
        "call": death.call,
        "generation": death.generation,
        "summary": death.summary,
        "output": death.output,
        "reason": report.reason,
        "location": report.location,
        "signature": report.signature,
        "count": report.count,
        "role": report.role,
        "plugin": {
            "name": plugin.name,
            "vendor": plugin.vendor,
            "version": plugin.version,
            "format": format_name(plugin.format()),
            "path": plugin.path,
            "identifier": plugin.identifier,
            "library": plugin.library,
            "sha256": plugin.sha256,
            "size": plugin.size,
        },
        "fault": report.fault.as_ref().map(fault_json),
        "threads": report.threads.iter().map(thread_json).collect::<Vec<_>>(),
        "modules": report.modules.iter().map(|module| json!({
            "path": module.path,
            "base": module.base,
            "size": module.size,
        })).collect::<Vec<_>>(),
        "calls": report.calls.iter().map(|call| json!({
            "name": call.name,
            "arguments": call.arguments,
            "time_ms": call.time_ms,
            "micros": call.micros,
            "error": call.error,
            "after_block": call.after_block,
        })).collect::<Vec<_>>(),
        "sandbox": layers.map(|layer| json!({
            "name": layer.name,
            "state": short(layer.state().as_str_name(), "SANDBOX_STATE_"),
            "detail": layer.detail,
        })).collect::<Vec<_>>(),
        "analysis": short(report.analysis().as_str_name(), "CRASH_ANALYSIS_"),
        "analysis_note": report.analysis_note,
        "minidump_bytes": report.minidump_bytes,
        "capture_micros": report.capture_micros,
        "worker_version": report.worker_version,
        "system": report.system,
    })
}

fn fault_json(fault: &CrashFault) -> Value {
    json!({
        "signal": fault.signal,
        "signal_name": fault.signal_name,
        "code": fault.code,
        "code_name": fault.code_name,
        "address": fault.address,
        "system_call": fault.system_call,
        "instruction": fault.instruction,
        "instruction_bytes": fault.instruction_bytes,
        "stack_overflow": fault.stack_overflow,
        "earlier": fault.earlier.as_deref().map(fault_json),
    })
}

fn thread_json(thread: &CrashThread) -> Value {
    json!({
        "tid": thread.tid,
        "name": thread.name,
        "crashed": thread.crashed,
        "truncated": thread.truncated,
        "frames": thread.frames.iter().map(frame_json).collect::<Vec<_>>(),
    })
}

fn frame_json(frame: &CrashFrame) -> Value {
    json!({
        "address": frame.address,
        "module": frame.module,
        "offset": frame.offset,
        "function": frame.function,
        "file": frame.file,
        "line": frame.line,
        "inlined": frame.inlined,
    })
}
