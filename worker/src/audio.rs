//! The audio thread: takes blocks from the rings, passes them through the plugin, gives the
//! plugin up when the main thread needs it alone.
//!
//! What the thread works with sits in one [`Seat`]. A call that must not run beside processing
//! borrows the whole seat ([`AudioThread::parked`]): the thread finishes the blocks submitted
//! before the call, puts the seat on the desk and sleeps until it is back. So exclusive access
//! is a matter of who owns a value, not of a flag.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use plugpen_shm::{BlockStatus, Interrupter, RingError, WorkerEnd};

use crate::formats::{BlockRunner, HostBypass, Notices, Numerics, Processor, fpu};
use crate::transport::{SharedTransport, TransportReader};

/// How long the main thread waits for the audio thread to leave a block. The daemon's watchdog
/// is stricter; this only makes sure that the wait ends.
const PARKING: Duration = Duration::from_secs(120);
/// Stack of the threads a plugin's code runs on, in bytes: what a main thread has.
pub const PLUGIN_STACK: usize = 8 * 1024 * 1024;
/// How long one wait on the rings lasts at most.
const SLICE: Duration = Duration::from_millis(500);

/// Everything the audio thread works with.
pub struct Seat {
    /// The plugin's audio half.
    pub processor: Box<dyn Processor>,
    /// Bypass by the host.
    pub bypass: HostBypass,
    /// Looks at the plugin's numbers, where that was asked for.
    pub numerics: Option<Numerics>,
    /// The rings and the room for their blocks, once they are attached.
    pub rings: Option<(WorkerEnd, BlockRunner)>,
}

/// Where the seat is.
enum Place {
    /// The audio thread plays.
    Playing,
    /// The audio thread has put it here and sleeps.
    Offered(Box<Seat>),
    /// The main thread has it.
    Taken,
    /// The main thread has put it back.
    Returned(Box<Seat>),
}

struct Desk {
    place: Mutex<Place>,
    moved: Condvar,
    /// The main thread wants the seat...
    wanted: AtomicBool,
    /// ...when so many blocks are done, or none is left.
    after_block: AtomicU64,
}

impl Desk {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The main thread's handle on the audio thread.
pub struct AudioThread {
    desk: Arc<Desk>,
    interrupter: Option<Interrupter>,
    transport: Arc<SharedTransport>,
}

impl AudioThread {
    /// Starts the thread with a plugin's audio half; it sleeps until rings are attached.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(seat: Seat, notices: Arc<Notices>) -> Result<Self, Error> {
        let latency = seat.processor.latency_samples();
        let desk = Arc::new(Desk {
            place: Mutex::new(Place::Returned(Box::new(seat))),
            moved: Condvar::new(),
            wanted: AtomicBool::new(false),
            after_block: AtomicU64::new(0),
        });
        let transport = Arc::new(SharedTransport::default());
        let player = Player {
            desk: Arc::clone(&desk),
            transport: Arc::clone(&transport),
            reader: TransportReader::default(),
            notices,
            latency,
        };
        std::thread::Builder::new()
            .name("audio".into())
            .stack_size(PLUGIN_STACK)
            .spawn(move || {
                let _guard = crate::AbortOnPanic;
                player.run();
            })
            .map_err(|error| {
                Error::new(
                    ErrorReason::LimitReached,
                    format!("no thread for audio: {error}"),
                )
            })?;
        Ok(Self {
            desk,
            interrupter: None,
            transport,
        })
    }

    /// The transport of blocks that carry none.
    pub fn transport(&self) -> &SharedTransport {
        &self.transport
    }

    /// Runs `act` with the seat, after `after_block` blocks or when none is left. Blocks until
    /// the audio thread has given it up.
    ///
    /// # Errors
    /// The plugin does not come out of a block, or what `act` says.
    pub fn parked<T>(
        &mut self,
        after_block: u64,
        act: impl FnOnce(&mut Seat) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut seat = self.take(after_block)?;
        let result = act(&mut seat);
        self.interrupter = seat.rings.as_ref().map(|(rings, _)| rings.interrupter());
        *self.desk.place() = Place::Returned(seat);
        self.desk.moved.notify_all();
        result
    }

