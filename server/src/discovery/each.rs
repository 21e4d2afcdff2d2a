//! Files of several plugins of which one kills its worker: each plugin is read in a worker of its
//! own, so that it does not hide the others.

use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, PluginFormat, ScanFailure};
use plugpen_proto::worker::{Probe, Probed};

use super::cache::Findings;
use super::probe::{Prober, texts, vouch};

/// Plugins of one file that may die, each in a worker of its own, before the file is given up.
const MAX_DEATHS: usize = 8;

/// A file whose code ended the worker that read it.
pub struct File {
    /// Canonical.
    pub path: PathBuf,
    /// What it is.
    pub format: PluginFormat,
    /// What its workers must be able to read.
    pub readable: Vec<PathBuf>,
    /// What a death is told with that is none of a certain plugin's.
    pub name: String,
}

impl File {
    /// What can be read of it, a worker a plugin. `prober` is the one whose worker it ended, with
    /// `error`; where its plugins cannot be listed, that is all there is to say.
    pub async fn read_each(&self, mut prober: Prober<'_>, error: &Error) -> Findings {
        // Its plugins are listed, and none of several is made.
        let listed = match self.format {
            PluginFormat::Lv2 | PluginFormat::Null => Err(error.clone()),
            _ => prober.probe(self.request(true, String::new())).await,
        };
        let daemon = prober.daemon();
        prober.end().await;
        let listed = match listed {
            Ok(Probed { plugins, .. }) if plugins.len() > 1 => plugins,
            _ => return failed(&self.path, error),
        };
        let mut all = Findings::default();
        let mut deaths = 0;
        for plugin in listed {
            let mut prober = Prober::new(daemon, self.readable.clone(), plugin.name);
            let probed = prober.probe(self.request(false, plugin.identifier)).await;
            prober.end().await;
            let found = match probed {
                Ok(mut probed) => {
                    vouch(&mut probed, &self.path, self.format);
                    Findings {
                        plugins: probed.plugins,
                        failures: probed.failures,
                    }
                }
                Err(error) => {
                    deaths += 1;
                    failed(&self.path, &error)
                }
            };
            all.plugins.extend(found.plugins);
            all.failures.extend(found.failures);
            // Each may have hung for as long as the deadline is.
            if deaths == MAX_DEATHS {
                let error = Error::new(
                    ErrorReason::LimitReached,
                    format!(
                        "{MAX_DEATHS} plugins of {} died; the rest was not tried",
                        self.name
                    ),
                );
                all.failures.extend(failed(&self.path, &error).failures);
                break;
            }
        }
        all
    }

    fn request(&self, search: bool, identifier: String) -> Probe {
        Probe {
            paths: texts(std::slice::from_ref(&self.path)),
            search,
            format: self.format.into(),
            identifier,
        }
    }
}

/// The findings of a file of which nothing could be read.
pub fn failed(path: &Path, error: &Error) -> Findings {
    Findings {
        plugins: Vec::new(),
        failures: vec![ScanFailure {
            path: path.to_string_lossy().into_owned(),
            reason: error.reason.into(),
            message: error.message.clone(),
            death: error.death.as_deref().cloned(),
        }],
    }
}
