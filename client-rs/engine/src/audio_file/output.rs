//! The file that a writer fills, with the errors of audio files.

use std::path::Path;

use plugpen_proto::Error;

use super::{unwritable, unwritten};
use crate::partial::PartialFile;

/// An audio file that has its name only once it is complete.
pub struct Output(PartialFile);

impl Output {
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = PartialFile::create(path);
        file.map(Self).map_err(|error| unwritable(path, error))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.0.write(bytes);
        written.map_err(|error| unwritten(self.path(), error))
    }

    /// Writes over what is at `position`; the end is next again.
    pub fn write_at(&mut self, position: u64, bytes: &[u8]) -> Result<(), Error> {
        let written = self.0.write_at(position, bytes);
        written.map_err(|error| unwritten(self.path(), error))
    }

    /// Gives the complete file its name.
    pub fn finish(self) -> Result<(), Error> {
        let path = self.path().to_owned();
        self.0.finish().map_err(|error| unwritten(&path, error))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
