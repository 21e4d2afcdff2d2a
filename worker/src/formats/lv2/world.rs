//! Turtle through lilv: what bundles say of plugins, as Rust values.
//!
//! The world lives as long as the process, which hosts one plugin; so nothing here has a
//! lifetime to get wrong. All of it belongs to the main thread.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use plugpen_proto::Error;

use super::lilv::{Lilv, LilvNodes, LilvPlugin, LilvPort, LilvScalePoints, LilvWorld};
use super::node::Node;

/// Executes plugin code while it reads, so it is switched off.
const DYNAMIC_MANIFESTS: &CStr = c"http://drobilla.net/ns/lilv#dyn-manifest";

/// A set of bundles.
pub struct World {
    lilv: &'static Lilv,
    world: NonNull<LilvWorld>,
    /// Words of the vocabulary, made once.
    pub terms: Terms,
}

/// A plugin as its bundle describes it.
#[derive(Clone, Copy)]
pub struct Plugin {
    world: &'static World,
    plugin: NonNull<LilvPlugin>,
}

/// A port as its bundle describes it.
#[derive(Clone, Copy)]
pub struct Port {
    plugin: Plugin,
    port: NonNull<LilvPort>,
}

macro_rules! terms {
    ($($name:ident: $uri:expr;)*) => {
        /// The URIs that are asked for.
        #[allow(missing_docs, reason = "each is named after its URI")]
        pub struct Terms {
            $(pub $name: Node,)*
        }
        impl Terms {
            fn new(lilv: &'static Lilv, world: NonNull<LilvWorld>) -> Option<Self> {
                Some(Self { $($name: Node::uri(lilv, world, $uri)?,)* })
            }
        }
    };
}

macro_rules! lv2 {
    ($name:literal) => {
        concat!("http://lv2plug.in/ns/", $name)
    };
}

terms! {
    rdf_type: "http://www.w3.org/1999/02/22-rdf-syntax-ns#type";
    doap_name: "http://usefulinc.com/ns/doap#name";
    project: lv2!("lv2core#project");
    rdfs_label: "http://www.w3.org/2000/01/rdf-schema#label";
    rdfs_range: "http://www.w3.org/2000/01/rdf-schema#range";
    input: lv2!("lv2core#InputPort");
    output: lv2!("lv2core#OutputPort");
    audio: lv2!("lv2core#AudioPort");
    control: lv2!("lv2core#ControlPort");
    cv: lv2!("lv2core#CVPort");
    atom: lv2!("ext/atom#AtomPort");
    event: lv2!("ext/event#EventPort");
    supports: lv2!("ext/atom#supports");
    supports_event: lv2!("ext/event#supportsEvent");
    minimum_size: lv2!("ext/resize-port#minimumSize");
    as_large_as: lv2!("ext/resize-port#asLargeAs");
    morph_port: lv2!("ext/morph#MorphPort");
    auto_morph_port: lv2!("ext/morph#AutoMorphPort");
    supports_type: lv2!("ext/morph#supportsType");
    optional_feature: lv2!("lv2core#optionalFeature");
    designation: lv2!("lv2core#designation");
    property: lv2!("lv2core#portProperty");
    default: lv2!("lv2core#default");
    minimum: lv2!("lv2core#minimum");
    maximum: lv2!("lv2core#maximum");
    group: lv2!("ext/port-groups#group");
    main_input: lv2!("ext/port-groups#mainInput");
    main_output: lv2!("ext/port-groups#mainOutput");
    side_chain_of: lv2!("ext/port-groups#sideChainOf");
    name: lv2!("lv2core#name");
    unit: lv2!("extensions/units#unit");
    unit_symbol: lv2!("extensions/units#symbol");
    writable: lv2!("ext/patch#writable");
    preset: lv2!("ext/presets#Preset");
}

