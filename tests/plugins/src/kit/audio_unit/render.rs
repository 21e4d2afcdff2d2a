//! Rendering: input is asked for, the plugin plays, MIDI is sent.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use super::abi::*;
use super::events;
use super::parameters::{INVALID_PARAMETER, narrow, number_of};
use super::unit::{Inner, Piece, Sim};
use crate::kit::{Transport, demand};

/// `kAudioUnitErr_Uninitialized`.
const UNINITIALIZED: OSStatus = -10_867;
/// `kAudioUnitErr_InvalidElement`.
const INVALID_ELEMENT: OSStatus = -10_877;
/// What units without MIDI answer: `badComponentSelector`.
const NO_SUCH_CALL: OSStatus = -2_147_450_878;
/// Most channels of a bus here.
const MOST: usize = 16;

/// A list of buffers with room for [`MOST`].
#[repr(C)]
struct List {
    count: u32,
    buffers: [AudioBuffer; MOST],
}

impl Sim {
    /// Frames a second.
    pub fn rate(&self) -> f64 {
        f64::from_bits(self.rate_bits.load(Ordering::Relaxed))
    }

    /// Makes the unit ready.
    pub fn initialize(&self) -> Result<(), OSStatus> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        demand(!inner.is_initialized, "initialise a unit once");
        let mut formats = inner.formats.iter().flatten();
        let first = formats.next().map_or(44_100.0, |format| format.sample_rate);
        // As Apple's own effects do.
        let main = inner.formats.each_ref().map(|buses| buses.first());
        if let (true, [Some(input), Some(output)]) = (self.about.flexible, main)
            && input.channels_per_frame != output.channels_per_frame
        {
            return Err(error::FORMAT_NOT_SUPPORTED);
        }
        self.rate_bits.store(first.to_bits(), Ordering::Relaxed);
        inner.unit.activate(first);
        inner.memory = inner.formats[0]
            .iter()
            .flat_map(|format| 0..format.channels_per_frame)
            .map(|_| vec![0.0; usize::try_from(inner.max_frames).unwrap_or(0)])
            .collect();
        inner.is_initialized = true;
        Ok(())
    }

    /// Clears what playing left behind.
    pub fn reset(&self) {
        let rate = self.rate();
        let mut inner = self.inner();
        inner.unit.activate(rate);
        inner.heard.clear();
    }

    /// # Safety
    /// Room for the answer.
    pub unsafe fn read(&self, id: u32, value: *mut f32) -> OSStatus {
        let Some((index, _)) = self.parameter(id) else {
            return INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise.
        unsafe { value.write(narrow(self.values.get(index))) };
        0
    }

    /// A short message.
    pub fn midi(&self, status: u32, first: u32, second: u32, offset: u32) -> OSStatus {
        if !self.about.midi_in {
            return NO_SUCH_CALL;
        }
        let byte = |number: u32| u8::try_from(number).unwrap_or(0);
        let message = [byte(status), byte(first), byte(second)];
        let length = match message[0] & 0xF0 {
            0xC0 | 0xD0 => 2,
            0xF0 => 1,
            _ => 3,
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.inner().heard.push(offset, &message[..length]);
        0
    }

    /// A SysEx message, heard at once.
    pub fn sysex(&self, data: &[u8]) -> OSStatus {
        if !self.about.midi_in {
            return NO_SUCH_CALL;
        }
        demand(data.first() == Some(&0xF0), "send SysEx as SysEx");
        self.inner().heard.push(0, data);
        0
    }

    /// # Safety
    /// A list of buffers of that many frames, and room for flags.
    pub unsafe fn render(
        &self,
        flags: *mut u32,
        time: &AudioTimeStamp,
        bus: u32,
        frames: u32,
        list: *mut AudioBufferList,
    ) -> Result<(), OSStatus> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        if !inner.is_initialized {
            return Err(UNINITIALIZED);
        }
        if frames > inner.max_frames {
            return Err(error::TOO_MANY_FRAMES);
        }
        demand(
            bus == 0 && time.flags & 1 != 0,
            "render with a time, a bus that is there",
        );
        inner.audio.inputs.clear();
        inner.audio.outputs.clear();
        inner.said.clear();
        inner.pull(time, frames)?;
        // SAFETY: the caller's promise.
        unsafe {
            let count = usize::try_from((*list).count).unwrap_or(0);
            let channels = inner.formats[1]
                .first()
                .map_or(0, |format| format.channels_per_frame);
            if usize::try_from(channels) != Ok(count) {
                return Err(INVALID_ELEMENT);
            }
            let buffers: *const AudioBuffer = (&raw const (*list).buffers).cast();
            for at in 0..count {
                let buffer = buffers.add(at).read();
                demand(buffer.bytes == frames * 4, "say how large buffers are");
                inner.audio.outputs.push(buffer.data.cast());
            }
            flags.write(0);
        }
        inner.ask_playhead();
        let length = usize::try_from(frames).unwrap_or(0);
        inner.heard.sort();
        demand(
            inner.heard.iter().all(|(frame, _)| frame < length),
            "keep MIDI within the block",
        );
        let (unit, audio) = (&mut inner.unit, &inner.audio);
        unit.play(Piece {
            audio,
            frames: length,
            heard: &inner.heard,
            said: &mut inner.said,
            values: &self.values,
            transport: &mut inner.transport,
        });
        // Units process in place: what they were handed is not the host's any more.
        for input in inner.audio.inputs.iter().filter(|input| !input.is_null()) {
            // SAFETY: memory of that many frames, the host's or our own, handed over for this
            // render.
            unsafe { input.cast_mut().write_bytes(0xFF, length) };
        }
        for (_, index, plain) in &inner.said.values {
            events::tell(events::Told {
                unit: std::ptr::from_ref(self).addr(),
                kind: event::PARAMETER_VALUE_CHANGE,
                id: number_of(*index),
                value: narrow(*plain),
            });
        }
        inner.heard.clear();
        inner.send_midi(time);
        Ok(())
    }
}

