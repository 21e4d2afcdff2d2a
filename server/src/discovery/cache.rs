//! What earlier scans found, kept in a file. A cache that cannot be read or written costs time and
//! nothing else.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use plugpen_proto::v1::{Death, GetScanCacheResponse, PluginDescription, ScanFailure};
use prost::Message;
use serde::{Deserialize, Serialize};

use super::candidates::Candidate;

const FILE: &str = "scan.json";

/// The cache of one scan.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    content: Content,
    changed: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// The worker that read all this; another one may read more out of a bundle.
    worker: String,
    entries: HashMap<PathBuf, Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    stamp: String,
    plugins: Vec<Plugin>,
    failures: Vec<Failure>,
}

impl Entry {
    fn findings(&self) -> Findings {
        Findings {
            plugins: self.plugins.iter().map(Into::into).collect(),
            failures: self.failures.iter().map(Into::into).collect(),
        }
    }
}

/// The form of a description in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Plugin {
    name: String,
    vendor: String,
    version: String,
    format: i32,
    unique_id: String,
    path: String,
    identifier: String,
    index: u32,
    accepts_midi: bool,
    produces_midi: bool,
    num_inputs: u32,
    num_outputs: u32,
    product: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    path: String,
    reason: i32,
    message: String,
    /// A `plugpen.v1.Death` as it is sent.
    death: Option<Vec<u8>>,
}

/// What a bundle gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// Its plugins.
    pub plugins: Vec<PluginDescription>,
    /// What could not be read of it.
    pub failures: Vec<ScanFailure>,
}

impl Cache {
    /// Reads it, or begins an empty one.
    pub fn load(dir: &Path, worker: &Path) -> Self {
        let worker = worker_version(worker);
        let content = fs::read(dir.join(FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Content>(&bytes).ok())
            .filter(|content| content.worker == worker);
        Self {
            dir: dir.to_owned(),
            content: content.unwrap_or_else(|| Content {
                worker,
                entries: HashMap::new(),
            }),
            changed: false,
        }
    }

    /// What is known of a candidate, if it is the same as then.
    pub fn get(&self, candidate: &Candidate) -> Option<Findings> {
        let entry = self.content.entries.get(&candidate.path)?;
        (entry.stamp == candidate.stamp).then(|| entry.findings())
    }

    /// All that is known below some folders, or of any place where there are none; some of it may
    /// be gone or changed since.
    pub fn known(&self, folders: &[PathBuf]) -> impl Iterator<Item = Findings> {
        let entries = self.content.entries.iter().filter(|(path, _)| {
            folders.is_empty() || folders.iter().any(|folder| path.starts_with(folder))
        });
        entries.map(|(_, entry)| entry.findings())
    }

    /// How much is known.
    pub fn summary(&self) -> GetScanCacheResponse {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let entries = &self.content.entries;
        let path = self.dir.join(FILE);
        GetScanCacheResponse {
            size_bytes: fs::metadata(&path).map_or(0, |found| found.len()),
            path: path.to_string_lossy().into_owned(),
            files: count(entries.len()),
            gone: count(entries.keys().filter(|path| !path.exists()).count()),
            plugins: count(entries.values().map(|entry| entry.plugins.len()).sum()),
            failures: count(entries.values().map(|entry| entry.failures.len()).sum()),
        }
    }

    /// Forgets all of it, or what is known of files that are gone. Returns how many files that
    /// were.
    ///
    /// # Errors
    /// What the system says.
    pub fn trim(mut self, everything: bool) -> std::io::Result<usize> {
        let before = self.content.entries.len();
        self.content
            .entries
            .retain(|path, _| !everything && path.exists());
        let removed = before - self.content.entries.len();
        self.changed = removed > 0;
        self.save()?;
        Ok(removed)
    }

    /// Remembers what a candidate gave.
    pub fn put(&mut self, candidate: &Candidate, findings: &Findings) {
        let entry = Entry {
            stamp: candidate.stamp.clone(),
            plugins: findings.plugins.iter().map(Into::into).collect(),
            failures: findings.failures.iter().map(Into::into).collect(),
        };
        self.content.entries.insert(candidate.path.clone(), entry);
        self.changed = true;
    }

    /// Writes it, if something was added. Entries of files that are gone are left out.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(mut self) -> std::io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        self.content.entries.retain(|path, _| path.exists());
        self.write()
    }

    fn write(&self) -> std::io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(&serde_json::to_vec(&self.content)?)?;
        file.persist(self.dir.join(FILE))?;
        Ok(())
    }
}

