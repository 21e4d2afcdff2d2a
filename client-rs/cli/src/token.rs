//! `plugpen token`: makes the tokens by which callers from other machines get in.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::output::{Done, Failure, print, print_json, table};

/// Random bytes of a token.
const BYTES: usize = 32;
/// What the daemon takes: tokens of a file, and bytes of a name.
const MOST: usize = 256;
const LONGEST_NAME: usize = 64;
/// Where an entry of the file begins.
const HEAD: &str = "[[token]]";

/// Make a token for callers from other machines, list or remove those that there are
#[derive(Debug, clap::Args)]
pub struct Token {
    /// Who it is for: a name for the daemon's log, without spaces
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// The file of tokens that plugpend is told by --tokens; only their hashes are in it. The
    /// daemon reads it again when it changes
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
    /// What it allows
    #[arg(long, value_enum, default_value_t = Scope::Play, conflicts_with_all = ["remove", "list"])]
    scope: Scope,
    /// Remove the token of this name: from then on it is refused
    #[arg(long)]
    remove: bool,
    /// Print the names of all tokens and what they allow
    #[arg(long, conflicts_with_all = ["name", "remove"])]
    list: bool,
    /// Print the list as JSON
    #[arg(short, long, requires = "list")]
    json: bool,
}

/// What a token allows; each has what those before it have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    /// Learn about the daemon and what earlier scans found
    Read,
    /// Scan, open and play plugins of its own
    Play,
    /// See and end what others opened, and forget what is kept
    Admin,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Play => "play",
            Scope::Admin => "admin",
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    scope: Scope,
    blake3: String,
}

impl Token {
    /// Does what was asked for.
    ///
    /// # Errors
    /// The file cannot be read or written, a name is taken or not there.
    pub fn run(self) -> Done {
        let text = match std::fs::read_to_string(&self.tokens) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.list => {
                String::new()
            }
            Err(error) => return Err(Failure::file(&self.tokens, &error)),
        };
        let file = parse(&self.tokens, &text)?;
        match (&self.name, self.remove) {
            (None, _) => self.print(&file),
            (Some(name), true) => self.take(name, &file, &text),
            (Some(name), false) => self.make(name, &file, text),
        }
    }

    fn print(&self, file: &File) -> Done {
        if self.json {
            let rows = file
                .token
                .iter()
                .map(|t| json!({"name": t.name, "scope": t.scope}));
            return print_json(&rows.collect());
        }
        let row = |entry: &Entry| vec![entry.name.clone(), entry.scope.name().to_owned()];
        print(&table(&file.token.iter().map(row).collect::<Vec<_>>()))
    }

    fn make(&self, name: &str, file: &File, mut text: String) -> Done {
        check_name(name)?;
        if file.token.iter().any(|entry| entry.name == name) {
            return Err(invalid(format!(
                "{} has a token named {name:?} already; --remove it first, or take another name",
                self.tokens.display()
            )));
        }
        if file.token.len() >= MOST {
            return Err(invalid(format!(
                "{} has {MOST} tokens, the most that there can be; --remove some",
                self.tokens.display()
            )));
        }
        let mut random = [0; BYTES];
        getrandom::fill(&mut random)
            .map_err(|error| Failure::Io(std::io::Error::other(error.to_string())))?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let entry = Entry {
            name: name.to_owned(),
            scope: self.scope,
            blake3: blake3::hash(token.as_bytes()).to_string(),
        };
        let one = File { token: vec![entry] };
        let added = toml::to_string(&one).map_err(|error| invalid(error.to_string()))?;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        self.write(&(text + &added))?;
        eprintln!(
            "Added {name} ({}) to {}. This is the only time that the token is shown:",
            self.scope.name(),
            self.tokens.display()
        );
        print(&format!("{token}\n"))
    }

    fn take(&self, name: &str, file: &File, text: &str) -> Done {
        if !file.token.iter().any(|entry| entry.name == name) {
            return Err(Failure::Client(plugpen::Error::new(
                plugpen::v1::ErrorReason::NotFound,
                format!("{} has no token named {name:?}", self.tokens.display()),
            )));
        }
        let left = without(&self.tokens, text, name)?;
        self.write(&left)?;
        eprintln!("Removed {name} from {}", self.tokens.display());
        Ok(())
    }

    /// For the owner's eyes only, and never half written: the daemon may read it at any time.
    fn write(&self, text: &str) -> Done {
        let failed = |error: std::io::Error| Failure::file(&self.tokens, &error);
        // What a link points to stays the file.
        let path = match self.tokens.canonicalize() {
            Ok(path) => path,
            Err(_) => self.tokens.clone(),
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::Builder::new()
            .prefix(".plugpen.")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(folder)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

fn invalid(message: String) -> Failure {
    Failure::Client(plugpen::Error::invalid(message))
}

fn parse(path: &Path, text: &str) -> Result<File, Failure> {
    toml::from_str(text).map_err(|error| {
        invalid(format!(
            "{} is no file of tokens, and stays as it is: {error}",
            path.display()
        ))
    })
}

fn check_name(name: &str) -> Done {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && (1..=LONGEST_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(invalid(format!(
        "the name {name:?}; expected 1 to {LONGEST_NAME} printable ASCII characters without spaces"
    )))
}

/// The text without one entry; the others keep their comments.
fn without(path: &Path, text: &str, name: &str) -> Result<String, Failure> {
    let mut parts = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.trim() == HEAD {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
        }
    }
    let mut left = String::new();
    for part in parts {
        let is_its = |file: &File| file.token.iter().any(|entry| entry.name == name);
        // What comes before the first entry may be more than one.
        let is_entry = part.trim_start().starts_with(HEAD);
        if !is_entry || !toml::from_str(&part).is_ok_and(|file: File| is_its(&file)) {
            left += &part;
        }
    }
    // A file that is written in another way than ours may not fall into these parts.
    if parse(path, &left)?
        .token
        .iter()
        .any(|entry| entry.name == name)
    {
        return Err(invalid(format!(
            "{} is written so that {name:?} has to be taken out by hand",
            path.display()
        )));
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_goes_and_the_rest_stays() {
        let hash = "0".repeat(64);
        let entry =
            |name| format!("[[token]]\nname = {name:?}\nscope = \"play\"\nblake3 = \"{hash}\"\n");
        let text = format!("# ours\n{}# b's\n{}", entry("a"), entry("b"));
        let path = Path::new("tokens");
        let left = without(path, &text, "b").unwrap();
        assert_eq!(left, format!("# ours\n{}# b's\n", entry("a")));
        let left = without(path, &left, "a").unwrap();
        assert_eq!(left, "# ours\n");
        let inline = format!("token = [{{ name = \"a\", scope = \"read\", blake3 = \"{hash}\" }}]");
        assert!(without(path, &inline, "a").is_err());
    }

    #[test]
    fn names_are_those_that_the_daemon_takes() {
        for wrong in ["", "a b", "ä", &"x".repeat(65)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
        check_name("a-notebook@home").unwrap();
    }
}
