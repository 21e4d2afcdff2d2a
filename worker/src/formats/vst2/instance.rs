//! An effect that a plugin's entry has given out.

use std::ffi::{CStr, c_void};
use std::ptr::{NonNull, null_mut};

use plugpen_proto::Error;
use plugpen_proto::limits::{MAX_CHANNELS, MAX_PARAMETERS, MAX_STATE};
use plugpen_proto::v1::ErrorReason;

use super::abi::{self, Effect, Events, PatchChunkInfo, effect, flags};
use super::host::{Quiet, quietly};
use super::text::decode;
use crate::formats::fpu;
use crate::formats::numbers::narrow;

/// Most programs that are offered. The most met is 3,584.
const MAX_PROGRAMS: i32 = 65_536;
/// Longest latency that is believed, in frames: half an hour at 9.6 kHz. The longest met is
/// 120,000.
const MAX_LATENCY: u32 = 1 << 24;

/// The plugin's code and data. Its methods are calls into the plugin; which thread may make which
/// is up to who owns the processor, but for the texts and values that any thread may ask for.
pub struct Instance {
    effect: NonNull<Effect>,
    num_params: u32,
    num_programs: u32,
}

// SAFETY: the pointer is to the plugin's own memory, which stays as long as the process. The
// interface allows any thread; that calls do not overlap is upheld by who owns the processor.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

/// Two channel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    pub inputs: usize,
    pub outputs: usize,
}

impl Instance {
    /// Checks what an entry has given out.
    ///
    /// # Errors
    /// It is no effect, or one that cannot be.
    ///
    /// # Safety
    /// `effect` is null or points to as many bytes as an effect has, for as long as the process
    /// lives.
    pub unsafe fn new(effect: *mut Effect) -> Result<Self, String> {
        let effect = NonNull::new(effect).ok_or("its entry gave out nothing")?;
        // SAFETY: not null, says the line above, and readable, says the caller.
        let (magic, dispatcher) =
            unsafe { ((*effect.as_ptr()).magic, (*effect.as_ptr()).dispatcher) };
        if magic != abi::MAGIC || dispatcher.is_none() {
            return Err("what its entry gave out is no VST2 effect".into());
        }
        let mut instance = Self {
            effect,
            num_params: 0,
            num_programs: 0,
        };
        instance.count()?;
        Ok(instance)
    }

    /// Counts parameters and programs; once at first, and once more when the plugin is open.
    ///
    /// # Errors
    /// Numbers that cannot be.
    pub fn count(&mut self) -> Result<(), String> {
        let params = self.now().num_params;
        let programs = self.now().num_programs;
        match u32::try_from(params) {
            Ok(count) if count <= MAX_PARAMETERS => self.num_params = count,
            _ => return Err(format!("it claims to have {params} parameters")),
        }
        self.num_programs = programs.clamp(0, MAX_PROGRAMS).unsigned_abs();
        let inputs = self.now().num_inputs;
        let outputs = self.now().num_outputs;
        for channels in [inputs, outputs] {
            if !u32::try_from(channels).is_ok_and(|count| count <= MAX_CHANNELS) {
                return Err(format!("it claims to have {channels} channels"));
            }
        }
        Ok(())
    }

    /// Number of parameters.
    pub fn num_params(&self) -> u32 {
        self.num_params
    }

    /// Number of programs.
    pub fn num_programs(&self) -> u32 {
        self.num_programs
    }

    /// Its inputs and outputs as it has them now, at most as many as there may be.
    pub fn channels(&self) -> Channels {
        let clamp = |count: i32| {
            let count = u32::try_from(count).unwrap_or(0).min(MAX_CHANNELS);
            usize::try_from(count).unwrap_or(0)
        };
        Channels {
            inputs: clamp(self.now().num_inputs),
            outputs: clamp(self.now().num_outputs),
        }
    }

    /// Whether a flag of the effect is set.
    pub fn has_flag(&self, flag: i32) -> bool {
        self.now().flags & flag != 0
    }

    /// The plugin's own number.
    pub fn unique_id(&self) -> u32 {
        self.now().unique_id.cast_unsigned()
    }

    /// The plugin's version, as it is kept in banks.
    pub fn version(&self) -> i32 {
        self.now().version
    }

    /// Latency as the plugin has it now, in frames.
    pub fn latency(&self) -> u32 {
        let delay = self.now().initial_delay;
        u32::try_from(delay).unwrap_or(0).min(MAX_LATENCY)
    }

    /// Whether it computes in 64 bits if told to.
    pub fn can_double(&self) -> bool {
        self.has_flag(flags::CAN_DOUBLE_REPLACING) && self.now().process_double_replacing.is_some()
    }

