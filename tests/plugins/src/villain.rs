//! Plugins that do what no plugin should.

use std::ffi::CStr;
use std::io::Write;
use std::time::Duration;

use crate::kit::{About, Block, Bus, Parameter, Plugin, Sample, Values};

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

    fn of(values: &Values, parameter: usize) -> Self {
        let number = values.count(parameter);
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

const IN_RUN: usize = 0;
const IN_SAVE: usize = 1;
const IN_RESTORE: usize = 2;
const IN_CLOSE: usize = 3;
const STATE_KIB: usize = 4;

/// Passes its input through until told to do a [`Deed`]; its state is as large as it is told.
pub struct Villain;

impl Plugin for Villain {
    const URI: &'static CStr = c"urn:plugpen:test:villain";
    const ABOUT: About = About {
        title: "Test Villain",
        inputs: &[Bus::main(1)],
        outputs: &[Bus::main(1)],
        parameters: &[
            Parameter::whole("In run", 12.0, 0.0),
            Parameter::whole("In save", 12.0, 0.0),
            Parameter::whole("In restore", 12.0, 0.0),
            Parameter::whole("In cleanup", 12.0, 0.0),
            Parameter::whole("State KiB", 131_072.0, 0.0),
        ],
        state: true,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self)
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        let deed = Deed::of(block.values, IN_RUN);
        deed.commit();
        for frame in 0..block.frames() {
            let sample = if deed == Deed::Nan {
                S::of(f64::NAN)
            } else {
                block.input(0, frame)
            };
            block.put(0, frame, sample);
        }
    }

    fn save(&self, values: &Values) -> Vec<u8> {
        Deed::of(values, IN_SAVE).commit();
        vec![0x5A; values.count(STATE_KIB) << 10]
    }

    fn restore(&mut self, values: &Values, _bytes: &[u8]) {
        Deed::of(values, IN_RESTORE).commit();
    }

    fn close(&mut self, values: &Values) {
        Deed::of(values, IN_CLOSE).commit();
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

    const ABOUT: About = About {
        title: match Deed::ALL[DEED] {
            Deed::Segv => "Test Born Crashing",
            Deed::Exit => "Test Born Exiting",
            Deed::Hang => "Test Born Hanging",
            Deed::Slow => "Test Born Slow",
            Deed::Print => "Test Born Printing",
            _ => "Test Born Refusing",
        },
        inputs: &[Bus::main(1)],
        outputs: &[Bus::main(1)],
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        let deed = Deed::ALL[DEED];
        deed.commit();
        (deed != Deed::None).then_some(Self)
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        for frame in 0..block.frames() {
            let sample = block.input(0, frame);
            block.put(0, frame, sample);
        }
    }
}
