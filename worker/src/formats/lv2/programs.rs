//! Presets as programs.

use super::node::Node;
use super::world::Plugin;

/// A preset of this plugin.
pub struct Program {
    /// What is shown.
    pub name: String,
    /// What is restored.
    pub resource: Node,
}

/// All presets, by URI, which is minihost's order.
pub fn read(plugin: Plugin) -> Vec<Program> {
    let world = plugin.world();
    let mut presets = plugin.related(&world.terms.preset);
    presets.sort_by_cached_key(Node::text);
    let named = presets.into_iter().map(|resource| {
        let label = |resource| world.object(resource, &world.terms.rdfs_label);
        let name = label(&resource).or_else(|| {
            // The label is not in the manifest but in the preset's own file.
            world.load_resource(&resource);
            label(&resource)
        });
        Program {
            name: name.map_or_else(|| resource.text(), |name| name.text()),
            resource,
        }
    });
    named.collect()
}
