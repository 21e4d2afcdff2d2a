//! Programs in a list, and MIDI controllers mapped to parameters.

use vst3::Steinberg::Vst::{
    BusDirection, CString, CtrlNumber, IMidiMappingTrait, IUnitInfoTrait, MediaType, ParamID,
    ProgramListID, ProgramListInfo, String128, UnitID, UnitInfo, kNoParentUnitId, kNoProgramListId,
    kRootUnitId,
};
use vst3::Steinberg::{
    IBStream, kInvalidArgument, kNotImplemented, kResultFalse, kResultOk, kResultTrue, tresult,
};

use super::object::Object;
use super::parameters::Target;
use super::strings;
use crate::kit::Plugin;

const LIST: ProgramListID = 7;

impl<P: Plugin, const ROLE: u8> IUnitInfoTrait for Object<P, ROLE> {
    unsafe fn getUnitCount(&self) -> i32 {
        1
    }

    unsafe fn getUnitInfo(&self, at: i32, info: *mut UnitInfo) -> tresult {
        if at != 0 {
            return kInvalidArgument;
        }
        // SAFETY: VST3 has hosts pass a place for the description.
        let info = unsafe { &mut *info };
        info.id = kRootUnitId;
        info.parentUnitId = kNoParentUnitId;
        strings::wide("Root", &mut info.name);
        info.programListId = match P::ABOUT.programs.is_empty() {
            true => kNoProgramListId,
            false => LIST,
        };
        kResultOk
    }

    unsafe fn getProgramListCount(&self) -> i32 {
        i32::from(!P::ABOUT.programs.is_empty())
    }

    unsafe fn getProgramListInfo(&self, at: i32, info: *mut ProgramListInfo) -> tresult {
        if at != 0 || P::ABOUT.programs.is_empty() {
            return kInvalidArgument;
        }
        // SAFETY: VST3 has hosts pass a place for the description.
        let info = unsafe { &mut *info };
        info.id = LIST;
        strings::wide("Programs", &mut info.name);
        info.programCount = i32::try_from(P::ABOUT.programs.len()).unwrap_or(0);
        kResultOk
    }

    unsafe fn getProgramName(&self, list: ProgramListID, at: i32, name: *mut String128) -> tresult {
        let program = usize::try_from(at)
            .ok()
            .and_then(|at| P::ABOUT.programs.get(at));
        match program {
            Some(program) if list == LIST => {
                // SAFETY: VST3 has hosts pass a place for the name.
                strings::wide(program.name, unsafe { &mut *name });
                kResultOk
            }
            _ => kInvalidArgument,
        }
    }

    unsafe fn getProgramInfo(
        &self,
        _list: ProgramListID,
        _at: i32,
        _attribute: CString,
        _value: *mut String128,
    ) -> tresult {
        kNotImplemented
    }

    unsafe fn hasProgramPitchNames(&self, _list: ProgramListID, _at: i32) -> tresult {
        kResultFalse
    }

    unsafe fn getProgramPitchName(
        &self,
        _list: ProgramListID,
        _at: i32,
        _pitch: i16,
        _name: *mut String128,
    ) -> tresult {
        kNotImplemented
    }

    unsafe fn getSelectedUnit(&self) -> UnitID {
        kRootUnitId
    }

    unsafe fn selectUnit(&self, unit: UnitID) -> tresult {
        match unit {
            kRootUnitId => kResultTrue,
            _ => kInvalidArgument,
        }
    }

    unsafe fn getUnitByBus(
        &self,
        _media: MediaType,
        _direction: BusDirection,
        _bus: i32,
        _channel: i32,
        _unit: *mut UnitID,
    ) -> tresult {
        kNotImplemented
    }

    unsafe fn setUnitProgramData(&self, _list: i32, _at: i32, _data: *mut IBStream) -> tresult {
        kNotImplemented
    }
}

impl<P: Plugin, const ROLE: u8> IMidiMappingTrait for Object<P, ROLE> {
    unsafe fn getMidiControllerAssignment(
        &self,
        bus: i32,
        channel: i16,
        controller: CtrlNumber,
        id: *mut ParamID,
    ) -> tresult {
        let wanted = match (u8::try_from(channel), u8::try_from(controller)) {
            (Ok(channel), Ok(controller)) => Target::Controller(channel, controller),
            _ => return kInvalidArgument,
        };
        match Target::all::<P>().find(|target| *target == wanted) {
            Some(target) if bus == 0 => {
                // SAFETY: VST3 has hosts pass a place for the id.
                unsafe { id.write(target.id()) };
                kResultTrue
            }
            _ => kResultFalse,
        }
    }
}
