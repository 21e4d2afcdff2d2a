//! Files handed over to a plugin, whose worker can read nothing of this process's.
//!
//! A state names files where the plugin has them, in its worker's folder, which is gone with the
//! worker. So states are kept with the files' own names, and given to a worker with its names.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use plugpen_proto::limits::{MAX_FILE, STATE_CHUNK};
use plugpen_proto::v1::{ErrorReason, ParameterKind, PluginFormat, StageFileRequest};

use super::Plugin;
use super::shared::lock;
use crate::connection::STATE;
use crate::error::{Error, Result};

/// Texts of one plugin whose values are remembered for a fresh worker, beside those that are set.
const MAX_TEXTS: usize = 1024;

/// What the present worker was given and a fresh one has to be given again.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    files: Vec<Staged>,
    texts: Vec<Told>,
}

#[derive(Debug, Clone, PartialEq)]
struct Staged {
    /// Absolute.
    own: PathBuf,
    stamp: (u64, Option<SystemTime>),
    /// Where the worker has it.
    theirs: String,
}

/// A text that a worker has given a value.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    index: u32,
    /// As the caller said it.
    text: String,
    value: f64,
}

impl Handed {
    /// A state with the files' own names.
    fn own(&self, state: Vec<u8>) -> Vec<u8> {
        self.files.iter().fold(state, |state, file| {
            replace(&state, &uri(Path::new(&file.theirs)), &uri(&file.own))
        })
    }

    /// A state with the worker's names.
    fn theirs(&self, state: &[u8]) -> Vec<u8> {
        // The last one that was handed over of one name.
        self.files.iter().rev().fold(state.to_vec(), |state, file| {
            replace(&state, &uri(&file.own), &uri(Path::new(&file.theirs)))
        })
    }

    /// Takes in what an earlier worker was given and this one was not.
    fn take_up(&mut self, before: Handed) {
        for file in before.files {
            if self.files.iter().all(|known| known.own != file.own) {
                self.files.push(file);
            }
        }
        for told in before.texts {
            let same = |known: &Told| known.index == told.index && known.text == told.text;
            if !self.texts.iter().any(same) {
                self.texts.push(told);
            }
        }
    }

    /// Remembers the value of a text. The oldest that is not `in_use` goes when there are many.
    fn add(&mut self, told: Told, in_use: impl Fn(&Told) -> bool) {
        let same = |known: &Told| known.index == told.index && known.text == told.text;
        self.texts.retain(|known| !same(known));
        if self.texts.len() >= MAX_TEXTS
            && let Some(oldest) = self.texts.iter().position(|known| !in_use(known))
        {
            self.texts.remove(oldest);
        }
        self.texts.push(told);
    }
}

impl Plugin {
    /// Copies a file to where the plugin can read it, and returns its path there. A state that
    /// names the file can be set afterwards. [`Plugin::param_from_text`] does this by itself for
    /// parameters that are paths. A fresh worker is given the file again.
    ///
    /// # Errors
    /// `NotFound` or `NotAllowed` where it cannot be read, `LimitReached` above 64 MiB, and those
    /// of every call: see [`Plugin`].
    pub fn stage_file(&self, path: impl AsRef<Path>) -> Result<String> {
        self.live()?;
        let path = path.as_ref();
        let own = path.canonicalize().map_err(|e| unreadable(path, &e))?;
        let file = File::open(&own).map_err(|e| unreadable(path, &e))?;
        let metadata = file.metadata().map_err(|e| unreadable(path, &e))?;
        let stamp = stamp(&metadata);
        let known = |staged: &&Staged| staged.own == own && staged.stamp == stamp;
        if let Some(staged) = lock(&self.shared.handed).files.iter().find(known) {
            return Ok(staged.theirs.clone());
        }
        let theirs = self.send_file(&own, file)?;
        let mut handed = lock(&self.shared.handed);
        handed.files.retain(|staged| staged.own != own);
        handed.files.push(Staged {
            own,
            stamp,
            theirs: theirs.clone(),
        });
        Ok(theirs)
    }

