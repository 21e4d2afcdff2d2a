//! The main half: parameters, state, programs.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plugpen_proto::Error;
use plugpen_proto::v1::{
    Bus, ErrorReason, OpenOptions, OpenedPlugin, Parameter, PluginDescription, Precision,
    StateScope,
};

use super::abi::*;
use super::components::Component;
use super::foundation::Owned;
use super::host::RUN_LOOP_MODE;
use super::parameters::{self, ParameterInfo, Range};
use super::processor::AudioUnitProcessor;
use super::programs::{self, Program};
use super::shared::Shared;
use super::state;
use crate::formats::numbers::narrow;
use crate::formats::{Attention, Controller, Processor, count, normalised};

/// How often the unit's own work on the main thread gets its turn.
const TURN: Duration = Duration::from_millis(20);
/// Most pieces of that work done in one turn.
const MAX_WORK: u32 = 64;
/// `kCFRunLoopRunHandledSource`.
const HANDLED_SOURCE: i32 = 4;
/// Longest tail believed, in seconds.
const MAX_TAIL: f64 = 3600.0;

/// Everything the main thread needs of one AudioUnit.
pub struct AudioUnitController {
    pub shared: &'static Shared,
    pub component: Component,
    pub options: OpenOptions,
    pub description: PluginDescription,
    /// What is said of the parameters, by index; read again after the unit says it changed.
    pub infos: RefCell<Vec<ParameterInfo>>,
    pub programs: Vec<Program>,
    pub program: u32,
    pub accepts_midi: bool,
    pub produces_midi: bool,
    /// What a client set, and what that is in plain units: while the plugin has this plain
    /// value, the client reads exactly what it set.
    pub set: Vec<(f64, f64)>,
}

impl AudioUnitController {
    fn known(&self, index: u32) -> Result<(usize, &Range), Error> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        match self.shared.ranges.get(at) {
            Some(range) => Ok((at, range)),
            None => Err(Error::out_of_range(
                "parameter",
                index,
                self.shared.ranges.len(),
            )),
        }
    }

    /// Runs with what is said of a parameter, up to date.
    fn with_info<T>(
        &self,
        index: u32,
        act: impl FnOnce(&ParameterInfo, &Range) -> T,
    ) -> Result<T, Error> {
        let (at, range) = self.known(index)?;
        if self.shared.stale.swap(false, Ordering::Relaxed) {
            let mut infos = self.infos.borrow_mut();
            for (info, range) in infos.iter_mut().zip(&self.shared.ranges) {
                if let Some(again) = parameters::read_again(self.shared.instance, range) {
                    *info = again;
                }
            }
        }
        let infos = self.infos.borrow();
        let info = infos
            .get(at)
            .ok_or_else(|| Error::bug("a parameter without a description"))?;
        Ok(act(info, range))
    }

    /// Takes what the unit has after it changed as a whole, and notes what is different as the
    /// client's doing.
    fn adopt_all(&self) {
        for (at, range) in self.shared.ranges.iter().enumerate() {
            let Some(live) = self.shared.instance.parameter(range.id) else {
                continue;
            };
            let live = f64::from(range.clamp(live));
            if live.to_bits() != self.shared.known.get(at).to_bits() {
                self.shared.adopt(at, live);
                self.shared.notices.parameter(at, true);
            }
        }
        self.refresh_latency();
    }

    fn refresh_latency(&self) {
        if self.shared.read_latency() {
            self.shared.notices.latency();
        }
    }

    fn set_switch(&self, property: u32, on: bool) -> bool {
        let value = u32::from(on);
        let set = self.shared.instance.set(property, scope::GLOBAL, 0, &value);
        self.refresh_latency();
        set.is_ok()
    }

    fn has_bypass(&self) -> bool {
        let bypass: Option<u32> =
            self.shared
                .instance
                .get(property::BYPASS_EFFECT, scope::GLOBAL, 0);
        bypass.is_some()
    }
}

fn own(parked: &mut dyn Processor) -> Result<&mut AudioUnitProcessor, Error> {
    parked
        .as_any()
        .downcast_mut()
        .ok_or_else(|| Error::bug("an AudioUnit controller was given another format's processor"))
}

impl Controller for AudioUnitController {
    fn opened(&self) -> OpenedPlugin {
        let buses = &self.shared.buses;
        let (input_buses, output_buses) = self.buses();
        OpenedPlugin {
            description: Some(self.description.clone()),
            sample_rate: self.options.sample_rate,
            max_block_size: self.options.max_block_size,
            num_input_channels: input_buses.first().map_or(0, |bus| bus.channels),
            num_output_channels: buses.output_channels(),
            sidechain_channels: buses.sidechain(),
            input_buses,
            output_buses,
            num_parameters: self.parameter_count(),
            num_programs: count(self.programs.len()),
            latency_samples: self.latency_samples(),
            tail_seconds: self.tail_seconds(),
            accepts_midi: self.accepts_midi,
            produces_midi: self.produces_midi,
            is_midi_effect: self.component.codes.kind == kind::MIDI_PROCESSOR,
            has_bypass: self.has_bypass(),
            ..OpenedPlugin::default()
        }
    }

    fn parameter_count(&self) -> u32 {
        count(self.shared.values.len())
    }

