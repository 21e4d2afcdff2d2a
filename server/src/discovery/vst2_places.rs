//! Which libraries may be VST2 plugins: nothing in a library's name says so, its place does.

use std::path::{Component, Path, PathBuf};

/// Where systems keep libraries, thousands of them, which are no plugins.
const LIBRARIES: [&str; 6] = [
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
];
/// What folders of VST2 plugins are called, without a leading dot and in lower case.
const NAMES: [&str; 3] = ["vst", "vst2", "lxvst"];

/// The folders that hold VST2 plugins, whatever they are called.
#[derive(Debug, Clone, Default)]
pub struct Vst2Places(Vec<PathBuf>);

impl Vst2Places {
    /// Those of the search path, as far as they exist.
    pub fn new(folders: &[PathBuf]) -> Self {
        let real = |folder: &PathBuf| folder.canonicalize().ok();
        Self(folders.iter().filter_map(real).collect())
    }

    /// Whether a library here (a canonical path) may be a plugin. Among the system's libraries
    /// only in a folder for plugins; elsewhere anywhere.
    pub fn may_hold(&self, library: &Path) -> bool {
        let is_system = LIBRARIES.iter().any(|folder| library.starts_with(folder));
        !is_system || self.folder_of(library).is_some()
    }

    /// The folder beside the library that is there for plugins, and may hold what one needs.
    pub fn folder_of<'a>(&self, library: &'a Path) -> Option<&'a Path> {
        let folder = library.parent()?;
        let is_named = folder.components().any(|part| match part {
            Component::Normal(name) => name.to_str().is_some_and(is_vst2),
            _ => false,
        });
        let is_known = self.0.iter().any(|known| folder.starts_with(known));
        (is_named || is_known).then_some(folder)
    }
}

/// `vst`, `.vst`, `X.vst` and the like.
fn is_vst2(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ending = name
        .rsplit_once('.')
        .map_or(name.as_str(), |(_, ending)| ending);
    NAMES.contains(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_the_system_are_no_plugins() {
        let places = Vst2Places(vec!["/usr/lib/odd".into()]);
        for (library, expected) in [
            ("/usr/lib/vst/a.so", true),
            ("/usr/lib/lxvst/vendor/a.so", true),
            ("/usr/lib/vst/A.vst/A.so", true),
            (
                "/usr/lib/x86_64-linux-gnu/iem-plugin-suite/vst/liba.so",
                true,
            ),
            ("/usr/lib/odd/a.so", true),
            ("/usr/lib/x86_64-linux-gnu/gconv/a.so", false),
            ("/usr/lib/vst3/a.so", false),
            ("/home/ada/plugins/a.so", true),
        ] {
            assert_eq!(places.may_hold(Path::new(library)), expected, "{library}");
        }
    }

    #[test]
    fn a_plugin_s_folder_is_not_any_folder() {
        let places = Vst2Places::default();
        let folder = |library| places.folder_of(Path::new(library)).and_then(Path::to_str);
        assert_eq!(folder("/home/ada/.vst/x/a.so"), Some("/home/ada/.vst/x"));
        assert_eq!(folder("/home/ada/a.so"), None);
    }
}
