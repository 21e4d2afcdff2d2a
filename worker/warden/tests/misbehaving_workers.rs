//! The warden against workers made of shell scripts: each ends, lies or hangs in its own way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use plugpen_proto::v1::{DeathKind, LogSource};
use plugpen_proto::worker::{FromWorker, Ping, ToWorker, from_worker, to_worker};
use plugpen_warden::{
    Capture, End, KillCause, Launch, Mode, Namespaces, Report, Role, Sandbox, SpawnError, Warden,
};
use tempfile::TempDir;

/// Long enough that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Heard {
    Message(Box<FromWorker>),
    Line(LogSource, String),
    Ended(End),
    Buried(Option<Capture>),
}

struct Ears(Sender<Heard>);

impl Report for Ears {
    fn message(&mut self, message: FromWorker) -> Result<(), String> {
        let _ = self.0.send(Heard::Message(Box::new(message)));
        Ok(())
    }

    fn output(&mut self, source: LogSource, line: String) {
        let _ = self.0.send(Heard::Line(source, line));
    }

    fn ended(&mut self, end: End) {
        let _ = self.0.send(Heard::Ended(end));
    }

    fn buried(&mut self, capture: Option<Capture>) {
        let _ = self.0.send(Heard::Buried(capture));
    }
}

struct Stage {
    dir: TempDir,
    warden: Warden,
    heard: Receiver<Heard>,
}

fn launch(program: PathBuf, dir: &Path) -> Launch {
    Launch {
        program,
        role: Role::Plugin,
        sandbox: Sandbox::Off,
        private_dir: dir.join("private"),
        read_only: vec!["/usr".into()],
        lv2_path: None,
        sound: Vec::new(),
        mode: Mode::Enforce,
        read_write: Vec::new(),
        namespaces: Namespaces::default(),
        user: None,
        limits: None,
    }
}

/// Starts a worker that runs this script; `$0` and the arguments are a worker's.
fn run(script: &str) -> Stage {
    let dir = TempDir::new().unwrap();
    let program = dir.path().join("worker");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let (ears, heard) = channel();
    // Another test of this process may be between fork and exec with our script open for writing.
    let warden = loop {
        match Warden::spawn(launch(program.clone(), dir.path()), Ears(ears.clone())) {
            Err(SpawnError::Child { source, .. })
                if source.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
            spawned => break spawned.unwrap(),
        }
    };
    Stage { dir, warden, heard }
}

impl Stage {
    fn next(&self) -> Heard {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }

    fn line(&self) -> String {
        match self.next() {
            Heard::Line(_, line) => line,
            other => panic!("expected a line, heard {other:?}"),
        }
    }

    /// What was found of it, after its end.
    fn capture(&self) -> Option<Capture> {
        loop {
            if let Heard::Buried(capture) = self.next() {
                return capture;
            }
        }
    }

    /// All lines up to the end, and the end.
    fn rest(&self) -> (Vec<String>, End) {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Heard::Line(_, line) => lines.push(line),
                Heard::Message(_) | Heard::Buried(_) => {}
                Heard::Ended(end) => return (lines, end),
            }
        }
    }
}

fn ping(id: u64) -> ToWorker {
    ToWorker {
        id,
        after_block: 0,
        call: Some(to_worker::Call::Ping(Ping {})),
    }
}

#[test]
fn the_ways_to_end_are_told_apart() {
    for (script, kind, signal, code) in [
        ("exit 3", DeathKind::Exit, 0, 3),
        ("kill -SEGV $$", DeathKind::Signal, 11, 0),
        ("kill -ABRT $$", DeathKind::Signal, 6, 0),
        ("kill -KILL $$", DeathKind::Killed, 9, 0),
        ("kill -XCPU $$", DeathKind::CpuLimit, 24, 0),
        ("kill -SYS $$", DeathKind::Sandbox, 31, 0),
    ] {
        let (_, end) = run(script).rest();
        assert_eq!(
            (end.kind(), end.signal(), end.exit_code()),
            (kind, signal, code),
            "{script}"
        );
    }
}

