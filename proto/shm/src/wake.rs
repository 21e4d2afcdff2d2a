//! How a thread waits: when to spin, when to sleep, and how.

use std::time::{Duration, Instant};

use crate::protocol::Parking;
use crate::sync::AtomicU32;

/// Longest sleep before a look at the status page: a daemon that is dead itself rings no bell.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// First guess of how long a block takes.
const FIRST_GUESS: Duration = Duration::from_micros(20);
/// Longest spin. Beyond it a wake costs little against the block.
const LONGEST_SPIN: Duration = Duration::from_micros(200);

/// Sleeping by the system's means.
pub(crate) struct Sleeper;

#[cfg(target_os = "linux")]
impl Parking for Sleeper {
    fn park(&self, bell: &AtomicU32, expected: u32, timeout: Duration) {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // SAFETY: FUTEX_WAIT reads the aligned word, which stays mapped during the call, and the
        // timespec. It needs no write access to the word. Its failures (EAGAIN, EINTR, ETIMEDOUT)
        // all mean "look again", which the caller does.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                bell.as_ptr(),
                libc::FUTEX_WAIT,
                expected,
                &raw const timeout,
            );
        }
    }

    fn unpark(&self, bell: &AtomicU32) {
        // SAFETY: FUTEX_WAKE only uses the word's address, which is mapped.
        unsafe {
            libc::syscall(libc::SYS_futex, bell.as_ptr(), libc::FUTEX_WAKE, i32::MAX);
        }
    }

    fn rest(&self, timeout: Duration) {
        std::thread::sleep(timeout);
    }
}

#[cfg(not(target_os = "linux"))]
impl Parking for Sleeper {
    fn park(&self, _: &AtomicU32, _: u32, timeout: Duration) {
        // No portable wait on a word of shared memory.
        std::thread::sleep(timeout.min(LONGEST_SPIN));
    }

    fn unpark(&self, _: &AtomicU32) {}

    fn rest(&self, timeout: Duration) {
        std::thread::sleep(timeout);
    }
}

/// The CPU this thread runs on; without a system call where there is rseq.
pub(crate) fn current_cpu() -> u32 {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        // SAFETY: it has no preconditions. -1 where the kernel does not tell: then all ends seem
        // to run on CPU 0, and none spins.
        u32::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    {
        0
    }
}

/// Blocks in a row on the client's CPU after which a worker moves away for the first time.
const FIRST_MOVE: u32 = 64;

/// Gets a worker's audio thread off the CPU of its client.
///
/// Two threads that take turns by futex look to the scheduler like one, and it may leave them on
/// one CPU for ever: 7 µs a block where spinning on two takes 2 µs.
#[derive(Debug)]
pub(crate) struct Mover {
    streak: u32,
    /// Doubles with each move: where the other CPUs are busy, moving is of no use.
    next: u32,
}

impl Mover {
    pub fn new() -> Self {
        Self {
            streak: 0,
            next: FIRST_MOVE,
        }
    }

    /// Takes note of where the client was at a block; says whether to move now.
    fn is_due(&mut self, same_cpu: bool) -> bool {
        self.streak = if same_cpu { self.streak + 1 } else { 0 };
        if self.streak < self.next {
            return false;
        }
        self.streak = 0;
        self.next = self.next.saturating_mul(2);
        true
    }

    /// Moves this thread off its CPU where it has been the client's too often. Afterwards it may
    /// run where it could before; on Linux the scheduler then leaves it where it is.
    pub fn note(&mut self, cpu: u32, same_cpu: bool) {
        if self.is_due(same_cpu) {
            leave_cpu(cpu);
        }
    }
}

fn leave_cpu(cpu: u32) {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        use rustix::thread::{sched_getaffinity, sched_setaffinity};
        // Refused, it stays; that is only slower.
        let Ok(all) = sched_getaffinity(None) else {
            return;
        };
        let Ok(cpu) = usize::try_from(cpu) else {
            return;
        };
        if all.count() > 1 && all.is_set(cpu) {
            let mut others = all;
            others.unset(cpu);
            let _ = sched_setaffinity(None, &others);
            let _ = sched_setaffinity(None, &all);
        }
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = cpu;
}

