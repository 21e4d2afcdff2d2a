//! Class ids: how they are printed, read and hashed.

use std::ffi::c_char;

use vst3::Steinberg::TUID;

/// A class id, as the bytes a factory has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassId([u8; 16]);

impl ClassId {
    /// From a factory's bytes.
    pub fn new(id: &TUID) -> Self {
        Self(id.map(|byte| u8::from_ne_bytes(byte.to_ne_bytes())))
    }

    /// From 32 hex digits, as its `Display` writes them; `None` where a text is no id.
    pub fn parse(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok()?;
        (text.len() == 32 && !text.starts_with('+')).then(|| Self(number.to_be_bytes()))
    }

    /// For a factory.
    pub fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }

    /// minihost's `unique_id`: the 31-hash over the id as four big-endian numbers, as eight hex
    /// digits.
    pub fn unique_id(&self) -> String {
        let (words, _) = self.0.as_chunks::<4>();
        let hash = words.iter().fold(0u32, |hash, word| {
            hash.wrapping_mul(31)
                .wrapping_add(u32::from_be_bytes(*word))
        });
        format!("{hash:08X}")
    }
}

impl std::fmt::Display for ClassId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032X}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_hex_digits() {
        let text = "56535444474E4D617374657220426964";
        let id = ClassId::parse(text).unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(ClassId::parse(&text.to_lowercase()), Some(id));
        for junk in ["", "1", &text[1..], "+6535444474E4D617374657220426964"] {
            assert_eq!(ClassId::parse(junk), None, "{junk}");
        }
        let small = vst3::uid(0, 0, 1, 0x10);
        assert_eq!(ClassId::new(&small).unique_id(), "0000002F");
    }
}
