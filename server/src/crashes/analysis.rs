//! Runs `plugpen-autopsy` on a minidump, within bounds.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use plugpen_proto::v1::{CrashFrame, CrashModule, CrashThread};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// How long it may take. It takes some hundredths of a second, and more where Qt is on the stack.
const DEADLINE: Duration = Duration::from_secs(20);
/// Bytes of its answer, and of its complaints.
const MAX_ANSWER: u64 = 4 << 20;
const MAX_COMPLAINT: u64 = 4 << 10;

/// What it found.
#[derive(Debug, Default, Deserialize)]
pub struct Findings {
    pub threads: Vec<Thread>,
    pub instruction: Option<Instruction>,
    pub modules: Vec<Module>,
    pub system: String,
}

#[derive(Debug, Deserialize)]
pub struct Thread {
    tid: u32,
    name: String,
    crashed: bool,
    truncated: bool,
    frames: Vec<Frame>,
}

#[derive(Debug, Deserialize)]
struct Frame {
    address: u64,
    module: String,
    offset: u64,
    function: String,
    file: String,
    line: u32,
    inlined: bool,
}

/// The instruction at fault.
#[derive(Debug, Default, Deserialize)]
pub struct Instruction {
    pub text: String,
    pub bytes: String,
    /// "read", "write" or nothing.
    pub access: String,
    pub size: u64,
}

#[derive(Debug, Deserialize)]
pub struct Module {
    path: String,
    base: u64,
    size: u64,
}

impl From<Thread> for CrashThread {
    fn from(thread: Thread) -> Self {
        let frame = |frame: Frame| CrashFrame {
            address: frame.address,
            module: frame.module,
            offset: frame.offset,
            function: frame.function,
            file: frame.file,
            line: frame.line,
            inlined: frame.inlined,
        };
        Self {
            tid: thread.tid,
            name: thread.name,
            crashed: thread.crashed,
            truncated: thread.truncated,
            frames: thread.frames.into_iter().map(frame).collect(),
        }
    }
}

impl From<Module> for CrashModule {
    fn from(module: Module) -> Self {
        let Module { path, base, size } = module;
        Self { path, base, size }
    }
}

/// Analyses a dump.
///
/// # Errors
/// One sentence for people.
pub async fn analyse(program: &Path, minidump: &Path) -> Result<Findings, String> {
    let mut child = Command::new(program)
        .arg(minidump)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    let (output, complaint) = (child.stdout.take(), child.stderr.take());
    let running = async {
        let (output, complaint) =
            tokio::join!(read(output, MAX_ANSWER), read(complaint, MAX_COMPLAINT));
        (child.wait().await, output, complaint)
    };
    let (status, output, complaint) = tokio::time::timeout(DEADLINE, running)
        .await
        .map_err(|_| format!("the analysis took longer than {} s", DEADLINE.as_secs()))?;
    match status {
        Ok(status) if status.success() => serde_json::from_slice(&output)
            .map_err(|error| format!("the analysis answered with nonsense: {error}")),
        Ok(status) => {
            let complaint = String::from_utf8_lossy(&complaint);
            Err(format!(
                "the analysis failed ({status}): {}",
                complaint.trim()
            ))
        }
        Err(error) => Err(format!("the analysis was lost: {error}")),
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came counts; the rest is not parsed, or not there.
        let _ = pipe.take(most).read_to_end(&mut bytes).await;
    }
    bytes
}
