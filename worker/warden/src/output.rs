//! What a worker prints: lines, cleaned, limited in length and rate, the last ones kept.

use std::collections::VecDeque;
use std::time::Instant;

/// Bytes a second that are passed on; a burst of one second's worth is free.
const RATE: u64 = 64 * 1024;
/// Longest line, in bytes; longer ones are cut into several.
const MAX_LINE: usize = 1024;
/// Lines kept for a death's report.
const KEPT: usize = 20;

/// Cuts one stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes bytes; hands each finished line to `line`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while !bytes.is_empty() {
            let room = MAX_LINE - self.partial.len();
            let window = &bytes[..bytes.len().min(room)];
            match window.iter().position(|&b| b == b'\n') {
                Some(end) => {
                    self.partial.extend_from_slice(&window[..end]);
                    bytes = &bytes[end + 1..];
                    line(clean(&std::mem::take(&mut self.partial)));
                }
                None => {
                    self.partial.extend_from_slice(window);
                    bytes = &bytes[window.len()..];
                    if self.partial.len() == MAX_LINE {
                        line(clean(&std::mem::take(&mut self.partial)));
                    }
                }
            }
        }
    }

    /// The unfinished line at the end of the stream, if there is one.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then(|| clean(&rest))
    }
}

/// Text that cannot steer a terminal or forge a second log line.
fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches('\r')
        .chars()
        .map(|c| match c {
            '\t' => c,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// Lets [`RATE`] bytes a second pass and counts the rest.
#[derive(Debug)]
pub(crate) struct Allowance {
    tokens: u64,
    refilled: Instant,
    dropped: u64,
}

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            tokens: RATE,
            refilled: now,
            dropped: 0,
        }
    }

    /// Whether a line of that many bytes may pass at this time. Dropped bytes are counted.
    pub(crate) fn admit(&mut self, bytes: usize, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.refilled).as_millis();
        let gained = u64::try_from(elapsed)
            .unwrap_or(u64::MAX)
            .saturating_mul(RATE)
            / 1000;
        if gained > 0 {
            self.tokens = self.tokens.saturating_add(gained).min(RATE);
            self.refilled = now;
        }
        // The line break counts too, or empty lines would be free.
        let cost = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(1);
        if cost > self.tokens {
            self.dropped = self.dropped.saturating_add(cost);
            return false;
        }
        self.tokens -= cost;
        true
    }

    /// Bytes dropped since the last time this was asked.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

/// The last [`KEPT`] lines of both streams, in the order they came, dropped ones included.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
}

impl Tail {
    pub(crate) fn push(&mut self, line: String) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut splitter = Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            splitter.push(piece, |line| out.push(line));
        }
        out.extend(splitter.finish());
        out
    }

    #[test]
    fn lines_come_out_whole_however_they_were_cut() {
        assert_eq!(lines(&[b"a\nb", b"c\r\n", b"\nd"]), ["a", "bc", "", "d"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = vec![b'x'; 2 * MAX_LINE + 1];
        let cut = lines(&[&long]);
        assert_eq!(
            cut.iter().map(String::len).collect::<Vec<_>>(),
            [MAX_LINE, MAX_LINE, 1]
        );
    }

    #[test]
    fn terminal_escapes_and_bad_utf8_are_replaced() {
        assert_eq!(
            lines(&[b"\x1b[2Jhi\xff"]),
            ["\u{fffd}[2Jhi\u{fffd}".to_owned()]
        );
    }

    #[test]
    fn the_rate_is_limited_and_what_is_dropped_is_counted() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let passed = (0..200).filter(|_| allowance.admit(1023, start)).count();
        assert_eq!(passed, 64);
        assert_eq!(allowance.take_dropped(), 136 * 1024);
        let later = start + Duration::from_millis(500);
        let passed = (0..200).filter(|_| allowance.admit(1023, later)).count();
        assert_eq!(passed, 32);
    }

    #[test]
    fn the_tail_keeps_the_newest() {
        let mut tail = Tail::default();
        (0..30).for_each(|i| tail.push(i.to_string()));
        let kept = tail.into_lines();
        assert_eq!((kept.len(), kept[0].as_str()), (KEPT, "10"));
    }
}
