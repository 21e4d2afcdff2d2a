//! State as Turtle, through lilv: the text of a preset, the same as minihost's.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use super::lilv::{Lilv, LilvState};
use super::node::Node;
use super::parameters::Target;
use super::shared::Shared;
use super::world::Plugin;
use crate::formats::fpu;
use crate::formats::numbers::narrow;

/// `LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE`.
pub const FLAGS: u32 = 1 | 2;

/// A state of lilv's.
struct State {
    lilv: &'static Lilv,
    state: NonNull<LilvState>,
}

impl State {
    fn take(lilv: &'static Lilv, state: *mut LilvState) -> Option<Self> {
        NonNull::new(state).map(|state| Self { lilv, state })
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { (self.lilv.state_free)(self.state.as_ptr()) };
    }
}

/// Saves the plugin's state. The caller has the processor.
///
/// # Errors
/// The plugin has none to give.
pub fn save(plugin: Plugin, shared: &Shared, private_dir: &Path) -> Result<Vec<u8>, Error> {
    let world = plugin.world();
    let lilv = world.lilv();
    let refused = || {
        Error::new(
            ErrorReason::PluginRefused,
            format!("{} could not save its state", plugin.uri()),
        )
    };
    // Files that the plugin makes for its state go here.
    let scratch = CString::new(private_dir.join("state").as_os_str().as_encoded_bytes())
        .map_err(|_| refused())?;
    let uri = CString::new(format!("{}/savedState", plugin.uri())).map_err(|_| refused())?;
    let mut ports = PortValues { shared, value: 0.0 };
    let null = std::ptr::null();
    // SAFETY: instance and features are valid, and nothing else is in the plugin; `ports`
    // outlives the call.
    let state = fpu::guarded(|| unsafe {
        (lilv.state_new_from_instance)(
            plugin.as_ptr(),
            shared.instance.as_ptr(),
            shared.host.map(),
            scratch.as_ptr(),
            null,
            null,
            null,
            get_port_value,
            (&raw mut ports).cast(),
            FLAGS,
            shared.host.state_features(),
        )
    });
    let state = State::take(lilv, state).ok_or_else(refused)?;
    // SAFETY: all arguments are valid; the text is copied, then freed with lilv's function.
    let text = unsafe {
        let text = (lilv.state_to_string)(
            world.as_ptr(),
            shared.host.map(),
            shared.host.unmap(),
            state.state.as_ptr(),
            uri.as_ptr(),
            null,
        );
        let copied = (!text.is_null()).then(|| CStr::from_ptr(text).to_bytes().to_vec());
        (lilv.free)(text.cast());
        copied
    };
    text.ok_or_else(refused)
}

/// Restores a state from its text. The caller has the processor.
///
/// # Errors
/// Not a state, or one of another plugin.
pub fn restore(plugin: Plugin, shared: &Shared, data: &[u8]) -> Result<(), Error> {
    let junk = |why: &str| {
        Error::invalid(format!(
            "Failed to set plugin state: {why}; a state is the Turtle text that get_state \
             returned"
        ))
    };
    if data.is_empty() {
        return Err(junk("it is empty"));
    }
    let text = CString::new(data).map_err(|_| junk("it contains a zero byte"))?;
    if text.to_str().is_err() {
        return Err(junk("it is not UTF-8"));
    }
    let world = plugin.world();
    let lilv = world.lilv();
    // SAFETY: world and map are valid, the text a C string.
    let state =
        unsafe { (lilv.state_new_from_string)(world.as_ptr(), shared.host.map(), text.as_ptr()) };
    let state = State::take(lilv, state).ok_or_else(|| junk("it cannot be read"))?;
    check_owner(plugin, &state).map_err(|why| junk(&why))?;
    apply(shared, &state);
    Ok(())
}

