//! The reports on disk: a database, and a minidump for each beside it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use plugpen_proto::v1::{CrashReport, CrashSummary, DeathKind, ListCrashesRequest};
use prost::Message as _;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::ids;
use crate::lock::lock;

/// What the store may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Reports.
    pub reports: u32,
    /// Bytes of all minidumps.
    pub bytes: u64,
    /// Days that a report is kept.
    pub days: u32,
}

/// Reports kept of one signature; of more only the number is known.
const PER_SIGNATURE: u32 = 5;
/// Several daemons may use one store.
const BUSY: Duration = Duration::from_secs(5);
/// Version of the tables below.
const SCHEMA: i32 = 1;
const TABLES: &str = "
    CREATE TABLE reports (
        id TEXT PRIMARY KEY,
        time_ms INTEGER NOT NULL,
        signature TEXT NOT NULL,
        kind INTEGER NOT NULL,
        plugin TEXT NOT NULL,
        minidump_bytes INTEGER NOT NULL,
        summary BLOB NOT NULL,
        report BLOB NOT NULL
    );
    CREATE INDEX reports_by_time ON reports (time_ms);
    CREATE INDEX reports_by_signature ON reports (signature, time_ms);
    CREATE TABLE signatures (signature TEXT PRIMARY KEY, count INTEGER NOT NULL);
";

/// Why the store does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The database.
    #[error("the crash store: {0}")]
    Database(#[from] rusqlite::Error),
    /// A report is not what was written.
    #[error("the crash store holds a report that cannot be read: {0}")]
    Report(#[from] prost::DecodeError),
    /// Another plugpen's.
    #[error(
        "the crash store is of version {0}, this daemon's is {SCHEMA}; name another folder with --crashes"
    )]
    Version(i32),
}

