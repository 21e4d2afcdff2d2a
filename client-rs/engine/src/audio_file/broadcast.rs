//! What Broadcast Wave files say about themselves.

use plugpen_proto::Error;

/// Bytes of a `bext` chunk without its history.
const FIXED: usize = 602;
/// Longest history, in bytes.
const MAX_HISTORY: usize = 1 << 20;

/// The `bext` chunk of a Broadcast Wave file (EBU Tech 3285, version 1). All texts are ASCII.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BroadcastInfo {
    /// At most 256 characters.
    pub description: String,
    /// Who made it, at most 32 characters.
    pub originator: String,
    /// The originator's own name for it, at most 32 characters.
    pub originator_reference: String,
    /// `yyyy-mm-dd`, or nothing.
    pub origination_date: String,
    /// `hh:mm:ss`, or nothing.
    pub origination_time: String,
    /// The first frame, counted from midnight.
    pub time_reference: u64,
    /// How it was made, a line for each step.
    pub coding_history: String,
}

impl BroadcastInfo {
    /// The chunk's body.
    ///
    /// # Errors
    /// `InvalidInput` for a text that is too long, not ASCII, or no date or time.
    pub(super) fn chunk(&self) -> Result<Vec<u8>, Error> {
        let mut chunk = Vec::with_capacity(FIXED + self.coding_history.len());
        text(&mut chunk, "description", &self.description, 256)?;
        text(&mut chunk, "originator", &self.originator, 32)?;
        text(
            &mut chunk,
            "originator_reference",
            &self.originator_reference,
            32,
        )?;
        moment(
            &mut chunk,
            "origination_date",
            &self.origination_date,
            "yyyy-mm-dd",
        )?;
        moment(
            &mut chunk,
            "origination_time",
            &self.origination_time,
            "hh:mm:ss",
        )?;
        chunk.extend(self.time_reference.to_le_bytes());
        chunk.extend(1_u16.to_le_bytes());
        chunk.resize(FIXED, 0);
        ascii("coding_history", &self.coding_history, MAX_HISTORY)?;
        chunk.extend(self.coding_history.as_bytes());
        Ok(chunk)
    }
}

fn ascii(field: &str, value: &str, longest: usize) -> Result<(), Error> {
    if !value.is_ascii() || value.contains('\0') {
        return Err(Error::invalid(format!(
            "bwf: {field} must be ASCII, got {value:?}"
        )));
    }
    if value.len() > longest {
        return Err(Error::invalid(format!(
            "bwf: {field} may have {longest} characters, got {}",
            value.len()
        )));
    }
    Ok(())
}

fn text(chunk: &mut Vec<u8>, field: &str, value: &str, room: usize) -> Result<(), Error> {
    ascii(field, value, room)?;
    let end = chunk.len() + room;
    chunk.extend(value.as_bytes());
    chunk.resize(end, 0);
    Ok(())
}

/// Letters of the pattern stand for digits.
fn moment(chunk: &mut Vec<u8>, field: &str, value: &str, pattern: &str) -> Result<(), Error> {
    let fits = value.len() == pattern.len()
        && value.bytes().zip(pattern.bytes()).all(|(byte, pattern)| {
            match pattern.is_ascii_alphabetic() {
                true => byte.is_ascii_digit(),
                false => byte == pattern,
            }
        });
    if !fits && !value.is_empty() {
        return Err(Error::invalid(format!(
            "bwf: {field} must be '{pattern}', got {value:?}"
        )));
    }
    text(chunk, field, value, pattern.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_place() {
        let info = BroadcastInfo {
            description: "a hall".into(),
            originator: "plugpen".into(),
            originator_reference: "DE123".into(),
            origination_date: "2026-11-21".into(),
            origination_time: "18:04:37".into(),
            time_reference: 0x1_0000_0002,
            coding_history: "A=PCM,F=48000\r\n".into(),
        };
        let chunk = info.chunk().unwrap();
        assert_eq!(chunk.len(), 602 + 15);
        for (at, expected) in [
            (0, &b"a hall\0"[..]),
            (256, b"plugpen\0"),
            (288, b"DE123\0"),
            (320, b"2026-11-2118:04:37"),
            (338, &[2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]),
            (602, b"A=PCM"),
        ] {
            assert_eq!(&chunk[at..at + expected.len()], expected, "at {at}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |change: fn(&mut BroadcastInfo)| {
            let mut info = BroadcastInfo::default();
            change(&mut info);
            info.chunk().unwrap_err().message
        };
        for (change, message) in [
            (
                (|info| info.originator = "o".repeat(33)) as fn(&mut BroadcastInfo),
                "bwf: originator may have 32 characters, got 33",
            ),
            (
                |info| info.description = "Ж".into(),
                "bwf: description must be ASCII, got \"Ж\"",
            ),
            (
                |info| info.origination_date = "21.11.2026".into(),
                "bwf: origination_date must be 'yyyy-mm-dd', got \"21.11.2026\"",
            ),
            (
                |info| info.origination_time = "18:04".into(),
                "bwf: origination_time must be 'hh:mm:ss', got \"18:04\"",
            ),
        ] {
            assert_eq!(refused(change), message);
        }
        assert_eq!(BroadcastInfo::default().chunk().unwrap().len(), 602);
    }
}