/// Restores a preset or the plugin's default state. The caller has the processor. Returns false
/// where there is none under that URI.
pub fn restore_resource(plugin: Plugin, shared: &Shared, resource: &Node) -> bool {
    let world = plugin.world();
    let lilv = world.lilv();
    // SAFETY: world, map and node are valid.
    let state = unsafe {
        (lilv.state_new_from_world)(world.as_ptr(), shared.host.map(), resource.as_ptr())
    };
    match State::take(lilv, state) {
        Some(state) => {
            apply(shared, &state);
            true
        }
        None => false,
    }
}

fn check_owner(plugin: Plugin, state: &State) -> Result<(), String> {
    // SAFETY: the state is valid; the node belongs to it.
    let owner = unsafe {
        let node = (state.lilv.state_get_plugin_uri)(state.state.as_ptr());
        (!node.is_null()).then(|| {
            let uri = (state.lilv.node_as_string)(node);
            CStr::from_ptr(uri).to_string_lossy().into_owned()
        })
    };
    match owner {
        Some(owner) if owner != plugin.uri() => Err(format!("it is a state of {owner}")),
        _ => Ok(()),
    }
}

/// Gives a state to the plugin and its port values to the host. Work that the plugin asks for
/// meanwhile is done at once.
fn apply(shared: &Shared, state: &State) {
    let mut ports = PortValues { shared, value: 0.0 };
    let before = shared.host.work.set_synchronous(true);
    // SAFETY: instance and features are valid, and nothing else is in the plugin; `ports`
    // outlives the call.
    fpu::guarded(|| unsafe {
        (state.lilv.state_restore)(
            state.state.as_ptr(),
            shared.instance.as_ptr(),
            set_port_value,
            (&raw mut ports).cast(),
            0,
            shared.host.state_features(),
        );
    });
    shared.host.work.set_synchronous(before);
}

/// What lilv's callbacks work on.
struct PortValues<'a> {
    shared: &'a Shared,
    /// Holds a value until lilv has copied it.
    value: f32,
}

impl PortValues<'_> {
    fn find(&self, symbol: *const c_char) -> Option<usize> {
        if symbol.is_null() {
            return None;
        }
        // SAFETY: lilv passes C strings.
        let symbol = unsafe { CStr::from_ptr(symbol) }.to_str().ok()?;
        let is_it = |parameter: &super::parameters::ParameterInfo| {
            matches!(parameter.target, Target::Port(_)) && parameter.symbol == symbol
        };
        self.shared.parameters.iter().position(is_it)
    }
}

unsafe extern "C" fn get_port_value(
    symbol: *const c_char,
    data: *mut c_void,
    size: *mut u32,
    kind: *mut u32,
) -> *const c_void {
    // SAFETY: `save` passes its own `PortValues`, which nobody else uses meanwhile.
    let ports = unsafe { &mut *data.cast::<PortValues<'_>>() };
    let known = &ports.shared.host.known;
    let found = ports.find(symbol);
    let (bytes, atom, value) = match found {
        Some(at) => {
            ports.value = narrow(ports.shared.values.get(at));
            (4, known.atom_float, (&raw const ports.value).cast())
        }
        None => (0, 0, std::ptr::null()),
    };
    // SAFETY: lilv passes room for both.
    unsafe {
        size.write(bytes);
        kind.write(atom);
    }
    value
}

unsafe extern "C" fn set_port_value(
    symbol: *const c_char,
    data: *mut c_void,
    value: *const c_void,
    size: u32,
    kind: u32,
) {
    // SAFETY: `apply` passes its own `PortValues`, which nobody else uses meanwhile.
    let ports = unsafe { &mut *data.cast::<PortValues<'_>>() };
    let Some(at) = ports.find(symbol).filter(|_| !value.is_null()) else {
        return;
    };
    // SAFETY: lilv passes a value of that size.
    let body = unsafe {
        std::slice::from_raw_parts(value.cast::<u8>(), usize::try_from(size).unwrap_or(0))
    };
    let decoded = super::atoms::Value::decode(kind, body, &ports.shared.host.known);
    if let Some(number) = decoded.and_then(|value| value.number()) {
        let plain = ports.shared.parameters[at].clamp(number);
        ports.shared.values.set(at, plain);
    }
}
