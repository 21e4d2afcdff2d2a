//! A file that has its name only once it is complete.

use std::fs::OpenOptions;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use tempfile::NamedTempFile;

use super::unwritable;

/// A file under a temporary name (`.NAME.*.part`, beside its place), which a drop removes.
pub struct PartialFile {
    file: BufWriter<NamedTempFile>,
    place: PathBuf,
}

impl PartialFile {
    /// Begins a file that shall be at `path`. What is there stays as it is until then.
    pub fn create(path: &Path) -> Result<Self, Error> {
        // Through links, so that they stay links.
        let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let there = place.metadata().ok();
        if let Some(there) = &there {
            if !there.is_file() {
                return Err(unwritable(path, "it is there and not a file"));
            }
            let writable = OpenOptions::new().write(true).open(&place);
            writable.map_err(|error| unwritable(path, error))?;
        }
        let name = place.file_name().unwrap_or_default().to_string_lossy();
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
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
                _ => error.to_string(),
            };
            unwritable(path, why)
        })?;
        if let Some(there) = there {
            let kept = file.as_file().set_permissions(there.permissions());
            kept.map_err(|error| unwritable(path, error))?;
        }
        Ok(Self {
            file: BufWriter::with_capacity(1 << 16, file),
            place,
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| failed(&self.place, error))
    }

    /// Writes over what is at `position`; the end is next again.
    pub fn write_at(&mut self, position: u64, bytes: &[u8]) -> Result<(), Error> {
        let file = &mut self.file;
        let written = file
            .seek(SeekFrom::Start(position))
            .and_then(|_| file.write_all(bytes))
            .and_then(|()| file.seek(SeekFrom::End(0)));
        written.map_err(|error| failed(&self.place, error))?;
        Ok(())
    }

    /// Gives the complete file its name.
    pub fn finish(self) -> Result<(), Error> {
        let Self { file, place } = self;
        let file = file.into_inner();
        let file = file.map_err(|error| failed(&place, error.into_error()))?;
        let kept = file.persist(&place);
        kept.map(drop).map_err(|error| failed(&place, error.error))
    }

    pub fn path(&self) -> &Path {
        &self.place
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorReason::NotAllowed,
        format!("Failed to write audio file: {}: {error}", path.display()),
    )
}
