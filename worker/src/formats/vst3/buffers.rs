//! The memory behind a plugin's buses. Every bus is there with a valid pointer a channel, whether
//! blocks carry it or not.

use std::ffi::c_void;

use vst3::Steinberg::Vst::{AudioBusBuffers, AudioBusBuffers__type0};

use super::buses::{BusInfo, Buses};
use crate::formats::Planes;

/// A type of samples.
///
/// # Safety
/// Any bits are a value, and 64 bits have room for one.
pub unsafe trait Sample: Copy + Default {}

// SAFETY: a number of 32 bits.
unsafe impl Sample for f32 {}
// SAFETY: a number of 64 bits.
unsafe impl Sample for f64 {}

/// Words of a cache line, at whose beginnings copies begin, as the ring's channels do.
const LINE: usize = 8;

/// One direction's buses.
struct Side {
    buses: Vec<AudioBusBuffers>,
    /// Channels of each bus.
    channels: Vec<usize>,
    /// A pointer a channel, bus after bus; the buses point in here.
    pointers: Vec<*mut c_void>,
    /// The block's channel of each, where it has one.
    carried: Vec<Option<usize>>,
}

/// All buses' memory, for either sample type.
pub struct Buffers {
    inputs: Side,
    outputs: Side,
    /// The block's inputs, one after another: the interface lets a plugin write into them, and the
    /// ring's cannot be written. 64 bits a frame, which is enough for both types; each is rounded
    /// up to whole lines, and a line is left over for finding the first.
    copies: Vec<u64>,
    /// Silence for inputs that nobody feeds.
    silence: Vec<u64>,
    silence_used: bool,
    /// For outputs that nobody reads: one each, since plugins read back what they wrote.
    scrap: Vec<u64>,
    frames: usize,
}

// SAFETY: the pointers lead into this value's own vectors and into blocks, which are connected
// anew for each call by whoever owns the processor.
unsafe impl Send for Buffers {}

impl Side {
    fn new(infos: &[BusInfo]) -> Self {
        let mut carried = Vec::new();
        let mut all_channels = Vec::with_capacity(infos.len());
        for bus in infos {
            let first = bus.first.and_then(|first| usize::try_from(first).ok());
            let channels = usize::try_from(bus.channels).unwrap_or(0);
            carried.extend((0..channels).map(|channel| first.map(|first| first + channel)));
            all_channels.push(channels);
        }
        Self {
            buses: vec![bus_of(&mut []); infos.len()],
            channels: all_channels,
            pointers: vec![std::ptr::null_mut(); carried.len()],
            carried,
        }
    }

    /// Says what each bus has, anew for each call: plugins may write into all they are passed.
    fn wire(&mut self) {
        let mut rest = self.pointers.as_mut_slice();
        for (bus, channels) in self.buses.iter_mut().zip(&self.channels) {
            let (own, others) = rest.split_at_mut(*channels);
            *bus = bus_of(own);
            rest = others;
        }
    }
}

impl Buffers {
    /// Memory for blocks of up to `frames`.
    pub fn new(buses: &Buses, frames: usize) -> Self {
        let (inputs, outputs) = (Side::new(&buses.inputs), Side::new(&buses.outputs));
        Self {
            copies: vec![0; frames.next_multiple_of(LINE) * inputs.carried.len() + LINE],
            silence: vec![0; frames],
            silence_used: false,
            scrap: vec![0; frames * outputs.carried.len()],
            inputs,
            outputs,
            frames,
        }
    }

    /// Takes a new block's inputs, makes silence silent again (some plugins write into it), and
    /// its outputs, which some plugins only add to or leave alone, and those that no bus has now.
    pub fn begin<T: Sample>(&mut self, planes: &Planes<T>) {
        let (copies, stride) = self.copies();
        for (at, carried) in self.inputs.carried.iter().enumerate() {
            if let Some(channel) = carried {
                // SAFETY: the copies have `frames` words for each input channel, each with room
                // for a sample, which any bits are.
                let copy = unsafe {
                    let start = copies.add(at * stride).cast::<T>();
                    std::slice::from_raw_parts_mut(start, self.frames)
                };
                planes.read(*channel, copy);
            }
        }
        if std::mem::take(&mut self.silence_used) {
            self.silence.fill(0);
        }
        planes.silence_from(0);
    }

