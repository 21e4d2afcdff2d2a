//! The edit controller: parameters, and what the plugin does by itself.

use std::ffi::c_char;
use std::sync::atomic::Ordering;

use vst3::ComRef;
use vst3::Steinberg::Vst::ParameterInfo_::ParameterFlags_::{
    kCanAutomate, kIsBypass, kIsHidden, kIsList, kIsProgramChange, kIsReadOnly,
};
use vst3::Steinberg::Vst::RestartFlags_::kParamValuesChanged;
use vst3::Steinberg::Vst::{
    IComponentHandler, IComponentHandlerTrait, IEditControllerTrait, ParamID, ParamValue,
    ParameterInfo, String128, TChar,
};
use vst3::Steinberg::{
    IBStream, IPlugView, kInvalidArgument, kNotImplemented, kResultFalse, kResultOk, tresult,
};

use super::object::Object;
use super::parameters::{Target, program};
use super::{streams, strings};
use crate::kit::block::apply;
use crate::kit::{Kind, Parameter, Plugin, demand, state};

impl<P: Plugin, const ROLE: u8> Object<P, ROLE> {
    fn parameter(id: ParamID) -> Option<&'static Parameter> {
        match Target::of::<P>(id)? {
            Target::Own(index) => P::ABOUT.parameters.get(index),
            _ => None,
        }
    }

    fn set_own(&self, index: usize, normal: f64) {
        let before = self.shown.get(index);
        self.shown.set_normal(index, normal);
        if self.shown.get(index) == before {
            return;
        }
        if let (Some(gesture), Some(handler)) = (P::answer(index, &self.shown), self.handler()) {
            let id = Target::Own(gesture.index).id();
            self.shown.set(gesture.index, gesture.plain);
            // SAFETY: the host's handler, held, on the main thread.
            unsafe {
                handler.beginEdit(id);
                handler.performEdit(id, self.shown.normal(gesture.index));
                handler.endEdit(id);
            }
        }
        self.follow_latency();
        self.follow_channels();
    }
}

impl<P: Plugin, const ROLE: u8> IEditControllerTrait for Object<P, ROLE> {
    unsafe fn setComponentState(&self, stream: *mut IBStream) -> tresult {
        // SAFETY: VST3 has hosts pass a stream.
        let bytes = unsafe { streams::read(stream) };
        let taken = bytes.and_then(|bytes| state::restore_values(&self.shown, &bytes).map(drop));
        self.follow_latency();
        if taken.is_some() {
            kResultOk
        } else {
            kResultFalse
        }
    }

    unsafe fn setState(&self, _stream: *mut IBStream) -> tresult {
        kNotImplemented
    }

    unsafe fn getState(&self, _stream: *mut IBStream) -> tresult {
        kNotImplemented
    }

    unsafe fn getParameterCount(&self) -> i32 {
        i32::try_from(Target::all::<P>().count()).unwrap_or(0)
    }

    unsafe fn getParameterInfo(&self, at: i32, info: *mut ParameterInfo) -> tresult {
        let target = usize::try_from(at)
            .ok()
            .and_then(|at| Target::all::<P>().nth(at));
        let Some(target) = target else {
            return kInvalidArgument;
        };
        // SAFETY: VST3 has hosts pass a place for the description; all zeros is one.
        let info = unsafe {
            info.write_bytes(0, 1);
            &mut *info
        };
        info.id = target.id();
        match target {
            Target::Own(index) => {
                let parameter = &P::ABOUT.parameters[index];
                strings::wide(parameter.name, &mut info.title);
                strings::wide(parameter.name, &mut info.shortTitle);
                strings::wide(parameter.unit, &mut info.units);
                info.stepCount = parameter.steps();
                info.defaultNormalizedValue = parameter.normal(parameter.default);
                let list = if parameter.labels.is_empty() {
                    0
                } else {
                    kIsList
                };
                let kind = match parameter.kind {
                    Kind::Plain => kCanAutomate,
                    Kind::Bypass => kCanAutomate | kIsBypass,
                    Kind::Meter => kIsReadOnly,
                };
                info.flags = kind | list;
            }
            Target::Program => {
                strings::wide("Program", &mut info.title);
                info.stepCount = i32::try_from(P::ABOUT.programs.len()).unwrap_or(1) - 1;
                info.flags = kIsProgramChange | kIsList | kCanAutomate;
            }
            Target::Controller(channel, controller) => {
                let title = format!("MIDI {controller} of channel {}", channel + 1);
                strings::wide(&title, &mut info.title);
                info.flags = kIsHidden;
            }
        }
        kResultOk
    }