/// The store. All calls block on the disk.
pub struct Store {
    /// `None` without a folder: reports live as long as the daemon, without minidumps.
    dir: Option<PathBuf>,
    bounds: Bounds,
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens or makes the store in a folder.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(dir: &Path, bounds: Bounds) -> Result<Self, StoreError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(io(dir))?;
        let connection = Connection::open(dir.join("crashes.db"))?;
        connection.busy_timeout(BUSY)?;
        // Where another daemon is making it at this moment, that one does it.
        let _ = connection.pragma_update(None, "journal_mode", "wal");
        connection.pragma_update(None, "synchronous", "normal")?;
        Self::with(Some(dir.to_owned()), connection, bounds)
    }

    /// A store that ends with the daemon.
    ///
    /// # Errors
    /// The database's own.
    pub fn in_memory(bounds: Bounds) -> Result<Self, StoreError> {
        Self::with(None, Connection::open_in_memory()?, bounds)
    }

    fn with(
        dir: Option<PathBuf>,
        mut connection: Connection,
        bounds: Bounds,
    ) -> Result<Self, StoreError> {
        // Another daemon may be making the tables.
        let change =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let version = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            0 => {
                change.execute_batch(TABLES)?;
                change.pragma_update(None, "user_version", SCHEMA)?;
            }
            SCHEMA => {}
            other => return Err(StoreError::Version(other)),
        }
        change.commit()?;
        Ok(Self {
            dir,
            bounds,
            connection: Mutex::new(connection),
        })
    }

    /// Where the minidump of a report is, or would be.
    pub fn minidump(&self, id: &str) -> Option<PathBuf> {
        let is_id = !id.is_empty() && id.bytes().all(|c| c.is_ascii_alphanumeric());
        let dir = self.dir.as_ref().filter(|_| is_id)?;
        Some(dir.join(format!("{id}.dmp")))
    }

    /// Writes a minidump.
    ///
    /// # Errors
    /// The disk's.
    pub fn write_minidump(&self, id: &str, bytes: &[u8]) -> Result<Option<PathBuf>, StoreError> {
        let Some(path) = self.minidump(id) else {
            return Ok(None);
        };
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, bytes))
            .map_err(io(&path))?;
        Ok(Some(path))
    }

    /// Adds a report, counts its signature and removes what is above the bounds.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn add(&self, report: &CrashReport, summary: &CrashSummary) -> Result<(), StoreError> {
        let mut connection = lock(&self.connection);
        let change =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let plugin = format!("{}\n{}", summary.plugin_name, summary.plugin_path).to_lowercase();
        change.execute(
            "INSERT INTO reports VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                report.report_id,
                summary.time_ms,
                report.signature,
                summary.kind,
                plugin,
                number(report.minidump_bytes),
                summary.encode_to_vec(),
                report.encode_to_vec(),
            ],
        )?;
        change.execute(
            "INSERT INTO signatures VALUES (?1, 1)
             ON CONFLICT (signature) DO UPDATE SET count = count + 1",
            [&report.signature],
        )?;
        let gone = self.surplus(&change, &report.signature)?;
        remove(&change, &gone)?;
        change.commit()?;
        drop(connection);
        self.remove_files(&gone);
        Ok(())
    }

    /// What is above the bounds.
    fn surplus(&self, connection: &Connection, signature: &str) -> Result<Vec<String>, StoreError> {
        let oldest = ids::now_ms() - i64::from(self.bounds.days) * 24 * 3600 * 1000;
        let mut query = connection.prepare(
            "SELECT id FROM reports WHERE time_ms < ?1
             UNION SELECT id FROM
                 (SELECT id FROM reports WHERE signature = ?2
                  ORDER BY time_ms DESC, id LIMIT -1 OFFSET ?3)
             UNION SELECT id FROM
                 (SELECT id FROM reports ORDER BY time_ms DESC, id LIMIT -1 OFFSET ?4)
             UNION SELECT id FROM
                 (SELECT id, SUM(minidump_bytes) OVER (ORDER BY time_ms DESC, id) AS bytes
                  FROM reports) WHERE bytes > ?5",
        )?;
        let bytes = number(self.bounds.bytes);
        let wanted = params![oldest, signature, PER_SIGNATURE, self.bounds.reports, bytes];
        let found = query.query_map(wanted, |row| row.get(0))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// A page of the list, newest first, and whether there is more.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn list(
        &self,
        wanted: &ListCrashesRequest,
        offset: u32,
        count: u32,
    ) -> Result<(Vec<CrashSummary>, bool), StoreError> {
        let mut conditions = vec!["1".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        if !wanted.plugin.is_empty() {
            // Not LIKE, to which some characters mean something.
            values.push(wanted.plugin.to_lowercase().into());
            conditions.push(format!("instr(plugin, ?{}) > 0", values.len()));
        }
        if wanted.kind() != DeathKind::Unspecified {
            values.push(i64::from(wanted.kind).into());
            conditions.push(format!("kind = ?{}", values.len()));
        }
        if wanted.since_ms > 0 {
            values.push(wanted.since_ms.into());
            conditions.push(format!("time_ms >= ?{}", values.len()));
        }
        if !wanted.signature.is_empty() {
            values.push(wanted.signature.clone().into());
            conditions.push(format!("reports.signature = ?{}", values.len()));
        }
        // Of a group, SQLite takes the other columns from the row with the maximum.
        let (newest, group) = match wanted.each {
            true => ("time_ms", ""),
            false => ("MAX(time_ms)", "GROUP BY reports.signature"),
        };
        let text = format!(
            "SELECT summary, count, {newest} AS newest FROM reports
             JOIN signatures ON signatures.signature = reports.signature
             WHERE {} {group} ORDER BY newest DESC, id LIMIT {} OFFSET {offset}",
            conditions.join(" AND "),
            u64::from(count) + 1
        );
        let connection = lock(&self.connection);
        let mut query = connection.prepare(&text)?;
        let found = query.query_map(params_from_iter(values), with_count)?;
        let mut summaries = Vec::new();
        for found in found {
            let (bytes, count) = found?;
            let summary = CrashSummary::decode(&*bytes)?;
            summaries.push(CrashSummary { count, ..summary });
        }
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let is_more = summaries.len() > most;
        summaries.truncate(most);
        Ok((summaries, is_more))
    }

    /// Ids that begin like this, two at most.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn ids(&self, beginning: &str) -> Result<Vec<String>, StoreError> {
        let connection = lock(&self.connection);
        let mut query = connection
            .prepare("SELECT id FROM reports WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2")?;
        let found = query.query_map([beginning], |row| row.get(0))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// One report.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn get(&self, id: &str) -> Result<Option<CrashReport>, StoreError> {
        let connection = lock(&self.connection);
        let found = connection
            .query_row(
                "SELECT report, count, time_ms FROM reports
                 JOIN signatures ON signatures.signature = reports.signature WHERE id = ?1",
                [id],
                with_count,
            )
            .optional()?;
        let Some((bytes, count)) = found else {
            return Ok(None);
        };
        let report = CrashReport::decode(&*bytes)?;
        Ok(Some(CrashReport { count, ..report }))
    }

    /// Removes these reports; where there are none, those with the signature; where there is none
    /// either, all. How many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn delete(&self, ids: &[String], signature: &str) -> Result<u32, StoreError> {
        let mut connection = lock(&self.connection);
        let change =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let gone: Vec<String> = {
            let mut query = change
                .prepare("SELECT id, signature FROM reports WHERE ?1 = '' OR signature = ?1")?;
            let found = query.query_map([signature], |row| row.get(0))?;
            let found: Vec<String> = found.collect::<Result<_, _>>()?;
            let is_meant = |id: &String| ids.is_empty() || ids.contains(id);
            found.into_iter().filter(is_meant).collect()
        };
        remove(&change, &gone)?;
        change.execute(
            "DELETE FROM signatures WHERE signature NOT IN (SELECT signature FROM reports)",
            [],
        )?;
        change.commit()?;
        drop(connection);
        self.remove_files(&gone);
        Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
    }

    fn remove_files(&self, ids: &[String]) {
        for path in ids.iter().filter_map(|id| self.minidump(id)) {
            // Not every report has one.
            let _ = fs::remove_file(path);
        }
    }
}

fn with_count(row: &Row<'_>) -> rusqlite::Result<(Vec<u8>, u64)> {
    let count: i64 = row.get(1)?;
    Ok((row.get(0)?, u64::try_from(count).unwrap_or(0)))
}

