//! LV2, through liblilv loaded at run time.
//!
//! [`load`] reads one bundle (and the few others that hold presets of its plugin), instantiates
//! one plugin with all the features real plugins need, restores its default state and connects
//! every port. [`probe()`] reads Turtle and runs no plugin code at all; dynamic manifests, which
//! do, are switched off for both.

mod atoms;
mod buffers;
mod bundles;
mod controller;
mod events;
mod host;
mod instance;
mod lilv;
mod log;
mod manifests;
mod morph;
mod node;
mod parameters;
mod patch;
mod paths;
mod ports;
mod position;
mod probe;
mod processor;
mod programs;
mod rooms;
mod shared;
mod state;
mod texts;
mod units;
mod urids;
mod work;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use plugpen_proto::Error;

use super::{Opening, Plugin, Values};
use controller::Lv2Controller;
use host::Host;
use instance::Instance;
use ports::Ports;
use processor::Lv2Processor;
use shared::Shared;
use world::World;

pub use probe::probe;

/// Bytes for a block's events where the client does not say.
const EVENT_BYTES: u32 = 32 * 1024;
/// Frames of the block that finds the latency out; as many as hosts commonly run.
const LATENCY_BLOCK: u32 = 1024;

/// Loads the plugin that the options name.
///
/// # Errors
/// liblilv or the plugin is not there, or the plugin refuses.
pub fn load(opening: &Opening) -> Result<Plugin, Error> {
    let options = &opening.options;
    let world = World::new()?;
    let (plugin, index) = bundles::find(world, &opening.bundle, options)?;
    let uri = plugin.uri();
    bundles::load_preset_bundles(world, &uri, plugin.bundle().as_deref());

    // An event of a block takes at least 8 bytes there and at most 3 times as many in a sequence.
    let event_bytes = match options.event_bytes {
        0 => EVENT_BYTES,
        bytes => bytes,
    };
    let sequence_bytes = usize::try_from(event_bytes).unwrap_or(0) * 3 + 1024;
    let notices = Arc::clone(&opening.notices);
    let host = Host::new(
        options.sample_rate,
        options.max_block_size,
        sequence_bytes,
        &opening.private_dir,
        notices,
    );
    let mut ports = ports::read_all(plugin);
    let instance = Instance::new(plugin, host, options.sample_rate)?;
    morph::settle(&mut ports, &options.port_types, &instance, host)?;
    let may_grow = plugin.knows_feature(host::RESIZE_PORT);
    host.rooms.furnish(&ports, sequence_bytes, may_grow);
    let ports = Ports::arrange(plugin, ports, options.sidechain_channels);
    let rate = crate::formats::numbers::narrow(options.sample_rate);
    let parameters = parameters::read(plugin, &ports, rate, &host.urids);

    opening.notices.expect_parameters(parameters.len());
    let values = Values::new(
        parameters
            .iter()
            .map(|parameter| f64::from(parameter.default)),
    );
    let shared = Arc::new(Shared {
        instance,
        host,
        ports,
        values,
        parameters,
        latency: AtomicU32::new(0),
        non_realtime: AtomicBool::new(options.non_realtime),
    });
    let max_frames = usize::try_from(options.max_block_size).unwrap_or(0);
    let mut processor = Lv2Processor::new(Arc::clone(&shared), max_frames, sequence_bytes);
    let controller = Lv2Controller {
        plugin,
        options: options.clone(),
        description: probe::describe(plugin, index),
        private_dir: opening.private_dir.clone(),
        programs: programs::read(plugin),
        program: 0,
        set: shared
            .parameters
            .iter()
            .map(|parameter| {
                let default = f64::from(parameter.default);
                (parameter.normal(default), default)
            })
            .collect(),
        shared,
    };
    start(&controller, &mut processor, options.max_block_size);
    Ok(Plugin {
        controller: Box::new(controller),
        processor: Box::new(processor),
    })
}

/// Everything between a fresh instance and the first block.
fn start(controller: &Lv2Controller, processor: &mut Lv2Processor, max_block: u32) {
    let shared = &controller.shared;
    let non_realtime = shared.non_realtime.load(Ordering::Relaxed);
    shared.host.work.set_synchronous(non_realtime);
    processor.set_non_realtime(non_realtime);
    if let Some(uri) = controller.plugin.uri_node() {
        state::restore_resource(controller.plugin, shared, &uri);
    }
    controller.restored(processor, &[]);
    processor.find_latency(LATENCY_BLOCK.min(max_block));
    processor.settle();
}
