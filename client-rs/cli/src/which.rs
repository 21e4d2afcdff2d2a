//! From what a user calls a plugin to what the daemon opens.

use std::collections::HashSet;
use std::path::Path;

use plugpen::v1::{ErrorReason, PluginDescription, PluginFormat};
use plugpen::{Error, ScanItem, Server};

use crate::context::progress_bar;
use crate::describe::format_name;
use crate::output::{Failure, plain};

/// Candidates and similar names that are listed.
const LISTED: usize = 20;

/// Which plugin is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// A name (MVerb, or vst3:MVerb), a file or bundle, a file and an index (mda.lv2:2), or an LV2
    /// URI
    #[arg(value_name = "PLUGIN")]
    pub name: String,
    /// Which one, where a file holds several: an index, a name, a URI or a class id
    #[arg(
        id = "which",
        long = "plugin",
        value_name = "WHICH",
        default_value = ""
    )]
    pub selector: String,
}

/// What the daemon opens.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub path: String,
    pub selector: String,
}

impl Place {
    fn new(path: impl Into<String>, selector: impl Into<String>) -> Place {
        Place {
            path: path.into(),
            selector: selector.into(),
        }
    }
}

/// Finds the plugin that is meant. A name is looked for in what scans found: of the standard
/// folders, which are scanned for it where that has not happened, and of any other.
///
/// # Errors
/// `NotFound` with similar names; `InvalidInput` where a name is that of several plugins, with all
/// of them.
pub fn find(server: &Server, which: &Which) -> Result<Place, Failure> {
    if let Some(place) = literally(which, server.is_remote()) {
        return Ok(place);
    }
    let plugins = known(server)?;
    Ok(by_name(&plugins, which)?)
}

/// The place of a text that is a file, a URI or a code, or can be nothing else. On another machine
/// all that begins at the root is a file.
fn literally(which: &Which, is_remote: bool) -> Option<Place> {
    let name = which.name.as_str();
    let is_there = |path: &str| match is_remote {
        true => path.starts_with('/'),
        false => Path::new(path).exists(),
    };
    let is_code = name.split(':').map(str::len).eq([4, 4, 4]) && name.starts_with("au");
    let is_uri = name.contains("://") || name.starts_with("urn:") || name.starts_with("null:");
    if is_code || is_uri || (!is_remote && is_there(name)) {
        return Some(Place::new(name, which.selector.as_str()));
    }
    if let Some((path, selector)) = name.rsplit_once(':')
        && which.selector.is_empty()
        && is_there(path)
    {
        return Some(Place::new(path, selector));
    }
    // The daemon says best what is wrong with it.
    (name.is_empty() || name.contains('/')).then(|| Place::new(name, which.selector.as_str()))
}

/// Everything that can be called by its name.
fn known(server: &Server) -> Result<Vec<PluginDescription>, Failure> {
    let progress = progress_bar(0, "{bar:30} {pos}/{len} looking for plugins");
    let mut plugins = Vec::new();
    let scanned = server.scan(&[], false, &mut |item| match item {
        ScanItem::Plugin(plugin) => plugins.push(plugin),
        ScanItem::Progress(state) => {
            progress.set_length(state.total.into());
            progress.set_position(state.done.into());
        }
        ScanItem::Failure(_) => {}
    });
    progress.finish_and_clear();
    scanned?;
    plugins.extend(server.known_plugins(&[])?);
    let mut seen = HashSet::new();
    plugins.retain(|plugin| seen.insert((plugin.path.clone(), plugin.index)));
    Ok(plugins)
}

fn by_name(plugins: &[PluginDescription], which: &Which) -> Result<Place, Error> {
    let (format, name) = qualified(&which.name);
    let of_format = |plugin: &&PluginDescription| format.is_none_or(|f| plugin.format() == f);
    let wanted = name.to_lowercase();
    let mut found: Vec<_> = plugins
        .iter()
        .filter(of_format)
        .filter(|plugin| plugin.name.to_lowercase() == wanted)
        .collect();
    // The same LV2 in several folders is one plugin.
    let mut uris = HashSet::new();
    found.retain(|plugin| {
        plugin.format() != PluginFormat::Lv2 || uris.insert(plugin.identifier.as_str())
    });
    if let [one] = found[..] {
        return Ok(place_of(one));
    }
    if !found.is_empty() {
        return Err(ambiguous(&which.name, &found));
    }
    let mut files: Vec<_> = plugins
        .iter()
        .filter(of_format)
        .map(|plugin| plugin.path.as_str())
        .filter(|path| Path::new(path).file_name().is_some_and(|file| file == name))
        .collect();
    files.sort_unstable();
    files.dedup();
    match files[..] {
        [file] => Ok(Place::new(file, which.selector.as_str())),
        [] => Err(unknown(&which.name, &wanted, plugins)),
        _ => Err(Error::invalid(format!(
            "{:?} is in several folders; give one of these paths instead:\n  {}",
            which.name,
            files.join("\n  ")
        ))),
    }
}

/// `vst3:MVerb` is MVerb of one format.
fn qualified(name: &str) -> (Option<PluginFormat>, &str) {
    let Some((prefix, rest)) = name.split_once(':') else {
        return (None, name);
    };
    let format = match prefix.to_ascii_lowercase().as_str() {
        "lv2" => PluginFormat::Lv2,
        "vst" | "vst2" => PluginFormat::Vst2,
        "vst3" => PluginFormat::Vst3,
        "au" | "audiounit" => PluginFormat::AudioUnit,
        _ => return (None, name),
    };
    (Some(format), rest)
}

