//! `plugpen analyze`: what a plugin does to sound. The Python package measures and draws.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plugpen::Error;
use plugpen::v1::ErrorReason;

use crate::context::{Context, Pace};
use crate::output::{Done, Failure};
use crate::which::{self, Which};

/// The Python to use, where it is not found by itself.
const PYTHON_VARIABLE: &str = "PLUGPEN_PYTHON";

/// What a shell reports of a program that a signal ended, less the signal.
const SIGNALLED: i32 = 128;

/// Measure what a plugin does to sound, and draw it (needs the Python package plugpen)
#[derive(Debug, clap::Args)]
pub struct Analyze {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pace: Pace,
    /// Draw into FILE: .png, .svg or .pdf (needs matplotlib)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// The program to measure, from 0
    #[arg(long, value_name = "N")]
    program: Option<u32>,
    /// Set a parameter first: NAME:VALUE, 0 to 1 or a text that the plugin reads; may be repeated
    #[arg(long, value_name = "NAME:VALUE")]
    param: Vec<String>,
    /// Peak of the sine sweep and of the sine whose harmonics are measured [default: -6]
    #[arg(long, value_name = "DBFS", allow_negative_numbers = true)]
    level: Option<f64>,
    /// Print a JSON object
    #[arg(short, long)]
    json: bool,
}

impl Analyze {
    /// Has the Python package measure the plugin, on the same daemon.
    ///
    /// # Errors
    /// No Python with the package is found, or it fails.
    pub fn run(self, context: &Context) -> Done {
        let place = which::find(&context.server, &self.which)?;
        let python = find_python()?;
        let options = self.pace.or(context.pace).options();
        let mut command = Command::new(python);
        command.args(["-m", "plugpen.analysis"]);
        command.arg(format!("--server={}", context.server.target()));
        command.arg(format!("--sample-rate={}", options.sample_rate));
        command.arg(format!("--block-size={}", options.max_block_size));
        if !place.selector.is_empty() {
            command.arg(format!("--plugin={}", place.selector));
        }
        if let Some(plot) = self.plot {
            let mut argument = OsString::from("--plot=");
            argument.push(plot);
            command.arg(argument);
        }
        if let Some(program) = self.program {
            command.arg(format!("--program={program}"));
        }
        if let Some(level) = self.level {
            command.arg(format!("--level={level}"));
        }
        let settings = self.param.iter();
        command.args(settings.map(|setting| format!("--param={setting}")));
        if self.json {
            command.arg("--json");
        }
        // What follows is no flag, whatever it begins with.
        command.arg("--").arg(place.path);
        let status = command.status()?;
        match status.code().or(status.signal().map(|s| SIGNALLED + s)) {
            Some(0) => Ok(()),
            code => Err(Failure::Told(
                code.and_then(|code| code.try_into().ok()).unwrap_or(1),
            )),
        }
    }
}

/// A Python that has the package: the one that is named, of a virtual environment that is active
/// or belongs to where this program lies, or the user's.
fn find_python() -> Result<PathBuf, Error> {
    let candidates = match env::var_os(PYTHON_VARIABLE).filter(|named| !named.is_empty()) {
        Some(named) => vec![PathBuf::from(named)],
        None => candidates(env::current_exe().ok().as_deref()),
    };
    let found = candidates.iter().find(|python| has_package(python));
    found.cloned().ok_or_else(|| {
        let looked: Vec<_> = candidates.iter().map(|p| p.display().to_string()).collect();
        let message = format!(
            "measuring needs a Python with the package plugpen, looked for in {}; install it with \
             pip install 'plugpen[plot]', or name the right Python in {PYTHON_VARIABLE}",
            looked.join(", ")
        );
        Error::new(ErrorReason::Unsupported, message)
    })
}

fn candidates(program: Option<&Path>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    found.extend(env::var_os("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("bin/python")));
    let folder = program.and_then(Path::parent);
    found.extend(folder.map(|folder| folder.join("python3")));
    let above = folder.into_iter().flat_map(Path::ancestors);
    found.extend(above.map(|folder| folder.join(".venv/bin/python")));
    found.retain(|python| python.is_file());
    found.push("python3".into());
    found
}

fn has_package(python: &Path) -> bool {
    let mut question = Command::new(python);
    question
        .args(["-c", "import plugpen.analysis"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    question.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_virtual_environment_of_a_checkout_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join(".venv/bin/python");
        std::fs::create_dir_all(python.parent().unwrap()).unwrap();
        std::fs::write(&python, "").unwrap();
        let program = folder.path().join("target/release/plugpen");
        let found = candidates(Some(&program));
        assert!(found.contains(&python), "{found:?}");
        assert_eq!(found.last().unwrap(), Path::new("python3"));
    }
}