/// The program's version, and its size and time: builds of one version differ while it is being
/// worked on.
fn worker_version(program: &Path) -> String {
    let file = fs::metadata(program).map(|m| format!("{} {}", m.len(), m.mtime()));
    format!("{} {}", plugpen_proto::VERSION, file.unwrap_or_default())
}

impl From<&PluginDescription> for Plugin {
    fn from(p: &PluginDescription) -> Self {
        Self {
            name: p.name.clone(),
            vendor: p.vendor.clone(),
            version: p.version.clone(),
            format: p.format,
            unique_id: p.unique_id.clone(),
            path: p.path.clone(),
            identifier: p.identifier.clone(),
            index: p.index,
            accepts_midi: p.accepts_midi,
            produces_midi: p.produces_midi,
            num_inputs: p.num_inputs,
            num_outputs: p.num_outputs,
            product: p.product.clone(),
        }
    }
}

impl From<&Plugin> for PluginDescription {
    fn from(p: &Plugin) -> Self {
        Self {
            name: p.name.clone(),
            vendor: p.vendor.clone(),
            version: p.version.clone(),
            format: p.format,
            unique_id: p.unique_id.clone(),
            path: p.path.clone(),
            identifier: p.identifier.clone(),
            index: p.index,
            accepts_midi: p.accepts_midi,
            produces_midi: p.produces_midi,
            num_inputs: p.num_inputs,
            num_outputs: p.num_outputs,
            product: p.product.clone(),
        }
    }
}

impl From<&ScanFailure> for Failure {
    fn from(f: &ScanFailure) -> Self {
        Self {
            path: f.path.clone(),
            reason: f.reason,
            message: f.message.clone(),
            death: f.death.as_ref().map(Message::encode_to_vec),
        }
    }
}

impl From<&Failure> for ScanFailure {
    fn from(f: &Failure) -> Self {
        Self {
            path: f.path.clone(),
            reason: f.reason,
            message: f.message.clone(),
            death: f.death.as_ref().and_then(|d| Death::decode(&d[..]).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::PluginFormat;

    use super::*;

    #[test]
    fn what_was_put_comes_back_until_the_bundle_changes() {
        let dir = tempfile::tempdir().unwrap();
        let worker = Path::new("/bin/sh");
        let mut candidate = Candidate {
            path: dir.path().to_owned(),
            format: PluginFormat::Lv2,
            stamp: "1".into(),
        };
        let findings = Findings {
            plugins: vec![PluginDescription {
                name: "Ä".into(),
                index: 3,
                accepts_midi: true,
                ..PluginDescription::default()
            }],
            failures: vec![ScanFailure {
                path: "/x".into(),
                reason: 4,
                message: "no".into(),
                death: Some(Death {
                    signal: 11,
                    output: vec!["last words".into()],
                    ..Death::default()
                }),
            }],
        };
        let cache_dir = dir.path().join("cache/plugpen");
        let mut cache = Cache::load(&cache_dir, worker);
        assert_eq!(cache.get(&candidate), None);
        cache.put(&candidate, &findings);
        cache.save().unwrap();
        let cache = Cache::load(&cache_dir, worker);
        assert_eq!(cache.get(&candidate), Some(findings));
        assert_eq!(cache.known(&[]).count(), 1);
        assert_eq!(cache.known(&["/nowhere".into()]).count(), 0);
        let summary = cache.summary();
        assert_eq!((summary.files, summary.gone), (1, 0));
        assert_eq!((summary.plugins, summary.failures), (1, 1));
        assert!(summary.size_bytes > 0 && summary.path.ends_with(FILE));
        candidate.stamp = "2".into();
        assert_eq!(cache.get(&candidate), None);
        let other = Cache::load(&cache_dir, Path::new("/bin/cat"));
        candidate.stamp = "1".into();
        assert_eq!(other.get(&candidate), None);
    }

    #[test]
    fn what_is_gone_can_be_forgotten_and_all_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let load = || Cache::load(dir.path(), Path::new("/bin/sh"));
        let mut cache = load();
        for path in [dir.path().join("gone.lv2"), dir.path().to_owned()] {
            let candidate = Candidate {
                path,
                format: PluginFormat::Lv2,
                stamp: "1".into(),
            };
            cache.put(&candidate, &Findings::default());
        }
        cache.write().unwrap();
        assert_eq!(load().summary().gone, 1);
        assert_eq!(load().trim(false).unwrap(), 1);
        assert_eq!(load().summary().files, 1);
        assert_eq!(load().trim(true).unwrap(), 1);
        assert_eq!(load().summary().files, 0);
    }

    #[test]
    fn a_spoiled_cache_is_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{\"worker\": 3").unwrap();
        let cache = Cache::load(dir.path(), Path::new("/bin/sh"));
        assert!(cache.content.entries.is_empty());
    }
}
