//! Streams in memory, through which plugins write and read their state.

use std::ffi::c_void;
use std::sync::Mutex;

use plugpen_proto::limits::MAX_STATE;
use vst3::Steinberg::IBStream_::IStreamSeekMode_::{kIBSeekCur, kIBSeekEnd, kIBSeekSet};
use vst3::Steinberg::Vst::{
    IAttributeList, IStreamAttributes, IStreamAttributesTrait, StateType, String128,
};
use vst3::Steinberg::{
    IBStream, IBStreamTrait, kInternalError, kInvalidArgument, kNotImplemented, kOutOfMemory,
    kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper};

use super::attributes::Attributes;
use super::door::enter;
use super::text;

/// A stream's bytes and place.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    position: usize,
    /// Something was written that is not there, for want of room.
    overflowed: bool,
}

/// A stream. A plugin may keep it longer than the call it came with.
pub struct Stream {
    content: Mutex<Content>,
    attributes: ComPtr<IAttributeList>,
}

impl Class for Stream {
    type Interfaces = (IBStream, IStreamAttributes);
}

/// A stream of ours, with the pointer that plugins get.
pub struct Lent {
    stream: ComWrapper<Stream>,
    pointer: ComPtr<IBStream>,
}

impl Lent {
    /// A stream over these bytes; empty for writing. `None` cannot happen and is no stream.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let attributes = Attributes::lent();
        // SAFETY: the SDK's constants are C strings.
        let (key, project) = unsafe {
            let key = vst3::Steinberg::Vst::PresetAttributes::kStateType;
            (text::c_string(key)?, text::c_string(StateType::kProject)?)
        };
        attributes.set_text(key, &String::from_utf8_lossy(&project));
        let stream = ComWrapper::new(Stream {
            content: Mutex::new(Content {
                bytes: bytes.to_vec(),
                ..Content::default()
            }),
            attributes: attributes.to_com_ptr()?,
        });
        let pointer = stream.to_com_ptr()?;
        Some(Self { stream, pointer })
    }

    /// For a plugin.
    pub fn as_ptr(&self) -> *mut IBStream {
        self.pointer.as_ptr()
    }

    /// All that was written.
    pub fn bytes(&self) -> Vec<u8> {
        self.stream.content(|content| content.bytes.clone())
    }

    /// Whether that is less than the plugin wanted to write.
    pub fn overflowed(&self) -> bool {
        self.stream.content(|content| content.overflowed)
    }
}

impl Stream {
    fn content<R>(&self, act: impl FnOnce(&mut Content) -> R) -> R {
        act(&mut self.content.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

/// Writes a count where the plugin wants one.
///
/// # Safety
/// Null, or room for one.
unsafe fn tell<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(value) };
    }
}

impl IBStreamTrait for Stream {
    unsafe fn read(&self, buffer: *mut c_void, wanted: i32, got: *mut i32) -> tresult {
        enter("IBStream::read", self, kInternalError, |this| {
            let Ok(wanted) = usize::try_from(wanted) else {
                return kInvalidArgument;
            };
            if buffer.is_null() && wanted > 0 {
                return kInvalidArgument;
            }
            let count = this.content(|content| {
                let left = content.bytes.get(content.position..).unwrap_or_default();
                let count = left.len().min(wanted);
                // SAFETY: the plugin has room for what it wants; `left` has `count` bytes.
                unsafe {
                    std::ptr::copy_nonoverlapping(left.as_ptr(), buffer.cast(), count);
                }
                content.position += count;
                count
            });
            // SAFETY: null or room, by the interface.
            unsafe { tell(got, i32::try_from(count).unwrap_or(i32::MAX)) };
            kResultOk
        })
    }

    unsafe fn write(&self, buffer: *mut c_void, given: i32, took: *mut i32) -> tresult {
        enter("IBStream::write", self, kInternalError, |this| {
            let Ok(count) = usize::try_from(given) else {
                return kInvalidArgument;
            };
            if buffer.is_null() && count > 0 {
                return kInvalidArgument;
            }
            let written = this.content(|content| {
                let end = content.position.saturating_add(count);
                if end > MAX_STATE {
                    content.overflowed = true;
                    return false;
                }
                if content.bytes.len() < end {
                    content.bytes.resize(end, 0);
                }
                let place = &mut content.bytes[content.position..end];
                if count > 0 {
                    // SAFETY: the plugin gives as many bytes as it says; `place` has that many.
                    unsafe {
                        std::ptr::copy_nonoverlapping(buffer.cast(), place.as_mut_ptr(), count);
                    }
                }
                content.position = end;
                true
            });
            // SAFETY: null or room, by the interface.
            unsafe { tell(took, if written { given } else { 0 }) };
            if written { kResultOk } else { kOutOfMemory }
        })
    }

