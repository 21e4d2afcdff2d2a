//! The main half: parameters, state, programs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugpen_proto::Error;
use plugpen_proto::v1::{
    Bus, OpenOptions, OpenedPlugin, Parameter, PluginDescription, Precision, StateScope,
};

use super::parameters::{ParameterInfo, Target};
use super::patch::{self, Saved};
use super::processor::Lv2Processor;
use super::programs::Program;
use super::shared::Shared;
use super::state;
use super::world::Plugin;
use crate::formats::{Attention, Controller, Processor, count, normalised, same_layout};

/// Everything the main thread needs of one LV2 plugin.
pub struct Lv2Controller {
    pub plugin: Plugin,
    pub shared: Arc<Shared>,
    pub options: OpenOptions,
    pub description: PluginDescription,
    pub private_dir: PathBuf,
    pub programs: Vec<Program>,
    pub program: u32,
    /// What a client set, and what that is in plain units: while the plugin has this plain
    /// value, the client reads exactly what it set.
    pub set: Vec<(f64, f64)>,
}

impl Lv2Controller {
    fn known(&self, index: u32) -> Result<(usize, &ParameterInfo), Error> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        match self.shared.parameters.get(at) {
            Some(parameter) => Ok((at, parameter)),
            None => Err(Error::out_of_range(
                "parameter",
                index,
                self.shared.parameters.len(),
            )),
        }
    }

    /// Notes what a restored state or preset changed, as the client's doing, and asks the plugin
    /// for what only it knows.
    pub fn restored(&self, processor: &mut Lv2Processor, before: &[f64]) {
        processor.deliver();
        self.read_properties(processor);
        let notices = &self.shared.host.notices;
        for (at, before) in before.iter().enumerate() {
            if self.shared.values.get(at).to_bits() != before.to_bits() {
                notices.parameter(at, true);
            }
        }
    }

    fn read_properties(&self, processor: &mut Lv2Processor) {
        let key_of = |parameter: &ParameterInfo| match parameter.target {
            Target::Patch(key, _) => Some(key),
            Target::Port(_) => None,
        };
        if !self.shared.parameters.iter().any(|p| key_of(p).is_some()) {
            return;
        }
        for (key, value) in patch::saved(&self.shared) {
            let parameters = self.shared.parameters.iter();
            let mut found = parameters
                .enumerate()
                .filter(|(_, p)| key_of(p) == Some(key));
            let Some((at, parameter)) = found.next() else {
                continue;
            };
            let plain = match (value, &parameter.texts) {
                (Saved::Number(number), None) => Some(parameter.clamp(number)),
                (Saved::Text(text), Some(texts)) => texts.number(&text).ok(),
                _ => None,
            };
            if let Some(plain) = plain {
                processor.adopt(at, plain);
            }
        }
    }

    fn values(&self) -> Vec<f64> {
        let values = &self.shared.values;
        (0..values.len()).map(|at| values.get(at)).collect()
    }
}

fn own(parked: &mut dyn Processor) -> Result<&mut Lv2Processor, Error> {
    parked
        .as_any()
        .downcast_mut()
        .ok_or_else(|| Error::bug("an LV2 controller was given another format's processor"))
}

impl Controller for Lv2Controller {
    fn opened(&self) -> OpenedPlugin {
        let ports = &self.shared.ports;
        let (input_buses, output_buses) = self.buses();
        OpenedPlugin {
            description: Some(self.description.clone()),
            sample_rate: self.options.sample_rate,
            max_block_size: self.options.max_block_size,
            num_input_channels: input_buses.first().map_or(0, |bus| bus.channels),
            num_output_channels: count(ports.read_outputs().len()),
            sidechain_channels: count(ports.sidechain),
            input_buses,
            output_buses,
            num_parameters: self.parameter_count(),
            num_programs: count(self.programs.len()),
            latency_samples: self.latency_samples(),
            tail_seconds: self.tail_seconds(),
            accepts_midi: ports.has_midi_in(),
            produces_midi: ports.has_midi_out(),
            has_bypass: self.bypass_parameter().is_some(),
            ..OpenedPlugin::default()
        }
    }

    fn parameter_count(&self) -> u32 {
        count(self.shared.parameters.len())
    }

    fn parameter(&self, index: u32) -> Result<Parameter, Error> {
        let (_, parameter) = self.known(index)?;
        Ok(parameter.describe(index, self.get_parameter(index)?))
    }

