//! A scan: what is known comes from the cache, the rest is read. What could not be read is a
//! result like any other, and remembered like any other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::scan_plugins_response::Result as Found;
use plugpen_proto::v1::{
    ErrorReason, PluginFormat, ScanFailure, ScanPluginsRequest, ScanPluginsResponse, ScanProgress,
};
use tokio::sync::mpsc;

use super::cache::{Cache, Findings};
use super::cached::with_cache;
use super::candidates::{self, Candidate, Wanted};
use super::readers::Readers;
use super::vst2_places::Vst2Places;
use super::{survey, target};
use crate::daemon::Daemon;

/// Results that may wait for the client.
const QUEUE: usize = 64;
/// What is searched for, where it can be hosted.
const FORMATS: [PluginFormat; 4] = [
    PluginFormat::Lv2,
    PluginFormat::Vst2,
    PluginFormat::Vst3,
    PluginFormat::AudioUnit,
];

/// Starts a scan. It ends early when the receiver is dropped.
///
/// # Errors
/// No worker can be started.
pub async fn scan(
    daemon: Arc<Daemon>,
    request: ScanPluginsRequest,
) -> Result<mpsc::Receiver<ScanPluginsResponse>, Error> {
    let survey = survey(&daemon).await?;
    let formats = FORMATS.into_iter().filter(|format| survey.hosts(*format));
    let vst2 = daemon.config.search_paths.standard(PluginFormat::Vst2);
    let wanted = Wanted {
        formats: formats.collect(),
        vst2: Vst2Places::new(&vst2),
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let scan = Scan {
            daemon,
            sender,
            wanted,
            done: 0,
            total: 0,
        };
        if scan.run(request).await.is_err() {
            tracing::debug!("a scan was given up by its client");
        }
    });
    Ok(receiver)
}

/// The client does not listen any more.
struct GivenUp;

struct Scan {
    daemon: Arc<Daemon>,
    sender: mpsc::Sender<ScanPluginsResponse>,
    wanted: Wanted,
    done: usize,
    total: usize,
}

impl Scan {
    async fn run(mut self, request: ScanPluginsRequest) -> Result<(), GivenUp> {
        if request.known_only {
            return self.tell_known(&request).await;
        }
        let folders = self.folders(&request);
        let candidates = self.candidates(folders).await?;
        let Ok(mut cache) = with_cache(&self.daemon, |cache| cache).await else {
            return Ok(());
        };
        self.total = candidates.len();
        self.progress().await?;
        let mut unknown = Vec::new();
        for candidate in candidates {
            match cache.get(&candidate).filter(|_| !request.refresh) {
                Some(findings) => {
                    self.done += 1;
                    self.tell(&findings).await?;
                }
                None => unknown.push(candidate),
            }
        }
        self.progress().await?;
        let read = self.read(unknown, &mut cache).await;
        // What was read before the client gave up was not read in vain.
        let saved = tokio::task::spawn_blocking(move || cache.save()).await;
        if !matches!(saved, Ok(Ok(()))) {
            tracing::warn!(?saved, "the scan cache could not be written");
        }
        read
    }

    async fn tell_known(&self, request: &ScanPluginsRequest) -> Result<(), GivenUp> {
        let folders: Vec<_> = request.directories.iter().map(PathBuf::from).collect();
        let known = with_cache(&self.daemon, move |cache| {
            cache.known(&folders).collect::<Vec<_>>()
        });
        for findings in known.await.unwrap_or_default() {
            self.tell(&findings).await?;
        }
        Ok(())
    }

    async fn read(&mut self, unknown: Vec<Candidate>, cache: &mut Cache) -> Result<(), GivenUp> {
        let mut readers = Readers::start(&self.daemon, unknown, self.wanted.vst2.clone());
        while let Some(reading) = readers.next().await {
            self.done += 1;
            if reading.is_certain {
                cache.put(&reading.candidate, &reading.findings);
            }
            self.tell(&reading.findings).await?;
            self.progress().await?;
        }
        Ok(())
    }

    fn folders(&self, request: &ScanPluginsRequest) -> Vec<PathBuf> {
        if !request.directories.is_empty() {
            return request.directories.iter().map(PathBuf::from).collect();
        }
        let paths = &self.daemon.config.search_paths;
        let formats = self.wanted.formats.iter();
        formats.flat_map(|format| paths.standard(*format)).collect()
    }

    async fn candidates(&self, folders: Vec<PathBuf>) -> Result<Vec<Candidate>, GivenUp> {
        let mut all: Vec<Candidate> = Vec::new();
        for folder in folders {
            let (wanted, place) = (self.wanted.clone(), folder.clone());
            let found =
                tokio::task::spawn_blocking(move || candidates::find(&place, &wanted)).await;
            match found {
                Ok(Ok(found)) => all.extend(found),
                Ok(Err(error)) => {
                    let reason = match error.kind() {
                        std::io::ErrorKind::NotFound => ErrorReason::NotFound,
                        _ => ErrorReason::NotAllowed,
                    };
                    let message = format!("cannot read the folder: {error}");
                    self.send(Found::Failure(failure(&folder, reason, message)))
                        .await?;
                }
                Err(error) => tracing::error!(%error, "searching a folder"),
            }
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all.dedup_by(|a, b| a.path == b.path);
        Ok(all)
    }

    async fn tell(&self, findings: &Findings) -> Result<(), GivenUp> {
        for plugin in &findings.plugins {
            if plugin.format() == PluginFormat::Lv2 {
                target::remember(&self.daemon, &plugin.identifier, Path::new(&plugin.path));
            }
            self.send(Found::Plugin(plugin.clone())).await?;
        }
        for failure in &findings.failures {
            self.send(Found::Failure(failure.clone())).await?;
        }
        Ok(())
    }

    async fn progress(&self) -> Result<(), GivenUp> {
        let count = |n| u32::try_from(n).unwrap_or(u32::MAX);
        let progress = ScanProgress {
            done: count(self.done),
            total: count(self.total),
        };
        self.send(Found::Progress(progress)).await
    }

    async fn send(&self, found: Found) -> Result<(), GivenUp> {
        let message = ScanPluginsResponse {
            result: Some(found),
        };
        self.sender.send(message).await.map_err(|_| GivenUp)
    }
}

fn failure(path: &Path, reason: ErrorReason, message: String) -> ScanFailure {
    ScanFailure {
        path: path.to_string_lossy().into_owned(),
        reason: reason.into(),
        message,
        death: None,
    }
}