    unsafe fn getParamStringByValue(
        &self,
        id: ParamID,
        normal: ParamValue,
        into: *mut String128,
    ) -> tresult {
        let text = match Target::of::<P>(id) {
            Some(Target::Own(index)) => {
                let parameter = &P::ABOUT.parameters[index];
                parameter.text(parameter.plain(normal))
            }
            Some(Target::Program) => P::ABOUT.programs[program::<P>(normal)].name.to_owned(),
            Some(Target::Controller(..)) => normal.to_string(),
            None => return kInvalidArgument,
        };
        // SAFETY: VST3 has hosts pass a place for the text.
        strings::wide(&text, unsafe { &mut *into });
        kResultOk
    }

    unsafe fn getParamValueByString(
        &self,
        id: ParamID,
        text: *mut TChar,
        normal: *mut ParamValue,
    ) -> tresult {
        // SAFETY: VST3 has hosts pass a text with an end.
        let text = unsafe { strings::read(text) };
        let parameter = Self::parameter(id);
        let value = parameter.and_then(|known| Some(known.normal(known.parse(&text)?)));
        match value {
            Some(value) => {
                // SAFETY: VST3 has hosts pass a place for the value.
                unsafe { normal.write(value) };
                kResultOk
            }
            None => kResultFalse,
        }
    }

    unsafe fn normalizedParamToPlain(&self, id: ParamID, normal: ParamValue) -> ParamValue {
        Self::parameter(id).map_or(normal, |parameter| parameter.plain(normal))
    }

    unsafe fn plainParamToNormalized(&self, id: ParamID, plain: ParamValue) -> ParamValue {
        Self::parameter(id).map_or(plain, |parameter| parameter.normal(plain))
    }

    unsafe fn getParamNormalized(&self, id: ParamID) -> ParamValue {
        match Target::of::<P>(id) {
            Some(Target::Own(index)) => self.shown.normal(index),
            Some(Target::Program) => {
                #[allow(clippy::cast_precision_loss, reason = "a few programs")]
                let [at, last] = [
                    self.program.load(Ordering::Relaxed),
                    P::ABOUT.programs.len() - 1,
                ]
                .map(|number| number as f64);
                at / last.max(1.0)
            }
            _ => 0.0,
        }
    }

    unsafe fn setParamNormalized(&self, id: ParamID, normal: ParamValue) -> tresult {
        demand(
            (0.0..=1.0).contains(&normal),
            "setParamNormalized takes 0 to 1",
        );
        match Target::of::<P>(id) {
            Some(Target::Own(index)) => self.set_own(index, normal),
            Some(Target::Program) => {
                let program = program::<P>(normal);
                self.program.store(program, Ordering::Relaxed);
                apply::<P>(&self.shown, program);
                self.restart(kParamValuesChanged);
            }
            Some(Target::Controller(..)) => {}
            None => {
                demand(false, "setParamNormalized takes the id of a parameter");
            }
        }
        kResultOk
    }

    unsafe fn setComponentHandler(&self, handler: *mut IComponentHandler) -> tresult {
        // SAFETY: VST3 has hosts pass null or their handler.
        let handler = unsafe { ComRef::from_raw(handler) };
        *self.handler.lock().unwrap_or_else(|e| e.into_inner()) =
            handler.map(|handler| handler.to_com_ptr());
        kResultOk
    }

    unsafe fn createView(&self, _name: *const c_char) -> *mut IPlugView {
        std::ptr::null_mut()
    }
}
