//! Files of VST2 plugins: `.fxp`, one program, and `.fxb`, a bank of them.
//!
//! All four kinds are read and written: parameters as a list (`FxCk`, `FxBk`) or as the plugin's
//! own chunk (`FPCh`, `FBCh`); banks of both versions. Numbers are big-endian. Nothing in a file
//! is trusted: every length is checked against what is there.

use crate::Error;
use crate::limits::{MAX_PARAMETERS, MAX_STATE};

const MAGIC: &[u8; 4] = b"CcnK";
const PROGRAM_LIST: &[u8; 4] = b"FxCk";
const PROGRAM_CHUNK: &[u8; 4] = b"FPCh";
const BANK_LIST: &[u8; 4] = b"FxBk";
const BANK_CHUNK: &[u8; 4] = b"FBCh";
/// Bytes of a program's name, a zero at the end included.
const NAME: usize = 28;
/// Bytes between a bank's count of programs and its content.
const BANK_FUTURE: usize = 128;
/// Most programs of a bank. The most met in a real plugin is 3,584.
const MAX_PROGRAMS: u32 = 65_536;

/// What a program or a bank holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content<T> {
    /// Values that any host can read.
    List(T),
    /// Bytes that only the plugin can read.
    Chunk(Vec<u8>),
}

/// One program, the content of a `.fxp` file.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// The plugin's own number.
    pub plugin_id: u32,
    /// The plugin's version.
    pub plugin_version: u32,
    /// Name, cut to 27 bytes where it is written.
    pub name: String,
    /// Number of parameters that is written beside a chunk; a list has its own length.
    pub num_parameters: u32,
    /// Values from 0 to 1, or a chunk.
    pub content: Content<Vec<f32>>,
}

/// A bank of programs, the content of a `.fxb` file.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    /// The plugin's own number.
    pub plugin_id: u32,
    /// The plugin's version.
    pub plugin_version: u32,
    /// Number of programs that is written beside a chunk; a list has its own length.
    pub num_programs: u32,
    /// The current program; banks of version 1 have 0.
    pub current_program: u32,
    /// All programs, or a chunk.
    pub content: Content<Vec<Program>>,
}

/// What some bytes are.
#[derive(Debug, Clone, PartialEq)]
pub enum File {
    /// A `.fxp`.
    Program(Program),
    /// A `.fxb`.
    Bank(Bank),
}

/// Whether bytes claim to be one of the four kinds; they may still be broken.
pub fn is_container(data: &[u8]) -> bool {
    data.starts_with(MAGIC)
        && [PROGRAM_LIST, PROGRAM_CHUNK, BANK_LIST, BANK_CHUNK]
            .iter()
            .any(|kind| data.get(8..12) == Some(kind.as_slice()))
}

impl File {
    /// Reads a program or a bank. Bytes behind it are ignored, as other hosts do.
    ///
    /// # Errors
    /// Not such a file, or one that is broken.
    pub fn read(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader { data };
        match data.get(8..12) {
            Some(kind) if kind == PROGRAM_LIST || kind == PROGRAM_CHUNK => {
                reader.program().map(File::Program)
            }
            Some(kind) if kind == BANK_LIST || kind == BANK_CHUNK => reader.bank().map(File::Bank),
            _ => Err(broken("it has none of the kinds FxCk, FPCh, FxBk, FBCh")),
        }
    }
}

impl Program {
    /// The bytes of a `.fxp` file.
    ///
    /// # Errors
    /// Above the largest state.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.write_to(&mut out)?;
        Ok(out)
    }

    fn write_to(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        let (kind, count) = match &self.content {
            Content::List(values) => (PROGRAM_LIST, length(values.len())?),
            Content::Chunk(_) => (PROGRAM_CHUNK, self.num_parameters),
        };
        head(out, kind, 1);
        for number in [self.plugin_id, self.plugin_version, count] {
            out.extend(number.to_be_bytes());
        }
        let mut name = [0; NAME];
        let mut end = self.name.len().min(NAME - 1);
        while !self.name.is_char_boundary(end) {
            end -= 1;
        }
        name[..end].copy_from_slice(&self.name.as_bytes()[..end]);
        out.extend(name);
        match &self.content {
            Content::List(values) => {
                out.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            }
            Content::Chunk(chunk) => put_chunk(out, chunk)?,
        }
        close(out, start)
    }
}

