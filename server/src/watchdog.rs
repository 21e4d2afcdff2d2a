//! Kills workers that hang, in a call or with blocks waiting, and those that use too much.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::launcher::Launcher;

/// How often workers are looked at: a deadline is overshot by at most this.
const TICK: Duration = Duration::from_millis(100);

/// How often it is looked what they use.
const MEASURE: Duration = Duration::from_millis(250);

/// Watches all workers for ever.
pub async fn watch(launcher: Arc<Launcher>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut measured = Instant::now();
    loop {
        let workers = launcher.live();
        if workers.is_empty() {
            launcher.started().await;
        }
        let now = Instant::now();
        for worker in &workers {
            worker.check(now);
        }
        if now >= measured + MEASURE {
            measured = now;
            // Files of /proc can be slow to read; hangs are looked for after that all the same.
            let measuring = tokio::task::spawn_blocking(move || {
                for worker in workers {
                    worker.measure(now);
                }
            });
            let _ = tokio::time::timeout(TICK, measuring).await;
        }
        ticks.tick().await;
    }
}
