//! A unit: one of this crate's plugins, and what the host told it.

use std::ffi::c_void;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard};

use super::Entry;
use super::abi::*;
use super::objects;
use crate::kit::block::{Audio, Said, play};
use crate::kit::mail::Mail;
use crate::kit::{About, Gesture, Plugin, Transport, Values, block, state};

/// A plugin, whichever it is.
pub trait Unit: Send {
    /// What it is.
    fn about(&self) -> &'static About;
    /// Its parameters at first.
    fn values(&self) -> Values;
    /// Frames by which it is late.
    fn latency(&self) -> fn(&Values) -> usize;
    /// What it does by itself when a parameter has been set.
    fn answer(&self) -> fn(usize, &Values) -> Option<Gesture>;
    /// Clears what playing left behind.
    fn activate(&mut self, rate: f64);
    /// Plays.
    fn play(&mut self, piece: Piece<'_>);
    /// Everything of it.
    fn save(&self, values: &Values) -> Vec<u8>;
    /// Restores what `save` gave.
    fn restore(&mut self, values: &Values, bytes: &[u8]) -> bool;
    /// Sets a program's values.
    fn apply(&self, values: &Values, program: usize);
    /// It goes.
    fn close(&mut self, values: &Values);
}

/// What one render is about.
pub struct Piece<'a> {
    pub audio: &'a Audio<f32>,
    pub frames: usize,
    pub heard: &'a Mail,
    pub said: &'a mut Said,
    pub values: &'a Values,
    pub transport: &'a mut Transport,
}

/// Makes a [`Unit`] of a [`Plugin`].
pub struct Adapter<P>(P);

impl<P: Plugin> Adapter<P> {
    /// The plugin, or nothing where it refuses.
    pub fn make() -> Option<Box<dyn Unit>> {
        let plugin = P::new()?;
        Some(Box::new(Self(plugin)))
    }
}

impl<P: Plugin> Unit for Adapter<P> {
    fn about(&self) -> &'static About {
        &P::ABOUT
    }
    fn values(&self) -> Values {
        Values::new(P::ABOUT.parameters)
    }
    fn latency(&self) -> fn(&Values) -> usize {
        P::latency
    }
    fn answer(&self) -> fn(usize, &Values) -> Option<Gesture> {
        P::answer
    }
    fn activate(&mut self, rate: f64) {
        self.0.activate(rate);
    }
    fn play(&mut self, piece: Piece<'_>) {
        play(
            &mut self.0,
            piece.audio,
            piece.frames,
            piece.heard,
            piece.said,
            piece.values,
            piece.transport,
            &[],
        );
    }
    fn save(&self, values: &Values) -> Vec<u8> {
        state::save(&self.0, values)
    }
    fn restore(&mut self, values: &Values, bytes: &[u8]) -> bool {
        let rest = state::restore_values(values, bytes);
        if let Some(rest) = rest {
            self.0.restore(values, rest);
        }
        rest.is_some()
    }
    fn apply(&self, values: &Values, program: usize) {
        block::apply::<P>(values, program);
    }
    fn close(&mut self, values: &Values) {
        self.0.close(values);
    }
}

/// A listener for a property.
#[derive(Clone, Copy)]
pub struct Listener {
    pub property: u32,
    pub callback: AudioUnitPropertyListenerProc,
    pub user_data: *mut c_void,
}

/// A unit of the simulation. What hosts may ask beside rendering is not behind the lock.
pub struct Sim {
    pub about: &'static About,
    pub description: AudioComponentDescription,
    pub values: Values,
    pub latency: fn(&Values) -> usize,
    pub answer: fn(usize, &Values) -> Option<Gesture>,
    pub listeners: Mutex<Vec<Listener>>,
    /// What the host calls the track; parameters' names show it.
    pub context: Mutex<String>,
    /// Frames a second, once it is initialised.
    pub rate_bits: AtomicU64,
    inner: Mutex<Inner>,
}

/// What belongs to whoever sets the unit up or renders.
pub struct Inner {
    pub unit: Box<dyn Unit>,
    pub is_initialized: bool,
    pub max_frames: u32,
    /// By scope (input, output) and element.
    pub formats: [Vec<AudioStreamBasicDescription>; 2],
    pub inputs: Vec<Option<AURenderCallbackStruct>>,
    pub playhead: Option<HostCallbackInfo>,
    pub midi_out: Option<AUMIDIOutputCallbackStruct>,
    pub is_bypassed: bool,
    pub is_offline: bool,
    /// Number and name of the present preset; the name has a reference of its own.
    pub preset: AUPreset,
    pub audio: Audio<f32>,
    pub heard: Mail,
    pub said: Said,
    pub transport: Transport,
    /// Own memory for inputs that are not handed out by the host, by channel.
    pub memory: Vec<Vec<f32>>,
    /// Bytes for the MIDI packets of one render.
    pub packets: Vec<u8>,
}

// SAFETY: pointers of the host, used as it allows: callbacks while rendering, on its thread.
unsafe impl Send for Inner {}

impl Sim {
    /// A unit that is not initialised.
    pub fn new(entry: &Entry, unit: Box<dyn Unit>) -> Self {
        let about = unit.about();
        let format = |bus: &crate::kit::Bus| AudioStreamBasicDescription {
            sample_rate: 44_100.0,
            format_id: LINEAR_PCM,
            format_flags: FLOAT_PLANES,
            bytes_per_packet: 4,
            frames_per_packet: 1,
            bytes_per_frame: 4,
            channels_per_frame: u32::try_from(bus.channels).unwrap_or(0),
            bits_per_channel: 32,
            reserved: 0,
        };
        Self {
            about,
            description: entry.describe(),
            values: unit.values(),
            latency: unit.latency(),
            answer: unit.answer(),
            listeners: Mutex::default(),
            context: Mutex::default(),
            rate_bits: AtomicU64::new(44_100f64.to_bits()),
            inner: Mutex::new(Inner {
                unit,
                is_initialized: false,
                max_frames: 1156,
                formats: [about.inputs, about.outputs]
                    .map(|buses| buses.iter().map(format).collect()),
                inputs: vec![None; about.inputs.len()],
                playhead: None,
                midi_out: None,
                is_bypassed: false,
                is_offline: false,
                preset: AUPreset {
                    number: -1,
                    name: objects::string("Untitled"),
                },
                audio: Audio::new(64, 64),
                heard: Mail::new(),
                said: Said::new(),
                transport: Transport::UNSAID,
                memory: Vec::new(),
                packets: Vec::new(),
            }),
        }
    }

    /// The unit behind a host's pointer.
    ///
    /// # Safety
    /// A unit that was made and not disposed of.
    pub unsafe fn of<'a>(unit: AudioUnit) -> &'a Self {
        crate::kit::demand(!unit.is_null(), "call a unit, not null");
        // SAFETY: the caller's promise.
        unsafe { &*unit.cast::<Self>() }
    }

    /// What needs the lock.
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The unit goes.
    pub fn close(&self) {
        let mut inner = self.inner();
        inner.unit.close(&self.values);
        objects::release(inner.preset.name);
    }

    /// Tells listeners that a global property changed. Without the lock: they may ask back.
    pub fn changed(&self, property: u32) {
        let listeners = self
            .listeners
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .clone();
        for listener in listeners
            .iter()
            .filter(|listener| listener.property == property)
        {
            let unit = std::ptr::from_ref(self).cast_mut().cast();
            // SAFETY: the host's callback with its own user data.
            unsafe { (listener.callback)(listener.user_data, unit, property, scope::GLOBAL, 0) };
        }
    }
}
