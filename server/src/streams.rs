//! Blocks of clients that share no memory: a thread between a stream of messages and the client's
//! end of a ring. Audio never runs on the threads that serve calls.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use plugpen_proto::Error;
use plugpen_proto::limits::AUDIO_CHUNK;
use plugpen_proto::v1::{InputBlock, OutputBlock, StreamAudioResponse};
use plugpen_shm::{ClientEnd, RingError};
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::Status;

/// Messages that may wait in either direction; then the stream is read no further.
pub const WAITING: usize = 2;
/// How long a block is waited for before it is looked whether others have come.
const LOOK: Duration = Duration::from_millis(1);
/// The same where there is no room for others.
const WAIT: Duration = Duration::from_millis(50);

/// What goes out.
pub type Answer = Result<StreamAudioResponse, Status>;

/// Why the blocks end.
#[derive(Debug)]
pub enum Ending {
    /// The client is done, or gone.
    Finished,
    /// The ring is dead: the plugin is, or somebody else has taken it over.
    Dead,
    /// The client sent something that cannot be.
    Refused(Error),
    /// The worker did.
    Broken(String),
}

/// One stream.
pub struct Pump {
    end: ClientEnd,
    inputs: mpsc::Receiver<Vec<InputBlock>>,
    outputs: mpsc::Sender<Answer>,
    waiting: VecDeque<InputBlock>,
}

impl Pump {
    /// Between these; [`Pump::run`] does the work.
    pub fn new(
        end: ClientEnd,
        inputs: mpsc::Receiver<Vec<InputBlock>>,
        outputs: mpsc::Sender<Answer>,
    ) -> Self {
        Self {
            end,
            inputs,
            outputs,
            waiting: VecDeque::new(),
        }
    }

    /// Passes blocks on until there are no more. Blocks; for a thread of its own.
    pub fn run(&mut self) -> Ending {
        let mut more = true;
        loop {
            if self.waiting.is_empty() && more {
                more = self.take();
            }
            if let Err(why) = self.submit() {
                return Ending::Refused(Error::invalid(why));
            }
            if self.end.in_flight() == 0 {
                match more {
                    true => continue,
                    false => return Ending::Finished,
                }
            }
            let patience = match more && self.waiting.is_empty() {
                true => LOOK,
                false => WAIT,
            };
            match self.end.wait(1, Instant::now() + patience) {
                Ok(()) => {}
                Err(RingError::TimedOut) => continue,
                Err(RingError::Dead) => return Ending::Dead,
                Err(RingError::Protocol(how)) => return Ending::Broken(how),
            }
            match self.answer() {
                Ok(true) => {}
                Ok(false) => return Ending::Finished,
                Err(RingError::Protocol(how)) => return Ending::Broken(how),
                Err(_) => return Ending::Dead,
            }
        }
    }

    /// Takes what has come, waiting where there is nothing else to do; `false` when the client
    /// has no more.
    fn take(&mut self) -> bool {
        let taken = match self.end.in_flight() {
            0 => self.inputs.blocking_recv(),
            _ => match self.inputs.try_recv() {
                Err(mpsc::error::TryRecvError::Empty) => return true,
                taken => taken.ok(),
            },
        };
        match taken {
            Some(blocks) => {
                self.waiting.extend(blocks);
                true
            }
            None => false,
        }
    }

    fn submit(&mut self) -> Result<(), String> {
        while let Some(block) = self.waiting.front() {
            if !self.end.submit_block(block)? {
                break;
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Sends what is done; `false` where nobody takes it.
    fn answer(&mut self) -> Result<bool, RingError> {
        let mut blocks: Vec<OutputBlock> = Vec::new();
        let mut bytes = 0;
        while bytes < AUDIO_CHUNK
            && let Some(block) = self.end.collect_block()?
        {
            bytes += block.encoded_len();
            blocks.push(block);
        }
        let answer = StreamAudioResponse {
            rings: None,
            blocks,
        };
        Ok(self.outputs.blocking_send(Ok(answer)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use plugpen_proto::event::EventList;
    use plugpen_shm::{BlockStatus, Regions, RingSpec, WorkerEnd};

    use super::*;

    const SPEC: RingSpec = RingSpec {
        depth: 4,
        max_frames: 64,
        input_channels: 1,
        output_channels: 0,
        event_bytes: 4096,
        sample_bytes: 4,
        parameters: 0,
    };

    fn block(frames: u32) -> InputBlock {
        InputBlock {
            frames,
            ..InputBlock::default()
        }
    }

    struct Stream {
        regions: Regions,
        worker: WorkerEnd,
        inputs: Option<mpsc::Sender<Vec<InputBlock>>>,
        outputs: mpsc::Receiver<Answer>,
        pump: std::thread::JoinHandle<Ending>,
    }

    fn stream() -> Stream {
        let layout = SPEC.layout().unwrap();
        let regions = Regions::create(&layout).unwrap();
        let worker = WorkerEnd::attach(regions.worker_fds().unwrap(), &layout).unwrap();
        let end = ClientEnd::attach(regions.client_fds().unwrap(), &layout).unwrap();
        let (inputs, from_client) = mpsc::channel(WAITING);
        let (to_client, outputs) = mpsc::channel(WAITING);
        let mut pump = Pump::new(end, from_client, to_client);
        Stream {
            regions,
            worker,
            inputs: Some(inputs),
            outputs,
            pump: std::thread::spawn(move || pump.run()),
        }
    }

    #[test]
    fn more_blocks_than_the_ring_holds_come_back_in_order() {
        let mut stream = stream();
        let inputs = stream.inputs.take().unwrap();
        inputs.blocking_send((1..=20).map(block).collect()).unwrap();
        inputs.blocking_send(vec![block(21)]).unwrap();
        drop(inputs);
        let mut worker = stream.worker;
        let worker = std::thread::spawn(move || {
            let never = std::sync::atomic::AtomicBool::new(false);
            while worker.processed() < 21 {
                worker.wait(Duration::from_secs(60), &never).unwrap();
                while let Some(slot) = worker.next().unwrap() {
                    slot.complete(BlockStatus::Ok, &EventList::new(), 0);
                }
            }
        });
        let mut frames = Vec::new();
        while let Some(answer) = stream.outputs.blocking_recv() {
            frames.extend(answer.unwrap().blocks.iter().map(|block| block.frames));
        }
        assert_eq!(frames, (1..=21).collect::<Vec<_>>());
        worker.join().unwrap();
        assert!(matches!(stream.pump.join().unwrap(), Ending::Finished));
    }

    #[test]
    fn a_death_and_nonsense_end_it() {
        let stream = self::stream();
        let inputs = stream.inputs.as_ref().unwrap();
        inputs.blocking_send(vec![block(1)]).unwrap();
        stream.regions.mark_dead();
        assert!(matches!(stream.pump.join().unwrap(), Ending::Dead));

        let stream = self::stream();
        let inputs = stream.inputs.as_ref().unwrap();
        inputs.blocking_send(vec![block(65)]).unwrap();
        let Ending::Refused(error) = stream.pump.join().unwrap() else {
            panic!("a block that is too long was taken");
        };
        assert!(error.message.contains("at most 64"), "{error}");
    }
}