    /// Points the buses at the block that was begun, from frame `start` on; where it has no such
    /// channel, at silence.
    pub fn connect<T: Sample>(&mut self, planes: &Planes<T>, start: usize) {
        let silence: *mut c_void = self.silence.as_mut_ptr().cast();
        let (copies, stride) = self.copies();
        for (at, (pointer, carried)) in
            (0..).zip(self.inputs.pointers.iter_mut().zip(&self.inputs.carried))
        {
            *pointer = match carried.and_then(|channel| planes.input(channel)) {
                // SAFETY: the copies have `frames` words for each input channel, and `start` is
                // within the block.
                Some(_) => unsafe { copies.add(at * stride).cast::<T>().add(start) }.cast(),
                None => {
                    self.silence_used = true;
                    silence
                }
            };
        }
        let scrap = self.scrap.as_mut_ptr();
        for (at, (pointer, carried)) in
            (0..).zip(self.outputs.pointers.iter_mut().zip(&self.outputs.carried))
        {
            *pointer = match carried.and_then(|channel| planes.output(channel)) {
                // SAFETY: `start` is within the block the channel has.
                Some(to) => unsafe { to.add(start) }.cast(),
                // SAFETY: the scrap has `frames` for each output channel.
                None => unsafe { scrap.add(at * self.frames) }.cast(),
            };
        }
        self.inputs.wire();
        self.outputs.wire();
    }

    /// Where the first copy begins, and the words from each to the next.
    fn copies(&mut self) -> (*mut u64, usize) {
        let start = self.copies.as_mut_ptr();
        let skipped = start.align_offset(LINE * size_of::<u64>()).min(LINE);
        // SAFETY: there is a line left over.
        let first = unsafe { start.add(skipped) };
        (first, self.frames.next_multiple_of(LINE))
    }

    /// The input buses for a call, and how many.
    pub fn inputs(&mut self) -> (*mut AudioBusBuffers, i32) {
        of(&mut self.inputs)
    }

    /// The output buses for a call, and how many.
    pub fn outputs(&mut self) -> (*mut AudioBusBuffers, i32) {
        of(&mut self.outputs)
    }
}

fn of(side: &mut Side) -> (*mut AudioBusBuffers, i32) {
    let count = i32::try_from(side.buses.len()).unwrap_or(0);
    (start_of(&mut side.buses), count)
}

/// A bus with these channels, none of which is known to be silent.
fn bus_of(channels: &mut [*mut c_void]) -> AudioBusBuffers {
    AudioBusBuffers {
        numChannels: i32::try_from(channels.len()).unwrap_or(0),
        silenceFlags: 0,
        __field0: AudioBusBuffers__type0 {
            channelBuffers32: start_of(channels).cast(),
        },
    }
}

/// Where they begin; null where there are none, as in the SDK's own host.
fn start_of<T>(all: &mut [T]) -> *mut T {
    match all.is_empty() {
        true => std::ptr::null_mut(),
        false => all.as_mut_ptr(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::buses::{Wishes, tests::bus};
    use super::*;

    #[test]
    fn channels_that_no_bus_has_any_more_are_silent() {
        let mut buses = Buses {
            outputs: vec![bus(1, true)],
            ..Buses::default()
        };
        buses.carry(Wishes {
            inputs: 0,
            outputs: 3,
            sidechain: 0,
        });
        let mut heard = vec![vec![0.5f32; 4]; 3];
        let planes = Planes::of(&[], &mut heard);
        let mut buffers = Buffers::new(&buses, 4);
        buffers.begin(&planes);
        buffers.connect(&planes, 0);
        assert_eq!(heard, vec![vec![0.0; 4]; 3]);
    }
}