#[test]
fn last_words_are_kept_and_told_first() {
    let stage = run("echo one; echo two >&2; printf three >&2; kill -SEGV $$");
    let mut lines = Vec::new();
    let end = loop {
        match stage.next() {
            Heard::Line(source, line) => lines.push((source, line)),
            Heard::Ended(end) => break end,
            Heard::Message(_) | Heard::Buried(_) => {}
        }
    };
    // The order between the two streams is not known.
    lines.sort();
    let expected = [
        (LogSource::Stdout, "one"),
        (LogSource::Stderr, "three"),
        (LogSource::Stderr, "two"),
    ];
    assert_eq!(
        lines,
        expected.map(|(source, text)| (source, text.to_owned()))
    );
    assert_eq!(end.output.len(), 3);
}

#[test]
fn messages_pass_in_both_directions() {
    // A Ping and a Pong are the same bytes, so an echo is a correct worker.
    let stage = run("exec cat <&3 >&3");
    for id in 1..=100 {
        stage.warden.send(&ping(id), Vec::new()).unwrap();
    }
    for id in 1..=100 {
        let Heard::Message(message) = stage.next() else {
            panic!("expected a message");
        };
        assert_eq!(message.id, id);
        assert!(matches!(message.body, Some(from_worker::Body::Ping(_))));
    }
}

#[test]
fn an_answer_written_just_before_the_end_arrives() {
    let stage = run("head -c 8 <&3 >&3; kill -SEGV $$");
    stage.warden.send(&ping(7), Vec::new()).unwrap();
    assert!(matches!(stage.next(), Heard::Message(m) if m.id == 7));
    assert_eq!(stage.rest().1.kind(), DeathKind::Signal);
}

#[test]
fn noise_on_the_control_channel_is_a_protocol_death() {
    let (_, end) = run("head -c 100000 /dev/zero | tr '\\0' '\\377' >&3; exec sleep 1000").rest();
    assert_eq!(end.kind(), DeathKind::Protocol);
    assert!(
        matches!(end.cause, Some(KillCause::Protocol(text)) if text.contains("above the bound"))
    );
}

#[test]
fn a_worker_that_hangs_up_and_lives_on_is_killed() {
    let (_, end) = run("exec 3>&-; exec sleep 1000").rest();
    assert_eq!(end.kind(), DeathKind::Protocol);
}

#[test]
fn a_kill_is_named_by_its_first_cause() {
    let stage = run("exec sleep 1000");
    stage.warden.kill(KillCause::Hang);
    stage.warden.kill(KillCause::Closed);
    assert_eq!(stage.rest().1.kind(), DeathKind::Hang);
}

#[test]
fn the_worker_starts_in_a_clean_room() {
    let script = "umask; echo $HOME; env | wc -l; stat -c %a $HOME; cat; echo $*; \
                  grep -E 'Sig(Blk|Ign)' /proc/$$/status; ls /proc/$$/fd";
    let (lines, end) = run(script).rest();
    assert_eq!(end.exit_code(), 0, "{lines:?}");
    assert_eq!(lines[0], "0077");
    assert!(lines[1].ends_with("/private"));
    // The ten of the launch, and PWD and the like of the shell's own.
    let variables: usize = lines[2].parse().unwrap();
    assert!((10..=13).contains(&variables), "{variables}");
    assert_eq!(lines[3], "700");
    assert!(lines[4].starts_with("--role plugin --private-dir /"));
    assert_eq!(lines[5], "SigBlk:\t0000000000000000");
    // Signals 32 and 33 belong to glibc, which lets nobody change them.
    let ignored = u64::from_str_radix(lines[6].trim_start_matches("SigIgn:\t"), 16).unwrap();
    assert_eq!(ignored & !0x1_8000_0000, 0, "{}", lines[6]);
    // 10 is the shell's own handle of its script.
    assert_eq!(lines[7..], ["0", "1", "10", "2", "3"]);
}

#[test]
fn a_flood_of_output_is_cut_and_counted() {
    let (lines, end) =
        run("head -c 3000000 /dev/zero | tr '\\0' x | fold -w 99; echo; echo end").rest();
    assert_eq!(end.exit_code(), 0);
    let passed: usize = lines.iter().map(String::len).sum();
    assert!(passed < 2_000_000, "{passed} bytes passed");
    let dropped = lines.iter().filter(|line| line.ends_with("bytes dropped"));
    assert!(dropped.count() > 0);
    assert_eq!(end.output.len(), 20);
    assert_eq!(end.output[19], "end");
}

