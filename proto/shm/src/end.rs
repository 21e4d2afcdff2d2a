//! What the two ends of a ring have in common.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use crate::layout::{BELL, COLLECTED, COUNTER, LAST_CPU, Layout, WAKE_AT};
use crate::protocol::{Answered, Half, publish, sleep_until};
use crate::region::{Access, Region, RegionError, View};
use crate::status::{Role, Status, check};
use crate::sync::{Ordering, acquire};
use crate::wake::{Mover, SLICE, Sleeper, SpinPolicy, current_cpu};

/// Why a ring does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The daemon has declared the worker dead, or has replaced this ring.
    #[error("the worker is dead")]
    Dead,
    /// The deadline passed first. The blocks stay in flight.
    #[error("the blocks were not done by the deadline")]
    TimedOut,
    /// The peer broke the ring's rules; the ring is of no more use.
    #[error("the ring is broken: {0}")]
    Protocol(String),
}

/// One end's mappings and habits.
pub(crate) struct End {
    /// The region this end writes.
    pub own: View,
    /// The region the peer writes.
    pub peer: View,
    pub status: Status,
    pub layout: Layout,
    answered: Answered,
    spin: SpinPolicy,
    /// Only the worker's end has one: a client's threads are not ours to place.
    mover: Option<Mover>,
    /// What `LAST_CPU` was last set to.
    cpu: Option<u32>,
    /// Private copy of a block's events while they are parsed; of the event area's size.
    pub scratch: Vec<u8>,
}

impl End {
    /// Maps `[client, worker, status]` regions for the end that writes the one of `role`.
    pub fn attach<R: Region + 'static>(
        [client, worker, status]: [OwnedFd; 3],
        layout: &Layout,
        role: Role,
    ) -> Result<Self, RegionError> {
        let (client_bytes, worker_bytes) = (layout.client_bytes(), layout.worker_bytes());
        let (client, worker) = match role {
            Role::Client => (
                R::attach_alone(client, client_bytes)?,
                R::attach(worker, worker_bytes, Access::Read)?,
            ),
            // Not alone: a jailed worker may not seal. It is the only one with a descriptor that
            // writes, and who else could open the file again does itself no good by it.
            _ => (
                R::attach(client, client_bytes, Access::Read)?,
                R::attach(worker, worker_bytes, Access::Write)?,
            ),
        };
        let status = R::attach(status, layout.status_bytes(), Access::Read)?;
        let regions: [Arc<dyn Region>; 3] = [Arc::new(client), Arc::new(worker), Arc::new(status)];
        Self::over(regions, layout, role)
    }

    /// The end over regions that are mapped already.
    pub fn over(
        [client, worker, status]: [Arc<dyn Region>; 3],
        layout: &Layout,
        role: Role,
    ) -> Result<Self, RegionError> {
        let access = |of| {
            if of == role {
                Access::Write
            } else {
                Access::Read
            }
        };
        let client = View::new(client, access(Role::Client));
        let worker = View::new(worker, access(Role::Worker));
        let status = View::new(status, Access::Read);
        check(&client, Role::Client, layout.spec())?;
        check(&worker, Role::Worker, layout.spec())?;
        check(&status, Role::Status, layout.spec())?;
        let inputs = layout.used_inputs().into_iter().map(|at| (&client, at));
        let outputs = layout.used_outputs().into_iter().map(|at| (&worker, at));
        for (region, (offset, bytes)) in inputs.chain(outputs) {
            if bytes > 0 {
                region.populate(offset, bytes);
            }
        }
        let (own, peer, mover) = match role {
            Role::Client => (client, worker, None),
            _ => (worker, client, Some(Mover::new())),
        };
        Ok(Self {
            own,
            peer,
            status: Status(status),
            layout: layout.clone(),
            answered: Answered::default(),
            spin: SpinPolicy::new(),
            mover,
            cpu: None,
            scratch: vec![0; layout.event_bytes()],
        })
    }

    /// What the peer's counter says. Not checked.
    pub fn peer_counter(&self) -> u64 {
        // SYNC: pairs with the release store in `publish`: who sees the count sees the slots.
        acquire(self.peer.long(COUNTER))
    }

    /// What the client's count of collected blocks says, on the worker's side. Not checked.
    pub fn peer_collected(&self) -> u64 {
        acquire(self.peer.long(COLLECTED))
    }

    /// Says on which CPU this end runs.
    pub fn note_cpu(&mut self) -> u32 {
        let cpu = current_cpu();
        // Not without need: the peer may be polling this line.
        if self.cpu != Some(cpu) {
            self.cpu = Some(cpu);
            self.own.word(LAST_CPU).store(cpu, Ordering::Relaxed);
        }
        cpu
    }

    /// Publishes the own counter and wakes the peer if it sleeps for that.
    pub fn publish(&mut self, value: u64) {
        self.note_cpu();
        let (own, peer) = (half(&self.own), half(&self.peer));
        publish(own, peer, value, &mut self.answered, &Sleeper);
    }

    /// Waits until the peer's counter has reached `target`, `stop` says so, the ring is dead or
    /// the deadline has passed. The caller looks which.
    pub fn wait(&mut self, target: u64, deadline: Instant, stop: impl Fn() -> bool) {
        let start = Instant::now();
        let cpu = self.note_cpu();
        let same_cpu = cpu == self.peer.word(LAST_CPU).load(Ordering::Relaxed);
        if let Some(mover) = &mut self.mover {
            mover.note(cpu, same_cpu);
        }
        let reached = || acquire(self.peer.long(COUNTER)) >= target;
        let ended = || stop() || self.status.is_dead();
        let mut done = self
            .spin
            .spin(start, deadline, same_cpu, || reached() || ended());
        if !done {
            let (own, peer) = (half(&self.own), half(&self.peer));
            done = sleep_until(own, peer, target, &Sleeper, || {
                if ended() {
                    return None;
                }
                let left = deadline.saturating_duration_since(Instant::now());
                (!left.is_zero()).then(|| left.min(SLICE))
            });
        }
        if done {
            self.spin.observe(start.elapsed());
        }
    }
}

fn half(view: &View) -> Half<'_> {
    Half {
        counter: view.long(COUNTER),
        wake_at: view.long(WAKE_AT),
        bell: view.word(BELL),
    }
}
