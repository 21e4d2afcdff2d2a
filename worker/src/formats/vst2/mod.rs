//! VST2, on the raw binary interface.
//!
//! [`load`] opens one file's plugin (or one of a shell's) and keeps it open as long as the
//! process lives. The plugin calls back through one function ([`host`]), from any thread and at
//! any time, before its entry has returned as well.

mod abi;
mod buffers;
mod buses;
mod controller;
mod descriptions;
mod entry;
mod events;
mod host;
mod instance;
mod knobs;
mod parameters;
mod probe;
mod processor;
mod programs;
mod shared;
mod speakers;
mod state;
mod text;
mod time;

use std::path::Path;
use std::sync::Arc;

use plugpen_proto::Error;

use super::{Opening, Plugin, numbers};
use abi::{effect, flags};
use buses::Buses;
use controller::Vst2Controller;
use entry::File;
use host::Host;
use knobs::Knobs;
use processor::Vst2Processor;
use programs::Programs;
use shared::Shared;

pub use abi::host_name as host_call_name;
pub use probe::probe;

/// Bytes for a block's events where the client does not say.
const EVENT_BYTES: u32 = 32 * 1024;

/// Loads the plugin that the options name.
///
/// # Errors
/// No such file, no VST2 plugin in it, or the plugin refuses.
pub fn load(opening: &Opening) -> Result<Plugin, Error> {
    let options = &opening.options;
    let path = match opening.bundle.as_os_str().is_empty() {
        true => Path::new(&options.path),
        false => &opening.bundle,
    };
    if options.observe_host_callbacks {
        opening.notices.observe_host_calls();
    }
    let file = File::load(path)?;
    let host = Host::new(
        path,
        options.sample_rate,
        options.max_block_size,
        options.non_realtime,
        Arc::clone(&opening.notices),
    );
    let opened = file.open(host, &options.selector)?;
    let description = probe::describe(&opened, path);
    let instance = opened.instance;
    instance.ask(
        effect::SET_SAMPLE_RATE,
        0,
        0,
        numbers::narrow(options.sample_rate),
    );
    let block_size = isize::try_from(options.max_block_size).unwrap_or(isize::MAX);
    instance.ask(effect::SET_BLOCK_SIZE, 0, block_size, 0.0);
    let buses = Buses::settle(&instance, options);
    let programs = Programs::read(&instance);
    let parameters = parameters::read(&instance);

    opening.notices.expect_parameters(parameters.len());
    let knobs = Arc::new(Knobs::new(
        parameters.iter().map(|parameter| parameter.default),
    ));
    host.know(Arc::clone(&knobs));
    let can = |what: [&std::ffi::CStr; 2]| what.iter().any(|what| instance.can_do(what));
    let accepts_midi =
        instance.has_flag(flags::IS_SYNTH) || can([c"receiveVstMidiEvent", c"receiveVstEvents"]);
    let produces_midi = can([c"sendVstMidiEvent", c"sendVstEvents"]);
    let can_bypass = instance.can_do(c"bypass");
    let channels = instance.channels();
    let shared = Arc::new(Shared {
        instance,
        host,
        knobs,
    });
    // An event of a block takes at least as much there as it takes here.
    let event_bytes = match options.event_bytes {
        0 => EVENT_BYTES,
        bytes => bytes,
    };
    let mut processor = Vst2Processor::new(
        Arc::clone(&shared),
        &buses,
        usize::try_from(options.max_block_size).unwrap_or(0),
        usize::try_from(event_bytes).unwrap_or(0),
    );
    processor.find_latency();
    let controller = Vst2Controller {
        shared,
        options: options.clone(),
        description,
        parameters,
        programs,
        buses,
        accepts_midi,
        produces_midi,
        can_bypass,
        channels,
    };
    Ok(Plugin {
        controller: Box::new(controller),
        processor: Box::new(processor),
    })
}
