//! The track a plugin sits on.

use vst3::ComPtr;
use vst3::Steinberg::Vst::ChannelContext::{
    IInfoListener, IInfoListenerTrait, kChannelColorKey, kChannelNameKey, kChannelNameLengthKey,
};
use vst3::Steinberg::Vst::IAttributeList;

use super::attributes::Attributes;
use super::text;
use crate::formats::fpu;

/// Tells a plugin its track's name and colour (ARGB).
pub fn tell(listener: &ComPtr<IInfoListener>, name: Option<&str>, colour: Option<u32>) {
    let list = Attributes::lent();
    // SAFETY: the SDK's constants are C strings.
    let key = |key| unsafe { text::c_string(key) }.unwrap_or_default();
    if let Some(name) = name {
        let length = name.encode_utf16().count();
        list.set_int(
            key(kChannelNameLengthKey),
            i64::try_from(length).unwrap_or(0),
        );
        list.set_text(key(kChannelNameKey), name);
    }
    if let Some(colour) = colour {
        list.set_int(key(kChannelColorKey), i64::from(colour));
    }
    if let Some(list) = list.to_com_ptr::<IAttributeList>() {
        // SAFETY: a list of ours.
        fpu::guarded(|| unsafe { listener.setChannelContextInfos(list.as_ptr()) });
    }
}
