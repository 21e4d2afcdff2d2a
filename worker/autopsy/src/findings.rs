//! What is found, as it is written.

use minidump::{MinidumpModule, Module as _};
use serde::Serialize;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// The one to blame first.
    pub threads: Vec<Thread>,
    /// The one at fault.
    pub instruction: Option<Instruction>,
    pub modules: Vec<Module>,
    /// Kernel and processor.
    pub system: String,
}

/// One thread.
#[derive(Debug, Serialize)]
pub struct Thread {
    pub tid: u32,
    pub name: String,
    /// The signal came to it.
    pub crashed: bool,
    /// Its stack could not be followed to its beginning.
    pub truncated: bool,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

/// One call of a stack.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Frame {
    pub address: u64,
    /// File name, empty where there is none.
    pub module: String,
    /// From the module's first byte.
    pub offset: u64,
    /// Demangled, empty where unknown.
    pub function: String,
    pub file: String,
    pub line: u32,
    /// Into the next frame's function.
    pub inlined: bool,
}

/// One instruction.
#[derive(Debug, Serialize)]
pub struct Instruction {
    pub text: String,
    /// In hex.
    pub bytes: String,
    /// "read", "write" or "execute", and how many bytes; empty and 0 where unknown.
    pub access: &'static str,
    pub size: u64,
}

/// One file with code.
#[derive(Debug, Serialize)]
pub struct Module {
    pub path: String,
    pub base: u64,
    pub size: u64,
}

impl Module {
    pub fn of(module: &MinidumpModule) -> Self {
        Self {
            path: module.code_file().into_owned(),
            base: module.base_address(),
            size: module.size(),
        }
    }
}
