//! A processor with a thread of its own, as a plugin in another process has.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use plugpen_engine::{BlockInput, BlockOutput, BlockProcessor, Io};
use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

/// How long anything may take before a test has failed.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Gives back as many silent blocks as it gets, once `work` has been done for each.
pub struct Worker {
    io: Io,
    depth: usize,
    to: Sender<u64>,
    from: Receiver<()>,
    blocks: VecDeque<usize>,
    submitted: u64,
    ready: usize,
}

impl Worker {
    /// A worker; `work` is called on its thread with the number of the block, from 0.
    pub fn new(io: Io, depth: usize, work: Arc<dyn Fn(u64) + Send + Sync>) -> Self {
        let (to, blocks) = channel();
        let (done, from) = channel();
        std::thread::spawn(move || {
            for block in blocks {
                work(block);
                if done.send(()).is_err() {
                    break;
                }
            }
        });
        Self {
            io,
            depth,
            to,
            from,
            blocks: VecDeque::new(),
            submitted: 0,
            ready: 0,
        }
    }
}

impl BlockProcessor for Worker {
    fn io(&self) -> Io {
        self.io
    }

    fn capacity(&self) -> usize {
        self.depth
    }

    fn in_flight(&self) -> usize {
        self.blocks.len()
    }

    fn done(&mut self) -> Result<usize, Error> {
        self.ready += self.from.try_iter().count();
        Ok(self.ready)
    }

    fn wait(&mut self, blocks: usize) -> Result<(), Error> {
        while self.ready < blocks.min(self.blocks.len()) {
            match self.from.recv_timeout(DEADLINE) {
                Ok(()) => self.ready += 1,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::new(ErrorReason::TimedOut, "the worker is late"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(ErrorReason::PluginCrashed, "the worker is gone"));
                }
            }
        }
        Ok(())
    }

    fn submit(&mut self, block: &BlockInput<'_>) -> Result<(), Error> {
        assert!(self.blocks.len() < self.depth);
        self.blocks.push_back(block.frames);
        self.submitted += 1;
        self.to
            .send(self.submitted - 1)
            .map_err(|_| Error::new(ErrorReason::PluginCrashed, "the worker is gone"))
    }

    fn collect(&mut self, _block: &mut BlockOutput<'_>) -> Result<usize, Error> {
        self.wait(1)?;
        self.ready -= 1;
        Ok(self.blocks.pop_front().expect("a block in flight"))
    }
}
