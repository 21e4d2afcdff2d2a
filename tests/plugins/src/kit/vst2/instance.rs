//! One plugin, and what a host calls to play it and to set its parameters.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::abi::{AEffect, HostCallback, MAGIC, TimeInfo, flags, tell, time};
use super::answers;
use super::events::Outbox;
use crate::kit::block::{Audio, Said, Sample, apply, play};
use crate::kit::mail::Mail;
use crate::kit::{Kind, Plugin, Transport, Values, demand};

/// A plugin behind its effect.
pub struct Instance<P> {
    effect: AEffect,
    host: HostCallback,
    pub values: Values,
    pub program: AtomicUsize,
    pub is_open: AtomicBool,
    pub is_on: AtomicBool,
    pub is_double: AtomicBool,
    pub block_size: AtomicI32,
    pub sound: Mutex<Sound<P>>,
}

/// What playing changes.
pub struct Sound<P> {
    pub plugin: P,
    pub rate: f64,
    pub heard: Mail,
    /// The last state that a host asked for.
    pub chunk: Vec<u8>,
    said: Said,
    outbox: Outbox,
    single: Audio<f32>,
    double: Audio<f64>,
}

/// Parameters that a host sees: all but the bypass, which has an opcode of its own.
pub fn parameters<P: Plugin>() -> usize {
    let is_seen = |parameter: &&crate::kit::Parameter| parameter.kind != Kind::Bypass;
    P::ABOUT.parameters.iter().filter(is_seen).count()
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(0)
}

/// Makes a plugin; null where it refuses.
///
/// # Safety
/// `host` is a host's callback, valid as long as the plugin.
pub unsafe fn open<P: Plugin>(host: HostCallback, unique_id: i32) -> *mut AEffect {
    let Some(plugin) = P::new() else {
        return ptr::null_mut();
    };
    let about = P::ABOUT;
    let mut bits = flags::CAN_REPLACING;
    for (is_so, bit) in [
        (about.state, flags::PROGRAM_CHUNKS),
        (about.synth, flags::IS_SYNTH),
        (about.double, flags::CAN_DOUBLE_REPLACING),
    ] {
        bits |= if is_so { bit } else { 0 };
    }
    let values = Values::new(about.parameters);
    let effect = AEffect {
        magic: MAGIC,
        dispatcher: answers::dispatcher::<P>,
        process: process::<P, f32>,
        set_parameter: set_parameter::<P>,
        get_parameter: get_parameter::<P>,
        num_programs: count(about.programs.len()),
        num_params: count(parameters::<P>()),
        num_inputs: count(about.input_channels()),
        num_outputs: count(about.output_channels()),
        flags: bits,
        reserved: [0; 2],
        initial_delay: count(P::latency(&values)),
        real_qualities: 0,
        off_qualities: 0,
        io_ratio: 1.0,
        object: ptr::null_mut(),
        user: ptr::null_mut(),
        unique_id,
        version: 1,
        process_replacing: Some(process::<P, f32>),
        process_double_replacing: about.double.then_some(process::<P, f64>),
        future: [0; 56],
    };
    let instance = Box::into_raw(Box::new(Instance {
        effect,
        host,
        values,
        program: AtomicUsize::new(0),
        is_open: AtomicBool::new(false),
        is_on: AtomicBool::new(false),
        is_double: AtomicBool::new(false),
        block_size: AtomicI32::new(0),
        sound: Mutex::new(Sound {
            plugin,
            rate: 0.0,
            heard: Mail::new(),
            chunk: Vec::new(),
            said: Said::new(),
            outbox: Outbox::new(),
            single: Audio::new(64, 64),
            double: Audio::new(64, 64),
        }),
    }));
    // SAFETY: just made.
    unsafe {
        (*instance).effect.object = instance.cast();
        &raw mut (*instance).effect
    }
}

/// The plugin of an effect.
///
/// # Safety
/// `effect` comes from `open::<P>` and is not closed yet.
pub unsafe fn of<'a, P: Plugin>(effect: *mut AEffect) -> &'a Instance<P> {
    // SAFETY: the caller's promise. Only shared references are ever made.
    unsafe { &*(*effect).object.cast::<Instance<P>>() }
}

