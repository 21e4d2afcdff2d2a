//! Reads candidates in probe workers, as many at a time as there are processors: many bundles of
//! LV2's Turtle in one worker, since none of a plugin's code runs in it, and each other file in a
//! worker of its own, since its code runs.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, PluginFormat};
use plugpen_proto::worker::{Probe, Probed};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::cache::Findings;
use super::candidates::Candidate;
use super::each::{File, failed};
use super::probe::{Prober, texts, vouch};
use super::target;
use super::vst2_places::Vst2Places;
use crate::daemon::Daemon;

/// Results that may wait to be taken.
const QUEUE: usize = 64;
/// Bundles that one call to a probe worker reads: few enough for a lively progress.
const BATCH: usize = 24;
/// Folders that one probe worker is let into.
const FOLDERS: usize = 64;

/// A candidate that was read.
pub struct Reading {
    /// Which.
    pub candidate: Candidate,
    /// What it gave.
    pub findings: Findings,
    /// Whether it would give the same again: not where it was never read, for want of a worker.
    pub is_certain: bool,
}

/// Readers at work. Dropping them ends their workers.
pub struct Readers {
    readings: mpsc::Receiver<Reading>,
    _tasks: JoinSet<()>,
}

/// What every reader has.
#[derive(Clone)]
struct Reader {
    daemon: Arc<Daemon>,
    places: Arc<Vst2Places>,
    turns: Arc<Semaphore>,
    readings: mpsc::Sender<Reading>,
}

impl Readers {
    /// Begins to read all of these.
    pub fn start(daemon: &Arc<Daemon>, candidates: Vec<Candidate>, places: Vst2Places) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let (sender, readings) = mpsc::channel(QUEUE);
        let reader = Reader {
            daemon: daemon.clone(),
            places: Arc::new(places),
            turns: Arc::new(Semaphore::new(processors)),
            readings: sender,
        };
        let (turtle, code): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|candidate| candidate.format == PluginFormat::Lv2);
        let mut tasks = JoinSet::new();
        // Dealt out in turn: neighbours in a folder are of one maker and much alike.
        let mut piles = vec![Vec::new(); processors.min(turtle.len())];
        for (at, candidate) in turtle.into_iter().enumerate() {
            let pile = at % piles.len();
            piles[pile].push(candidate);
        }
        for pile in piles {
            tasks.spawn(reader.clone().read_turtle(pile));
        }
        for candidate in code {
            tasks.spawn(reader.clone().read_alone(candidate));
        }
        Self {
            readings,
            _tasks: tasks,
        }
    }

    /// The next that was read; `None` when all were.
    pub async fn next(&mut self) -> Option<Reading> {
        self.readings.recv().await
    }
}

impl Reader {
    async fn read_turtle(self, candidates: Vec<Candidate>) {
        let _turn = self.turns.acquire().await;
        let mut folders: BTreeMap<PathBuf, Vec<Candidate>> = BTreeMap::new();
        for candidate in candidates {
            let folder = candidate.path.parent().unwrap_or(Path::new("/"));
            folders
                .entry(folder.to_owned())
                .or_default()
                .push(candidate);
        }
        let folders: Vec<_> = folders.into_iter().collect();
        for group in folders.chunks(FOLDERS) {
            let readable = group.iter().map(|(folder, _)| folder.clone()).collect();
            let mut prober = Prober::new(&self.daemon, readable, "the LV2 reader".into());
            let bundles: Vec<_> = group.iter().flat_map(|(_, bundles)| bundles).collect();
            let mut waiting: Vec<&[&Candidate]> = bundles.chunks(BATCH).rev().collect();
            while let Some(batch) = waiting.pop() {
                let read = self.read(&mut prober, batch).await;
                match (read, batch) {
                    (Ok(()), _) => {}
                    // One of them kills its worker: which is found by halving.
                    (Err(error), [one]) => self.tell(one, failed(&one.path, &error), true).await,
                    (Err(_), batch) => {
                        let (first, second) = batch.split_at(batch.len() / 2);
                        waiting.extend([second, first]);
                    }
                }
            }
        }
    }

