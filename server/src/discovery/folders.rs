//! Where plugins usually are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use plugpen_proto::v1::PluginFormat;

/// What the environment says of the places where plugins are.
#[derive(Debug, Clone, Default)]
pub struct SearchPaths {
    /// The user's home.
    pub home: Option<PathBuf>,
    /// `LV2_PATH`, for the workers too.
    pub lv2: Option<OsString>,
    /// `VST_PATH`.
    pub vst2: Option<OsString>,
    /// `VST3_PATH`.
    pub vst3: Option<OsString>,
}

/// A family of systems that keep plugins in the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Unix,
    Mac,
}

const HERE: System = if cfg!(target_os = "macos") {
    System::Mac
} else {
    System::Unix
};

impl SearchPaths {
    /// The daemon's own environment.
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            home: variable("HOME").map(PathBuf::from),
            lv2: variable("LV2_PATH"),
            vst2: variable("VST_PATH"),
            vst3: variable("VST3_PATH"),
        }
    }

    /// The folders of this system that may hold plugins of a format; only those that exist.
    pub fn standard(&self, format: PluginFormat) -> Vec<PathBuf> {
        let mut folders = self.usual(HERE, format);
        folders.retain(|folder| folder.is_dir());
        folders
    }

    /// A search path in the environment stands for all other places, the user's own too.
    fn usual(&self, system: System, format: PluginFormat) -> Vec<PathBuf> {
        let named = match format {
            PluginFormat::Lv2 => &self.lv2,
            PluginFormat::Vst2 => &self.vst2,
            PluginFormat::Vst3 => &self.vst3,
            _ => &None,
        };
        match (named, system) {
            (Some(path), _) => std::env::split_paths(path)
                .filter(|folder| folder.is_absolute())
                .collect(),
            (None, System::Unix) => self.unix(format),
            (None, System::Mac) => self.mac(format),
        }
    }

    fn unix(&self, format: PluginFormat) -> Vec<PathBuf> {
        let names: &[&str] = match format {
            PluginFormat::Lv2 => &["lv2"],
            PluginFormat::Vst2 => &["vst", "lxvst"],
            PluginFormat::Vst3 => &["vst3"],
            _ => &[],
        };
        let own = self.home.iter().flat_map(|home| {
            let hidden = |name: &&str| home.join(format!(".{name}"));
            names.iter().map(hidden)
        });
        let multiarch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let bases = ["/usr/local/lib", "/usr/lib", "/usr/lib64", &multiarch];
        let common = bases
            .into_iter()
            .flat_map(|base| names.iter().map(move |name| Path::new(base).join(name)));
        // Debian's IEM suite goes where no other does.
        let iem = matches!(format, PluginFormat::Vst2)
            .then(|| Path::new(&multiarch).join("iem-plugin-suite/vst"));
        own.chain(common).chain(iem).collect()
    }

    fn mac(&self, format: PluginFormat) -> Vec<PathBuf> {
        let name = match format {
            PluginFormat::Lv2 => "LV2",
            PluginFormat::Vst2 => "VST",
            PluginFormat::Vst3 => "VST3",
            PluginFormat::AudioUnit => "Components",
            _ => return Vec::new(),
        };
        let library = |root: &Path| root.join("Library/Audio/Plug-Ins").join(name);
        let mut folders: Vec<_> = self.home.iter().map(|home| library(home)).collect();
        folders.push(library(Path::new("/")));
        match format {
            PluginFormat::Lv2 => {
                folders.extend(self.home.iter().map(|home| home.join(".lv2")));
                folders.extend(["/usr/local/lib/lv2", "/usr/lib/lv2"].map(PathBuf::from));
            }
            // The units that come with the system.
            PluginFormat::AudioUnit => folders.push("/System/Library/Components".into()),
            _ => {}
        }
        folders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(paths: &SearchPaths, system: System, format: PluginFormat) -> Vec<String> {
        let folders = paths.usual(system, format);
        let text = |folder: PathBuf| folder.to_str().unwrap().to_owned();
        folders.into_iter().map(text).collect()
    }

    #[test]
    fn each_system_has_its_places() {
        let paths = SearchPaths {
            home: Some("/home/ada".into()),
            ..SearchPaths::default()
        };
        for (system, format, expected) in [
            (System::Unix, PluginFormat::Lv2, "/home/ada/.lv2"),
            (System::Unix, PluginFormat::Lv2, "/usr/lib/lv2"),
            (System::Unix, PluginFormat::Vst2, "/home/ada/.vst"),
            (System::Unix, PluginFormat::Vst2, "/usr/lib/vst"),
            (System::Unix, PluginFormat::Vst2, "/usr/lib/lxvst"),
            (System::Unix, PluginFormat::Vst2, "/usr/local/lib/lxvst"),
            (System::Unix, PluginFormat::Vst3, "/home/ada/.vst3"),
            (System::Unix, PluginFormat::Vst3, "/usr/local/lib/vst3"),
            (
                System::Mac,
                PluginFormat::Vst3,
                "/home/ada/Library/Audio/Plug-Ins/VST3",
            ),
            (
                System::Mac,
                PluginFormat::AudioUnit,
                "/Library/Audio/Plug-Ins/Components",
            ),
        ] {
            let found = usual(&paths, system, format);
            assert!(found.contains(&expected.to_owned()), "{found:?}");
        }
        assert!(usual(&paths, System::Unix, PluginFormat::AudioUnit).is_empty());
    }

    #[test]
    fn a_search_path_stands_for_all() {
        let paths = SearchPaths {
            home: Some("/home/ada".into()),
            vst3: Some("/a:/b:relative:".into()),
            ..SearchPaths::default()
        };
        assert_eq!(
            usual(&paths, System::Unix, PluginFormat::Vst3),
            ["/a", "/b"]
        );
        assert!(usual(&paths, System::Unix, PluginFormat::Vst2).len() > 2);
    }

    #[test]
    fn only_folders_that_exist_are_searched() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there");
        std::fs::create_dir(&there).unwrap();
        let both = std::env::join_paths([&there, &dir.path().join("gone")]).unwrap();
        let paths = SearchPaths {
            vst2: Some(both),
            ..SearchPaths::default()
        };
        assert_eq!(paths.standard(PluginFormat::Vst2), [there]);
    }
}
