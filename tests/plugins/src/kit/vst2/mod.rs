//! VST2. The name of the library's file says which plugin it is, or that it is a shell of all; with
//! `old-` before it, the plugin is as the oldest are, which only add to their outputs.

mod abi;
mod answers;
mod events;
mod instance;
mod shell;

use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

pub use abi::{AEffect, HostCallback};

use super::{Plugin, name};

/// A plugin that this library can be.
pub struct Entry {
    name: fn() -> &'static str,
    title: &'static str,
    open: unsafe fn(HostCallback, i32) -> *mut AEffect,
    age: unsafe fn(*mut AEffect),
}

/// The entry of a plugin.
pub const fn entry<P: Plugin>() -> Entry {
    Entry {
        name: name::<P>,
        title: P::ABOUT.title,
        open: instance::open::<P>,
        age: instance::age::<P>,
    }
}

/// Makes the plugin that the file's name says; null where it refuses or there is none.
///
/// # Safety
/// `host` is a host's callback, valid as long as the plugin.
pub unsafe fn open(entries: &'static [Entry], host: HostCallback) -> *mut AEffect {
    let file = own_file();
    let wanted = file.strip_prefix("plugpen-test-").unwrap_or(&file);
    if wanted == "shell" {
        // SAFETY: the caller's promise; a null effect is what a plugin has before it is made.
        let id = unsafe {
            host(
                ptr::null_mut(),
                abi::tell::CURRENT_ID,
                0,
                0,
                ptr::null_mut(),
                0.0,
            )
        };
        let position = usize::try_from(id & 0xFF).unwrap_or(0);
        return match entries.get(position.wrapping_sub(1)) {
            // SAFETY: the caller's promise.
            Some(entry) if id != 0 => unsafe { (entry.open)(host, unique_id(position)) },
            _ => shell::open(entries),
        };
    }
    let old = wanted.strip_prefix("old-");
    let wanted = old.unwrap_or(wanted);
    let position = entries.iter().position(|entry| (entry.name)() == wanted);
    position.map_or(ptr::null_mut(), |position| {
        let entry = &entries[position];
        // SAFETY: the caller's promise; an effect that was made just now, or null.
        unsafe {
            let effect = (entry.open)(host, unique_id(position + 1));
            if old.is_some() {
                (entry.age)(effect);
            }
            effect
        }
    })
}

/// `PPt` and the plugin's number, counted from 1.
fn unique_id(position: usize) -> i32 {
    0x5050_7400 + i32::try_from(position).unwrap_or(0)
}

/// The name of the file that this code was loaded from, without its ending.
fn own_file() -> String {
    // SAFETY: `info` is written if and only if the result is not 0; its name is a C string of the
    // dynamic linker.
    let path = unsafe {
        let mut info = std::mem::zeroed::<libc::Dl_info>();
        let here: fn() -> String = own_file;
        if libc::dladdr(here as *const c_void, &raw mut info) == 0 || info.dli_fname.is_null() {
            return String::new();
        }
        CStr::from_ptr(info.dli_fname)
    };
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Writes a text where a host gave room for one.
///
/// # Safety
/// `into` is null or has room for the text and its end.
unsafe fn write_text(into: *mut c_void, text: &str) -> isize {
    if into.is_null() {
        return 0;
    }
    let into = into.cast::<c_char>().cast::<u8>();
    // SAFETY: the caller's promise.
    unsafe {
        into.copy_from_nonoverlapping(text.as_ptr(), text.len());
        into.add(text.len()).write(0);
    }
    1
}