impl<P: Plugin> Instance<P> {
    /// What playing changes; hosts take turns with it.
    pub fn sound(&self) -> MutexGuard<'_, Sound<P>> {
        self.sound.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Asks or tells the host.
    fn call(&self, effect: *mut AEffect, what: i32, index: usize, number: f32) -> isize {
        // SAFETY: the host's callback with its own effect, as `open` was promised.
        unsafe { (self.host)(effect, what, count(index), 0, ptr::null_mut(), number) }
    }

    /// Tells the host where a value moved, as a user's hand would.
    fn automate(&self, effect: *mut AEffect, index: usize) {
        self.call(
            effect,
            tell::AUTOMATE,
            index,
            f32::of(self.values.normal(index)),
        );
    }

    /// Tells the host if the values have changed the latency.
    pub fn follow_latency(&self, effect: *mut AEffect) {
        let latency = count(P::latency(&self.values));
        // SAFETY: the effect is this plugin's own, and hosts read it in calls to them only.
        let is_new = unsafe {
            let is_new = (*effect).initial_delay != latency;
            (*effect).initial_delay = latency;
            is_new
        };
        if is_new {
            self.call(effect, tell::IO_CHANGED, 0, 0.0);
        }
    }

    /// Sets a program.
    pub fn set_program(&self, effect: *mut AEffect, program: usize) {
        if program < P::ABOUT.programs.len() {
            self.program.store(program, Ordering::Relaxed);
            apply::<P>(&self.values, program);
            self.call(effect, tell::UPDATE_DISPLAY, 0, 0.0);
        }
    }

    fn transport(&self, effect: *mut AEffect) -> Transport {
        const WANTED: isize = 0b11_1111 << 8;
        if !P::ABOUT.transport {
            return Transport::UNSAID;
        }
        // SAFETY: as in `call`; the host answers with null or a transport of its own.
        let said = unsafe {
            let said = (self.host)(effect, tell::GET_TIME, 0, WANTED, ptr::null_mut(), 0.0);
            ptr::with_exposed_provenance::<TimeInfo>(said.cast_unsigned()).as_ref()
        };
        said.map_or(Transport::UNSAID, |said| {
            let has = |bit| said.flags & bit != 0;
            let flag = |bit| f64::from(u8::from(has(bit)));
            let valid = |bit, value| if has(bit) { value } else { -1.0 };
            let in_cycle = time::CYCLE_VALID | time::CYCLE_ACTIVE;
            Transport {
                tempo: valid(time::TEMPO_VALID, said.tempo),
                beats: valid(time::PPQ_VALID, said.ppq_pos),
                frame: said.sample_pos,
                speed: flag(time::PLAYING),
                signature: [said.numerator, said.denominator]
                    .map(|number| valid(time::SIGNATURE_VALID, f64::from(number))),
                recording: flag(time::RECORDING),
                loop_end: if said.flags & in_cycle == in_cycle {
                    said.cycle_end
                } else {
                    -1.0
                },
            }
        })
    }
}

/// A sample type, and where its buffers are kept.
trait Width: Sample {
    const IS_DOUBLE: bool;
    fn audio<P>(sound: &mut Sound<P>) -> &mut Audio<Self>;
}

impl Width for f32 {
    const IS_DOUBLE: bool = false;
    fn audio<P>(sound: &mut Sound<P>) -> &mut Audio<Self> {
        &mut sound.single
    }
}

impl Width for f64 {
    const IS_DOUBLE: bool = true;
    fn audio<P>(sound: &mut Sound<P>) -> &mut Audio<Self> {
        &mut sound.double
    }
}