#[test]
fn dropping_the_handle_leaves_nothing() {
    let stage = run("mkdir -p $HOME/a/b; echo ready; exec sleep 1000");
    assert_eq!(stage.line(), "ready");
    let pid = stage.warden.pid();
    let private = stage.warden.private_dir().to_owned();
    assert!(private.join("a/b").exists());
    drop(stage.warden);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!private.exists());
    drop(stage.dir);
}

#[test]
fn a_program_that_is_missing_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let (ears, heard) = channel();
    let error = Warden::spawn(launch("/nowhere/worker".into(), dir.path()), Ears(ears));
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("/nowhere/worker") && message.contains("execve"),
        "{message}"
    );
    assert!(!dir.path().join("private").exists());
    assert!(heard.recv().is_err(), "no report without a worker");
}

#[test]
fn a_worker_that_does_not_read_fills_its_queue_and_no_more() {
    let stage = run("exec sleep 1000");
    let refused = (1..1_000_000).find(|&id| stage.warden.send(&ping(id), Vec::new()).is_err());
    assert!(refused.is_some());
}

fn is_minidump(capture: &Capture) -> bool {
    capture.minidump.starts_with(b"MDMP")
}

#[test]
fn what_dies_is_looked_at() {
    for script in [
        "kill -SEGV $$",
        "kill -ABRT $$",
        "exit 3",
        "exec 1>&- 2>&-; kill -BUS $$",
    ] {
        let stage = run(&format!("head -c 8 <&3 >/dev/null; {script}"));
        stage.warden.traced().unwrap();
        stage.warden.send(&ping(7), Vec::new()).unwrap();
        let (_, end) = stage.rest();
        let capture = stage.capture().unwrap_or_else(|| panic!("{script}"));
        assert!(is_minidump(&capture), "{script}");
        assert_eq!(end.fault.is_some(), end.signal() != 0, "{script}: {end:?}");
    }
}

#[test]
fn what_is_done_about_signals_hides_no_fault() {
    for deed in [
        "pass",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))",
        "signal.signal(signal.SIGSEGV, signal.SIG_IGN)",
        "os.closerange(0, 1000)",
    ] {
        let fault = format!("import ctypes, os, signal\n{deed}\nctypes.string_at(8)");
        let stage = run(&format!(
            "head -c 8 <&3 >/dev/null; exec python3 -c '{fault}'"
        ));
        stage.warden.traced().unwrap();
        stage.warden.send(&ping(7), Vec::new()).unwrap();
        let (_, end) = stage.rest();
        let fault = end
            .fault
            .as_ref()
            .unwrap_or_else(|| panic!("{deed}: {end:?}"));
        assert_eq!(
            (fault.signal, fault.address),
            (libc::SIGSEGV, Some(8)),
            "{deed}"
        );
        assert!(
            fault.place.is_some() && !fault.stack_overflow,
            "{deed}: {fault:?}"
        );
        assert!(is_minidump(&stage.capture().unwrap()), "{deed}");
    }
}

#[test]
fn a_signal_that_is_handled_or_ignored_is_no_death() {
    let stage = run("trap 'echo caught' SEGV; trap '' ABRT; kill -SEGV $$; kill -ABRT $$; exit 5");
    let (lines, end) = stage.rest();
    assert_eq!(
        (lines.as_slice(), end.exit_code()),
        (&["caught".to_owned()][..], 5)
    );
}

#[test]
fn a_worker_that_hangs_is_looked_at_before_it_is_killed() {
    // The second has stopped itself.
    for script in [
        "echo ready; while :; do :; done",
        "echo ready; kill -STOP $$",
    ] {
        let stage = run(script);
        assert_eq!(stage.line(), "ready");
        stage.warden.traced().unwrap();
        stage.warden.kill(KillCause::Hang);
        assert_eq!(stage.rest().1.kind(), DeathKind::Hang, "{script}");
        assert!(is_minidump(&stage.capture().unwrap()), "{script}");
        assert!(stage.warden.wait(PATIENCE));
    }
}

#[test]
fn what_is_closed_is_not_looked_at() {
    let stage = run("echo ready; exec sleep 1000");
    assert_eq!(stage.line(), "ready");
    stage.warden.kill(KillCause::Closed);
    assert_eq!(stage.rest().1.kind(), DeathKind::Killed);
    assert_eq!(stage.capture(), None);
}
