//! The deaths of workers: looked into one after another, kept, and told on request.
//!
//! 1. A worker dies. Its id is expected from then on: whoever asks for it waits.
//! 2. When the worker is gone, its case comes here ([`Crashes::submit`]).
//! 3. The minidump is written, a program of its own reads it ([`analysis`]), the report is made
//!    ([`report`]) and stored ([`store`]).

mod analysis;
mod case;
mod report;
mod store;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use plugpen_proto::Error;
use plugpen_proto::v1::{CrashReport, CrashSummary, ErrorReason, ListCrashesRequest};
use tokio::sync::{mpsc, watch};

pub use case::{CallLog, Case, Subject};
use store::{Bounds, Store, StoreError};

use crate::config::Config;
use crate::lock::lock;

/// Cases that wait to be looked into; further ones are stored without.
const WAITING: usize = 64;
/// How long a report is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a daemon that ends waits for its reports, and how long it still looks into them.
const FAREWELL: Duration = Duration::from_secs(3);
const LAST_LOOK: Duration = Duration::from_millis(1500);

/// All deaths that are known.
pub struct Crashes {
    /// Opened when it is first needed: most daemons see no death.
    store: OnceLock<Store>,
    dir: PathBuf,
    bounds: Bounds,
    program: PathBuf,
    queue: mpsc::Sender<Case>,
    waiting: Mutex<Option<mpsc::Receiver<Case>>>,
    expected: Mutex<HashSet<String>>,
    /// Rises whenever one less is expected.
    arrived: watch::Sender<u64>,
    /// When looking into deaths ends.
    closing: Mutex<Option<Instant>>,
}

