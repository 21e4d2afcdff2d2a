//! What a plugin's controller tells its host.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use vst3::Steinberg::Vst::{
    IComponentHandler, IComponentHandler2, IComponentHandler2Trait, IComponentHandlerTrait,
    IUnitHandler, IUnitHandler2, IUnitHandler2Trait, IUnitHandlerTrait, ParamID, ParamValue,
    ProgramListID, RestartFlags_, UnitID,
};
use vst3::Steinberg::{FIDString, TBool, kInternalError, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComPtr, ComWrapper};

use super::door::enter;
use super::shared::Shared;
use crate::formats::Notices;

/// What is told of a plugin that wants to be loaded anew. Whether that is worth a silence, and when,
/// only the client knows, who also has what must be brought back.
const RELOAD: &str = "the plugin asks its host to unload it and to load it anew: restart() does \
                      that; until then its buses, parameters and values are read again";

/// Restart flags, as one number.
pub mod flags {
    use super::RestartFlags_ as sdk;

    const fn bit(flag: i32) -> u32 {
        flag.cast_unsigned()
    }

    pub const RELOAD: u32 = bit(sdk::kReloadComponent);
    pub const IO: u32 = bit(sdk::kIoChanged);
    pub const VALUES: u32 = bit(sdk::kParamValuesChanged);
    pub const LATENCY: u32 = bit(sdk::kLatencyChanged);
    pub const TITLES: u32 = bit(sdk::kParamTitlesChanged);
    pub const BUS_TITLES: u32 = bit(sdk::kIoTitlesChanged);
    pub const MIDI: u32 = bit(sdk::kMidiCCAssignmentChanged);
    pub const NOTES: u32 = bit(sdk::kNoteExpressionChanged);
    /// A program list changed; no flag of the SDK's.
    pub const PROGRAMS: u32 = 1 << 30;
}

/// The handler of one plugin.
pub struct Handler {
    notices: Arc<Notices>,
    shared: OnceLock<Arc<Shared>>,
    /// What the plugin wants looked at again.
    wanted: AtomicU32,
    /// The client was told that the plugin wants to be loaded anew.
    told_reload: AtomicBool,
}

impl Class for Handler {
    type Interfaces = (
        IComponentHandler,
        IComponentHandler2,
        IUnitHandler,
        IUnitHandler2,
    );
}

/// A handler of ours, with the pointer that plugins get. As with the host's context, one
/// reference is never given back.
pub struct Lent {
    handler: ComWrapper<Handler>,
    pointer: ComPtr<IComponentHandler>,
}

impl Lent {
    /// A handler. `None` cannot happen and is no handler.
    pub fn new(notices: Arc<Notices>) -> Option<Self> {
        let handler = ComWrapper::new(Handler {
            notices,
            shared: OnceLock::new(),
            wanted: AtomicU32::new(0),
            told_reload: AtomicBool::new(false),
        });
        let pointer = handler.to_com_ptr()?;
        std::mem::forget(handler.clone());
        Some(Self { handler, pointer })
    }

    /// For the controller.
    pub fn as_ptr(&self) -> *mut IComponentHandler {
        self.pointer.as_ptr()
    }

    /// From now on edits are taken; before, nothing is known that they could change.
    pub fn know(&self, shared: &Arc<Shared>) {
        self.handler.shared.get_or_init(|| Arc::clone(shared));
    }

    /// Takes what the plugin wants looked at again.
    pub fn wanted(&self) -> u32 {
        self.handler.wanted.swap(0, Ordering::AcqRel)
    }

    /// Puts back what could not be looked at yet.
    pub fn want(&self, flags: u32) {
        self.handler.wanted.fetch_or(flags, Ordering::AcqRel);
    }
}

impl Handler {
    fn want(&self, flags: u32) {
        self.wanted.fetch_or(flags, Ordering::AcqRel);
        self.notices.stir();
    }

    fn gesture(&self, id: ParamID, is_begin: bool) -> tresult {
        let Some(shared) = self.shared.get() else {
            return kResultOk;
        };
        match shared.index_of(id) {
            Some(index) => {
                self.notices.gesture(index, is_begin);
                kResultOk
            }
            None => kResultFalse,
        }
    }
}

impl IComponentHandlerTrait for Handler {
    unsafe fn beginEdit(&self, id: ParamID) -> tresult {
        enter(
            "IComponentHandler::beginEdit",
            self,
            kInternalError,
            |this| this.gesture(id, true),
        )
    }

