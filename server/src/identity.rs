//! What makes a plugin file the same file: its contents, wherever it lies.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::discovery::Target;

/// Entries of a folder that are looked at.
const MAX_ENTRIES: usize = 4096;
/// Read at a time, in bytes.
const PIECE: usize = 1 << 20;

/// The identity of a plugin's file: a hash of its contents; of a folder, whose samples may be
/// large, of the names, sizes and times of what is in it. What cannot be read is named by its
/// path. Reads files.
pub fn identity(target: &Target) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(target.identifier.as_bytes());
    let path = &target.bundle;
    let read = match path.is_dir() {
        true => folder(path, &mut hash),
        false => contents(path, &mut hash),
    };
    if read.is_err() {
        hash.update(path.as_os_str().as_encoded_bytes());
    }
    hash.finalize().to_hex().to_string()
}

fn contents(path: &Path, hash: &mut blake3::Hasher) -> std::io::Result<()> {
    let mut file = fs::File::open(path)?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            count => hash.update(&piece[..count]),
        };
    }
}

fn folder(root: &Path, hash: &mut blake3::Hasher) -> std::io::Result<()> {
    let mut waiting = vec![root.to_owned()];
    let mut entries = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
            let time = metadata.modified()?.duration_since(UNIX_EPOCH);
            let name = entry.path().strip_prefix(root).map(Path::to_owned);
            entries.push((
                name.unwrap_or_default(),
                metadata.len(),
                time.unwrap_or_default(),
            ));
            if entries.len() + waiting.len() > MAX_ENTRIES {
                return Err(std::io::Error::other("too many files"));
            }
        }
    }
    entries.sort();
    for (name, bytes, time) in entries {
        hash.update(name.as_os_str().as_encoded_bytes());
        hash.update(&bytes.to_le_bytes());
        hash.update(&time.as_nanos().to_le_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::PluginFormat;

    use super::*;

    fn target(bundle: &Path, identifier: &str) -> Target {
        Target {
            bundle: bundle.to_owned(),
            format: PluginFormat::Vst2,
            identifier: identifier.into(),
            readable: Vec::new(),
        }
    }

    #[test]
    fn a_copy_is_the_same_and_a_change_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.so"), b"code").unwrap();
        fs::copy(path("a.so"), path("b.so")).unwrap();
        let of = |name: &str| identity(&target(&path(name), ""));
        assert_eq!(of("a.so"), of("b.so"));
        assert_ne!(of("a.so"), identity(&target(&path("a.so"), "2")));
        assert_ne!(of("nowhere"), of("elsewhere"));
        let whole = identity(&target(folder.path(), ""));
        assert_eq!(whole, identity(&target(folder.path(), "")));
        fs::write(path("b.so"), b"other").unwrap();
        assert_ne!(of("a.so"), of("b.so"));
        assert_ne!(whole, identity(&target(folder.path(), "")));
    }
}