impl World {
    /// An empty world.
    ///
    /// # Errors
    /// liblilv is not there.
    pub fn new() -> Result<&'static Self, Error> {
        let lilv = Lilv::load()?;
        let failed = || Error::bug("lilv has no memory for a world");
        // SAFETY: no preconditions; null is handled.
        let world = NonNull::new(unsafe { (lilv.world_new)() }).ok_or_else(failed)?;
        // SAFETY: the world is fresh; the node is freed after the option has copied it.
        unsafe {
            let no = (lilv.new_bool)(world.as_ptr(), false);
            (lilv.world_set_option)(world.as_ptr(), DYNAMIC_MANIFESTS.as_ptr(), no);
            (lilv.node_free)(no);
        }
        let terms = Terms::new(lilv, world).ok_or_else(failed)?;
        Ok(Box::leak(Box::new(Self { lilv, world, terms })))
    }

    /// lilv's functions, for `state`.
    pub fn lilv(&self) -> &'static Lilv {
        self.lilv
    }

    /// The world itself, for `state`.
    pub fn as_ptr(&self) -> *mut LilvWorld {
        self.world.as_ptr()
    }

    /// Reads a bundle's manifest.
    pub fn load_bundle(&self, bundle: &Path) {
        let Some(node) = self.folder_uri(bundle) else {
            return;
        };
        // SAFETY: world and node are valid.
        unsafe { (self.lilv.world_load_bundle)(self.as_ptr(), node.as_ptr()) };
    }

    /// Reads the specifications that loaded bundles hold.
    pub fn load_specifications(&self) {
        // SAFETY: the world is valid.
        unsafe { (self.lilv.world_load_specifications)(self.as_ptr()) };
    }

    /// Reads the files that describe a resource (a preset).
    pub fn load_resource(&self, resource: &Node) {
        // SAFETY: world and node are valid.
        unsafe { (self.lilv.world_load_resource)(self.as_ptr(), resource.as_ptr()) };
    }

    /// All plugins of the loaded bundles, sorted by URI.
    pub fn plugins(&'static self) -> Vec<Plugin> {
        let lilv = self.lilv;
        let mut plugins = Vec::new();
        // SAFETY: the collection belongs to the world; the iterator is used within it.
        unsafe {
            let all = (lilv.world_get_all_plugins)(self.as_ptr());
            let mut at = (lilv.plugins_begin)(all);
            while !(lilv.plugins_is_end)(all, at) {
                let plugin = (lilv.plugins_get)(all, at);
                if let Some(plugin) = NonNull::new(plugin.cast_mut()) {
                    plugins.push(Plugin {
                        world: self,
                        plugin,
                    });
                }
                at = (lilv.plugins_next)(all, at);
            }
        }
        plugins
    }

    /// Objects of all statements with this subject and predicate.
    pub fn objects(&self, subject: &Node, predicate: &Node) -> Vec<Node> {
        // SAFETY: all nodes are valid; a null object is a wildcard.
        let found = unsafe {
            (self.lilv.world_find_nodes)(
                self.as_ptr(),
                subject.as_ptr(),
                predicate.as_ptr(),
                std::ptr::null(),
            )
        };
        self.take(found)
    }

    /// The first of [`World::objects`].
    pub fn object(&self, subject: &Node, predicate: &Node) -> Option<Node> {
        self.objects(subject, predicate).into_iter().next()
    }

    fn folder_uri(&self, folder: &Path) -> Option<Node> {
        let mut path = folder.as_os_str().as_encoded_bytes().to_vec();
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        let path = CString::new(path).ok()?;
        // SAFETY: the world is valid, the path a C string, a null host means this one.
        unsafe {
            let node = (self.lilv.new_file_uri)(self.as_ptr(), std::ptr::null(), path.as_ptr());
            Node::take(self.lilv, node)
        }
    }

    /// Copies a collection's nodes and frees it.
    fn take(&self, nodes: *mut LilvNodes) -> Vec<Node> {
        if nodes.is_null() {
            return Vec::new();
        }
        // SAFETY: a collection of ours, freed once after its nodes are copied.
        unsafe {
            let copied = self.copy(nodes);
            (self.lilv.nodes_free)(nodes);
            copied
        }
    }

    /// Copies a collection's nodes.
    ///
    /// # Safety
    /// The collection is valid.
    unsafe fn copy(&self, nodes: *const LilvNodes) -> Vec<Node> {
        let lilv = self.lilv;
        let mut copied = Vec::new();
        // SAFETY: valid, says the caller; the iterator is used within it.
        unsafe {
            let mut at = (lilv.nodes_begin)(nodes);
            while !(lilv.nodes_is_end)(nodes, at) {
                copied.extend(Node::copy(lilv, (lilv.nodes_get)(nodes, at)));
                at = (lilv.nodes_next)(nodes, at);
            }
        }
        copied
    }
}

