//! What a class is made of, whatever its role.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use vst3::Steinberg::Vst::ChannelContext::IInfoListener;
use vst3::Steinberg::Vst::{
    IAudioProcessor, IComponent, IComponentHandler, IComponentHandlerTrait, IConnectionPoint,
    IEditController, IHostApplication, IHostApplicationTrait, IMessage, IMidiMapping,
    INoteExpressionController, IProcessContextRequirements, IUnitInfo,
    RestartFlags_::{kIoChanged, kLatencyChanged},
};
use vst3::Steinberg::{FUnknown, IPluginBaseTrait, TUID, kResultOk, tresult};
use vst3::{Class, ComPtr, ComRef, ComWrapper, Interface};

use super::{COMBINED, CONTROLLER, LIVING, PROCESSOR};
use crate::kit::block::{Audio, Change, Said};
use crate::kit::mail::Mail;
use crate::kit::{Plugin, Values, demand};

/// An object of a plugin.
pub struct Object<P, const ROLE: u8> {
    /// Values as playing has them.
    pub heard: Values,
    /// Values as the host sees them.
    pub shown: Values,
    pub program: AtomicUsize,
    /// Latency that the host was last told.
    pub told_latency: AtomicUsize,
    /// Channels of its buses that the host was last told of.
    told_channels: AtomicUsize,
    pub handler: Mutex<Option<ComPtr<IComponentHandler>>>,
    /// The other half, where there are two.
    pub peer: Mutex<Option<ComPtr<IConnectionPoint>>>,
    /// Name and colour of the track it is on.
    pub track: Mutex<(String, i64)>,
    host: Mutex<Option<ComPtr<IHostApplication>>>,
    is_initialised: AtomicBool,
    sound: Mutex<Sound<P>>,
}

/// What playing changes.
pub struct Sound<P> {
    /// None in an object that does not play.
    pub plugin: Option<P>,
    pub is_active: bool,
    pub is_processing: bool,
    pub rate: f64,
    pub max_frames: i32,
    /// Real time, or as long as it takes.
    pub mode: i32,
    pub is_double: bool,
    /// Channels of each bus: inputs, outputs.
    pub channels: [Vec<usize>; 2],
    /// Whether each input bus was activated.
    pub inputs_active: Vec<bool>,
    pub heard: Mail,
    pub said: Said,
    pub changes: Vec<(usize, Change)>,
    pub single: Audio<f32>,
    pub double: Audio<f64>,
}

impl<P: Plugin> Class for Object<P, COMBINED> {
    type Interfaces = (
        IComponent,
        IAudioProcessor,
        IProcessContextRequirements,
        IEditController,
        IUnitInfo,
        IMidiMapping,
        INoteExpressionController,
        IInfoListener,
    );
}

impl<P: Plugin> Class for Object<P, PROCESSOR> {
    type Interfaces = (
        IComponent,
        IAudioProcessor,
        IProcessContextRequirements,
        IConnectionPoint,
    );
}

impl<P: Plugin> Class for Object<P, CONTROLLER> {
    type Interfaces = (
        IEditController,
        IUnitInfo,
        IMidiMapping,
        INoteExpressionController,
        IConnectionPoint,
        IInfoListener,
    );
}

/// Makes an object; `None` where the plugin refuses.
pub fn create<P: Plugin>(role: u8) -> Option<ComPtr<FUnknown>> {
    match role {
        COMBINED => ComWrapper::new(Object::<P, COMBINED>::new(Some(P::new()?))).to_com_ptr(),
        PROCESSOR => ComWrapper::new(Object::<P, PROCESSOR>::new(Some(P::new()?))).to_com_ptr(),
        _ => ComWrapper::new(Object::<P, CONTROLLER>::new(None)).to_com_ptr(),
    }
}

impl<P: Plugin, const ROLE: u8> Object<P, ROLE> {
    fn new(plugin: Option<P>) -> Self {
        LIVING.fetch_add(1, Ordering::Relaxed);
        let about = P::ABOUT;
        let channels = |buses: &[crate::kit::Bus]| buses.iter().map(|bus| bus.channels).collect();
        let heard = Values::new(about.parameters);
        Self {
            told_latency: AtomicUsize::new(P::latency(&heard)),
            told_channels: AtomicUsize::new(P::channels(&heard).unwrap_or(0)),
            heard,
            shown: Values::new(about.parameters),
            program: AtomicUsize::new(0),
            handler: Mutex::new(None),
            peer: Mutex::new(None),
            track: Mutex::default(),
            host: Mutex::new(None),
            is_initialised: AtomicBool::new(false),
            sound: Mutex::new(Sound {
                plugin,
                is_active: false,
                is_processing: false,
                rate: 0.0,
                max_frames: 0,
                mode: 0,
                is_double: false,
                channels: [channels(about.inputs), channels(about.outputs)],
                inputs_active: about.inputs.iter().map(|bus| !bus.is_aux).collect(),
                heard: Mail::new(),
                said: Said::new(),
                changes: Vec::with_capacity(256),
                single: Audio::new(64, 64),
                double: Audio::new(64, 64),
            }),
        }
    }

