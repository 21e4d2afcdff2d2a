//! From a case and what was found to a report.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use plugpen_proto::VERSION;
use plugpen_proto::v1::{
    CrashAnalysis, CrashFault, CrashFrame, CrashModule, CrashReport, CrashSummary, CrashThread,
    DeathKind,
};
use plugpen_warden::{Fault, Role, signal_name};
use sha2::{Digest, Sha256};

use super::analysis::{Findings, Instruction};
use super::case::Case;

/// Frames that make a signature.
const SIGNING: usize = 5;
/// Libraries that say nothing about whose mistake it is: what others call.
const SYSTEM: [&str; 9] = [
    "ld-linux",
    "libc.so",
    "libc-",
    "libgcc_s",
    "libm.so",
    "libpthread",
    "libstdc++",
    "linux-gate",
    "[vdso]",
];
/// The worker's own program; it is at the root of every stack.
const WORKER: &str = "plugpen-";

/// The report of a death. Reads the plugin's library to hash it.
pub fn report(case: Case, found: Result<Option<Findings>, String>) -> CrashReport {
    let (analysis, analysis_note, findings) = match found {
        Ok(Some(findings)) => (CrashAnalysis::Done, String::new(), findings),
        Ok(None) => {
            let note = case.subject.untraced.clone().unwrap_or_default();
            (CrashAnalysis::None, note, Findings::default())
        }
        Err(note) => (CrashAnalysis::Failed, note, Findings::default()),
    };
    let instruction = findings.instruction.unwrap_or_default();
    let mut threads: Vec<CrashThread> = findings.threads.into_iter().map(Into::into).collect();
    let modules: Vec<CrashModule> = findings.modules.into_iter().map(Into::into).collect();
    blame(&mut threads, &case);
    let frames: &[CrashFrame] = threads.first().map_or(&[], |thread| &thread.frames);
    let library = library(&case.subject.bundle, &modules);
    let file_name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let culprit = culprit(
        frames,
        &library.as_deref().map(file_name).unwrap_or_default(),
    );
    let mut plugin = case.subject.plugin.clone();
    if let Some(library) = &library {
        (plugin.sha256, plugin.size) = hash(Path::new(library)).unwrap_or_default();
        plugin.library.clone_from(library);
    }
    let location = match culprit {
        Some(frame) => location(frame),
        None => case.death.location.clone(),
    };
    let fault = case.fault.as_ref().map(|f| fault(f, &instruction));
    CrashReport {
        report_id: case.death.report_id.clone(),
        reason: reason(&case, &instruction, threads.first()),
        signature: signature(&case, frames, culprit),
        plugin: Some(plugin),
        sandbox: case.subject.sandbox,
        fault,
        threads,
        modules,
        analysis: analysis.into(),
        analysis_note,
        location,
        count: 1,
        minidump_bytes: 0,
        calls: case.calls,
        role: match case.subject.role {
            Role::Plugin => "plugin",
            Role::Probe => "probe",
            Role::Device => "device",
        }
        .into(),
        worker_version: VERSION.into(),
        system: findings.system,
        capture_micros: case.capture.map_or(0, |capture| {
            u64::try_from(capture.took.as_micros()).unwrap_or(u64::MAX)
        }),
        death: Some(case.death),
    }
}

/// What a list says of a report.
pub fn summary(report: &CrashReport) -> CrashSummary {
    let death = report.death.clone().unwrap_or_default();
    let plugin = report.plugin.clone().unwrap_or_default();
    CrashSummary {
        report_id: report.report_id.clone(),
        time_ms: death.time_ms,
        kind: death.kind,
        signal: death.signal,
        exit_code: death.exit_code,
        call: death.call,
        summary: death.summary,
        plugin_name: plugin.name,
        plugin_path: plugin.path,
        format: plugin.format,
        location: report.location.clone(),
        signature: report.signature.clone(),
        count: report.count,
    }
}

/// Puts the thread first that the death is about: of a hang, the one that should have answered.
fn blame(threads: &mut [CrashThread], case: &Case) {
    if threads.iter().any(|thread| thread.crashed) || case.death.call != "process" {
        return;
    }
    if let Some(audio) = threads
        .iter()
        .position(|thread| thread.name == AUDIO_THREAD)
    {
        threads[..=audio].rotate_right(1);
    }
}

