//! Which workers there are, for the watchdog and the end.

use std::sync::{Arc, Mutex, Weak};

use crate::lock::lock;
use crate::worker_client::Worker;

/// All workers that live.
#[derive(Default)]
pub struct LiveWorkers(Mutex<Vec<Weak<Worker>>>);

impl LiveWorkers {
    /// Adds one.
    pub fn add(&self, worker: &Arc<Worker>) {
        lock(&self.0).push(Arc::downgrade(worker));
    }

    /// Those that have not ended; forgets the others.
    pub fn get(&self) -> Vec<Arc<Worker>> {
        let mut all = lock(&self.0);
        let mut live = Vec::with_capacity(all.len());
        all.retain(|worker| match worker.upgrade() {
            Some(worker) if worker.has_ended().is_none() => {
                live.push(worker);
                true
            }
            _ => false,
        });
        live
    }
}