    /// What playing changes; hosts take turns with it.
    pub fn sound(&self) -> MutexGuard<'_, Sound<P>> {
        self.sound.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Who hears of what the plugin does by itself.
    pub fn handler(&self) -> Option<ComPtr<IComponentHandler>> {
        let handler = self.handler.lock().unwrap_or_else(|e| e.into_inner());
        handler.clone()
    }

    /// A message, made by the host.
    pub fn message(&self) -> Option<ComPtr<IMessage>> {
        let host = self
            .host
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .clone()?;
        let mut object = std::ptr::null_mut();
        let mut id: TUID = IMessage::IID.map(u8::cast_signed);
        // SAFETY: the host's context, held; the object is ours where the call succeeds.
        unsafe {
            let told = host.createInstance(&raw mut id, &raw mut id, &raw mut object);
            demand(told == kResultOk, "a host makes messages");
            ComPtr::from_raw(object.cast())
        }
    }

    /// Asks the host to look at something again.
    pub fn restart(&self, flags: i32) {
        if let Some(handler) = self.handler() {
            // SAFETY: the host's handler, held.
            unsafe { handler.restartComponent(flags) };
        }
    }

    /// Frames by which it is late.
    pub fn latency(&self) -> usize {
        match ROLE {
            COMBINED => P::latency(&self.shown),
            _ => P::latency(&self.heard),
        }
    }

    /// Tells the host if the buses are to change; on the main thread only. They do while the
    /// plugin is inactive.
    pub fn follow_channels(&self) {
        let channels = P::channels(&self.shown).unwrap_or(0);
        if self.told_channels.swap(channels, Ordering::Relaxed) != channels {
            let mut sound = self.sound();
            if !sound.is_active {
                self.change_buses(&mut sound);
            }
            drop(sound);
            self.restart(kIoChanged);
        }
    }

    /// Gives the buses the channels that they are to have.
    pub fn change_buses(&self, sound: &mut Sound<P>) {
        if let Some(channels) = P::channels(&self.shown) {
            sound
                .channels
                .iter_mut()
                .flatten()
                .for_each(|count| *count = channels);
        }
    }

    /// Tells the host if the latency has changed; on the main thread only.
    pub fn follow_latency(&self) {
        let latency = self.latency();
        if self.told_latency.swap(latency, Ordering::Relaxed) != latency {
            self.restart(kLatencyChanged);
        }
    }
}

impl<P, const ROLE: u8> Drop for Object<P, ROLE> {
    fn drop(&mut self) {
        LIVING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<P: Plugin, const ROLE: u8> IPluginBaseTrait for Object<P, ROLE> {
    unsafe fn initialize(&self, context: *mut FUnknown) -> tresult {
        demand(!context.is_null(), "initialize takes the host's context");
        // SAFETY: the host's context.
        let host = unsafe { ComRef::from_raw(context) }.and_then(|context| context.cast());
        demand(host.is_some(), "the host's context is an application");
        *self.host.lock().unwrap_or_else(|e| e.into_inner()) = host;
        demand(
            !self.is_initialised.swap(true, Ordering::Relaxed),
            "initialize comes once",
        );
        kResultOk
    }

    unsafe fn terminate(&self) -> tresult {
        demand(
            self.is_initialised.swap(false, Ordering::Relaxed),
            "terminate comes after initialize",
        );
        let mut sound = self.sound();
        demand(!sound.is_active, "setActive(0) comes before terminate");
        if let Some(plugin) = &mut sound.plugin {
            plugin.close(&self.heard);
        }
        let peer = self.peer.lock().unwrap_or_else(|e| e.into_inner());
        demand(peer.is_none(), "disconnect comes before terminate");
        *self.handler.lock().unwrap_or_else(|e| e.into_inner()) = None;
        *self.host.lock().unwrap_or_else(|e| e.into_inner()) = None;
        kResultOk
    }
}
