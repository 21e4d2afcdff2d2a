//! What the host is to a plugin: a name, a maker of messages, and a run loop.

use std::ffi::c_void;
use std::sync::Arc;

use vst3::Steinberg::Linux::{
    FileDescriptor, IEventHandler, IRunLoop, IRunLoopTrait, ITimerHandler, TimerInterval,
};
use vst3::Steinberg::Vst::ChannelContext::IInfoListener;
use vst3::Steinberg::Vst::{
    IAttributeList, IAudioProcessor, IComponent, IConnectionPoint, IEditController,
    IHostApplication, IHostApplicationTrait, IMessage, IMidiMapping, INoteExpressionController,
    IPlugInterfaceSupport, IPlugInterfaceSupportTrait, IProcessContextRequirements, IUnitInfo,
    String128,
};
use vst3::Steinberg::{
    FUnknown, IPluginBase, TUID, kInternalError, kInvalidArgument, kNoInterface, kResultFalse,
    kResultOk, tresult,
};
use vst3::com_scrape_types::Guid;
use vst3::{Class, ComPtr, ComWrapper, Interface};

use super::attributes::{Attributes, Message};
use super::door::enter;
use super::run_loop::RunLoop;
use crate::formats::Notices;

const NAME: &str = "plugpen";

/// Interfaces of plugins that this host uses.
const USED: [Guid; 10] = [
    IPluginBase::IID,
    IComponent::IID,
    IAudioProcessor::IID,
    IEditController::IID,
    IConnectionPoint::IID,
    IUnitInfo::IID,
    IMidiMapping::IID,
    INoteExpressionController::IID,
    IProcessContextRequirements::IID,
    IInfoListener::IID,
];

struct Context {
    run_loop: RunLoop,
}

impl Class for Context {
    type Interfaces = (IHostApplication, IPlugInterfaceSupport, IRunLoop);
}

/// The host's context. One reference is never given back, so that a plugin which gives back too
/// many, or which runs on in a thread of its own, still finds it.
pub struct Host {
    context: ComWrapper<Context>,
    pointer: ComPtr<FUnknown>,
}

impl Host {
    /// A context whose run loop is served by the notices' thread. `None` cannot happen and is no
    /// host.
    pub fn new(notices: Arc<Notices>) -> Option<Self> {
        let context = ComWrapper::new(Context {
            run_loop: RunLoop::new(notices),
        });
        let pointer = context.to_com_ptr::<IHostApplication>()?.upcast();
        std::mem::forget(context.clone());
        Some(Self { context, pointer })
    }

    /// For plugins.
    pub fn context(&self) -> *mut FUnknown {
        self.pointer.as_ptr()
    }

    /// What wants to be called on the main thread.
    pub fn run_loop(&self) -> &RunLoop {
        &self.context.run_loop
    }
}

/// Reads an id through a plugin's pointer.
///
/// # Safety
/// Null, or 16 readable bytes.
unsafe fn guid(pointer: *const TUID) -> Option<Guid> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { pointer.cast::<Guid>().read_unaligned() })
}

impl IHostApplicationTrait for Context {
    unsafe fn getName(&self, name: *mut String128) -> tresult {
        enter("IHostApplication::getName", self, kInternalError, |_| {
            if name.is_null() {
                return kInvalidArgument;
            }
            let mut field = [0; 128];
            for (unit, letter) in field.iter_mut().zip(NAME.encode_utf16()) {
                *unit = letter;
            }
            // SAFETY: not null, and room by the interface.
            unsafe { name.write_unaligned(field) };
            kResultOk
        })
    }

    unsafe fn createInstance(
        &self,
        cid: *mut TUID,
        iid: *mut TUID,
        object: *mut *mut c_void,
    ) -> tresult {
        enter(
            "IHostApplication::createInstance",
            self,
            kInternalError,
            |_| {
                // SAFETY: null or an id, by the interface.
                let (class, wanted) = unsafe { (guid(cid), guid(iid)) };
                if object.is_null() {
                    return kInvalidArgument;
                }
                let made: Option<*mut c_void> = match (class, wanted) {
                    (Some(IMessage::IID), Some(IMessage::IID | FUnknown::IID)) => Message::lent()
                        .and_then(|message| message.to_com_ptr::<IMessage>())
                        .map(|message| message.into_raw().cast()),
                    (Some(IAttributeList::IID), Some(IAttributeList::IID | FUnknown::IID)) => {
                        Attributes::lent()
                            .to_com_ptr::<IAttributeList>()
                            .map(|list| list.into_raw().cast())
                    }
                    _ => None,
                };
                // SAFETY: not null, and room by the interface.
                unsafe { object.write(made.unwrap_or(std::ptr::null_mut())) };
                if made.is_some() {
                    kResultOk
                } else {
                    kNoInterface
                }
            },
        )
    }
}

impl IPlugInterfaceSupportTrait for Context {
    unsafe fn isPlugInterfaceSupported(&self, iid: *const TUID) -> tresult {
        let what = "IPlugInterfaceSupport::isPlugInterfaceSupported";
        enter(what, self, kInternalError, |_| {
            // SAFETY: null or an id, by the interface.
            match unsafe { guid(iid) } {
                Some(iid) if USED.contains(&iid) => kResultOk,
                Some(_) => kResultFalse,
                None => kInvalidArgument,
            }
        })
    }
}

impl IRunLoopTrait for Context {
    unsafe fn registerEventHandler(
        &self,
        handler: *mut IEventHandler,
        descriptor: FileDescriptor,
    ) -> tresult {
        enter(
            "IRunLoop::registerEventHandler",
            self,
            kInternalError,
            |this| {
                // SAFETY: null or an object, by the interface.
                unsafe { this.run_loop.add_watch(handler, descriptor) }
            },
        )
    }

    unsafe fn unregisterEventHandler(&self, handler: *mut IEventHandler) -> tresult {
        enter(
            "IRunLoop::unregisterEventHandler",
            self,
            kInternalError,
            |this| this.run_loop.remove_watch(handler),
        )
    }

    unsafe fn registerTimer(
        &self,
        handler: *mut ITimerHandler,
        milliseconds: TimerInterval,
    ) -> tresult {
        enter("IRunLoop::registerTimer", self, kInternalError, |this| {
            // SAFETY: null or an object, by the interface.
            unsafe { this.run_loop.add_timer(handler, milliseconds) }
        })
    }

    unsafe fn unregisterTimer(&self, handler: *mut ITimerHandler) -> tresult {
        enter("IRunLoop::unregisterTimer", self, kInternalError, |this| {
            this.run_loop.remove_timer(handler)
        })
    }
}
