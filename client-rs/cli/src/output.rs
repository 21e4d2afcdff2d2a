//! Writing to terminals, pipes and files.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// A call of the client failed.
    Client(plugpen::Error),
    /// Nothing could be written or executed.
    Io(io::Error),
}

impl Failure {
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
        }
    }
}

/// What a command answers with.
pub type Done = Result<(), Failure>;

/// Says on standard error why the program fails, with a plugin's last words where it died.
pub fn complain(failure: &Failure) {
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
    fn a_closed_pipe_is_no_failure() {
        let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(closed.is_closed_pipe());
        assert!(!Failure::from(plugpen::Error::invalid("x")).is_closed_pipe());
    }
}
