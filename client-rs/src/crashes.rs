//! How workers died: the reports that the daemon keeps.

use plugpen_proto::v1::{
    CrashReport, CrashSummary, DeathKind, DeleteCrashesRequest, ExportCrashRequest,
    GetCrashRequest, ListCrashesRequest,
};

use crate::connection::{Call, LOAD, QUICK};
use crate::error::{Error, Result};
use crate::server::Server;

/// Most pages of a list that are asked for.
const PAGES: usize = 1000;

/// Which deaths are meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CrashFilter {
    /// Only plugins whose name or path contains this, whatever its case.
    pub plugin: String,
    /// Only deaths of this kind.
    pub kind: Option<DeathKind>,
    /// Only deaths since then, milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// Only deaths at this place: the signature of a report.
    pub signature: String,
    /// Every death that is kept; else the newest of each signature, with the number of them.
    pub each: bool,
}

impl Server {
    /// The deaths that the daemon knows of, newest first: of all its clients, and of daemons before
    /// it that kept theirs in the same folder. Waits some seconds at most for reports in the making.
    ///
    /// # Errors
    /// `ServerUnavailable`.
    pub fn crashes(&self, filter: &CrashFilter) -> Result<Vec<CrashSummary>> {
        let mut wanted = ListCrashesRequest {
            plugin: filter.plugin.clone(),
            kind: filter.kind.unwrap_or_default().into(),
            since_ms: filter.since_ms,
            signature: filter.signature.clone(),
            each: filter.each,
            ..ListCrashesRequest::default()
        };
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let page = self.check()?.call(
                Call::new("ListCrashes", QUICK),
                wanted.clone(),
                |mut api, request| async move { api.crashes.list_crashes(request).await },
            )?;
            all.extend(page.crashes);
            if page.next_page_token.is_empty() {
                break;
            }
            wanted.page_token = page.next_page_token;
        }
        Ok(all)
    }

    /// One report, by its id ([`Death::report_id`](crate::v1::Death)) or the beginning of it. Waits
    /// for one in the making.
    ///
    /// # Errors
    /// `NotFound` where there is none or it was forgotten, `InvalidInput` where several begin so,
    /// `ServerUnavailable`.
    pub fn crash(&self, report_id: &str) -> Result<CrashReport> {
        let request = GetCrashRequest {
            report_id: report_id.to_owned(),
        };
        let found = self.check()?.call(
            Call::new("GetCrash", LOAD),
            request,
            |mut api, request| async move { api.crashes.get_crash(request).await },
        )?;
        found
            .report
            .ok_or_else(|| Error::bug("the daemon found a crash report and did not send it"))
    }

    /// The minidump of a report, which debuggers read (lldb, Visual Studio, `minidump-stackwalk`).
    ///
    /// # Errors
    /// As [`Server::crash`]; `NotFound` where the report has none.
    pub fn crash_minidump(&self, report_id: &str) -> Result<Vec<u8>> {
        let call = Call::new("ExportCrash", LOAD);
        let connection = self.check()?;
        let request = ExportCrashRequest {
            report_id: report_id.to_owned(),
        };
        let mut stream = connection.call(call, request, |mut api, request| async move {
            api.crashes.export_crash(request).await
        })?;
        let mut bytes = Vec::new();
        while let Some(response) = connection.run(call, stream.message())? {
            bytes.extend(response.chunk);
        }
        Ok(bytes)
    }

    /// Forgets these reports, or all where none are given. Returns how many that were.
    ///
    /// # Errors
    /// `ServerUnavailable`.
    pub fn forget_crashes(&self, report_ids: &[String]) -> Result<u32> {
        let request = DeleteCrashesRequest {
            report_ids: report_ids.to_vec(),
            ..DeleteCrashesRequest::default()
        };
        let deleted = self.check()?.call(
            Call::new("DeleteCrashes", QUICK),
            request,
            |mut api, request| async move { api.crashes.delete_crashes(request).await },
        )?;
        Ok(deleted.deleted)
    }
}