    fn get_parameter(&self, index: u32) -> Result<f64, Error> {
        let (at, parameter) = self.known(index)?;
        let plain = self.shared.values.get(at);
        Ok(match self.set.get(at) {
            Some((set, is)) if is.to_bits() == plain.to_bits() => *set,
            _ => parameter.normal(plain),
        })
    }

    fn set_parameter(&mut self, index: u32, value: f64) -> Result<f64, Error> {
        let (at, parameter) = self.known(index)?;
        let value = normalised(value)?;
        let plain = parameter.accept(value)?;
        self.set[at] = (value, plain);
        self.shared.values.set(at, plain);
        Ok(value)
    }

    fn parameter_to_text(&self, index: u32, value: f64) -> Result<String, Error> {
        let (_, parameter) = self.known(index)?;
        Ok(parameter.text(normalised(value)?))
    }

    fn parameter_from_text(&self, index: u32, text: &str) -> Result<f64, Error> {
        let (_, parameter) = self.known(index)?;
        match &parameter.texts {
            Some(texts) => Ok(parameter.normal(texts.number(text)?)),
            None => Ok(parameter.value_of(text)),
        }
    }

    fn get_state(&mut self, parked: &mut dyn Processor, _: StateScope) -> Result<Vec<u8>, Error> {
        own(parked)?.settle();
        state::save(self.plugin, &self.shared, &self.private_dir)
    }

    fn set_state(
        &mut self,
        parked: &mut dyn Processor,
        _: StateScope,
        data: &[u8],
    ) -> Result<(), Error> {
        let processor = own(parked)?;
        processor.settle();
        let before = self.values();
        state::restore(self.plugin, &self.shared, data)?;
        self.restored(processor, &before);
        self.shared.host.notices.state();
        Ok(())
    }

    fn program_names(&self) -> Vec<String> {
        self.programs
            .iter()
            .map(|program| program.name.clone())
            .collect()
    }

    fn current_program(&self) -> u32 {
        self.program
    }

    fn set_program(&mut self, parked: &mut dyn Processor, index: u32) -> Result<(), Error> {
        let processor = own(parked)?;
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let program = self
            .programs
            .get(at)
            .ok_or_else(|| Error::out_of_range("program", index, self.programs.len()))?;
        let before = self.values();
        self.plugin.world().load_resource(&program.resource);
        if !state::restore_resource(self.plugin, &self.shared, &program.resource) {
            return Err(Error::new(
                plugpen_proto::v1::ErrorReason::PluginRefused,
                format!("the preset \"{}\" holds no state", program.name),
            ));
        }
        self.restored(processor, &before);
        self.program = index;
        self.shared.host.notices.program();
        Ok(())
    }

    fn bypass_parameter(&self) -> Option<u32> {
        let at = self
            .shared
            .parameters
            .iter()
            .position(|parameter| parameter.is_bypass)?;
        Some(count(at))
    }

    fn reset(&mut self, parked: &mut dyn Processor) {
        parked.reset();
    }

    fn set_non_realtime(&mut self, parked: &mut dyn Processor, non_realtime: bool) {
        self.shared
            .non_realtime
            .store(non_realtime, Ordering::Relaxed);
        self.shared.host.work.set_synchronous(non_realtime);
        if let Ok(processor) = own(parked) {
            processor.set_non_realtime(non_realtime);
        }
    }

    fn set_precision(&mut self, _: &mut dyn Processor, precision: Precision) -> Result<(), Error> {
        match precision {
            Precision::Double => Err(Error::unsupported(
                "LV2 plugins compute in single precision; double blocks are converted for them",
            )),
            Precision::Single | Precision::Unspecified => Ok(()),
        }
    }

    fn set_track_properties(&mut self, _: Option<&str>, _: Option<u32>) {}

    fn latency_samples(&self) -> u32 {
        self.shared.latency.load(Ordering::Relaxed)
    }

    fn tail_seconds(&self) -> f64 {
        0.0
    }

    fn buses(&self) -> (Vec<Bus>, Vec<Bus>) {
        self.shared.ports.as_buses()
    }

    fn check_buses_layout(
        &mut self,
        _: &mut dyn Processor,
        inputs: &[i32],
        outputs: &[i32],
    ) -> bool {
        same_layout(&self.buses(), inputs, outputs)
    }

    fn attend(&mut self) -> Attention {
        let host = self.shared.host;
        if let Some((port, kib)) = host.rooms.take_refused() {
            host.notices.log(&format!(
                "the plugin asked for a buffer of {kib} KiB for its port {port} and did not get \
                 it: that is more than plugpen gives a port"
            ));
        }
        Attention::default()
    }
}
