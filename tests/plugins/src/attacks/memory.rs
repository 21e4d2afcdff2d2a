//! More than its share, and memory that it should not have.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use libc::{MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE};

use super::files::private;
use super::sys::{code, done, errno, owned, path, sys, when};
use super::{Attack, Outcome, Target};

pub const ALL: &[(&str, Attack)] = &[
    ("private-memory", private_memory),
    ("shared-memory", shared_memory),
    ("memfd", memfd),
    ("threads", threads),
    ("descriptors", descriptors),
    ("large-file", large_file),
    ("many-files", many_files),
    ("shrink-rings", shrink_rings),
    ("write-status", write_status),
    ("load-own-library", load_own_library),
    ("writable-code", writable_code),
];

const MIB: usize = 1 << 20;
/// More than a worker may have of its own; a machine that runs tests has it.
const MUCH: usize = 1280 * MIB;

fn map(length: usize, access: i32, flags: i32) -> Result<*mut libc::c_void, i32> {
    // SAFETY: a new mapping at a place of the kernel's choice.
    let place = unsafe {
        libc::mmap(
            ptr::null_mut(),
            length,
            access,
            flags | MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if place == MAP_FAILED {
        Err(errno())
    } else {
        Ok(place)
    }
}

/// Keeps what was taken for a while: what is measured from outside takes its time.
fn keep() {
    thread::sleep(Duration::from_secs(6));
}

/// Maps memory and writes in every page of it, keeps it, then gives it back.
fn take(flags: i32) -> Outcome {
    let step = 64 * MIB;
    let mut taken = Vec::new();
    let mut result = Ok(());
    for _ in 0..MUCH / step {
        match map(step, PROT_READ | PROT_WRITE, flags) {
            Ok(place) => {
                for page in (0..step).step_by(4096) {
                    // SAFETY: within the mapping, which nobody else knows.
                    unsafe { place.cast::<u8>().add(page).write_volatile(1) };
                }
                taken.push(place);
            }
            Err(errno) => {
                result = Err(errno);
                break;
            }
        }
    }
    if result.is_ok() {
        keep();
    }
    for place in taken {
        // SAFETY: mapped above with this length, and not used any more.
        unsafe { libc::munmap(place, step) };
    }
    result
}

fn private_memory(_: &Target<'_>) -> Outcome {
    take(MAP_PRIVATE)
}

fn shared_memory(_: &Target<'_>) -> Outcome {
    take(MAP_SHARED)
}

fn memfd(_: &Target<'_>) -> Outcome {
    sys!(SYS_memfd_create, c"hoard", 0).map(owned).map(drop)
}

fn threads(_: &Target<'_>) -> Outcome {
    const MANY: usize = 1000;
    let release = Arc::new(Barrier::new(MANY + 1));
    let mut all = Vec::new();
    let mut result = Ok(());
    for _ in 0..MANY {
        let release = Arc::clone(&release);
        let builder = thread::Builder::new().stack_size(64 << 10);
        match builder.spawn(move || release.wait()) {
            Ok(thread) => all.push(thread),
            Err(error) => {
                result = Err(code(&error));
                break;
            }
        }
    }
    // Where some are missing, the others wait for ever: the worker is thrown away afterwards.
    if result.is_ok() {
        keep();
        release.wait();
        all.into_iter().for_each(|thread| drop(thread.join()));
    }
    result
}

fn descriptors(_: &Target<'_>) -> Outcome {
    let null = File::open("/dev/null").map_err(|error| code(&error))?;
    let copies: Result<Vec<OwnedFd>, i32> = (0..512)
        .map(|_| sys!(SYS_dup, null.as_raw_fd()).map(owned))
        .collect();
    copies.map(drop)
}

fn fill(name: &str, bytes: usize) -> Outcome {
    let file = File::create(private(name)).map_err(|error| code(&error))?;
    match sys!(SYS_fallocate, file.as_raw_fd(), 0, 0, bytes) {
        // The file system cannot reserve.
        Err(libc::EOPNOTSUPP) => done(file.set_len(u64::try_from(bytes).unwrap_or(0))),
        result => result.map(drop),
    }
}

/// One file of more than a worker may write.
fn large_file(_: &Target<'_>) -> Outcome {
    // SAFETY: the signal of a file too large would end the process before it can tell.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    fill("large", 100 * MIB)
}

/// More than a worker should have on disk, in files that are each small enough.
fn many_files(_: &Target<'_>) -> Outcome {
    (0..16).try_for_each(|number| fill(&format!("many-{number}"), 32 * MIB))?;
    keep();
    Ok(())
}

/// Descriptors of this process that are memory files.
fn memory_files() -> Vec<i32> {
    let is_memory = |number: &i32| {
        let link = fs::read_link(format!("/proc/self/fd/{number}"));
        link.is_ok_and(|link| link.as_os_str().as_bytes().starts_with(b"/memfd:"))
    };
    (0..256).filter(is_memory).collect()
}

/// A mapping of this process.
struct Mapping {
    start: usize,
    length: usize,
    access: String,
    name: String,
}

fn mappings() -> Vec<Mapping> {
    let text = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        Some(Mapping {
            start,
            length: usize::from_str_radix(end, 16).ok()? - start,
            access: words.next()?.to_owned(),
            name: words.nth(3).unwrap_or("").to_owned(),
        })
    };
    text.lines().filter_map(read).collect()
}

/// Pulls the memory away under whoever reads it, by descriptor or by mapping.
fn shrink_rings(_: &Target<'_>) -> Outcome {
    let mut result = Err(0);
    for file in memory_files() {
        result = result.or(sys!(SYS_ftruncate, file, 0).map(drop));
    }
    for shared in mappings()
        .iter()
        .filter(|one| one.name.starts_with("/memfd:"))
    {
        let (start, end) = (shared.start, shared.start + shared.length);
        let again = format!("/proc/self/map_files/{start:x}-{end:x}");
        result = result.or(sys!(SYS_truncate, path(&again), 0).map(drop));
    }
    result
}

/// Makes the parts of the rings writable that only others may write.
fn write_status(_: &Target<'_>) -> Outcome {
    let mut result = Err(0);
    for shared in mappings() {
        if shared.name.starts_with("/memfd:") && shared.access.starts_with("r-") {
            let access = PROT_READ | PROT_WRITE;
            result = result.or(sys!(SYS_mprotect, shared.start, shared.length, access).map(drop));
        }
    }
    result
}

/// Fills what it may write of its rings, counts and lengths too, with ones.
pub fn forge() {
    for shared in mappings() {
        if shared.name.starts_with("/memfd:") && shared.access.starts_with("rw") {
            let place = ptr::with_exposed_provenance_mut::<u8>(shared.start);
            // SAFETY: mapped and writable; that others read it meanwhile is the attack.
            unsafe { place.write_bytes(0xFF, shared.length) };
        }
    }
}

/// Loads a library that it has written itself.
fn load_own_library(target: &Target<'_>) -> Outcome {
    let copy = private("own.so");
    // Not `fs::copy`, which changes the mode as well.
    let bytes = fs::read(target.named("library")).map_err(|error| code(&error))?;
    done(fs::write(&copy, bytes))?;
    let name = CString::new(copy.as_os_str().as_bytes()).unwrap_or_default();
    // SAFETY: a copy of this library, whose constructors do nothing.
    let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    when(!library.is_null())
}

fn writable_code(_: &Target<'_>) -> Outcome {
    let place = map(4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE)?;
    // SAFETY: mapped on the line above, used by nobody.
    unsafe { libc::munmap(place, 4096) };
    Ok(())
}
