//! What looks like a plugin below some folders.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use plugpen_proto::v1::PluginFormat;

use super::stamp::stamp;
use super::target::format_of;
use super::vst2_places::Vst2Places;

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

/// What is searched for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Plugins of these formats.
    pub formats: Vec<PluginFormat>,
    /// Where a library may be a plugin.
    pub vst2: Vst2Places,
}

/// Everything below a folder that looks like a plugin, in a stable order. Follows links, each
/// place once. Blocks.
///
/// # Errors
/// The folder itself cannot be read; others that cannot are passed over.
pub fn find(folder: &Path, wanted: &Wanted) -> std::io::Result<Vec<Candidate>> {
    fs::read_dir(folder)?;
    let mut search = Search {
        wanted,
        seen: HashSet::new(),
        found: Vec::new(),
    };
    search.look_at(folder, 0);
    Ok(search.found)
}

struct Search<'a> {
    wanted: &'a Wanted,
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
            Some(format) if !self.is_wanted(&path, format) => {}
            Some(format) => {
                let stamp = stamp(&path, format);
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

    fn is_wanted(&self, path: &Path, format: PluginFormat) -> bool {
        self.wanted.formats.contains(&format)
            && (format != PluginFormat::Vst2 || self.wanted.vst2.may_hold(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [PluginFormat; 3] = [PluginFormat::Lv2, PluginFormat::Vst2, PluginFormat::Vst3];

    fn wanted(formats: &[PluginFormat]) -> Wanted {
        Wanted {
            formats: formats.to_vec(),
            vst2: Vst2Places::default(),
        }
    }

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
        let found = find(dir.path(), &wanted(&[PluginFormat::Lv2])).unwrap();
        let paths: Vec<_> = found.iter().map(|c| c.path.clone()).collect();
        assert_eq!(paths, [a, b]);
        assert!(find(&dir.path().join("nowhere"), &wanted(&[])).is_err());
    }

    #[test]
    fn every_format_has_its_look() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let write = |name: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        write("vst/Reverb.so");
        write("vst/ProM.vst/ProM.so");
        write("vst/readme.txt");
        write("vst3/Bundle.vst3/Contents/x86_64-linux/Bundle.so");
        write("vst3/vendor/plain.vst3");
        bundle(&root, "Amp.lv2");
        write("Amp.lv2/amp.so");
        let found = find(&root, &wanted(&FORMATS)).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|c| {
                (
                    c.path.strip_prefix(&root).unwrap().to_str().unwrap(),
                    c.format,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("Amp.lv2", PluginFormat::Lv2),
                ("vst/ProM.vst/ProM.so", PluginFormat::Vst2),
                ("vst/Reverb.so", PluginFormat::Vst2),
                ("vst3/Bundle.vst3", PluginFormat::Vst3),
                ("vst3/vendor/plain.vst3", PluginFormat::Vst3),
            ]
        );
        let vst3 = find(&root, &wanted(&[PluginFormat::Vst3])).unwrap();
        assert_eq!(vst3.len(), 2);
    }
}