fn remove(connection: &Connection, ids: &[String]) -> Result<(), StoreError> {
    let mut query = connection.prepare("DELETE FROM reports WHERE id = ?1")?;
    for id in ids {
        query.execute([id])?;
    }
    Ok(())
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    |source| StoreError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        reports: 10,
        bytes: 1000,
        days: 1,
    };

    fn add(store: &Store, id: &str, signature: &str, age_ms: i64, bytes: u64) {
        let report = CrashReport {
            report_id: id.into(),
            signature: signature.into(),
            minidump_bytes: bytes,
            ..CrashReport::default()
        };
        let summary = CrashSummary {
            report_id: id.into(),
            time_ms: ids::now_ms() - age_ms,
            plugin_name: format!("Plugin 100% {signature}"),
            kind: DeathKind::Signal.into(),
            ..CrashSummary::default()
        };
        store.add(&report, &summary).unwrap();
    }

    fn list(store: &Store, wanted: &ListCrashesRequest) -> Vec<(String, u64)> {
        let (found, _) = store.list(wanted, 0, 100).unwrap();
        found.into_iter().map(|s| (s.report_id, s.count)).collect()
    }

    fn each() -> ListCrashesRequest {
        ListCrashesRequest {
            each: true,
            ..ListCrashesRequest::default()
        }
    }

    #[test]
    fn equal_deaths_are_counted_and_the_newest_kept() {
        let store = Store::in_memory(BOUNDS).unwrap();
        for n in 0..9 {
            add(&store, &format!("a{n}"), "a", 1000 - n, 0);
        }
        add(&store, "b0", "b", 2000, 0);
        let newest = [("a8".to_owned(), 9), ("b0".to_owned(), 1)];
        assert_eq!(list(&store, &ListCrashesRequest::default()), newest);
        assert_eq!(list(&store, &each()).len(), 6);
        assert_eq!(store.get("a8").unwrap().unwrap().count, 9);
        assert_eq!(store.get("a0").unwrap(), None);
        assert_eq!(store.ids("b").unwrap(), ["b0"]);
        assert_eq!(store.ids("a").unwrap().len(), 2);
    }

    #[test]
    fn the_bounds_hold() {
        let store = Store::in_memory(BOUNDS).unwrap();
        add(&store, "old", "old", 48 * 3600 * 1000, 0);
        add(&store, "new", "new", 0, 0);
        assert_eq!(list(&store, &each()), [("new".to_owned(), 1)]);
        for n in 0..20 {
            add(&store, &format!("x{n}"), &format!("x{n}"), 0, 0);
        }
        assert_eq!(list(&store, &each()).len(), 10);
        add(&store, "big", "big", 0, 900);
        add(&store, "huge", "huge", -1, 900);
        let left = list(&store, &each());
        assert!(left.iter().any(|(id, _)| id == "huge"), "{left:?}");
        assert!(left.iter().all(|(id, _)| id != "big"), "{left:?}");
    }

    #[test]
    fn lists_are_filtered_and_paged() {
        let store = Store::in_memory(BOUNDS).unwrap();
        for n in 0..6 {
            add(&store, &format!("r{n}"), &format!("s{n}"), n, 0);
        }
        let of = |plugin: &str| ListCrashesRequest {
            plugin: plugin.into(),
            ..ListCrashesRequest::default()
        };
        assert_eq!(list(&store, &of("PLUGIN 100% S3")), [("r3".to_owned(), 1)]);
        assert_eq!(list(&store, &of("%")).len(), 6);
        assert_eq!(list(&store, &of("_")).len(), 0);
        let hangs = ListCrashesRequest {
            kind: DeathKind::Hang.into(),
            ..ListCrashesRequest::default()
        };
        assert_eq!(list(&store, &hangs).len(), 0);
        let (first, more) = store.list(&each(), 0, 4).unwrap();
        assert!(first.len() == 4 && more);
        let (rest, more) = store.list(&each(), 4, 4).unwrap();
        assert!(rest.len() == 2 && !more);
    }

    #[test]
    fn what_is_deleted_is_gone_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), BOUNDS).unwrap();
        for id in ["r1", "r2", "r3"] {
            store.write_minidump(id, b"MDMP").unwrap();
            add(&store, id, id, 0, 4);
        }
        assert!(store.minidump("../x").is_none());
        assert_eq!(store.delete(&["r1".into()], "").unwrap(), 1);
        assert!(!dir.path().join("r1.dmp").exists() && dir.path().join("r2.dmp").exists());
        assert_eq!(store.delete(&[], "r2").unwrap(), 1);
        drop(store);
        // Another daemon goes on with it.
        let store = Store::open(dir.path(), BOUNDS).unwrap();
        assert_eq!(list(&store, &each()), [("r3".to_owned(), 1)]);
        assert_eq!(store.delete(&[], "").unwrap(), 1);
        assert_eq!(
            fs::read_dir(dir.path())
                .unwrap()
                .flatten()
                .filter(|e| e.path().extension().is_some_and(|e| e == "dmp"))
                .count(),
            0
        );
    }
}
