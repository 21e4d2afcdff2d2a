//! What a plugin with guarded buffers did when it faulted.
//!
//! The worker says where the buffers are when it gets its rings, and the kernel says where the
//! fault was. Both are a hostile process's: they only choose words.

use plugpen_proto::v1::Guard;
use plugpen_proto::worker::GuardedBuffer;

/// Most of them that a worker may name: as many as there are channels, both ways.
const MOST: usize = 4096;

/// A plugin's guarded buffers, as its worker says.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    side: Guard,
    buffers: Vec<GuardedBuffer>,
}

/// The block that was played when the fault came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its frames.
    pub frames: u32,
    /// Bytes of a sample.
    pub sample: u32,
}

impl Guards {
    /// As the worker says.
    pub fn new(side: Guard, mut buffers: Vec<GuardedBuffer>) -> Self {
        buffers.truncate(MOST);
        Self { side, buffers }
    }

    /// What an access to an address was, in words; `None` where it has nothing to do with the
    /// buffers. `page` is a page's length: what is not there is one page on either side.
    pub fn describe_fault(&self, address: u64, block: Option<Block>, page: u64) -> Option<String> {
        let buffer = self.buffers.iter().find(|buffer| {
            let begin = buffer.address.saturating_sub(page);
            let end = buffer.address.saturating_add(buffer.length);
            (begin..end.saturating_add(page)).contains(&address)
        })?;
        let (kind, channel) = (name(buffer), buffer.channel);
        let of_block = match block {
            Some(block) => format!(" of a {}-frame block", block.frames),
            None => String::new(),
        };
        let end = buffer.address.saturating_add(buffer.length);
        let sample = block.map_or(4, |block| u64::from(block.sample));
        let played = block.map_or(0, |block| u64::from(block.frames).saturating_mul(sample));
        // Where the block ends: at the guard behind it, or in the middle of the buffer.
        let past = match self.side {
            Guard::Begin => address.checked_sub(buffer.address.saturating_add(played)),
            Guard::End | Guard::Unspecified => address.checked_sub(end),
        };
        Some(if address < buffer.address {
            let bytes = buffer.address - address;
            format!("went {bytes} bytes before {kind} {channel}{of_block}")
        } else if address >= end {
            // The access begins there, and takes at least a sample.
            let bytes = past.unwrap_or(address - end).saturating_add(sample);
            format!("went {bytes} bytes past {kind} {channel}{of_block}")
        } else {
            // All of it can be read, so this was no reading.
            format!("wrote to {kind} {channel}{of_block}, which is read-only")
        })
    }
}

fn name(buffer: &GuardedBuffer) -> &'static str {
    match buffer.is_output {
        true => "output",
        false => "input",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn guards(side: Guard) -> Guards {
        let buffer = |is_output, channel, address| GuardedBuffer {
            is_output,
            channel,
            address,
            length: PAGE,
        };
        Guards::new(
            side,
            vec![buffer(false, 0, 0x10_000), buffer(true, 1, 0x20_000)],
        )
    }

    fn check(side: Guard, address: u64, expected: Option<&str>) {
        let block = Block {
            frames: 37,
            sample: 4,
        };
        let described = guards(side).describe_fault(address, Some(block), PAGE);
        assert_eq!(described.as_deref(), expected);
    }

    #[test]
    fn a_fault_is_told_by_buffer_and_distance() {
        for (side, address, expected) in [
            (Guard::End, 0x21_000, "went 4 bytes past output 1"),
            (Guard::End, 0x21_008, "went 12 bytes past output 1"),
            (Guard::End, 0x1F_FFC, "went 4 bytes before output 1"),
            (Guard::Begin, 0xF_FF0, "went 16 bytes before input 0"),
            (Guard::Begin, 0x21_000, "went 3952 bytes past output 1"),
        ] {
            let expected = format!("{expected} of a 37-frame block");
            check(side, address, Some(&expected));
        }
        let wrote = "wrote to input 0 of a 37-frame block, which is read-only";
        check(Guard::End, 0x10_FFC, Some(wrote));
        check(Guard::End, 0x40_000, None);
        check(Guard::End, 0, None);
    }

    #[test]
    fn nonsense_of_a_worker_is_only_words() {
        let buffer = GuardedBuffer {
            is_output: true,
            channel: u32::MAX,
            address: u64::MAX,
            length: u64::MAX,
        };
        let guards = Guards::new(Guard::End, vec![buffer; 10_000]);
        assert_eq!(guards.buffers.len(), MOST);
        let described = guards.describe_fault(u64::MAX - 1, None, PAGE);
        assert!(described.unwrap().starts_with("went 1 bytes before output"));
    }
}