    /// Whether its state is a chunk.
    pub fn has_chunks(&self) -> bool {
        self.has_flag(flags::PROGRAM_CHUNKS)
    }

    /// The effect as it is now.
    fn now(&self) -> Effect {
        // SAFETY: lives as long as the process. The plugin may write it at any time: read once,
        // as it is, and any bits are a value of these types.
        unsafe { self.effect.as_ptr().read_volatile() }
    }

    /// Asks the plugin.
    ///
    /// # Safety
    /// `pointer` is what the interface wants for this opcode.
    pub unsafe fn dispatch(
        &self,
        opcode: i32,
        index: i32,
        value: isize,
        pointer: *mut c_void,
        opt: f32,
    ) -> isize {
        let Some(dispatcher) = self.now().dispatcher else {
            return 0;
        };
        // SAFETY: the plugin's own function with its own effect; the rest is the caller's promise.
        fpu::guarded(|| unsafe {
            dispatcher(self.effect.as_ptr(), opcode, index, value, pointer, opt)
        })
    }

    /// Asks the plugin something that takes numbers only.
    pub fn ask(&self, opcode: i32, index: i32, value: isize, opt: f32) -> isize {
        // SAFETY: no opcode that is used with this takes a pointer.
        unsafe { self.dispatch(opcode, index, value, null_mut(), opt) }
    }

    /// Asks for a text; what the plugin answers, and the text it wrote.
    pub fn text(&self, opcode: i32, index: i32, value: isize) -> (isize, String) {
        let mut text = [0u8; abi::TEXT];
        // SAFETY: room for a text, more than any opcode says there has to be.
        let result = unsafe { self.dispatch(opcode, index, value, text.as_mut_ptr().cast(), 0.0) };
        (result, decode(&text))
    }

    /// Whether the plugin can do something.
    pub fn can_do(&self, what: &CStr) -> bool {
        let what = what.as_ptr().cast_mut().cast();
        // SAFETY: a C string, which the plugin reads.
        unsafe { self.dispatch(effect::CAN_DO, 0, 0, what, 0.0) > 0 }
    }

    /// A parameter's value, 0 to 1.
    pub fn get_parameter(&self, at: usize) -> f64 {
        let (Some(get), Ok(index)) = (self.now().get_parameter, i32::try_from(at)) else {
            return 0.0;
        };
        // SAFETY: the plugin's own function with its own effect; indices are below its count.
        let value = fpu::guarded(|| unsafe { get(self.effect.as_ptr(), index) });
        if value.is_finite() {
            f64::from(value.clamp(0.0, 1.0))
        } else {
            0.0
        }
    }

    /// Sets a parameter to a value from 0 to 1. Whoever owns the processor.
    pub fn set_parameter(&self, at: usize, value: f64) {
        let (Some(set), Ok(index)) = (self.now().set_parameter, i32::try_from(at)) else {
            return;
        };
        let value = narrow(value);
        quietly(Quiet::Parameter(index), || {
            // SAFETY: as for `get_parameter`.
            fpu::guarded(|| unsafe { set(self.effect.as_ptr(), index, value) });
        });
    }

    /// Sets the parameter a text stands for, if the plugin understands it.
    pub fn set_from_text(&self, at: usize, text: &str) -> bool {
        let Ok(index) = i32::try_from(at) else {
            return false;
        };
        let mut buffer = [0u8; abi::TEXT];
        let end = text.len().min(abi::TEXT - 1);
        buffer[..end].copy_from_slice(&text.as_bytes()[..end]);
        let pointer = buffer.as_mut_ptr().cast();
        // SAFETY: a C string with room behind it.
        unsafe { self.dispatch(effect::STRING_TO_PARAMETER, index, 0, pointer, 0.0) > 0 }
    }

    /// The state as a chunk of the plugin's own; `None` where it gives none.
    ///
    /// # Errors
    /// A chunk that cannot be.
    pub fn chunk(&self, program_only: bool) -> Result<Option<Vec<u8>>, Error> {
        let mut data: *const u8 = std::ptr::null();
        let index = i32::from(program_only);
        let pointer = (&raw mut data).cast();
        // SAFETY: a place for a pointer to the plugin's own memory.
        let size = unsafe { self.dispatch(effect::GET_CHUNK, index, 0, pointer, 0.0) };
        match usize::try_from(size) {
            Ok(size) if size > MAX_STATE => Err(Error::new(
                ErrorReason::LimitReached,
                format!("the plugin's state has {size} bytes; plugpen carries up to {MAX_STATE}"),
            )),
            Ok(size) if size > 0 && !data.is_null() => {
                // SAFETY: the plugin says that there are so many bytes, until it is asked again.
                Ok(Some(
                    unsafe { std::slice::from_raw_parts(data, size) }.to_vec(),
                ))
            }
            _ => Ok(None),
        }
    }

