//! What a plugin did by itself, noted by whichever thread saw it and told by the main thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::Thread;

use plugpen_proto::v1::NumericsFound;

use super::host_calls::{HostCall, HostCalls};

/// Lines kept until the main thread has sent them.
const MAX_LINES: usize = 256;
/// Longest line taken from a plugin, in bytes.
const MAX_LINE: usize = 4096;

const LATENCY: u32 = 1;
const PROGRAM: u32 = 2;
const STATE: u32 = 4;
const PARAMETER_INFO: u32 = 8;

/// One bit a parameter: values coalesce by themselves.
type Bits = OnceLock<Box<[AtomicU64]>>;

/// Bounded, coalescing notes. Marking is wait-free but for [`Notices::log`].
#[derive(Debug)]
pub struct Notices {
    main: Thread,
    pending: AtomicBool,
    by_plugin: Bits,
    by_host: Bits,
    begun: Bits,
    ended: Bits,
    /// Outputs that gave no numbers, and infinite ones.
    nan: Bits,
    infinite: Bits,
    flags: AtomicU32,
    lines: Mutex<VecDeque<String>>,
    lost: AtomicU64,
    host_calls: HostCalls,
}

/// What has been noted since the last [`Notices::take`].
#[derive(Debug, Default, PartialEq)]
pub struct Noted {
    /// Parameters that changed, by index, and whether the host did it.
    pub parameters: Vec<(u32, bool)>,
    /// Parameters on which the plugin began a gesture, by index.
    pub begun: Vec<u32>,
    /// Parameters on which the plugin ended a gesture and did not begin another.
    pub ended: Vec<u32>,
    /// The latency changed.
    pub latency: bool,
    /// Another program is current.
    pub program: bool,
    /// The state changed otherwise.
    pub state: bool,
    /// Names, ranges or texts of parameters changed.
    pub parameter_info: bool,
    /// The plugin's calls to its host, where they are observed, and how often each.
    pub host_calls: Vec<(HostCall, u32)>,
    /// What was wrong with the plugin's numbers.
    pub numerics: Vec<NumericsFound>,
    /// Lines of the plugin's log.
    pub lines: Vec<String>,
    /// Lines and events that had to go.
    pub lost: u64,
}

impl Notices {
    /// Notes for the calling thread, which is the main thread.
    pub fn new() -> Self {
        Self {
            main: std::thread::current(),
            pending: AtomicBool::new(false),
            by_plugin: OnceLock::new(),
            by_host: OnceLock::new(),
            begun: OnceLock::new(),
            ended: OnceLock::new(),
            nan: OnceLock::new(),
            infinite: OnceLock::new(),
            flags: AtomicU32::new(0),
            lines: Mutex::default(),
            lost: AtomicU64::new(0),
            host_calls: HostCalls::default(),
        }
    }

    /// Makes room for a plugin's parameters; once, before any is marked.
    pub fn expect_parameters(&self, count: usize) {
        make_room(
            [&self.by_plugin, &self.by_host, &self.begun, &self.ended],
            count,
        );
    }

    /// Makes room for a plugin's outputs, where their numbers are looked at; once.
    pub fn expect_outputs(&self, count: usize) {
        make_room([&self.nan, &self.infinite], count);
    }

    /// Something is wrong with an output's numbers.
    pub fn numerics(&self, found: &NumericsFound) {
        for (bits, is_so) in [(&self.nan, found.nan), (&self.infinite, found.infinite)] {
            let at = usize::try_from(found.output).unwrap_or(usize::MAX);
            let word = bits.get().and_then(|words| words.get(at / 64));
            if let Some(word) = word.filter(|_| is_so) {
                word.fetch_or(1 << (at % 64), Ordering::Relaxed);
            }
        }
        self.wake();
    }

    /// A parameter has a new value.
    pub fn parameter(&self, index: usize, by_host: bool) {
        let bits = if by_host {
            &self.by_host
        } else {
            &self.by_plugin
        };
        if let Some(word) = bits.get().and_then(|words| words.get(index / 64)) {
            word.fetch_or(1 << (index % 64), Ordering::Relaxed);
            self.wake();
        }
    }

    /// The plugin begins or ends a gesture. One that is taken up again before it was told is one
    /// gesture.
    pub fn gesture(&self, index: usize, is_begin: bool) {
        let word = |bits: &Bits, change: &dyn Fn(&AtomicU64, u64)| {
            if let Some(word) = bits.get().and_then(|words| words.get(index / 64)) {
                change(word, 1 << (index % 64));
                self.wake();
            }
        };
        let set = |word: &AtomicU64, bit| {
            word.fetch_or(bit, Ordering::Relaxed);
        };
        if is_begin {
            word(&self.begun, &set);
            word(&self.ended, &|word, bit| {
                word.fetch_and(!bit, Ordering::Relaxed);
            });
        } else {
            word(&self.ended, &set);
        }
    }

    /// The latency changed.
    pub fn latency(&self) {
        self.flag(LATENCY);
    }

    /// Another program is current.
    pub fn program(&self) {
        self.flag(PROGRAM);
    }

    /// The state changed otherwise than by parameters.
    pub fn state(&self) {
        self.flag(STATE);
    }

    /// Names, ranges or texts of parameters changed.
    pub fn parameter_info(&self) {
        self.flag(PARAMETER_INFO);
    }

    /// The plugin wants the main thread's attention.
    pub fn stir(&self) {
        self.wake();
    }

    /// Keeps the plugin's calls to its host from now on.
    pub fn observe_host_calls(&self) {
        self.host_calls.observe();
    }

