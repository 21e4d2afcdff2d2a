//! Probe workers: one reads as many bundles as it survives.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::limits::MAX_TEXT;
use plugpen_proto::v1::{ErrorReason, PluginDescription, PluginFormat, Recording, ScanFailure};
use plugpen_proto::worker::{Hello, Probe, Probed};
use plugpen_warden::Role;

use super::cache::Findings;
use super::each::File;
use super::reach::Reach;
use super::target;
use crate::config::Class;
use crate::daemon::Daemon;
use crate::launcher::Errand;
use crate::worker_client::{Terms, Told, Worker};

/// Plugins of one answer, and failures. The largest bundle known holds 184.
const MAX_PLUGINS: usize = 4096;

/// A probe worker, started when it is first needed and again after it died.
pub struct Prober<'a> {
    daemon: &'a Daemon,
    read_only: Vec<PathBuf>,
    name: String,
    worker: Option<Arc<Worker>>,
}

impl<'a> Prober<'a> {
    /// For what lies in these folders. `name` is what its death is told with.
    pub fn new(daemon: &'a Daemon, read_only: Vec<PathBuf>, name: String) -> Self {
        Self {
            daemon,
            read_only,
            name,
            worker: None,
        }
    }

    /// Starts a worker now, if none lives.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn start(&mut self) -> Result<Option<Hello>, Error> {
        if self
            .worker
            .as_ref()
            .is_some_and(|worker| worker.has_ended().is_none())
        {
            return Ok(None);
        }
        // Its place is given back before the next one is waited for.
        self.worker = None;
        let errand = Errand {
            role: Role::Probe,
            read_only: self.read_only.clone(),
            name: self.name.clone(),
            generation: 1,
            jail: None,
            path: self.name.clone(),
            bundle: PathBuf::new(),
            limits: None,
            recording: Recording::Off,
        };
        let (worker, hello) = self.daemon.launcher.launch(errand, log).await?;
        self.worker = Some(worker);
        Ok(Some(hello))
    }

    /// What its worker's death is told with from now on.
    pub fn set_name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        if let Some(worker) = &self.worker {
            worker.set_name(name);
        }
    }

    /// The daemon that it works for.
    pub fn daemon(&self) -> &'a Daemon {
        self.daemon
    }

    /// Ends its worker, if it has one.
    pub async fn end(self) {
        if let Some(worker) = self.worker {
            worker.close(self.daemon.close_deadline()).await;
        }
    }

    /// Has metadata read.
    ///
    /// # Errors
    /// The worker's own, or its death.
    pub async fn probe(&mut self, probe: Probe) -> Result<Probed, Error> {
        self.start().await?;
        let Some(worker) = &self.worker else {
            return Err(Error::bug("no probe worker"));
        };
        let terms = Terms {
            after_block: 0,
            deadline: self.daemon.config.deadlines.of(Class::Probe),
        };
        let mut probed = worker.call(probe, terms, Vec::new()).await?;
        probed.plugins.truncate(MAX_PLUGINS);
        probed.plugins.retain(is_sane);
        probed.failures.truncate(MAX_PLUGINS);
        for failure in &mut probed.failures {
            failure.message = shortened(&failure.message);
            // A worker that can tell is not dead.
            failure.death = None;
        }
        Ok(probed)
    }
}

/// Takes what code of a plugin's may have written for what it can be at most: news of this file.
pub fn vouch(probed: &mut Probed, path: &Path, format: PluginFormat) {
    if matches!(format, PluginFormat::Lv2 | PluginFormat::Null) {
        return;
    }
    let path = path.to_string_lossy();
    for plugin in &mut probed.plugins {
        plugin.path = path.clone().into_owned();
        plugin.set_format(format);
    }
    for failure in &mut probed.failures {
        failure.path = path.clone().into_owned();
    }
}