    async fn read_alone(self, candidate: Candidate) {
        let _turn = self.turns.acquire().await;
        let readable = target::readable(&candidate.path, candidate.format, &self.places);
        let name = name(&candidate);
        let mut prober = Prober::new(&self.daemon, readable.clone(), name.clone());
        let Err(error) = self.read(&mut prober, &[&candidate]).await else {
            return;
        };
        let file = File {
            path: candidate.path.clone(),
            format: candidate.format,
            readable,
            name,
        };
        let findings = file.read_each(prober, &error).await;
        self.tell(&candidate, findings, true).await;
    }

    /// Reads a batch in one call and tells what each gave.
    ///
    /// # Errors
    /// What a plugin did to the worker; nothing of the batch was told.
    async fn read(&self, prober: &mut Prober<'_>, batch: &[&Candidate]) -> Result<(), Error> {
        if let Err(error) = prober.start().await {
            for candidate in batch {
                self.tell(candidate, failed(&candidate.path, &error), false)
                    .await;
            }
            return Ok(());
        }
        if let [one] = batch {
            prober.set_name(&name(one));
        }
        let mut probed = prober.probe(request(batch, false, String::new())).await?;
        if let [one] = batch {
            vouch(&mut probed, &one.path, one.format);
        }
        for (candidate, findings) in sort(batch, probed) {
            self.tell(candidate, findings, true).await;
        }
        Ok(())
    }

    async fn tell(&self, candidate: &Candidate, findings: Findings, is_certain: bool) {
        let reading = Reading {
            candidate: candidate.clone(),
            findings,
            is_certain,
        };
        // Whoever does not listen any more drops this task as well.
        let _ = self.readings.send(reading).await;
    }
}

fn request(batch: &[&Candidate], search: bool, identifier: String) -> Probe {
    let paths: Vec<PathBuf> = batch.iter().map(|c| c.path.clone()).collect();
    Probe {
        paths: texts(&paths),
        search,
        format: batch[0].format.into(),
        identifier,
    }
}

fn name(candidate: &Candidate) -> String {
    let name = candidate.path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Gives each candidate of a batch what was found in it. What names another path than any of them
/// goes to the one whose folder holds it, else to the first.
fn sort<'a>(batch: &[&'a Candidate], probed: Probed) -> Vec<(&'a Candidate, Findings)> {
    let mut sorted: Vec<_> = batch.iter().map(|c| (*c, Findings::default())).collect();
    let place = |path: &str| {
        let path = Path::new(path);
        let holds = |candidate: &&Candidate| path.starts_with(&candidate.path);
        batch.iter().position(holds).unwrap_or(0)
    };
    for plugin in probed.plugins {
        sorted[place(&plugin.path)].1.plugins.push(plugin);
    }
    for mut failure in probed.failures {
        let (candidate, findings) = &mut sorted[place(&failure.path)];
        if failure.reason() == ErrorReason::NotFound {
            // Many LV2 bundles are specifications or presets: a search finds no plugin in them,
            // and nothing is wrong.
            let is_whole = Path::new(&failure.path) == candidate.path;
            if candidate.format == PluginFormat::Lv2 && is_whole {
                continue;
            }
            // The file is there; it is no plugin.
            failure.set_reason(ErrorReason::PluginRefused);
        }
        findings.failures.push(failure);
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
        let no = Error::new(ErrorReason::NotFound, "no");
        let failures = [candidate("/a/y.lv2/y.ttl"), batch[0].clone()]
            .map(|candidate| failed(&candidate.path, &no).failures.remove(0));
        let probed = Probed {
            plugins: vec![plugin("/a/y.lv2"), plugin("/a/y.lv2/"), plugin("/else")],
            failures: failures.to_vec(),
        };
        let sorted = sort(&[&batch[0], &batch[1]], probed);
        let counts: Vec<_> = sorted
            .iter()
            .map(|(_, f)| (f.plugins.len(), f.failures.len()))
            .collect();
        assert_eq!(counts, [(1, 0), (2, 1)]);
        let refusal = &sorted[1].1.failures[0];
        assert_eq!(refusal.reason(), ErrorReason::PluginRefused);
    }
}
