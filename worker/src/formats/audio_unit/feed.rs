//! A unit's input, which it asks for while it renders.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::abi::*;

/// Frames of a channel, written by the processor and handed to the unit, which may write as well.
pub struct Plane(Box<[UnsafeCell<f32>]>);

// SAFETY: only ever accessed through raw pointers: by the processor between renders, and by the
// plugin, which does what it wants.
unsafe impl Sync for Plane {}

impl Plane {
    /// Silence.
    pub fn new(frames: usize) -> Self {
        Self((0..frames).map(|_| UnsafeCell::new(0.0)).collect())
    }

    /// Where its frames lie.
    pub fn as_ptr(&self) -> *mut f32 {
        UnsafeCell::raw_get(self.0.as_ptr())
    }

    /// How many it has.
    pub fn frames(&self) -> usize {
        self.0.len()
    }
}

/// Copies of the input channels, by bus: the client's own memory can only be read, and units
/// process in place.
pub struct Feed {
    pub buses: Vec<Vec<Plane>>,
    /// Handed out where a unit wants more channels than a bus has.
    silence: Plane,
    /// Of the piece that is rendered.
    frames: AtomicU32,
    start: AtomicU64,
}

impl Feed {
    /// Room for pieces of `frames`, with so many channels a bus.
    pub fn new(channels: impl Iterator<Item = u32>, frames: usize) -> Self {
        let bus = |channels: u32| (0..channels).map(|_| Plane::new(frames)).collect();
        Self {
            buses: channels.map(bus).collect(),
            silence: Plane::new(frames),
            frames: AtomicU32::new(0),
            start: AtomicU64::new(0),
        }
    }

    /// Says what piece is rendered next: when it begins, on the clock that the unit is shown.
    pub fn announce(&self, start: f64, frames: u32) {
        self.frames.store(frames, Ordering::Relaxed);
        self.start.store(start.to_bits(), Ordering::Relaxed);
    }

    /// Answers the unit: fills its buffers or hands out ours where it has none.
    ///
    /// # Safety
    /// A time stamp or null, and a list of buffers as it should be or null.
    pub unsafe fn give(
        &self,
        time: *const AudioTimeStamp,
        bus: u32,
        frames: u32,
        list: *mut AudioBufferList,
    ) -> OSStatus {
        let bus = usize::try_from(bus).unwrap_or(usize::MAX);
        let (Some(planes), false) = (self.buses.get(bus), list.is_null()) else {
            return error::NO_CONNECTION;
        };
        // SAFETY: a time stamp, says the caller.
        let time = unsafe { time.as_ref() }.filter(|time| time.flags & 1 != 0);
        let offset = self.offset(time.map(|time| time.sample_time));
        let wanted = usize::try_from(frames).unwrap_or(usize::MAX);
        let available = usize::try_from(self.frames.load(Ordering::Relaxed)).unwrap_or(0);
        let available = available.saturating_sub(offset).min(wanted);
        // SAFETY: a list, says the caller.
        let (count, buffers) = unsafe { ((*list).count, (&raw mut (*list).buffers).cast()) };
        for at in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: below the list's count.
            let buffer: &mut AudioBuffer = unsafe { &mut *<*mut AudioBuffer>::add(buffers, at) };
            let plane = planes.get(at);
            let (plane, offset, available) = match plane {
                Some(plane) => (plane, offset, available),
                None => (&self.silence, 0, 0),
            };
            // SAFETY: `offset + available` is within the plane.
            let given = unsafe { fill(buffer, plane, offset, available, wanted) };
            if !given {
                return error::TOO_MANY_FRAMES;
            }
        }
        0
    }

    /// How far into the piece a time is; 0 where it is none of the piece's.
    fn offset(&self, time: Option<f64>) -> usize {
        let start = f64::from_bits(self.start.load(Ordering::Relaxed));
        let offset = time.map_or(0.0, |time| time - start);
        let frames = f64::from(self.frames.load(Ordering::Relaxed));
        if !(0.0..frames).contains(&offset) {
            return 0;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 or above and below the frames of a piece"
        )]
        let offset = offset as usize;
        offset
    }
}

