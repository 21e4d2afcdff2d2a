//! The reports of deaths: what they say, and that they are kept.

use std::path::Path;

use plugpen::v1::{CrashAnalysis, CrashReport, CrashThread, DeathKind, ErrorReason};
use plugpen::{CrashFilter, OpenOptions, Plugin, Server};
use plugpen_tests::places::real_vst2;
use tempfile::TempDir;

use super::deaths::deed;
use super::{is, open, play, server_with, try_open};

const IN_RUN: u32 = 0;

/// A daemon that keeps its reports in this folder, and is short of patience.
fn keeping(dir: &Path) -> Server {
    server_with(&format!(
        "[deadlines]\nblock_seconds = 1\n[crashes]\ndirectory = {:?}\n",
        dir.join("crashes")
    ))
}

/// Has a villain do a deed while it plays; the report of its death.
fn die(server: &Server, number: u32) -> CrashReport {
    let plugin = open(server, "villain");
    play(&plugin).unwrap();
    plugin.set_param(IN_RUN, deed(number)).unwrap();
    let death = play(&plugin).unwrap_err().death.unwrap();
    server.crash(&death.report_id).unwrap()
}

fn blamed(report: &CrashReport) -> &CrashThread {
    report
        .threads
        .first()
        .unwrap_or_else(|| panic!("no threads: {report:?}"))
}

fn calls(thread: &CrashThread, function: &str) -> bool {
    let mut frames = thread.frames.iter();
    frames.any(|frame| frame.function.contains(function))
}

#[test]
fn a_report_says_where_and_why() {
    let dir = TempDir::new().unwrap();
    let server = keeping(dir.path());
    for (number, reason, function) in [
        (1, "wrote 1 byte to 0x8", "commit"),
        (2, "abort() was called", "commit"),
        (3, "exit(3) was called", "commit"),
        (4, "did not come back from process", "commit"),
        (5, "did not come back from process", "commit"),
        (6, "the stack ended", "overflow"),
        // raise() is the last thing it does, so its caller is not on the stack any more.
        (10, "SIGILL", "run<f32>"),
    ] {
        let report = die(&server, number);
        assert_eq!(
            report.analysis(),
            CrashAnalysis::Done,
            "{}",
            report.analysis_note
        );
        assert!(report.reason.contains(reason), "{}", report.reason);
        let thread = blamed(&report);
        assert_eq!(thread.name, "audio", "{reason}");
        assert!(calls(thread, function), "{reason}: {thread:#?}");
        let place = "libplugpen_test_plugins.so+0x";
        assert!(
            report.location.contains(place),
            "{reason}: {}",
            report.location
        );
        assert!(
            report.location.contains(function),
            "{reason}: {}",
            report.location
        );
        // Whoever exits is alone by the time it is seen.
        assert!(report.threads.len() >= 3 || number == 3, "{reason}");
        let plugin = report.plugin.clone().unwrap();
        assert_eq!(plugin.name, "Test Villain");
        assert!(
            plugin.library.ends_with("libplugpen_test_plugins.so"),
            "{plugin:?}"
        );
        assert_eq!(plugin.sha256.len(), 64);
        let last = report.calls.last().unwrap();
        assert_eq!(last.name, "SetParameter");
        assert!(last.arguments.contains("index: 0"), "{last:?}");
        assert!(last.micros.is_some());
        assert!(report.sandbox.is_some() && report.role == "plugin");
        let dump = server.crash_minidump(&report.report_id).unwrap();
        assert!(dump.starts_with(b"MDMP"));
        assert_eq!(u64::try_from(dump.len()), Ok(report.minidump_bytes));
    }
}

#[test]
fn a_fault_is_told_with_its_address_and_instruction() {
    let dir = TempDir::new().unwrap();
    let report = die(&keeping(dir.path()), 1);
    let death = report.death.clone().unwrap();
    assert_eq!((death.signal, death.fault_address), (11, Some(8)));
    assert!(
        death.location.starts_with("libplugpen_test_plugins.so+0x"),
        "{death:?}"
    );
    assert!(death.summary.contains(&death.location), "{}", death.summary);
    let fault = report.fault.clone().unwrap();
    assert_eq!(
        (fault.code_name.as_str(), fault.address),
        ("SEGV_MAPERR", Some(8))
    );
    if cfg!(target_arch = "x86_64") {
        assert!(fault.instruction.starts_with("mov"), "{fault:?}");
    }
}

