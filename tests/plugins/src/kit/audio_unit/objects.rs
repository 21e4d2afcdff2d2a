//! Core Foundation, as much of it as a host of AudioUnits calls. Objects are counted: using one
//! that is gone, or keeping them all, ends the process.

use std::collections::HashSet;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};

use super::abi::*;
use super::plist;
use crate::kit::demand;

/// More objects than a host that releases what it was given ever has at once.
const MOST: usize = 4000;

/// What an object is.
pub enum Value {
    /// Text.
    String(String),
    /// Objects, each with a reference of the array's.
    Array(Vec<CFTypeRef>),
    /// Presets, whose names have references of the array's.
    Presets(Box<[AUPreset]>),
    /// Objects by key, each with a reference of the dictionary's.
    Dictionary(Vec<(String, CFTypeRef)>),
    /// Bytes.
    Data(Vec<u8>),
    /// A whole number.
    Number(i64),
}

struct Object {
    references: AtomicUsize,
    value: Value,
}

static LIVE: LazyLock<Mutex<HashSet<usize>>> = LazyLock::new(Mutex::default);

fn live() -> MutexGuard<'static, HashSet<usize>> {
    LIVE.lock().unwrap_or_else(|e| e.into_inner())
}

/// Makes an object with one reference.
pub fn make(value: Value) -> CFTypeRef {
    let object = Box::into_raw(Box::new(Object {
        references: AtomicUsize::new(1),
        value,
    }));
    let mut live = live();
    live.insert(object.addr());
    demand(live.len() < MOST, "release the objects that you own");
    object.cast_const().cast()
}

/// Makes a string.
pub fn string(text: &str) -> CFTypeRef {
    make(Value::String(text.to_owned()))
}

fn object<'a>(reference: CFTypeRef) -> &'a Object {
    demand(
        live().contains(&reference.addr()),
        "use objects only while they live",
    );
    // SAFETY: alive (checked on the line above), so it is an object that `make` made.
    unsafe { &*reference.cast::<Object>() }
}

/// What an object is.
pub fn value<'a>(reference: CFTypeRef) -> &'a Value {
    &object(reference).value
}

/// The text of a string, empty for anything else.
pub fn text<'a>(reference: CFTypeRef) -> &'a str {
    match value(reference) {
        Value::String(text) => text,
        _ => "",
    }
}

/// Takes a reference.
pub fn retain(reference: CFTypeRef) -> CFTypeRef {
    object(reference).references.fetch_add(1, Ordering::Relaxed);
    reference
}

/// Gives a reference up.
pub fn release(reference: CFTypeRef) {
    if object(reference).references.fetch_sub(1, Ordering::AcqRel) > 1 {
        return;
    }
    live().remove(&reference.addr());
    // SAFETY: made by `make`, and the last reference is gone.
    let object = unsafe { Box::from_raw(reference.cast::<Object>().cast_mut()) };
    match object.value {
        Value::Array(elements) => elements.into_iter().for_each(release),
        Value::Dictionary(entries) => entries.into_iter().for_each(|(_, value)| release(value)),
        Value::Presets(presets) => presets.iter().for_each(|preset| release(preset.name)),
        Value::String(_) | Value::Data(_) | Value::Number(_) => {}
    }
}

/// A dictionary's value.
pub fn entry(dictionary: CFTypeRef, key: &str) -> Option<CFTypeRef> {
    match value(dictionary) {
        Value::Dictionary(entries) => {
            let mut found = entries.iter().filter(|(name, _)| name == key);
            found.next().map(|(_, value)| *value)
        }
        _ => None,
    }
}

fn type_id(reference: CFTypeRef) -> usize {
    match value(reference) {
        Value::String(_) => 7,
        Value::Array(_) | Value::Presets(_) => 19,
        Value::Dictionary(_) => 18,
        Value::Data(_) => 20,
        Value::Number(_) => 22,
    }
}

fn index(count: usize) -> CFIndex {
    CFIndex::try_from(count).unwrap_or(CFIndex::MAX)
}

/// # Safety
/// As many bytes as are said.
unsafe fn bytes<'a>(data: *const u8, length: CFIndex) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: the caller's promise.
        Ok(length) if !data.is_null() => unsafe { std::slice::from_raw_parts(data, length) },
        _ => &[],
    }
}

macro_rules! exported {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {
        $(
            /// Apple's documentation describes it.
            ///
            /// # Safety
            /// Arguments as that says.
            // SAFETY: no other code defines a symbol of this name in this library.
            #[unsafe(no_mangle)]
            #[allow(non_snake_case, clippy::too_many_arguments, reason = "Apple's signature")]
            pub unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? $body
        )*
    };
}
pub(super) use exported;

