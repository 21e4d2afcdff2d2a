//! Tells the daemon what happens beside its calls: what the callback counts, what a MIDI input
//! hears.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{park, park_timeout};
use std::time::{Duration, Instant};

use plugpen_channel::Writer;
use plugpen_proto::v1::{DeviceXruns, Lost, MidiReceived};
use plugpen_proto::worker::{Event, FromWorker, event, from_worker};

use crate::meters::{Cause, Meters};
use crate::midi_queue::MidiReceiver;

/// Least time between two events about what was not played.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a device that plays is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Looks in a row without a period after which it counts as broken.
const STALLED: u32 = 5;

/// The line to the daemon, shared by those who send.
#[derive(Clone)]
pub struct Line(Arc<Mutex<Writer>>);

impl Line {
    /// Takes the sending half.
    pub fn new(writer: Writer) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    /// Sends a message. Blocks while the socket is full.
    ///
    /// # Errors
    /// The daemon does not take it.
    pub fn send(&self, message: &FromWorker) -> io::Result<()> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.add(message)?;
        writer.flush()
    }

    fn tell(&self, event: event::Event) -> io::Result<()> {
        self.send(&FromWorker {
            id: 0,
            body: Some(from_worker::Body::Event(Event { event: Some(event) })),
        })
    }
}

/// Starts the thread; it ends with the process.
///
/// # Errors
/// The system has no thread left.
pub fn start(line: Line, meters: Arc<Meters>, heard: MidiReceiver) -> io::Result<()> {
    let its = meters.clone();
    let thread = std::thread::Builder::new()
        .name("reporter".into())
        .spawn(move || {
            // Without a daemon there is nobody to tell, and the process ends anyway.
            let _ = report(&line, &its, heard);
        })?;
    meters.tell(thread.thread().clone());
    Ok(())
}

fn report(line: &Line, meters: &Meters, mut heard: MidiReceiver) -> io::Result<()> {
    let mut told = 0;
    let mut next = Instant::now();
    let (mut periods, mut looks, mut looked) = (0, 0, Instant::now());
    loop {
        meters.take_news();
        while let Some((time_us, data)) = heard.pop() {
            line.tell(event::Event::MidiReceived(MidiReceived {
                data: data.to_vec(),
                time_us,
            }))?;
        }
        let count = meters.take_lost();
        if count > 0 {
            line.tell(event::Event::Lost(Lost { count }))?;
        }
        let now = Instant::now();
        if meters.is_playing() && now.saturating_duration_since(looked) >= LOOK {
            looked = now;
            let stands = meters.periods() == periods;
            if !stands && looks >= STALLED {
                meters.mend();
            }
            looks = match stands {
                true => looks + 1,
                false => 0,
            };
            periods = meters.periods();
            if looks == STALLED {
                eprintln!("plugpen-device: the sound system asks for no more audio");
                meters.xrun(Cause::Broken);
            }
        }
        let (xrun_count, cause) = meters.xruns();
        if xrun_count != told && now >= next {
            told = xrun_count;
            next = now + PAUSE;
            line.tell(event::Event::DeviceXruns(DeviceXruns {
                xrun_count,
                cause: cause.as_str().into(),
            }))?;
        }
        match (xrun_count == told, meters.is_playing()) {
            (true, false) => park(),
            (true, true) => park_timeout(LOOK),
            (false, _) => park_timeout(next.saturating_duration_since(now)),
        }
    }
}