unsafe extern "C" fn process<P: Plugin, S: Width>(
    effect: *mut AEffect,
    inputs: *const *const S,
    outputs: *const *mut S,
    frames: i32,
) {
    // SAFETY: VST2 has hosts pass the effect they were given.
    let instance = unsafe { of::<P>(effect) };
    demand(
        instance.is_on.load(Ordering::Relaxed),
        "effMainsChanged(1) comes before processing",
    );
    let is_double = instance.is_double.load(Ordering::Relaxed);
    demand(
        is_double == S::IS_DOUBLE,
        "effSetProcessPrecision says which samples come",
    );
    let most = instance.block_size.load(Ordering::Relaxed);
    demand(
        (0..=most).contains(&frames),
        "no block is longer than effSetBlockSize said",
    );
    // SAFETY: the effect lives, and its counts are this plugin's own.
    let (ins, outs) = unsafe { ((*effect).num_inputs, (*effect).num_outputs) };
    let mut sound = instance.sound();
    let sound = &mut *sound;
    let mut audio = std::mem::replace(S::audio(sound), Audio::new(0, 0));
    // SAFETY: VST2 has hosts give as many channels as the effect says, each of `frames` samples.
    unsafe { audio.take(inputs, ins, outputs, outs) };
    sound.said.clear();
    let mut transport = instance.transport(effect);
    play(
        &mut sound.plugin,
        &audio,
        usize::try_from(frames).unwrap_or(0),
        &sound.heard,
        &mut sound.said,
        &instance.values,
        &mut transport,
        &[],
    );
    *S::audio(sound) = audio;
    sound.heard.clear();
    // SAFETY: the host's callback with its own effect.
    unsafe {
        sound
            .outbox
            .send(&mut sound.said.midi, instance.host, effect)
    };
    for &(_, index, _) in &sound.said.values {
        instance.automate(effect, index);
    }
}

/// Makes a fresh plugin one of the oldest kind: it only adds to what is in its outputs.
///
/// # Safety
/// `effect` is null or comes from `open::<P>` just now.
pub unsafe fn age<P: Plugin>(effect: *mut AEffect) {
    // SAFETY: the caller's promise.
    if let Some(effect) = unsafe { effect.as_mut() } {
        effect.process = add::<P>;
        effect.process_replacing = None;
        effect.process_double_replacing = None;
        effect.flags &= !(flags::CAN_REPLACING | flags::CAN_DOUBLE_REPLACING);
    }
}

unsafe extern "C" fn add<P: Plugin>(
    effect: *mut AEffect,
    inputs: *const *const f32,
    outputs: *const *mut f32,
    frames: i32,
) {
    let length = usize::try_from(frames).unwrap_or(0);
    // SAFETY: the effect lives, and its counts are this plugin's own.
    let count = usize::try_from(unsafe { (*effect).num_outputs }).unwrap_or(0);
    let mut own = vec![vec![0.0f32; length]; count];
    let pointers: Vec<*mut f32> = own.iter_mut().map(Vec::as_mut_ptr).collect();
    // SAFETY: what the host passed, with outputs of our own of that many frames.
    unsafe { process::<P, f32>(effect, inputs, pointers.as_ptr(), frames) };
    for (channel, samples) in own.iter().enumerate() {
        for (frame, sample) in samples.iter().enumerate() {
            // SAFETY: VST2 has hosts give as many channels as the effect says, each of `frames`
            // samples.
            unsafe { *(*outputs.add(channel)).add(frame) += sample };
        }
    }
}

unsafe extern "C" fn set_parameter<P: Plugin>(effect: *mut AEffect, index: i32, value: f32) {
    // SAFETY: VST2 has hosts pass the effect they were given.
    let instance = unsafe { of::<P>(effect) };
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    demand(
        index < parameters::<P>(),
        "setParameter takes a parameter that is there",
    );
    demand((0.0..=1.0).contains(&value), "setParameter takes 0 to 1");
    let before = instance.values.get(index);
    instance.values.set_normal(index, f64::from(value));
    let has_changed = instance.values.get(index) != before;
    let gesture = P::answer(index, &instance.values).filter(|_| has_changed);
    if let Some(gesture) = gesture {
        instance.call(effect, tell::BEGIN_EDIT, gesture.index, 0.0);
        instance.values.set(gesture.index, gesture.plain);
        instance.automate(effect, gesture.index);
        instance.call(effect, tell::END_EDIT, gesture.index, 0.0);
    }
    instance.follow_latency(effect);
}

unsafe extern "C" fn get_parameter<P: Plugin>(effect: *mut AEffect, index: i32) -> f32 {
    // SAFETY: VST2 has hosts pass the effect they were given.
    let instance = unsafe { of::<P>(effect) };
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    demand(
        index < parameters::<P>(),
        "getParameter takes a parameter that is there",
    );
    f32::of(instance.values.normal(index))
}

/// Frees a plugin.
///
/// # Safety
/// `effect` comes from `open::<P>` and is not used again.
pub unsafe fn close<P: Plugin>(effect: *mut AEffect) {
    // SAFETY: made by `Box::into_raw` in `open`.
    let instance = unsafe { Box::from_raw((*effect).object.cast::<Instance<P>>()) };
    instance.sound().plugin.close(&instance.values);
}
