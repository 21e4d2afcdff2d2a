//! What the host offers a plugin: the features, with the memory they point to.

use std::ffi::{CStr, c_void};
use std::path::Path;
use std::ptr::from_ref;
use std::sync::{Arc, OnceLock};

use lv2_sys::{
    LV2_Event, LV2_Event_Feature, LV2_Feature, LV2_Log_Log,
    LV2_Options_Context_LV2_OPTIONS_INSTANCE, LV2_Options_Option, LV2_Resize_Port_Resize,
    LV2_State_Free_Path, LV2_State_Make_Path, LV2_URI_Map_Feature, LV2_URID_Map, LV2_URID_Unmap,
    LV2_Worker_Schedule,
};

use super::log;
use super::paths::{self, MadeFiles};
use super::rooms::Rooms;
use super::urids::{Known, Urids};
use super::work::Work;
use crate::formats::Notices;

/// Features without data. We never process in place, do nothing that would break real time and
/// load the default state, so all of them are true.
const PLAIN: [&CStr; 6] = [
    c"http://lv2plug.in/ns/ext/buf-size#boundedBlockLength",
    c"http://lv2plug.in/ns/lv2core#isLive",
    c"http://lv2plug.in/ns/lv2core#hardRTCapable",
    c"http://lv2plug.in/ns/lv2core#inPlaceBroken",
    c"http://lv2plug.in/ns/ext/state#loadDefaultState",
    c"http://lv2plug.in/ns/ext/state#threadSafeRestore",
];

const MAP: &CStr = c"http://lv2plug.in/ns/ext/urid#map";
const UNMAP: &CStr = c"http://lv2plug.in/ns/ext/urid#unmap";
const URI_MAP: &CStr = c"http://lv2plug.in/ns/ext/uri-map";
const EVENT: &CStr = c"http://lv2plug.in/ns/ext/event";
const OPTIONS: &CStr = c"http://lv2plug.in/ns/ext/options#options";
const LOG: &CStr = c"http://lv2plug.in/ns/ext/log#log";
const SCHEDULE: &CStr = c"http://lv2plug.in/ns/ext/worker#schedule";

/// The name of the feature by which plugins ask for larger buffers.
pub const RESIZE_PORT: &str = "http://lv2plug.in/ns/ext/resize-port#resize";
const RESIZE: &CStr = c"http://lv2plug.in/ns/ext/resize-port#resize";
const MAKE_PATH: &CStr = c"http://lv2plug.in/ns/ext/state#makePath";
const FREE_PATH: &CStr = c"http://lv2plug.in/ns/ext/state#freePath";
/// A feature that lilv itself adds where states are saved and restored, as it does the two above.
const MAP_PATH: &str = "http://lv2plug.in/ns/ext/state#mapPath";

/// The host's side of one plugin. Lives as long as the process, as the plugin may.
pub struct Host {
    /// URIs and their numbers.
    pub urids: Urids,
    /// The numbers the host itself uses.
    pub known: Known,
    /// What the plugin did.
    pub notices: Arc<Notices>,
    /// Its work off the audio thread.
    pub work: Work,
    /// How large the buffers of its ports are.
    pub rooms: Rooms,
    made_files: MadeFiles,
    features: OnceLock<Features>,
}

/// Filled once the host has its place in memory.
struct Features {
    parts: Box<Parts>,
    list: Box<[LV2_Feature]>,
    /// All of the list, and those of them that go with a state.
    pointers: Box<[*const LV2_Feature]>,
    state_pointers: Box<[*const LV2_Feature]>,
}

// SAFETY: never changed once they are there; what they point to is the host and `parts`, both
// safe to use from any thread.
unsafe impl Send for Features {}
// SAFETY: as above.
unsafe impl Sync for Features {}

/// What the features point to.
struct Parts {
    map: LV2_URID_Map,
    unmap: LV2_URID_Unmap,
    uri_map: LV2_URI_Map_Feature,
    event: LV2_Event_Feature,
    log: LV2_Log_Log,
    schedule: LV2_Worker_Schedule,
    resize: LV2_Resize_Port_Resize,
    make_path: LV2_State_Make_Path,
    free_path: LV2_State_Free_Path,
    options: [LV2_Options_Option; 6],
    min_block: i32,
    max_block: i32,
    sequence: i32,
    rate: f32,
}

