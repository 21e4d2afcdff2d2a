//! Texts as VST3 wants them.

use std::ffi::c_char;

use vst3::Steinberg::Vst::TChar;

/// Fills a field of bytes, cut to fit.
pub fn narrow(text: &str, into: &mut [c_char]) {
    let last = into.len() - 1;
    into.fill(0);
    for (to, from) in into[..last].iter_mut().zip(text.bytes()) {
        *to = from.cast_signed();
    }
}

/// Fills a field of UTF-16, cut to fit.
pub fn wide(text: &str, into: &mut [TChar]) {
    let last = into.len() - 1;
    into.fill(0);
    for (to, from) in into[..last].iter_mut().zip(text.encode_utf16()) {
        *to = from;
    }
}

/// Reads UTF-16 up to its end.
///
/// # Safety
/// `text` is null or ends with a zero.
pub unsafe fn read(text: *const TChar) -> String {
    let mut units = Vec::new();
    // SAFETY: the caller's promise: no unit behind the zero is read.
    unsafe {
        while !text.is_null() && *text.add(units.len()) != 0 {
            units.push(*text.add(units.len()));
        }
    }
    String::from_utf16_lossy(&units)
}
