//! lilv's C interface, loaded at run time: a machine without liblilv still hosts other formats,
//! and building needs no headers. Signatures after lilv 0.24's `lilv/lilv.h`.

use std::ffi::{c_char, c_int, c_void};

use libloading::Library;
use lv2_sys::{LV2_Descriptor, LV2_Feature, LV2_Handle, LV2_URID_Map, LV2_URID_Unmap};
use plugpen_proto::Error;

/// The library's name carries its ABI version.
const LIBRARY: &str = "liblilv-0.so.0";

/// Everything lilv hands out a pointer to, never looked into.
macro_rules! opaque {
    ($($name:ident)*) => {
        $(#[doc = concat!("lilv's `", stringify!($name), "`.")]
        #[repr(C)]
        pub struct $name {
            _opaque: [u8; 0],
        })*
    };
}

opaque! {
    LilvWorld LilvNode LilvNodes LilvIter LilvPlugin LilvPlugins LilvPort LilvScalePoint
    LilvScalePoints LilvState
}

/// An instantiated plugin.
#[repr(C)]
pub struct LilvInstance {
    /// The plugin's functions.
    pub descriptor: *const LV2_Descriptor,
    /// Their first argument.
    pub handle: LV2_Handle,
    _pimpl: *mut c_void,
}

/// Asks the host for a control port's value: symbol, user data, size out, type out.
pub type GetPortValue =
    unsafe extern "C" fn(*const c_char, *mut c_void, *mut u32, *mut u32) -> *const c_void;
/// Gives the host a control port's value: symbol, user data, value, size, type.
pub type SetPortValue = unsafe extern "C" fn(*const c_char, *mut c_void, *const c_void, u32, u32);

macro_rules! functions {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions used, each named without its `lilv_`.
        #[allow(missing_docs, reason = "lilv's documentation describes them")]
        pub struct Lilv {
            $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Lilv {
            /// Loads liblilv, for the life of the process.
            ///
            /// # Errors
            /// It is not installed, or too old.
            pub fn load() -> Result<&'static Self, Error> {
                // SAFETY: liblilv's initialisers do nothing; it is a system library.
                let library = unsafe { Library::new(LIBRARY) }.map_err(|error| missing(&error))?;
                let library: &'static Library = Box::leak(Box::new(library));
                Ok(Box::leak(Box::new(Self {
                    $($name: {
                        let name = concat!("lilv_", stringify!($name), "\0");
                        // SAFETY: the type is the one lilv.h declares for this name.
                        *unsafe { library.get(name.as_bytes()) }
                            .map_err(|error| missing(&error))?
                    },)*
                })))
            }
        }
    };
}

