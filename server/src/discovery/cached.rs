//! What is kept of earlier scans, shown and cleared.

use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, GetScanCacheResponse};

use super::cache::Cache;
use crate::daemon::Daemon;

/// How much is kept, and where.
///
/// # Errors
/// None that a correct daemon makes.
pub async fn cached(daemon: &Arc<Daemon>) -> Result<GetScanCacheResponse, Error> {
    with_cache(daemon, |cache| cache.summary()).await
}

/// Forgets all of it, or what is known of files that are gone; returns how many files that were.
///
/// # Errors
/// The cache cannot be written.
pub async fn trim_cache(daemon: &Arc<Daemon>, everything: bool) -> Result<u32, Error> {
    let removed = with_cache(daemon, move |cache| cache.trim(everything)).await?;
    let removed = removed.map_err(|error| {
        let message = format!("the scan cache cannot be written: {error}");
        Error::new(ErrorReason::NotAllowed, message)
    })?;
    Ok(u32::try_from(removed).unwrap_or(u32::MAX))
}

/// Does something with the cache on a thread that may wait for files.
pub async fn with_cache<T: Send + 'static>(
    daemon: &Arc<Daemon>,
    action: impl FnOnce(Cache) -> T + Send + 'static,
) -> Result<T, Error> {
    let daemon = daemon.clone();
    let run = move || action(Cache::load(&daemon.config.cache_dir, &daemon.config.worker));
    let done = tokio::task::spawn_blocking(run).await;
    done.map_err(|error| Error::bug(error.to_string()))
}