/// What the worker calls the thread that processes blocks.
const AUDIO_THREAD: &str = "audio";

fn is_system(frame: &CrashFrame) -> bool {
    SYSTEM.iter().any(|name| frame.module.starts_with(name))
}

/// Code of a language's own library that was compiled into the module.
fn is_runtime(frame: &CrashFrame) -> bool {
    const SOURCES: [&str; 3] = ["/rustc/", "/lib/rustlib/src/", "/include/c++/"];
    SOURCES.iter().any(|place| frame.file.contains(place))
}

/// The frame to point at: the innermost that the plugin's makers wrote, else the innermost of
/// their file, else the first that is nobody's library.
fn culprit<'a>(frames: &'a [CrashFrame], library: &str) -> Option<&'a CrashFrame> {
    let plugins = || {
        let all = frames.iter();
        all.filter(|frame| !library.is_empty() && frame.module == library)
    };
    let written = plugins().find(|frame| !is_runtime(frame));
    let nobodys = || frames.iter().find(|frame| !is_system(frame));
    let found = written.or_else(|| plugins().next()).or_else(nobodys);
    found.or(frames.first())
}

fn location(frame: &CrashFrame) -> String {
    let place = match frame.module.as_str() {
        "" => format!("{:#x}", frame.address),
        module => format!("{module}+{:#x}", frame.offset),
    };
    match frame.function.as_str() {
        "" => place,
        function => format!("{function} ({place})"),
    }
}

/// Sixteen hex digits that are equal for deaths of one plugin at one place.
fn signature(case: &Case, frames: &[CrashFrame], culprit: Option<&CrashFrame>) -> String {
    let (death, plugin) = (&case.death, &case.subject.plugin);
    let mut text = format!(
        "{} {} {} {} {}",
        death.kind, death.signal, death.exit_code, plugin.path, plugin.identifier
    );
    let place = |text: &mut String, frame: &CrashFrame| {
        let _ = write!(text, " {}+{:x}", frame.module, frame.offset);
    };
    match death.kind() {
        // Where exactly it was met is chance; from where the plugin was called is not.
        DeathKind::Hang => {
            let entry = culprit.and_then(|culprit| {
                let mut outermost = frames.iter().rev();
                outermost.find(|frame| frame.module == culprit.module)
            });
            text += &death.call;
            entry.into_iter().for_each(|frame| place(&mut text, frame));
        }
        _ if frames.is_empty() => {
            text += &death.call;
            text += &death.location;
        }
        _ => {
            let own = |frame: &&CrashFrame| !is_system(frame) && !frame.module.starts_with(WORKER);
            let stack: Vec<&CrashFrame> = frames.iter().filter(own).take(SIGNING).collect();
            match stack.is_empty() {
                true => frames
                    .iter()
                    .take(SIGNING)
                    .for_each(|f| place(&mut text, f)),
                false => stack.into_iter().for_each(|f| place(&mut text, f)),
            }
        }
    }
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

/// The library of a plugin: its file, or the first of its bundle that was loaded.
fn library(bundle: &Path, modules: &[CrashModule]) -> Option<String> {
    if bundle.as_os_str().is_empty() {
        return None;
    }
    let inside = modules
        .iter()
        .find(|module| Path::new(&module.path).starts_with(bundle));
    match inside {
        Some(module) => Some(module.path.clone()),
        None => bundle
            .is_file()
            .then(|| bundle.to_string_lossy().into_owned()),
    }
}

/// Larger files are not hashed, in bytes.
const MAX_HASHED: u64 = 1 << 30;

fn hash(path: &Path) -> Option<(String, u64)> {
    let file = File::open(path).ok()?;
    let about = file.metadata().ok()?;
    if !about.is_file() || about.len() > MAX_HASHED {
        return None;
    }
    let (mut hash, mut file) = (Sha256::new(), file.take(MAX_HASHED));
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece).ok()? {
            0 => break,
            count => hash.update(&piece[..count]),
        }
    }
    let digits = hash.finalize();
    let digits = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    Some((digits, about.len()))
}