fn place_of(plugin: &PluginDescription) -> Place {
    match plugin.format() {
        PluginFormat::Lv2 => Place::new(&plugin.path, &plugin.identifier),
        _ => Place::new(&plugin.path, plugin.index.to_string()),
    }
}

/// What to type for this plugin and no other.
fn spelling(plugin: &PluginDescription) -> String {
    match plugin.format() {
        PluginFormat::Lv2 => plugin.identifier.clone(),
        _ if plugin.identifier.is_empty() => plugin.path.clone(),
        _ => format!("{}:{}", plugin.path, plugin.index),
    }
}

fn ambiguous(name: &str, found: &[&PluginDescription]) -> Error {
    let (_, bare) = qualified(name);
    let mut spellings: Vec<_> = found
        .iter()
        .map(|plugin| format!("{}:{bare}", format_name(plugin.format()).to_lowercase()))
        .collect();
    spellings.sort();
    spellings.dedup();
    let with_format = match spellings.len() {
        1 => String::new(),
        _ => format!(" with the format in front ({}), or", spellings.join(", ")),
    };
    let mut message = format!(
        "{name:?} is the name of {} plugins; say which{with_format} by one of these:",
        found.len()
    );
    for plugin in found.iter().take(LISTED) {
        let format = format_name(plugin.format());
        message.push_str(&format!("\n  {format:<9}  {}", plain(&spelling(plugin))));
    }
    Error::invalid(message)
}

fn unknown(name: &str, wanted: &str, plugins: &[PluginDescription]) -> Error {
    let mut similar: Vec<_> = plugins
        .iter()
        .map(|plugin| plain(&plugin.name))
        .filter(|known| known.to_lowercase().contains(wanted))
        .collect();
    similar.sort();
    similar.dedup();
    let hint = match similar.len() {
        0 => "`plugpen scan` lists the names; a plugin elsewhere is called by its path".into(),
        _ => {
            similar.truncate(LISTED);
            format!("similar: {}", similar.join(", "))
        }
    };
    Error::new(
        ErrorReason::NotFound,
        format!(
            "there is no file and no plugin {name:?} among the {} that are known; {hint}",
            plugins.len()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Which {
        Which {
            name: name.into(),
            selector: String::new(),
        }
    }

    fn plugin(name: &str, format: PluginFormat, path: &str, identifier: &str) -> PluginDescription {
        let mut plugin = PluginDescription {
            name: name.into(),
            path: path.into(),
            identifier: identifier.into(),
            ..PluginDescription::default()
        };
        plugin.set_format(format);
        plugin
    }

    fn some() -> Vec<PluginDescription> {
        vec![
            plugin("MVerb", PluginFormat::Lv2, "/a/MVerb.lv2", "urn:mverb"),
            plugin("MVerb", PluginFormat::Lv2, "/b/MVerb.lv2", "urn:mverb"),
            plugin("MVerb", PluginFormat::Vst3, "/c/MVerb.vst3", "0123"),
            plugin("Organ", PluginFormat::Vst2, "/d/organ.so", ""),
        ]
    }

    fn find(name: &str) -> Result<Place, Error> {
        by_name(&some(), &named(name))
    }

    #[test]
    fn names_count_whatever_their_case() {
        assert_eq!(find("oRGAN").unwrap(), Place::new("/d/organ.so", "0"));
        assert_eq!(find("organ.so").unwrap().path, "/d/organ.so");
    }

    #[test]
    fn a_name_of_several_plugins_is_explained_and_can_be_qualified() {
        let error = find("mverb").unwrap_err();
        for part in [
            "2 plugins",
            "lv2:mverb, vst3:mverb",
            "urn:mverb",
            "/c/MVerb.vst3:0",
        ] {
            assert!(error.message.contains(part), "{}", error.message);
        }
        assert_eq!(find("VST3:mverb").unwrap().path, "/c/MVerb.vst3");
        let lv2 = find("lv2:MVerb").unwrap();
        assert_eq!(lv2, Place::new("/a/MVerb.lv2", "urn:mverb"));
        // The same bundle in two folders, by its file's name.
        assert!(find("MVerb.lv2").unwrap_err().message.contains("/b/MVerb"));
    }

    #[test]
    fn an_unknown_name_is_not_found_and_similar_ones_are_told() {
        let error = find("verb").unwrap_err();
        assert_eq!(error.reason, ErrorReason::NotFound);
        assert!(error.message.contains("similar: MVerb"), "{error}");
        assert!(find("x").unwrap_err().message.contains("plugpen scan"));
    }

    #[test]
    fn files_and_uris_are_taken_literally() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let literal = |name: &str| literally(&named(name), false);
        assert_eq!(literal(path), Some(Place::new(path, "")));
        assert_eq!(literal(&format!("{path}:2")), Some(Place::new(path, "2")));
        for name in [
            "urn:x:y",
            "http://x/y",
            "null:gain",
            "/nowhere/x.so",
            "aumu:beep:Plpg",
        ] {
            assert_eq!(literal(name), Some(Place::new(name, "")), "{name}");
        }
        for name in ["MVerb", "vst3:MVerb", "MVerb.lv2"] {
            assert_eq!(literal(name), None, "{name}");
        }
    }

    #[test]
    fn paths_of_another_machine_are_not_looked_for_here() {
        let literal = |name: &str| literally(&named(name), true);
        let path = "/nowhere/x.lv2";
        assert_eq!(literal(path), Some(Place::new(path, "")));
        assert_eq!(literal("/nowhere/x.lv2:2"), Some(Place::new(path, "2")));
        assert_eq!(literal("urn:x:y"), Some(Place::new("urn:x:y", "")));
        assert_eq!(literal("MVerb"), None);
    }
}
