//! The transport that `SetTransport` left for all blocks without one of their own.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use plugpen_proto::v1::Transport;

const WORDS: usize = 8;

/// One writer (the main thread), one reader (the audio thread), neither ever waits: a sequence
/// lock. A reader that meets a writer keeps what it had and looks again at the next block.
#[derive(Debug, Default)]
pub struct SharedTransport {
    /// Odd while a write is going on.
    sequence: AtomicU32,
    words: [AtomicU64; WORDS],
}

/// The reader's copy.
#[derive(Debug, Default)]
pub struct TransportReader {
    seen: u32,
    current: Option<Transport>,
}

impl SharedTransport {
    /// Sets or clears the transport. Called by one thread only.
    pub fn set(&self, transport: Option<Transport>) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(1), Ordering::Relaxed);
        // SYNC: pairs with the acquire fence in `read`: who sees any of the new words sees the
        // odd sequence.
        fence(Ordering::Release);
        for (word, value) in self.words.iter().zip(pack(transport)) {
            word.store(value, Ordering::Relaxed);
        }
        // SYNC: pairs with the first load in `read`: who sees this sees all the words.
        self.sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }
}

impl TransportReader {
    /// The transport as last set. Wait-free.
    pub fn read(&mut self, shared: &SharedTransport) -> Option<Transport> {
        let before = shared.sequence.load(Ordering::Acquire);
        if before == self.seen || before % 2 == 1 {
            return self.current;
        }
        let words = std::array::from_fn(|at| shared.words[at].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        if shared.sequence.load(Ordering::Relaxed) == before {
            self.seen = before;
            self.current = unpack(words);
        }
        self.current
    }
}

fn pack(transport: Option<Transport>) -> [u64; WORDS] {
    let Some(t) = transport else {
        return [0; WORDS];
    };
    let flags = 1
        | u64::from(t.is_playing) << 1
        | u64::from(t.is_recording) << 2
        | u64::from(t.is_looping) << 3;
    [
        flags,
        t.bpm.to_bits(),
        u64::from(t.time_sig_num) << 32 | u64::from(t.time_sig_denom),
        t.position_samples.cast_unsigned(),
        t.position_beats.to_bits(),
        t.loop_start.cast_unsigned(),
        t.loop_end.cast_unsigned(),
        0,
    ]
}

fn unpack(words: [u64; WORDS]) -> Option<Transport> {
    let [flags, bpm, signature, samples, beats, start, end, _] = words;
    (flags & 1 != 0).then(|| Transport {
        bpm: f64::from_bits(bpm),
        time_sig_num: u32::try_from(signature >> 32).unwrap_or(4),
        time_sig_denom: u32::try_from(signature & u64::from(u32::MAX)).unwrap_or(4),
        position_samples: samples.cast_signed(),
        position_beats: f64::from_bits(beats),
        is_playing: flags & 2 != 0,
        is_recording: flags & 4 != 0,
        is_looping: flags & 8 != 0,
        loop_start: start.cast_signed(),
        loop_end: end.cast_signed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_arrives_whole_and_can_be_cleared() {
        let shared = SharedTransport::default();
        let mut reader = TransportReader::default();
        assert_eq!(reader.read(&shared), None);
        let transport = Transport {
            bpm: 133.5,
            time_sig_num: 7,
            time_sig_denom: 8,
            position_samples: -5,
            position_beats: 0.25,
            is_playing: true,
            is_recording: false,
            is_looping: true,
            loop_start: 3,
            loop_end: i64::MAX,
        };
        shared.set(Some(transport));
        assert_eq!(reader.read(&shared), Some(transport));
        shared.set(None);
        assert_eq!(reader.read(&shared), None);
    }
}