    unsafe fn performEdit(&self, id: ParamID, value: ParamValue) -> tresult {
        enter(
            "IComponentHandler::performEdit",
            self,
            kInternalError,
            |this| {
                let Some(shared) = this.shared.get() else {
                    return kResultOk;
                };
                let Some(index) = shared.index_of(id) else {
                    return kResultFalse;
                };
                if value.is_finite() {
                    let value = value.clamp(0.0, 1.0);
                    shared.values.set(index, value);
                    shared.send(index, value);
                    this.notices.parameter(index, false);
                }
                kResultOk
            },
        )
    }

    unsafe fn endEdit(&self, id: ParamID) -> tresult {
        enter("IComponentHandler::endEdit", self, kInternalError, |this| {
            this.gesture(id, false)
        })
    }

    unsafe fn restartComponent(&self, flags: i32) -> tresult {
        let what = "IComponentHandler::restartComponent";
        enter(what, self, kInternalError, |this| {
            let wanted = flags.cast_unsigned() & !flags::PROGRAMS;
            if wanted & flags::RELOAD != 0 && !this.told_reload.swap(true, Ordering::Relaxed) {
                this.notices.log(RELOAD);
            }
            this.want(wanted);
            kResultOk
        })
    }
}

impl IComponentHandler2Trait for Handler {
    unsafe fn setDirty(&self, state: TBool) -> tresult {
        enter(
            "IComponentHandler2::setDirty",
            self,
            kInternalError,
            |this| {
                if state != 0 {
                    this.notices.state();
                }
                kResultOk
            },
        )
    }

    unsafe fn requestOpenEditor(&self, _: FIDString) -> tresult {
        kResultFalse
    }

    unsafe fn startGroupEdit(&self) -> tresult {
        kResultOk
    }

    unsafe fn finishGroupEdit(&self) -> tresult {
        kResultOk
    }
}

impl IUnitHandlerTrait for Handler {
    unsafe fn notifyUnitSelection(&self, _: UnitID) -> tresult {
        kResultOk
    }

    unsafe fn notifyProgramListChange(&self, _: ProgramListID, _: i32) -> tresult {
        let what = "IUnitHandler::notifyProgramListChange";
        enter(what, self, kInternalError, |this| {
            this.want(flags::PROGRAMS);
            kResultOk
        })
    }
}

impl IUnitHandler2Trait for Handler {
    unsafe fn notifyUnitByBusChange(&self) -> tresult {
        enter(
            "IUnitHandler2::notifyUnitByBusChange",
            self,
            kInternalError,
            |this| {
                this.want(flags::MIDI);
                kResultOk
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::Cell;
    use super::*;

    #[test]
    fn edits_reach_the_processor_and_the_client_in_range_only() {
        let notices = Arc::new(Notices::new());
        let lent = Lent::new(Arc::clone(&notices)).unwrap();
        let handler = &lent.pointer;
        let cell = |id| Cell {
            id,
            value: 0.25,
            steps: 0,
            is_read_only: false,
        };
        // SAFETY: no pointers are passed.
        let edit = |id, value| unsafe { handler.performEdit(id, value) };
        assert_eq!(edit(7, 0.5), kResultOk, "nothing is known yet");
        let shared = Arc::new(Shared::new(&[cell(3), cell(7)], Arc::clone(&notices)));
        lent.know(&shared);
        assert_eq!(edit(7, f64::NAN), kResultOk);
        assert_eq!(shared.values.get(1), 0.25);
        assert_eq!(edit(7, 2.0), kResultOk);
        assert_eq!(shared.values.get(1), 1.0);
        assert_ne!(edit(8, 0.5), kResultOk);
        let mut pending = Vec::new();
        shared.to_processor.take(|index| pending.push(index));
        assert_eq!(pending, [1]);
        // SAFETY: as above.
        unsafe {
            assert_eq!(handler.beginEdit(3), kResultOk);
            assert_eq!(handler.endEdit(3), kResultOk);
            assert_ne!(handler.beginEdit(8), kResultOk);
            assert_eq!(
                handler.restartComponent(RestartFlags_::kLatencyChanged),
                kResultOk
            );
            assert_eq!(handler.restartComponent(-1), kResultOk);
            assert_eq!(
                handler.restartComponent(RestartFlags_::kReloadComponent),
                kResultOk
            );
        }
        let noted = notices.take();
        assert_eq!(noted.lines, [RELOAD], "told once");
        assert_eq!(noted.parameters, [(1, false)]);
        assert_eq!((noted.begun, noted.ended), (vec![0], vec![0]));
        let wanted = lent.wanted();
        assert_ne!(wanted & flags::LATENCY, 0);
        assert_eq!(wanted & flags::PROGRAMS, 0, "ours, not the plugin's");
        assert_eq!(lent.wanted(), 0);
    }
}
