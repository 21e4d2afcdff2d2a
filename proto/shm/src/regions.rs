//! The daemon's side of a ring: it makes the regions, gives them away and declares deaths.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::header::{BlockHeader, InputHeader};
use crate::layout::{BELL, COLLECTED, COUNTER, INPUT_HEADER, Layout, WAKE_AT};
use crate::protocol::{AWAKE, ring};
use crate::recorded::RecordedBlock;
use crate::region::{Access, Region, RegionError, SystemRegion, View};
use crate::status::{Role, Status, mark};
use crate::sync::{Ordering, acquire};
use crate::wake::Sleeper;

/// How far the blocks of a ring have come, by the words of two processes that are not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Blocks the client says it has submitted.
    pub submitted: u64,
    /// Blocks the worker says it has completed.
    pub completed: u64,
}

impl Progress {
    /// Whether the worker owes a block.
    pub fn is_behind(&self) -> bool {
        self.submitted > self.completed
    }
}

/// The three regions of one ring.
pub struct Regions {
    client: Arc<dyn Region>,
    worker: Arc<dyn Region>,
    status: Arc<dyn Region>,
    views: [View; 2],
    page: Status,
    layout: Layout,
}

impl Regions {
    /// Makes the regions of a ring: on Linux in sealed memfds.
    ///
    /// # Errors
    ///
    /// The system has no memory or descriptors left.
    pub fn create(layout: &Layout) -> Result<Self, RegionError> {
        Self::create_in::<SystemRegion>(layout)
    }

    /// Makes the regions of a ring in another kind of memory.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn create_in<R: Region + 'static>(layout: &Layout) -> Result<Self, RegionError> {
        let client: Arc<dyn Region> = Arc::new(R::create(layout.client_bytes())?);
        let worker: Arc<dyn Region> = Arc::new(R::create(layout.worker_bytes())?);
        let status: Arc<dyn Region> = Arc::new(R::create(layout.status_bytes())?);
        let view = |region: &Arc<dyn Region>, role| {
            let view = View::new(Arc::clone(region), Access::Write);
            mark(&view, role, layout.spec());
            view
        };
        let views = [view(&client, Role::Client), view(&worker, Role::Worker)];
        let page = Status(view(&status, Role::Status));
        for view in &views {
            view.long(WAKE_AT).store(AWAKE, Ordering::Relaxed);
        }
        // This mapping stays; there will be no other that can write.
        status.forbid_writers()?;
        Ok(Self {
            client,
            worker,
            status,
            views,
            page,
            layout: layout.clone(),
        })
    }

    /// Descriptors for [`ClientEnd::attach`](crate::ClientEnd::attach): the client's region for
    /// writing, the worker's and the status page for reading.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn client_fds(&self) -> Result<[OwnedFd; 3], RegionError> {
        Ok([
            self.client.share(Access::Write)?,
            self.worker.share(Access::Read)?,
            self.status.share(Access::Read)?,
        ])
    }

    /// Descriptors for [`WorkerEnd::attach`](crate::WorkerEnd::attach): the worker's region for
    /// writing, the client's and the status page for reading.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn worker_fds(&self) -> Result<[OwnedFd; 3], RegionError> {
        Ok([
            self.client.share(Access::Read)?,
            self.worker.share(Access::Write)?,
            self.status.share(Access::Read)?,
        ])
    }

    /// Says on the status page which generation the worker is.
    pub fn set_generation(&self, generation: u64) {
        self.page.set_generation(generation);
    }

    /// Declares the worker dead and wakes both ends, whose waits fail with
    /// [`RingError::Dead`](crate::RingError::Dead). Never blocks; to call it again does no harm.
    pub fn mark_dead(&self) {
        self.page.set_dead();
        for view in &self.views {
            ring(view.word(BELL), &Sleeper);
        }
    }

    /// The blocks that the client submitted last, oldest first, as they lie in its region: as many
    /// as the ring is deep, without what is no block. To be called when the ring is dead: a client
    /// that goes on would write over them.
    pub fn recent(&self) -> Vec<RecordedBlock> {
        let submitted = acquire(self.views[0].long(COUNTER));
        let depth = u64::from(self.layout.spec().depth);
        let first = submitted.saturating_sub(depth) + 1;
        (first..=submitted)
            .filter_map(|sequence| RecordedBlock::read(&self.views[0], &self.layout, sequence))
            .collect()
    }

    /// Bytes of all three together.
    pub fn bytes(&self) -> usize {
        self.client.len() + self.worker.len() + self.status.len()
    }

    /// Whether [`mark_dead`](Self::mark_dead) has been called.
    pub fn is_dead(&self) -> bool {
        self.page.is_dead()
    }

    /// How far the two ends say they are. For noticing that a worker hangs; not to be computed
    /// with otherwise.
    pub fn progress(&self) -> Progress {
        let [client, worker] = &self.views;
        // In this order: a block completed between the two reads does not make the worker look
        // behind.
        let submitted = acquire(client.long(COUNTER));
        Progress {
            submitted,
            completed: acquire(worker.long(COUNTER)),
        }
    }

    /// The block that the worker is at, by the words of the client and the worker: for telling what
    /// a dead one was doing. None where it owes no block, or where they lie.
    pub fn block_under_way(&self) -> Option<BlockHeader> {
        let progress = self.progress();
        let sequence = progress.completed.checked_add(1)?;
        if !progress.is_behind() {
            return None;
        }
        let mut bytes = [0; INPUT_HEADER];
        self.views[0].read(self.layout.input(sequence).header, &mut bytes);
        let header = InputHeader::decode(&bytes, sequence, self.layout.spec());
        header.ok().map(|header| header.block)
    }

    /// Blocks the worker says it has completed.
    pub fn worker_progress(&self) -> u64 {
        self.progress().completed
    }

    /// Blocks the client says it has collected.
    pub fn collected(&self) -> u64 {
        acquire(self.views[0].long(COLLECTED))
    }

    #[cfg(test)]
    pub(crate) fn mapped(&self) -> [Arc<dyn Region>; 3] {
        [&self.client, &self.worker, &self.status].map(Arc::clone)
    }
}
