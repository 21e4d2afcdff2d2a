//! Core Foundation objects: owned, type-checked before they are read, and read bounded.

use std::ffi::c_void;
use std::ptr::{NonNull, null, null_mut};

use plugpen_proto::limits::{MAX_STATE, MAX_TEXT};

use super::abi::*;
use super::toolbox::Toolbox;

/// Most elements read of an array.
const MAX_ARRAY: usize = 65_536;

/// An object this process owns one reference to.
pub struct Owned {
    toolbox: &'static Toolbox,
    object: NonNull<c_void>,
}

/// What an object turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// Values by position.
    Array,
    /// Values by key.
    Dictionary,
    /// A number.
    Number,
}

impl Owned {
    /// Takes a reference over; `None` where it is null.
    ///
    /// # Safety
    /// A reference to an object that the caller owns and gives up, or null.
    pub unsafe fn take(toolbox: &'static Toolbox, object: CFTypeRef) -> Option<Self> {
        let object = NonNull::new(object.cast_mut())?;
        Some(Self { toolbox, object })
    }

    /// A string.
    pub fn string(toolbox: &'static Toolbox, text: &str) -> Option<Self> {
        let length = CFIndex::try_from(text.len()).ok()?;
        // SAFETY: the bytes of `text`, which the call copies; a created object is owned.
        unsafe {
            let string = (toolbox.string_create)(null(), text.as_ptr(), length, UTF8, 0);
            Self::take(toolbox, string)
        }
    }

    /// The object that a property list stands for, XML or binary. `None` where it is none.
    pub fn from_plist(toolbox: &'static Toolbox, bytes: &[u8]) -> Option<Self> {
        let length = CFIndex::try_from(bytes.len()).ok()?;
        // SAFETY: `bytes`, which the call copies; a created object is owned.
        let data = unsafe {
            let data = (toolbox.data_create)(null(), bytes.as_ptr(), length);
            Self::take(toolbox, data)?
        };
        // SAFETY: a data object; no error object is asked for; a created object is owned.
        unsafe {
            let plist = (toolbox.plist_from_data)(null(), data.get(), 0, null_mut(), null_mut());
            Self::take(toolbox, plist)
        }
    }

    /// The object as an XML property list, `None` where it cannot be one or is too large.
    pub fn to_plist(&self) -> Option<Vec<u8>> {
        let toolbox = self.toolbox;
        // SAFETY: an object we own; no error object is asked for; a created object is owned.
        let data = unsafe {
            let data = (toolbox.plist_to_data)(null(), self.get(), PLIST_XML, 0, null_mut());
            Self::take(toolbox, data)?
        };
        // SAFETY: a data object.
        let (length, bytes) = unsafe {
            (
                (toolbox.data_length)(data.get()),
                (toolbox.data_bytes)(data.get()),
            )
        };
        let length = usize::try_from(length).ok()?;
        if bytes.is_null() || length > MAX_STATE {
            return None;
        }
        // SAFETY: that many bytes of a data object that is alive until after the copy.
        Some(unsafe { std::slice::from_raw_parts(bytes, length) }.to_vec())
    }

    /// The reference, for a call that does not keep it.
    pub fn get(&self) -> CFTypeRef {
        self.object.as_ptr()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the one reference that `take` was given.
        unsafe { (self.toolbox.cf_release)(self.get()) };
    }
}

/// Whether an object is of a kind; null is of none.
///
/// # Safety
/// An object that is alive, or null.
pub unsafe fn is(toolbox: &Toolbox, object: CFTypeRef, kind: Kind) -> bool {
    if object.is_null() {
        return false;
    }
    // SAFETY: alive, says the caller.
    unsafe {
        let expected = match kind {
            Kind::String => (toolbox.string_type)(),
            Kind::Array => (toolbox.array_type)(),
            Kind::Dictionary => (toolbox.dictionary_type)(),
            Kind::Number => (toolbox.number_type)(),
        };
        (toolbox.cf_get_type_id)(object) == expected
    }
}

/// The text of a string, cut to `MAX_TEXT` bytes; `None` where it is no string.
///
/// # Safety
/// An object that is alive, or null.
pub unsafe fn text(toolbox: &Toolbox, string: CFTypeRef) -> Option<String> {
    // SAFETY: the caller's promise.
    if !unsafe { is(toolbox, string, Kind::String) } {
        return None;
    }
    let mut bytes = vec![0u8; MAX_TEXT];
    let mut used = 0;
    // SAFETY: a string; as many bytes as the buffer has are written at most.
    unsafe {
        let all = CFRange {
            location: 0,
            length: (toolbox.string_length)(string),
        };
        let room = CFIndex::try_from(bytes.len()).unwrap_or(0);
        (toolbox.string_bytes)(
            string,
            all,
            UTF8,
            b'?',
            0,
            bytes.as_mut_ptr(),
            room,
            &raw mut used,
        );
    }
    bytes.truncate(usize::try_from(used).unwrap_or(0));
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The elements of an array; none where it is no array.
///
/// # Safety
/// An object that is alive, or null. The elements live as long as it does.
pub unsafe fn elements(toolbox: &Toolbox, array: CFTypeRef) -> Vec<*const c_void> {
    // SAFETY: the caller's promise.
    if !unsafe { is(toolbox, array, Kind::Array) } {
        return Vec::new();
    }
    // SAFETY: an array.
    let count = unsafe { (toolbox.array_count)(array) };
    let count = usize::try_from(count).unwrap_or(0).min(MAX_ARRAY);
    (0..count)
        .filter_map(|at| CFIndex::try_from(at).ok())
        // SAFETY: below the array's count.
        .map(|at| unsafe { (toolbox.array_at)(array, at) })
        .collect()
}

/// A value of a dictionary; null where there is none, or no dictionary.
///
/// # Safety
/// An object that is alive, or null. The value lives as long as it does.
pub unsafe fn value(toolbox: &'static Toolbox, dictionary: CFTypeRef, key: &str) -> CFTypeRef {
    // SAFETY: the caller's promise.
    if !unsafe { is(toolbox, dictionary, Kind::Dictionary) } {
        return null();
    }
    match Owned::string(toolbox, key) {
        // SAFETY: a dictionary, and a key that lives through the call.
        Some(key) => unsafe { (toolbox.dictionary_get)(dictionary, key.get()) },
        None => null(),
    }
}

/// A number; `None` where it is none.
///
/// # Safety
/// An object that is alive, or null.
pub unsafe fn number(toolbox: &Toolbox, object: CFTypeRef) -> Option<i32> {
    // SAFETY: the caller's promise.
    if !unsafe { is(toolbox, object, Kind::Number) } {
        return None;
    }
    let mut value = 0i32;
    // SAFETY: a number, and room for the type that is asked for.
    let is_exact = unsafe { (toolbox.number_get)(object, NUMBER_I32, (&raw mut value).cast()) };
    // A code of four characters with its highest bit set is no i32; it is read cut all the same.
    let _ = is_exact;
    Some(value)
}
