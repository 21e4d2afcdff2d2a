//! Strings of plugins: read bounded, decoded lossily.

use std::ffi::{CStr, c_char};

use plugpen_proto::limits::{MAX_STATE, MAX_TEXT};

/// Room for a string that a plugin writes, in UTF-16 units; it is told of 128. Plugins miscount.
pub const ROOM: usize = 1024;

/// A field of bytes, up to its first zero.
pub fn bytes(field: &[c_char]) -> String {
    let bytes: Vec<u8> = field
        .iter()
        .map(|byte| u8::from_ne_bytes(byte.to_ne_bytes()))
        .take_while(|byte| *byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// A field of UTF-16 units, up to its first zero.
pub fn wide(field: &[u16]) -> String {
    let end = field.iter().position(|unit| *unit == 0);
    let mut text = String::from_utf16_lossy(&field[..end.unwrap_or(field.len())]);
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// As [`wide`], for fields that some plugins (LSP 1.2) fill with the bytes of each unit swapped:
/// Latin text then has its characters in the upper halves.
pub fn wide_either_way(field: &[u16]) -> String {
    let mut used = field.iter().take_while(|unit| **unit != 0).peekable();
    let swapped = used.peek().is_some() && used.all(|unit| unit.to_le_bytes()[0] == 0);
    if swapped {
        let turned: Vec<u16> = field.iter().map(|unit| unit.swap_bytes()).collect();
        wide(&turned).trim().to_owned()
    } else {
        wide(field).trim().to_owned()
    }
}

/// UTF-16 with a zero at its end, for a plugin.
pub fn to_wide(text: &str) -> Vec<u16> {
    let units = text.encode_utf16().filter(|unit| *unit != 0);
    units.take(MAX_TEXT).chain([0]).collect()
}

/// The bytes of a C string of a plugin, at most 1,024; `None` for a null pointer or a longer one.
///
/// # Safety
/// Null, or readable up to its zero or for 1,024 bytes.
pub unsafe fn c_string(pointer: *const c_char) -> Option<Vec<u8>> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller's promise; nothing behind the zero is read.
    let length = unsafe { libc::strnlen(pointer, ROOM) };
    if length == ROOM {
        return None;
    }
    // SAFETY: the zero was found on the lines above.
    Some(unsafe { CStr::from_ptr(pointer) }.to_bytes().to_vec())
}

/// The units of a UTF-16 string of a plugin up to its zero; `None` for a null pointer, or one that
/// takes more bytes than a state may. Some plugins send all they have as one string.
///
/// # Safety
/// Null, or readable up to its zero or for that many bytes.
pub unsafe fn wide_string(pointer: *const u16) -> Option<Vec<u16>> {
    if pointer.is_null() {
        return None;
    }
    let mut units = Vec::new();
    while units.len() < MAX_STATE / size_of::<u16>() {
        // SAFETY: the caller's promise: no zero has been met yet.
        match unsafe { pointer.add(units.len()).read_unaligned() } {
            0 => return Some(units),
            unit => units.push(unit),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_at_their_zero_or_at_their_end() {
        assert_eq!(wide(&[0x48, 0x69, 0, 0x21]), "Hi");
        assert_eq!(wide(&[0x48; 4]), "HHHH");
        assert_eq!(wide(&[0xd800]), "\u{fffd}");
        assert_eq!(
            bytes(&[0x48, 0x69, 0, 0x21].map(|b: i32| c_char::try_from(b).unwrap())),
            "Hi"
        );
    }

    #[test]
    fn swapped_text_is_told_from_text() {
        let plain: Vec<u16> = "LSP Gäte".encode_utf16().chain([0]).collect();
        let swapped: Vec<u16> = plain.iter().map(|unit| unit.swap_bytes()).collect();
        assert_eq!(wide_either_way(&plain), "LSP Gäte");
        assert_eq!(wide_either_way(&swapped), "LSP Gäte");
        assert_eq!(wide_either_way(&[0; 4]), "");
        let japanese: Vec<u16> = "プラグイン".encode_utf16().collect();
        assert_eq!(wide_either_way(&japanese), "プラグイン");
    }

    #[test]
    fn pointers_are_read_with_a_bound() {
        let long = vec![c_char::try_from(65).unwrap(); 2 * ROOM];
        // SAFETY: null, literals, and a buffer longer than the bound.
        unsafe {
            assert_eq!(c_string(std::ptr::null()), None);
            assert_eq!(c_string(c"id".as_ptr()), Some(b"id".to_vec()));
            assert_eq!(c_string(long.as_ptr()), None);
            assert_eq!(wide_string(std::ptr::null()), None);
            assert_eq!(wide_string([0x41, 0].as_ptr()), Some(vec![0x41]));
        }
        assert_eq!(to_wide("a\0b"), [0x61, 0x62, 0]);
    }
}