/// Fills a buffer of the unit's with frames from `offset` on and silence behind them, or points it
/// to ours. False where it wants more than there is room for.
///
/// # Safety
/// `plane` has `offset + available` frames. The buffer's memory is as large as it says.
unsafe fn fill(
    buffer: &mut AudioBuffer,
    plane: &Plane,
    offset: usize,
    available: usize,
    wanted: usize,
) -> bool {
    // SAFETY: within the plane, says the caller.
    let from = unsafe { plane.as_ptr().add(offset) };
    if buffer.data.is_null() {
        if offset + wanted > plane.frames() {
            return false;
        }
        let Ok(bytes) = u32::try_from(wanted * size_of::<f32>()) else {
            return false;
        };
        // SAFETY: `offset + wanted` frames are within the plane (checked above).
        unsafe { silence(from.add(available), wanted - available) };
        buffer.data = from.cast::<c_void>();
        buffer.bytes = bytes;
        return true;
    }
    let room = usize::try_from(buffer.bytes).unwrap_or(0) / size_of::<f32>();
    let copied = available.min(room);
    let to = buffer.data.cast::<f32>();
    // SAFETY: within the plane, and within the unit's own memory as large as it says; they may
    // be the same where the unit gives back what it was handed.
    unsafe {
        std::ptr::copy(from, to, copied);
        silence(to.add(copied), room.min(wanted).saturating_sub(copied));
    }
    true
}

/// Writes zeros.
///
/// # Safety
/// Room for so many frames.
pub unsafe fn silence(to: *mut f32, frames: usize) {
    // SAFETY: the caller's promise; all bits zero is 0.0.
    unsafe { to.write_bytes(0, frames) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: u32, data: *mut f32, bytes: u32) -> AudioBufferList {
        AudioBufferList {
            count,
            buffers: [AudioBuffer {
                channels: 1,
                bytes,
                data: data.cast(),
            }],
        }
    }

    #[test]
    fn a_unit_gets_copies_or_our_memory_and_silence_where_nothing_is() {
        let feed = Feed::new([1].into_iter(), 4);
        for frame in 0..4u8 {
            // SAFETY: four frames.
            unsafe {
                feed.buses[0][0]
                    .as_ptr()
                    .add(frame.into())
                    .write(f32::from(frame) + 1.0)
            };
        }
        feed.announce(100.0, 3);
        let time = |sample_time| AudioTimeStamp {
            sample_time,
            flags: 1,
            ..AudioTimeStamp::default()
        };
        let mut own = [9.0f32; 4];
        let mut buffers = list(1, own.as_mut_ptr(), 12);
        let give = |time: AudioTimeStamp, bus, frames, buffers: *mut _| {
            // SAFETY: a time, and a list of one buffer.
            unsafe { feed.give(&raw const time, bus, frames, buffers) }
        };
        assert_eq!(give(time(101.0), 0, 3, &raw mut buffers), 0);
        assert_eq!(own, [2.0, 3.0, 0.0, 9.0]);
        let mut buffers = list(1, std::ptr::null_mut(), 0);
        assert_eq!(give(time(100.0), 0, 4, &raw mut buffers), 0);
        assert_eq!(buffers.buffers[0].data, feed.buses[0][0].as_ptr().cast());
        // SAFETY: the plane's last frame.
        assert_eq!(unsafe { feed.buses[0][0].as_ptr().add(3).read() }, 0.0);
        let mut buffers = list(1, std::ptr::null_mut(), 0);
        assert_eq!(
            give(time(0.0), 0, 5, &raw mut buffers),
            error::TOO_MANY_FRAMES
        );
        assert_eq!(
            give(time(0.0), 1, 1, &raw mut buffers),
            error::NO_CONNECTION
        );
        assert_eq!(
            give(time(0.0), 0, 1, std::ptr::null_mut()),
            error::NO_CONNECTION
        );
    }
}
