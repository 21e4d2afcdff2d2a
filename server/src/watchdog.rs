//! Kills workers that hang: in a call, or with blocks waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::launcher::Launcher;

/// How often workers are looked at: a deadline is overshot by at most this.
const TICK: Duration = Duration::from_millis(100);

/// Watches all workers for ever.
pub async fn watch(launcher: Arc<Launcher>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let workers = launcher.live();
        if workers.is_empty() {
            launcher.started().await;
        }
        let now = Instant::now();
        for worker in workers {
            worker.check(now);
        }
        ticks.tick().await;
    }
}