    fn take(&self, after_block: u64) -> Result<Box<Seat>, Error> {
        let deadline = Instant::now() + PARKING;
        self.desk.after_block.store(after_block, Ordering::Relaxed);
        // SYNC: pairs with the acquire in `Player::is_wanted`: who sees the wish sees the block.
        self.desk.wanted.store(true, Ordering::Release);
        if let Some(interrupter) = &self.interrupter {
            interrupter.wake();
        }
        let mut place = self.desk.place();
        // With the lock held: a thread without rings has either seen the wish or is waiting.
        self.desk.moved.notify_all();
        loop {
            match std::mem::replace(&mut *place, Place::Taken) {
                Place::Offered(seat) => {
                    self.desk.wanted.store(false, Ordering::Relaxed);
                    return Ok(seat);
                }
                other => *place = other,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.desk.wanted.store(false, Ordering::Relaxed);
                return Err(Error::new(
                    ErrorReason::TimedOut,
                    format!("the plugin has not come out of a block for {PARKING:?}"),
                ));
            }
            place = match self.desk.moved.wait_timeout(place, left) {
                Ok((place, _)) => place,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

/// The audio thread itself.
struct Player {
    desk: Arc<Desk>,
    transport: Arc<SharedTransport>,
    reader: TransportReader,
    notices: Arc<Notices>,
    /// As the client knows it: from opening at first.
    latency: u32,
}

impl Player {
    fn run(mut self) {
        fpu::flush_denormals();
        loop {
            let mut seat = self.wait_for_seat();
            self.play(&mut seat);
            *self.desk.place() = Place::Offered(seat);
            self.desk.moved.notify_all();
        }
    }

    /// Sleeps until the main thread has put the seat back.
    fn wait_for_seat(&self) -> Box<Seat> {
        let mut place = self.desk.place();
        loop {
            match std::mem::replace(&mut *place, Place::Playing) {
                Place::Returned(seat) => return seat,
                other => *place = other,
            }
            place = match self.desk.moved.wait(place) {
                Ok(place) => place,
                Err(poisoned) => poisoned.into_inner(),
            };
        }
    }

    fn is_wanted(&self) -> bool {
        // SYNC: pairs with the release in `AudioThread::take`.
        self.desk.wanted.load(Ordering::Acquire)
    }

    /// Plays until the main thread wants the seat.
    fn play(&mut self, seat: &mut Seat) {
        while let Some((rings, _)) = &mut seat.rings {
            // Looked at before the ring: a block submitted before the wish is then seen.
            let wanted = self.is_wanted();
            if wanted && rings.processed() >= self.desk.after_block.load(Ordering::Relaxed) {
                return;
            }
            match self.block(seat) {
                Ok(true) => {}
                Ok(false) if wanted => return,
                Ok(false) => {
                    if let Some((rings, _)) = &mut seat.rings
                        && let Err(error) = rings.wait(SLICE, &self.desk.wanted)
                    {
                        self.leave(seat, &error);
                    }
                }
                Err(error) => self.leave(seat, &error),
            }
        }
        // No rings: nothing to do until the main thread comes.
        let mut place = self.desk.place();
        while !self.is_wanted() {
            place = match self.desk.moved.wait_timeout(place, SLICE) {
                Ok((place, _)) => place,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Processes the oldest block, if there is one.
    fn block(&mut self, seat: &mut Seat) -> Result<bool, RingError> {
        let Some((rings, runner)) = &mut seat.rings else {
            return Ok(false);
        };
        let Some(mut slot) = rings.next()? else {
            return Ok(false);
        };
        let header = slot.header();
        let transport = match header.transport {
            Some(transport) => Some(transport),
            None => self.reader.read(&self.transport),
        };
        let ran = runner.run(
            &mut slot,
            &header,
            transport,
            seat.processor.as_mut(),
            &mut seat.bypass,
            seat.numerics.as_mut(),
        )?;
        let latency = seat.processor.latency_samples();
        slot.lose(ran.events_lost);
        if let Some(numerics) = seat.numerics.as_mut().filter(|_| ran.numerics_news) {
            for found in numerics.found() {
                self.notices.numerics(&found);
            }
        }
        let status = match seat.processor.is_stopped() {
            true => BlockStatus::Failed,
            false => BlockStatus::Ok,
        };
        slot.complete(status, runner.events_out(), latency);
        if std::mem::replace(&mut self.latency, latency) != latency {
            self.notices.latency();
        }
        Ok(true)
    }

    /// Gives rings up that are dead or lie.
    fn leave(&self, seat: &mut Seat, error: &RingError) {
        if let RingError::Protocol(what) = error {
            self.notices
                .log(&format!("the audio rings are broken: {what}"));
        }
        seat.rings = None;
    }
}
