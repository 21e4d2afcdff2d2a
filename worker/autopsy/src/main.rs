//! plugpen-autopsy: reads the minidump of a worker that died, and says on standard output, as
//! JSON, where its threads were.
//!
//! A dump is what a hostile process left behind, and the files it names are as hostile. So this is
//! a program of its own: it may read files and write to what it was started with, for some seconds,
//! in bounded memory, and nothing else ([`confinement`]). Whoever starts it gives it a deadline.
#![forbid(unsafe_code)]

mod confinement;
mod disassembly;
mod findings;
mod modules;
mod stacks;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use minidump::{Minidump, MinidumpException, MinidumpModuleList, MinidumpSystemInfo};

use findings::{Findings, Module};
use modules::Modules;

const USAGE: &str = "usage: plugpen-autopsy MINIDUMP";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [path] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match confinement::enter().and_then(|()| examine(Path::new(path))) {
        Ok(findings) => print(&findings),
        Err(error) => {
            eprintln!("plugpen-autopsy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(findings: &Findings) -> ExitCode {
    match serde_json::to_writer(std::io::stdout().lock(), findings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plugpen-autopsy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn examine(path: &Path) -> anyhow::Result<Findings> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let dump = Minidump::read(bytes).map_err(|error| anyhow!("this is no minidump: {error}"))?;
    let system: MinidumpSystemInfo = dump.get_stream()?;
    let list: MinidumpModuleList = dump.get_stream().unwrap_or_default();
    let mut modules = Modules::new(&list);
    let exception: Option<MinidumpException<'_>> = dump.get_stream().ok();
    Ok(Findings {
        threads: stacks::threads(&dump, &system, exception.as_ref(), &mut modules)?,
        instruction: exception.and_then(|e| disassembly::at_fault(&dump, &system, &e)),
        modules: list.iter().map(Module::of).collect(),
        system: format!(
            "{} {}",
            system.csd_version().unwrap_or_default(),
            system.cpu
        ),
    })
}
