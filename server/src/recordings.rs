//! Recordings of deaths, on disk: few, the oldest go first.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, FlightRecording};
use prost::Message as _;
use tokio::sync::Notify;

use crate::config::RecorderTerms;
use crate::lock::lock;

/// First bytes of a file.
const MAGIC: &[u8] = b"plugpen recording 1\n";
/// Largest file: the calls, and rings of the largest size.
pub const MAX_RECORDING: usize = 256 << 20;
/// How long whoever asks waits for a recording that is being written.
const PATIENCE: Duration = Duration::from_secs(10);

/// All recordings.
pub struct Recordings {
    folder: PathBuf,
    terms: RecorderTerms,
    /// Reports whose recordings are being made.
    making: Mutex<HashSet<String>>,
    made: Notify,
}

impl Recordings {
    /// Those in this folder, which need not be there.
    pub fn new(folder: PathBuf, terms: RecorderTerms) -> Self {
        Self {
            folder,
            terms,
            making: Mutex::default(),
            made: Notify::new(),
        }
    }

    /// A recording of this report will be there soon.
    pub fn begin(&self, report_id: &str) {
        lock(&self.making).insert(report_id.to_owned());
    }

    /// Writes a recording. Blocks.
    pub fn finish(&self, report_id: &str, recording: Option<FlightRecording>) {
        if let Some(recording) = recording
            && let Err(error) = self.write(report_id, &to_bytes(&recording))
        {
            tracing::warn!(%error, report_id, "a recording was not kept");
        }
        lock(&self.making).remove(report_id);
        self.made.notify_waiters();
    }

    /// Reads a recording, as a file.
    ///
    /// # Errors
    /// There is none of that report.
    pub async fn read(&self, report_id: &str) -> Result<Vec<u8>, Error> {
        if report_id.is_empty() || !report_id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::invalid(format!(
                "report_id is {report_id:?}; expected the report_id of a Death, 16 hex digits"
            )));
        }
        let is_made = async {
            loop {
                let made = self.made.notified();
                tokio::pin!(made);
                made.as_mut().enable();
                if !lock(&self.making).contains(report_id) {
                    return;
                }
                made.await;
            }
        };
        // After that it is read as far as it is there.
        let _ = tokio::time::timeout(PATIENCE, is_made).await;
        let path = self.path(report_id);
        let read = tokio::task::spawn_blocking(move || fs::read(path)).await;
        let bytes = read.map_err(|error| Error::bug(error.to_string()))?;
        bytes.map_err(|error| {
            Error::new(
                ErrorReason::NotFound,
                format!(
                    "there is no recording of the death {report_id} ({error}): it was not recorded, or others took its \
                     place (recorder.files = {}, recorder.bytes = {})",
                    self.terms.files, self.terms.bytes
                ),
            )
        })
    }

    fn path(&self, report_id: &str) -> PathBuf {
        self.folder.join(format!("{report_id}.bin"))
    }

    fn write(&self, report_id: &str, bytes: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let path = self.path(report_id);
        let partial = path.with_extension("part");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        file.write_all(bytes)?;
        fs::rename(&partial, &path)?;
        prune(&self.folder, &self.terms)
    }
}

/// Removes the oldest until the rest is within the terms.
fn prune(folder: &Path, terms: &RecorderTerms) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((metadata.modified()?, metadata.len(), entry.path()));
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    let mut count = files.len();
    for (_, size, path) in files {
        if count <= terms.files && bytes <= terms.bytes {
            break;
        }
        // Another daemon may have been faster.
        let _ = fs::remove_file(path);
        bytes -= size;
        count -= 1;
    }
    Ok(())
}

/// A recording as a file.
pub fn to_bytes(recording: &FlightRecording) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(recording.encode_to_vec());
    bytes
}

/// Reads a file.
///
/// # Errors
/// It is no recording, or one of another version.
pub fn from_bytes(bytes: &[u8]) -> Result<FlightRecording, Error> {
    let message = bytes.strip_prefix(MAGIC).ok_or_else(|| {
        Error::invalid("this is no recording: it does not begin with \"plugpen recording 1\"")
    })?;
    FlightRecording::decode(message)
        .map_err(|error| Error::invalid(format!("the recording is damaged: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn few_are_kept_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let terms = RecorderTerms {
            files: 3,
            ..RecorderTerms::default()
        };
        let recordings = Recordings::new(folder.path().join("r"), terms);
        let start = std::time::SystemTime::UNIX_EPOCH;
        for number in 0..5_u64 {
            let id = format!("{number:016x}");
            recordings.begin(&id);
            let recording = FlightRecording {
                submitted: number,
                ..FlightRecording::default()
            };
            recordings.finish(&id, Some(recording));
            if let Ok(file) = fs::File::open(recordings.path(&id)) {
                file.set_modified(start + Duration::from_secs(number))
                    .unwrap();
            }
        }
        let gone = recordings.read("0000000000000000").await.unwrap_err();
        assert_eq!(gone.reason, ErrorReason::NotFound);
        let bytes = recordings.read("0000000000000004").await.unwrap();
        assert_eq!(from_bytes(&bytes).unwrap().submitted, 4);
        assert!(recordings.read("../etc/passwd").await.is_err());
        assert_eq!(fs::read_dir(&recordings.folder).unwrap().count(), 3);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(from_bytes(b"RIFF").is_err());
        let mut damaged = MAGIC.to_vec();
        damaged.extend([0xFF; 9]);
        assert!(from_bytes(&damaged).is_err());
    }
}
