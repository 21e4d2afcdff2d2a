//! The null plugin's main half.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugpen_proto::Error;
use plugpen_proto::v1::{
    Bus, NoteExpressionType, OpenOptions, OpenedPlugin, Parameter, ParameterKind, Precision,
    StateScope,
};

use super::parameters::{NullParameter, PARAMETERS, PROGRAMS};
use super::processor::NullProcessor;
use super::{Shared, Variant, description};
use crate::formats::{Controller, Processor, count, normalised, same_layout};

/// First line of a state.
const HEADER: &str = "plugpen null state 1";

/// Parameters, state and programs.
pub struct NullController {
    shared: Arc<Shared>,
    variant: Variant,
    options: OpenOptions,
    program: u32,
}

impl NullController {
    pub fn new(shared: Arc<Shared>, variant: Variant, options: OpenOptions) -> Self {
        Self {
            shared,
            variant,
            options,
            program: 0,
        }
    }

    fn known(index: u32) -> Result<(usize, &'static NullParameter), Error> {
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        match PARAMETERS.get(position) {
            Some(parameter) => Ok((position, parameter)),
            None => Err(Error::out_of_range("parameter", index, PARAMETERS.len())),
        }
    }
}

impl Controller for NullController {
    fn opened(&self) -> OpenedPlugin {
        let (input_buses, output_buses) = self.buses();
        OpenedPlugin {
            description: Some(description(&self.options.path, &self.variant)),
            sample_rate: self.options.sample_rate,
            max_block_size: self.options.max_block_size,
            num_input_channels: self.variant.inputs,
            num_output_channels: self.variant.outputs,
            sidechain_channels: self.variant.sidechain,
            input_buses,
            output_buses,
            num_parameters: self.parameter_count(),
            num_programs: count(PROGRAMS.len()),
            latency_samples: self.variant.latency,
            accepts_midi: true,
            produces_midi: true,
            supports_double: true,
            supports_mpe: true,
            takes_note_expression: true,
            ..OpenedPlugin::default()
        }
    }

    fn parameter_count(&self) -> u32 {
        count(PARAMETERS.len())
    }

    fn parameter(&self, index: u32) -> Result<Parameter, Error> {
        let (at, parameter) = Self::known(index)?;
        let value = parameter.normal(self.shared.values.get(at));
        Ok(Parameter {
            index,
            name: parameter.name.into(),
            id: parameter.id.into(),
            label: parameter.label.into(),
            value,
            text: parameter.text(value),
            default_value: parameter.normal(parameter.default),
            num_steps: parameter.steps,
            is_automatable: true,
            is_boolean: parameter.is_boolean(),
            category: 0,
            plain_min: parameter.min,
            plain_max: parameter.max,
            is_bypass: false,
            kind: ParameterKind::Number.into(),
        })
    }

    fn get_parameter(&self, index: u32) -> Result<f64, Error> {
        let (at, parameter) = Self::known(index)?;
        Ok(parameter.normal(self.shared.values.get(at)))
    }

    fn set_parameter(&mut self, index: u32, value: f64) -> Result<f64, Error> {
        let (at, parameter) = Self::known(index)?;
        let plain = parameter.plain(normalised(value)?);
        self.shared.values.set(at, plain);
        Ok(parameter.normal(plain))
    }

    fn parameter_to_text(&self, index: u32, value: f64) -> Result<String, Error> {
        let (_, parameter) = Self::known(index)?;
        Ok(parameter.text(normalised(value)?))
    }

    fn parameter_from_text(&self, index: u32, text: &str) -> Result<f64, Error> {
        let (_, parameter) = Self::known(index)?;
        let plain = match text.trim() {
            "On" => 1.0,
            other => other.parse().unwrap_or(0.0),
        };
        Ok(parameter.normal(parameter.snap(plain)))
    }

    fn note_expressions(&self, bus: u32, _channel: u32) -> Vec<NoteExpressionType> {
        let volume = NoteExpressionType {
            type_id: 0,
            name: "Volume".into(),
            short_name: "Vol".into(),
            default_value: 0.25,
            maximum: 1.0,
            ..NoteExpressionType::default()
        };
        (bus == 0).then_some(volume).into_iter().collect()
    }

    fn get_state(&mut self, _: &mut dyn Processor, _: StateScope) -> Result<Vec<u8>, Error> {
        let mut text = HEADER.to_owned();
        for (at, parameter) in PARAMETERS.iter().enumerate() {
            text += &format!("\n{} {}", parameter.id, self.shared.values.get(at));
        }
        Ok(text.into_bytes())
    }

    fn set_state(
        &mut self,
        _: &mut dyn Processor,
        _: StateScope,
        data: &[u8],
    ) -> Result<(), Error> {
        let refused = || Error::invalid("not a state of the null plugin");
        let text = std::str::from_utf8(data).map_err(|_| refused())?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(refused());
        }
        for line in lines {
            let (id, value) = line.split_once(' ').ok_or_else(refused)?;
            let value: f64 = value.parse().map_err(|_| refused())?;
            let at = PARAMETERS.iter().position(|parameter| parameter.id == id);
            let at = at.ok_or_else(refused)?;
            if !value.is_finite() {
                return Err(refused());
            }
            self.shared.values.set(at, PARAMETERS[at].snap(value));
            self.shared.notices.parameter(at, true);
        }
        self.shared.notices.state();
        Ok(())
    }

    fn program_names(&self) -> Vec<String> {
        PROGRAMS.iter().map(|(name, _)| (*name).into()).collect()
    }

    fn current_program(&self) -> u32 {
        self.program
    }

    fn set_program(&mut self, _: &mut dyn Processor, index: u32) -> Result<(), Error> {
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        let (_, values) = PROGRAMS
            .get(position)
            .ok_or_else(|| Error::out_of_range("program", index, PROGRAMS.len()))?;
        for (at, value) in values.iter().enumerate() {
            self.shared.values.set(at, *value);
            self.shared.notices.parameter(at, true);
        }
        self.program = index;
        self.shared.notices.program();
        Ok(())
    }

    fn bypass_parameter(&self) -> Option<u32> {
        None
    }

    fn reset(&mut self, parked: &mut dyn Processor) {
        parked.reset();
    }

    fn set_non_realtime(&mut self, _: &mut dyn Processor, _: bool) {}

    fn set_precision(
        &mut self,
        parked: &mut dyn Processor,
        precision: Precision,
    ) -> Result<(), Error> {
        if let Some(parked) = parked.as_any().downcast_mut::<NullProcessor>() {
            parked.set_double(precision == Precision::Double);
        }
        Ok(())
    }

    fn set_track_properties(&mut self, _: Option<&str>, _: Option<u32>) {}

    fn latency_samples(&self) -> u32 {
        self.shared.latency.load(Ordering::Relaxed)
    }

    fn tail_seconds(&self) -> f64 {
        0.0
    }

    fn buses(&self) -> (Vec<Bus>, Vec<Bus>) {
        let bus = |name: &str, channels, is_main| Bus {
            name: name.into(),
            channels,
            is_main,
            is_enabled: true,
        };
        let some = |buses: Vec<Bus>| buses.into_iter().filter(|bus| bus.channels > 0).collect();
        (
            some(vec![
                bus("Main", self.variant.inputs, true),
                bus("Sidechain", self.variant.sidechain, false),
            ]),
            some(vec![bus("Main", self.variant.outputs, true)]),
        )
    }

    fn check_buses_layout(
        &mut self,
        _: &mut dyn Processor,
        inputs: &[i32],
        outputs: &[i32],
    ) -> bool {
        same_layout(&self.buses(), inputs, outputs)
    }
}
