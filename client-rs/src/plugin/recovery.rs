//! Bringing a plugin back that died, where its policy says so.
//!
//! The daemon makes the fresh worker by itself; this end knows what was set. So whoever calls the
//! plugin next takes the worker over and restores it first, and everybody else waits for that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use plugpen_proto::v1::{AudioRings, DeathKind, RestartPluginRequest, RestartPolicy};

use super::Plugin;
use super::shared::{Shared, lock};
use crate::callbacks::{Life, News};
use crate::connection::{Call, LOAD};
use crate::error::{Error, Result};
use crate::ring_processor::RingProcessor;

/// Which thread makes a fresh worker what the last one was. Its own calls reach the worker before
/// it is done; those of others wait.
#[derive(Default)]
pub(super) struct Recoverer {
    busy: AtomicBool,
    thread: Mutex<Option<ThreadId>>,
}

impl Recoverer {
    /// This thread does, until the guard is dropped. Only with the plugin's turn of restarting.
    pub(super) fn begin(&self) -> Recovering<'_> {
        *lock(&self.thread) = Some(thread::current().id());
        self.busy.store(true, Ordering::Release);
        Recovering(self)
    }

    fn is_this_thread(&self) -> bool {
        *lock(&self.thread) == Some(thread::current().id())
    }
}

/// See [`Recoverer::begin`].
pub(super) struct Recovering<'a>(&'a Recoverer);

impl Drop for Recovering<'_> {
    fn drop(&mut self) {
        *lock(&self.0.thread) = None;
        self.0.busy.store(false, Ordering::Release);
    }
}

/// Rings of a fresh worker that nobody plays yet.
#[derive(Default)]
pub(crate) struct FreshRings {
    there: AtomicBool,
    rings: Mutex<Option<Box<RingProcessor>>>,
}

impl FreshRings {
    /// Whether there are any. Neither locks nor blocks.
    pub(crate) fn is_there(&self) -> bool {
        self.there.load(Ordering::Acquire)
    }

    /// Takes them.
    pub(crate) fn take(&self) -> Option<Box<RingProcessor>> {
        let mut rings = lock(&self.rings);
        self.there.store(false, Ordering::Release);
        rings.take()
    }

    fn put(&self, fresh: RingProcessor) {
        let mut rings = lock(&self.rings);
        *rings = Some(Box::new(fresh));
        self.there.store(true, Ordering::Release);
    }
}

impl Plugin {
    /// The plugin to be called: alive, unless its policy leaves it dead.
    ///
    /// # Errors
    /// It cannot be brought back, or not to what it was.
    pub(super) fn live(&self) -> Result<&Shared> {
        if self.shared.is_dead() || self.recoverer.busy.load(Ordering::Acquire) {
            self.recover()?;
        }
        Ok(&self.shared)
    }

    /// Whether a policy brings the plugin back at all.
    pub(crate) fn recovers(&self) -> bool {
        !matches!(
            self.shared.facts().restart(),
            RestartPolicy::Never | RestartPolicy::Unspecified
        )
    }

    /// What the policy in force is.
    pub fn restart_policy(&self) -> RestartPolicy {
        self.shared.facts().restart()
    }

    /// Brings the plugin back if it is dead and its policy says so. Waits for another thread that
    /// does it.
    ///
    /// # Errors
    /// The policy gave it up; it cannot be restored.
    pub(crate) fn recover(&self) -> Result<()> {
        if self.recoverer.is_this_thread() || self.shared.is_closed() {
            return Ok(());
        }
        self.shared.connection.core.check_process()?;
        let _turn = lock(&self.restarting);
        let Some(death) = self.shared.death() else {
            return Ok(());
        };
        if !is_wanted(self.restart_policy(), death.kind()) {
            return Ok(());
        }
        let _restoring = self.recoverer.begin();
        loop {
            let rings = self.fetch_successor()?;
            match self.take_over(rings.as_ref()) {
                Ok(()) => break,
                // It died once more while it was restored. Whether that is often enough is the
                // daemon's to say, which then has no successor for us.
                Err(error) if error.death.is_some() && self.shared.is_dead() => {
                    tracing::debug!(plugin = %self.shared.name(), "died while restored: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        let told = News::Life(Life::Restored(self.shared.generation()));
        let dispatcher = &self.server.events().dispatcher;
        dispatcher.push(&self.shared.callbacks, told);
        Ok(())
    }

    /// Waits for the fresh worker that the daemon makes; its rings, where it has some for us.
    fn fetch_successor(&self) -> Result<Option<AudioRings>> {
        self.shared.check_open()?;
        let request = RestartPluginRequest {
            handle: self.shared.handle.clone(),
            sample_rate: 0.0,
            after_generation: self.shared.generation(),
        };
        let restarted = self.shared.connection.call(
            Call::new("RestartPlugin", LOAD),
            request,
            |mut api, request| async move { api.plugins.restart_plugin(request).await },
        )?;
        let fresh = restarted
            .plugin
            .ok_or_else(|| Error::bug("the daemon restarted a plugin and did not describe it"))?;
        self.shared.replace(fresh);
        Ok(restarted.audio)
    }

    /// Makes the fresh worker what the last one was.
    fn take_over(&self, rings: Option<&AudioRings>) -> Result<()> {
        let rings = rings.map(|rings| RingProcessor::attach(self.shared.clone(), rings));
        let rings = rings.transpose()?;
        self.restore()?;
        // Not before: what is played is played by what it was.
        if let Some(rings) = rings {
            self.fresh.put(rings);
        }
        self.attach_to_holder()
    }

    /// Has the plugin brought back in the background when it dies, for those who play it without
    /// calling it.
    pub(crate) fn rescue_in_background(self: &Arc<Self>) {
        if !self.recovers() {
            return;
        }
        let me = Arc::downgrade(self);
        self.shared.set_rescue(Arc::new(move || {
            let Some(plugin) = me.upgrade() else {
                return;
            };
            let rescue = thread::Builder::new().name("plugpen-rescue".into());
            let started = rescue.spawn(move || {
                if let Err(error) = plugin.recover() {
                    tracing::warn!(plugin = %plugin.shared.name(), "not brought back: {error}");
                }
            });
            if let Err(error) = started {
                tracing::error!("cannot start a thread to bring a plugin back: {error}");
            }
        }));
    }
}

/// Whether the daemon restarts a plugin of this policy after such a death.
fn is_wanted(policy: RestartPolicy, death: DeathKind) -> bool {
    match policy {
        RestartPolicy::Always => true,
        RestartPolicy::OnCrash => death != DeathKind::Killed,
        RestartPolicy::Never | RestartPolicy::Unspecified => false,
    }
}
