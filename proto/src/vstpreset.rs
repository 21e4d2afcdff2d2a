//! `.vstpreset` files: the container of a VST3 plugin's state.
//!
//! A header (`VST3`, a version, the class id as 32 characters, where the list is), the chunks, and
//! a list that says where each lies: `Comp` is the processor's state, `Cont` the controller's.
//! All numbers are little-endian. What comes from outside is read with every bound checked.
//!
//! ```
//! use plugpen_proto::vstpreset::VstPreset;
//!
//! let preset = VstPreset {
//!     class_id: "56535444474E4D617374657220426964".into(),
//!     component_state: Some(b"processor".to_vec()),
//!     controller_state: None,
//! };
//! assert_eq!(VstPreset::read(&preset.write().unwrap()).unwrap(), preset);
//! ```

use crate::Error;

/// First bytes of a file.
const MAGIC: &[u8; 4] = b"VST3";
/// First bytes of the list of chunks.
const LIST: &[u8; 4] = b"List";
const COMPONENT: &[u8; 4] = b"Comp";
const CONTROLLER: &[u8; 4] = b"Cont";
/// The only version there is.
const VERSION: i32 = 1;
/// Characters of a class id.
pub const CLASS_ID: usize = 32;
/// Bytes before the first chunk.
const HEADER: usize = 4 + 4 + CLASS_ID + 8;
/// Bytes of a list's entry: id, offset, size.
const ENTRY: usize = 4 + 8 + 8;
/// Most chunks a list may name, as in the reference implementation.
const MAX_ENTRIES: i32 = 128;

/// A preset's content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VstPreset {
    /// The processor class it belongs to: 32 printable ASCII characters, usually hex digits.
    pub class_id: String,
    /// The processor's state, where the file has one.
    pub component_state: Option<Vec<u8>>,
    /// The controller's state, where the file has one.
    pub controller_state: Option<Vec<u8>>,
}

impl VstPreset {
    /// Whether bytes begin like a preset.
    pub fn is_one(data: &[u8]) -> bool {
        data.starts_with(MAGIC)
    }

    /// Reads a preset. Chunks of other kinds are passed over; of two of a kind the first counts.
    ///
    /// # Errors
    /// Too short, a wrong magic or version, a class id that cannot be printed, or a list or chunk
    /// beyond the end.
    pub fn read(data: &[u8]) -> Result<Self, Error> {
        if data.len() < HEADER {
            return Err(bad(format!(
                "it has {} bytes; the header alone takes {HEADER}",
                data.len()
            )));
        }
        if !Self::is_one(data) {
            return Err(bad("it does not begin with VST3"));
        }
        let version = i32::from_le_bytes(array(data, 4)?);
        if version != VERSION {
            return Err(bad(format!("it has version {version}; known is {VERSION}")));
        }
        let id = bytes(data, 8, CLASS_ID)?;
        if !id.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Err(bad("its class id is not printable ASCII"));
        }
        let list = position(data, 8 + CLASS_ID, "the list of chunks")?;
        if bytes(data, list, 4)? != LIST {
            return Err(bad("its list of chunks does not begin with List"));
        }
        let count = i32::from_le_bytes(array(data, list + 4)?);
        if !(0..=MAX_ENTRIES).contains(&count) {
            return Err(bad(format!(
                "it lists {count} chunks; up to {MAX_ENTRIES} are possible"
            )));
        }
        let mut preset = Self {
            class_id: String::from_utf8_lossy(id).into_owned(),
            ..Self::default()
        };
        for entry in 0..usize::try_from(count).unwrap_or(0) {
            let at = list + 8 + entry * ENTRY;
            let kind: [u8; 4] = array(data, at)?;
            let start = position(data, at + 4, "a chunk")?;
            let size = position(data, at + 12, "a chunk's end")?;
            let chunk = bytes(data, start, size)?;
            let place = match &kind {
                COMPONENT => &mut preset.component_state,
                CONTROLLER => &mut preset.controller_state,
                _ => continue,
            };
            place.get_or_insert_with(|| chunk.to_vec());
        }
        Ok(preset)
    }

    /// The preset as a file's bytes.
    ///
    /// # Errors
    /// The class id is not 32 printable ASCII characters.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let id = self.class_id.as_bytes();
        if id.len() != CLASS_ID || !id.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Err(Error::invalid(format!(
                "a class id has {CLASS_ID} printable ASCII characters, got {:?}",
                self.class_id
            )));
        }
        let chunks = [
            (COMPONENT, &self.component_state),
            (CONTROLLER, &self.controller_state),
        ];
        let chunks: Vec<_> = chunks
            .into_iter()
            .filter_map(|(kind, chunk)| Some((kind, chunk.as_deref()?)))
            .collect();
        let content: usize = chunks.iter().map(|(_, chunk)| chunk.len()).sum();
        let mut file = Vec::with_capacity(HEADER + content + 8 + chunks.len() * ENTRY);
        file.extend(MAGIC);
        file.extend(VERSION.to_le_bytes());
        file.extend(id);
        file.extend(number(HEADER + content));
        for (_, chunk) in &chunks {
            file.extend(*chunk);
        }
        file.extend(LIST);
        file.extend(i32::try_from(chunks.len()).unwrap_or(0).to_le_bytes());
        let mut start = HEADER;
        for (kind, chunk) in &chunks {
            file.extend(*kind);
            file.extend(number(start));
            file.extend(number(chunk.len()));
            start += chunk.len();
        }
        Ok(file)
    }
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("not a .vstpreset file: {why}"))
}

