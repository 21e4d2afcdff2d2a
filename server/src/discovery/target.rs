//! From what a client names to a bundle that a worker can load.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::limits::MAX_PATH;
use plugpen_proto::v1::{ErrorReason, PluginFormat};

use super::folders::SearchPaths;
use super::probe;
use super::reach::Reach;
use super::vst2_places::Vst2Places;
use crate::daemon::Daemon;
use crate::lock::lock;

/// LV2 URIs whose bundles are remembered.
const MAX_URIS: usize = 4096;

/// A plugin's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its bundle or file, canonical; a null plugin's own words.
    pub bundle: PathBuf,
    /// What it is.
    pub format: PluginFormat,
    /// Which one in the bundle, where the client named a URI.
    pub identifier: String,
    /// What the worker must be able to read for it.
    pub readable: Vec<PathBuf>,
}

impl Target {
    /// Whether a name is an LV2 URI rather than a path.
    pub fn is_uri(name: &str) -> bool {
        name.contains("://") || name.starts_with("urn:")
    }
}

/// Finds the bundle of a path or URI. An LV2 URI not met before costs a probe of the LV2 folders.
///
/// # Errors
/// Nothing of that name is there, or it is no plugin; it is beyond the caller's reach.
pub async fn resolve(daemon: &Daemon, name: &str, reach: &Reach) -> Result<Target, Error> {
    if name.is_empty() {
        return Err(Error::invalid("plugin_path is empty"));
    }
    if name.len() > MAX_PATH || name.contains('\0') {
        return Err(Error::invalid(format!(
            "plugin_path must be at most {MAX_PATH} bytes long and free of NUL bytes"
        )));
    }
    let unfiled = match name {
        name if name.starts_with("null:") => Some(PluginFormat::Null),
        name if is_component(name) => Some(PluginFormat::AudioUnit),
        _ => None,
    };
    if let Some(format) = unfiled {
        return Ok(Target {
            bundle: name.into(),
            format,
            identifier: String::new(),
            readable: Vec::new(),
        });
    }
    if Target::is_uri(name) {
        let target = uri(daemon, name).await?;
        reach.check_target(&target)?;
        return Ok(target);
    }
    reach.check(name)?;
    let (owned, vst2) = (name.to_owned(), daemon.config.search_paths.clone());
    let found = tokio::task::spawn_blocking(move || file(&owned, &vst2)).await;
    found.map_err(|error| Error::bug(error.to_string()))?
}

async fn uri(daemon: &Daemon, uri: &str) -> Result<Target, Error> {
    let known = lock(&daemon.uris).get(uri).cloned();
    let bundle = match known.filter(|bundle| bundle.exists()) {
        Some(bundle) => bundle,
        None => probe::find_uri(daemon, uri).await?,
    };
    remember(daemon, uri, &bundle);
    Ok(Target {
        readable: vec![bundle.clone()],
        bundle,
        format: PluginFormat::Lv2,
        identifier: uri.to_owned(),
    })
}

/// Remembers where the plugin of a URI is.
pub fn remember(daemon: &Daemon, uri: &str, bundle: &Path) {
    let mut uris = lock(&daemon.uris);
    if uris.len() >= MAX_URIS {
        uris.clear();
    }
    uris.insert(uri.to_owned(), bundle.to_owned());
}

fn file(name: &str, paths: &SearchPaths) -> Result<Target, Error> {
    let named = Path::new(name)
        .canonicalize()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Error::new(
                ErrorReason::NotFound,
                format!("Plugin file does not exist: {name}"),
            ),
            ErrorKind::PermissionDenied => Error::new(
                ErrorReason::NotAllowed,
                format!("Plugin file cannot be read: {name}: {error}"),
            ),
            _ => Error::invalid(format!("plugin_path {name:?} cannot be used: {error}")),
        })?;
    let bundle = vst2_of_folder(&named).unwrap_or(named);
    let format = format_of(&bundle).ok_or_else(|| {
        Error::new(
            ErrorReason::PluginRefused,
            format!(
                "No compatible plugin types found for file: {name}; expected an LV2 bundle (a folder with a manifest.ttl), a .vst3, a VST2 .so or the .vst folder around it, a .component, or an LV2 URI"
            ),
        )
    })?;
    let vst2 = match format {
        PluginFormat::Vst2 => Vst2Places::new(&paths.standard(format)),
        _ => Vst2Places::default(),
    };
    Ok(Target {
        readable: readable(&bundle, format, &vst2),
        bundle,
        format,
        identifier: String::new(),
    })
}

/// What a worker must be able to read for a plugin, beside what all workers may.
pub fn readable(bundle: &Path, format: PluginFormat, vst2: &Vst2Places) -> Vec<PathBuf> {
    let mut readable = vec![bundle.to_owned()];
    if format == PluginFormat::Vst2 {
        readable.extend(vst2.folder_of(bundle).map(Path::to_owned));
    }
    readable
}

