//! Bringing a dead plugin back without being asked, and handing it to its client.
//!
//! The daemon makes a fresh worker and says so; what was set is the client's to restore. So the
//! client that saw a generation die asks for its successor ([`Plugin::rejoin`]), waits for the
//! restart that is under way and gets rings that nobody else has.

use std::sync::Arc;
use std::time::Instant;

use plugpen_proto::Error;
use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::{AudioRings, ErrorReason, GaveUp, OpenedPlugin, PluginState};
use plugpen_warden::KillCause;

use super::{Plugin, closed};
use crate::daemon::Daemon;
use crate::identity::identity;
use crate::lock::lock;

/// How a plugin's policy fares with the death of its worker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Recovery {
    /// It has nothing to do.
    #[default]
    None,
    /// A restart is waited for, or made.
    UnderWay,
    /// It was left dead, for this reason.
    GaveUp(String),
}

impl Plugin {
    /// Brings it back after the death of this generation. Returns at once.
    pub(super) fn recover(self: &Arc<Self>, generation: u64) {
        let Some(daemon) = self.daemon.upgrade() else {
            return;
        };
        let plugin = self.clone();
        self.runtime.spawn(async move {
            let outcome = match plugin.bring_back(&daemon, generation).await {
                Ok(()) => Recovery::None,
                Err(reason) => {
                    tracing::warn!(handle = %plugin.handle, "left dead: {reason}");
                    let told = GaveUp {
                        reason: reason.clone(),
                    };
                    plugin.publish(plugin.generation(), Event::GaveUp(told));
                    Recovery::GaveUp(reason)
                }
            };
            let now = lock(&plugin.now);
            // Another death may have begun another restart.
            if now.recovering == generation {
                plugin.recovery.send_replace(outcome);
            }
        });
    }

    async fn bring_back(self: &Arc<Self>, daemon: &Daemon, died: u64) -> Result<(), String> {
        // One plugin of a file that dies all the time is no reason to leave others dead.
        let identity = self.identity().await + &lock(&self.now).options.selector;
        let mut generation = died;
        loop {
            let delay = daemon.crash_loops.note(&identity, Instant::now())?;
            tokio::time::sleep(delay).await;
            daemon.takes_work().map_err(|error| error.message)?;
            let turn = self.lifecycle.lock().await;
            let is_still_dead = {
                let now = lock(&self.now);
                now.state == PluginState::Dead && now.opened.generation == generation
            };
            if !is_still_dead {
                return Ok(());
            }
            let replaced = self.replace(daemon, 0.0, true).await;
            drop(turn);
            match replaced {
                Ok(_) => return Ok(()),
                Err(error) => {
                    tracing::warn!(handle = %self.handle, "not restarted: {error}");
                    generation = self.generation();
                }
            }
        }
    }

    /// What identifies the contents of its file.
    pub async fn identity(self: &Arc<Self>) -> String {
        let plugin = self.clone();
        let known = self.identity.get_or_init(|| async move {
            let target = plugin.target.clone();
            let read = tokio::task::spawn_blocking(move || identity(&target)).await;
            read.unwrap_or_default()
        });
        known.await.clone()
    }

    /// Waits for the restart that the policy makes after the death of this generation, and takes
    /// the fresh worker over.
    ///
    /// # Errors
    /// The policy makes none, or gave up; the plugin was closed.
    pub async fn rejoin(
        self: &Arc<Self>,
        daemon: &Daemon,
        died: u64,
    ) -> Result<(OpenedPlugin, Option<AudioRings>), Error> {
        loop {
            let mut recovery = self.recovery.subscribe();
            let recovery = match recovery.wait_for(|now| *now != Recovery::UnderWay).await {
                Ok(recovery) => recovery.clone(),
                // The sender is this plugin's own.
                Err(_) => return Err(closed(&self.handle)),
            };
            let turn = self.lifecycle.lock().await;
            let (state, generation, death) = {
                let now = lock(&self.now);
                (now.state, now.opened.generation, now.opened.death.clone())
            };
            match state {
                PluginState::Closed => return Err(closed(&self.handle)),
                PluginState::Ready if generation > died => {
                    match self.fresh_ticket(daemon).await {
                        Ok(audio) => return Ok((self.describe(), audio)),
                        // It died once more; the policy decides again.
                        Err(error) if error.death.is_some() => {}
                        Err(error) => return Err(error),
                    }
                }
                // Its client saw it break the protocol of its rings, which nobody else can; or
                // this death is about to be told.
                PluginState::Ready => {
                    let worker = self.worker()?;
                    drop(turn);
                    worker.kill(KillCause::Protocol("its audio rings lie".into()));
                    worker.ended().await;
                    tokio::task::yield_now().await;
                }
                _ => match (recovery, death) {
                    (Recovery::GaveUp(reason), Some(death)) => {
                        let mut error = Error::dead(death);
                        error.message = format!("{} It was not restarted: {reason}", error.message);
                        return Err(error);
                    }
                    (Recovery::UnderWay, _) => {}
                    (_, Some(death)) if *self.recovery.borrow() == Recovery::None => {
                        return Err(Error::dead(death));
                    }
                    (_, Some(_)) => {}
                    (_, None) => {
                        return Err(Error::new(
                            ErrorReason::WrongState,
                            format!("{} is being restarted by another call", self.handle),
                        ));
                    }
                },
            }
        }
    }

    async fn fresh_ticket(&self, daemon: &Daemon) -> Result<Option<AudioRings>, Error> {
        let has_rings = {
            let now = lock(&self.now);
            now.audio.is_some() && now.played_by.is_none()
        };
        if !has_rings {
            return Ok(None);
        }
        let (shape, regions) = self.fresh_rings(daemon).await?;
        daemon.ticket(shape, &regions).map(Some)
    }
}