impl Bank {
    /// The bytes of a `.fxb` file, version 2.
    ///
    /// # Errors
    /// Above the largest state.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let (kind, count) = match &self.content {
            Content::List(programs) => (BANK_LIST, length(programs.len())?),
            Content::Chunk(_) => (BANK_CHUNK, self.num_programs),
        };
        head(&mut out, kind, 2);
        for number in [
            self.plugin_id,
            self.plugin_version,
            count,
            self.current_program,
        ] {
            out.extend(number.to_be_bytes());
        }
        out.extend([0; BANK_FUTURE - 4]);
        match &self.content {
            Content::List(programs) => {
                for program in programs {
                    program.write_to(&mut out)?;
                }
            }
            Content::Chunk(chunk) => put_chunk(&mut out, chunk)?,
        }
        close(&mut out, 0)?;
        Ok(out)
    }
}

fn head(out: &mut Vec<u8>, kind: &[u8; 4], version: u32) {
    out.extend(MAGIC);
    // The size, known at the end.
    out.extend([0; 4]);
    out.extend(kind);
    out.extend(version.to_be_bytes());
}

/// Writes the size of what began at `start`; magic and size are not counted.
fn close(out: &mut [u8], start: usize) -> Result<(), Error> {
    let size = length(out.len() - start - 8)?;
    out[start + 4..start + 8].copy_from_slice(&size.to_be_bytes());
    Ok(())
}

fn put_chunk(out: &mut Vec<u8>, chunk: &[u8]) -> Result<(), Error> {
    out.extend(length(chunk.len())?.to_be_bytes());
    out.extend(chunk);
    Ok(())
}

fn length(bytes: usize) -> Result<u32, Error> {
    match u32::try_from(bytes) {
        Ok(length) if bytes <= MAX_STATE => Ok(length),
        _ => Err(Error::new(
            crate::v1::ErrorReason::LimitReached,
            format!("a bank or program of {bytes} bytes; plugpen carries up to {MAX_STATE}"),
        )),
    }
}

fn broken(what: &str) -> Error {
    Error::invalid(format!(
        "not a VST2 program (.fxp) or bank (.fxb): {what}; give the bytes of such a file, whole"
    ))
}

