//! What the plugin answers its host.

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::Ordering;

use super::abi::{AEffect, Events, PinProperties, SpeakerArrangement, ask, category};
use super::instance::{self, Instance, parameters};
use super::{events, write_text};
use crate::kit::{Kind, Plugin, demand, state};

/// A call of the host.
struct Call {
    effect: *mut AEffect,
    opcode: i32,
    /// `index`, not below 0.
    index: usize,
    value: isize,
    pointer: *mut c_void,
    number: f32,
}

pub unsafe extern "C" fn dispatcher<P: Plugin>(
    effect: *mut AEffect,
    opcode: i32,
    index: i32,
    value: isize,
    pointer: *mut c_void,
    number: f32,
) -> isize {
    // SAFETY: VST2 has hosts pass the effect they were given.
    let instance = unsafe { instance::of::<P>(effect) };
    let call = Call {
        effect,
        opcode,
        index: usize::try_from(index).unwrap_or(0),
        value,
        pointer,
        number,
    };
    if opcode == ask::CLOSE {
        demand(
            !instance.is_on.load(Ordering::Relaxed),
            "effMainsChanged(0) comes before effClose",
        );
        // SAFETY: a host closes an effect once, and last.
        unsafe { instance::close::<P>(effect) };
        return 1;
    }
    // SAFETY: VST2 has hosts pass with each opcode what it takes; that `dispatcher` relies on.
    unsafe {
        texts::<P>(instance, &call)
            .or_else(|| shape::<P>(instance, &call))
            .unwrap_or_else(|| life::<P>(instance, &call))
    }
}

/// # Safety
/// The call's pointer is what its opcode takes.
unsafe fn texts<P: Plugin>(instance: &Instance<P>, call: &Call) -> Option<isize> {
    let about = P::ABOUT;
    let parameter = about.parameters.get(call.index);
    let number = |at: usize| about.programs.get(at).map(|program| program.name);
    let text = match call.opcode {
        ask::GET_PARAM_LABEL => parameter?.unit.to_owned(),
        ask::GET_PARAM_NAME => parameter?.name.to_owned(),
        ask::GET_PARAM_DISPLAY => parameter?.text(instance.values.get(call.index)),
        ask::GET_PROGRAM_NAME => number(instance.program.load(Ordering::Relaxed))
            .unwrap_or("")
            .to_owned(),
        ask::GET_PROGRAM_NAME_INDEXED => number(call.index)?.to_owned(),
        ask::GET_EFFECT_NAME | ask::GET_PRODUCT => about.title.to_owned(),
        ask::GET_VENDOR => "plugpen".to_owned(),
        _ => return None,
    };
    // SAFETY: the caller's promise.
    Some(unsafe { write_text(call.pointer, &text) })
}

/// # Safety
/// As for `texts`.
unsafe fn shape<P: Plugin>(instance: &Instance<P>, call: &Call) -> Option<isize> {
    let about = P::ABOUT;
    let yes = |is_so: bool| Some(if is_so { 1 } else { -1 });
    match call.opcode {
        ask::GET_PLUG_CATEGORY if about.synth => Some(category::SYNTH),
        ask::GET_PLUG_CATEGORY => Some(category::EFFECT),
        ask::GET_VENDOR_VERSION => Some(1),
        ask::GET_VST_VERSION => Some(2400),
        ask::GET_TAIL_SIZE => Some(isize::try_from(about.tail_frames.max(1)).unwrap_or(1)),
        ask::CAN_BE_AUTOMATED => {
            let is_plain = about.parameters.get(call.index)?.kind == Kind::Plain;
            Some(isize::from(is_plain))
        }
        ask::CAN_DO => {
            // SAFETY: the caller's promise.
            let what = unsafe { CStr::from_ptr(call.pointer.cast::<c_char>()) };
            match what.to_bytes() {
                b"receiveVstEvents" | b"receiveVstMidiEvent" => yes(about.midi_in),
                b"sendVstEvents" | b"sendVstMidiEvent" => yes(about.midi_out),
                b"receiveVstTimeInfo" => yes(about.transport),
                b"bypass" => {
                    let is_bypass = |p: &crate::kit::Parameter| p.kind == Kind::Bypass;
                    yes(about.parameters.iter().any(is_bypass))
                }
                _ => Some(0),
            }
        }
        ask::GET_INPUT_PROPERTIES | ask::GET_OUTPUT_PROPERTIES => {
            let is_input = call.opcode == ask::GET_INPUT_PROPERTIES;
            let buses = if is_input {
                about.inputs
            } else {
                about.outputs
            };
            let pins = buses
                .iter()
                .flat_map(|bus| (0..bus.channels).map(move |channel| (bus, channel)));
            let (bus, channel) = pins.clone().nth(call.index)?;
            // SAFETY: the caller's promise.
            let pin = unsafe { &mut *call.pointer.cast::<PinProperties>() };
            let label = format!("{} {}", bus.name, channel + 1);
            // SAFETY: shorter than the label's 64 bytes.
            unsafe { write_text(pin.label.as_mut_ptr().cast(), &label) };
            pin.flags = if bus.channels == 2 && channel == 0 {
                3
            } else {
                1
            };
            Some(1)
        }
        ask::SET_SPEAKER_ARRANGEMENT => {
            let inputs =
                std::ptr::with_exposed_provenance::<SpeakerArrangement>(call.value.cast_unsigned());
            let outputs = call.pointer.cast::<SpeakerArrangement>();
            if !about.flexible || inputs.is_null() || outputs.is_null() {
                return Some(0);
            }
            // SAFETY: the caller's promise; the effect is this plugin's own.
            unsafe {
                let (ins, outs) = ((*inputs).channels, (*outputs).channels);
                if ins != outs || !(1..=64).contains(&ins) {
                    return Some(0);
                }
                demand(
                    !instance.is_on.load(Ordering::Relaxed),
                    "arrangements change while off",
                );
                (*call.effect).num_inputs = ins;
                (*call.effect).num_outputs = outs;
            }
            Some(1)
        }
        _ => None,
    }
}