/// A length as the file has it. No slice is longer than `i64::MAX` bytes.
fn number(length: usize) -> [u8; 8] {
    i64::try_from(length).unwrap_or(i64::MAX).to_le_bytes()
}

fn bytes(data: &[u8], start: usize, count: usize) -> Result<&[u8], Error> {
    let end = start.checked_add(count);
    end.and_then(|end| data.get(start..end)).ok_or_else(|| {
        bad(format!(
            "{count} bytes at {start} lie beyond its end at {}",
            data.len()
        ))
    })
}

fn array<const N: usize>(data: &[u8], start: usize) -> Result<[u8; N], Error> {
    let mut array = [0; N];
    array.copy_from_slice(bytes(data, start, N)?);
    Ok(array)
}

/// Reads an offset or a size; both lie within the file.
fn position(data: &[u8], at: usize, of: &str) -> Result<usize, Error> {
    let number = i64::from_le_bytes(array(data, at)?);
    usize::try_from(number)
        .ok()
        .filter(|position| *position <= data.len())
        .ok_or_else(|| {
            bad(format!(
                "{of} would be at {number}, beyond its end at {}",
                data.len()
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "56535444474E4D617374657220426964";

    fn preset() -> VstPreset {
        VstPreset {
            class_id: ID.into(),
            component_state: Some(vec![1, 2, 3]),
            controller_state: Some(Vec::new()),
        }
    }

    #[test]
    fn the_layout_is_steinberg_s() {
        let file = preset().write().unwrap();
        assert_eq!(&file[..8], b"VST3\x01\0\0\0");
        assert_eq!(&file[8..40], ID.as_bytes());
        assert_eq!(file[40..48], 51i64.to_le_bytes());
        assert_eq!(&file[48..51], [1, 2, 3]);
        assert_eq!(&file[51..59], b"List\x02\0\0\0");
        assert_eq!(&file[59..63], b"Comp");
        assert_eq!(file[63..71], 48i64.to_le_bytes());
        assert_eq!(file[71..79], 3i64.to_le_bytes());
        assert_eq!(file.len(), 51 + 8 + 40);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let whole = preset().write().unwrap();
        let with = |at: usize, bytes: &[u8]| {
            let mut file = whole.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            file
        };
        for (file, part) in [
            (whole[..47].to_vec(), "the header alone"),
            (with(0, b"X"), "begin with VST3"),
            (with(4, &[2]), "version 2"),
            (with(9, &[7]), "printable"),
            (with(40, &(-1i64).to_le_bytes()), "at -1"),
            (with(40, &i64::MAX.to_le_bytes()), "beyond its end"),
            (with(40, &99i64.to_le_bytes()), "beyond its end"),
            (with(51, b"Lost"), "begin with List"),
            (with(55, &129i32.to_le_bytes()), "129 chunks"),
            (with(55, &(-1i32).to_le_bytes()), "-1 chunks"),
            (with(55, &[3]), "beyond its end"),
            (with(71, &[200]), "beyond its end"),
            (with(71, &[60]), "beyond its end"),
        ] {
            let error = VstPreset::read(&file).unwrap_err();
            assert!(error.message.contains(part), "{part}: {error}");
        }
        let unnamed = VstPreset {
            class_id: "short".into(),
            ..preset()
        };
        assert!(unnamed.write().is_err());
    }

    #[test]
    fn other_chunks_are_passed_over_and_the_first_counts() {
        let mut file = preset().write().unwrap();
        let second = file.len() - 20;
        file[second..second + 4].copy_from_slice(b"Comp");
        let read = VstPreset::read(&file).unwrap();
        assert_eq!(read.component_state.as_deref(), Some(&[1, 2, 3][..]));
        assert_eq!(read.controller_state, None);
        file[second..second + 4].copy_from_slice(b"Info");
        assert_eq!(VstPreset::read(&file).unwrap().controller_state, None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            class_id in "[ -~]{32}",
            component_state: Option<Vec<u8>>,
            controller_state: Option<Vec<u8>>,
        ) {
            let preset = VstPreset { class_id, component_state, controller_state };
            prop_assert_eq!(VstPreset::read(&preset.write().unwrap()).unwrap(), preset);
        }

        #[test]
        fn no_bytes_do_harm(mut data: Vec<u8>, at in 0usize..99, byte: u8) {
            let _ = VstPreset::read(&data);
            let mut file = preset().write().unwrap();
            file[at] = byte;
            let _ = VstPreset::read(&file);
            file.truncate(at);
            prop_assert!(VstPreset::read(&file).is_err());
            data.splice(0..0, *b"VST3\x01\0\0\0");
            let _ = VstPreset::read(&data);
        }
    }
}
