//! A library of many plugins: an effect that does nothing but tell their ids and names.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::abi::{AEffect, MAGIC, ask, category, flags};
use super::{Entry, unique_id, write_text};

struct Shell {
    effect: AEffect,
    entries: &'static [Entry],
    told: AtomicUsize,
}

/// Makes the shell.
pub fn open(entries: &'static [Entry]) -> *mut AEffect {
    let shell = Box::into_raw(Box::new(Shell {
        effect: AEffect {
            magic: MAGIC,
            dispatcher,
            process,
            set_parameter,
            get_parameter,
            num_programs: 0,
            num_params: 0,
            num_inputs: 0,
            num_outputs: 0,
            flags: flags::CAN_REPLACING,
            reserved: [0; 2],
            initial_delay: 0,
            real_qualities: 0,
            off_qualities: 0,
            io_ratio: 1.0,
            object: ptr::null_mut(),
            user: ptr::null_mut(),
            unique_id: unique_id(0),
            version: 1,
            process_replacing: Some(process),
            process_double_replacing: None,
            future: [0; 56],
        },
        entries,
        told: AtomicUsize::new(0),
    }));
    // SAFETY: just made.
    unsafe {
        (*shell).effect.object = shell.cast();
        &raw mut (*shell).effect
    }
}

unsafe extern "C" fn dispatcher(
    effect: *mut AEffect,
    opcode: i32,
    _index: i32,
    _value: isize,
    pointer: *mut c_void,
    _number: f32,
) -> isize {
    // SAFETY: VST2 has hosts pass the effect that `open` made, until they close it.
    let shell = unsafe { &*(*effect).object.cast::<Shell>() };
    match opcode {
        ask::GET_PLUG_CATEGORY => category::SHELL,
        ask::GET_VST_VERSION => 2400,
        // SAFETY: VST2 has hosts give room for these texts.
        ask::GET_EFFECT_NAME => unsafe { write_text(pointer, "plugpen Test Shell") },
        // SAFETY: as above.
        ask::GET_VENDOR => unsafe { write_text(pointer, "plugpen") },
        ask::SHELL_GET_NEXT => {
            let position = shell.told.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = shell.entries.get(position) else {
                shell.told.store(0, Ordering::Relaxed);
                return 0;
            };
            // SAFETY: as above.
            unsafe { write_text(pointer, entry.title) };
            isize::try_from(unique_id(position + 1)).unwrap_or(0)
        }
        ask::CLOSE => {
            // SAFETY: made by `Box::into_raw` in `open`; a host closes an effect once.
            drop(unsafe { Box::from_raw((*effect).object.cast::<Shell>()) });
            1
        }
        _ => 0,
    }
}

unsafe extern "C" fn process(
    _: *mut AEffect,
    _: *const *const f32,
    _: *const *mut f32,
    _frames: i32,
) {
}

unsafe extern "C" fn set_parameter(_: *mut AEffect, _: i32, _: f32) {}

unsafe extern "C" fn get_parameter(_: *mut AEffect, _: i32) -> f32 {
    0.0
}