/// # Safety
/// As for `texts`.
unsafe fn life<P: Plugin>(instance: &Instance<P>, call: &Call) -> isize {
    let is_on = instance.is_on.load(Ordering::Relaxed);
    match call.opcode {
        ask::OPEN => {
            demand(
                !instance.is_open.swap(true, Ordering::Relaxed),
                "effOpen comes once",
            );
            0
        }
        ask::SET_SAMPLE_RATE => {
            demand(!is_on, "effSetSampleRate comes while off");
            instance.sound().rate = f64::from(call.number);
            0
        }
        ask::SET_BLOCK_SIZE => {
            demand(!is_on, "effSetBlockSize comes while off");
            let frames = i32::try_from(call.value).unwrap_or(0);
            instance.block_size.store(frames, Ordering::Relaxed);
            0
        }
        ask::SET_PRECISION => {
            demand(!is_on, "effSetProcessPrecision comes while off");
            instance.is_double.store(call.value == 1, Ordering::Relaxed);
            isize::from(P::ABOUT.double || call.value == 0)
        }
        ask::MAINS_CHANGED => {
            demand(
                instance.is_open.load(Ordering::Relaxed),
                "effOpen comes first",
            );
            let mut sound = instance.sound();
            if call.value != 0 {
                demand(
                    sound.rate > 0.0,
                    "effSetSampleRate comes before effMainsChanged",
                );
                let rate = sound.rate;
                sound.plugin.activate(rate);
                sound.heard.clear();
            }
            instance.is_on.store(call.value != 0, Ordering::Relaxed);
            0
        }
        ask::PROCESS_EVENTS => {
            // SAFETY: the caller's promise.
            unsafe { events::read(call.pointer.cast::<Events>(), &mut instance.sound().heard) };
            1
        }
        ask::SET_PROGRAM => {
            let program = usize::try_from(call.value).unwrap_or(usize::MAX);
            instance.set_program(call.effect, program);
            0
        }
        ask::GET_PROGRAM => isize::try_from(instance.program.load(Ordering::Relaxed)).unwrap_or(0),
        ask::SET_BYPASS => {
            for (index, parameter) in P::ABOUT.parameters.iter().enumerate() {
                if parameter.kind == Kind::Bypass {
                    instance
                        .values
                        .set(index, f64::from(u8::from(call.value != 0)));
                }
            }
            1
        }
        ask::STRING_TO_PARAMETER if call.pointer.is_null() => 1,
        ask::STRING_TO_PARAMETER => {
            // SAFETY: the caller's promise.
            let text = unsafe { CStr::from_ptr(call.pointer.cast::<c_char>()) };
            let parameter = P::ABOUT.parameters.get(call.index);
            let plain = parameter.and_then(|parameter| parameter.parse(text.to_str().ok()?));
            if let (Some(plain), true) = (plain, call.index < parameters::<P>()) {
                instance.values.set(call.index, plain);
                return 1;
            }
            0
        }
        ask::GET_CHUNK if P::ABOUT.state => {
            let mut sound = instance.sound();
            let sound = &mut *sound;
            sound.chunk = state::save(&sound.plugin, &instance.values);
            // SAFETY: the caller's promise. The chunk lives until the next call.
            unsafe { call.pointer.cast::<*const u8>().write(sound.chunk.as_ptr()) };
            isize::try_from(sound.chunk.len()).unwrap_or(0)
        }
        ask::SET_CHUNK if P::ABOUT.state => {
            let size = usize::try_from(call.value).unwrap_or(0);
            // SAFETY: the caller's promise.
            let bytes = unsafe { std::slice::from_raw_parts(call.pointer.cast::<u8>(), size) };
            let Some(rest) = state::restore_values(&instance.values, bytes) else {
                return 0;
            };
            instance.sound().plugin.restore(&instance.values, rest);
            instance.follow_latency(call.effect);
            1
        }
        _ => 0,
    }
}
