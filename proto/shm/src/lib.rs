//! plugpen's audio path: rings of blocks in memory that a client and a worker share.
//!
//! The life of a ring:
//!
//! 1. The daemon turns the negotiated [`RingSpec`] into a [`Layout`] and makes the [`Regions`]:
//!    one the client writes, one the worker writes, and a status page only the daemon writes.
//! 2. It passes descriptors to both; each computes the layout for itself and attaches:
//!    [`ClientEnd`], [`WorkerEnd`].
//! 3. The client takes a free [`InputSlot`], fills it and submits it, up to `depth` of them.
//! 4. The worker takes each as a [`WorkSlot`], lets the plugin read from it and write to its twin
//!    in the other region, and completes it.
//! 5. The client waits for as many as it wants and reads each as an [`OutputSlot`].
//! 6. When the worker dies, [`Regions::mark_dead`] ends every wait.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use std::time::{Duration, Instant};
//!
//! use plugpen_proto::event::EventList;
//! use plugpen_shm::{BlockHeader, BlockStatus, ClientEnd, Regions, RingSpec, WorkerEnd};
//!
//! let spec = RingSpec {
//!     depth: 4,
//!     max_frames: 512,
//!     input_channels: 2,
//!     output_channels: 2,
//!     event_bytes: 4096,
//!     sample_bytes: 4,
//!     parameters: 0,
//! };
//! let layout = spec.layout()?;
//! let regions = Regions::create(&layout)?; // 1
//! let mut client = ClientEnd::attach(regions.client_fds()?, &layout)?; // 2
//! let mut worker = WorkerEnd::attach(regions.worker_fds()?, &layout)?;
//!
//! let mut block = client.begin().expect("an empty ring has room"); // 3
//! block.set_header(&BlockHeader { frames: 64, ..Default::default() });
//! block.write_f32(0, &[0.25; 64]); // the other channel is silent
//! block.submit();
//!
//! worker.wait(Duration::from_secs(1), &AtomicBool::new(false))?; // 4
//! let block = worker.next()?.expect("the block just submitted");
//! for frame in 0..block.header().frames as usize {
//!     // SAFETY: both pointers are valid for the block's frames.
//!     unsafe { *block.output_f32(0).add(frame) = 2.0 * *block.input_f32(0).add(frame) };
//! }
//! block.complete(BlockStatus::Ok, &EventList::new(), 0);
//!
//! client.wait(1, Instant::now() + Duration::from_secs(1))?; // 5
//! let block = client.output()?.expect("the block just completed");
//! let mut samples = [0.0; 64];
//! block.read_f32(0, &mut samples);
//! assert_eq!(samples, [0.5; 64]);
//! block.release();
//!
//! regions.mark_dead(); // 6
//! assert!(client.is_dead());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Neither end believes the other: an index, a length or an offset from the other side is read
//! once, checked and then used, and there is never a reference into shared memory.

#[cfg(not(loom))]
mod bridge;
#[cfg(not(loom))]
mod client;
#[cfg(not(loom))]
mod end;
#[cfg(not(loom))]
mod events;
#[cfg(not(loom))]
mod header;
#[cfg(not(loom))]
mod layout;
// Public for the model in tests/loom.rs alone.
#[cfg(loom)]
pub mod protocol;
#[cfg(not(loom))]
mod protocol;
#[cfg(not(loom))]
mod recorded;
#[cfg(not(loom))]
pub mod region;
#[cfg(not(loom))]
mod regions;
#[cfg(not(loom))]
mod samples;
#[cfg(not(loom))]
mod status;
mod sync;
#[cfg(all(test, not(loom)))]
mod testing;
#[cfg(not(loom))]
mod wake;
#[cfg(not(loom))]
mod worker;

#[cfg(not(loom))]
pub use crate::{
    bridge::check_block,
    client::{ClientEnd, InputSlot, OutputSlot},
    end::RingError,
    events::EventsFull,
    header::{BlockHeader, BlockStatus, OutputHeader},
    layout::{Layout, LayoutError, RingSpec},
    recorded::{RecordedBlock, Unplayable},
    region::RegionError,
    regions::{Progress, Regions},
    worker::{Interrupter, Relay, WorkSlot, WorkerEnd},
};