    /// Whether the plugin's calls to its host are kept.
    pub fn host_calls_observed(&self) -> bool {
        self.host_calls.observed()
    }

    /// The plugin called its host.
    pub fn host_call(&self, call: &HostCall) {
        self.host_calls.push(call);
        self.wake();
    }

    /// Keeps a line of the plugin's log, cut to 4 KiB. Takes a short lock: a plugin that logs
    /// while it processes has given up real time already.
    pub fn log(&self, line: &str) {
        let mut end = line.len().min(MAX_LINE);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let mut lines = self.lines.lock().unwrap_or_else(|e| e.into_inner());
        if lines.len() < MAX_LINES {
            lines.push_back(line[..end].to_owned());
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        drop(lines);
        self.wake();
    }

    /// Events of blocks had to go.
    pub fn lost(&self, count: u32) {
        self.lost.fetch_add(u64::from(count), Ordering::Relaxed);
        self.wake();
    }

    /// Whether there is something to take.
    pub fn pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Takes everything noted so far.
    pub fn take(&self) -> Noted {
        // SYNC: pairs with the release in `wake`: what was noted before the flag was set is seen;
        // what is noted after it is cleared sets it again.
        if !self.pending.swap(false, Ordering::AcqRel) {
            return Noted::default();
        }
        let parameters = [(&self.by_host, true), (&self.by_plugin, false)]
            .into_iter()
            .flat_map(|(bits, by_host)| taken(bits).map(move |index| (index, by_host)))
            .collect();
        let flags = self.flags.swap(0, Ordering::Relaxed);
        let mut lines = self.lines.lock().unwrap_or_else(|e| e.into_inner());
        let (host_calls, calls_lost) = self.host_calls.take();
        Noted {
            parameters,
            begun: taken(&self.begun).collect(),
            ended: taken(&self.ended).collect(),
            latency: flags & LATENCY != 0,
            program: flags & PROGRAM != 0,
            state: flags & STATE != 0,
            parameter_info: flags & PARAMETER_INFO != 0,
            host_calls,
            numerics: self.take_numerics(),
            lines: lines.drain(..).collect(),
            lost: self.lost.swap(0, Ordering::Relaxed) + calls_lost,
        }
    }

    fn take_numerics(&self) -> Vec<NumericsFound> {
        let nan: Vec<u32> = taken(&self.nan).collect();
        let infinite: Vec<u32> = taken(&self.infinite).collect();
        let mut outputs: Vec<u32> = nan.iter().chain(&infinite).copied().collect();
        outputs.sort_unstable();
        outputs.dedup();
        let found = |output| NumericsFound {
            output,
            nan: nan.contains(&output),
            infinite: infinite.contains(&output),
        };
        outputs.into_iter().map(found).collect()
    }

    fn flag(&self, flag: u32) {
        self.flags.fetch_or(flag, Ordering::Relaxed);
        self.wake();
    }

    /// Costs a system call only when the main thread sleeps, and only once until it looks.
    fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.main.unpark();
        }
    }
}

fn make_room<const N: usize>(all: [&Bits; N], count: usize) {
    for bits in all {
        bits.get_or_init(|| (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect());
    }
}

/// The indices of bits that were set, which are cleared.
fn taken(bits: &Bits) -> impl Iterator<Item = u32> {
    let words = bits.get().into_iter().flat_map(|words| words.iter());
    words.zip(0u32..).flat_map(|(word, at)| {
        let mut set = word.swap(0, Ordering::Relaxed);
        std::iter::from_fn(move || {
            let bit = (set != 0).then(|| set.trailing_zeros())?;
            set &= set - 1;
            Some(at * 64 + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_coalesce_and_are_taken_once() {
        let notices = Notices::new();
        notices.expect_parameters(130);
        assert_eq!(notices.take(), Noted::default());
        for _ in 0..3 {
            notices.parameter(129, false);
            notices.parameter(0, true);
            notices.latency();
        }
        notices.parameter(500, false);
        let noted = notices.take();
        assert_eq!(noted.parameters, [(0, true), (129, false)]);
        assert!(noted.latency && !noted.program);
        assert_eq!(notices.take(), Noted::default());
    }

    #[test]
    fn a_gesture_taken_up_again_goes_on() {
        let notices = Notices::new();
        notices.expect_parameters(70);
        notices.gesture(69, true);
        notices.gesture(69, false);
        notices.gesture(2, false);
        notices.gesture(2, true);
        notices.gesture(70_000, true);
        let noted = notices.take();
        assert_eq!((noted.begun, noted.ended), (vec![2, 69], vec![69]));
    }

    #[test]
    fn what_is_wrong_with_numbers_is_told_by_output() {
        let notices = Notices::new();
        notices.expect_outputs(70);
        let found = |output, nan, infinite| NumericsFound {
            output,
            nan,
            infinite,
        };
        notices.numerics(&found(69, true, false));
        notices.numerics(&found(69, false, true));
        notices.numerics(&found(2, false, true));
        notices.numerics(&found(5000, true, true));
        let noted = notices.take();
        assert_eq!(
            noted.numerics,
            [found(2, false, true), found(69, true, true)]
        );
    }

    #[test]
    fn lines_are_bounded_and_the_rest_is_counted() {
        let notices = Notices::new();
        for _ in 0..MAX_LINES + 5 {
            notices.log(&"ä".repeat(MAX_LINE));
        }
        let noted = notices.take();
        assert_eq!((noted.lines.len(), noted.lost), (MAX_LINES, 5));
        assert_eq!(noted.lines[0].len(), MAX_LINE);
    }
}
