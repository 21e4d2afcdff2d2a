//! Note expression: what a plugin says can be shaped of its notes.

use plugpen_proto::v1::NoteExpressionType;
use vst3::ComPtr;
use vst3::Steinberg::Vst::NoteExpressionTypeInfo_::NoteExpressionTypeFlags_::{
    kAssociatedParameterIDValid, kIsAbsolute, kIsBipolar, kIsOneShot,
};
use vst3::Steinberg::Vst::{
    INoteExpressionController, INoteExpressionControllerTrait, NoteExpressionTypeInfo,
};
use vst3::Steinberg::kResultOk;

use super::edit::sane;
use super::roomy::Roomy;
use super::text;
use crate::formats::{count, fpu};

/// Types that are looked at.
const MOST: i32 = 1024;

/// The types of a channel of an event input, in the plugin's order. `index_of` knows the
/// parameters' ids.
pub fn list(
    face: &ComPtr<INoteExpressionController>,
    bus: i32,
    channel: i16,
    index_of: impl Fn(u32) -> Option<usize>,
) -> Vec<NoteExpressionType> {
    // SAFETY: plain numbers.
    let found = fpu::guarded(|| unsafe { face.getNoteExpressionCount(bus, channel) });
    let types = (0..found.clamp(0, MOST)).filter_map(|at| {
        let mut info = Roomy::<NoteExpressionTypeInfo>::zeroed();
        // SAFETY: room for the answer; the index is below the count.
        let told = fpu::guarded(|| unsafe {
            face.getNoteExpressionInfo(bus, channel, at, info.as_mut_ptr())
        });
        (told == kResultOk).then(|| described(info.get(), &index_of))
    });
    types.collect()
}

fn described(
    info: &NoteExpressionTypeInfo,
    index_of: impl Fn(u32) -> Option<usize>,
) -> NoteExpressionType {
    let is = |flag: u32| info.flags.cast_unsigned() & flag != 0;
    let value = &info.valueDesc;
    let parameter = is(kAssociatedParameterIDValid)
        .then(|| index_of(info.associatedParameterId))
        .flatten();
    NoteExpressionType {
        type_id: info.typeId,
        name: text::wide(&info.title),
        short_name: text::wide(&info.shortTitle),
        label: text::wide(&info.units),
        default_value: sane(value.defaultValue).unwrap_or(0.0),
        minimum: sane(value.minimum).unwrap_or(0.0),
        maximum: sane(value.maximum).unwrap_or(1.0),
        num_steps: match u32::try_from(value.stepCount) {
            Ok(0) | Err(_) => 0,
            Ok(steps) => steps.saturating_add(1),
        },
        is_bipolar: is(kIsBipolar),
        is_one_shot: is(kIsOneShot),
        is_absolute: is(kIsAbsolute),
        parameter: parameter.map(count),
    }
}