/// What is left to read.
struct Reader<'a> {
    data: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let Some((taken, rest)) = self.data.split_at_checked(count) else {
            return Err(broken("it ends too early"));
        };
        self.data = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Error> {
        let bytes = self.bytes(4)?;
        let mut number = [0; 4];
        number.copy_from_slice(bytes);
        Ok(u32::from_be_bytes(number))
    }

    fn count(&mut self, what: &str, most: u32) -> Result<usize, Error> {
        let count = self.number()?;
        match usize::try_from(count) {
            Ok(all) if count <= most => Ok(all),
            _ => Err(broken(&format!("it claims to have {count} {what}"))),
        }
    }

    /// Magic, size and kind; the size is not needed and wrong in files of some hosts.
    fn kind(&mut self) -> Result<&'a [u8], Error> {
        if self.bytes(4)? != MAGIC {
            return Err(broken("it does not begin with CcnK"));
        }
        self.number()?;
        self.bytes(4)
    }

    fn chunk(&mut self) -> Result<Vec<u8>, Error> {
        let size = self.number()?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(self.bytes(size)?.to_vec())
    }

    fn program(&mut self) -> Result<Program, Error> {
        let kind = self.kind()?;
        self.number()?;
        let plugin_id = self.number()?;
        let plugin_version = self.number()?;
        let count = self.count("parameters", MAX_PARAMETERS)?;
        let name = self.bytes(NAME)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(NAME);
        let name = String::from_utf8_lossy(&name[..end]).into_owned();
        let content = if kind == PROGRAM_LIST {
            let values = self.bytes(count * 4)?.chunks_exact(4);
            Content::List(
                values
                    .map(|four| f32::from_be_bytes([four[0], four[1], four[2], four[3]]))
                    .collect(),
            )
        } else if kind == PROGRAM_CHUNK {
            Content::Chunk(self.chunk()?)
        } else {
            return Err(broken("a program in it has another kind"));
        };
        Ok(Program {
            plugin_id,
            plugin_version,
            name,
            num_parameters: u32::try_from(count).unwrap_or(u32::MAX),
            content,
        })
    }

    fn bank(&mut self) -> Result<Bank, Error> {
        let kind = self.kind()?;
        let version = self.number()?;
        let plugin_id = self.number()?;
        let plugin_version = self.number()?;
        let count = self.count("programs", MAX_PROGRAMS)?;
        let future = self.bytes(BANK_FUTURE)?;
        let mut current = [0; 4];
        current.copy_from_slice(&future[..4]);
        let content = if kind == BANK_LIST {
            let mut programs = Vec::new();
            for _ in 0..count {
                programs.push(self.program()?);
            }
            Content::List(programs)
        } else {
            Content::Chunk(self.chunk()?)
        };
        Ok(Bank {
            plugin_id,
            plugin_version,
            num_programs: u32::try_from(count).unwrap_or(u32::MAX),
            current_program: match version {
                0 | 1 => 0,
                _ => u32::from_be_bytes(current),
            },
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn program(content: Content<Vec<f32>>) -> Program {
        let num_parameters = match &content {
            Content::List(values) => u32::try_from(values.len()).unwrap(),
            Content::Chunk(_) => 7,
        };
        Program {
            plugin_id: u32::from_be_bytes(*b"Test"),
            plugin_version: 3,
            name: "Init".into(),
            num_parameters,
            content,
        }
    }

    fn bank(content: Content<Vec<Program>>) -> Bank {
        let num_programs = match &content {
            Content::List(programs) => u32::try_from(programs.len()).unwrap(),
            Content::Chunk(_) => 128,
        };
        Bank {
            plugin_id: 1,
            plugin_version: 2,
            num_programs,
            current_program: 5,
            content,
        }
    }

    #[test]
    fn bytes_are_the_format_s() {
        let written = program(Content::List(vec![0.5, 1.0])).write().unwrap();
        let mut expected = b"CcnK\0\0\0\x38FxCk\0\0\0\x01Test\0\0\0\x03\0\0\0\x02Init".to_vec();
        expected.extend([0; 24]);
        expected.extend([0x3f, 0, 0, 0, 0x3f, 0x80, 0, 0]);
        // 8 bytes of head, then 4 numbers and a kind, the name and 2 values.
        expected[7] = 20 + 28 + 8;
        assert_eq!(written, expected);
        let written = bank(Content::Chunk(vec![9, 8])).write().unwrap();
        assert_eq!(written.len(), 160 + 2);
        assert_eq!(written[4..12], *b"\0\0\0\x9aFBCh");
        assert_eq!(written[156..], [0, 0, 0, 2, 9, 8]);
    }

    #[test]
    fn old_banks_have_no_current_program() {
        let mut bytes = bank(Content::Chunk(vec![1])).write().unwrap();
        bytes[15] = 1;
        let Ok(File::Bank(read)) = File::read(&bytes) else {
            panic!("not a bank");
        };
        assert_eq!(read.current_program, 0);
    }

    #[test]
    fn what_is_broken_says_how() {
        let whole = program(Content::Chunk(vec![1, 2, 3])).write().unwrap();
        for (bytes, part) in [
            (&b""[..], "none of the kinds"),
            (b"CcnK\0\0\0\0????", "none of the kinds"),
            (&whole[..whole.len() - 1], "ends too early"),
        ] {
            let error = File::read(bytes).unwrap_err();
            assert!(error.message.contains(part), "{error}");
        }
        let mut lying = whole;
        lying[24..28].copy_from_slice(&u32::MAX.to_be_bytes());
        let error = File::read(&lying).unwrap_err();
        assert!(error.message.contains("4294967295 parameters"), "{error}");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let long = Program {
            name: "ä".repeat(20),
            ..program(Content::List(Vec::new()))
        };
        let Ok(File::Program(read)) = File::read(&long.write().unwrap()) else {
            panic!("not a program");
        };
        assert_eq!(read.name, "ä".repeat(13));
    }

    fn some_program() -> impl Strategy<Value = Program> {
        let name = "[ -~]{0,27}";
        let content = prop_oneof![
            prop::collection::vec(0.0f32..=1.0, 0..20).prop_map(Content::List),
            prop::collection::vec(any::<u8>(), 0..200).prop_map(Content::Chunk),
        ];
        (any::<u32>(), any::<u32>(), name, content).prop_map(|(id, version, name, content)| {
            Program {
                plugin_id: id,
                plugin_version: version,
                name,
                ..program(content)
            }
        })
    }

    proptest! {
        #[test]
        fn programs_come_back(program in some_program()) {
            let bytes = program.write().unwrap();
            prop_assert!(is_container(&bytes));
            prop_assert_eq!(File::read(&bytes), Ok(File::Program(program)));
        }

        #[test]
        fn banks_come_back(programs in prop::collection::vec(some_program(), 0..6), chunk: bool) {
            let content = match chunk {
                true => Content::Chunk(vec![7; programs.len()]),
                false => Content::List(programs),
            };
            let bank = bank(content);
            prop_assert_eq!(File::read(&bank.write().unwrap()), Ok(File::Bank(bank)));
        }

        #[test]
        fn hostile_bytes_are_refused_or_read(
            programs in prop::collection::vec(some_program(), 1..4),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            cut: prop::sample::Index,
        ) {
            let mut bytes = bank(Content::List(programs)).write().unwrap();
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            let _ = File::read(&bytes);
        }

        #[test]
        fn noise_is_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = File::read(&bytes);
        }
    }
}
