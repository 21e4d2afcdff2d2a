//! What the callback counts for others to read.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::thread::Thread;

/// Why something else than the plugins' output was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A plugin was not done in time.
    Late,
    /// A plugin is dead, or was not attached yet.
    Dead,
    /// The sound system lost samples.
    Device,
    /// The device plays no more.
    Broken,
}

const CAUSES: [(Cause, &str); 4] = [
    (Cause::Late, "late"),
    (Cause::Dead, "dead"),
    (Cause::Device, "device"),
    (Cause::Broken, "broken"),
];

impl Cause {
    /// Its word in events.
    pub fn as_str(self) -> &'static str {
        CAUSES[usize::from(self.number())].1
    }

    fn number(self) -> u8 {
        let position = CAUSES.iter().position(|(cause, _)| *cause == self);
        u8::try_from(position.unwrap_or(0)).unwrap_or(0)
    }
}

/// How fast the load follows: a tenth of the way a period.
const FOLLOW: f32 = 0.1;

/// Counters of a device. Written by its callback, with atomics alone.
#[derive(Default)]
pub struct Meters {
    xruns: AtomicU64,
    cause: AtomicU8,
    load: AtomicU32,
    periods: AtomicU64,
    midi_in_dropped: AtomicU64,
    midi_out_dropped: AtomicU64,
    /// What a MIDI input had no room for and nobody was told of.
    lost: AtomicU64,
    playing: AtomicBool,
    broken: AtomicBool,
    /// Something is to be told; the reporter has not looked yet.
    news: AtomicBool,
    reporter: OnceLock<Thread>,
}

impl Meters {
    /// Has this thread woken when there is something to tell.
    pub fn tell(&self, reporter: Thread) {
        let _ = self.reporter.set(reporter);
    }

    /// Wakes the reporter, once until it has looked. At most a futex wake.
    pub fn ring(&self) {
        if !self.news.swap(true, Ordering::AcqRel)
            && let Some(reporter) = self.reporter.get()
        {
            reporter.unpark();
        }
    }

    /// Whether there was something to tell since this was last asked.
    pub fn take_news(&self) -> bool {
        self.news.swap(false, Ordering::AcqRel)
    }

    /// Counts something else than the plugins' output.
    pub fn xrun(&self, cause: Cause) {
        if cause == Cause::Broken {
            self.broken.store(true, Ordering::Relaxed);
        }
        self.cause.store(cause.number(), Ordering::Relaxed);
        self.xruns.fetch_add(1, Ordering::Release);
        self.ring();
    }

    /// All of them, and why the latest.
    pub fn xruns(&self) -> (u64, Cause) {
        let count = self.xruns.load(Ordering::Acquire);
        let cause = usize::from(self.cause.load(Ordering::Relaxed));
        (count, CAUSES[cause.min(CAUSES.len() - 1)].0)
    }

    /// Whether the device plays no more.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// It plays again, as after the machine slept.
    pub fn mend(&self) {
        self.broken.store(false, Ordering::Relaxed);
    }

    /// Notes that a period took this part of its time.
    pub fn period(&self, load: f32) {
        let before = self.load();
        let now = before + (load - before) * FOLLOW;
        self.load.store(now.to_bits(), Ordering::Relaxed);
        self.periods.fetch_add(1, Ordering::Relaxed);
    }

    /// The load lately.
    pub fn load(&self) -> f32 {
        f32::from_bits(self.load.load(Ordering::Relaxed))
    }

    /// Periods played.
    pub fn periods(&self) -> u64 {
        self.periods.load(Ordering::Relaxed)
    }

    /// Counts MIDI messages without room on their way in.
    pub fn drop_midi_in(&self, count: u64) {
        self.midi_in_dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts MIDI messages without room on their way out.
    pub fn drop_midi_out(&self, count: u64) {
        self.midi_out_dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a message that a MIDI input had no room for.
    pub fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Those counted since this was last asked.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Messages dropped on their way in, and out.
    pub fn midi_dropped(&self) -> (u64, u64) {
        let [into, out] = [&self.midi_in_dropped, &self.midi_out_dropped];
        (into.load(Ordering::Relaxed), out.load(Ordering::Relaxed))
    }

    /// Whether it is to play.
    pub fn is_playing(&self) -> bool {
        self.playing.load(Ordering::Acquire)
    }

    /// Says whether it is to play.
    pub fn set_playing(&self, playing: bool) {
        self.playing.store(playing, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xruns_are_counted_with_their_latest_cause() {
        let meters = Meters::default();
        assert!(!meters.take_news());
        for cause in [Cause::Late, Cause::Device, Cause::Broken, Cause::Dead] {
            meters.xrun(cause);
            assert_eq!(meters.xruns().1, cause);
        }
        assert_eq!(meters.xruns().0, 4);
        assert!(meters.take_news() && !meters.take_news());
        assert_eq!(Cause::Dead.as_str(), "dead");
        assert!(meters.is_broken());
        meters.mend();
        assert!(!meters.is_broken());
        meters.lose();
        assert_eq!((meters.take_lost(), meters.take_lost()), (1, 0));
    }

    #[test]
    fn the_load_follows() {
        let meters = Meters::default();
        (0..100).for_each(|_| meters.period(0.5));
        assert!((meters.load() - 0.5).abs() < 0.001);
        assert_eq!(meters.periods(), 100);
    }
}