fn log(told: Told) {
    match told {
        Told::Output(_, text) => tracing::debug!(target: "probe_output", "{text}"),
        Told::Died(death) => tracing::warn!("a probe: {}", death.summary),
        Told::Event(_) => {}
    }
}

/// Whether a description can be passed on as it is.
fn is_sane(plugin: &PluginDescription) -> bool {
    let texts = [
        &plugin.name,
        &plugin.vendor,
        &plugin.version,
        &plugin.unique_id,
        &plugin.path,
        &plugin.identifier,
    ];
    texts.iter().all(|text| text.len() <= MAX_TEXT)
}

/// The beginning of a text that may be of any length.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT / 4).collect()
}

/// Words for these paths, as the worker takes them.
pub fn texts(paths: &[PathBuf]) -> Vec<String> {
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    paths.iter().map(text).collect()
}

/// All plugins of one file or bundle, or the plugin of an LV2 URI. Where one of several ends its
/// worker, the others are read all the same.
///
/// # Errors
/// It is not there, is no plugin, cannot be read, or the probe died on all that is in it.
pub async fn probe(daemon: &Daemon, name: &str, reach: &Reach) -> Result<Findings, Error> {
    let target = target::resolve(daemon, name, reach).await?;
    let mut prober = Prober::new(daemon, target.readable.clone(), name.to_owned());
    let request = Probe {
        paths: texts(std::slice::from_ref(&target.bundle)),
        search: false,
        format: target.format.into(),
        identifier: target.identifier,
    };
    let found = match prober.probe(request).await {
        Ok(mut probed) => {
            prober.end().await;
            vouch(&mut probed, &target.bundle, target.format);
            Findings {
                plugins: probed.plugins,
                failures: probed.failures,
            }
        }
        Err(error) => {
            let file = File {
                path: target.bundle,
                format: target.format,
                readable: target.readable,
                name: name.to_owned(),
            };
            let found = file.read_each(prober, &error).await;
            if found.plugins.is_empty() {
                return Err(error);
            }
            found
        }
    };
    match (found.plugins.is_empty(), found.failures.first()) {
        (true, Some(failure)) => Err(refusal(failure)),
        (true, None) => Err(Error::new(
            ErrorReason::PluginRefused,
            format!("{name} holds no plugin that can be used"),
        )),
        (false, _) => Ok(found),
    }
}

fn refusal(failure: &ScanFailure) -> Error {
    let reason = match failure.reason() {
        ErrorReason::Unsupported => ErrorReason::Unsupported,
        ErrorReason::NotFound => ErrorReason::NotFound,
        _ => ErrorReason::PluginRefused,
    };
    Error::new(reason, failure.message.clone())
}

/// The bundle of an LV2 URI, looked for in the standard folders.
///
/// # Errors
/// No bundle has it.
pub async fn find_uri(daemon: &Daemon, uri: &str) -> Result<PathBuf, Error> {
    let folders = daemon.config.search_paths.standard(PluginFormat::Lv2);
    let searched = texts(&folders);
    let not_found = || {
        Error::new(
            ErrorReason::NotFound,
            format!(
                "No LV2 plugin has the URI {uri}; searched {}",
                searched.join(", ")
            ),
        )
    };
    let mut prober = Prober::new(daemon, folders, uri.to_owned());
    let request = Probe {
        paths: searched.clone(),
        search: true,
        format: PluginFormat::Lv2.into(),
        identifier: uri.to_owned(),
    };
    let probed = prober.probe(request).await;
    prober.end().await;
    let probed = match probed {
        Err(error) if error.reason == ErrorReason::NotFound => return Err(not_found()),
        probed => probed?,
    };
    let found = probed.plugins.into_iter().find(|p| p.identifier == uri);
    let bundle = found.map(|plugin| PathBuf::from(plugin.path).canonicalize());
    match bundle {
        Some(Ok(bundle)) => Ok(bundle),
        _ => Err(not_found()),
    }
}
