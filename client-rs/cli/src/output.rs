//! Writing to terminals, pipes and files.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use plugpen::v1::ErrorReason;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// A call of the client failed.
    Client(plugpen::Error),
    /// Nothing could be written or executed.
    Io(io::Error),
    /// The command line asks for what does not go together.
    Usage(String),
    /// Some of many results are failures, and were told.
    Partly(String),
    /// Another program failed with this exit code, and said why.
    Told(u8),
}

/// Exit codes, beside 0 for success and 130 or 143 after a signal.
mod code {
    pub const FAILURE: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NOT_FOUND: u8 = 3;
    pub const CRASHED: u8 = 4;
    pub const HUNG: u8 = 5;
}

impl Failure {
    /// A file cannot be read or written.
    pub fn file(path: &Path, error: &io::Error) -> Failure {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => ErrorReason::NotFound,
            _ => ErrorReason::NotAllowed,
        };
        let message = format!("{}: {error}", path.display());
        Failure::Client(plugpen::Error::new(reason, message))
    }

    /// The exit code that tells what kind of failure it is.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => code::USAGE,
            Failure::Told(code) => *code,
            Failure::Client(error) => match error.reason {
                ErrorReason::NotFound => code::NOT_FOUND,
                ErrorReason::PluginCrashed | ErrorReason::PluginDead => code::CRASHED,
                ErrorReason::PluginHung => code::HUNG,
                _ => code::FAILURE,
            },
            Failure::Io(_) | Failure::Partly(_) => code::FAILURE,
        }
    }

    /// Whether the reader of the output has had enough, as `head` has: no failure of ours.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<plugpen::Error> for Failure {
    fn from(error: plugpen::Error) -> Self {
        Failure::Client(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Client(error) => error.fmt(f),
            Failure::Io(error) => error.fmt(f),
            Failure::Usage(message) | Failure::Partly(message) => message.fmt(f),
            Failure::Told(code) => write!(f, "the program that was run ended with {code}"),
        }
    }
}

/// What a command answers with.
pub type Done = Result<(), Failure>;

/// Says on standard error why the program fails, with a plugin's last words where it died.
pub fn complain(failure: &Failure) {
    if matches!(failure, Failure::Told(_)) {
        return;
    }
    let paint = Paint::of(&io::stderr());
    let mut text = format!("{} {failure}\n", paint.bad("Error:"));
    if let Failure::Client(error) = failure
        && let Some(death) = &error.death
    {
        for line in &death.output {
            text.push_str(&format!("  {} {}\n", paint.faint("|"), plain(line)));
        }
    }
    // There is nobody left to tell if this fails.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Colours, where a person looks and has not asked for none.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    is_on: bool,
}

impl Paint {
    /// The colours for an output.
    pub fn of(output: &impl IsTerminal) -> Paint {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint {
            is_on: output.is_terminal() && !refused,
        }
    }

    /// Something to look at first.
    pub fn strong(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    /// Something gone wrong.
    pub fn bad(self, text: impl Display) -> String {
        self.wrap("1;31", text)
    }

    /// Something to look at last.
    pub fn faint(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        match self.is_on {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }
}

/// A plugin's text without control characters, which a hostile one could drive a terminal with.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Columns as wide as their widest cell; the last one is not padded.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Writes the whole result at once.
///
/// # Errors
/// Whatever the output has against it.
pub fn print(text: &str) -> Done {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(())
}

/// Writes a JSON value, indented.
///
/// # Errors
/// As [`print()`].
pub fn print_json(value: &serde_json::Value) -> Done {
    print(&format!("{value:#}\n"))
}

/// That a file may be written: none is there, or it may be overwritten.
///
/// # Errors
/// Says how to overwrite it.
pub fn check_new(path: &Path, overwrite: bool) -> Done {
    if overwrite || !path.is_file() {
        return Ok(());
    }
    Err(Failure::Client(plugpen::Error::invalid(format!(
        "{} is there already; -y overwrites it",
        path.display()
    ))))
}

/// Writes a file, which has its name only once it is complete.
///
/// # Errors
/// It is there already and must not be overwritten; whatever the system says.
pub fn write_new(path: &Path, bytes: &[u8], overwrite: bool) -> Done {
    check_new(path, overwrite)?;
    plugpen::engine::write_file(path, bytes).map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let rows = [["a", "long", "x"], ["bbb", "c", ""]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "a    long  x\nbbb  c\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\n"), "a [2Jb ");
    }

    #[test]
    fn deaths_and_what_is_missing_have_exit_codes_of_their_own() {
        let code = |reason| Failure::from(plugpen::Error::new(reason, "x")).code();
        assert_eq!(code(ErrorReason::InvalidInput), 1);
        assert_eq!(Failure::Usage("x".into()).code(), 2);
        assert_eq!(code(ErrorReason::NotFound), 3);
        assert_eq!(code(ErrorReason::PluginCrashed), 4);
        assert_eq!(code(ErrorReason::PluginDead), 4);
        assert_eq!(code(ErrorReason::PluginHung), 5);
    }

    #[test]
    fn a_file_is_overwritten_on_demand_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write_new(&path, b"one", false).unwrap();
        let refused = write_new(&path, b"two", false).unwrap_err();
        assert!(refused.to_string().contains("-y"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_new(&path, b"two", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = write_new(&folder.path().join("a/b"), b"", false).unwrap_err();
        assert_eq!(missing.code(), code::NOT_FOUND);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(closed.is_closed_pipe());
        assert!(!Failure::from(plugpen::Error::invalid("x")).is_closed_pipe());
    }
}