/// The plugin of a folder `X.vst`: `X.vst/X.so`, or the one library in it.
fn vst2_of_folder(folder: &Path) -> Option<PathBuf> {
    let ending = folder.extension()?;
    if !ending.eq_ignore_ascii_case("vst") || !folder.is_dir() || is_mac_bundle(folder) {
        return None;
    }
    let mut libraries: Vec<_> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| format_of(path) == Some(PluginFormat::Vst2))
        .collect();
    let namesake = libraries
        .iter()
        .position(|path| path.file_stem() == folder.file_stem());
    match (namesake, libraries.len()) {
        (Some(at), _) => Some(libraries.swap_remove(at)),
        (None, 1) => libraries.pop(),
        _ => None,
    }
}

/// Whether a name describes a component of AudioToolbox: type, subtype and manufacturer, four
/// characters each, as in `aufx:delf:Demo`. All types begin with "au".
fn is_component(name: &str) -> bool {
    let bytes = name.as_bytes();
    let is_shaped = bytes.len() == 14 && bytes[4] == b':' && bytes[9] == b':';
    is_shaped && name.is_ascii() && name.starts_with("au")
}

/// A folder that is a plugin on macOS.
fn is_mac_bundle(path: &Path) -> bool {
    path.join("Contents/MacOS").is_dir()
}

/// The format that a file or folder looks like.
pub fn format_of(path: &Path) -> Option<PluginFormat> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("vst3") => Some(PluginFormat::Vst3),
        Some("component") if path.is_dir() => Some(PluginFormat::AudioUnit),
        Some("vst") if is_mac_bundle(path) => Some(PluginFormat::Vst2),
        Some("so") if path.is_file() => Some(PluginFormat::Vst2),
        _ => None,
    }
    .or_else(|| {
        path.join("manifest.ttl")
            .is_file()
            .then_some(PluginFormat::Lv2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir(path("a.lv2")).unwrap();
        std::fs::write(path("a.lv2/manifest.ttl"), "").unwrap();
        std::fs::create_dir(path("empty.lv2")).unwrap();
        std::fs::create_dir(path("bare")).unwrap();
        std::fs::write(path("bare/manifest.ttl"), "").unwrap();
        std::fs::write(path("b.so"), "").unwrap();
        std::fs::write(path("c.txt"), "").unwrap();
        let file = |name: &str| file(name, &SearchPaths::default());
        let format = |name: &str| file(&path(name)).map(|t| t.format).map_err(|e| e.reason);
        assert_eq!(format("a.lv2"), Ok(PluginFormat::Lv2));
        assert_eq!(format("a.lv2/"), Ok(PluginFormat::Lv2));
        assert_eq!(format("bare"), Ok(PluginFormat::Lv2));
        assert_eq!(format("b.so"), Ok(PluginFormat::Vst2));
        assert_eq!(format("c.txt"), Err(ErrorReason::PluginRefused));
        assert_eq!(format("empty.lv2"), Err(ErrorReason::PluginRefused));
        let gone = file("/nowhere/x.lv2").unwrap_err();
        assert_eq!(gone.reason, ErrorReason::NotFound);
        assert_eq!(gone.message, "Plugin file does not exist: /nowhere/x.lv2");
    }

    #[test]
    fn a_link_leads_to_its_bundle() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real.lv2");
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("manifest.ttl"), "").unwrap();
        let link = dir.path().join("link.lv2");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let target = file(link.to_str().unwrap(), &SearchPaths::default()).unwrap();
        assert_eq!(target.bundle, real.canonicalize().unwrap());
    }

    #[test]
    fn a_vst_folder_leads_to_its_library() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let make = |name: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for name in [
            "A.vst/A.so",
            "A.vst/helper.so",
            "B.vst/other.so",
            "C.vst/1.so",
            "C.vst/2.so",
        ] {
            make(name);
        }
        let find = |name: &str| file(root.join(name).to_str().unwrap(), &SearchPaths::default());
        let a = find("A.vst").unwrap();
        assert_eq!(a.bundle, root.join("A.vst/A.so"));
        assert_eq!(a.readable, [root.join("A.vst/A.so"), root.join("A.vst")]);
        assert_eq!(find("B.vst").unwrap().bundle, root.join("B.vst/other.so"));
        let error = find("C.vst").unwrap_err();
        assert_eq!(error.reason, ErrorReason::PluginRefused);
    }

    #[test]
    fn components_of_audio_toolbox_have_codes_for_names() {
        assert!(is_component("aufx:delf:Demo"));
        assert!(!is_component("aufx:delf"));
        assert!(!is_component("/a/b/c/d/e/f/g"));
    }

    #[test]
    fn uris_are_told_from_paths() {
        assert!(Target::is_uri("http://example.org/x"));
        assert!(Target::is_uri("urn:x:y"));
        assert!(!Target::is_uri("/a/urn:x"));
    }
}
