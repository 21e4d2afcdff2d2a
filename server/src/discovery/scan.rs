//! A scan: what is known comes from the cache, the rest is read in probe workers. A bundle that
//! kills its worker is found by halving, and is a result like any other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::scan_plugins_response::Result as Found;
use plugpen_proto::v1::{
    ErrorReason, PluginFormat, ScanFailure, ScanPluginsRequest, ScanPluginsResponse, ScanProgress,
};
use plugpen_proto::worker::{Probe, Probed};
use tokio::sync::mpsc;

use super::cache::{Cache, Findings};
use super::candidates::{self, Candidate};
use super::probe::{Prober, texts};
use super::{survey, target};
use crate::daemon::Daemon;

/// Results that may wait for the client.
const QUEUE: usize = 64;
/// Bundles that one call to a probe worker reads: few enough for a lively progress.
const BATCH: usize = 24;

/// Starts a scan. It ends early when the receiver is dropped.
///
/// # Errors
/// No worker can be started.
pub async fn scan(
    daemon: Arc<Daemon>,
    request: ScanPluginsRequest,
) -> Result<mpsc::Receiver<ScanPluginsResponse>, Error> {
    let formats: Vec<PluginFormat> = {
        let survey = survey(&daemon).await?;
        [PluginFormat::Lv2, PluginFormat::Vst2, PluginFormat::Vst3]
            .into_iter()
            .filter(|format| survey.hosts(*format))
            .collect()
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let scan = Scan {
            daemon: &daemon,
            sender,
            formats,
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

struct Scan<'a> {
    daemon: &'a Daemon,
    sender: mpsc::Sender<ScanPluginsResponse>,
    formats: Vec<PluginFormat>,
    done: usize,
    total: usize,
}

impl Scan<'_> {
    async fn run(mut self, request: ScanPluginsRequest) -> Result<(), GivenUp> {
        let folders = self.folders(&request);
        let candidates = self.candidates(folders).await?;
        let (dir, worker) = (
            self.daemon.config.cache_dir.clone(),
            self.daemon.config.worker.clone(),
        );
        let loading = tokio::task::spawn_blocking(move || Cache::load(&dir, &worker));
        let Ok(mut cache) = loading.await else {
            return Ok(());
        };
        self.total = candidates.len();
        self.progress().await?;
        // By folder and format: one worker reads a folder's LV2 bundles.
        let mut groups: BTreeMap<(PathBuf, i32), Vec<Candidate>> = BTreeMap::new();
        for candidate in candidates {
            match cache.get(&candidate).filter(|_| !request.refresh) {
                Some(findings) => {
                    self.done += 1;
                    self.tell(&findings).await?;
                }
                None => {
                    let folder = candidate.path.parent().unwrap_or(Path::new("/"));
                    let key = (folder.to_owned(), candidate.format.into());
                    groups.entry(key).or_default().push(candidate);
                }
            }
        }
        self.progress().await?;
        let mut result = Ok(());
        for ((folder, _), group) in groups {
            result = self.group(&folder, &group, &mut cache).await;
            if result.is_err() {
                break;
            }
        }
        let saved = tokio::task::spawn_blocking(move || cache.save()).await;
        if !matches!(saved, Ok(Ok(()))) {
            tracing::warn!(?saved, "the scan cache could not be written");
        }
        result
    }

    fn folders(&self, request: &ScanPluginsRequest) -> Vec<PathBuf> {
        if !request.directories.is_empty() {
            return request.directories.iter().map(PathBuf::from).collect();
        }
        let lv2_path = self.daemon.config.lv2_path.as_deref();
        self.formats
            .iter()
            .flat_map(|format| candidates::standard_folders(*format, lv2_path))
            .collect()
    }

    async fn candidates(&self, folders: Vec<PathBuf>) -> Result<Vec<Candidate>, GivenUp> {
        let mut all: Vec<Candidate> = Vec::new();
        for folder in folders {
            let formats = self.formats.clone();
            let place = folder.clone();
            let found =
                tokio::task::spawn_blocking(move || candidates::find(&place, &formats)).await;
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

    async fn group(
        &mut self,
        folder: &Path,
        group: &[Candidate],
        cache: &mut Cache,
    ) -> Result<(), GivenUp> {
        let mut prober = Prober::new(
            self.daemon,
            vec![folder.to_owned()],
            folder.display().to_string(),
        );
        // A VST's code runs when it is read, so each gets its own call at least.
        let batch = match group[0].format {
            PluginFormat::Lv2 => BATCH,
            _ => 1,
        };
        let mut waiting: Vec<&[Candidate]> = group.chunks(batch).rev().collect();
        while let Some(batch) = waiting.pop() {
            match prober.probe(request(batch)).await {
                Ok(probed) => {
                    for (candidate, findings) in sort(batch, probed) {
                        self.finished(candidate, &findings, Some(cache)).await?;
                    }
                }
                Err(error) => match batch {
                    [one] => {
                        let message = error.message.clone();
                        let findings = Findings {
                            plugins: Vec::new(),
                            failures: vec![failure(&one.path, error.reason, message)],
                        };
                        // A hang may have been a busy machine: it is tried again next time.
                        let is_certain = error.reason != ErrorReason::PluginHung;
                        let cache = is_certain.then_some(&mut *cache);
                        self.finished(one, &findings, cache).await?;
                    }
                    _ => {
                        let (first, second) = batch.split_at(batch.len() / 2);
                        waiting.push(second);
                        waiting.push(first);
                    }
                },
            }
            self.progress().await?;
        }
        prober.end().await;
        Ok(())
    }

    async fn finished(
        &mut self,
        candidate: &Candidate,
        findings: &Findings,
        cache: Option<&mut Cache>,
    ) -> Result<(), GivenUp> {
        self.done += 1;
        if let Some(cache) = cache {
            cache.put(candidate, findings);
        }
        self.tell(findings).await
    }

    async fn tell(&self, findings: &Findings) -> Result<(), GivenUp> {
        for plugin in &findings.plugins {
            if plugin.format() == PluginFormat::Lv2 {
                target::remember(self.daemon, &plugin.identifier, Path::new(&plugin.path));
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

fn request(batch: &[Candidate]) -> Probe {
    let paths: Vec<PathBuf> = batch.iter().map(|c| c.path.clone()).collect();
    Probe {
        paths: texts(&paths),
        search: false,
        format: batch[0].format.into(),
        identifier: String::new(),
    }
}

fn failure(path: &Path, reason: ErrorReason, message: String) -> ScanFailure {
    ScanFailure {
        path: path.to_string_lossy().into_owned(),
        reason: reason.into(),
        message,
    }
}

/// Gives each candidate of a batch what was found in it. What names another path than any of them
/// goes to the one whose folder holds it, else to the first.
fn sort(batch: &[Candidate], probed: Probed) -> Vec<(&Candidate, Findings)> {
    let mut sorted: Vec<_> = batch.iter().map(|c| (c, Findings::default())).collect();
    let place = |path: &str| {
        let path = Path::new(path);
        let holds = |candidate: &Candidate| path.starts_with(&candidate.path);
        batch.iter().position(holds).unwrap_or(0)
    };
    for plugin in probed.plugins {
        sorted[place(&plugin.path)].1.plugins.push(plugin);
    }
    for failure in probed.failures {
        let (candidate, findings) = &mut sorted[place(&failure.path)];
        // Many LV2 bundles are specifications or presets: a search finds no plugin in them, and
        // nothing is wrong.
        let is_other = candidate.format == PluginFormat::Lv2
            && failure.reason() == ErrorReason::NotFound
            && Path::new(&failure.path) == candidate.path;
        if !is_other {
            findings.failures.push(failure);
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::PluginDescription;

    use super::*;

    #[test]
    fn findings_go_to_their_bundles() {
        let candidate = |path: &str| Candidate {
            path: path.into(),
            format: PluginFormat::Lv2,
            stamp: String::new(),
        };
        let batch = [candidate("/a/x.lv2"), candidate("/a/y.lv2")];
        let plugin = |path: &str| PluginDescription {
            path: path.into(),
            ..PluginDescription::default()
        };
        let probed = Probed {
            plugins: vec![plugin("/a/y.lv2"), plugin("/a/y.lv2/"), plugin("/else")],
            failures: vec![
                failure(
                    Path::new("/a/y.lv2/y.ttl"),
                    ErrorReason::PluginRefused,
                    String::new(),
                ),
                // A bundle without a plugin.
                failure(Path::new("/a/x.lv2"), ErrorReason::NotFound, String::new()),
            ],
        };
        let sorted = sort(&batch, probed);
        let counts: Vec<_> = sorted
            .iter()
            .map(|(_, f)| (f.plugins.len(), f.failures.len()))
            .collect();
        assert_eq!(counts, [(1, 0), (2, 1)]);
    }
}
