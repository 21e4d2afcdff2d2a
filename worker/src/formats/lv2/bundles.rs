//! Finding bundles and, in a bundle, the plugin that is meant. Reads manifests only.

use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, OpenOptions};

use super::manifests;
use super::world::{Plugin, World};

/// The bundles in a folder, sorted.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut bundles: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_bundle(path))
        .collect();
    bundles.sort();
    bundles
}

/// Whether a folder has a manifest.
pub fn is_bundle(folder: &Path) -> bool {
    folder.join("manifest.ttl").is_file()
}

/// Whether a path of a request is a URI and not a file.
pub fn is_uri(path: &str) -> bool {
    path.contains("://") || path.starts_with("urn:")
}

/// Finds the plugin that the options name and loads its bundle's manifest.
///
/// # Errors
/// No such file, no plugin in it, or none that the selector fits.
pub fn find(
    world: &'static World,
    bundle: &Path,
    options: &OpenOptions,
) -> Result<(Plugin, u32), Error> {
    if bundle.as_os_str().is_empty() && is_uri(&options.path) {
        return find_uri(world, &options.path);
    }
    let bundle = if bundle.as_os_str().is_empty() {
        Path::new(&options.path)
    } else {
        bundle
    };
    check(bundle)?;
    world.load_bundle(bundle);
    let plugins = world.plugins();
    if plugins.is_empty() {
        return Err(no_plugin(bundle));
    }
    let selector = if options.selector.is_empty() && is_uri(&options.path) {
        &options.path
    } else {
        &options.selector
    };
    select(&plugins, selector, bundle)
}

/// Checks that a path can be a bundle.
///
/// # Errors
/// It does not exist, or is none.
pub fn check(bundle: &Path) -> Result<(), Error> {
    if bundle.as_os_str().is_empty() {
        return Err(Error::invalid("plugin_path is empty"));
    }
    if !bundle.exists() {
        return Err(Error::new(
            ErrorReason::NotFound,
            format!("Plugin file does not exist: {}", bundle.display()),
        ));
    }
    if !is_bundle(bundle) {
        return Err(no_plugin(bundle));
    }
    Ok(())
}

/// The refusal of a bundle without plugins.
pub fn no_plugin(bundle: &Path) -> Error {
    Error::new(
        ErrorReason::NotFound,
        format!(
            "No compatible plugin types found for file: {} (it has no manifest.ttl that names an \
             LV2 plugin)",
            bundle.display()
        ),
    )
}

fn find_uri(world: &'static World, uri: &str) -> Result<(Plugin, u32), Error> {
    for bundle in manifests::mentioning(uri) {
        world.load_bundle(&bundle);
    }
    let plugins = world.plugins();
    let wanted = plugins.iter().position(|plugin| plugin.uri() == uri);
    let Some(wanted) = wanted else {
        return Err(Error::new(
            ErrorReason::NotFound,
            format!(
                "no plugin with the URI {uri} is installed in {}",
                std::env::var("LV2_PATH").unwrap_or_else(|_| manifests::DEFAULT_FOLDERS.into())
            ),
        ));
    };
    let bundle = plugins[wanted].bundle();
    let before = plugins[..wanted].iter();
    let index = before.filter(|plugin| plugin.bundle() == bundle).count();
    Ok((plugins[wanted], super::super::count(index)))
}

/// Chooses by URI, by position, then by name.
fn select(plugins: &[Plugin], selector: &str, bundle: &Path) -> Result<(Plugin, u32), Error> {
    let position = if selector.is_empty() {
        Some(0)
    } else if is_uri(selector) {
        plugins.iter().position(|plugin| plugin.uri() == selector)
    } else if let Ok(index) = selector.parse::<usize>() {
        if index >= plugins.len() {
            return Err(Error::out_of_range("plugin", index, plugins.len()));
        }
        Some(index)
    } else {
        by_name(plugins, selector)
    };
    match position {
        Some(at) => Ok((plugins[at], super::super::count(at))),
        None => {
            let names: Vec<String> = plugins.iter().take(40).map(Plugin::name).collect();
            Err(Error::new(
                ErrorReason::NotFound,
                format!(
                    "{} has no plugin \"{selector}\"; it has: {}",
                    bundle.display(),
                    names.join(", ")
                ),
            ))
        }
    }
}

/// Chooses by name, first by the exact one. Reads only those plugins' data that contain it.
fn by_name(plugins: &[Plugin], name: &str) -> Option<usize> {
    let lower = name.to_ascii_lowercase();
    let contains = |file: &PathBuf| {
        std::fs::read(file).is_ok_and(|text| {
            String::from_utf8_lossy(&text)
                .to_ascii_lowercase()
                .contains(&lower)
        })
    };
    let named: Vec<(usize, String)> = plugins
        .iter()
        .enumerate()
        .filter(|(_, plugin)| plugin.data_files().iter().any(contains))
        .map(|(at, plugin)| (at, plugin.name()))
        .collect();
    let find = |fits: &dyn Fn(&str) -> bool| named.iter().find(|(_, name)| fits(name));
    find(&|found| found == name)
        .or_else(|| find(&|found| found.eq_ignore_ascii_case(name)))
        .map(|(at, _)| *at)
}

/// Loads the manifests of other bundles that hold presets of this plugin.
pub fn load_preset_bundles(world: &World, uri: &str, own: Option<&Path>) {
    for bundle in manifests::with_presets(uri) {
        if Some(bundle.as_path()) != own {
            world.load_bundle(&bundle);
        }
    }
}

/// Loads the specification that describes the standard's own parameters, where it is installed.
pub fn load_parameter_specification(world: &World) {
    for folder in manifests::folders() {
        let bundle = folder.join("parameters.lv2");
        if is_bundle(&bundle) {
            world.load_bundle(&bundle);
            world.load_specifications();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = check(&folder.path().join("nowhere.lv2")).unwrap_err();
        assert!(missing.message.starts_with("Plugin file does not exist: /"));
        let empty = check(folder.path()).unwrap_err();
        assert!(
            empty
                .message
                .starts_with("No compatible plugin types found")
        );
        assert_eq!(
            check(Path::new("")).unwrap_err().message,
            "plugin_path is empty"
        );
    }

    #[test]
    fn uris_are_told_from_paths() {
        assert!(is_uri("http://example.org/x") && is_uri("urn:zam:x"));
        assert!(!is_uri("/usr/lib/lv2/x.lv2") && !is_uri("x.lv2"));
    }
}