impl Crashes {
    /// Deaths kept and looked into as the daemon was told.
    pub fn new(config: &Config) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        Self {
            store: OnceLock::new(),
            dir: config.crash_dir.clone(),
            bounds: Bounds {
                reports: config.crashes.max_reports,
                bytes: config.crashes.max_bytes,
                days: config.crashes.max_days,
            },
            program: config.autopsy.clone(),
            queue,
            waiting: Mutex::new(Some(waiting)),
            expected: Mutex::default(),
            arrived: watch::Sender::new(0),
            closing: Mutex::default(),
        }
    }

    /// The store. Blocks on the disk.
    fn store(&self) -> Result<&Store, StoreError> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let opened = Store::open(&self.dir, self.bounds).or_else(|error| {
            tracing::error!(%error, "crash reports are kept in memory only");
            Store::in_memory(self.bounds)
        })?;
        // Whoever else opened it at the same time was first, or we are.
        Ok(self.store.get_or_init(|| opened))
    }

    /// A death was published; its case follows.
    pub fn expect(&self, report_id: &str) {
        lock(&self.expected).insert(report_id.to_owned());
    }

    /// Takes a case. Blocks on the disk only where too many wait. Any thread.
    pub fn submit(&self, case: Case) {
        if let Err(refused) = self.queue.try_send(case) {
            let why = "too many plugins died at once to look into each";
            self.keep(refused.into_inner(), Err(why.into()));
        }
    }

    /// Looks into one case after another, for ever.
    pub async fn work(self: Arc<Self>) {
        let waiting = lock(&self.waiting).take();
        let Some(mut waiting) = waiting else {
            return;
        };
        while let Some(case) = waiting.recv().await {
            let crashes = self.clone();
            let written = tokio::task::spawn_blocking(move || crashes.write(case)).await;
            let Ok((case, minidump)) = written else {
                continue;
            };
            let found = match minidump {
                Ok(Some(path)) if self.is_looking() => {
                    analysis::analyse(&self.program, &path).await.map(Some)
                }
                Ok(Some(_)) => Err("the daemon ended before it was looked into".into()),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            if let Err(why) = &found {
                tracing::warn!(report_id = %case.death.report_id, "{why}");
            }
            let crashes = self.clone();
            // It does not panic; then the report would be missing and the next one come.
            let _ = tokio::task::spawn_blocking(move || crashes.keep(case, found)).await;
        }
    }

    fn is_looking(&self) -> bool {
        lock(&self.closing).is_none_or(|until| Instant::now() < until)
    }

    fn write(&self, case: Case) -> (Case, Result<Option<PathBuf>, String>) {
        let written = match &case.capture {
            Some(capture) => self
                .store()
                .and_then(|store| store.write_minidump(&case.death.report_id, &capture.minidump)),
            None => Ok(None),
        };
        (case, written.map_err(|error| error.to_string()))
    }

    fn keep(&self, case: Case, found: Result<Option<analysis::Findings>, String>) {
        let id = case.death.report_id.clone();
        let mut report = report::report(case, found);
        let kept = self.store().and_then(|store| {
            let minidump = store.minidump(&id).and_then(|path| path.metadata().ok());
            report.minidump_bytes = minidump.map_or(0, |about| about.len());
            store.add(&report, &report::summary(&report))
        });
        if let Err(error) = kept {
            tracing::error!(report_id = %id, %error, "a crash report is lost");
        }
        lock(&self.expected).remove(&id);
        self.arrived.send_modify(|count| *count += 1);
    }

    /// Waits until none is expected whose id begins like this; up to a limit.
    async fn arrived(&self, beginning: &str, limit: Duration) {
        let mut arrived = self.arrived.subscribe();
        let none = |_: &u64| {
            !lock(&self.expected)
                .iter()
                .any(|id| id.starts_with(beginning))
        };
        // A report that takes longer is missing in the answer.
        let _ = tokio::time::timeout(limit, arrived.wait_for(none)).await;
    }

    /// Waits for the reports that are still expected. The daemon ends.
    pub async fn finish(&self) {
        *lock(&self.closing) = Some(Instant::now() + LAST_LOOK);
        self.arrived("", FAREWELL).await;
        let lost = lock(&self.expected).len();
        if lost > 0 {
            tracing::error!(lost, "crash reports are lost: the daemon ends");
        }
    }

    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        ask: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        let crashes = self.clone();
        let asked = tokio::task::spawn_blocking(move || ask(crashes.store()?)).await;
        match asked {
            Ok(asked) => asked.map_err(|error| Error::bug(error.to_string())),
            Err(error) => Err(Error::bug(error.to_string())),
        }
    }

    /// A page of the list, newest first, and whether there is more. Waits for reports in the
    /// making.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        self: &Arc<Self>,
        wanted: ListCrashesRequest,
        offset: u32,
        count: u32,
    ) -> Result<(Vec<CrashSummary>, bool), Error> {
        self.arrived("", FAREWELL).await;
        self.ask(move |store| store.list(&wanted, offset, count))
            .await
    }

    /// One report, by its id or the beginning of it. Waits for one in the making.
    ///
    /// # Errors
    /// There is none, or several; the store's.
    pub async fn get(self: &Arc<Self>, beginning: &str) -> Result<CrashReport, Error> {
        if beginning.is_empty() {
            return Err(Error::invalid(
                "report_id is empty; expected one that ListCrashes names",
            ));
        }
        self.arrived(beginning, PATIENCE).await;
        let wanted = beginning.to_owned();
        let found = self.ask(move |store| store.ids(&wanted)).await?;
        let id = match found.as_slice() {
            [id] => id.clone(),
            [] => return Err(no_such(beginning)),
            _ => {
                return Err(Error::invalid(format!(
                    "several crash reports begin with {beginning:?}; give more of the id"
                )));
            }
        };
        let report = self.ask(move |store| store.get(&id)).await?;
        report.ok_or_else(|| no_such(beginning))
    }

    /// A report's minidump.
    ///
    /// # Errors
    /// It has none; the disk's.
    pub async fn minidump(self: &Arc<Self>, report: &CrashReport) -> Result<Vec<u8>, Error> {
        let id = report.report_id.clone();
        let path = self.ask(move |store| Ok(store.minidump(&id))).await?;
        let path = path.filter(|_| report.minidump_bytes > 0).ok_or_else(|| {
            Error::new(
                ErrorReason::NotFound,
                format!(
                    "the crash report {} has no minidump: {}",
                    report.report_id,
                    why_none(report)
                ),
            )
        })?;
        tokio::fs::read(&path).await.map_err(|error| {
            let why = format!("cannot read the minidump {}: {error}", path.display());
            Error::new(ErrorReason::NotFound, why)
        })
    }

    /// Forgets reports; see [`Store::delete`].
    ///
    /// # Errors
    /// The store's.
    pub async fn delete(
        self: &Arc<Self>,
        ids: Vec<String>,
        signature: String,
    ) -> Result<u32, Error> {
        self.arrived("", FAREWELL).await;
        self.ask(move |store| store.delete(&ids, &signature)).await
    }
}

fn why_none(report: &CrashReport) -> &str {
    match report.analysis_note.as_str() {
        "" => "the worker was gone before it could be looked at",
        note => note,
    }
}

fn no_such(id: &str) -> Error {
    Error::new(
        ErrorReason::NotFound,
        format!(
            "there is no crash report {id:?}; `plugpen crashes list` names those that are kept"
        ),
    )
}
