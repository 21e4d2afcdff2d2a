//! State as Turtle, through lilv: the text of a preset, the same as minihost's.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use super::lilv::{Lilv, LilvState};
use super::parameters::{Target, narrow};
use super::shared::Shared;
use super::urids::Known;
use super::world::{Node, Plugin};
use crate::formats::fpu;

/// `LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE`.
const FLAGS: u32 = 1 | 2;

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
            shared.host.features(),
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
            shared.host.features(),
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
    if let Some(number) = decoded.and_then(super::atoms::Value::number) {
        let plain = ports.shared.parameters[at].clamp(number);
        ports.shared.values.set(at, plain);
    }
}

/// Reads a plugin's properties straight from its state interface, for those that are
/// parameters: after a state was restored only the plugin knows them. The caller has the
/// processor.
pub mod properties {
    use super::super::atoms::Value;
    use super::*;
    use lv2_sys::{
        LV2_Feature, LV2_State_Free_Path, LV2_State_Interface, LV2_State_Map_Path,
        LV2_State_Status, LV2_State_Status_LV2_STATE_SUCCESS,
    };

    const INTERFACE: &CStr = c"http://lv2plug.in/ns/ext/state#interface";
    const MAP_PATH: &CStr = c"http://lv2plug.in/ns/ext/state#mapPath";
    const FREE_PATH: &CStr = c"http://lv2plug.in/ns/ext/state#freePath";

    struct Found<'a> {
        known: &'a Known,
        values: Vec<(u32, f64)>,
    }

    /// Numbers by key; empty where the plugin has no state of its own.
    pub fn read(shared: &Shared) -> Vec<(u32, f64)> {
        let interface = shared.instance.extension_data(INTERFACE);
        // SAFETY: null, or the plugin's static interface of this type.
        let interface = unsafe { interface.cast::<LV2_State_Interface>().as_ref() };
        let Some(save) = interface.and_then(|interface| interface.save) else {
            return Vec::new();
        };
        let mut found = Found {
            known: &shared.host.known,
            values: Vec::new(),
        };
        let map_path = LV2_State_Map_Path {
            handle: std::ptr::null_mut(),
            abstract_path: Some(same_path),
            absolute_path: Some(same_path),
        };
        let free_path = LV2_State_Free_Path {
            handle: std::ptr::null_mut(),
            free_path: Some(release),
        };
        let features = [
            LV2_Feature {
                URI: MAP_PATH.as_ptr(),
                data: (&raw const map_path).cast_mut().cast(),
            },
            LV2_Feature {
                URI: FREE_PATH.as_ptr(),
                data: (&raw const free_path).cast_mut().cast(),
            },
        ];
        let list = [
            &raw const features[0],
            &raw const features[1],
            std::ptr::null(),
        ];
        // SAFETY: everything lives until the call returns, and nothing else is in the plugin.
        fpu::guarded(|| unsafe {
            save(
                shared.instance.handle(),
                Some(store),
                (&raw mut found).cast(),
                FLAGS,
                list.as_ptr(),
            )
        });
        found.values
    }

    unsafe extern "C" fn store(
        handle: *mut c_void,
        key: u32,
        value: *const c_void,
        size: usize,
        kind: u32,
        _flags: u32,
    ) -> LV2_State_Status {
        if !handle.is_null() && !value.is_null() {
            // SAFETY: `read` passes its own `Found`, which nobody else uses meanwhile; the plugin
            // passes a value of that size.
            let (found, body) = unsafe {
                (
                    &mut *handle.cast::<Found<'_>>(),
                    std::slice::from_raw_parts(value.cast::<u8>(), size),
                )
            };
            let number = Value::decode(kind, body, found.known).and_then(Value::number);
            found.values.extend(number.map(|number| (key, number)));
        }
        LV2_State_Status_LV2_STATE_SUCCESS
    }

    unsafe extern "C" fn same_path(_: *mut c_void, path: *const c_char) -> *mut c_char {
        if path.is_null() {
            return std::ptr::null_mut();
        }
        // SAFETY: a C string; what is returned is the plugin's to free, by free() or `release`.
        unsafe { libc::strdup(path) }
    }

    unsafe extern "C" fn release(_: *mut c_void, path: *mut c_char) {
        // SAFETY: came from `same_path`.
        unsafe { libc::free(path.cast()) };
    }
}