impl Host {
    /// Makes the features for blocks of up to `max_block` frames.
    pub fn new(
        rate: f64,
        max_block: u32,
        sequence: usize,
        private_dir: &Path,
        notices: Arc<Notices>,
    ) -> &'static Self {
        let urids = Urids::default();
        let known = Known::new(&urids);
        let host: &'static Self = Box::leak(Box::new(Self {
            urids,
            known,
            rooms: Rooms::new(Arc::clone(&notices)),
            notices,
            work: Work::new(),
            made_files: MadeFiles::new(private_dir),
            features: OnceLock::new(),
        }));
        let mut parts = Box::new(Parts {
            map: host.urids.map_feature(),
            unmap: host.urids.unmap_feature(),
            uri_map: host.urids.uri_map_feature(),
            event: LV2_Event_Feature {
                callback_data: std::ptr::null_mut(),
                lv2_event_ref: Some(count_nothing),
                lv2_event_unref: Some(count_nothing),
            },
            log: log::feature(host),
            schedule: host.work.feature(),
            resize: host.rooms.feature(),
            make_path: host.made_files.feature(),
            free_path: paths::free_path(),
            options: [option(0, 0, 0, std::ptr::null()); 6],
            min_block: 0,
            max_block: i32::try_from(max_block).unwrap_or(i32::MAX),
            sequence: i32::try_from(sequence).unwrap_or(i32::MAX),
            rate: crate::formats::numbers::narrow(rate),
        });
        parts.options = options(&parts, &known);
        let data = |part: *const c_void| part.cast_mut();
        let mut list = vec![
            feature(MAP, data(from_ref(&parts.map).cast())),
            feature(UNMAP, data(from_ref(&parts.unmap).cast())),
            feature(URI_MAP, data(from_ref(&parts.uri_map).cast())),
            feature(EVENT, data(from_ref(&parts.event).cast())),
            feature(OPTIONS, data(parts.options.as_ptr().cast())),
            feature(LOG, data(from_ref(&parts.log).cast())),
            feature(SCHEDULE, data(from_ref(&parts.schedule).cast())),
        ];
        list.extend(PLAIN.map(|uri| feature(uri, std::ptr::null_mut())));
        let with_states = list.len();
        list.extend([
            feature(RESIZE, data(from_ref(&parts.resize).cast())),
            feature(MAKE_PATH, data(from_ref(&parts.make_path).cast())),
            feature(FREE_PATH, data(from_ref(&parts.free_path).cast())),
        ]);
        let list = list.into_boxed_slice();
        let pointers = |list: &[LV2_Feature]| {
            let pointers = list.iter().map(from_ref);
            pointers.chain([std::ptr::null()]).collect()
        };
        host.features.get_or_init(|| Features {
            pointers: pointers(&list),
            state_pointers: pointers(&list[..with_states]),
            parts,
            list,
        });
        host
    }

    /// The null-terminated list for instantiation.
    pub fn features(&self) -> *const *const LV2_Feature {
        let list = self.features.get().map(|features| &*features.pointers);
        list.unwrap_or(NO_FEATURES).as_ptr()
    }

    /// The null-terminated list for states, to which lilv adds its own for paths.
    pub fn state_features(&self) -> *const *const LV2_Feature {
        let list = self.features.get();
        let list = list.map(|features| &*features.state_pointers);
        list.unwrap_or(NO_FEATURES).as_ptr()
    }

    /// The URID map for lilv.
    pub fn map(&self) -> *mut LV2_URID_Map {
        let features = self.features.get();
        features.map_or(std::ptr::null_mut(), |features| {
            from_ref(&features.parts.map).cast_mut()
        })
    }

    /// The way back, for lilv.
    pub fn unmap(&self) -> *mut LV2_URID_Unmap {
        let features = self.features.get();
        features.map_or(std::ptr::null_mut(), |features| {
            from_ref(&features.parts.unmap).cast_mut()
        })
    }

    /// Whether a plugin that requires this feature can be loaded.
    pub fn offers(&self, uri: &str) -> bool {
        // SAFETY: our own C strings.
        let is = |feature: &LV2_Feature| unsafe { CStr::from_ptr(feature.URI) }.to_str() == Ok(uri);
        self.features
            .get()
            .is_some_and(|features| features.list.iter().any(is))
            || uri == MAP_PATH
    }
}

const NO_FEATURES: &[*const LV2_Feature] = &[std::ptr::null()];

/// References to events that are objects of the host's, of which there are none.
unsafe extern "C" fn count_nothing(_: *mut c_void, _: *mut LV2_Event) -> u32 {
    0
}

fn feature(uri: &'static CStr, data: *mut c_void) -> LV2_Feature {
    LV2_Feature {
        URI: uri.as_ptr(),
        data,
    }
}

fn options(parts: &Parts, known: &Known) -> [LV2_Options_Option; 6] {
    let int = |key, value: &i32| option(key, 4, known.atom_int, from_ref(value).cast());
    [
        int(known.min_block_length, &parts.min_block),
        int(known.max_block_length, &parts.max_block),
        int(known.nominal_block_length, &parts.max_block),
        int(known.sequence_size, &parts.sequence),
        option(
            known.sample_rate,
            4,
            known.atom_float,
            from_ref(&parts.rate).cast(),
        ),
        option(0, 0, 0, std::ptr::null()),
    ]
}

fn option(key: u32, size: u32, kind: u32, value: *const c_void) -> LV2_Options_Option {
    LV2_Options_Option {
        context: LV2_Options_Context_LV2_OPTIONS_INSTANCE,
        subject: 0,
        key,
        size,
        type_: kind,
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_features_plugins_require_are_there() {
        let folder = Path::new("/tmp");
        let host = Host::new(44_100.0, 256, 8192, folder, Arc::new(Notices::new()));
        for name in [
            "ext/urid#map",
            "ext/options#options",
            "ext/worker#schedule",
            "ext/uri-map",
            "ext/event",
            "ext/buf-size#boundedBlockLength",
            "lv2core#isLive",
            "ext/state#loadDefaultState",
            "ext/state#makePath",
            "ext/state#mapPath",
            "ext/resize-port#resize",
        ] {
            assert!(
                host.offers(&format!("http://lv2plug.in/ns/{name}")),
                "{name}"
            );
        }
        assert!(!host.offers("http://lv2plug.in/ns/ext/buf-size#fixedBlockLength"));
    }
}
