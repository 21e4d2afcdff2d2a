//! What /proc says of a process under trace.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// One mapping of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) readable: bool,
    pub(super) executable: bool,
    /// Into the file.
    pub(super) offset: u64,
    /// Empty where no file is mapped.
    pub(super) path: String,
}

impl Mapping {
    fn parse(line: &str) -> Option<Self> {
        // Addresses, rights, offset, device, inode; the path may have spaces in it.
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?.as_bytes();
        let offset = u64::from_str_radix(words.next()?, 16).ok()?;
        let path = words.nth(2).unwrap_or_default().trim_start();
        Some(Self {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            readable: rights.first() == Some(&b'r'),
            executable: rights.get(2) == Some(&b'x'),
            offset,
            path: path.to_owned(),
        })
    }
}

/// Bytes of the list of mappings that are read: some ten thousand of them.
const MAX_MAPS: u64 = 2 << 20;

/// The mappings, in order of their addresses.
#[derive(Debug, Default)]
pub(super) struct Maps {
    pub(super) text: String,
    pub(super) all: Vec<Mapping>,
}

impl Maps {
    pub(super) fn read(pid: i32) -> Self {
        let mut bytes = Vec::new();
        if let Ok(file) = File::open(format!("/proc/{pid}/maps")) {
            // What could be read counts.
            let _ =
                std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_MAPS), &mut bytes);
        }
        Self::parse(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn parse(text: String) -> Self {
        let all = text.lines().filter_map(Mapping::parse).collect();
        Self { text, all }
    }

    /// The mapping at an address.
    pub(super) fn at(&self, address: u64) -> Option<&Mapping> {
        let next = self.all.partition_point(|mapping| mapping.end <= address);
        self.all
            .get(next)
            .filter(|mapping| mapping.start <= address)
    }

    /// The readable mapping at an address, or the next above it.
    pub(super) fn from(&self, address: u64) -> Option<&Mapping> {
        let mut all = self.all.iter();
        all.find(|mapping| mapping.readable && mapping.end > address)
    }

    /// Files with code: path, first address and size.
    pub(super) fn modules(&self) -> Vec<(&str, u64, u64)> {
        let mut modules: Vec<(&str, u64, u64)> = Vec::new();
        let mut has_code = Vec::new();
        for mapping in &self.all {
            let is_file = mapping.path.starts_with('/') || mapping.path == "[vdso]";
            match modules.last_mut() {
                // The same file may be loaded twice.
                Some((path, base, size))
                    if *path == mapping.path && is_file && mapping.offset != 0 =>
                {
                    *size = mapping.end - *base;
                    if let Some(code) = has_code.last_mut() {
                        *code |= mapping.executable;
                    }
                }
                _ if is_file => {
                    modules.push((&mapping.path, mapping.start, mapping.end - mapping.start));
                    has_code.push(mapping.executable);
                }
                _ => {}
            }
        }
        let mut has_code = has_code.into_iter();
        modules.retain(|_| has_code.next() == Some(true));
        modules
    }

    /// File name and offset of an address of a module.
    pub(super) fn place(&self, address: u64) -> Option<(String, u64)> {
        let modules = self.modules();
        let (path, base, _) = modules
            .into_iter()
            .find(|(_, base, size)| (*base..base + size).contains(&address))?;
        let name = path.rsplit('/').next().unwrap_or(path);
        Some((name.to_owned(), address - base))
    }
}

/// The memory of a process that is stopped.
pub(super) struct Memory(Option<File>);

impl Memory {
    pub(super) fn of(pid: i32) -> Self {
        Self(File::open(format!("/proc/{pid}/mem")).ok())
    }

    /// Up to `length` bytes from an address; fewer where the rest is not mapped.
    pub(super) fn read(&self, address: u64, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let mut read = 0;
        while let Some(file) = &self.0
            && read < bytes.len()
        {
            match file.read_at(&mut bytes[read..], address.wrapping_add(read as u64)) {
                Ok(count) if count > 0 => read += count,
                _ => break,
            }
        }
        bytes.truncate(read);
        bytes
    }
}

/// The threads of a process.
pub(super) fn threads(pid: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let name = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.flatten().filter_map(name).collect()
}

/// A thread's name.
pub(super) fn thread_name(pid: i32, tid: i32) -> String {
    let name = fs::read(format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

/// What a thread does with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    Handled,
    Ignored,
    Default,
}

/// What a thread of this process does with a signal; `None` if it is another process's.
pub(super) fn disposition(pid: i32, tid: i32, signal: i32) -> Option<Disposition> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    disposition_in(&status, pid, signal)
}

fn disposition_in(status: &str, pid: i32, signal: i32) -> Option<Disposition> {
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    if value("Tgid:")?.parse() != Ok(pid) {
        return None;
    }
    let bit = u32::try_from(signal - 1)
        .ok()
        .and_then(|n| 1u64.checked_shl(n))?;
    let has = |name| {
        let set = value(name).and_then(|text| u64::from_str_radix(text, 16).ok());
        set.unwrap_or(0) & bit != 0
    };
    Some(if has("SigCgt:") {
        Disposition::Handled
    } else if has("SigIgn:") {
        Disposition::Ignored
    } else {
        Disposition::Default
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
1000-2000 r--p 00000000 08:01 7 /usr/lib/a b.so
2000-5000 r-xp 00001000 08:01 7 /usr/lib/a b.so
5000-6000 rw-p 00000000 00:00 0 
7000-8000 ---p 00000000 00:00 0 
8000-9000 rw-p 00000000 00:00 0 [stack]
a000-b000 r--p 00000000 08:01 9 /data/sample.wav
";

    #[test]
    fn mappings_are_found_by_address() {
        let maps = Maps::parse(MAPS.into());
        assert_eq!(maps.at(0x2fff).unwrap().start, 0x2000);
        assert_eq!(maps.at(0x6800), None);
        assert_eq!(maps.from(0x6800).unwrap().path, "[stack]");
        assert_eq!(maps.from(0x7800).unwrap().path, "[stack]");
        assert_eq!(maps.from(0xb000), None);
    }

    #[test]
    fn a_module_is_a_file_with_code() {
        let maps = Maps::parse(MAPS.into());
        assert_eq!(maps.modules(), [("/usr/lib/a b.so", 0x1000, 0x4000)]);
        assert_eq!(maps.place(0x2871), Some(("a b.so".into(), 0x1871)));
        assert_eq!(maps.place(0x8000), None);
    }

    #[test]
    fn a_handler_is_told_from_none() {
        let status =
            "Name:\tx\nTgid:\t7\nPid:\t9\nSigIgn:\t0000000000000400\nSigCgt:\t0000000000000020\n";
        let of = |signal| disposition_in(status, 7, signal);
        assert_eq!(of(libc::SIGABRT), Some(Disposition::Handled));
        assert_eq!(of(libc::SIGSEGV), Some(Disposition::Ignored));
        assert_eq!(of(libc::SIGBUS), Some(Disposition::Default));
        assert_eq!(disposition_in(status, 8, libc::SIGBUS), None);
    }
}
