//! The log extension: what a plugin says, for the daemon's event stream.

use std::ffi::{CStr, c_int, c_void};

use lv2_sys::LV2_Log_Log;

use super::host::Host;
use crate::formats::door;

/// Longest line a plugin can log, in bytes.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 2048;

/// The feature for the plugin.
pub fn feature(host: *const Host) -> LV2_Log_Log {
    LV2_Log_Log {
        handle: host.cast_mut().cast(),
        printf: Some(variadic::printf()),
        vprintf: Some(variadic::vprintf()),
    }
}

/// Takes a line; returns its length, as printf does.
unsafe fn line(handle: *mut c_void, kind: u32, text: &CStr) -> c_int {
    // SAFETY: the handle is the one of `feature`, whose host lives as long as the process.
    unsafe {
        door::enter("log", handle.cast::<Host>(), -1, |host| {
            let known = &host.known;
            let kind = match kind {
                kind if kind == known.log_error => "error: ",
                kind if kind == known.log_warning => "warning: ",
                kind if kind == known.log_trace => "trace: ",
                _ => "",
            };
            let text = text.to_string_lossy();
            host.notices.log(&format!("{kind}{}", text.trim_end()));
            c_int::try_from(text.len()).unwrap_or(c_int::MAX)
        })
    }
}

#[cfg(target_arch = "x86_64")]
mod variadic {
    //! Stable Rust defines no variadic functions, so `printf` is a few instructions that build
    //! the `va_list` of the System V ABI and go on in `vprintf`.

    use std::ffi::{CStr, c_char, c_int, c_void};

    use lv2_sys::__va_list_tag;

    type Printf = unsafe extern "C" fn(*mut c_void, u32, *const c_char, ...) -> c_int;
    type Vprintf =
        unsafe extern "C" fn(*mut c_void, u32, *const c_char, *mut __va_list_tag) -> c_int;

    unsafe extern "C" {
        fn vsnprintf(
            text: *mut c_char,
            size: usize,
            format: *const c_char,
            arguments: *mut __va_list_tag,
        ) -> c_int;
    }

    pub fn vprintf() -> Vprintf {
        format_line
    }

    pub fn printf() -> Printf {
        // SAFETY: `collect` follows the calling convention of a variadic function with these
        // three named arguments; Rust only cannot spell that in its definition.
        unsafe { std::mem::transmute::<unsafe extern "C" fn(), Printf>(collect) }
    }

    unsafe extern "C" fn format_line(
        handle: *mut c_void,
        kind: u32,
        format: *const c_char,
        arguments: *mut __va_list_tag,
    ) -> c_int {
        if format.is_null() {
            return -1;
        }
        let mut text: [c_char; super::LINE] = [0; super::LINE];
        // SAFETY: writes at most the array's length and ends with a zero; format and arguments
        // fit each other as far as the plugin is right.
        unsafe {
            vsnprintf(text.as_mut_ptr(), text.len(), format, arguments);
            super::line(handle, kind, CStr::from_ptr(text.as_ptr()))
        }
    }

    /// Stack: the `va_list` at 0, the register save area at 32 (six integer registers, eight
    /// vector registers), 216 bytes in all, which keeps the stack aligned for the call. Three
    /// arguments are named, so integers start at offset 24 of the save area.
    #[unsafe(naked)]
    unsafe extern "C" fn collect() {
        std::arch::naked_asm!(
            "sub rsp, 216",
            "mov [rsp + 32], rdi",
            "mov [rsp + 40], rsi",
            "mov [rsp + 48], rdx",
            "mov [rsp + 56], rcx",
            "mov [rsp + 64], r8",
            "mov [rsp + 72], r9",
            "test al, al",
            "je 2f",
            "movaps [rsp + 80], xmm0",
            "movaps [rsp + 96], xmm1",
            "movaps [rsp + 112], xmm2",
            "movaps [rsp + 128], xmm3",
            "movaps [rsp + 144], xmm4",
            "movaps [rsp + 160], xmm5",
            "movaps [rsp + 176], xmm6",
            "movaps [rsp + 192], xmm7",
            "2:",
            "mov dword ptr [rsp], 24",
            "mov dword ptr [rsp + 4], 48",
            "lea rax, [rsp + 224]",
            "mov [rsp + 8], rax",
            "lea rax, [rsp + 32]",
            "mov [rsp + 16], rax",
            "mov rcx, rsp",
            "call {format_line}",
            "add rsp, 216",
            "ret",
            format_line = sym format_line,
        )
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod variadic {
    //! Other ABIs lay `va_list` out otherwise; there the format itself is logged.

    use std::ffi::{CStr, c_char, c_int, c_void};

    type Printf = unsafe extern "C" fn(*mut c_void, u32, *const c_char, ...) -> c_int;
    type Vprintf = unsafe extern "C" fn(*mut c_void, u32, *const c_char, lv2_sys::va_list) -> c_int;

    unsafe extern "C" fn format_only(
        handle: *mut c_void,
        kind: u32,
        format: *const c_char,
    ) -> c_int {
        if format.is_null() {
            return -1;
        }
        // SAFETY: the specification wants a C string.
        unsafe { super::line(handle, kind, CStr::from_ptr(format)) }
    }

    pub fn printf() -> Printf {
        // SAFETY: arguments beyond the three are the caller's to pass and to clean up.
        unsafe { std::mem::transmute::<*const (), Printf>(format_only as *const ()) }
    }

    pub fn vprintf() -> Vprintf {
        // SAFETY: as above; the fourth is not looked at.
        unsafe { std::mem::transmute::<*const (), Vprintf>(format_only as *const ()) }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::formats::Notices;

    #[test]
    fn printf_takes_registers_stack_and_floats() {
        let notices = Arc::new(Notices::new());
        let host = Host::new(48_000.0, 512, 4096, "/tmp".as_ref(), Arc::clone(&notices));
        let log = feature(host);
        // SAFETY: the feature's own handle, a format and arguments that fit it.
        let length = unsafe {
            log.printf.unwrap()(
                log.handle,
                host.known.log_error,
                c"%d %d %d %d %d %s %.1f %.2f\n".as_ptr(),
                1,
                2,
                3,
                4,
                5,
                c"six".as_ptr(),
                7.5,
                8.25,
            )
        };
        assert_eq!(notices.take().lines, ["error: 1 2 3 4 5 six 7.5 8.25"]);
        assert_eq!(length, 23);
    }
}
