//! The module's list of classes.

use std::ffi::c_void;

use vst3::Class;
use vst3::Steinberg::PClassInfo_::ClassCardinality_::kManyInstances;
use vst3::Steinberg::PFactoryInfo_::FactoryFlags_::kUnicode;
use vst3::Steinberg::{
    FIDString, FUnknown, IPluginFactory2, IPluginFactory2Trait, IPluginFactoryTrait, PClassInfo,
    PClassInfo2, PFactoryInfo, TUID, kInvalidArgument, kResultFalse, kResultOk, tresult,
};

use super::strings::narrow;
use super::{COMBINED, CONTROLLER, Entry, PROCESSOR, class_id};
use crate::kit::demand;

pub struct Factory(pub &'static [Entry]);

impl Class for Factory {
    type Interfaces = (IPluginFactory2,);
}

impl Factory {
    /// What plays, then the controllers of those that have one of their own.
    fn classes(&self) -> impl Iterator<Item = (&'static Entry, u8)> {
        let playing = self.0.iter().map(|entry| match entry.is_separate {
            true => (entry, PROCESSOR),
            false => (entry, COMBINED),
        });
        let separate = self.0.iter().filter(|entry| entry.is_separate);
        playing.chain(separate.map(|entry| (entry, CONTROLLER)))
    }

    fn class(&self, at: i32) -> Option<(&'static Entry, u8)> {
        self.classes().nth(usize::try_from(at).ok()?)
    }
}

fn category(role: u8) -> &'static str {
    match role {
        CONTROLLER => "Component Controller Class",
        _ => "Audio Module Class",
    }
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: VST3 has hosts pass a place for the description.
        let info = unsafe { &mut *info };
        narrow("plugpen", &mut info.vendor);
        narrow("https://example.org", &mut info.url);
        narrow("nobody@example.org", &mut info.email);
        info.flags = kUnicode.cast_signed();
        kResultOk
    }

    unsafe fn countClasses(&self) -> i32 {
        i32::try_from(self.classes().count()).unwrap_or(0)
    }

    unsafe fn getClassInfo(&self, at: i32, info: *mut PClassInfo) -> tresult {
        let Some((entry, role)) = self.class(at) else {
            return kInvalidArgument;
        };
        // SAFETY: VST3 has hosts pass a place for the description.
        let info = unsafe { &mut *info };
        info.cid = class_id(entry.uri, role);
        info.cardinality = kManyInstances.cast_signed();
        narrow(category(role), &mut info.category);
        narrow(entry.title, &mut info.name);
        kResultOk
    }

    unsafe fn createInstance(
        &self,
        class: FIDString,
        interface: FIDString,
        object: *mut *mut c_void,
    ) -> tresult {
        demand(
            !class.is_null() && !object.is_null(),
            "createInstance takes a class and a place",
        );
        // SAFETY: VST3 has hosts pass ids of 16 bytes.
        let wanted = unsafe { class.cast::<TUID>().read_unaligned() };
        let mut classes = self.classes();
        let found = classes.find(|(entry, role)| class_id(entry.uri, *role) == wanted);
        let Some((entry, role)) = found else {
            return kInvalidArgument;
        };
        let Some(made) = (entry.create)(role) else {
            return kResultFalse;
        };
        let made: *mut FUnknown = made.as_ptr();
        // SAFETY: `made` lives to the end of this function, and longer if the query holds it.
        unsafe { ((*(*made).vtbl).queryInterface)(made, interface.cast(), object) }
    }
}

impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, at: i32, info: *mut PClassInfo2) -> tresult {
        let Some((entry, role)) = self.class(at) else {
            return kInvalidArgument;
        };
        // SAFETY: VST3 has hosts pass a place for the description.
        let info = unsafe { &mut *info };
        info.cid = class_id(entry.uri, role);
        info.cardinality = kManyInstances.cast_signed();
        narrow(category(role), &mut info.category);
        narrow(entry.title, &mut info.name);
        info.classFlags = 0;
        narrow(
            if entry.is_synth { "Instrument" } else { "Fx" },
            &mut info.subCategories,
        );
        narrow("plugpen", &mut info.vendor);
        narrow("1.0.0", &mut info.version);
        narrow("VST 3.7", &mut info.sdkVersion);
        kResultOk
    }
}
