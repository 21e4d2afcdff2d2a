//! Buffers that end or begin at memory that is not there, so that a plugin which leaves them is
//! ended at once, at the place where it does.
//!
//! The plugin gets copies of the block's channels, each in a mapping of its own. An input is mapped
//! twice, to be read by the plugin and to be filled by us.

use std::io;
use std::ptr::NonNull;

use plugpen_proto::v1::Guard;
use plugpen_proto::worker::GuardedBuffer;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::Planes;

/// The buffers of a plugin that is guarded.
#[derive(Debug)]
pub struct Guards {
    side: Guard,
    inputs: Vec<Fence>,
    outputs: Vec<Fence>,
    single: Planes<f32>,
    double: Planes<f64>,
}

impl Guards {
    /// Buffers for so many channels of `frames` frames of either type.
    ///
    /// # Errors
    /// The system has no memory left, or no second mapping to give.
    pub fn new(side: Guard, inputs: usize, outputs: usize, frames: usize) -> io::Result<Self> {
        let bytes = frames * size_of::<f64>();
        let fence = |is_input| move |_| Fence::new(bytes, is_input);
        Ok(Self {
            side,
            inputs: (0..inputs).map(fence(true)).collect::<io::Result<_>>()?,
            outputs: (0..outputs).map(fence(false)).collect::<io::Result<_>>()?,
            single: Planes::with_capacity(inputs, outputs),
            double: Planes::with_capacity(inputs, outputs),
        })
    }

    /// Where they are.
    pub fn map(&self) -> Vec<GuardedBuffer> {
        let told = |is_output| {
            move |(fence, channel): (&Fence, u32)| GuardedBuffer {
                is_output,
                channel,
                address: u64::try_from(fence.plugin.as_ptr().addr()).unwrap_or(0),
                length: u64::try_from(fence.length).unwrap_or(0),
            }
        };
        let inputs = self.inputs.iter().zip(0..).map(told(false));
        let outputs = self.outputs.iter().zip(0..).map(told(true));
        inputs.chain(outputs).collect()
    }

    /// The guarded copies of a block in single precision.
    pub fn lend_single(&mut self, from: &Planes<f32>) -> &Planes<f32> {
        lend(
            &self.inputs,
            &self.outputs,
            self.side,
            from,
            &mut self.single,
        );
        &self.single
    }

    /// The same in double precision.
    pub fn lend_double(&mut self, from: &Planes<f64>) -> &Planes<f64> {
        lend(
            &self.inputs,
            &self.outputs,
            self.side,
            from,
            &mut self.double,
        );
        &self.double
    }

    /// Copies the outputs that were lent back to where they belong.
    pub fn give_back(&mut self, single: &Planes<f32>, double: &Planes<f64>) {
        give_back(&mut self.single, single);
        give_back(&mut self.double, double);
    }
}

fn lend<T: Copy>(
    inputs: &[Fence],
    outputs: &[Fence],
    side: Guard,
    from: &Planes<T>,
    to: &mut Planes<T>,
) {
    to.clear();
    to.frames = from.frames;
    for (fence, input) in inputs.iter().zip(&from.inputs) {
        let at = fence.offset(side, from.frames * size_of::<T>());
        // SAFETY: `at` and the block's frames are within the fence, by `Fence::offset`; the input
        // is valid for these frames. The two never overlap: a fence is nobody else's.
        unsafe {
            let room = fence.ours.as_ptr().add(at).cast::<T>();
            std::ptr::copy_nonoverlapping(*input, room, from.frames);
            to.inputs
                .push(fence.plugin.as_ptr().add(at).cast_const().cast());
        }
    }
    for fence in &outputs[..outputs.len().min(from.outputs.len())] {
        let at = fence.offset(side, from.frames * size_of::<T>());
        // SAFETY: within the fence, as above.
        to.outputs
            .push(unsafe { fence.plugin.as_ptr().add(at).cast() });
    }
}

fn give_back<T: Copy>(lent: &mut Planes<T>, to: &Planes<T>) {
    for (from, output) in lent.outputs.iter().zip(&to.outputs) {
        // SAFETY: both are valid for the block's frames, as `lend` was told; they do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(from.cast_const(), *output, lent.frames) };
    }
    lent.clear();
}

