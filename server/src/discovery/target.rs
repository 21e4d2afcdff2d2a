//! From what a client names to a bundle that a worker can load.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::limits::MAX_PATH;
use plugpen_proto::v1::{ErrorReason, PluginFormat};

use super::probe;
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
}

impl Target {
    /// What the worker must be able to read for it.
    pub fn read_only(&self) -> Vec<PathBuf> {
        match self.format {
            PluginFormat::Null => Vec::new(),
            _ => vec![self.bundle.clone()],
        }
    }

    /// Whether a name is an LV2 URI rather than a path.
    pub fn is_uri(name: &str) -> bool {
        name.contains("://") || name.starts_with("urn:")
    }
}

/// Finds the bundle of a path or URI. An LV2 URI not met before costs a probe of the LV2 folders.
///
/// # Errors
/// Nothing of that name is there, or it is no plugin.
pub async fn resolve(daemon: &Daemon, name: &str) -> Result<Target, Error> {
    if name.is_empty() {
        return Err(Error::invalid("plugin_path is empty"));
    }
    if name.len() > MAX_PATH || name.contains('\0') {
        return Err(Error::invalid(format!(
            "plugin_path must be at most {MAX_PATH} bytes long and free of NUL bytes"
        )));
    }
    if name.starts_with("null:") {
        return Ok(Target {
            bundle: name.into(),
            format: PluginFormat::Null,
            identifier: String::new(),
        });
    }
    if Target::is_uri(name) {
        return uri(daemon, name).await;
    }
    let owned = name.to_owned();
    let found = tokio::task::spawn_blocking(move || file(&owned)).await;
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

fn file(name: &str) -> Result<Target, Error> {
    let bundle = Path::new(name)
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
    let format = format_of(&bundle).ok_or_else(|| {
        Error::new(
            ErrorReason::PluginRefused,
            format!(
                "{name} is no plugin; expected an LV2 bundle (a folder with a manifest.ttl), a .vst3, .so or .component, or an LV2 URI"
            ),
        )
    })?;
    Ok(Target {
        bundle,
        format,
        identifier: String::new(),
    })
}

/// The format that a file or folder looks like.
pub fn format_of(path: &Path) -> Option<PluginFormat> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "vst3" => Some(PluginFormat::Vst3),
        "component" if path.is_dir() => Some(PluginFormat::AudioUnit),
        "so" if path.is_file() => Some(PluginFormat::Vst2),
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
        std::fs::write(path("b.so"), "").unwrap();
        std::fs::write(path("c.txt"), "").unwrap();
        let format = |name: &str| file(&path(name)).map(|t| t.format).map_err(|e| e.reason);
        assert_eq!(format("a.lv2"), Ok(PluginFormat::Lv2));
        assert_eq!(format("a.lv2/"), Ok(PluginFormat::Lv2));
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
        let target = file(link.to_str().unwrap()).unwrap();
        assert_eq!(target.bundle, real.canonicalize().unwrap());
    }

    #[test]
    fn uris_are_told_from_paths() {
        assert!(Target::is_uri("http://example.org/x"));
        assert!(Target::is_uri("urn:x:y"));
        assert!(!Target::is_uri("/a/urn:x"));
    }
}