    /// Gives the plugin a chunk. What it answers says nothing: many plugins answer 0 always.
    pub fn set_chunk(&self, program_only: bool, mut data: Vec<u8>) {
        let index = i32::from(program_only);
        let size = isize::try_from(data.len()).unwrap_or(0);
        // SAFETY: so many bytes, for the length of the call.
        unsafe {
            self.dispatch(
                effect::SET_CHUNK,
                index,
                size,
                data.as_mut_ptr().cast(),
                0.0,
            )
        };
    }

    /// Asks whether the plugin would take a bank or program with such a head.
    pub fn accepts_patch(&self, opcode: i32, elements: u32) -> bool {
        let mut info = PatchChunkInfo {
            version: 1,
            plugin_id: self.unique_id().cast_signed(),
            plugin_version: self.version(),
            num_elements: i32::try_from(elements).unwrap_or(0),
            future: [0; 48],
        };
        // SAFETY: the structure that these opcodes read.
        unsafe { self.dispatch(opcode, 0, 0, (&raw mut info).cast(), 0.0) >= 0 }
    }

    /// Gives the plugin its events for the next piece. The audio thread.
    ///
    /// # Safety
    /// A list of events that stays as it is until the piece was processed.
    pub unsafe fn process_events(&self, list: *mut Events) {
        // SAFETY: the caller's promise.
        unsafe { self.dispatch(effect::PROCESS_EVENTS, 0, 0, list.cast(), 0.0) };
    }

    /// Whether it replaces what is in the outputs. The oldest plugins only add to it.
    pub fn replaces(&self) -> bool {
        let has = |process: Option<abi::Process<f32>>| process.is_some();
        let replacing = has(self.now().process_replacing);
        let adding = has(self.now().process_adding);
        replacing && (self.has_flag(flags::CAN_REPLACING) || !adding)
    }

    /// Processes a piece in single precision, on top of what is in the outputs where the plugin
    /// does not replace it. The audio thread. False where the plugin has no
    /// function for it.
    ///
    /// # Safety
    /// As many pointers as the plugin has channels, each to `frames` samples that nobody else
    /// touches in a way that matters.
    pub unsafe fn process(
        &self,
        inputs: *const *const f32,
        outputs: *const *mut f32,
        frames: i32,
    ) -> bool {
        let process = match self.replaces() {
            true => self.now().process_replacing,
            false => self.now().process_adding,
        };
        let Some(process) = process else {
            return false;
        };
        // SAFETY: the plugin's own function with its own effect; the rest is the caller's promise.
        fpu::guarded(|| unsafe { process(self.effect.as_ptr(), inputs, outputs, frames) });
        true
    }

    /// Processes a piece in double precision. See [`Instance::process`].
    ///
    /// # Safety
    /// As there.
    pub unsafe fn process_double(
        &self,
        inputs: *const *const f64,
        outputs: *const *mut f64,
        frames: i32,
    ) -> bool {
        let Some(process) = self.now().process_double_replacing else {
            return false;
        };
        // SAFETY: as above.
        fpu::guarded(|| unsafe { process(self.effect.as_ptr(), inputs, outputs, frames) });
        true
    }

    /// Opens the plugin; before anything else is asked.
    pub fn open(&self) {
        self.ask(effect::OPEN, 0, 0, 0.0);
    }

    /// Begins to process. Whoever owns the processor.
    pub fn resume(&self) {
        self.ask(effect::MAINS_CHANGED, 0, 1, 0.0);
        self.ask(effect::START_PROCESS, 0, 0, 0.0);
    }

    /// Ends what [`Instance::resume`] began. Whoever owns the processor.
    pub fn suspend(&self) {
        self.ask(effect::STOP_PROCESS, 0, 0, 0.0);
        self.ask(effect::MAINS_CHANGED, 0, 0, 0.0);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // The library stays loaded: some plugins' threads outlive this (ZynAddSubFX).
        self.ask(effect::CLOSE, 0, 0, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_effect_is_refused() {
        // SAFETY: null, and zeros in the shape of an effect.
        unsafe {
            assert!(Instance::new(null_mut()).is_err());
            let mut nothing: Effect = std::mem::zeroed();
            assert!(Instance::new(&raw mut nothing).is_err());
            nothing.magic = abi::MAGIC;
            assert!(Instance::new(&raw mut nothing).is_err(), "no dispatcher");
        }
    }
}
