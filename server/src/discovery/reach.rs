//! Where a caller may have plugins read and opened.

use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, PluginFormat};

use super::Target;
use crate::config::Config;

/// The places that a caller's plugins may be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Everywhere: a process of the daemon's own user, who can run what it likes anyway.
    Everywhere,
    /// Below these folders, which are canonical.
    Folders(Vec<PathBuf>),
}

impl Reach {
    /// Of callers from elsewhere: the configured folders, or the standard ones that are there.
    pub fn of_strangers(config: &Config) -> Self {
        let mut folders = config.plugin_folders.clone();
        if folders.is_empty() {
            let formats = [PluginFormat::Lv2, PluginFormat::Vst2, PluginFormat::Vst3];
            let standard = formats
                .iter()
                .flat_map(|f| config.search_paths.standard(*f));
            folders = standard.filter_map(|f| f.canonicalize().ok()).collect();
            folders.sort();
            folders.dedup();
        }
        Self::Folders(folders)
    }

    /// The folders to search for a caller that names these; none: the standard ones.
    ///
    /// # Errors
    /// As [`Reach::check`].
    pub fn search(&self, named: Vec<String>) -> Result<Vec<String>, Error> {
        match self {
            Self::Folders(folders) if named.is_empty() => {
                let folders = folders.iter();
                Ok(folders.map(|f| f.to_string_lossy().into_owned()).collect())
            }
            _ => {
                named.iter().try_for_each(|folder| self.check(folder))?;
                Ok(named)
            }
        }
    }

    /// Checks a path that a caller names. Whether a path outside exists is not told.
    ///
    /// # Errors
    /// `NotAllowed`, with the folders.
    pub fn check(&self, name: &str) -> Result<(), Error> {
        let Self::Folders(folders) = self else {
            return Ok(());
        };
        let found = Path::new(name).canonicalize();
        match found.is_ok_and(|path| folders.iter().any(|folder| path.starts_with(folder))) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorReason::NotAllowed,
                format!(
                    "{name:?} is no plugin that callers from other machines may use; there are those of the folders {} (\"plugin_folders\" in the daemon's configuration)",
                    folders
                        .iter()
                        .map(|folder| folder.display().to_string())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            )),
        }
    }

    /// Checks where a plugin was found.
    ///
    /// # Errors
    /// As [`Reach::check`].
    pub fn check_target(&self, target: &Target) -> Result<(), Error> {
        match target.format {
            PluginFormat::Null | PluginFormat::AudioUnit => Ok(()),
            _ => self.check(&target.bundle.to_string_lossy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_folders_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("plugins/a.vst3");
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::write(dir.path().join("other.so"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("plugins/out")).unwrap();
        let folder = dir.path().join("plugins").canonicalize().unwrap();
        let reach = Reach::Folders(vec![folder]);
        reach.check(inside.to_str().unwrap()).unwrap();
        Reach::Everywhere.check("/etc/passwd").unwrap();
        for outside in [
            "other.so",
            "plugins/../other.so",
            "plugins/out/other.so",
            "none.so",
        ] {
            let path = dir.path().join(outside);
            let error = reach.check(path.to_str().unwrap()).unwrap_err();
            assert_eq!(error.reason, ErrorReason::NotAllowed, "{outside}");
        }
    }
}
