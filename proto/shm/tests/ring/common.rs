//! What the ring's tests share: rings, children and noise.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use plugpen_proto::event::EventList;
use plugpen_shm::region::Region;
use plugpen_shm::{BlockStatus, ClientEnd, Layout, Regions, RingSpec, WorkerEnd};

/// For waits nothing interrupts.
pub static NEVER: AtomicBool = AtomicBool::new(false);

/// Longer than any test, shorter than for ever.
pub const LONG: Duration = Duration::from_secs(60);

/// A deadline that is not meant to pass.
pub fn later() -> Instant {
    Instant::now() + LONG
}

/// A ring of three inputs, two outputs and five parameters.
pub fn layout(sample_bytes: u32) -> Layout {
    RingSpec {
        depth: 4,
        max_frames: 512,
        input_channels: 3,
        output_channels: 2,
        event_bytes: 4096,
        sample_bytes,
        parameters: 5,
    }
    .layout()
    .expect("a layout")
}

/// A ring in memory of kind `R`, both ends attached.
pub fn ring<R: Region + 'static>(layout: &Layout) -> (Regions, ClientEnd, WorkerEnd) {
    let regions = Regions::create_in::<R>(layout).expect("regions");
    let worker = WorkerEnd::attach_in::<R>(regions.worker_fds().expect("descriptors"), layout);
    let client = ClientEnd::attach_in::<R>(regions.client_fds().expect("descriptors"), layout);
    (regions, client.expect("client"), worker.expect("worker"))
}

/// Takes blocks until `blocks` are completed: doubles the samples of the first two channels,
/// sends the events back and reports a latency of 7.
pub fn work(worker: &mut WorkerEnd, blocks: u64) {
    let mut events = EventList::with_capacity(64, 4096);
    while worker.processed() < blocks {
        worker.wait(LONG, &NEVER).expect("a live ring");
        while let Some(mut slot) = worker.next().expect("a sound block") {
            let header = slot.header();
            for channel in 0..2 {
                for frame in 0..header.frames as usize {
                    // SAFETY: `frame` is below the block's frames, for which both are valid.
                    unsafe {
                        if header.double {
                            let sample = slot.input_f64(channel).add(frame).read();
                            slot.output_f64(channel).add(frame).write(2.0 * sample);
                        } else {
                            let sample = slot.input_f32(channel).add(frame).read();
                            slot.output_f32(channel).add(frame).write(2.0 * sample);
                        }
                    }
                }
            }
            events.clear();
            assert_eq!(slot.events(&mut events), Ok(0));
            slot.complete(BlockStatus::Ok, &events, 7);
        }
    }
}

/// A process of ours; killed and reaped at the end of its test.
pub struct Child(rustix::process::Pid);

impl Child {
    /// Runs `body` in a copy of this process. The copy has one thread, so `body` may not wait for
    /// others of this process, nor use its standard streams.
    pub fn fork(body: impl FnOnce()) -> Self {
        // SAFETY: the child runs `body` and leaves by `_exit`, never returning into the harness;
        // glibc keeps its allocator usable in a child of a threaded process.
        match unsafe { libc::fork() } {
            0 => {
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    rustix::process::set_parent_process_death_signal(Some(
                        rustix::process::Signal::KILL,
                    ))
                    .expect("a parent-death signal");
                    body();
                }));
                // SAFETY: ends the process.
                unsafe { libc::_exit(if result.is_ok() { 0 } else { 101 }) }
            }
            pid => Self(rustix::process::Pid::from_raw(pid).expect("a fork")),
        }
    }

    /// Kills it without a chance to tidy up.
    pub fn kill(&self) {
        rustix::process::kill_process(self.0, rustix::process::Signal::KILL).expect("a child");
    }

    /// Waits for its end; says whether `body` returned.
    pub fn succeeded(self) -> bool {
        let status = self.reap();
        std::mem::forget(self);
        status == Some(0)
    }

    fn reap(&self) -> Option<i32> {
        let options = rustix::process::WaitOptions::empty();
        let ended = rustix::process::waitpid(Some(self.0), options).expect("a child");
        ended.and_then(|(_, status)| status.exit_status())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        self.reap();
    }
}

/// xorshift64*: noise that needs no memory and can be had again.
pub struct Noise(u64);

impl Noise {
    /// The noise of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.bits() >> 32).expect("32 bits") % end
    }
}
