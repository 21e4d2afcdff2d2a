//! Ways to end or to stop, such that they are hard to see: the handlers and files are the
//! plugin's to play with.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use libc::{SIG_IGN, SIGABRT, SIGSEGV, SIGTERM};

use super::memory;
use super::sys::sys;
use super::{Attack, Outcome, Target};

pub const ALL: &[(&str, Attack)] = &[
    ("segv", segv),
    ("abort", abort),
    ("exit", exit),
    ("quick-exit", quick_exit),
    ("stack-overflow", stack_overflow),
    ("illegal-instruction", illegal_instruction),
    ("division-by-zero", division_by_zero),
    ("hang", hang),
    ("spin", spin),
    ("deadlock", deadlock),
    ("ignored-segv", ignored_segv),
    ("handled-segv", handled_segv),
    ("handled-abort", handled_abort),
    ("blocked-signals", blocked_signals),
    ("ignored-sigterm", ignored_sigterm),
    ("closed-descriptors", closed_descriptors),
    ("exit-handler-hangs", exit_handler_hangs),
    ("thread-crashes", thread_crashes),
    ("int-0x80", int_0x80),
    ("wild-rings", wild_rings),
    ("noise-to-daemon", noise_to_daemon),
    ("flood-to-daemon", flood_to_daemon),
    ("printing", printing),
];

fn fault() {
    // SAFETY: none; the fault is the purpose.
    unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
}

fn segv(_: &Target<'_>) -> Outcome {
    fault();
    Ok(())
}

fn abort(_: &Target<'_>) -> Outcome {
    std::process::abort()
}

fn exit(_: &Target<'_>) -> Outcome {
    std::process::exit(3)
}

fn quick_exit(_: &Target<'_>) -> Outcome {
    // SAFETY: ends the process.
    unsafe { libc::_exit(5) }
}

#[allow(unconditional_recursion, reason = "the overflow is the purpose")]
fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 512]);
    overflow(depth + 1) + frame[0]
}

fn stack_overflow(_: &Target<'_>) -> Outcome {
    std::hint::black_box(overflow(0));
    Ok(())
}

fn illegal_instruction(_: &Target<'_>) -> Outcome {
    // SAFETY: none; the trap is the purpose.
    unsafe { libc::raise(libc::SIGILL) };
    Ok(())
}

fn division_by_zero(_: &Target<'_>) -> Outcome {
    // SAFETY: none; the trap is the purpose.
    unsafe { libc::raise(libc::SIGFPE) };
    Ok(())
}

fn hang(_: &Target<'_>) -> Outcome {
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

fn spin(_: &Target<'_>) -> Outcome {
    loop {
        std::hint::spin_loop();
    }
}

/// Takes a lock twice.
fn deadlock(_: &Target<'_>) -> Outcome {
    let lock = Mutex::new(());
    let _first = lock.lock();
    let _second = lock.lock();
    Ok(())
}

fn ignored_segv(_: &Target<'_>) -> Outcome {
    // SAFETY: no handler, which the kernel overrides for a real fault.
    unsafe { libc::signal(SIGSEGV, SIG_IGN) };
    fault();
    Ok(())
}

extern "C" fn nothing(_: libc::c_int) {}

fn handle(signal: i32) {
    // SAFETY: the handler does nothing, which any signal allows.
    unsafe { libc::signal(signal, nothing as *const () as libc::sighandler_t) };
}

/// Comes back to the fault for ever.
fn handled_segv(_: &Target<'_>) -> Outcome {
    handle(SIGSEGV);
    fault();
    Ok(())
}

fn handled_abort(_: &Target<'_>) -> Outcome {
    handle(SIGABRT);
    std::process::abort()
}

fn blocked_signals(_: &Target<'_>) -> Outcome {
    let all = u64::MAX;
    sys!(
        SYS_rt_sigprocmask,
        libc::SIG_BLOCK,
        &raw const all,
        0,
        8_usize
    )?;
    fault();
    Ok(())
}

fn ignored_sigterm(_: &Target<'_>) -> Outcome {
    // SAFETY: as above.
    unsafe { libc::signal(SIGTERM, SIG_IGN) };
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// Closes everything, the control channel too.
fn closed_descriptors(_: &Target<'_>) -> Outcome {
    for descriptor in 0..256 {
        let _ = sys!(SYS_close, descriptor);
    }
    Ok(())
}

extern "C" fn never() {
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

fn exit_handler_hangs(_: &Target<'_>) -> Outcome {
    // SAFETY: a function of the right type that lives as long as the library, which is not unloaded.
    unsafe { libc::atexit(never) };
    std::process::exit(3)
}

fn thread_crashes(_: &Target<'_>) -> Outcome {
    thread::spawn(fault);
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// A system call of the 32-bit kind, getpid.
#[cfg(target_arch = "x86_64")]
fn int_0x80(_: &Target<'_>) -> Outcome {
    // SAFETY: asks for a number.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("eax") 20 => _, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    Ok(())
}

#[cfg(not(target_arch = "x86_64"))]
fn int_0x80(_: &Target<'_>) -> Outcome {
    // SAFETY: what the filter does to the like of it.
    unsafe { libc::raise(libc::SIGSYS) };
    Ok(())
}

/// While it plays on, as if nothing were.
fn wild_rings(_: &Target<'_>) -> Outcome {
    thread::spawn(|| {
        loop {
            memory::forge();
        }
    });
    Ok(())
}

/// Writes bytes into every socket and pipe that it finds, but for its standard output.
fn write_everywhere(bytes: &[u8]) {
    for descriptor in 3..256 {
        // MSG_DONTWAIT and MSG_NOSIGNAL.
        let flags = 0x40 | 0x4000;
        let _ = sys!(
            SYS_sendto,
            descriptor,
            bytes.as_ptr(),
            bytes.len(),
            flags,
            0,
            0
        );
        let message = [bytes.as_ptr().expose_provenance(), bytes.len()];
        let _ = sys!(SYS_writev, descriptor, message.as_ptr(), 1);
    }
}

fn noise_to_daemon(_: &Target<'_>) -> Outcome {
    write_everywhere(&[0xA5; 64]);
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// Says over and over that parameter 0 has changed.
fn flood_to_daemon(_: &Target<'_>) -> Outcome {
    // A frame of 4 bytes: FromWorker { event: Event { parameter_changed: {} } }.
    let mut frame = vec![4, 0, 0, 0];
    frame.extend([0x22, 2, 0x0A, 0]);
    let many = frame.repeat(1000);
    loop {
        write_everywhere(&many);
    }
}

fn printing(_: &Target<'_>) -> Outcome {
    let line = [b'x'; 1023];
    for _ in 0..4096 {
        for stream in 1..3 {
            let _ = sys!(SYS_write, stream, line.as_ptr(), line.len());
            let _ = sys!(SYS_write, stream, c"\n", 1);
        }
    }
    Ok(())
}
