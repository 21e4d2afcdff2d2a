//! Plugins that do what no plugin should.

use std::ffi::CStr;
use std::io::Write;
use std::time::Duration;

use crate::kit::{Host, Plugin, Ports, Retrieve, Store};

/// What a villain does; the numbers are the values of its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Deed {
    /// Behaves.
    None = 0,
    /// Writes through a null pointer.
    Segv = 1,
    /// Calls `abort()`.
    Abort = 2,
    /// Calls `exit(3)`.
    Exit = 3,
    /// Never returns, asleep.
    Hang = 4,
    /// Never returns, busy.
    Spin = 5,
    /// Recurses until the stack ends.
    StackOverflow = 6,
    /// Kills itself with SIGKILL, as the out-of-memory killer would.
    Kill = 7,
    /// Writes a megabyte each to standard output and standard error.
    Print = 8,
    /// Allocates until it may not.
    Memory = 9,
    /// Raises SIGILL.
    Illegal = 10,
    /// Takes two seconds.
    Slow = 11,
    /// Fills its output with NaN (in `run` only).
    Nan = 12,
}

impl Deed {
    const ALL: [Self; 13] = [
        Self::None,
        Self::Segv,
        Self::Abort,
        Self::Exit,
        Self::Hang,
        Self::Spin,
        Self::StackOverflow,
        Self::Kill,
        Self::Print,
        Self::Memory,
        Self::Illegal,
        Self::Slow,
        Self::Nan,
    ];

    fn of(ports: &Ports, port: usize) -> Self {
        let number = ports.count(port);
        Self::ALL.get(number).copied().unwrap_or(Self::None)
    }

    fn commit(self) {
        match self {
            Self::None | Self::Nan => {}
            // SAFETY: none; the fault is the purpose.
            Self::Segv => unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) },
            Self::Abort => std::process::abort(),
            Self::Exit => std::process::exit(3),
            Self::Hang => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            Self::Spin => loop {
                std::hint::spin_loop();
            },
            Self::StackOverflow => {
                std::hint::black_box(overflow(0));
            }
            // SAFETY: a system call on this process.
            Self::Kill => unsafe {
                libc::kill(libc::getpid(), libc::SIGKILL);
            },
            Self::Print => print(),
            Self::Memory => eat(),
            // SAFETY: none; the trap is the purpose.
            Self::Illegal => unsafe {
                libc::raise(libc::SIGILL);
            },
            Self::Slow => std::thread::sleep(Duration::from_secs(2)),
        }
    }
}

#[allow(unconditional_recursion, reason = "the overflow is the purpose")]
fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 512]);
    overflow(depth + 1) + frame[0]
}

fn print() {
    let line = [b'x'; 1023];
    for _ in 0..1024 {
        let _ = std::io::stdout().write_all(&line);
        let _ = std::io::stdout().write_all(b"\n");
        let _ = std::io::stderr().write_all(&line);
        let _ = std::io::stderr().write_all(b"\n");
    }
}

/// Takes 32 GiB of address space and touches none of it, so that a machine without limits
/// survives; a worker's limits stop it long before.
fn eat() {
    let hoard: Vec<Vec<u8>> = (0..512).map(|_| Vec::with_capacity(64 << 20)).collect();
    std::hint::black_box(&hoard);
    std::process::abort();
}

const OUTPUT: usize = 1;
const IN_RUN: usize = 2;
const IN_SAVE: usize = 3;
const IN_RESTORE: usize = 4;
const IN_CLEANUP: usize = 5;
const STATE_KIB: usize = 6;

/// Passes its input through until told to do a [`Deed`]; its state is as large as it is told.
pub struct Villain {
    key: u32,
    chunk: u32,
}

impl Plugin for Villain {
    const URI: &'static CStr = c"urn:plugpen:test:villain";
    const HAS_STATE: bool = true;

    fn instantiate(host: &Host) -> Option<Self> {
        Some(Self {
            key: host.urid(c"urn:plugpen:test:villain#ballast"),
            chunk: host.urid(c"http://lv2plug.in/ns/ext/atom#Chunk"),
        })
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        let deed = Deed::of(ports, IN_RUN);
        deed.commit();
        for frame in 0..frames {
            let sample = if deed == Deed::Nan {
                f32::NAN
            } else {
                ports.sample(0, frame)
            };
            ports.put(OUTPUT, frame, sample);
        }
    }

    fn save(&self, ports: &Ports, store: &mut Store) {
        Deed::of(ports, IN_SAVE).commit();
        let size = ports.count(STATE_KIB) << 10;
        if size > 0 {
            store.put(self.key, self.chunk, &vec![0x5A; size]);
        }
    }

    fn restore(&mut self, ports: &Ports, _retrieve: &Retrieve) {
        Deed::of(ports, IN_RESTORE).commit();
    }

    fn cleanup(&mut self, ports: &Ports) {
        Deed::of(ports, IN_CLEANUP).commit();
    }
}

/// A plugin that does a deed while it is instantiated.
pub struct Born<const DEED: usize>;

/// Crashes at birth.
pub type BornCrashing = Born<{ Deed::Segv as usize }>;
/// Exits at birth.
pub type BornExiting = Born<{ Deed::Exit as usize }>;
/// Hangs at birth.
pub type BornHanging = Born<{ Deed::Hang as usize }>;
/// Refuses to be instantiated.
pub type BornRefusing = Born<{ Deed::None as usize }>;
/// Takes two seconds to be instantiated.
pub type BornSlow = Born<{ Deed::Slow as usize }>;
/// Prints two megabytes at birth.
pub type BornPrinting = Born<{ Deed::Print as usize }>;

impl<const DEED: usize> Plugin for Born<DEED> {
    const URI: &'static CStr = match Deed::ALL[DEED] {
        Deed::Segv => c"urn:plugpen:test:born-crashing",
        Deed::Exit => c"urn:plugpen:test:born-exiting",
        Deed::Hang => c"urn:plugpen:test:born-hanging",
        Deed::Slow => c"urn:plugpen:test:born-slow",
        Deed::Print => c"urn:plugpen:test:born-printing",
        _ => c"urn:plugpen:test:born-refusing",
    };

    fn instantiate(_host: &Host) -> Option<Self> {
        let deed = Deed::ALL[DEED];
        deed.commit();
        (deed != Deed::None).then_some(Self)
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        for frame in 0..frames {
            ports.put(OUTPUT, frame, ports.sample(0, frame));
        }
    }
}
