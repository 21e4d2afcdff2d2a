//! A minidump of a stopped process: threads, stacks, modules, and what went wrong.
//!
//! Written by ourselves, with the structures of `minidump-common`: ready-made writers attach to
//! the process themselves, which this thread has done already, and which nobody can do to a process
//! that is inside `exit`. Here every part has its bound.

use minidump_common::format as md;
use scroll::ctx::{SizeWith, TryIntoCtx};
use scroll::{Endian, LE, Pwrite};

use super::process::{Maps, Memory, thread_name};
use super::registers::Registers;
use super::signal::SignalInfo;

/// Bytes of the crashing thread's stack, and of the others'.
const STACK: [u64; 2] = [256 << 10, 32 << 10];
/// Bytes of all of it.
const MAX_BYTES: usize = 4 << 20;
/// Threads whose stacks are kept.
const MAX_THREADS: usize = 256;
/// Modules that are listed.
const MAX_MODULES: usize = 1024;
/// Bytes around an instruction.
const AROUND: u64 = 128;
/// How far above a stack pointer its stack may begin: beyond a guard area.
const GUARD: u64 = 16 << 20;

/// A stopped thread.
pub(super) struct Thread {
    pub(super) tid: i32,
    pub(super) registers: Registers,
}

/// What a dump is made of.
pub(super) struct Subject<'a> {
    pub(super) pid: i32,
    pub(super) maps: &'a Maps,
    pub(super) memory: &'a Memory,
    /// The one to blame first.
    pub(super) threads: &'a [Thread],
    /// Of the first thread.
    pub(super) signal: Option<SignalInfo>,
}

/// The bytes of a dump in the making.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Appends a structure.
    pub(super) fn put<T>(&mut self, value: T) -> md::MINIDUMP_LOCATION_DESCRIPTOR
    where
        T: SizeWith<Endian> + TryIntoCtx<Endian, [u8], Error = scroll::Error>,
    {
        let (start, size) = (self.0.len(), T::size_with(&LE));
        self.0.resize(start + size, 0);
        // There is room: the line above.
        let _ = self.0.pwrite_with(value, start, LE);
        place(start, size)
    }

    fn bytes(&mut self, bytes: &[u8]) -> md::MINIDUMP_LOCATION_DESCRIPTOR {
        let start = self.0.len();
        self.0.extend_from_slice(bytes);
        place(start, bytes.len())
    }

    fn list<T>(&mut self, items: Vec<T>) -> md::MINIDUMP_LOCATION_DESCRIPTOR
    where
        T: SizeWith<Endian> + TryIntoCtx<Endian, [u8], Error = scroll::Error>,
    {
        let start = self.0.len();
        self.put(u32::try_from(items.len()).unwrap_or(0));
        for item in items {
            self.put(item);
        }
        place(start, self.0.len() - start)
    }

    /// A text as minidumps have them.
    fn text(&mut self, text: &str) -> u32 {
        let units: Vec<u16> = text.encode_utf16().collect();
        let at = self.put(u32::try_from(2 * units.len()).unwrap_or(0)).rva;
        for unit in units {
            self.put(unit);
        }
        self.put(0u16);
        at
    }

    fn has_room(&self, bytes: u64) -> bool {
        u64::try_from(MAX_BYTES - self.0.len().min(MAX_BYTES)).unwrap_or(0) >= bytes
    }
}

fn place(start: usize, size: usize) -> md::MINIDUMP_LOCATION_DESCRIPTOR {
    md::MINIDUMP_LOCATION_DESCRIPTOR {
        data_size: u32::try_from(size).unwrap_or(0),
        rva: u32::try_from(start).unwrap_or(0),
    }
}

/// Makes the dump. Reads the process's memory.
pub(super) fn write(subject: &Subject<'_>) -> Vec<u8> {
    use md::MINIDUMP_STREAM_TYPE as Stream;
    const STREAMS: usize = 7;
    let mut dump = Writer::default();
    let directory = size_of::<[u32; 3]>() * STREAMS;
    dump.put(md::MINIDUMP_HEADER {
        signature: md::MINIDUMP_SIGNATURE,
        version: md::MINIDUMP_VERSION,
        stream_count: u32::try_from(STREAMS).unwrap_or(0),
        stream_directory_rva: 32,
        checksum: 0,
        time_date_stamp: 0,
        flags: 0,
    });
    let first = dump.0.len();
    dump.0.resize(first + directory, 0);
    let mut memory = Vec::new();
    let streams: [(Stream, md::MINIDUMP_LOCATION_DESCRIPTOR); STREAMS] = [
        (Stream::SystemInfoStream, system(&mut dump)),
        (Stream::ModuleListStream, modules(&mut dump, subject)),
        (Stream::LinuxMaps, {
            let text = subject.maps.text.as_bytes();
            dump.bytes(&text[..text.len().min(MAX_BYTES / 4)])
        }),
        (Stream::ThreadNamesStream, names(&mut dump, subject)),
        (
            Stream::ThreadListStream,
            threads(&mut dump, subject, &mut memory),
        ),
        (Stream::ExceptionStream, exception(&mut dump, subject)),
        (Stream::MemoryListStream, dump.list(memory)),
    ];
    for (index, (stream, location)) in streams.into_iter().enumerate() {
        // An absent one has no bytes.
        let stream_type = match location.data_size {
            0 => Stream::UnusedStream,
            _ => stream,
        };
        let entry = md::MINIDUMP_DIRECTORY {
            stream_type: stream_type as u32,
            location,
        };
        // There is room: the directory was made for them.
        let _ = dump.0.pwrite_with(entry, first + 12 * index, LE);
    }
    dump.0
}

