//! The line between playing and parameters, and what the host says of its track.

use vst3::ComRef;
use vst3::Steinberg::Vst::ChannelContext::{
    IInfoListenerTrait, kChannelColorKey, kChannelNameKey, kChannelNameLengthKey,
};
use vst3::Steinberg::Vst::RestartFlags_::kIoTitlesChanged;
use vst3::Steinberg::Vst::{
    IAttributeList, IAttributeListTrait, IConnectionPoint, IConnectionPointTrait, IMessage,
    IMessageTrait,
};
use vst3::Steinberg::{kInvalidArgument, kResultFalse, kResultOk, tresult};

use super::object::Object;
use super::{CONTROLLER, PROCESSOR, strings};
use crate::kit::{Plugin, demand};

/// What playing says to parameters as soon as they are connected.
const GREETING: &std::ffi::CStr = c"greeting";

impl<P: Plugin, const ROLE: u8> IConnectionPointTrait for Object<P, ROLE> {
    unsafe fn connect(&self, other: *mut IConnectionPoint) -> tresult {
        // SAFETY: VST3 has hosts pass null or an object.
        let Some(other) = (unsafe { ComRef::from_raw(other) }) else {
            return kInvalidArgument;
        };
        demand(
            ROLE == PROCESSOR || ROLE == CONTROLLER,
            "only two are connected",
        );
        let mut peer = self.peer.lock().unwrap_or_else(|e| e.into_inner());
        demand(peer.is_none(), "connect comes once");
        *peer = Some(other.to_com_ptr());
        kResultOk
    }

    unsafe fn disconnect(&self, _other: *mut IConnectionPoint) -> tresult {
        let peer = self.peer.lock().unwrap_or_else(|e| e.into_inner()).take();
        demand(peer.is_some(), "disconnect comes after connect");
        kResultOk
    }

    unsafe fn notify(&self, message: *mut IMessage) -> tresult {
        // SAFETY: VST3 has hosts pass null or a message.
        let Some(message) = (unsafe { ComRef::from_raw(message) }) else {
            return kInvalidArgument;
        };
        // SAFETY: the message's own id and attributes, which live as long as it.
        unsafe {
            let id = message.getMessageID();
            let is_greeting = !id.is_null() && std::ffi::CStr::from_ptr(id) == GREETING;
            let attributes = ComRef::from_raw(message.getAttributes());
            let mut rate = 0.0;
            let told = attributes
                .map(|list| list.getFloat(GREETING.as_ptr(), &raw mut rate))
                .unwrap_or(kResultFalse);
            demand(
                is_greeting && told == kResultOk && rate > 0.0,
                "a message arrives as it was sent",
            );
        }
        kResultOk
    }
}

impl<P: Plugin, const ROLE: u8> Object<P, ROLE> {
    /// Tells the other half the rate, through a message that the host makes.
    pub fn greet(&self, rate: f64) {
        let peer = self.peer.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let (Some(peer), Some(message)) = (peer, self.message()) else {
            demand(
                ROLE != PROCESSOR,
                "two halves are connected before they play",
            );
            return;
        };
        // SAFETY: objects that are held; ids that live for ever.
        unsafe {
            message.setMessageID(GREETING.as_ptr());
            if let Some(attributes) = ComRef::from_raw(message.getAttributes()) {
                attributes.setFloat(GREETING.as_ptr(), rate);
            }
            peer.notify(message.as_ptr());
        }
    }
}

impl<P: Plugin, const ROLE: u8> IInfoListenerTrait for Object<P, ROLE> {
    unsafe fn setChannelContextInfos(&self, list: *mut IAttributeList) -> tresult {
        // SAFETY: VST3 has hosts pass null or a list.
        let Some(list) = (unsafe { ComRef::from_raw(list) }) else {
            return kInvalidArgument;
        };
        let mut field = [0; 128];
        let (mut length, mut colour) = (0, 0);
        // SAFETY: the SDK's keys, and room for the answers.
        let (named, coloured) = unsafe {
            let size = u32::try_from(size_of_val(&field)).unwrap_or(0);
            let named = list.getString(kChannelNameKey, field.as_mut_ptr(), size);
            let told = list.getInt(kChannelNameLengthKey, &raw mut length);
            demand(named == told, "a name comes with its length");
            (named, list.getInt(kChannelColorKey, &raw mut colour))
        };
        let mut track = self.track.lock().unwrap_or_else(|e| e.into_inner());
        if named == kResultOk {
            // SAFETY: the host ends what it writes.
            track.0 = unsafe { strings::read(field.as_ptr()) };
            let units = track.0.encode_utf16().count();
            demand(i64::try_from(units) == Ok(length), "a name has its length");
        }
        if coloured == kResultOk {
            track.1 = colour;
        }
        drop(track);
        self.restart(kIoTitlesChanged);
        kResultOk
    }
}
