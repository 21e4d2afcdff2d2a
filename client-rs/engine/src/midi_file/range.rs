//! Checks of what a caller puts into a MIDI file.

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

/// Greatest tick an event can be added at.
pub const MAX_TICK: i64 = i32::MAX as i64;
/// Greatest number of microseconds a quarter note, 24 bits.
pub const MAX_US_PER_QUARTER: u32 = 0x00FF_FFFF;

fn within(what: &str, value: i64, low: i64, high: i64) -> Result<i64, Error> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(Error::invalid(format!(
        "{what} must be in [{low}, {high}], got {value}"
    )))
}

pub fn tick(value: i64) -> Result<i64, Error> {
    within("tick", value, 0, MAX_TICK)
}

/// Low bits of a value that was checked to fit.
fn byte(value: i64) -> u8 {
    value.to_le_bytes()[0]
}

pub fn channel(value: i64) -> Result<u8, Error> {
    within("channel", value, 0, 15).map(byte)
}

pub fn seven_bits(what: &str, value: i64) -> Result<u8, Error> {
    within(what, value, 0, 127).map(byte)
}

pub fn pitch_bend(value: i64) -> Result<u16, Error> {
    let [low, high, ..] = within("value", value, 0, 16383)?.to_le_bytes();
    Ok(u16::from_le_bytes([low, high]))
}

pub fn ticks_per_quarter(value: i64) -> Result<u16, Error> {
    let [low, high, ..] = within("ticks_per_quarter", value, 1, 32767)?.to_le_bytes();
    Ok(u16::from_le_bytes([low, high]))
}

/// Microseconds a quarter note of a tempo, as a file stores it.
pub fn tempo(bpm: f64) -> Result<u32, Error> {
    if !(bpm.is_finite() && bpm > 0.0) {
        return Err(Error::invalid(format!(
            "bpm must be a finite number greater than 0, got {bpm}"
        )));
    }
    let us = (60_000_000.0 / bpm).round();
    if !(1.0..=f64::from(MAX_US_PER_QUARTER)).contains(&us) {
        return Err(Error::invalid(format!(
            "bpm must be in [3.58, 60000000], got {bpm}: a MIDI file stores 1 to {MAX_US_PER_QUARTER} microseconds a quarter note"
        )));
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number of 24 bits, checked above"
    )]
    Ok(us as u32)
}

/// What follows the `F0` of a whole SysEx message.
pub fn sysex(message: &[u8]) -> Result<&[u8], Error> {
    match message {
        [0xF0, data @ ..] if matches!(data, [body @ .., 0xF7] if body.iter().all(|byte| *byte < 0x80)) => {
            Ok(data)
        }
        _ => Err(Error::invalid(format!(
            "a SysEx message begins with 240 (0xF0), ends with 247 (0xF7) and has bytes of 0 to \
             127 between, got {} bytes of another form",
            message.len()
        ))),
    }
}

/// The index of a track to add to.
pub fn track(index: i64, count: usize) -> Result<usize, Error> {
    usize::try_from(index)
        .ok()
        .filter(|index| *index < count)
        .ok_or_else(|| {
            Error::new(
                ErrorReason::IndexOutOfRange,
                format!("track {index} out of range [0, {count})"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_range_and_the_value() {
        let cases = [
            (
                channel(16).unwrap_err(),
                "channel must be in [0, 15], got 16",
            ),
            (
                tick(-1).unwrap_err(),
                "tick must be in [0, 2147483647], got -1",
            ),
            (
                seven_bits("velocity", 128).unwrap_err(),
                "velocity must be in [0, 127], got 128",
            ),
            (
                pitch_bend(16384).unwrap_err(),
                "value must be in [0, 16383], got 16384",
            ),
            (
                ticks_per_quarter(0).unwrap_err(),
                "ticks_per_quarter must be in [1, 32767], got 0",
            ),
            (
                tempo(f64::NAN).unwrap_err(),
                "bpm must be a finite number greater than 0, got NaN",
            ),
            (track(5, 1).unwrap_err(), "track 5 out of range [0, 1)"),
        ];
        for (error, message) in cases {
            assert_eq!(error.message, message);
        }
        assert_eq!(
            track(5, 1).unwrap_err().reason,
            ErrorReason::IndexOutOfRange
        );
        assert_eq!(channel(1).unwrap(), 1);
        assert_eq!(pitch_bend(16383).unwrap(), 16383);
        assert_eq!(tempo(120.0).unwrap(), 500_000);
        assert!(tempo(3.5).is_err() && tempo(1e-9).is_err() && tempo(1e9).is_err());
    }
}
