//! What the first process of a worker's namespaces tells the daemon of the worker, on a socket of
//! their own: a birth, with a descriptor of the process beside it, and an end.

/// Number of the socket's descriptor, agreed between warden and worker.
pub const DESCRIPTOR: i32 = 4;
/// The worker has been started.
pub const BIRTH: [u8; 1] = [b'b'];
/// Bytes of an end.
pub const END_BYTES: usize = 8;

/// An end: the exit code, and the signal that ended it or 0.
pub fn encode_end(code: i32, signal: i32) -> [u8; END_BYTES] {
    let mut bytes = [0; END_BYTES];
    bytes[..4].copy_from_slice(&code.to_ne_bytes());
    bytes[4..].copy_from_slice(&signal.to_ne_bytes());
    bytes
}

/// See [`encode_end`].
pub fn decode_end(bytes: [u8; END_BYTES]) -> (i32, i32) {
    let [a, b, c, d, e, f, g, h] = bytes;
    (
        i32::from_ne_bytes([a, b, c, d]),
        i32::from_ne_bytes([e, f, g, h]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_reads_back() {
        for end in [(3, 0), (0, 11), (0, 0), (-1, 9)] {
            assert_eq!(decode_end(encode_end(end.0, end.1)), end);
        }
    }
}
