//! What can be shaped of single notes.

use vst3::Steinberg::Vst::NoteExpressionTypeInfo_::NoteExpressionTypeFlags_::{
    kAssociatedParameterIDValid, kIsBipolar,
};
use vst3::Steinberg::Vst::{
    INoteExpressionControllerTrait, NoteExpressionTypeID, NoteExpressionTypeInfo,
    NoteExpressionValue, String128, TChar,
};
use vst3::Steinberg::{kInvalidArgument, kNotImplemented, kResultOk, tresult};

use super::object::Object;
use super::parameters::Target;
use super::strings;
use crate::kit::Plugin;

impl<P: Plugin, const ROLE: u8> INoteExpressionControllerTrait for Object<P, ROLE> {
    unsafe fn getNoteExpressionCount(&self, bus: i32, channel: i16) -> i32 {
        match bus == 0 && P::ABOUT.midi_in && (0..16).contains(&channel) {
            true => i32::try_from(P::ABOUT.expressions.len()).unwrap_or(0),
            false => 0,
        }
    }

    unsafe fn getNoteExpressionInfo(
        &self,
        bus: i32,
        channel: i16,
        at: i32,
        info: *mut NoteExpressionTypeInfo,
    ) -> tresult {
        // SAFETY: no pointers are passed.
        let count = unsafe { self.getNoteExpressionCount(bus, channel) };
        let at = usize::try_from(at).ok().filter(|_| at < count);
        let Some(expression) = at.and_then(|at| P::ABOUT.expressions.get(at)) else {
            return kInvalidArgument;
        };
        // SAFETY: VST3 has hosts pass a place for the description; all zeros is one.
        let info = unsafe {
            info.write_bytes(0, 1);
            &mut *info
        };
        info.typeId = expression.id;
        strings::wide(expression.name, &mut info.title);
        strings::wide(&expression.name[..3], &mut info.shortTitle);
        strings::wide(expression.unit, &mut info.units);
        info.unitId = -1;
        info.valueDesc.defaultValue = expression.default;
        info.valueDesc.maximum = 1.0;
        info.valueDesc.stepCount = expression.steps;
        let bipolar = if expression.is_bipolar { kIsBipolar } else { 0 };
        let associated = match expression.parameter {
            Some(index) => {
                info.associatedParameterId = Target::Own(index).id();
                kAssociatedParameterIDValid
            }
            None => 0,
        };
        info.flags = (bipolar | associated).cast_signed();
        kResultOk
    }

    unsafe fn getNoteExpressionStringByValue(
        &self,
        _bus: i32,
        _channel: i16,
        _id: NoteExpressionTypeID,
        _value: NoteExpressionValue,
        _into: *mut String128,
    ) -> tresult {
        kNotImplemented
    }

    unsafe fn getNoteExpressionValueByString(
        &self,
        _bus: i32,
        _channel: i16,
        _id: NoteExpressionTypeID,
        _text: *const TChar,
        _value: *mut NoteExpressionValue,
    ) -> tresult {
        kNotImplemented
    }
}