exported! {
    fn CFRelease(object: CFTypeRef) {
        demand(!object.is_null(), "release nothing that is null");
        release(object);
    }

    fn CFGetTypeID(object: CFTypeRef) -> usize { type_id(object) }
    fn CFStringGetTypeID() -> usize { 7 }
    fn CFArrayGetTypeID() -> usize { 19 }
    fn CFDictionaryGetTypeID() -> usize { 18 }
    fn CFNumberGetTypeID() -> usize { 22 }

    fn CFStringCreateWithBytes(
        _allocator: CFTypeRef, data: *const u8, length: CFIndex, encoding: u32, _external: Boolean
    ) -> CFStringRef {
        demand(encoding == UTF8, "this simulation knows UTF-8 only");
        // SAFETY: as many bytes as are said.
        match std::str::from_utf8(unsafe { bytes(data, length) }) {
            Ok(text) => string(text),
            Err(_) => std::ptr::null(),
        }
    }

    fn CFStringGetLength(string: CFStringRef) -> CFIndex {
        index(text(string).encode_utf16().count())
    }

    fn CFStringGetBytes(
        string: CFStringRef, range: CFRange, encoding: u32, _loss: u8, _external: Boolean,
        buffer: *mut u8, room: CFIndex, used: *mut CFIndex
    ) -> CFIndex {
        let text = text(string);
        let units = index(text.encode_utf16().count());
        demand(
            range.location == 0 && range.length == units && encoding == UTF8,
            "this simulation copies whole strings in UTF-8",
        );
        let room = usize::try_from(room).unwrap_or(0);
        let (mut copied, mut converted) = (0, 0);
        for character in text.chars() {
            if copied + character.len_utf8() > room {
                break;
            }
            copied += character.len_utf8();
            converted += character.len_utf16();
        }
        // SAFETY: room for as many bytes as are said, and for a number.
        unsafe {
            buffer.copy_from_nonoverlapping(text.as_ptr(), copied);
            used.write(index(copied));
        }
        index(converted)
    }

    fn CFArrayGetCount(array: CFArrayRef) -> CFIndex {
        match value(array) {
            Value::Array(elements) => index(elements.len()),
            Value::Presets(presets) => index(presets.len()),
            _ => 0,
        }
    }

    fn CFArrayGetValueAtIndex(array: CFArrayRef, at: CFIndex) -> *const c_void {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let found = match value(array) {
            Value::Array(elements) => elements.get(at).copied(),
            Value::Presets(presets) => presets.get(at).map(|preset| std::ptr::from_ref(preset).cast()),
            _ => None,
        };
        demand(found.is_some(), "stay below an array's count");
        found.unwrap_or(std::ptr::null())
    }

    fn CFDictionaryGetValue(dictionary: CFDictionaryRef, key: *const c_void) -> *const c_void {
        entry(dictionary, text(key)).unwrap_or(std::ptr::null())
    }

    fn CFNumberGetValue(number: CFTypeRef, kind: CFIndex, into: *mut c_void) -> Boolean {
        demand(kind == NUMBER_I32, "this simulation has 32-bit numbers only");
        let Value::Number(number) = value(number) else { return 0 };
        #[allow(clippy::cast_possible_truncation, reason = "as the original does")]
        let cut = *number as i32;
        // SAFETY: room for a number of the kind.
        unsafe { into.cast::<i32>().write(cut) };
        Boolean::from(i64::from(cut) == *number)
    }

    fn CFDataCreate(_allocator: CFTypeRef, data: *const u8, length: CFIndex) -> CFDataRef {
        // SAFETY: as many bytes as are said.
        make(Value::Data(unsafe { bytes(data, length) }.to_vec()))
    }

    fn CFDataGetLength(data: CFDataRef) -> CFIndex {
        match value(data) {
            Value::Data(bytes) => index(bytes.len()),
            _ => 0,
        }
    }

    fn CFDataGetBytePtr(data: CFDataRef) -> *const u8 {
        match value(data) {
            Value::Data(bytes) => bytes.as_ptr(),
            _ => std::ptr::null(),
        }
    }

    fn CFPropertyListCreateData(
        _allocator: CFTypeRef, list: CFTypeRef, format: CFIndex, _options: usize,
        _error: *mut CFTypeRef
    ) -> CFDataRef {
        demand(format == PLIST_XML, "this simulation writes XML only");
        make(Value::Data(plist::write(list).into_bytes()))
    }

    fn CFPropertyListCreateWithData(
        _allocator: CFTypeRef, data: CFDataRef, _options: usize, _format: *mut CFIndex,
        _error: *mut CFTypeRef
    ) -> CFTypeRef {
        let Value::Data(bytes) = value(data) else { return std::ptr::null() };
        std::str::from_utf8(bytes).ok().and_then(plist::read).unwrap_or(std::ptr::null())
    }
}