    unsafe fn seek(&self, offset: i64, mode: i32, result: *mut i64) -> tresult {
        enter("IBStream::seek", self, kInternalError, |this| {
            let moved = this.content(|content| {
                let from = match u32::try_from(mode) {
                    Ok(kIBSeekSet) => 0,
                    Ok(kIBSeekCur) => content.position,
                    Ok(kIBSeekEnd) => content.bytes.len(),
                    _ => return None,
                };
                let position = i64::try_from(from).ok()?.checked_add(offset)?;
                let place = usize::try_from(position).ok()?;
                content.position = (place <= MAX_STATE).then_some(place)?;
                Some(position)
            });
            let Some(position) = moved else {
                return kInvalidArgument;
            };
            // SAFETY: null or room, by the interface.
            unsafe { tell(result, position) };
            kResultOk
        })
    }

    unsafe fn tell(&self, position: *mut i64) -> tresult {
        enter("IBStream::tell", self, kInternalError, |this| {
            if position.is_null() {
                return kInvalidArgument;
            }
            let at = this.content(|content| content.position);
            // SAFETY: not null, and room by the interface.
            unsafe { tell(position, i64::try_from(at).unwrap_or(i64::MAX)) };
            kResultOk
        })
    }
}

impl IStreamAttributesTrait for Stream {
    unsafe fn getFileName(&self, _: *mut String128) -> tresult {
        kNotImplemented
    }

    unsafe fn getAttributes(&self) -> *mut IAttributeList {
        self.attributes.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_written_moved_in_and_read() {
        let lent = Lent::new(b"").unwrap();
        let stream = &lent.pointer;
        let mut word = *b"state";
        let (mut count, mut place) = (0, 0);
        // SAFETY: all pointers are to locals of the sizes given, or null.
        unsafe {
            let data = word.as_mut_ptr().cast();
            assert_eq!(stream.write(data, 5, &raw mut count), kResultOk);
            assert_eq!(count, 5);
            assert_eq!(stream.seek(-2, 2, &raw mut place), kResultOk);
            assert_eq!(place, 3);
            assert_eq!(stream.read(data, 5, &raw mut count), kResultOk);
            assert_eq!((count, &word), (2, b"teate"));
            assert_eq!(stream.read(data, 5, &raw mut count), kResultOk);
            assert_eq!(count, 0, "at the end");
            assert_eq!(stream.seek(7, 0, std::ptr::null_mut()), kResultOk);
            assert_eq!(stream.write(data, 1, std::ptr::null_mut()), kResultOk);
            assert_eq!(stream.tell(&raw mut place), kResultOk);
            assert_eq!(place, 8);

            assert_ne!(
                stream.read(std::ptr::null_mut(), 1, &raw mut count),
                kResultOk
            );
            assert_ne!(stream.read(data, -1, &raw mut count), kResultOk);
            assert_ne!(stream.write(data, -1, &raw mut count), kResultOk);
            assert_ne!(stream.seek(-1, 0, &raw mut place), kResultOk);
            assert_ne!(stream.seek(i64::MAX, 0, &raw mut place), kResultOk);
            assert_ne!(stream.seek(0, 3, &raw mut place), kResultOk);
            assert_ne!(stream.tell(std::ptr::null_mut()), kResultOk);
        }
        assert_eq!(lent.bytes(), b"state\0\0t");
        assert!(!lent.overflowed());
        let most = i64::try_from(MAX_STATE).unwrap();
        // SAFETY: as above.
        unsafe {
            assert_eq!(stream.seek(most, 0, &raw mut place), kResultOk);
            assert_ne!(
                stream.write(word.as_mut_ptr().cast(), 1, &raw mut count),
                kResultOk
            );
        }
        assert_eq!(count, 0);
        assert!(lent.overflowed());
    }
}