    fn parameter(&self, index: u32) -> Result<Parameter, Error> {
        let value = self.get_parameter(index)?;
        self.with_info(index, |info, range| {
            info.describe(index, value, self.shared.instance, range)
        })
    }

    fn get_parameter(&self, index: u32) -> Result<f64, Error> {
        let (at, range) = self.known(index)?;
        let plain = self.shared.plain(at);
        Ok(match self.set.get(at) {
            Some((set, is)) if is.to_bits() == plain.to_bits() => *set,
            _ => range.normal(narrow(plain)),
        })
    }

    fn set_parameter(&mut self, index: u32, value: f64) -> Result<f64, Error> {
        let (at, range) = self.known(index)?;
        let value = normalised(value)?;
        if range.is_writable {
            let plain = f64::from(range.plain(value));
            self.shared.values.set(at, plain);
            self.set[at] = (value, plain);
        }
        self.get_parameter(index)
    }

    fn parameter_to_text(&self, index: u32, value: f64) -> Result<String, Error> {
        let value = normalised(value)?;
        self.with_info(index, |info, range| {
            info.text(value, self.shared.instance, range)
        })
    }

    fn parameter_from_text(&self, index: u32, text: &str) -> Result<f64, Error> {
        self.with_info(index, |info, range| {
            info.value_of(text, self.shared.instance, range)
        })
    }

    fn get_state(&mut self, parked: &mut dyn Processor, _: StateScope) -> Result<Vec<u8>, Error> {
        own(parked)?.settle();
        state::save(self.shared.instance)
    }

    fn set_state(
        &mut self,
        parked: &mut dyn Processor,
        _: StateScope,
        data: &[u8],
    ) -> Result<(), Error> {
        own(parked)?.settle();
        state::restore(self.shared.instance, self.component.codes, data)?;
        self.adopt_all();
        self.shared.notices.state();
        Ok(())
    }

    fn program_names(&self) -> Vec<String> {
        self.programs
            .iter()
            .map(|program| program.name.clone())
            .collect()
    }

    fn current_program(&self) -> u32 {
        let present = programs::present(self.shared.instance);
        let is_present = |program: &Program| present == Some(program.number);
        let at = self.programs.iter().position(is_present);
        at.map_or(self.program, count)
    }

    fn set_program(&mut self, parked: &mut dyn Processor, index: u32) -> Result<(), Error> {
        own(parked)?.settle();
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let program = self
            .programs
            .get(at)
            .ok_or_else(|| Error::out_of_range("program", index, self.programs.len()))?;
        programs::set(self.shared.instance, program).map_err(|status| {
            Error::new(
                ErrorReason::PluginRefused,
                format!(
                    "the AudioUnit refuses its preset \"{}\": {status}",
                    program.name
                ),
            )
        })?;
        self.program = index;
        self.adopt_all();
        self.shared.notices.program();
        Ok(())
    }

    fn bypass_parameter(&self) -> Option<u32> {
        None
    }

    fn set_bypass(&mut self, _: &mut dyn Processor, bypass: bool) -> bool {
        self.has_bypass() && self.set_switch(property::BYPASS_EFFECT, bypass)
    }

    fn reset(&mut self, parked: &mut dyn Processor) {
        parked.reset();
    }

    fn set_non_realtime(&mut self, _: &mut dyn Processor, non_realtime: bool) {
        self.set_switch(property::OFFLINE_RENDER, non_realtime);
    }

    fn set_precision(&mut self, _: &mut dyn Processor, precision: Precision) -> Result<(), Error> {
        match precision {
            Precision::Double => Err(Error::unsupported(
                "AudioUnits compute in single precision; double blocks are converted for them",
            )),
            Precision::Single | Precision::Unspecified => Ok(()),
        }
    }

    fn set_track_properties(&mut self, name: Option<&str>, _: Option<u32>) {
        let instance = self.shared.instance;
        if let Some(name) = name.and_then(|name| Owned::string(instance.toolbox(), name)) {
            // For display only; most units have no use for it.
            let _ = instance.set(property::CONTEXT_NAME, scope::GLOBAL, 0, &name.get());
        }
    }

    fn latency_samples(&self) -> u32 {
        self.shared.latency.load(Ordering::Relaxed)
    }

    fn tail_seconds(&self) -> f64 {
        let tail: Option<f64> = self
            .shared
            .instance
            .get(property::TAIL_TIME, scope::GLOBAL, 0);
        tail.filter(|tail| tail.is_finite())
            .map_or(0.0, |tail| tail.clamp(0.0, MAX_TAIL))
    }

    fn buses(&self) -> (Vec<Bus>, Vec<Bus>) {
        self.shared.buses.as_buses()
    }

    fn check_buses_layout(
        &mut self,
        _: &mut dyn Processor,
        inputs: &[i32],
        outputs: &[i32],
    ) -> bool {
        self.shared.buses.could_be(inputs, outputs)
    }

    fn attend(&mut self) -> Attention {
        let toolbox = self.shared.instance.toolbox();
        if let Some(mode) = Owned::string(toolbox, RUN_LOOP_MODE) {
            for _ in 0..MAX_WORK {
                // SAFETY: the main thread's own run loop, for no longer than what is due.
                let done = unsafe { (toolbox.run_loop_run)(mode.get(), 0.0, 1) };
                if done != HANDLED_SOURCE {
                    break;
                }
            }
        }
        Attention {
            within: Some(TURN),
            parked: false,
        }
    }
}
