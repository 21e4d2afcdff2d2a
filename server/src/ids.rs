//! Random names and the time of day.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// `N` random bytes from the system.
///
/// # Errors
/// The system has no random source, which no working system lacks.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// `N` random bytes as hex digits.
///
/// # Errors
/// As [`random`].
pub fn random_hex<const N: usize>() -> io::Result<String> {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * N);
    for byte in random::<N>()? {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Milliseconds since the Unix epoch; 0 on a clock before it.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
