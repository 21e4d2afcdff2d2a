//! Files that a client hands over: copied into the private folder, the only place outside the
//! system's that the plugin can read.

use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::limits::{MAX_STAGED, MAX_STAGED_FILES};
use plugpen_proto::v1::ErrorReason;

/// Longest name that is kept of a file.
const LONGEST_NAME: usize = 100;

/// The staged files of one worker.
#[derive(Debug, Default)]
pub struct Staging {
    folder: PathBuf,
    count: u32,
    bytes: u64,
}

impl Staging {
    /// Below the worker's private folder.
    pub fn new(private_dir: &Path) -> Self {
        Self {
            folder: private_dir.join("files"),
            count: 0,
            bytes: 0,
        }
    }

    /// Writes a file and returns its place. Each has a folder of its own, so that it keeps its
    /// name and its extension, which plugins look at.
    ///
    /// # Errors
    /// More than all staged files may take together, or a full disk.
    pub fn add(&mut self, name: &str, data: &[u8]) -> Result<PathBuf, Error> {
        let bytes = self.bytes + u64::try_from(data.len()).unwrap_or(u64::MAX);
        if bytes > MAX_STAGED {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!("the files handed over would have {bytes} bytes, above {MAX_STAGED}"),
            ));
        }
        if self.count == MAX_STAGED_FILES {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!("{MAX_STAGED_FILES} files were handed over already; restart the plugin"),
            ));
        }
        let folder = self.folder.join(self.count.to_string());
        let path = folder.join(plain_name(name));
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, data));
        written.map_err(|error| {
            Error::new(
                ErrorReason::LimitReached,
                format!("cannot write the file {name}: {error}"),
            )
        })?;
        self.count += 1;
        self.bytes = bytes;
        Ok(path)
    }
}

/// A name that means the same in a path, a URI and a shell.
fn plain_name(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    let plain: String = last
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => c,
            _ => '_',
        })
        .collect();
    // The end has the extension.
    let start = plain.len().saturating_sub(LONGEST_NAME);
    match plain[start..].trim_start_matches('.') {
        "" => "file".into(),
        name => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_out() {
        for (name, plain) in [
            ("hall.wav", "hall.wav"),
            ("../../etc/passwd", "passwd"),
            ("..", "file"),
            ("", "file"),
            ("Größe 1.wav", "Gr__e_1.wav"),
            (".bashrc", "bashrc"),
        ] {
            assert_eq!(plain_name(name), plain, "{name}");
        }
        assert!(plain_name(&format!("{}.wav", "x".repeat(500))).ends_with("x.wav"));
    }

    #[test]
    fn two_files_of_one_name_are_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut staging = Staging::new(folder.path());
        let one = staging.add("a.wav", b"1").unwrap();
        let two = staging.add("a.wav", b"2").unwrap();
        assert_ne!(one, two);
        assert_eq!(std::fs::read(two).unwrap(), b"2");
    }
}
