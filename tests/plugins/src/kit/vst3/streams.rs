//! A host's streams.

use vst3::ComRef;
use vst3::Steinberg::{IBStream, IBStreamTrait, kResultOk};

/// Reads a stream to its end; `None` for no stream.
///
/// # Safety
/// `stream` is null or a host's stream.
pub unsafe fn read(stream: *mut IBStream) -> Option<Vec<u8>> {
    // SAFETY: the caller's promise.
    let stream = unsafe { ComRef::from_raw(stream) }?;
    let mut bytes = Vec::new();
    let mut part = [0_u8; 4096];
    loop {
        let mut count = 0;
        // SAFETY: the buffer is as long as is said.
        let result = unsafe { stream.read(part.as_mut_ptr().cast(), 4096, &raw mut count) };
        let count = usize::try_from(count).unwrap_or(0).min(part.len());
        if result != kResultOk || count == 0 {
            return Some(bytes);
        }
        bytes.extend_from_slice(&part[..count]);
    }
}

/// Writes all bytes; whether the host took them.
///
/// # Safety
/// As for [`read`].
pub unsafe fn write(stream: *mut IBStream, bytes: &mut [u8]) -> bool {
    // SAFETY: the caller's promise.
    let Some(stream) = (unsafe { ComRef::from_raw(stream) }) else {
        return false;
    };
    let (Ok(size), mut count) = (i32::try_from(bytes.len()), 0) else {
        return false;
    };
    // SAFETY: the buffer is as long as is said.
    let result = unsafe { stream.write(bytes.as_mut_ptr().cast(), size, &raw mut count) };
    result == kResultOk && count == size
}