/// Spins only as long as waits have lately been worth it.
#[derive(Debug)]
pub(crate) struct SpinPolicy {
    recent: Duration,
}

impl SpinPolicy {
    pub fn new() -> Self {
        Self {
            recent: FIRST_GUESS,
        }
    }

    /// How long to spin before sleeping, `same_cpu` if the peer last ran where this thread runs:
    /// then it cannot run before this thread sleeps.
    pub fn budget(&self, same_cpu: bool) -> Duration {
        match same_cpu || self.recent > LONGEST_SPIN {
            true => Duration::ZERO,
            // Blocks vary; half as long again catches most of those that take longer.
            false => (self.recent + self.recent / 2).clamp(FIRST_GUESS, LONGEST_SPIN),
        }
    }

    /// Takes note of how long a wait took.
    pub fn observe(&mut self, waited: Duration) {
        // Bounded, so that one long pause is forgotten after a few blocks.
        let waited = waited.min(2 * LONGEST_SPIN);
        self.recent = (self.recent * 7 + waited) / 8;
    }

    /// Spins until `ready`, at most for the budget from `start` or to the deadline; says whether
    /// it is ready.
    pub fn spin(
        &self,
        start: Instant,
        deadline: Instant,
        same_cpu: bool,
        ready: impl Fn() -> bool,
    ) -> bool {
        let left = deadline.saturating_duration_since(start);
        let budget = self.budget(same_cpu).min(left);
        if budget.is_zero() {
            return ready();
        }
        loop {
            // A look at the clock costs as much as a few dozen looks at the word.
            for _ in 0..64 {
                if ready() {
                    return true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() >= budget {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spin_follows_the_waits() {
        let mut policy = SpinPolicy::new();
        assert_eq!(policy.budget(true), Duration::ZERO, "the peer cannot run");
        assert_eq!(policy.budget(false), Duration::from_micros(30));
        for (waits, expected) in [(1, 20), (80, 120), (150, 200), (300, 0), (50, 75)] {
            for _ in 0..100 {
                policy.observe(Duration::from_micros(waits));
            }
            let budget = policy.budget(false).as_nanos();
            let expected = expected * 1000;
            assert!(budget.abs_diff(expected) < 1000, "{waits} us: {budget} ns");
        }
        policy.observe(Duration::from_secs(10));
        assert!(!policy.budget(false).is_zero(), "one pause is forgiven");
    }

    #[test]
    fn a_worker_moves_rarely() {
        let mut mover = Mover::new();
        let moves = |mover: &mut Mover, blocks: u32, same_cpu| {
            (0..blocks).filter(|_| mover.is_due(same_cpu)).count()
        };
        assert_eq!(moves(&mut mover, 1000, false), 0);
        assert_eq!(moves(&mut mover, FIRST_MOVE - 1, true), 0);
        assert_eq!(moves(&mut mover, 1, false), 0, "the streak is broken");
        assert_eq!(moves(&mut mover, FIRST_MOVE, true), 1);
        assert_eq!(moves(&mut mover, 1 << 20, true), 13, "ever more rarely");
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn a_thread_that_leaves_a_cpu_may_come_back() {
        use rustix::thread::sched_getaffinity;
        let before = sched_getaffinity(None).expect("an affinity");
        let cpu = current_cpu();
        leave_cpu(cpu);
        let after = sched_getaffinity(None).expect("an affinity");
        assert!(before == after, "it may run where it could");
    }

    #[test]
    fn a_bell_that_has_changed_is_not_slept_on() {
        let bell = AtomicU32::new(1);
        Sleeper.park(&bell, 0, Duration::MAX);
        Sleeper.park(&bell, 1, Duration::from_millis(1));
        Sleeper.unpark(&bell);
    }
}