impl Inner {
    /// Asks for all inputs: the main one in the host's memory, others in the unit's own.
    fn pull(&mut self, time: &AudioTimeStamp, frames: u32) -> Result<(), OSStatus> {
        let mut memory = self.memory.iter_mut();
        for (element, format) in (0u32..).zip(&self.formats[0]) {
            let channels = usize::try_from(format.channels_per_frame)
                .unwrap_or(0)
                .min(MOST);
            let mut list = List {
                count: format.channels_per_frame,
                buffers: [AudioBuffer {
                    channels: 1,
                    bytes: 0,
                    data: null_mut(),
                }; MOST],
            };
            let own = memory.by_ref().take(channels);
            for (buffer, memory) in list.buffers.iter_mut().zip(own) {
                memory.fill(0.0);
                if element > 0 {
                    buffer.data = memory.as_mut_ptr().cast::<c_void>();
                    buffer.bytes = frames * 4;
                }
            }
            let input = self
                .inputs
                .get(usize::try_from(element).unwrap_or(0))
                .copied()
                .flatten();
            let asked = input.and_then(|input| {
                let mut flags = 0;
                let list: *mut AudioBufferList = (&raw mut list).cast();
                // SAFETY: the host's callback with its own user data, and a list of buffers.
                let ask = |callback: AURenderCallback| unsafe {
                    callback(input.user_data, &raw mut flags, time, element, frames, list)
                };
                input.callback.map(ask)
            });
            match asked {
                // What is not connected is silent, but for the main input.
                None if element > 0 => {
                    self.audio
                        .inputs
                        .extend([std::ptr::null::<f32>()].repeat(channels));
                    continue;
                }
                Some(0) => {}
                Some(status) => return Err(status),
                None => return Err(error::NO_CONNECTION),
            }
            for buffer in &list.buffers[..channels] {
                demand(
                    !buffer.data.is_null() && buffer.bytes == frames * 4,
                    "give all buffers of an input",
                );
                self.audio.inputs.push(buffer.data.cast_const().cast());
            }
        }
        Ok(())
    }

    /// Asks the host where its playhead is.
    fn ask_playhead(&mut self) {
        self.transport = Transport::UNSAID;
        let Some(playhead) = self.playhead else {
            return;
        };
        let user_data = playhead.user_data;
        let said = &mut self.transport;
        // SAFETY: the host's callbacks with their own user data, and room for each answer.
        unsafe {
            if let Some(ask) = playhead.beat_and_tempo {
                ask(user_data, &raw mut said.beats, &raw mut said.tempo);
            }
            if let Some(ask) = playhead.musical_time_location {
                let (mut numerator, mut denominator) = (-1.0f32, 0u32);
                let status = ask(
                    user_data,
                    null_mut(),
                    &raw mut numerator,
                    &raw mut denominator,
                    null_mut(),
                );
                if status == 0 {
                    said.signature = [f64::from(numerator), f64::from(denominator)];
                }
            }
            if let Some(ask) = playhead.transport_state2 {
                let (mut playing, mut recording, mut cycling) = (0, 0, 0);
                let (mut frame, mut start, mut end) = (-1.0, -1.0, -1.0);
                let status = ask(
                    user_data,
                    &raw mut playing,
                    &raw mut recording,
                    null_mut(),
                    &raw mut frame,
                    &raw mut cycling,
                    &raw mut start,
                    &raw mut end,
                );
                if status == 0 {
                    said.speed = f64::from(playing);
                    said.recording = f64::from(recording);
                    said.frame = frame;
                    said.loop_end = if cycling == 1 { end } else { -1.0 };
                }
            }
        }
    }

    /// Sends what the plugin said, one packet a message.
    fn send_midi(&mut self, time: &AudioTimeStamp) {
        let Some((callback, user_data)) = self
            .midi_out
            .and_then(|out| Some((out.callback?, out.user_data)))
        else {
            return;
        };
        let packets = &mut self.packets;
        packets.clear();
        packets.extend(0u32.to_ne_bytes());
        let mut count = 0u32;
        for (frame, message) in self.said.midi.iter() {
            if cfg!(target_arch = "aarch64") {
                packets.resize(packets.len().next_multiple_of(4), 0);
            }
            packets.extend(u64::try_from(frame).unwrap_or(0).to_ne_bytes());
            packets.extend(u16::try_from(message.len()).unwrap_or(0).to_ne_bytes());
            packets.extend(message);
            count += 1;
        }
        if count == 0 {
            return;
        }
        packets[..4].copy_from_slice(&count.to_ne_bytes());
        // SAFETY: the host's callback with its own user data, and a list of packets.
        unsafe { callback(user_data, time, 0, packets.as_ptr().cast()) };
    }
}
