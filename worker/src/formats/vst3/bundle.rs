//! From a path to the library of a module.

use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

/// The folder of a bundle's libraries for this machine.
fn architecture() -> String {
    let cpu = match std::env::consts::ARCH {
        "x86" => "i386",
        cpu => cpu,
    };
    format!("{cpu}-linux")
}

/// The library of a bundle (`X.vst3/Contents/x86_64-linux/X.so`), or the file itself where the
/// path is one.
///
/// # Errors
/// Nothing there, or nothing for this machine.
pub fn library(path: &Path) -> Result<PathBuf, Error> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid("plugin_path is empty"));
    }
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if !path.exists() {
        return Err(Error::new(
            ErrorReason::NotFound,
            format!("Plugin file does not exist: {}", path.display()),
        ));
    }
    let contents = path.join("Contents");
    let folder = contents.join(architecture());
    let named = path.file_stem().map(|stem| {
        let mut name = stem.to_owned();
        name.push(".so");
        folder.join(name)
    });
    if let Some(named) = named.filter(|named| named.is_file()) {
        return Ok(named);
    }
    // A renamed bundle keeps its library's name.
    let is_library = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "so");
    let mut libraries = below(&folder);
    libraries.retain(is_library);
    match libraries.into_iter().next() {
        Some(library) => Ok(library),
        None => Err(Error::new(
            ErrorReason::NotFound,
            format!(
                "No compatible plugin types found for file: {} (expected a library in \
                 Contents/{}; Contents has: {})",
                path.display(),
                architecture(),
                names(&contents)
            ),
        )),
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    found.sort();
    found
}

fn names(folder: &Path) -> String {
    let found = below(folder);
    let names = found.iter().filter_map(|path| path.file_name()?.to_str());
    let names: Vec<&str> = names.take(20).collect();
    match names.is_empty() {
        true => "nothing".into(),
        false => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_leads_to_its_library() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("A.vst3");
        let folder = bundle.join("Contents").join(architecture());
        std::fs::create_dir_all(&folder).unwrap();
        let refused = library(&bundle).unwrap_err();
        assert_eq!(refused.reason, ErrorReason::NotFound);
        assert!(refused.message.contains("-linux"), "{refused}");
        let renamed = folder.join("B.so");
        std::fs::write(&renamed, "").unwrap();
        assert_eq!(library(&bundle).unwrap(), renamed);
        let own = folder.join("A.so");
        std::fs::write(&own, "").unwrap();
        assert_eq!(library(&bundle).unwrap(), own);
        assert_eq!(library(&own).unwrap(), own);
        let gone = library(Path::new("/nowhere/x.vst3")).unwrap_err();
        assert_eq!(gone.reason, ErrorReason::NotFound);
        assert!(library(Path::new("")).is_err());
    }
}
