//! What looks like a plugin below some folders.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use plugpen_proto::v1::PluginFormat;

use super::target::format_of;

/// How deep folders are searched.
const MAX_DEPTH: usize = 16;
/// Files and folders that are looked at.
const MAX_ENTRIES: usize = 200_000;

/// A file or bundle that looks like a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Canonical.
    pub path: PathBuf,
    /// What it looks like.
    pub format: PluginFormat,
    /// Changes when its content does.
    pub stamp: String,
}

/// Where plugins of a format usually are on this system; only folders that exist.
pub fn standard_folders(format: PluginFormat, lv2_path: Option<&OsStr>) -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let in_system = |name: &str| {
        ["/usr/local/lib", "/usr/lib", "/usr/lib64"]
            .into_iter()
            .map(|base| Path::new(base).join(name))
            .collect::<Vec<_>>()
    };
    let with_home = |hidden: &str, name: &str| {
        let own = home.iter().map(|home| home.join(hidden));
        own.chain(in_system(name)).collect()
    };
    let all: Vec<PathBuf> = match format {
        PluginFormat::Lv2 => match lv2_path {
            Some(path) => std::env::split_paths(path).collect(),
            None => with_home(".lv2", "lv2"),
        },
        PluginFormat::Vst2 => with_home(".vst", "vst"),
        PluginFormat::Vst3 => with_home(".vst3", "vst3"),
        _ => Vec::new(),
    };
    all.into_iter().filter(|folder| folder.is_dir()).collect()
}

/// Everything below a folder that looks like a plugin of one of these formats, in a stable order.
/// Follows links, each place once. Blocks.
///
/// # Errors
/// The folder itself cannot be read; others that cannot are passed over.
pub fn find(folder: &Path, formats: &[PluginFormat]) -> std::io::Result<Vec<Candidate>> {
    fs::read_dir(folder)?;
    let mut search = Search {
        formats,
        seen: HashSet::new(),
        found: Vec::new(),
    };
    search.look_at(folder, 0);
    Ok(search.found)
}

struct Search<'a> {
    formats: &'a [PluginFormat],
    seen: HashSet<PathBuf>,
    found: Vec<Candidate>,
}

impl Search<'_> {
    fn look_at(&mut self, path: &Path, depth: usize) {
        let Ok(path) = path.canonicalize() else {
            return;
        };
        if self.seen.len() >= MAX_ENTRIES || !self.seen.insert(path.clone()) {
            return;
        }
        match format_of(&path) {
            Some(format) if !self.formats.contains(&format) => {}
            Some(format) => {
                let stamp = stamp(&path);
                self.found.push(Candidate {
                    path,
                    format,
                    stamp,
                });
            }
            None if depth < MAX_DEPTH && path.is_dir() => {
                let Ok(entries) = fs::read_dir(&path) else {
                    return;
                };
                let mut below: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                below.sort();
                below.iter().for_each(|path| self.look_at(path, depth + 1));
            }
            None => {}
        }
    }
}

/// Size and time of a file, or of everything directly in a bundle.
fn stamp(path: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |path: &Path| {
        if let Ok(found) = fs::metadata(path) {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(&found.len().to_le_bytes());
            hasher.update(&found.mtime().to_le_bytes());
            hasher.update(&found.mtime_nsec().to_le_bytes());
        }
    };
    add(path);
    if let Ok(entries) = fs::read_dir(path) {
        let mut below: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        below.sort();
        below.iter().for_each(|path| add(path));
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(name);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("manifest.ttl"), "x").unwrap();
        path.canonicalize().unwrap()
    }

    #[test]
    fn bundles_are_found_once_and_loops_end() {
        let dir = tempfile::tempdir().unwrap();
        let a = bundle(dir.path(), "a.lv2");
        let b = bundle(dir.path(), "deep/er/b.lv2");
        fs::write(dir.path().join("x.so"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("deep/loop")).unwrap();
        std::os::unix::fs::symlink(&a, dir.path().join("again.lv2")).unwrap();
        let found = find(dir.path(), &[PluginFormat::Lv2]).unwrap();
        let paths: Vec<_> = found.iter().map(|c| c.path.clone()).collect();
        assert_eq!(paths, [a, b]);
        assert!(find(&dir.path().join("nowhere"), &[]).is_err());
    }

    #[test]
    fn a_changed_file_changes_the_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = bundle(dir.path(), "a.lv2");
        let before = stamp(&path);
        assert_eq!(stamp(&path), before);
        fs::write(path.join("a.ttl"), "more").unwrap();
        assert_ne!(stamp(&path), before);
    }
}
