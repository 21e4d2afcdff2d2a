//! Manifests as bytes: which bundles could be of use, found without parsing any.
//!
//! Every open looks through all installed manifests for presets, hundreds of files: so each is
//! opened once, by its folder, into one buffer.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memmem;
use rustix::fs::{Dir, Mode, OFlags, open, openat};

/// Where bundles live when `LV2_PATH` does not say. `$HOME` is the worker's private folder, so
/// `~/.lv2` comes through `LV2_PATH` or a granted path.
pub const DEFAULT_FOLDERS: &str = "/usr/local/lib/lv2:/usr/lib/lv2:/usr/lib64/lv2";
/// A manifest above this is none.
const MAX_MANIFEST: u64 = 16 * 1024 * 1024;
/// The end of the presets' namespace, in every manifest that names one.
const PRESETS: &[u8] = b"presets#";

/// The folders of the search path.
pub fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("LV2_PATH").unwrap_or_else(|| DEFAULT_FOLDERS.into());
    std::env::split_paths(&path).collect()
}

/// Installed bundles whose manifest could mention a URI.
pub fn mentioning(uri: &str) -> Vec<PathBuf> {
    let uri = Uri::new(uri);
    installed(|manifest| uri.is_in(manifest))
}

/// Installed bundles that could hold presets of a plugin.
pub fn with_presets(uri: &str) -> Vec<PathBuf> {
    let (presets, uri) = (memmem::Finder::new(PRESETS), Uri::new(uri));
    installed(|manifest| presets.find(manifest).is_some() && uri.is_in(manifest))
}

/// Installed bundles whose manifest fits, sorted within their folder.
fn installed(fits: impl Fn(&[u8]) -> bool) -> Vec<PathBuf> {
    let mut buffer = Vec::new();
    let mut found = Vec::new();
    for folder in folders() {
        let before = found.len();
        // A folder that is not there has no bundles, and most of the path's are not.
        let _ = search(&folder, &fits, &mut buffer, &mut found);
        found[before..].sort();
    }
    found
}

fn search(
    folder: &Path,
    fits: &impl Fn(&[u8]) -> bool,
    buffer: &mut Vec<u8>,
    found: &mut Vec<PathBuf>,
) -> rustix::io::Result<()> {
    let place = open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for entry in Dir::read_from(&place)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let manifest = [name, b"/manifest.ttl"].concat();
        // What lies there under this name may be anything, a pipe too.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = openat(&place, manifest, flags, Mode::empty()) else {
            continue;
        };
        if read(File::from(file), buffer) && fits(buffer) {
            found.push(folder.join(OsStr::from_bytes(name)));
        }
    }
    Ok(())
}

/// Reads a manifest; false for what cannot be one.
fn read(mut file: File, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    let Ok(about) = file.metadata() else {
        return false;
    };
    if !about.is_file() || about.len() > MAX_MANIFEST {
        return false;
    }
    let size = usize::try_from(about.len()).unwrap_or(0);
    buffer.resize(size, 0);
    file.read_exact(buffer).is_ok()
}

/// A URI that is looked for, whole or with a prefix for its front. May err on the side of yes.
struct Uri<'a> {
    text: &'a str,
    whole: memmem::Finder<'a>,
}

impl<'a> Uri<'a> {
    fn new(text: &'a str) -> Self {
        let whole = memmem::Finder::new(text.as_bytes());
        Self { text, whole }
    }

    fn is_in(&self, manifest: &[u8]) -> bool {
        let is_there = |short: Vec<u8>| memmem::find(manifest, &short).is_some();
        self.whole.find(manifest).is_some() || self.abbreviations(manifest).any(is_there)
    }

    /// How a manifest could write it with the prefixes it declares.
    fn abbreviations(&self, manifest: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        // Both of Turtle's spellings, "@prefix" and "PREFIX".
        let declarations =
            memmem::find_iter(manifest, b"prefix ").chain(memmem::find_iter(manifest, b"PREFIX "));
        declarations.filter_map(|at| {
            let declaration = manifest[at + b"prefix ".len()..].trim_ascii_start();
            let (name, rest) = split(declaration, b':')?;
            let (namespace, _) = split(rest.trim_ascii_start().strip_prefix(b"<")?, b'>')?;
            let local = self.text.as_bytes().strip_prefix(namespace)?;
            Some([name, b":", local].concat())
        })
    }
}

/// What is before and after the first of these bytes.
fn split(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_found_whole_and_with_a_prefix() {
        let uri = Uri::new("http://example.org/plugins/mda/EPiano");
        for (manifest, expected) in [
            (
                "<http://example.org/plugins/mda/EPiano> a lv2:Plugin .",
                true,
            ),
            (
                "@prefix m: <http://example.org/plugins/mda/> . m:EPiano a x .",
                true,
            ),
            ("@prefix m: <urn:other/> . m:EPiano a x .", false),
            (
                "PREFIX : <http://example.org/plugins/>\nPREFIX l: <http://x>\n:mda/EPiano",
                true,
            ),
            (
                "<http://example.org/plugins/mda/DX10> a lv2:Plugin .",
                false,
            ),
            ("@prefix m: <http://example.org/plugins/mda/", false),
            ("@prefix ", false),
        ] {
            assert_eq!(uri.is_in(manifest.as_bytes()), expected, "{manifest}");
        }
    }

    #[test]
    fn a_folder_is_searched_whatever_lies_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, manifest) in [("b.lv2", "yes"), ("a.lv2", "yes"), ("c.lv2", "no")] {
            std::fs::create_dir(path(name)).unwrap();
            std::fs::write(path(name).join("manifest.ttl"), manifest).unwrap();
        }
        std::fs::write(path("file"), "yes").unwrap();
        std::fs::create_dir_all(path("d.lv2/manifest.ttl")).unwrap();
        std::fs::create_dir(path("pipe.lv2")).unwrap();
        let pipe = path("pipe.lv2/manifest.ttl");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let mut found = Vec::new();
        search(
            folder.path(),
            &|text| text == b"yes",
            &mut Vec::new(),
            &mut found,
        )
        .unwrap();
        found.sort();
        assert_eq!(found, [path("a.lv2"), path("b.lv2")]);
        assert!(search(&path("nowhere"), &|_| true, &mut Vec::new(), &mut found).is_err());
    }
}
