//! Properties of plugins that are numbers or texts: what a plugin says of them in messages, and what it
//! would save.

use std::ffi::{CStr, c_char, c_void};

use lv2_sys::{
    LV2_Feature, LV2_State_Interface, LV2_State_Map_Path, LV2_State_Status,
    LV2_State_Status_LV2_STATE_SUCCESS,
};

use super::atoms::{Value, object};
use super::paths;
use super::shared::Shared;
use super::state::FLAGS;
use super::urids::Known;
use crate::formats::fpu;

const INTERFACE: &CStr = c"http://lv2plug.in/ns/ext/state#interface";
const MAP_PATH: &CStr = c"http://lv2plug.in/ns/ext/state#mapPath";
const FREE_PATH: &CStr = c"http://lv2plug.in/ns/ext/state#freePath";

/// Calls `heard` for each property in a `patch:Set` or `patch:Put` that has a value of its own.
pub fn heard(body: &[u8], known: &Known, mut heard: impl FnMut(u32, Value<'_>)) {
    let Some((kind, properties)) = object(body) else {
        return;
    };
    if kind == known.patch_set {
        let find = |wanted| properties.clone().find(|(key, _, _)| *key == wanted);
        let decoded = |wanted| {
            let (_, kind, body) = find(wanted)?;
            Value::decode(kind, body, known)
        };
        if let (Some(Value::Urid(key)), Some(value)) =
            (decoded(known.patch_property), decoded(known.patch_value))
        {
            heard(key, value);
        }
    } else if kind == known.patch_put {
        let bodies = properties.filter(|(key, _, _)| *key == known.patch_body);
        for (_, _, body) in bodies {
            let Some((_, properties)) = object(body) else {
                continue;
            };
            for (key, kind, body) in properties {
                if let Some(value) = Value::decode(kind, body, known) {
                    heard(key, value);
                }
            }
        }
    }
}

/// A value that a plugin would save.
#[derive(Debug, Clone, PartialEq)]
pub enum Saved {
    Number(f64),
    Text(String),
}

impl Saved {
    fn new(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(_, text) => Some(Self::Text(text.to_owned())),
            value => value.number().map(Self::Number),
        }
    }
}

struct Found<'a> {
    known: &'a Known,
    values: Vec<(u32, Saved)>,
}

/// Reads a plugin's properties straight from its state interface: after a state was restored only
/// the plugin knows them. The caller has the processor. Empty where the plugin has no state of its
/// own.
pub fn saved(shared: &Shared) -> Vec<(u32, Saved)> {
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
    let free_path = paths::free_path();
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
        let value = Value::decode(kind, body, found.known).and_then(Saved::new);
        found.values.extend(value.map(|value| (key, value)));
    }
    LV2_State_Status_LV2_STATE_SUCCESS
}

unsafe extern "C" fn same_path(_: *mut c_void, path: *const c_char) -> *mut c_char {
    if path.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: a C string; what is returned is the plugin's to free, by free() or `paths`.
    unsafe { libc::strdup(path) }
}
