//! Finding bundles and, in a bundle, the plugin that is meant. Reads manifests only.

use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::selector::{self, Named};
use plugpen_proto::v1::{ErrorReason, OpenOptions};

use super::manifests;
use super::world::{Plugin, World};

/// Plugins of a bundle whose names an error lists.
const FEW: usize = 40;

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

/// Chooses a plugin; see [`selector::choose`]. Reads the data of those plugins only that it may
/// mean, and of more for an error that lists them.
fn select(plugins: &[Plugin], selector: &str, bundle: &Path) -> Result<(Plugin, u32), Error> {
    let uris: Vec<String> = plugins.iter().map(Plugin::uri).collect();
    let lower = selector.to_ascii_lowercase();
    let is_other = lower.is_empty() || is_uri(selector) || selector.parse::<usize>().is_ok();
    let choose = |reads: &dyn Fn(usize) -> bool| {
        let name = |at: usize| match reads(at) {
            true => plugins[at].name(),
            false => String::new(),
        };
        let names: Vec<String> = (0..plugins.len()).map(name).collect();
        let named: Vec<Named<'_>> = (0..)
            .zip(names.iter().zip(&uris))
            .map(|(index, (name, identifier))| Named {
                index,
                name,
                identifier,
            })
            .collect();
        selector::choose(&bundle.display().to_string(), &named, selector)
    };
    let at = choose(&|at| !is_other && could_be_called(&plugins[at], &lower));
    let at = match at {
        Err(error) if error.reason == ErrorReason::NotFound => choose(&|at| at < FEW),
        at => at,
    }?;
    Ok((plugins[at], super::super::count(at)))
}

/// Whether a plugin's data contains a name, whatever the case.
fn could_be_called(plugin: &Plugin, lower: &str) -> bool {
    let contains = |file: &PathBuf| {
        std::fs::read(file).is_ok_and(|text| {
            String::from_utf8_lossy(&text)
                .to_ascii_lowercase()
                .contains(lower)
        })
    };
    plugin.data_files().iter().any(contains)
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