impl Plugin {
    /// The world that describes it.
    pub fn world(&self) -> &'static World {
        self.world
    }

    /// The plugin itself, for `state` and `instance`.
    pub fn as_ptr(&self) -> *const LilvPlugin {
        self.plugin.as_ptr()
    }

    /// The plugin's URI.
    pub fn uri(&self) -> String {
        self.uri_node().map(|node| node.text()).unwrap_or_default()
    }

    /// The plugin's URI as a node.
    pub fn uri_node(&self) -> Option<Node> {
        // SAFETY: the plugin is valid, as in all of this impl; the node belongs to it.
        unsafe { Node::copy(self.lilv(), (self.lilv().plugin_get_uri)(self.as_ptr())) }
    }

    /// Its bundle's folder.
    pub fn bundle(&self) -> Option<PathBuf> {
        // SAFETY: the node belongs to the plugin.
        let node = unsafe {
            Node::copy(
                self.lilv(),
                (self.lilv().plugin_get_bundle_uri)(self.as_ptr()),
            )
        };
        node.and_then(|node| node.path())
    }

    /// Its shared library.
    pub fn library(&self) -> Option<PathBuf> {
        // SAFETY: the node belongs to the plugin.
        let node = unsafe {
            Node::copy(
                self.lilv(),
                (self.lilv().plugin_get_library_uri)(self.as_ptr()),
            )
        };
        node.and_then(|node| node.path())
    }

    /// The files that describe it, from the manifest alone.
    pub fn data_files(&self) -> Vec<PathBuf> {
        // SAFETY: the collection belongs to the plugin.
        let nodes = unsafe {
            let nodes = (self.lilv().plugin_get_data_uris)(self.as_ptr());
            if nodes.is_null() {
                return Vec::new();
            }
            self.world.copy(nodes)
        };
        nodes.iter().filter_map(Node::path).collect()
    }

    /// Its name, empty where it has none. Reads the plugin's data the first time.
    pub fn name(&self) -> String {
        // SAFETY: the node is ours.
        let node = unsafe { Node::take(self.lilv(), (self.lilv().plugin_get_name)(self.as_ptr())) };
        node.map(|node| node.text()).unwrap_or_default()
    }

    /// The name of the project it belongs to, where it says one.
    pub fn project(&self) -> Option<String> {
        let terms = &self.world.terms;
        let project = self.values(&terms.project).into_iter().next()?;
        let name = self.world.object(&project, &terms.doap_name)?.text();
        Some(name).filter(|name| !name.is_empty())
    }

    /// Its author's name, empty where none is given.
    pub fn author(&self) -> String {
        // SAFETY: the node is ours.
        let node = unsafe {
            Node::take(
                self.lilv(),
                (self.lilv().plugin_get_author_name)(self.as_ptr()),
            )
        };
        node.map(|node| node.text()).unwrap_or_default()
    }

    /// Objects of statements about the plugin.
    pub fn values(&self, predicate: &Node) -> Vec<Node> {
        // SAFETY: the nodes are ours.
        let nodes = unsafe { (self.lilv().plugin_get_value)(self.as_ptr(), predicate.as_ptr()) };
        self.world.take(nodes)
    }

    /// URIs of the features it cannot do without.
    pub fn required_features(&self) -> Vec<String> {
        // SAFETY: the nodes are ours.
        let nodes = unsafe { (self.lilv().plugin_get_required_features)(self.as_ptr()) };
        self.world.take(nodes).iter().map(Node::text).collect()
    }

    /// Whether it knows a feature, needed or not.
    pub fn knows_feature(&self, uri: &str) -> bool {
        let optional = self.values(&self.world.terms.optional_feature);
        let mut known = self.required_features();
        known.extend(optional.iter().map(Node::text));
        known.iter().any(|feature| feature == uri)
    }

    /// Resources of a type that apply to it (presets).
    pub fn related(&self, kind: &Node) -> Vec<Node> {
        // SAFETY: the nodes are ours.
        let nodes = unsafe { (self.lilv().plugin_get_related)(self.as_ptr(), kind.as_ptr()) };
        self.world.take(nodes)
    }

    /// Its ports, by index.
    pub fn ports(&self) -> Vec<Port> {
        // SAFETY: indices below the number of ports.
        let ports = unsafe {
            let count = (self.lilv().plugin_get_num_ports)(self.as_ptr());
            (0..count).map(|index| {
                (self.lilv().plugin_get_port_by_index)(self.as_ptr(), index).cast_mut()
            })
        };
        ports
            .filter_map(NonNull::new)
            .map(|port| Port {
                plugin: *self,
                port,
            })
            .collect()
    }

    fn lilv(&self) -> &'static Lilv {
        self.world.lilv
    }
}

