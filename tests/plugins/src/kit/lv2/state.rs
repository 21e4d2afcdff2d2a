//! LV2's state interface.

use std::ffi::c_void;

use lv2_sys::{
    LV2_Feature, LV2_Handle, LV2_State_Flags, LV2_State_Handle, LV2_State_Interface,
    LV2_State_Retrieve_Function, LV2_State_Status, LV2_State_Status_LV2_STATE_SUCCESS,
    LV2_State_Store_Function,
};

use super::{Plugin, instance};

/// Takes properties from the plugin.
struct Store {
    function: LV2_State_Store_Function,
    handle: LV2_State_Handle,
}

impl Store {
    /// Stores plain bytes under a key.
    fn put(&mut self, key: u32, kind: u32, bytes: &[u8]) {
        let flags = LV2_State_Flags::from(1 | 2); // plain old data, portable
        if let Some(store) = self.function {
            // SAFETY: the host's function, called within `save`, copies the bytes.
            unsafe {
                store(
                    self.handle,
                    key,
                    bytes.as_ptr().cast::<c_void>(),
                    bytes.len(),
                    kind,
                    flags.into(),
                )
            };
        }
    }
}

/// Gives properties to the plugin.
struct Retrieve {
    function: LV2_State_Retrieve_Function,
    handle: LV2_State_Handle,
}

impl Retrieve {
    /// The bytes stored under a key.
    fn get(&self, key: u32) -> Option<&[u8]> {
        let (mut size, mut kind, mut flags) = (0, 0, 0);
        // SAFETY: the host's function, called within `restore`; the result lives until its end.
        unsafe {
            let data = self.function?(
                self.handle,
                key,
                &raw mut size,
                &raw mut kind,
                &raw mut flags,
            );
            (!data.is_null()).then(|| std::slice::from_raw_parts(data.cast::<u8>(), size))
        }
    }
}

struct Interface<P>(std::marker::PhantomData<P>);

impl<P: Plugin> Interface<P> {
    const VALUE: LV2_State_Interface = LV2_State_Interface {
        save: Some(save::<P>),
        restore: Some(restore::<P>),
    };
}

/// The state interface of a plugin.
pub(super) fn interface<P: Plugin>() -> &'static LV2_State_Interface {
    &Interface::<P>::VALUE
}

unsafe extern "C" fn save<P: Plugin>(
    handle: LV2_Handle,
    function: LV2_State_Store_Function,
    store: LV2_State_Handle,
    _flags: u32,
    _features: *const *const LV2_Feature,
) -> LV2_State_Status {
    // SAFETY: LV2's contract for handles.
    let instance = unsafe { instance::<P>(handle) };
    let mut store = Store {
        function,
        handle: store,
    };
    instance.load_values();
    let bytes = instance.plugin.save(&instance.values);
    if !bytes.is_empty() {
        store.put(instance.urids.state, instance.urids.chunk, &bytes);
    }
    LV2_State_Status_LV2_STATE_SUCCESS
}

unsafe extern "C" fn restore<P: Plugin>(
    handle: LV2_Handle,
    function: LV2_State_Retrieve_Function,
    retrieve: LV2_State_Handle,
    _flags: u32,
    _features: *const *const LV2_Feature,
) -> LV2_State_Status {
    // SAFETY: LV2's contract for handles.
    let instance = unsafe { instance::<P>(handle) };
    let retrieve = Retrieve {
        function,
        handle: retrieve,
    };
    instance.load_values();
    let bytes = retrieve.get(instance.urids.state).unwrap_or(&[]);
    instance.plugin.restore(&instance.values, bytes);
    LV2_State_Status_LV2_STATE_SUCCESS
}
