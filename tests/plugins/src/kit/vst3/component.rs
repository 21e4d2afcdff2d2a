//! The component: buses and state.

use vst3::Steinberg::Vst::BusDirections_::kInput;
use vst3::Steinberg::Vst::BusInfo_::BusFlags_::kDefaultActive;
use vst3::Steinberg::Vst::BusTypes_::{kAux, kMain};
use vst3::Steinberg::Vst::MediaTypes_::{kAudio, kEvent};
use vst3::Steinberg::Vst::{
    BusDirection, BusInfo, IComponentTrait, IoMode, MediaType, RoutingInfo,
};
use vst3::Steinberg::{
    IBStream, TBool, TUID, kInvalidArgument, kNotImplemented, kResultFalse, kResultOk, tresult,
};

use super::object::Object;
use super::{COMBINED, CONTROLLER, class_id, streams, strings};
use crate::kit::{Plugin, demand, state};

/// A list of VST3's unsigned names where its calls take signed numbers.
pub fn is(value: i32, name: u32) -> bool {
    u32::try_from(value) == Ok(name)
}

fn index(number: i32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl<P: Plugin, const ROLE: u8> IComponentTrait for Object<P, ROLE> {
    unsafe fn getControllerClassId(&self, id: *mut TUID) -> tresult {
        if ROLE == COMBINED {
            return kResultFalse;
        }
        // SAFETY: VST3 has hosts pass a place for the id.
        unsafe { id.write(class_id(P::URI, CONTROLLER)) };
        kResultOk
    }

    unsafe fn setIoMode(&self, _mode: IoMode) -> tresult {
        kNotImplemented
    }

    unsafe fn getBusCount(&self, media: MediaType, direction: BusDirection) -> i32 {
        let is_input = is(direction, kInput);
        let count = match u32::try_from(media) {
            Ok(kAudio) if is_input => P::ABOUT.inputs.len(),
            Ok(kAudio) => P::ABOUT.outputs.len(),
            Ok(kEvent) if is_input => usize::from(P::ABOUT.midi_in),
            Ok(kEvent) => usize::from(P::ABOUT.midi_out),
            _ => 0,
        };
        i32::try_from(count).unwrap_or(0)
    }

    unsafe fn getBusInfo(
        &self,
        media: MediaType,
        direction: BusDirection,
        at: i32,
        info: *mut BusInfo,
    ) -> tresult {
        // SAFETY: VST3 has hosts pass a place for the description.
        if at < 0 || at >= unsafe { self.getBusCount(media, direction) } {
            return kInvalidArgument;
        }
        // SAFETY: as above.
        let info = unsafe { &mut *info };
        info.mediaType = media;
        info.direction = direction;
        if is(media, kEvent) {
            info.channelCount = 16;
            strings::wide("MIDI", &mut info.name);
            info.busType = kMain.cast_signed();
            info.flags = kDefaultActive;
            return kResultOk;
        }
        let side = usize::from(!is(direction, kInput));
        let bus = [P::ABOUT.inputs, P::ABOUT.outputs][side][index(at)];
        let channels = self.sound().channels[side][index(at)];
        info.channelCount = i32::try_from(channels).unwrap_or(0);
        let track = self.track.lock().unwrap_or_else(|e| e.into_inner());
        match &track.0[..] {
            "" => strings::wide(bus.name, &mut info.name),
            name => strings::wide(&format!("{name} #{:08X}", track.1), &mut info.name),
        }
        info.busType = if bus.is_aux { kAux } else { kMain }.cast_signed();
        info.flags = if bus.is_aux { 0 } else { kDefaultActive };
        kResultOk
    }

    unsafe fn getRoutingInfo(&self, _: *mut RoutingInfo, _: *mut RoutingInfo) -> tresult {
        kNotImplemented
    }

    unsafe fn activateBus(
        &self,
        media: MediaType,
        direction: BusDirection,
        at: i32,
        is_active: TBool,
    ) -> tresult {
        // SAFETY: no pointers are passed.
        if at < 0 || at >= unsafe { self.getBusCount(media, direction) } {
            return kInvalidArgument;
        }
        let mut sound = self.sound();
        demand(!sound.is_active, "activateBus comes before setActive");
        if is(media, kAudio) && is(direction, kInput) {
            sound.inputs_active[index(at)] = is_active != 0;
        }
        kResultOk
    }

    unsafe fn setActive(&self, is_active: TBool) -> tresult {
        let mut sound = self.sound();
        let is_active = is_active != 0;
        demand(
            !sound.is_processing,
            "setProcessing(0) comes before setActive",
        );
        if is_active && !sound.is_active {
            demand(sound.rate > 0.0, "setupProcessing comes before setActive");
            let rate = sound.rate;
            if let Some(plugin) = &mut sound.plugin {
                plugin.activate(rate);
            }
            drop(sound);
            self.greet(rate);
            sound = self.sound();
        }
        sound.is_active = is_active;
        if !is_active {
            self.change_buses(&mut sound);
        }
        kResultOk
    }

    unsafe fn setState(&self, stream: *mut IBStream) -> tresult {
        // SAFETY: VST3 has hosts pass a stream.
        let Some(bytes) = (unsafe { streams::read(stream) }) else {
            return kInvalidArgument;
        };
        let Some(rest) = state::restore_values(&self.heard, &bytes) else {
            return kResultFalse;
        };
        if let Some(plugin) = &mut self.sound().plugin {
            plugin.restore(&self.heard, rest);
        }
        if ROLE == COMBINED {
            state::restore_values(&self.shown, &bytes);
            self.follow_latency();
        }
        kResultOk
    }

    unsafe fn getState(&self, stream: *mut IBStream) -> tresult {
        let mut bytes = match &self.sound().plugin {
            Some(plugin) => state::save(plugin, &self.heard),
            None => return kResultFalse,
        };
        // SAFETY: VST3 has hosts pass a stream.
        match unsafe { streams::write(stream, &mut bytes) } {
            true => kResultOk,
            false => kResultFalse,
        }
    }
}
