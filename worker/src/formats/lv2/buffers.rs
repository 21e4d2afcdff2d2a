//! The memory that ports other than fed audio ports are connected to, for the instance's life.

use std::ptr::NonNull;
use std::sync::Arc;

use super::atoms::AtomBuffer;
use super::events::EventBuffer;
use super::instance::Instance;
use super::ports::{Kind, PortInfo, Ports};
use super::rooms::Rooms;

/// An atom port and its buffer.
#[derive(Debug)]
pub struct AtomPort {
    pub index: u32,
    pub buffer: AtomBuffer,
}

/// A port of the old event extension and its buffer.
#[derive(Debug)]
pub struct EventPort {
    pub index: u32,
    pub buffer: EventBuffer,
}

/// Cells of memory a plugin reads or writes beside us.
#[derive(Debug)]
struct Memory<T> {
    cells: NonNull<T>,
    count: usize,
}

// SAFETY: plain owned memory, touched only by whoever owns the processor and by the plugin in
// calls that the same owner makes.
unsafe impl<T> Send for Memory<T> {}

impl<T: Copy> Memory<T> {
    fn new(count: usize, value: T) -> Self {
        let cells = vec![value; count].into_boxed_slice();
        Self {
            cells: NonNull::from(Box::leak(cells)).cast(),
            count,
        }
    }

    fn at(&self, index: usize) -> *mut T {
        assert!(index < self.count, "cell {index} of {}", self.count);
        // SAFETY: within the allocation, checked on the line above.
        unsafe { self.cells.as_ptr().add(index) }
    }
}

impl<T> Drop for Memory<T> {
    fn drop(&mut self) {
        let cells = std::ptr::slice_from_raw_parts_mut(self.cells.as_ptr(), self.count);
        // SAFETY: leaked in `new`, taken back once.
        drop(unsafe { Box::from_raw(cells) });
    }
}

/// All of a plugin's port memory.
#[derive(Debug)]
pub struct Buffers {
    controls: Memory<f32>,
    /// Silence for inputs that nobody feeds.
    silence: Memory<f32>,
    silence_used: bool,
    /// For outputs that nobody reads: one each, since plugins read back what they wrote.
    scrap: Vec<(u32, Memory<f32>)>,
    /// For ports of a class nobody knows: zeros, as many as any class would want.
    unknown: Vec<Memory<u64>>,
    pub atoms_in: Vec<AtomPort>,
    pub atoms_out: Vec<AtomPort>,
    pub events_in: Vec<EventPort>,
    pub events_out: Vec<EventPort>,
}

impl Buffers {
    /// Makes all memory and connects it: every port, optional ones too, since plugins forget to
    /// check. Audio ports that blocks feed are connected to silence and scrap for now.
    pub fn connect(
        ports: &Ports,
        instance: &Instance,
        rooms: &Rooms,
        max_frames: usize,
        sequence_bytes: usize,
    ) -> Self {
        let mut buffers = Self {
            controls: Memory::new(ports.list.len(), 0.0),
            silence: Memory::new(max_frames, 0.0),
            silence_used: false,
            scrap: Vec::new(),
            unknown: Vec::new(),
            atoms_in: Vec::new(),
            atoms_out: Vec::new(),
            events_in: Vec::new(),
            events_out: Vec::new(),
        };
        let fed = ports.fed_inputs();
        for (at, port) in ports.list.iter().enumerate() {
            let data: *mut std::ffi::c_void = match port.kind {
                Kind::ControlIn | Kind::ControlOut => buffers.controls.at(at).cast(),
                Kind::AudioIn | Kind::CvIn => {
                    buffers.silence_used |= !fed.contains(&port.index);
                    buffers.silence.at(0).cast()
                }
                Kind::AudioOut | Kind::CvOut => {
                    let memory = Memory::new(max_frames, 0.0f32);
                    let data = memory.at(0).cast();
                    buffers.scrap.push((port.index, memory));
                    data
                }
                Kind::AtomIn => atom(&mut buffers.atoms_in, port, rooms, sequence_bytes),
                Kind::AtomOut => atom(&mut buffers.atoms_out, port, rooms, sequence_bytes),
                Kind::EventIn => event(&mut buffers.events_in, port, sequence_bytes),
                Kind::EventOut => event(&mut buffers.events_out, port, sequence_bytes),
                Kind::Other => {
                    let memory = Memory::new(max_frames.max(sequence_bytes).div_ceil(2), 0u64);
                    let data = memory.at(0).cast();
                    buffers.unknown.push(memory);
                    data
                }
            };
            // SAFETY: memory of the port's kind that lives in `buffers`, beside the instance.
            unsafe { instance.connect(port.index, data) };
        }
        buffers
    }

    /// A control port's value.
    pub fn control(&self, port: u32) -> f32 {
        let at = usize::try_from(port).unwrap_or(usize::MAX);
        // SAFETY: in range, checked by `at`; the plugin does not run now.
        unsafe { self.controls.at(at).read() }
    }

    /// Sets a control port's value.
    pub fn set_control(&mut self, port: u32, value: f32) {
        let at = usize::try_from(port).unwrap_or(usize::MAX);
        // SAFETY: as above.
        unsafe { self.controls.at(at).write(value) };
    }

    /// Makes the silence silent again: some plugins write into their inputs.
    pub fn hush(&mut self) {
        if self.silence_used {
            // SAFETY: our allocation, whole; the plugin does not run now.
            unsafe { self.silence.cells.write_bytes(0, self.silence.count) };
        }
    }

    /// Silence as long as any block.
    pub fn silence(&self) -> *mut f32 {
        self.silence.at(0)
    }

    /// Where an output that nobody reads goes.
    pub fn scrap(&self, port: u32) -> *mut f32 {
        let found = self.scrap.iter().find(|(index, _)| *index == port);
        found.map_or(std::ptr::null_mut(), |(_, memory)| memory.at(0))
    }
}

fn event(ports: &mut Vec<EventPort>, port: &PortInfo, bytes: usize) -> *mut std::ffi::c_void {
    let buffer = EventBuffer::new(bytes.max(port.minimum_size));
    let data = buffer.as_ptr().cast();
    ports.push(EventPort {
        index: port.index,
        buffer,
    });
    data
}

fn atom(
    ports: &mut Vec<AtomPort>,
    port: &PortInfo,
    rooms: &Rooms,
    sequence_bytes: usize,
) -> *mut std::ffi::c_void {
    let buffer = match rooms.of(port.index) {
        Some(room) => AtomBuffer::new(room.most, Arc::clone(&room.bytes)),
        None => AtomBuffer::new(sequence_bytes, Arc::new(sequence_bytes.into())),
    };
    let data = buffer.as_ptr().cast();
    ports.push(AtomPort {
        index: port.index,
        buffer,
    });
    data
}