/// Memory between two pages that are not there.
#[derive(Debug)]
struct Fence {
    /// The whole, with both pages.
    whole: NonNull<u8>,
    whole_length: usize,
    /// What the plugin gets: read-only where it is an input.
    plugin: NonNull<u8>,
    /// The same memory for us to write.
    ours: NonNull<u8>,
    /// Bytes of either.
    length: usize,
}

// SAFETY: a fence owns its mappings; which thread uses them is up to its owner.
unsafe impl Send for Fence {}

impl Fence {
    fn new(bytes: usize, is_input: bool) -> io::Result<Self> {
        let page = rustix::param::page_size();
        let length = bytes.max(1).next_multiple_of(page);
        let whole_length = length + 2 * page;
        let none = ProtFlags::empty();
        // SAFETY: a new mapping at a place of the kernel's choice.
        let whole = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), whole_length, none, MapFlags::PRIVATE)
        }?;
        let mut fence = Self {
            whole: NonNull::new(whole.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
            whole_length,
            plugin: NonNull::dangling(),
            ours: NonNull::dangling(),
            length,
        };
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: replaces the middle of the mapping that was made above for this.
        let data =
            unsafe { rustix::mm::mmap_anonymous(whole.byte_add(page), length, access, flags) }?;
        fence.plugin = NonNull::new(data.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        fence.ours = fence.plugin;
        if is_input {
            fence.ours = second_mapping(data, length)?;
            // SAFETY: the plugin's view of the mapping just made; ours keeps its own access.
            unsafe { rustix::mm::mprotect(data, length, MprotectFlags::READ) }?;
        }
        Ok(fence)
    }

    /// Where a block of so many bytes, at most the fence's, begins.
    fn offset(&self, side: Guard, bytes: usize) -> usize {
        match side {
            Guard::Begin => 0,
            Guard::End | Guard::Unspecified => self.length - bytes,
        }
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        // SAFETY: made in `new` with these lengths, and with this owner only.
        unsafe {
            let _ = rustix::mm::munmap(self.whole.as_ptr().cast(), self.whole_length);
            if self.ours != self.plugin {
                let _ = rustix::mm::munmap(self.ours.as_ptr().cast(), self.length);
            }
        }
    }
}

/// The same memory at a second place. The jail has no memory files to map twice, but a shared
/// mapping that is moved with an old length of 0 stays where it was as well.
#[cfg(target_os = "linux")]
fn second_mapping(data: *mut std::ffi::c_void, length: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: a shared mapping of this length; a new one at a place of the kernel's choice.
    let second = unsafe { rustix::mm::mremap(data, 0, length, rustix::mm::MremapFlags::MAYMOVE) }?;
    NonNull::new(second.cast()).ok_or(io::ErrorKind::OutOfMemory.into())
}

#[cfg(not(target_os = "linux"))]
fn second_mapping(_: *mut std::ffi::c_void, _: usize) -> io::Result<NonNull<u8>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "only Linux maps memory twice without a file",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_come_and_go_and_touch_their_guards() {
        let page = rustix::param::page_size();
        for (side, frames) in [(Guard::End, 37), (Guard::Begin, 37), (Guard::End, 512)] {
            let mut guards = Guards::new(side, 1, 1, 512).unwrap();
            let (input, mut output) = (vec![0.25_f32; frames], vec![0.0_f32; frames]);
            let mut planes = Planes::with_capacity(1, 1);
            planes.inputs.push(input.as_ptr());
            planes.outputs.push(output.as_mut_ptr());
            planes.frames = frames;
            let lent = guards.lend_single(&planes);
            let (from, to) = (lent.inputs[0], lent.outputs[0]);
            for edge in [from.addr(), to.addr()] {
                let edge = match side {
                    Guard::Begin => edge,
                    _ => edge + frames * size_of::<f32>(),
                };
                assert!(edge.is_multiple_of(page), "{side:?} {frames}");
            }
            for frame in 0..frames {
                // SAFETY: within the block that was lent.
                unsafe { to.add(frame).write(from.add(frame).read() * 2.0) };
            }
            guards.give_back(&planes, &Planes::default());
            assert_eq!(output, vec![0.5; frames]);
        }
    }

    #[test]
    fn the_map_has_every_buffer() {
        let guards = Guards::new(Guard::End, 2, 3, 64).unwrap();
        let map = guards.map();
        assert_eq!(map.iter().filter(|buffer| buffer.is_output).count(), 3);
        assert_eq!(map[4].channel, 2);
        assert!(
            map.iter()
                .all(|buffer| buffer.address > 0 && buffer.length >= 512)
        );
    }
}
