//! What concerns a daemon as a whole: its workers, its events, its scan cache.

use std::sync::Arc;

use plugpen_proto::v1::scan_plugins_response::Result as ScanResult;
use plugpen_proto::v1::{
    GetScanCacheRequest, GetScanCacheResponse, KillPluginRequest, OpenedPlugin, PluginDescription,
    ScanPluginsRequest, TrimScanCacheRequest, WatchEventsRequest, WatchEventsResponse,
};
use tonic::Streaming;

use crate::connection::{Call, Connection, PROBE, QUICK};
use crate::error::{Error, Result};
use crate::options::resolve_directory;
use crate::server::Server;

impl Server {
    /// Kills the worker of any session's plugin, named by its handle or by the worker's process
    /// id. Its client sees a death like any other. Returns the plugin, dead.
    ///
    /// # Errors
    /// `NotFound` where there is none, `PluginDead` where it is dead already, `ServerUnavailable`.
    pub fn kill(&self, handle_or_pid: &str) -> Result<OpenedPlugin> {
        let worker_pid = handle_or_pid.parse().unwrap_or(0);
        let request = KillPluginRequest {
            handle: match worker_pid {
                0 => handle_or_pid.into(),
                _ => String::new(),
            },
            worker_pid,
            broken_rings: String::new(),
        };
        let killed = self.check()?.call(
            Call::new("KillPlugin", QUICK),
            request,
            |mut api, request| async move { api.plugins.kill_plugin(request).await },
        )?;
        killed
            .plugin
            .ok_or_else(|| Error::bug("the daemon killed a plugin and did not say which"))
    }

    /// What the plugins of all sessions do from now on, after a snapshot of those that are open.
    ///
    /// # Errors
    /// `ServerUnavailable`, `LimitReached` where too many watch already.
    pub fn watch_all(&self) -> Result<EventStream> {
        let connection = self.check()?;
        let request = WatchEventsRequest {
            all_sessions: true,
            ..WatchEventsRequest::default()
        };
        let events = connection.call(
            Call::new("WatchEvents", QUICK),
            request,
            |mut api, request| async move { api.events.watch_events(request).await },
        )?;
        Ok(EventStream {
            connection: connection.clone(),
            events,
        })
    }

    /// The plugins that earlier scans found below some folders, or anywhere where none are given,
    /// as they were then. Reads no plugin.
    ///
    /// # Errors
    /// `NotFound` for a folder that is none; `ServerUnavailable`.
    pub fn known_plugins(&self, directories: &[String]) -> Result<Vec<PluginDescription>> {
        let call = Call::new("ScanPlugins", PROBE);
        let connection = self.check()?;
        let is_remote = connection.is_remote();
        let directories = directories
            .iter()
            .map(|folder| resolve_directory(folder, is_remote));
        let request = ScanPluginsRequest {
            directories: directories.collect::<Result<_>>()?,
            known_only: true,
            ..ScanPluginsRequest::default()
        };
        let mut found = connection.call(call, request, |mut api, request| async move {
            api.discovery.scan_plugins(request).await
        })?;
        let mut plugins = Vec::new();
        while let Some(response) = connection.run(call, found.message())? {
            if let Some(ScanResult::Plugin(plugin)) = response.result {
                plugins.push(plugin);
            }
        }
        Ok(plugins)
    }

    /// How much is kept of earlier scans, and where.
    ///
    /// # Errors
    /// `ServerUnavailable`.
    pub fn scan_cache(&self) -> Result<GetScanCacheResponse> {
        self.check()?.call(
            Call::new("GetScanCache", QUICK),
            GetScanCacheRequest {},
            |mut api, request| async move { api.discovery.get_scan_cache(request).await },
        )
    }

    /// Forgets all that earlier scans found, or what is known of files that are gone. Returns how
    /// many files and bundles that were.
    ///
    /// # Errors
    /// `NotAllowed` where the cache cannot be written, `ServerUnavailable`.
    pub fn trim_scan_cache(&self, everything: bool) -> Result<u32> {
        let trimmed = self.check()?.call(
            Call::new("TrimScanCache", QUICK),
            TrimScanCacheRequest { everything },
            |mut api, request| async move { api.discovery.trim_scan_cache(request).await },
        )?;
        Ok(trimmed.removed)
    }
}

/// What the plugins of a daemon do, in order; see [`Server::watch_all`].
pub struct EventStream {
    connection: Arc<Connection>,
    events: Streaming<WatchEventsResponse>,
}

impl EventStream {
    /// Waits for the next event, without a deadline; `None` when the daemon ends.
    ///
    /// # Errors
    /// `ServerUnavailable` where the daemon is gone without a word.
    pub fn next_event(&mut self) -> Result<Option<WatchEventsResponse>> {
        let next = self.connection.core.wait(self.events.message());
        next.map_err(|status| self.connection.error(status))
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EventStream")
            .field(&self.connection.target)
            .finish()
    }
}
