//! Texts to and from a plugin.

use std::ffi::{CStr, c_char, c_void};

use super::abi;

/// A plugin's text, up to its end or the end of the room.
pub fn decode(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    let bytes = &bytes[..end.unwrap_or(bytes.len())];
    // Control characters are leftovers of some plugins' own buffers.
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Text of a structure.
pub fn decode_chars<const N: usize>(chars: &[c_char; N]) -> String {
    decode(&chars.map(|char| char.to_ne_bytes()[0]))
}

/// Text that a plugin passes, up to a bound; empty where there is none or no end to it.
///
/// # Safety
/// `pointer` is null or a C string that outlives the result.
pub unsafe fn read_text<'a>(pointer: *const c_void) -> &'a CStr {
    let pointer = pointer.cast::<c_char>();
    if pointer.is_null() {
        return c"";
    }
    // SAFETY: a C string, says the caller; looked at no further than its end or the bound.
    let length = unsafe { libc::strnlen(pointer, abi::TEXT) };
    if length == abi::TEXT {
        return c"";
    }
    // SAFETY: its end was found just now; it lives on, says the caller.
    unsafe { CStr::from_ptr(pointer) }
}

/// Gives a plugin a text of less than 64 bytes; what the call is answered with.
///
/// # Safety
/// `pointer` is null or has room for 64 bytes.
pub unsafe fn write_text(pointer: *mut c_void, text: &CStr) -> isize {
    if pointer.is_null() {
        return 0;
    }
    let bytes = text.to_bytes_with_nul();
    // SAFETY: there is room for 64 bytes, says the caller, and this is shorter.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer.cast(), bytes.len()) };
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_decoded_and_trimmed() {
        assert_eq!(decode(b" Gain \0junk"), "Gain");
        assert_eq!(decode(&[b'x'; 5]), "xxxxx");
        assert_eq!(decode(b"\xc4\x01\n!\0"), "\u{fffd}!");
    }
}
