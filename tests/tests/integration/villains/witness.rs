//! Other plugins of the same client, which must not notice anything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use plugpen::{EventList, Server};

use crate::conformance::format::LV2;
use crate::system::play_events;

const FRAMES: usize = 64;

/// Runs `act` while another plugin plays, which hears every one of its blocks, in order.
pub fn beside_others<T>(server: &Server, act: impl FnOnce() -> T) -> T {
    let counter = LV2.open(server, "counter");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let playing = scope.spawn(|| {
            let mut block = 0_usize;
            while !done.load(Ordering::Relaxed) || block == 0 {
                let (outputs, _) =
                    play_events(&counter, &[0.0; FRAMES], &EventList::new()).unwrap();
                // What the counter counts in stays exact up to 2^24 frames.
                assert_eq!(outputs[0][0], (block * FRAMES % (1 << 24)) as f32);
                block += 1;
                thread::park_timeout(Duration::from_millis(2));
            }
        });
        // However `act` ends, the other one must learn that it has.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        done.store(true, Ordering::Relaxed);
        playing.join().expect("the other plugin missed a block");
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
