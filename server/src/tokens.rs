//! Who may call from other machines: a file of hashed tokens, read again when it changes.
//!
//! ```toml
//! [[token]]
//! name = "notebook"
//! scope = "play"
//! blake3 = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
//! ```
//!
//! The hash is BLAKE3 over the token's text. `plugpen token` makes tokens of 256 random bits, for
//! which a fast hash is enough.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use blake3::Hash;
use serde::Deserialize;

use crate::lock::lock;
use crate::scope::Scope;

/// A changed file counts after this long at the latest.
const LOOK: Duration = Duration::from_secs(1);
/// Most tokens a file may have: each call is compared with all of them.
const MOST: usize = 256;
/// Longest name of a token, in bytes.
const LONGEST_NAME: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    scope: Scope,
    blake3: String,
}

/// Who a token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The token's name.
    pub name: Arc<str>,
    /// What it may do.
    pub scope: Scope,
}

/// The tokens of a file.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    looked: Instant,
    stamp: Option<(SystemTime, u64)>,
    known: Vec<(Hash, Holder)>,
}

impl Tokens {
    /// Reads a file of tokens.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let stamp = stamp(&path);
        let known = read(&path)?;
        let looked = Instant::now();
        let inner = Mutex::new(Inner {
            looked,
            stamp,
            known,
        });
        Ok(Self { path, inner })
    }

    /// Whose token this is. Reads the file again if it has changed; one that is wrong then changes
    /// nothing, and that is logged.
    pub fn holder(&self, token: &[u8]) -> Option<Holder> {
        let mut inner = lock(&self.inner);
        if inner.looked.elapsed() >= LOOK {
            self.look(&mut inner);
        }
        let given = blake3::hash(token);
        // Comparing hashes takes the same time whatever they are; all are looked at.
        let mut found = None;
        for (hash, holder) in &inner.known {
            if *hash == given {
                found = Some(holder.clone());
            }
        }
        found
    }

    fn look(&self, inner: &mut Inner) {
        inner.looked = Instant::now();
        let stamp = stamp(&self.path);
        if stamp == inner.stamp {
            return;
        }
        inner.stamp = stamp;
        match read(&self.path) {
            Ok(known) => {
                tracing::info!(file = %self.path.display(), tokens = known.len(), "tokens read again");
                inner.known = known;
            }
            Err(error) => tracing::error!("{error}; the tokens stay as they were"),
        }
    }
}

fn stamp(path: &std::path::Path) -> Option<(SystemTime, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn read(path: &std::path::Path) -> Result<Vec<(Hash, Holder)>, String> {
    let wrong = |why: String| format!("the tokens in {} cannot be used: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let file: File = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if file.token.len() > MOST {
        return Err(wrong(format!("more than {MOST}")));
    }
    let mut names = HashSet::new();
    let mut known = Vec::new();
    for entry in &file.token {
        let name = &entry.name;
        let plain = name.bytes().all(|byte| byte.is_ascii_graphic());
        if name.is_empty() || name.len() > LONGEST_NAME || !plain {
            return Err(wrong(format!(
                "the name {name:?}; expected 1 to {LONGEST_NAME} printable ASCII characters without spaces"
            )));
        }
        if !names.insert(name.as_str()) {
            return Err(wrong(format!("two tokens are named {name:?}")));
        }
        let hash = Hash::from_hex(&entry.blake3)
            .map_err(|_| wrong(format!("blake3 of {name:?}; expected 64 hex digits")))?;
        let holder = Holder {
            name: name.as_str().into(),
            scope: entry.scope,
        };
        known.push((hash, holder));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, scope: &str, token: &str) -> String {
        let hash = blake3::hash(token.as_bytes());
        format!("[[token]]\nname = {name:?}\nscope = {scope:?}\nblake3 = \"{hash}\"\n")
    }

    #[test]
    fn tokens_are_known_by_their_hash_and_rotate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.toml");
        let both = entry("a", "play", "secret") + &entry("b", "admin", "other");
        std::fs::write(&path, both).unwrap();
        let tokens = Tokens::open(path.clone()).unwrap();
        assert_eq!(tokens.holder(b"secret").unwrap().scope, Scope::Play);
        assert_eq!(&*tokens.holder(b"other").unwrap().name, "b");
        assert_eq!(tokens.holder(b"secre"), None);
        assert!(!format!("{tokens:?}").contains("secret"));

        std::fs::write(&path, entry("longer-name", "read", "fresh")).unwrap();
        tokens.look(&mut lock(&tokens.inner));
        assert_eq!(tokens.holder(b"secret"), None);
        assert_eq!(tokens.holder(b"fresh").unwrap().scope, Scope::Read);

        std::fs::write(&path, "nonsense").unwrap();
        tokens.look(&mut lock(&tokens.inner));
        assert!(tokens.holder(b"fresh").is_some());
    }

    #[test]
    fn mistakes_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.toml");
        for (text, word) in [
            (entry("a b", "play", "x"), "\"a b\""),
            (entry("", "play", "x"), "printable"),
            (entry("a", "all", "x"), "scope"),
            (entry("a", "play", "x") + &entry("a", "play", "y"), "two"),
            (
                "[[token]]\nname = \"a\"\nscope = \"play\"\nblake3 = \"12\"".into(),
                "64 hex",
            ),
            ("[[tokens]]".into(), "tokens"),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = Tokens::open(path.clone()).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
        assert!(Tokens::open(dir.path().join("none")).is_err());
    }
}
