//! Metadata from Turtle alone: no plugin code runs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, PluginDescription, PluginFormat, ScanFailure};
use plugpen_proto::worker::{Probe, Probed};

use super::world::{Plugin, Port, World};
use super::{bundles, manifests};
use crate::formats::count;

/// Files of one bundle's plugins that are read into the same world.
const FEW: usize = 8;
const INSTRUMENT: &str = "http://lv2plug.in/ns/lv2core#InstrumentPlugin";

/// Describes all plugins of the bundles a probe names or finds.
///
/// # Errors
/// liblilv is not there. What is wrong with a bundle is a failure in the answer.
pub fn probe(probe: &Probe) -> Result<Probed, Error> {
    let world = World::new()?;
    let mut probed = Probed::default();
    let bundles = wanted(probe, &mut probed.failures);
    for bundle in &bundles {
        world.load_bundle(bundle);
    }
    let mut found: Vec<(PathBuf, Vec<Plugin>)> = bundles
        .into_iter()
        .map(|bundle| (bundle, Vec::new()))
        .collect();
    for plugin in world.plugins() {
        let bundle = plugin.bundle().map(without_slash);
        let place = found
            .iter_mut()
            .find(|(path, _)| Some(without_slash(path.clone())) == bundle);
        if let Some((_, plugins)) = place {
            plugins.push(plugin);
        }
    }
    for (bundle, plugins) in &found {
        describe_all(bundle, plugins, probe, &mut probed);
    }
    Ok(probed)
}

fn wanted(probe: &Probe, failures: &mut Vec<ScanFailure>) -> Vec<PathBuf> {
    let mut wanted = Vec::new();
    for path in &probe.paths {
        if probe.search {
            wanted.extend(search(Path::new(path), 0));
        } else if bundles::is_uri(path) {
            wanted.extend(manifests::mentioning(path));
        } else {
            match bundles::check(Path::new(path)) {
                Ok(()) => wanted.push(PathBuf::from(path)),
                Err(error) => failures.push(failure(Path::new(path), error)),
            }
        }
    }
    if wanted.is_empty() && probe.paths.is_empty() && !probe.identifier.is_empty() {
        wanted = manifests::mentioning(&probe.identifier);
    }
    wanted
}

/// Bundles below a folder, folders in folders included, links not followed in circles.
fn search(folder: &Path, depth: u32) -> Vec<PathBuf> {
    const DEEPEST: u32 = 8;
    let mut found = bundles::below(folder);
    if depth < DEEPEST {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return found;
        };
        let folders = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            (is_folder && !bundles::is_bundle(&entry.path())).then(|| entry.path())
        });
        let mut folders: Vec<PathBuf> = folders.collect();
        folders.sort();
        for inner in folders {
            found.extend(search(&inner, depth + 1));
        }
    }
    found
}

fn describe_all(bundle: &Path, plugins: &[Plugin], probe: &Probe, probed: &mut Probed) {
    let before = probed.plugins.len();
    let mut fresh = Ok(Vec::new());
    let mut read: HashSet<PathBuf> = HashSet::new();
    for (index, plugin) in plugins.iter().enumerate() {
        if !probe.identifier.is_empty() && plugin.uri() != probe.identifier {
            continue;
        }
        // Each file makes the world larger and every look into it slower: a bundle of 191 plugins
        // takes its time only because of that. What is there already is not read again.
        let files = plugin.data_files();
        let is_there = files.iter().all(|file| read.contains(file));
        if !is_there && read.len() >= FEW {
            read.clear();
            fresh = World::new().map(|world| {
                world.load_bundle(bundle);
                world.plugins()
            });
        }
        read.extend(files);
        let uri = plugin.uri();
        // Both lists are sorted by URI.
        let again = fresh.iter().flatten().nth(index);
        let again = again.filter(|again| again.uri() == uri);
        let mut described = describe(*again.unwrap_or(plugin), count(index));
        described.path = without_slash(bundle.to_path_buf()).display().to_string();
        if described.name.is_empty() {
            let error = Error::new(
                ErrorReason::PluginRefused,
                format!(
                    "{} says nothing of itself: its data is missing",
                    plugin.uri()
                ),
            );
            probed.failures.push(failure(bundle, error));
        } else {
            probed.plugins.push(described);
        }
    }
    // A bundle of presets or user interfaces is no failure of a search.
    if probed.plugins.len() == before && plugins.is_empty() && !probe.search {
        probed
            .failures
            .push(failure(bundle, bundles::no_plugin(bundle)));
    }
}

/// What the Turtle says of one plugin.
pub fn describe(plugin: Plugin, index: u32) -> PluginDescription {
    let world = plugin.world();
    let terms = &world.terms;
    let uri = plugin.uri();
    let ports = plugin.ports();
    let audio = |direction| {
        let has = |port: &&Port| port.is_a(&terms.audio) && port.is_a(direction);
        count(ports.iter().filter(has).count())
    };
    let bundle = plugin.bundle().map(without_slash).unwrap_or_default();
    PluginDescription {
        name: plugin.name(),
        vendor: plugin.author(),
        // minihost has none for LV2; neither do most bundles.
        version: String::new(),
        format: PluginFormat::Lv2.into(),
        unique_id: unique_id(&uri),
        path: bundle.display().to_string(),
        index,
        accepts_midi: plugin
            .values(&terms.rdf_type)
            .iter()
            .any(|kind| kind.text() == INSTRUMENT),
        produces_midi: false,
        num_inputs: audio(&terms.input),
        num_outputs: audio(&terms.output),
        product: plugin.project().unwrap_or_else(|| plugin.name()),
        identifier: uri,
    }
}

/// The 31-hash of a URI's characters, as eight hex digits.
fn unique_id(uri: &str) -> String {
    let hash = uri.chars().fold(0u32, |hash, character| {
        hash.wrapping_mul(31).wrapping_add(u32::from(character))
    });
    format!("{hash:08X}")
}

fn without_slash(path: PathBuf) -> PathBuf {
    path.components().collect()
}

fn failure(path: &Path, error: Error) -> ScanFailure {
    ScanFailure {
        path: path.display().to_string(),
        reason: error.reason.into(),
        message: error.message,
        death: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_minihost_s() {
        assert_eq!(unique_id("http://distrho.sf.net/plugins/MVerb"), "6BD0509D");
        assert_eq!(unique_id("urn:zamaudio:ZamCompX2"), "7CC382EE");
    }
}