/// The kernel's SIGKILL lets nobody look.
#[test]
fn what_nobody_could_see_is_said_to_be_so() {
    let dir = TempDir::new().unwrap();
    let server = keeping(dir.path());
    let report = die(&server, 7);
    assert_eq!(report.analysis(), CrashAnalysis::None);
    assert_eq!(report.death.as_ref().unwrap().kind(), DeathKind::Killed);
    assert!(report.threads.is_empty() && report.minidump_bytes == 0);
    let error = server.crash_minidump(&report.report_id).unwrap_err();
    assert!(is(&error, &[ErrorReason::NotFound]), "{error}");
}

#[test]
fn equal_deaths_are_one_line_and_counted() {
    let dir = TempDir::new().unwrap();
    let server = keeping(dir.path());
    let reports = [1, 1, 2, 1].map(|number| die(&server, number));
    let crashes = server.crashes(&CrashFilter::default()).unwrap();
    let told: Vec<_> = crashes
        .iter()
        .map(|crash| (crash.report_id.as_str(), crash.count))
        .collect();
    assert_eq!(
        told,
        [
            (reports[3].report_id.as_str(), 3),
            (reports[2].report_id.as_str(), 1)
        ]
    );
    let each = CrashFilter {
        each: true,
        plugin: "VILLAIN".into(),
        ..CrashFilter::default()
    };
    assert_eq!(server.crashes(&each).unwrap().len(), 4);
    let other = CrashFilter {
        plugin: "somebody else".into(),
        ..CrashFilter::default()
    };
    assert!(server.crashes(&other).unwrap().is_empty());
}

#[test]
fn reports_outlive_their_daemon_until_they_are_forgotten() {
    let dir = TempDir::new().unwrap();
    let server = keeping(dir.path());
    let plugin = open(&server, "villain");
    plugin.set_param(IN_RUN, deed(2)).unwrap();
    let id = play(&plugin).unwrap_err().death.unwrap().report_id;
    // At once: the daemon does not end before the report is written.
    server.close();
    drop(plugin);
    let server = keeping(dir.path());
    let report = server.crash(&id[..8]).unwrap();
    assert_eq!(report.report_id, id);
    assert!(calls(blamed(&report), "commit"), "{}", report.analysis_note);
    assert_eq!(server.forget_crashes(std::slice::from_ref(&id)).unwrap(), 1);
    let error = server.crash(&id).unwrap_err();
    assert!(is(&error, &[ErrorReason::NotFound]), "{error}");
    let left = std::fs::read_dir(dir.path().join("crashes"))
        .unwrap()
        .flatten();
    let left = left.filter(|entry| entry.path().extension().is_some_and(|e| e == "dmp"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_death_while_opening_is_reported_too() {
    let dir = TempDir::new().unwrap();
    let server = keeping(dir.path());
    let death = try_open(&server, "born-crashing")
        .unwrap_err()
        .death
        .unwrap();
    let report = server.crash(&death.report_id).unwrap();
    assert_eq!(report.death.as_ref().unwrap().call, "OpenPlugin");
    assert_eq!(blamed(&report).name, "plugpen-worker");
    let call = report.calls.last().unwrap();
    assert!(
        call.name == "OpenPlugin" && call.micros.is_none(),
        "{call:?}"
    );
    assert!(call.arguments.contains("born-crashing"), "{call:?}");
}

/// amsynth ends itself when its state is cut off.
#[test]
fn a_real_plugins_crash_is_pinned_on_it() {
    let Some(path) = real_vst2("amsynth_vst.so") else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let server = keeping(dir.path());
    let plugin: Plugin = server
        .open(path.to_str().unwrap(), &OpenOptions::default())
        .unwrap();
    // Without the bank's header, which the worker would check.
    let state = plugin.get_state().unwrap();
    let chunk = &state[160..];
    let error = plugin.set_state(&chunk[..chunk.len() / 2]).unwrap_err();
    let death = error.death.unwrap();
    let report = server.crash(&death.report_id).unwrap();
    assert_eq!((death.signal, death.call.as_str()), (6, "SetState"));
    assert!(
        report.location.contains("amsynth_vst.so"),
        "{}",
        report.location
    );
    assert!(report.calls.last().unwrap().arguments.contains("data: ["));
}