fn fault(fault: &Fault, instruction: &Instruction) -> CrashFault {
    let earlier = |earlier: &Fault| self::fault(earlier, &Instruction::default());
    CrashFault {
        signal: fault.signal,
        signal_name: signal_name(fault.signal),
        code: fault.code,
        code_name: code_name(fault.signal, fault.code).into(),
        address: fault.address,
        system_call: fault.system_call,
        instruction: instruction.text.clone(),
        instruction_bytes: instruction.bytes.clone(),
        earlier: fault.earlier.as_deref().map(earlier).map(Box::new),
        stack_overflow: fault.stack_overflow,
    }
}

/// The names of sigaction(2).
fn code_name(signal: i32, code: i32) -> &'static str {
    const SEGV: i32 = 11;
    const BUS: i32 = 7;
    const ILL: i32 = 4;
    const FPE: i32 = 8;
    const SYS: i32 = 31;
    match (signal, code) {
        (_, 0) => "SI_USER",
        (_, 0x80) => "SI_KERNEL",
        (_, -1) => "SI_QUEUE",
        (_, -6) => "SI_TKILL",
        (SEGV, 1) => "SEGV_MAPERR",
        (SEGV, 2) => "SEGV_ACCERR",
        (SEGV, 4) => "SEGV_PKUERR",
        (BUS, 1) => "BUS_ADRALN",
        (BUS, 2) => "BUS_ADRERR",
        (BUS, 3) => "BUS_OBJERR",
        (ILL, 1) => "ILL_ILLOPC",
        (ILL, 2) => "ILL_ILLOPN",
        (FPE, 1) => "FPE_INTDIV",
        (FPE, 2) => "FPE_INTOVF",
        (FPE, 3) => "FPE_FLTDIV",
        (SYS, 1) => "SYS_SECCOMP",
        _ => "",
    }
}

/// What happened, for people.
fn reason(case: &Case, instruction: &Instruction, thread: Option<&CrashThread>) -> String {
    let who = match thread.map(|thread| thread.name.as_str()) {
        None | Some("") => String::new(),
        Some(name) => format!(" on the thread {name:?}"),
    };
    let Some(fault) = &case.fault else {
        return match case.death.kind() {
            DeathKind::Exit => format!("exit({}) was called{who}", case.death.exit_code),
            DeathKind::Hang => format!("it did not come back from {}{who}", running(case)),
            _ => String::new(),
        };
    };
    let earlier = fault.earlier.as_deref();
    if let Some(overflow) = [Some(fault), earlier]
        .into_iter()
        .flatten()
        .find(|f| f.stack_overflow)
    {
        let signal = signal_name(overflow.signal);
        return format!(
            "{signal}: the stack ended{who}: a recursion without end, or a large array"
        );
    }
    let first = describe(fault, instruction);
    match earlier {
        Some(earlier) => {
            let before = describe(earlier, &Instruction::default());
            format!("{first}{who}, after {before}")
        }
        None => format!("{first}{who}"),
    }
}

fn running(case: &Case) -> &str {
    match case.death.call.as_str() {
        "" => "what it did by itself",
        call => call,
    }
}

