//! VST3, on the bindings of the `vst3` crate.
//!
//! A plugin's life here, in order:
//!
//! 1. Its module is loaded and greeted, and the class that is meant chosen from its factory.
//! 2. The component is created; its controller is the same object or one of its own, and then the
//!    two are connected. The controller learns the component's state.
//! 3. Buses are agreed on while the plugin is inactive, then switched on.
//! 4. It is set up, activated and told to process; only then do blocks come.
//! 5. Values go to the controller at once and to the processor with the next block, since the two
//!    halves may know nothing of each other. Values that the processor changes go to the controller
//!    between calls.

#![allow(
    non_upper_case_globals,
    reason = "the SDK's constants keep its spelling, in patterns too"
)]

mod attributes;
mod buffers;
mod bundle;
mod buses;
mod changes_in;
mod changes_out;
mod classes;
mod context;
mod controller;
mod door;
mod edit;
mod event;
mod events_in;
mod events_out;
mod handler;
mod host;
mod id_index;
mod ids;
mod instance;
mod layouts;
mod midi_map;
mod module;
mod note_expressions;
mod probe;
mod processor;
mod programs;
mod roomy;
mod run_loop;
mod shared;
mod state;
mod stream;
mod text;
mod track;
mod turns;

use std::path::Path;
use std::sync::Arc;

use plugpen_proto::Error;

use super::{Opening, Plugin};
use buses::{Buses, Wishes};
use controller::Vst3Controller;
use host::Host;
use instance::Instance;
use module::Module;
use processor::{Setup, Vst3Processor};
use programs::Programs;
use shared::Shared;

pub use probe::probe;

/// Bytes for a block's events where the client does not say.
const EVENT_BYTES: u32 = 32 * 1024;

/// Loads the plugin that the options name.
///
/// # Errors
/// The module or the plugin is not there, or the plugin refuses.
pub fn load(opening: &Opening) -> Result<Plugin, Error> {
    let options = &opening.options;
    let path = match opening.bundle.as_os_str().is_empty() {
        true => Path::new(&options.path),
        false => &opening.bundle,
    };
    let library = bundle::library(path)?;
    let host = Host::new(Arc::clone(&opening.notices)).ok_or_else(not_there)?;
    let handler = handler::Lent::new(Arc::clone(&opening.notices)).ok_or_else(not_there)?;
    let module = Module::load(&library, &host)?;
    let at = classes::select(&module.classes, &options.selector, path)?;
    let class = module.classes[at].clone();
    let instance = Arc::new(Instance::new(module, at, &host, &handler)?);
    let buses = Buses::negotiate(&instance.plug, Wishes::from(options))?;
    buses.activate(&instance.plug.component);

    let parameters = instance
        .edit
        .as_ref()
        .map(edit::Edit::parameters)
        .unwrap_or_default();
    let cells: Vec<shared::Cell> = parameters
        .iter()
        .map(|parameter| {
            let value = instance
                .edit
                .as_ref()
                .and_then(|edit| edit.value(parameter.id));
            shared::Cell {
                id: parameter.id,
                value: value.unwrap_or(parameter.default),
                steps: parameter.steps,
                is_read_only: parameter.is_read_only(),
            }
        })
        .collect();
    let shared = Arc::new(Shared::new(&cells, Arc::clone(&opening.notices)));
    handler.know(&shared);
    let event_bytes = match options.event_bytes {
        0 => EVENT_BYTES,
        bytes => bytes,
    };
    let setup = Setup {
        rate: options.sample_rate,
        max_frames: options.max_block_size,
        double: false,
        offline: options.non_realtime,
    };
    let mut processor = Vst3Processor::new(
        Arc::clone(&shared),
        Arc::clone(&instance),
        setup,
        &buses,
        usize::try_from(event_bytes).unwrap_or(0),
    )?;
    processor.start()?;
    let mut controller = Vst3Controller {
        description: probe::describe(path, &class, at, &buses),
        options: options.clone(),
        flushes: false,
        programs: Programs::default(),
        instance,
        shared,
        host,
        handler,
        parameters,
        buses,
        class,
    };
    controller.settle(&mut processor);
    Ok(Plugin {
        controller: Box::new(controller),
        processor: Box::new(processor),
    })
}

fn not_there() -> Error {
    Error::bug("an object of the host's own is not there")
}
