//! Files that have their names only once they are complete.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Characters of a file's name that its temporary one has; a name has 255 bytes at most, and a
/// character up to four.
const NAME: usize = 50;

/// A file under a temporary name (`.NAME.*.part`, beside its place), which a drop removes.
pub struct PartialFile {
    file: BufWriter<NamedTempFile>,
    place: PathBuf,
}

impl PartialFile {
    /// Begins a file that shall be at `path`. What is there stays as it is until then.
    pub fn create(path: &Path) -> io::Result<Self> {
        // Through links, so that they stay links.
        let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let there = place.metadata().ok();
        if let Some(there) = &there {
            if !there.is_file() {
                return Err(io::Error::other("it is there and not a file"));
            }
            OpenOptions::new().write(true).open(&place)?;
        }
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let name: String = name.chars().take(NAME).collect();
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.");
        builder.prefix(&prefix).suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // What the process gives to any file it makes.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let folder = match place.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let file = builder.tempfile_in(folder).map_err(|error| {
            let kind = error.kind();
            match kind {
                io::ErrorKind::NotFound => io::Error::new(kind, "its folder does not exist"),
                _ => error,
            }
        })?;
        if let Some(there) = there {
            file.as_file().set_permissions(there.permissions())?;
        }
        Ok(Self {
            file: BufWriter::with_capacity(1 << 16, file),
            place,
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Writes over what is at `position`; the end is next again.
    pub fn write_at(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(position))?;
        self.file.write_all(bytes)?;
        self.file.seek(SeekFrom::End(0)).map(|_| ())
    }

    /// Gives the complete file its name.
    pub fn finish(self) -> io::Result<()> {
        let file = self.file.into_inner().map_err(|error| error.into_error())?;
        file.persist(&self.place)?;
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.place
    }
}

/// Writes a whole file, which replaces what has its name once it is complete: whatever goes wrong,
/// nothing half written is left under a name that somebody trusts. A device or a pipe is written to
/// and not replaced.
///
/// # Errors
/// Whatever the system says; `NotFound` where its folder does not exist.
pub fn write_file(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let path = path.as_ref();
    if path.exists() && !path.is_file() {
        return std::fs::write(path, bytes);
    }
    let mut file = PartialFile::create(path)?;
    file.write(bytes)?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        // As long as a name may be, in characters of three bytes.
        for name in ["a.bin", &"ж".repeat(127), &"→".repeat(85)] {
            let path = folder.path().join(name);
            write_file(&path, b"one").unwrap();
            let mut begun = PartialFile::create(&path).unwrap();
            begun.write(b"two").unwrap();
            drop(begun);
            assert_eq!(std::fs::read(&path).unwrap(), b"one");
            write_file(&path, b"two").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"two");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        let missing = write_file(folder.path().join("a/b"), b"").unwrap_err();
        assert_eq!(missing.to_string(), "its folder does not exist");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(write_file(folder.path(), b"").is_err());
        write_file("/dev/null", b"gone").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }
}