fn system(dump: &mut Writer) -> md::MINIDUMP_LOCATION_DESCRIPTOR {
    let system = rustix::system::uname();
    let version = dump.text(&format!(
        "{} {}",
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy()
    ));
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    dump.put(md::MINIDUMP_SYSTEM_INFO {
        processor_architecture: Registers::ARCHITECTURE,
        processor_level: 0,
        processor_revision: 0,
        number_of_processors: u8::try_from(processors).unwrap_or(u8::MAX),
        product_type: 0,
        major_version: 0,
        minor_version: 0,
        build_number: 0,
        platform_id: md::PlatformId::Linux as u32,
        csd_version_rva: version,
        suite_mask: 0,
        reserved2: 0,
        cpu: md::CPU_INFORMATION { data: [0; 24] },
    })
}

fn modules(dump: &mut Writer, subject: &Subject<'_>) -> md::MINIDUMP_LOCATION_DESCRIPTOR {
    let modules = subject.maps.modules();
    let list = modules.into_iter().take(MAX_MODULES);
    let list = list.map(|(path, base, size)| md::MINIDUMP_MODULE {
        base_of_image: base,
        size_of_image: u32::try_from(size).unwrap_or(u32::MAX),
        checksum: 0,
        time_date_stamp: 0,
        module_name_rva: dump.text(path),
        version_info: md::VS_FIXEDFILEINFO::default(),
        cv_record: md::MINIDUMP_LOCATION_DESCRIPTOR::default(),
        misc_record: md::MINIDUMP_LOCATION_DESCRIPTOR::default(),
        reserved0: [0; 2],
        reserved1: [0; 2],
    });
    let list = list.collect();
    dump.list(list)
}

fn names(dump: &mut Writer, subject: &Subject<'_>) -> md::MINIDUMP_LOCATION_DESCRIPTOR {
    let threads = subject.threads.iter().take(MAX_THREADS);
    let list = threads.map(|thread| md::MINIDUMP_THREAD_NAME {
        thread_id: thread.tid.cast_unsigned(),
        thread_name_rva: dump.text(&thread_name(subject.pid, thread.tid)).into(),
    });
    let list = list.collect();
    dump.list(list)
}

fn threads(
    dump: &mut Writer,
    subject: &Subject<'_>,
    memory: &mut Vec<md::MINIDUMP_MEMORY_DESCRIPTOR>,
) -> md::MINIDUMP_LOCATION_DESCRIPTOR {
    let mut list = Vec::new();
    for (index, thread) in subject.threads.iter().take(MAX_THREADS).enumerate() {
        let registers = &thread.registers;
        let stack = stack(
            dump,
            subject,
            registers.stack_pointer(),
            STACK[index.min(1)],
        );
        let code = registers.instruction_pointer();
        let around = keep(dump, subject, code.saturating_sub(AROUND / 2), AROUND);
        memory.extend(
            [stack, around]
                .into_iter()
                .filter(|m| m.memory.data_size > 0),
        );
        list.push(md::MINIDUMP_THREAD {
            thread_id: thread.tid.cast_unsigned(),
            suspend_count: 0,
            priority_class: 0,
            priority: 0,
            teb: 0,
            stack,
            thread_context: registers.write(dump),
        });
    }
    dump.list(list)
}

/// The used end of a stack. One that overflowed begins above its guard.
fn stack(
    dump: &mut Writer,
    subject: &Subject<'_>,
    pointer: u64,
    length: u64,
) -> md::MINIDUMP_MEMORY_DESCRIPTOR {
    let lowest = pointer.saturating_sub(Registers::RED_ZONE);
    let Some(mapping) = subject.maps.from(pointer) else {
        return md::MINIDUMP_MEMORY_DESCRIPTOR::default();
    };
    let start = lowest.max(mapping.start);
    if start.saturating_sub(pointer) > GUARD {
        return md::MINIDUMP_MEMORY_DESCRIPTOR::default();
    }
    keep(dump, subject, start, length.min(mapping.end - start))
}

fn keep(
    dump: &mut Writer,
    subject: &Subject<'_>,
    start: u64,
    length: u64,
) -> md::MINIDUMP_MEMORY_DESCRIPTOR {
    if !dump.has_room(length) {
        return md::MINIDUMP_MEMORY_DESCRIPTOR::default();
    }
    let bytes = subject.memory.read(start, length);
    md::MINIDUMP_MEMORY_DESCRIPTOR {
        start_of_memory_range: start,
        memory: dump.bytes(&bytes),
    }
}

fn exception(dump: &mut Writer, subject: &Subject<'_>) -> md::MINIDUMP_LOCATION_DESCRIPTOR {
    let (Some(signal), Some(thread)) = (subject.signal, subject.threads.first()) else {
        return md::MINIDUMP_LOCATION_DESCRIPTOR::default();
    };
    let context = thread.registers.write(dump);
    dump.put(md::MINIDUMP_EXCEPTION_STREAM {
        thread_id: thread.tid.cast_unsigned(),
        __align: 0,
        exception_record: md::MINIDUMP_EXCEPTION {
            exception_code: signal.signal.cast_unsigned(),
            exception_flags: signal.code.cast_unsigned(),
            exception_address: signal
                .address()
                .unwrap_or_else(|| thread.registers.instruction_pointer()),
            ..md::MINIDUMP_EXCEPTION::default()
        },
        thread_context: context,
    })
}