    fn send_file(&self, own: &Path, file: File) -> Result<String> {
        let mut data = Vec::new();
        let most = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
        let read = file.take(most + 1).read_to_end(&mut data);
        read.map_err(|e| unreadable(own, &e))?;
        if data.len() > MAX_FILE {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!(
                    "{} is larger than {MAX_FILE} bytes, the most that can be handed over",
                    own.display()
                ),
            ));
        }
        let name = own.file_name().unwrap_or_default().to_string_lossy();
        let message = |data: &[u8]| StageFileRequest {
            handle: self.shared.handle.clone(),
            name: name.clone().into_owned(),
            data: data.to_vec(),
        };
        let mut chunks: Vec<_> = data.chunks(STATE_CHUNK).map(message).collect();
        if chunks.is_empty() {
            chunks.push(message(&[]));
        }
        let chunks = futures_util::stream::iter(chunks);
        let staged =
            self.live()?
                .call("StageFile", STATE, chunks, |mut api, request| async move {
                    api.state.stage_file(request).await
                })?;
        Ok(staged.path)
    }

    /// What the worker is to be told for a text: of a path, the worker's own, once the file is
    /// there. `None` for parameters that are numbers.
    pub(super) fn worker_text(&self, index: u32, text: &str) -> Result<Option<String>> {
        let descriptions = self.param_descriptions()?;
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        match descriptions.get(at).map(|parameter| parameter.kind()) {
            Some(ParameterKind::Path) if Path::new(text).is_file() => {
                self.stage_file(text).map(Some)
            }
            Some(ParameterKind::Path | ParameterKind::Text) => Ok(Some(text.into())),
            _ => Ok(None),
        }
    }

    /// Remembers the value of a text.
    pub(super) fn told(&self, index: u32, text: &str, value: f64) {
        let journal = self.shared.journal();
        let told = Told {
            index,
            text: text.into(),
            value,
        };
        lock(&self.shared.handed).add(told, |known| {
            journal.parameter(known.index).map(f64::to_bits) == Some(known.value.to_bits())
        });
    }

    /// The text the caller knows for what a worker says: the file's own path.
    pub(super) fn own_text(&self, text: String) -> String {
        let handed = lock(&self.shared.handed);
        match handed.files.iter().find(|file| file.theirs == text) {
            Some(file) => file.own.display().to_string(),
            None => text,
        }
    }

    /// A worker's state as the caller sees it.
    pub(super) fn own_state(&self, state: Vec<u8>) -> Vec<u8> {
        match self.has_text_states() {
            true => lock(&self.shared.handed).own(state),
            false => state,
        }
    }

    /// A state of the caller's as its worker sees it.
    pub(super) fn worker_state(&self, state: &[u8]) -> Vec<u8> {
        match self.has_text_states() {
            true => lock(&self.shared.handed).theirs(state),
            false => state.to_vec(),
        }
    }

    /// Whether states are Turtle, in which files can be told from anything else. The states of
    /// other formats are the plugin's own bytes, of which none may change.
    fn has_text_states(&self) -> bool {
        self.description().format() == PluginFormat::Lv2
    }

    /// Gives a fresh worker the files and texts of the last one, and the journal their new values.
    /// Where that fails, because a file is gone for instance, another attempt gives the same.
    pub(super) fn hand_over_again(&self) -> Result<()> {
        let before = std::mem::take(&mut *lock(&self.shared.handed));
        let mut texts = before.texts.iter();
        let handed = before.files.iter().try_for_each(|file| {
            let staged = self.stage_file(&file.own);
            staged.map(|_| ())
        });
        let handed = handed.and_then(|()| {
            texts.try_for_each(|old| {
                let value = self.param_from_text(old.index, &old.text)?;
                let (from, to) = (old.value, value);
                self.shared.journal().parameter_moved(old.index, from, to);
                Ok(())
            })
        });
        if handed.is_err() {
            lock(&self.shared.handed).take_up(before);
        }
        handed
    }
}

fn stamp(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorReason::NotFound,
        _ => ErrorReason::NotAllowed,
    };
    let message = format!("{} cannot be handed over: {error}", path.display());
    Error::new(reason, message)
}

/// A path as a state's Turtle has it, in its brackets.
fn uri(path: &Path) -> Vec<u8> {
    let mut uri = b"<file://".to_vec();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => uri.push(*byte),
            // What RFC 3986 allows in a path, and its authors' reserved characters.
            b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'('
            | b')' | b'*' | b'+' | b',' | b';' | b'=' => uri.push(*byte),
            _ => uri.extend(format!("%{byte:02X}").into_bytes()),
        }
    }
    uri.push(b'>');
    uri
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_keep_a_file_s_own_name() {
        let handed = Handed {
            files: vec![Staged {
                own: "/home/u/big hall.wav".into(),
                stamp: (0, None),
                theirs: "/tmp/w1/files/0/big_hall.wav".into(),
            }],
            texts: Vec::new(),
        };
        let theirs = b"<p> <file:///tmp/w1/files/0/big_hall.wav> ; <file:///x.wav>".to_vec();
        let own = handed.own(theirs.clone());
        assert_eq!(
            own,
            b"<p> <file:///home/u/big%20hall.wav> ; <file:///x.wav>"
        );
        assert_eq!(handed.theirs(&own), theirs);
    }

    #[test]
    fn what_could_not_be_handed_over_again_is_kept_for_another_attempt() {
        let file = |own: &str, theirs: &str| Staged {
            own: own.into(),
            stamp: (0, None),
            theirs: theirs.into(),
        };
        let told = |index, value| Told {
            index,
            text: "/a.wav".into(),
            value,
        };
        let before = Handed {
            files: vec![file("/a.wav", "/w1/a.wav"), file("/b.wav", "/w1/b.wav")],
            texts: vec![told(0, 0.25), told(1, 0.5)],
        };
        let mut handed = Handed {
            files: vec![file("/a.wav", "/w2/a.wav")],
            texts: vec![told(0, 0.75)],
        };
        handed.take_up(before);
        let files = [file("/a.wav", "/w2/a.wav"), file("/b.wav", "/w1/b.wav")];
        assert_eq!(handed.files, files);
        assert_eq!(handed.texts, [told(0, 0.75), told(1, 0.5)]);
    }

    #[test]
    fn the_oldest_texts_go_first_but_for_those_in_use() {
        let told = |number: u32| Told {
            index: number % 2,
            text: format!("/{number}.wav"),
            value: f64::from(number),
        };
        let mut handed = Handed::default();
        for number in 0..5000 {
            handed.add(told(number), |known| known.text == "/3.wav");
        }
        assert_eq!(handed.texts.len(), MAX_TEXTS);
        assert_eq!(handed.texts[0], told(3));
        assert_eq!(
            handed.texts[1..],
            (3977..5000).map(told).collect::<Vec<_>>()
        );
        handed.add(told(4000), |_| true);
        assert_eq!(handed.texts.len(), MAX_TEXTS);
    }
}
