//! MIDI: what units take as messages, and the packets that they send.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use plugpen_proto::event::{EventBody, EventList};

/// Most packets read of one list.
const MAX_PACKETS: u32 = 4096;

/// A message of up to three bytes; `None` for what travels as SysEx or is none.
pub fn short(message: &[u8]) -> Option<[u8; 3]> {
    match *message {
        [0xf0, ..] | [] => None,
        [status, ref data @ ..] if status >= 0x80 && data.len() <= 2 => {
            let data = |at| data.get(at).map_or(0, |byte| byte & 0x7f);
            Some([status, data(0), data(1)])
        }
        _ => None,
    }
}

/// The unit's messages of the piece that is rendered. Whoever comes while another thread is in it
/// goes away again: nothing waits, and what is lost is counted.
pub struct MidiOut {
    events: UnsafeCell<EventList>,
    taken: AtomicBool,
    lost: AtomicU32,
}

// SAFETY: `events` is only touched between taking and giving up `taken`, by one thread at a time.
unsafe impl Sync for MidiOut {}
// SAFETY: owned data.
unsafe impl Send for MidiOut {}

impl MidiOut {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self {
            events: UnsafeCell::new(EventList::with_capacity(bytes / 8, bytes)),
            taken: AtomicBool::new(false),
            lost: AtomicU32::new(0),
        }
    }

    fn with(&self, act: impl FnOnce(&mut EventList)) {
        // SYNC: pairs with the release below: who takes it sees what the one before wrote.
        if self.taken.swap(true, Ordering::Acquire) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // SAFETY: taken on the line above by this thread.
        act(unsafe { &mut *self.events.get() });
        // SYNC: pairs with the acquire above.
        self.taken.store(false, Ordering::Release);
    }

    /// Takes a list of packets in: each holds whole messages, at a frame of the piece.
    ///
    /// # Safety
    /// A `MIDIPacketList` that is as long as it says, or null.
    pub unsafe fn receive(&self, packets: *const c_void) {
        self.with(|events| {
            // SAFETY: the caller's promise.
            let lost = unsafe { read_packets(packets.cast(), events) };
            self.lost.fetch_add(lost, Ordering::Relaxed);
        });
    }

    /// Gives everything away that has come since the last time; returns how much was lost.
    pub fn drain(&self, mut give: impl FnMut(u32, &[u8])) -> u32 {
        self.with(|events| {
            for event in events.iter() {
                if let EventBody::Midi(data) = event.body {
                    give(event.offset, data);
                }
            }
            events.clear();
        });
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// Reads packets; returns how many messages found no room or were none.
///
/// # Safety
/// As for [`MidiOut::receive`].
unsafe fn read_packets(list: *const u8, events: &mut EventList) -> u32 {
    if list.is_null() {
        return 0;
    }
    // SAFETY: a list begins with its count.
    let count = unsafe { list.cast::<u32>().read_unaligned() }.min(MAX_PACKETS);
    let mut lost = 0;
    // SAFETY: the packets follow.
    let mut packet = unsafe { list.add(FIRST_PACKET) };
    for _ in 0..count {
        // SAFETY: as many packets follow as the list says, each with a time and a length.
        let (time, length) = unsafe {
            let length = packet.add(PACKET_LENGTH).cast::<u16>().read_unaligned();
            (packet.cast::<u64>().read_unaligned(), usize::from(length))
        };
        // SAFETY: within the packet; its bytes follow the length.
        let data = unsafe { std::slice::from_raw_parts(packet.add(PACKET_DATA), length) };
        let offset = u32::try_from(time).unwrap_or(u32::MAX);
        lost += add_messages(offset, data, events);
        // SAFETY: the next packet, or the byte behind the last one, rounded up where it is.
        packet = unsafe { packet.add(next_packet(packet.addr(), length)) };
    }
    lost
}

/// Where the packets of a list begin.
pub const FIRST_PACKET: usize = size_of::<u32>();
/// Where a packet's length is, behind its time.
pub const PACKET_LENGTH: usize = size_of::<u64>();
/// Where a packet's bytes begin.
pub const PACKET_DATA: usize = PACKET_LENGTH + size_of::<u16>();

/// How far the next packet is: packets are aligned to 4 bytes on ARM and not on Intel.
fn next_packet(address: usize, length: usize) -> usize {
    let end = address + PACKET_DATA + length;
    let end = if cfg!(target_arch = "aarch64") {
        end.next_multiple_of(4)
    } else {
        end
    };
    end - address
}

/// Cuts bytes into messages; returns how many found no room or were none.
fn add_messages(offset: u32, mut data: &[u8], events: &mut EventList) -> u32 {
    let mut lost = 0;
    while let Some(status) = data.first() {
        let length = match status {
            0xf0 => data
                .iter()
                .position(|byte| *byte == 0xf7)
                .map(|end| end + 1),
            0x80..=0xbf | 0xe0..=0xef | 0xf2 => Some(3),
            0xc0..=0xdf | 0xf1 | 0xf3 => Some(2),
            0xf4.. => Some(1),
            _ => None,
        };
        match length {
            Some(length) if length <= data.len() => {
                let (message, rest) = data.split_at(length);
                // Of a SysEx the last byte is a status as well.
                let inner = match message {
                    [0xf0, inner @ .., _] | [_, inner @ ..] => inner,
                    [] => message,
                };
                let is_sane = inner.iter().all(|byte| *byte < 0x80);
                if is_sane && events.has_room(length) {
                    events.push_midi(offset, message);
                } else {
                    lost += 1;
                }
                data = rest;
            }
            _ => return lost + 1,
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_become_messages() {
        let mut list = 2u32.to_ne_bytes().to_vec();
        let packets: [(u64, &[u8]); 2] = [
            (7, &[0x90, 60, 100, 0xc1, 5]),
            (9, &[0x90, 200, 1, 0xf0, 1, 2, 3, 0xf7, 0x40]),
        ];
        for (time, data) in packets {
            if cfg!(target_arch = "aarch64") {
                list.resize(list.len().next_multiple_of(4), 0);
            }
            list.extend(time.to_ne_bytes());
            list.extend(u16::try_from(data.len()).unwrap().to_ne_bytes());
            list.extend(data);
        }
        list.extend([0; 4]);
        let out = MidiOut::new(64);
        // SAFETY: a list as it should be.
        unsafe { out.receive(list.as_ptr().cast()) };
        let mut heard = Vec::new();
        let lost = out.drain(|offset, data| heard.push((offset, data.to_vec())));
        assert_eq!(lost, 2, "a note that is none, a data byte without a status");
        let expected = [
            (7, vec![0x90, 60, 100]),
            (7, vec![0xc1, 5]),
            (9, vec![0xf0, 1, 2, 3, 0xf7]),
        ];
        assert_eq!(heard, expected);
        assert_eq!(out.drain(|_, _| panic!("drained")), 0);
    }

    #[test]
    fn sysex_and_junk_are_no_short_messages() {
        assert_eq!(short(&[0x90, 60, 200]), Some([0x90, 60, 72]));
        assert_eq!(short(&[0xf8]), Some([0xf8, 0, 0]));
        for none in [&[][..], &[0xf0, 0xf7], &[60, 1], &[0x90, 1, 2, 3]] {
            assert_eq!(short(none), None);
        }
    }
}
