//! The secret that every call carries. A worker runs as the same user as the daemon; should a
//! hole in its jail let it reach the socket, it still does not know this.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A token, 64 hex digits.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A fresh one, in a file of mode 0600 that replaces an earlier one.
    ///
    /// # Errors
    /// What the system says of the random source or the file.
    pub fn create(path: &Path) -> io::Result<Self> {
        let token = Self(crate::ids::random_hex::<32>()?);
        if let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(token.0.as_bytes())?;
        Ok(token)
    }

    /// Whether an `authorization` value is `Bearer` and this token. The time it takes tells
    /// nothing about how much of it was right.
    pub fn matches(&self, authorization: &[u8]) -> bool {
        let Some(given) = authorization.strip_prefix(b"Bearer ") else {
            return false;
        };
        // Comparing keyed digests takes no secret-dependent time, whatever the comparison does.
        let key = blake3::hash(self.0.as_bytes());
        blake3::keyed_hash(key.as_bytes(), given)
            == blake3::keyed_hash(key.as_bytes(), self.0.as_bytes())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let old = Token::create(&path).unwrap();
        let token = Token::create(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.len(), 64);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(token.matches(format!("Bearer {text}").as_bytes()));
        assert!(!old.matches(format!("Bearer {text}").as_bytes()));
        for wrong in [
            "",
            "Bearer ",
            &text,
            &format!("Bearer {}", &text[1..]),
            &format!("bearer {text}"),
        ] {
            assert!(!token.matches(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{token:?}").contains(&text));
    }
}