functions! {
    free(*mut c_void);
    world_new() -> *mut LilvWorld;
    world_set_option(*mut LilvWorld, *const c_char, *const LilvNode);
    world_load_bundle(*mut LilvWorld, *const LilvNode);
    world_load_specifications(*mut LilvWorld);
    world_load_resource(*mut LilvWorld, *const LilvNode) -> c_int;
    world_get_all_plugins(*const LilvWorld) -> *const LilvPlugins;
    world_find_nodes(*mut LilvWorld, *const LilvNode, *const LilvNode, *const LilvNode)
        -> *mut LilvNodes;
    new_uri(*mut LilvWorld, *const c_char) -> *mut LilvNode;
    new_file_uri(*mut LilvWorld, *const c_char, *const c_char) -> *mut LilvNode;
    new_bool(*mut LilvWorld, bool) -> *mut LilvNode;
    node_duplicate(*const LilvNode) -> *mut LilvNode;
    node_free(*mut LilvNode);
    node_is_uri(*const LilvNode) -> bool;
    node_is_float(*const LilvNode) -> bool;
    node_is_int(*const LilvNode) -> bool;
    node_is_bool(*const LilvNode) -> bool;
    node_as_float(*const LilvNode) -> f32;
    node_as_int(*const LilvNode) -> c_int;
    node_as_bool(*const LilvNode) -> bool;
    node_as_string(*const LilvNode) -> *const c_char;
    node_get_path(*const LilvNode, *mut *mut c_char) -> *mut c_char;
    nodes_free(*mut LilvNodes);
    nodes_begin(*const LilvNodes) -> *mut LilvIter;
    nodes_get(*const LilvNodes, *mut LilvIter) -> *const LilvNode;
    nodes_next(*const LilvNodes, *mut LilvIter) -> *mut LilvIter;
    nodes_is_end(*const LilvNodes, *mut LilvIter) -> bool;
    plugins_begin(*const LilvPlugins) -> *mut LilvIter;
    plugins_get(*const LilvPlugins, *mut LilvIter) -> *const LilvPlugin;
    plugins_next(*const LilvPlugins, *mut LilvIter) -> *mut LilvIter;
    plugins_is_end(*const LilvPlugins, *mut LilvIter) -> bool;
    plugin_get_uri(*const LilvPlugin) -> *const LilvNode;
    plugin_get_bundle_uri(*const LilvPlugin) -> *const LilvNode;
    plugin_get_library_uri(*const LilvPlugin) -> *const LilvNode;
    plugin_get_data_uris(*const LilvPlugin) -> *const LilvNodes;
    plugin_get_name(*const LilvPlugin) -> *mut LilvNode;
    plugin_get_author_name(*const LilvPlugin) -> *mut LilvNode;
    plugin_get_value(*const LilvPlugin, *const LilvNode) -> *mut LilvNodes;
    plugin_get_required_features(*const LilvPlugin) -> *mut LilvNodes;
    plugin_get_related(*const LilvPlugin, *const LilvNode) -> *mut LilvNodes;
    plugin_get_num_ports(*const LilvPlugin) -> u32;
    plugin_get_port_by_index(*const LilvPlugin, u32) -> *const LilvPort;
    plugin_instantiate(*const LilvPlugin, f64, *const *const LV2_Feature) -> *mut LilvInstance;
    port_is_a(*const LilvPlugin, *const LilvPort, *const LilvNode) -> bool;
    port_get_value(*const LilvPlugin, *const LilvPort, *const LilvNode) -> *mut LilvNodes;
    port_get_symbol(*const LilvPlugin, *const LilvPort) -> *const LilvNode;
    port_get_name(*const LilvPlugin, *const LilvPort) -> *mut LilvNode;
    port_get_scale_points(*const LilvPlugin, *const LilvPort) -> *mut LilvScalePoints;
    scale_points_free(*mut LilvScalePoints);
    scale_points_begin(*const LilvScalePoints) -> *mut LilvIter;
    scale_points_get(*const LilvScalePoints, *mut LilvIter) -> *const LilvScalePoint;
    scale_points_next(*const LilvScalePoints, *mut LilvIter) -> *mut LilvIter;
    scale_points_is_end(*const LilvScalePoints, *mut LilvIter) -> bool;
    scale_point_get_label(*const LilvScalePoint) -> *const LilvNode;
    scale_point_get_value(*const LilvScalePoint) -> *const LilvNode;
    instance_free(*mut LilvInstance);
    state_new_from_world(*mut LilvWorld, *mut LV2_URID_Map, *const LilvNode) -> *mut LilvState;
    state_new_from_string(*mut LilvWorld, *mut LV2_URID_Map, *const c_char) -> *mut LilvState;
    state_new_from_instance(
        *const LilvPlugin, *mut LilvInstance, *mut LV2_URID_Map, *const c_char, *const c_char,
        *const c_char, *const c_char, GetPortValue, *mut c_void, u32, *const *const LV2_Feature
    ) -> *mut LilvState;
    state_free(*mut LilvState);
    state_get_plugin_uri(*const LilvState) -> *const LilvNode;
    state_restore(
        *const LilvState, *mut LilvInstance, SetPortValue, *mut c_void, u32,
        *const *const LV2_Feature
    );
    state_to_string(
        *mut LilvWorld, *mut LV2_URID_Map, *mut LV2_URID_Unmap, *const LilvState, *const c_char,
        *const c_char
    ) -> *mut c_char;
}

fn missing(error: &libloading::Error) -> Error {
    Error::unsupported(format!(
        "LV2 plugins need liblilv (Debian: liblilv-0-0), which cannot be loaded: {error}"
    ))
}
