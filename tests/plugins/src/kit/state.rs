//! State as bytes, for formats that leave it to the plugin: a mark, the plain values, the rest.

use super::{Plugin, Values};

const MARK: &[u8; 4] = b"PPT1";

/// Everything of an instance.
pub fn save<P: Plugin>(plugin: &P, values: &Values) -> Vec<u8> {
    let mut bytes = MARK.to_vec();
    for value in values.iter() {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(plugin.save(values));
    bytes
}

/// Takes the values from what [`save`] gave, and returns the rest; `None`, and nothing taken, for
/// anything else.
pub fn restore_values<'a>(values: &Values, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let rest = bytes.strip_prefix(MARK)?;
    let (plain, rest) = rest.split_at_checked(values.iter().count() * 8)?;
    let plain = plain.chunks_exact(8).map(|eight| {
        let eight = eight.try_into().unwrap_or_default();
        f64::from_le_bytes(eight)
    });
    if !plain.clone().all(f64::is_finite) {
        return None;
    }
    for (index, value) in plain.enumerate() {
        values.set(index, value);
    }
    Some(rest)
}
