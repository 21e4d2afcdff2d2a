//! Whether a plugin's files are the same as before.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use plugpen_proto::v1::PluginFormat;

/// Files and folders of one bundle that are looked at: some come with thousands of samples.
const MAX_FILES: usize = 8192;

/// Sizes and times of a file, or of a bundle's folder and what matters in it; changes when they
/// do.
pub fn stamp(path: &Path, format: PluginFormat) -> String {
    let depth = match format {
        // Turtle and libraries lie in the bundle itself.
        PluginFormat::Lv2 => 1,
        // X.vst3/Contents/x86_64-linux/X.so
        _ => 3,
    };
    let mut stamp = Stamp {
        hasher: blake3::Hasher::new(),
        left: MAX_FILES,
    };
    stamp.add(path, depth);
    stamp.hasher.finalize().to_hex()[..16].to_owned()
}

struct Stamp {
    hasher: blake3::Hasher,
    left: usize,
}

impl Stamp {
    fn add(&mut self, path: &Path, depth: usize) {
        let Ok(found) = fs::metadata(path) else {
            return;
        };
        self.hasher.update(path.as_os_str().as_encoded_bytes());
        self.hasher.update(&found.len().to_le_bytes());
        self.hasher.update(&found.mtime().to_le_bytes());
        self.hasher.update(&found.mtime_nsec().to_le_bytes());
        if depth == 0 || !found.is_dir() {
            return;
        }
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut below: Vec<_> = entries.take(self.left).map(|entry| entry.path()).collect();
        self.left -= below.len();
        below.sort();
        below.iter().for_each(|path| self.add(path, depth - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes_with(bundle: &str, file: &str, format: PluginFormat) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join(bundle);
        let file = bundle.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "x").unwrap();
        let before = stamp(&bundle, format);
        assert_eq!(stamp(&bundle, format), before);
        fs::write(&file, "more").unwrap();
        stamp(&bundle, format) != before
    }

    #[test]
    fn a_changed_file_changes_the_stamp() {
        assert!(changes_with("a.lv2", "a.ttl", PluginFormat::Lv2));
        let library = "Contents/x86_64-linux/a.so";
        assert!(changes_with("a.vst3", library, PluginFormat::Vst3));
        let file = tempfile::NamedTempFile::new().unwrap();
        let before = stamp(file.path(), PluginFormat::Vst2);
        fs::write(file.path(), "more").unwrap();
        assert_ne!(stamp(file.path(), PluginFormat::Vst2), before);
    }
}
