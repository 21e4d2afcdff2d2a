//! Programs and processes of its own.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::ptr;

use libc::{AT_EMPTY_PATH, CLONE_NEWUSER, CLONE_VFORK, CLONE_VM, SIGCHLD};

use super::sys::{code, errno, owned, path, sys, when};
use super::{Attack, Outcome, Target};

pub const ALL: &[(&str, Attack)] = &[
    ("execve", execve),
    ("execve-memfd", execve_memfd),
    ("system", system),
    ("popen", popen),
    ("posix-spawn", posix_spawn),
    ("fork", fork),
    ("vfork", vfork),
    ("clone-vm", clone_vm),
    ("clone-newuser", clone_newuser),
    ("clone3", clone3),
];

/// Becomes a program that makes the marker; where that works, nobody is left to say so.
fn execve(target: &Target<'_>) -> Outcome {
    let marker = path(target.named("marker"));
    let words = [c"touch".as_ptr(), marker.as_ptr(), ptr::null()];
    let none: [*const libc::c_char; 1] = [ptr::null()];
    sys!(SYS_execve, c"/usr/bin/touch", words.as_ptr(), none.as_ptr()).map(drop)
}

fn execve_memfd(target: &Target<'_>) -> Outcome {
    let memory = owned(sys!(SYS_memfd_create, c"program", 0)?);
    let program = std::fs::read("/usr/bin/touch").map_err(|_| 0)?;
    let mut file = File::from(memory.try_clone().map_err(|_| 0)?);
    std::io::Write::write_all(&mut file, &program).map_err(|_| 0)?;
    let marker = path(target.named("marker"));
    let words = [c"touch".as_ptr(), marker.as_ptr(), ptr::null()];
    let none: [*const libc::c_char; 1] = [ptr::null()];
    sys!(
        SYS_execveat,
        memory.as_raw_fd(),
        c"",
        words.as_ptr(),
        none.as_ptr(),
        AT_EMPTY_PATH,
    )
    .map(drop)
}

fn command(target: &Target<'_>) -> std::ffi::CString {
    path(&format!("touch {}", target.named("marker")))
}

fn system(target: &Target<'_>) -> Outcome {
    // SAFETY: a terminated string that outlives the call.
    match unsafe { libc::system(command(target).as_ptr()) } {
        0 => Ok(()),
        -1 => Err(errno()),
        _ => Err(0),
    }
}

fn popen(target: &Target<'_>) -> Outcome {
    // SAFETY: terminated strings that outlive the call.
    let pipe = unsafe { libc::popen(command(target).as_ptr(), c"r".as_ptr()) };
    if pipe.is_null() {
        return Err(errno());
    }
    // SAFETY: just opened, and closed once.
    when(unsafe { libc::pclose(pipe) } == 0)
}

fn posix_spawn(target: &Target<'_>) -> Outcome {
    let status = Command::new("touch").arg(target.named("marker")).status();
    status.map_err(|error| code(&error)).map(drop)
}

/// In a child: makes the marker and ends; in its parent: waits for it.
fn both_sides(pid: libc::c_long, marker: &CStr) -> Outcome {
    if pid == 0 {
        let _ = sys!(SYS_openat, libc::AT_FDCWD, marker, libc::O_CREAT, 0o600);
        let _ = sys!(SYS_exit_group, 0);
    }
    sys!(SYS_wait4, pid, 0, 0, 0).map(drop)
}

fn fork(target: &Target<'_>) -> Outcome {
    let marker = path(target.named("marker"));
    both_sides(sys!(SYS_clone, SIGCHLD, 0, 0, 0, 0)?, &marker)
}

/// The child ends at once, in the assembler: it runs on its parent's stack.
#[cfg(target_arch = "x86_64")]
fn vfork(_: &Target<'_>) -> Outcome {
    let result: i64;
    // SAFETY: the child only exits; the parent goes on when it has. Registers are named as clobbered.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor edi, edi",
            "mov eax, 60",
            "syscall",
            "2:",
            inlateout("rax") libc::SYS_vfork => result,
            out("rcx") _, out("r11") _, out("rdi") _,
        );
    }
    if result < 0 {
        return Err(i32::try_from(-result).unwrap_or(0));
    }
    sys!(SYS_wait4, result, 0, 0, 0).map(drop)
}

#[cfg(not(target_arch = "x86_64"))]
fn vfork(target: &Target<'_>) -> Outcome {
    clone_vm(target)
}

extern "C" fn end(_: *mut libc::c_void) -> libc::c_int {
    0
}

/// What vfork is made of: a process in this one's memory.
fn clone_vm(_: &Target<'_>) -> Outcome {
    let mut stack = vec![0_u128; 1024];
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: the child has a stack of its own, which outlives it: its parent waits.
    let pid = unsafe {
        libc::clone(
            end,
            top.cast(),
            CLONE_VM | CLONE_VFORK | SIGCHLD,
            ptr::null_mut(),
        )
    };
    if pid < 0 {
        return Err(errno());
    }
    sys!(SYS_wait4, pid, 0, 0, 0).map(drop)
}

fn clone_newuser(target: &Target<'_>) -> Outcome {
    let marker = path(target.named("marker"));
    both_sides(
        sys!(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)?,
        &marker,
    )
}

fn clone3(target: &Target<'_>) -> Outcome {
    // struct clone_args: the signal is its fifth word.
    let mut arguments = [0_u64; 11];
    arguments[4] = u64::from(SIGCHLD.unsigned_abs());
    let size = size_of_val(&arguments);
    let marker = path(target.named("marker"));
    both_sides(sys!(SYS_clone3, arguments.as_ptr(), size)?, &marker)
}
