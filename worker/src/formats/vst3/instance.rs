//! One plugin of a module: its component, its controller, and the line between them.

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use vst3::Steinberg::Vst::{
    IAudioProcessor, IComponent, IComponentTrait, IConnectionPoint, IConnectionPointTrait,
    IEditController, IEditControllerTrait,
};
use vst3::Steinberg::{IPluginBaseTrait, TUID, kNotImplemented, kResultOk};
use vst3::{ComPtr, Interface};

use super::buses::Plug;
use super::classes::Class;
use super::edit::Edit;
use super::handler;
use super::host::Host;
use super::ids::ClassId;
use super::module::Module;
use super::stream;
use crate::formats::fpu;

/// A live plugin. Its fields are dropped in their order, the module last.
pub struct Instance {
    connection: Option<(ComPtr<IConnectionPoint>, ComPtr<IConnectionPoint>)>,
    /// The controller, where it has one.
    pub edit: Option<Edit>,
    /// The controller is an object of its own.
    is_separate: bool,
    /// The audio half.
    pub plug: Plug,
    _module: Module,
}

/// Whether a plugin took a call; one it does not have is no refusal.
pub fn is_fine(result: i32) -> bool {
    result == kResultOk || result == kNotImplemented
}

impl Instance {
    /// Makes the plugin at a position of its module, component only: enough to look at its buses.
    ///
    /// # Errors
    /// The plugin's refusal.
    pub fn component(module: &Module, class: &Class, host: &Host) -> Result<Plug, Error> {
        let refused = |what: &str| refusal(class, what);
        let component: ComPtr<IComponent> = module
            .create(class.id)
            .ok_or_else(|| refused("could not be created; its own output says more"))?;
        // SAFETY: the host's context lives as long as the process.
        let result = fpu::guarded(|| unsafe { component.initialize(host.context()) });
        if result != kResultOk {
            return Err(refused(&format!(
                "could not be initialised (result {result})"
            )));
        }
        match component.cast::<IAudioProcessor>() {
            Some(processor) => Ok(Plug {
                component,
                processor,
            }),
            None => {
                terminate(&component);
                Err(refused("does not process audio"))
            }
        }
    }

    /// Makes the plugin at a position of its module, with its controller, connected, the
    /// component's state handed over.
    ///
    /// # Errors
    /// The plugin's refusal.
    pub fn new(
        module: Module,
        at: usize,
        host: &Host,
        handler: &handler::Lent,
    ) -> Result<Self, Error> {
        let class = module.classes[at].clone();
        let plug = Self::component(&module, &class, host)?;
        let (edit, is_separate) = match plug.component.cast::<IEditController>() {
            Some(controller) => (Some(controller), false),
            None => (separate_controller(&module, &plug, host), true),
        };
        let instance = Self {
            connection: match &edit {
                Some(controller) if is_separate => connect(&plug, controller),
                _ => None,
            },
            edit: edit.map(Edit),
            is_separate,
            plug,
            _module: module,
        };
        if let Some(Edit(controller)) = &instance.edit {
            // SAFETY: the handler lives as long as the process.
            fpu::guarded(|| unsafe { controller.setComponentHandler(handler.as_ptr()) });
        }
        instance.hand_state_over();
        Ok(instance)
    }

    /// An interface of the controller, or else of the component.
    pub fn face<I: Interface>(&self) -> Option<ComPtr<I>> {
        let of_controller = self.edit.as_ref().and_then(|edit| edit.0.cast());
        of_controller.or_else(|| self.plug.component.cast())
    }

    /// Gives the component's state to the controller, so that both agree.
    fn hand_state_over(&self) {
        let Some(state) = stream::Lent::new(&[]) else {
            return;
        };
        // SAFETY: a stream of ours.
        let result = fpu::guarded(|| unsafe { self.plug.component.getState(state.as_ptr()) });
        if result == kResultOk && !state.overflowed() {
            self.tell_controller(&state.bytes());
        }
    }

    /// Tells the controller the component's state.
    pub fn tell_controller(&self, state: &[u8]) {
        if let (Some(Edit(controller)), Some(state)) = (&self.edit, stream::Lent::new(state)) {
            // SAFETY: a stream of ours. Plugins with nothing to hand over refuse it.
            fpu::guarded(|| unsafe { controller.setComponentState(state.as_ptr()) });
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some((component, controller)) = self.connection.take() {
            // SAFETY: connected in `connect`, in this order.
            fpu::guarded(|| unsafe {
                component.disconnect(controller.as_ptr());
                controller.disconnect(component.as_ptr());
            });
        }
        if let Some(Edit(controller)) = &self.edit {
            // SAFETY: null takes the handler away.
            fpu::guarded(|| unsafe {
                controller.setComponentHandler(std::ptr::null_mut());
                if self.is_separate {
                    controller.terminate();
                }
            });
        }
        terminate(&self.plug.component);
    }
}

/// Ends what `initialize` began.
pub fn terminate(component: &ComPtr<IComponent>) {
    // SAFETY: initialised, and inactive, says the caller.
    fpu::guarded(|| unsafe { component.terminate() });
}

fn separate_controller(
    module: &Module,
    plug: &Plug,
    host: &Host,
) -> Option<ComPtr<IEditController>> {
    let mut id: TUID = [0; 16];
    // SAFETY: room for an id.
    let told = fpu::guarded(|| unsafe { plug.component.getControllerClassId(&raw mut id) });
    if told != kResultOk {
        return None;
    }
    let controller: ComPtr<IEditController> = module.create(ClassId::new(&id))?;
    // SAFETY: the host's context lives as long as the process.
    let result = fpu::guarded(|| unsafe { controller.initialize(host.context()) });
    (result == kResultOk).then_some(controller)
}

fn connect(
    plug: &Plug,
    controller: &ComPtr<IEditController>,
) -> Option<(ComPtr<IConnectionPoint>, ComPtr<IConnectionPoint>)> {
    let component: ComPtr<IConnectionPoint> = plug.component.cast()?;
    let controller: ComPtr<IConnectionPoint> = controller.cast()?;
    // SAFETY: two objects of one plugin, kept for as long as they are connected.
    fpu::guarded(|| unsafe {
        component.connect(controller.as_ptr());
        controller.connect(component.as_ptr());
    });
    Some((component, controller))
}

fn refusal(class: &Class, what: &str) -> Error {
    Error::new(
        ErrorReason::PluginRefused,
        format!("the plugin {} {what}", class.name),
    )
}
