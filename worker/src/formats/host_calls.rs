//! A plugin's calls to its host, kept for whoever observes them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls kept until the main thread takes them.
const ROOM: u64 = 2048;
/// Bytes of a call's text.
pub const MAX_TEXT: usize = 64;
/// Words of a slot: what was asked, value, result, the rest, text.
const WORDS: usize = 4 + MAX_TEXT / 8;
/// A call is joined with an equal one among so many before it.
const NEAR: usize = 8;

/// One call, after it was answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostCall {
    /// The interface's number of what was asked.
    pub opcode: i32,
    /// Arguments, as they came.
    pub index: i32,
    /// See `index`.
    pub value: i64,
    /// See `index`.
    pub opt: f32,
    /// What it was answered with.
    pub result: i64,
    /// The text it came with; zeros behind it.
    pub text: [u8; MAX_TEXT],
}

/// A bounded queue that any thread fills and the main thread empties. Wait-free for the audio
/// thread but for other writers; empty and free of cost until it is switched on.
#[derive(Debug, Default)]
pub struct HostCalls {
    slots: OnceLock<Box<[Slot]>>,
    tail: AtomicU64,
    head: AtomicU64,
    lost: AtomicU64,
}

/// `turn` says whose turn it is: the writer's of call `n` at `n`, its reader's at `n + 1`.
#[derive(Debug)]
struct Slot {
    turn: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl HostCalls {
    /// Keeps calls from now on.
    pub fn observe(&self) {
        self.slots.get_or_init(|| {
            let slot = |turn| Slot {
                turn: AtomicU64::new(turn),
                words: Default::default(),
            };
            (0..ROOM).map(slot).collect()
        });
    }

    /// Whether calls are kept.
    pub fn observed(&self) -> bool {
        self.slots.get().is_some()
    }

    /// Keeps a call, or counts it as lost where there is no room.
    pub fn push(&self, call: &HostCall) {
        let Some(slots) = self.slots.get() else {
            return;
        };
        let mut at = self.tail.load(Ordering::Relaxed);
        let slot = loop {
            let slot = slot(slots, at);
            // SYNC: pairs with the release in `take`: the slot's last reader is done.
            let turn = slot.turn.load(Ordering::Acquire);
            if turn < at {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let taken =
                self.tail
                    .compare_exchange_weak(at, at + 1, Ordering::Relaxed, Ordering::Relaxed);
            match taken {
                Ok(_) => break slot,
                Err(now) => at = now,
            }
        };
        for (word, value) in slot.words.iter().zip(pack(call)) {
            word.store(value, Ordering::Relaxed);
        }
        // SYNC: pairs with the acquire in `take`: who sees the turn sees the words.
        slot.turn.store(at + 1, Ordering::Release);
    }

    /// Takes what has been kept: each call with how many equal ones near it it stands for, and
    /// how many found no room. The main thread only.
    pub fn take(&self) -> (Vec<(HostCall, u32)>, u64) {
        let mut calls: Vec<(HostCall, u32)> = Vec::new();
        let Some(slots) = self.slots.get() else {
            return (calls, 0);
        };
        let mut at = self.head.load(Ordering::Relaxed);
        loop {
            let slot = slot(slots, at);
            // SYNC: pairs with the release in `push`.
            if slot.turn.load(Ordering::Acquire) != at + 1 {
                break;
            }
            let call = unpack(std::array::from_fn(|word| {
                slot.words[word].load(Ordering::Relaxed)
            }));
            // SYNC: pairs with the acquire in `push`: the next writer writes after the reads.
            slot.turn.store(at + ROOM, Ordering::Release);
            at += 1;
            match calls
                .iter_mut()
                .rev()
                .take(NEAR)
                .find(|kept| kept.0 == call)
            {
                Some((_, count)) => *count = count.saturating_add(1),
                None => calls.push((call, 1)),
            }
        }
        self.head.store(at, Ordering::Relaxed);
        (calls, self.lost.swap(0, Ordering::Relaxed))
    }
}

fn slot(slots: &[Slot], at: u64) -> &Slot {
    &slots[usize::try_from(at % ROOM).unwrap_or(0)]
}

fn pack(call: &HostCall) -> [u64; WORDS] {
    let two = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    let mut words = [0; WORDS];
    words[0] = two(call.opcode.cast_unsigned(), call.index.cast_unsigned());
    words[1] = call.value.cast_unsigned();
    words[2] = call.result.cast_unsigned();
    words[3] = u64::from(call.opt.to_bits());
    for (word, bytes) in words[4..].iter_mut().zip(call.text.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

fn unpack(words: [u64; WORDS]) -> HostCall {
    #[allow(clippy::cast_possible_truncation, reason = "halves are meant")]
    let (high, low) = ((words[0] >> 32) as u32, words[0] as u32);
    #[allow(clippy::cast_possible_truncation, reason = "the upper half is zero")]
    let opt = f32::from_bits(words[3] as u32);
    let mut text = [0; MAX_TEXT];
    for (bytes, word) in text.as_chunks_mut().0.iter_mut().zip(&words[4..]) {
        *bytes = word.to_le_bytes();
    }
    HostCall {
        opcode: high.cast_signed(),
        index: low.cast_signed(),
        value: words[1].cast_signed(),
        opt,
        result: words[2].cast_signed(),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(opcode: i32, value: i64) -> HostCall {
        let mut text = [0; MAX_TEXT];
        text[..4].copy_from_slice(b"text");
        HostCall {
            opcode,
            index: -3,
            value,
            opt: 0.25,
            result: -1,
            text,
        }
    }

    #[test]
    fn nothing_is_kept_unasked() {
        let calls = HostCalls::default();
        calls.push(&call(1, 2));
        assert!(!calls.observed());
        assert_eq!(calls.take(), (Vec::new(), 0));
    }

    #[test]
    fn calls_come_back_in_order_and_equal_ones_are_joined() {
        let calls = HostCalls::default();
        calls.observe();
        for _ in 0..3 {
            calls.push(&call(7, i64::MIN));
            calls.push(&call(8, -1));
        }
        let expected = vec![(call(7, i64::MIN), 3), (call(8, -1), 3)];
        assert_eq!(calls.take(), (expected, 0));
        assert_eq!(calls.take(), (Vec::new(), 0));
    }

    #[test]
    fn more_than_there_is_room_for_is_counted() {
        let calls = HostCalls::default();
        calls.observe();
        for round in 0..3 {
            let many = ROOM.cast_signed() + 5;
            std::thread::scope(|threads| {
                for thread in 0..2 {
                    let calls = &calls;
                    threads.spawn(move || {
                        for value in 0..many {
                            calls.push(&call(thread, value));
                        }
                    });
                }
            });
            let (kept, lost) = calls.take();
            assert_eq!(kept.len() as u64, ROOM, "round {round}");
            assert_eq!(lost, 2 * many.cast_unsigned() - ROOM);
        }
    }
}