fn describe(fault: &Fault, instruction: &Instruction) -> String {
    let name = signal_name(fault.signal);
    let code = code_name(fault.signal, fault.code);
    let bytes = match instruction.size {
        0 => String::new(),
        1 => " 1 byte".to_owned(),
        size => format!(" {size} bytes"),
    };
    let what = match (fault.address, instruction.access.as_str()) {
        (Some(address), "write") => format!("wrote{bytes} to {address:#x}"),
        (Some(address), "read") => format!("read{bytes} from {address:#x}"),
        (Some(address), _) => format!("used the address {address:#x}"),
        (None, _) => String::new(),
    };
    let why = match code {
        "SEGV_MAPERR" => ", where there is no memory",
        "SEGV_ACCERR" => ", which its rights do not allow",
        "BUS_ADRERR" => ", beyond the end of a mapped file",
        _ => "",
    };
    match (name.as_str(), code) {
        ("SIGSEGV" | "SIGBUS", "SEGV_MAPERR" | "SEGV_ACCERR" | "BUS_ADRERR") => {
            format!("{name}: {what}{why}")
        }
        ("SIGSEGV", "SI_KERNEL") => format!("{name}: used an address that cannot be one"),
        ("SIGFPE", "FPE_INTDIV") => format!("{name}: divided by zero"),
        ("SIGILL", _) if fault.code > 0 => format!("{name}: met an instruction that there is not"),
        ("SIGABRT", "SI_USER" | "SI_QUEUE") => format!("{name}: the signal was sent"),
        ("SIGABRT", _) => format!("{name}: abort() was called"),
        ("SIGSYS", _) => match fault.system_call {
            Some(call) => format!("{name}: made the system call {call}, which is forbidden"),
            None => name,
        },
        (_, "SI_USER" | "SI_TKILL" | "SI_QUEUE") => format!("{name}: the signal was sent"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::Death;

    use super::*;
    use crate::crashes::case::Subject;

    fn case(kind: DeathKind, fault: Option<Fault>) -> Case {
        Case {
            death: Death {
                kind: kind.into(),
                call: "process".into(),
                exit_code: 3,
                ..Death::default()
            },
            subject: Subject::new(Role::Plugin, "/x/a.so", "/x/a.so".into()),
            calls: Vec::new(),
            fault,
            capture: None,
        }
    }

    fn segv(address: u64) -> Fault {
        Fault {
            signal: 11,
            code: 1,
            address: Some(address),
            system_call: None,
            place: None,
            stack_overflow: false,
            earlier: None,
        }
    }

    fn frame(module: &str, offset: u64) -> CrashFrame {
        CrashFrame {
            module: module.into(),
            offset,
            ..CrashFrame::default()
        }
    }

    #[test]
    fn a_reason_says_what_was_done_and_where() {
        let write = Instruction {
            access: "write".into(),
            size: 4,
            ..Instruction::default()
        };
        let audio = CrashThread {
            name: "audio".into(),
            ..CrashThread::default()
        };
        let case_of = |fault| case(DeathKind::Signal, Some(fault));
        assert_eq!(
            reason(&case_of(segv(8)), &write, Some(&audio)),
            "SIGSEGV: wrote 4 bytes to 0x8, where there is no memory on the thread \"audio\""
        );
        let overflow = Fault {
            stack_overflow: true,
            ..segv(8)
        };
        let abort = Fault {
            signal: 6,
            code: -6,
            address: None,
            earlier: Some(Box::new(overflow)),
            ..segv(0)
        };
        assert!(reason(&case_of(abort), &write, None).starts_with("SIGSEGV: the stack ended"));
        assert_eq!(
            reason(&case(DeathKind::Exit, None), &write, None),
            "exit(3) was called"
        );
    }

    #[test]
    fn the_plugin_is_pointed_at_and_not_its_libraries() {
        let frames = [
            frame("libc.so.6", 1),
            frame("libstdc++.so.6", 2),
            frame("helper.so", 3),
            frame("a.so", 4),
            frame("plugpen-worker", 5),
        ];
        assert_eq!(culprit(&frames, "a.so").unwrap().offset, 4);
        let std = CrashFrame {
            file: "/rustc/0/library/std/src/process.rs".into(),
            ..frame("a.so", 7)
        };
        let inside = [std.clone(), frames[3].clone()];
        assert_eq!(culprit(&inside, "a.so").unwrap().offset, 4);
        assert_eq!(culprit(&[std], "a.so").unwrap().offset, 7);
        assert_eq!(culprit(&frames, "").unwrap().offset, 3);
        assert_eq!(culprit(&frames[..2], "a.so").unwrap().offset, 1);
        assert_eq!(location(&frames[3]), "a.so+0x4");
    }

    #[test]
    fn equal_stacks_have_one_signature() {
        let frames = [frame("libc.so.6", 1), frame("a.so", 4), frame("a.so", 9)];
        let sign = |kind, frames: &[CrashFrame]| {
            signature(&case(kind, None), frames, culprit(frames, "a.so"))
        };
        let other_libc = [frame("libc.so.6", 7), frames[1].clone(), frames[2].clone()];
        assert_eq!(
            sign(DeathKind::Signal, &frames),
            sign(DeathKind::Signal, &other_libc)
        );
        let elsewhere = [frames[0].clone(), frame("a.so", 5), frames[2].clone()];
        assert_ne!(
            sign(DeathKind::Signal, &frames),
            sign(DeathKind::Signal, &elsewhere)
        );
        // A hang is met anywhere.
        assert_eq!(
            sign(DeathKind::Hang, &frames),
            sign(DeathKind::Hang, &elsewhere)
        );
        assert_eq!(sign(DeathKind::Signal, &[]).len(), 16);
    }
}
