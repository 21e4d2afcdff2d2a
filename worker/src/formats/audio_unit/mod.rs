//! AudioUnits, version 2, through macOS's AudioToolbox loaded at run time.
//!
//! [`load`] finds a unit in a `.component` bundle or by its three codes (`aufx:delf:Demo`), settles
//! its buses, connects its callbacks and initialises it. [`probe()`] makes each unit of a bundle
//! and asks it what it is.
//!
//! None of this has run on macOS: it is type-checked for it, its declarations are compared with
//! generated ones (`layout.rs`), and the tests run it against a simulated AudioToolbox.

mod abi;
mod buses;
mod components;
mod controller;
mod feed;
mod foundation;
mod host;
mod instance;
#[cfg(target_vendor = "apple")]
mod layout;
mod midi;
mod parameters;
mod playhead;
mod probe;
mod processor;
mod programs;
mod shared;
mod state;
mod toolbox;

use std::cell::RefCell;
use std::sync::Arc;

use plugpen_proto::Error;

use super::{Controller, Opening, Plugin};
use abi::{kind, property, scope};
use components::Component;
use controller::AudioUnitController;
use instance::{Instance, Status, refused};
use parameters::ParameterInfo;
use processor::AudioUnitProcessor;
use shared::Shared;

pub use probe::probe;

/// Kinds of units that play like plugins; the others drive hardware or whole files.
const KINDS: [u32; 7] = [
    kind::EFFECT,
    kind::MUSIC_EFFECT,
    kind::INSTRUMENT,
    kind::MIDI_PROCESSOR,
    kind::GENERATOR,
    kind::PANNER,
    kind::MIXER,
];
const TAKE_MIDI: [u32; 3] = [kind::MUSIC_EFFECT, kind::INSTRUMENT, kind::MIDI_PROCESSOR];

/// Loads the plugin that the options name.
///
/// # Errors
/// No AudioToolbox, no such unit, or the unit refuses.
pub fn load(opening: &Opening) -> Result<Plugin, Error> {
    let options = &opening.options;
    let component = components::find(&opening.bundle, options)?;
    if !KINDS.contains(&component.codes.kind) {
        return Err(Error::unsupported(format!(
            "{} is an AudioUnit of a kind that does not play in blocks; plugpen hosts effects, \
             instruments, generators, MIDI processors, panners and mixers",
            component.codes
        )));
    }
    // For ever: the unit's callbacks outlive this function, and the process outlives nothing else.
    let instance: &'static Instance = Box::leak(Box::new(Instance::new(&component)?));
    let frames = property::MAXIMUM_FRAMES_PER_SLICE;
    instance
        .set(frames, scope::GLOBAL, 0, &options.max_block_size)
        .map_err(|status| {
            refused(
                &component,
                format!(
                    "does not take blocks of {} frames: {status}",
                    options.max_block_size
                ),
            )
        })?;
    let (shared, infos) = start(&component, instance, opening)?;
    let takes_midi = TAKE_MIDI.contains(&component.codes.kind);
    let max_frames = usize::try_from(options.max_block_size).unwrap_or(0);
    let mut processor = AudioUnitProcessor::new(shared, takes_midi, max_frames);
    let path = opening.bundle.display().to_string();
    let mut controller = AudioUnitController {
        description: probe::describe(&component, instance, &path),
        programs: programs::read(instance),
        program: 0,
        produces_midi: probe::produces_midi(instance),
        accepts_midi: takes_midi,
        set: defaults(shared, &infos),
        infos: RefCell::new(infos),
        options: options.clone(),
        component,
        shared,
    };
    if options.non_realtime {
        controller.set_non_realtime(&mut processor, true);
    }
    Ok(Plugin {
        controller: Box::new(controller),
        processor: Box::new(processor),
    })
}

/// Settles the buses with the unit and initialises it, with the first channel counts that it
/// takes.
fn start(
    component: &Component,
    instance: &'static Instance,
    opening: &Opening,
) -> Result<(&'static Shared, Vec<ParameterInfo>), Error> {
    let options = &opening.options;
    let mut refusal = Status(0);
    for main in buses::candidates(instance, options) {
        let buses = match buses::settle(instance, options, main) {
            Ok(buses) => buses,
            Err(status) => {
                refusal = status;
                continue;
            }
        };
        let (ranges, infos): (Vec<_>, Vec<_>) = parameters::read(instance).into_iter().unzip();
        opening.notices.expect_parameters(ranges.len());
        let notices = Arc::clone(&opening.notices);
        let shared = Shared::new(instance, buses, ranges, options, notices);
        host::connect(shared);
        match instance.initialize() {
            Ok(()) => {
                shared.read_latency();
                host::listen(shared);
                return Ok((shared, infos));
            }
            Err(status) => refusal = status,
        }
    }
    Err(refused(
        component,
        format!(
            "takes no channels that were tried at {} Hz: {refusal}",
            options.sample_rate
        ),
    ))
}

/// So that a parameter at its default reads as exactly its default.
fn defaults(shared: &Shared, infos: &[ParameterInfo]) -> Vec<(f64, f64)> {
    let ranges = shared.ranges.iter().zip(infos);
    ranges
        .map(|(range, info)| (range.normal(info.default), f64::from(info.default)))
        .collect()
}