impl Port {
    /// Whether it is of a class.
    pub fn is_a(&self, class: &Node) -> bool {
        // SAFETY: plugin, port and node are valid, as in all of this impl.
        unsafe { (self.lilv().port_is_a)(self.plugin.as_ptr(), self.as_ptr(), class.as_ptr()) }
    }

    /// Its symbol, unique within the plugin.
    pub fn symbol(&self) -> String {
        // SAFETY: the node belongs to the port.
        let node = unsafe {
            Node::copy(
                self.lilv(),
                (self.lilv().port_get_symbol)(self.plugin.as_ptr(), self.as_ptr()),
            )
        };
        node.map(|node| node.text()).unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> String {
        // SAFETY: the node is ours.
        let node = unsafe {
            Node::take(
                self.lilv(),
                (self.lilv().port_get_name)(self.plugin.as_ptr(), self.as_ptr()),
            )
        };
        node.map(|node| node.text()).unwrap_or_default()
    }

    /// Objects of statements about the port.
    pub fn values(&self, predicate: &Node) -> Vec<Node> {
        // SAFETY: the nodes are ours.
        let nodes = unsafe {
            (self.lilv().port_get_value)(self.plugin.as_ptr(), self.as_ptr(), predicate.as_ptr())
        };
        self.plugin.world.take(nodes)
    }

    /// The first of [`Port::values`].
    pub fn value(&self, predicate: &Node) -> Option<Node> {
        self.values(predicate).into_iter().next()
    }

    /// Values with labels, in the order lilv finds them.
    pub fn scale_points(&self) -> Vec<(f32, String)> {
        // SAFETY: the collection is ours.
        let points =
            unsafe { (self.lilv().port_get_scale_points)(self.plugin.as_ptr(), self.as_ptr()) };
        if points.is_null() {
            return Vec::new();
        }
        let found = self.read_scale_points(points);
        // SAFETY: ours, freed once, not used afterwards.
        unsafe { (self.lilv().scale_points_free)(points) };
        found
    }

    fn read_scale_points(&self, points: *const LilvScalePoints) -> Vec<(f32, String)> {
        let lilv = self.lilv();
        let mut found = Vec::new();
        // SAFETY: the points and their nodes belong to the collection, which the caller holds.
        unsafe {
            let mut at = (lilv.scale_points_begin)(points);
            while !(lilv.scale_points_is_end)(points, at) {
                let point = (lilv.scale_points_get)(points, at);
                let value = Node::copy(lilv, (lilv.scale_point_get_value)(point));
                let label = Node::copy(lilv, (lilv.scale_point_get_label)(point));
                if let (Some(value), Some(label)) = (value.and_then(|v| v.number()), label) {
                    found.push((value, label.text()));
                }
                at = (lilv.scale_points_next)(points, at);
            }
        }
        found
    }

    fn lilv(&self) -> &'static Lilv {
        self.plugin.lilv()
    }

    fn as_ptr(&self) -> *const LilvPort {
        self.port.as_ptr()
    }
}
