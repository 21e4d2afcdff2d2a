//! The main half: parameters, state, programs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugpen_proto::Error;
use plugpen_proto::limits::MAX_CHANNELS;
use plugpen_proto::v1::{
    Bus, OpenOptions, OpenedPlugin, Parameter, PluginDescription, Precision, StateScope,
};

use super::abi::effect;
use super::buses::Buses;
use super::host::{Quiet, quietly};
use super::instance::Channels;
use super::parameters::ParameterInfo;
use super::processor::Vst2Processor;
use super::programs::{self, Programs};
use super::shared::Shared;
use super::state;
use crate::formats::{Attention, Controller, Processor, count, normalised, same_layout};

/// Everything the main thread needs of one VST2 plugin.
pub struct Vst2Controller {
    pub shared: Arc<Shared>,
    pub options: OpenOptions,
    pub description: PluginDescription,
    pub parameters: Vec<ParameterInfo>,
    pub programs: Programs,
    pub buses: Buses,
    pub accepts_midi: bool,
    pub produces_midi: bool,
    pub can_bypass: bool,
    /// Its channels as they were last told.
    pub channels: Channels,
}

impl Vst2Controller {
    fn known(&self, index: u32) -> Result<(usize, &ParameterInfo), Error> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        match self.parameters.get(at) {
            Some(parameter) => Ok((at, parameter)),
            None => Err(Error::out_of_range(
                "parameter",
                index,
                self.parameters.len(),
            )),
        }
    }
}

impl Vst2Controller {
    /// Tells of channels that blocks do not carry: they have those it had when it was loaded.
    fn tell_channels(&mut self) {
        let has = self.shared.instance.channels();
        if has == self.channels {
            return;
        }
        self.channels = has;
        let (inputs, outputs) = (self.buses.inputs(), self.buses.outputs());
        if (has.inputs, has.outputs) != (inputs, outputs) {
            self.shared.host.notices.log(&format!(
                "the plugin has {} inputs and {} outputs now; it goes on with the {inputs} and \
                 {outputs} that it was opened with, and hears silence on others: open it again",
                has.inputs, has.outputs
            ));
        }
    }
}

fn own(parked: &mut dyn Processor) -> Result<&mut Vst2Processor, Error> {
    parked
        .as_any()
        .downcast_mut()
        .ok_or_else(|| Error::bug("a VST2 controller was given another format's processor"))
}

impl Controller for Vst2Controller {
    fn opened(&self) -> OpenedPlugin {
        let (input_buses, output_buses) = self.buses();
        OpenedPlugin {
            description: Some(self.description.clone()),
            sample_rate: self.options.sample_rate,
            max_block_size: self.options.max_block_size,
            num_input_channels: count(self.buses.main_inputs),
            num_output_channels: count(self.buses.outputs()),
            sidechain_channels: count(self.buses.sidechain),
            input_buses,
            output_buses,
            num_parameters: self.parameter_count(),
            num_programs: self.shared.instance.num_programs(),
            latency_samples: self.latency_samples(),
            tail_seconds: self.tail_seconds(),
            accepts_midi: self.accepts_midi,
            produces_midi: self.produces_midi,
            is_midi_effect: self.accepts_midi
                && self.produces_midi
                && self.buses.inputs() == 0
                && self.buses.outputs() == 0,
            supports_double: self.shared.instance.can_double(),
            has_bypass: self.can_bypass,
            ..OpenedPlugin::default()
        }
    }

    fn parameter_count(&self) -> u32 {
        count(self.parameters.len())
    }

    fn parameter(&self, index: u32) -> Result<Parameter, Error> {
        let (at, info) = self.known(index)?;
        Ok(self.shared.describe(at, info))
    }

    fn get_parameter(&self, index: u32) -> Result<f64, Error> {
        let (at, _) = self.known(index)?;
        Ok(self.shared.value(at))
    }

    fn set_parameter(&mut self, index: u32, value: f64) -> Result<f64, Error> {
        let (at, _) = self.known(index)?;
        let value = normalised(value)?;
        self.shared.knobs.want(at, value);
        Ok(value)
    }

    fn parameter_to_text(&self, index: u32, value: f64) -> Result<String, Error> {
        let (at, _) = self.known(index)?;
        Ok(self.shared.text(at, normalised(value)?))
    }

    fn parameter_from_text(&self, index: u32, text: &str) -> Result<f64, Error> {
        let (at, info) = self.known(index)?;
        Ok(self.shared.value_of(at, info, text))
    }

    fn describes_at_rest(&self) -> bool {
        true
    }

    fn get_state(&mut self, _: &mut dyn Processor, scope: StateScope) -> Result<Vec<u8>, Error> {
        state::save(&self.shared, scope)
    }

    fn set_state(
        &mut self,
        _: &mut dyn Processor,
        scope: StateScope,
        data: &[u8],
    ) -> Result<(), Error> {
        self.shared.settle();
        let before = self.shared.values();
        state::restore(&self.shared, scope, data)?;
        self.shared.restored(&before);
        self.shared.host.notices.state();
        Ok(())
    }

    fn program_names(&self) -> Vec<String> {
        self.programs.names(&self.shared.instance)
    }

    fn current_program(&self) -> u32 {
        programs::index(&self.shared.instance)
    }

    fn set_program(&mut self, _: &mut dyn Processor, index: u32) -> Result<(), Error> {
        let instance = &self.shared.instance;
        if index >= instance.num_programs() {
            let programs = usize::try_from(instance.num_programs()).unwrap_or(usize::MAX);
            return Err(Error::out_of_range("program", index, programs));
        }
        self.shared.settle();
        let before = self.shared.values();
        programs::switch(instance, index);
        self.shared.restored(&before);
        self.shared.host.notices.program();
        Ok(())
    }

    fn bypass_parameter(&self) -> Option<u32> {
        None
    }

    fn set_bypass(&mut self, _: &mut dyn Processor, bypass: bool) -> bool {
        let ask = || {
            self.shared
                .instance
                .ask(effect::SET_BYPASS, 0, isize::from(bypass), 0.0)
        };
        self.can_bypass && ask() > 0
    }

    fn reset(&mut self, parked: &mut dyn Processor) {
        parked.reset();
    }

    fn set_non_realtime(&mut self, _: &mut dyn Processor, non_realtime: bool) {
        self.shared
            .host
            .offline
            .store(non_realtime, Ordering::Relaxed);
        // effSetTotalSampleToProcess, the number of frames to come, is never sent: nobody knows it,
        // tails are rendered until they are silent, and a wrong one would be believed.
    }

    fn set_precision(
        &mut self,
        parked: &mut dyn Processor,
        precision: Precision,
    ) -> Result<(), Error> {
        match own(parked)?.set_double(precision == Precision::Double) {
            true => Ok(()),
            false => Err(Error::unsupported(
                "this plugin computes in single precision only; double blocks are converted for it",
            )),
        }
    }

    fn set_track_properties(&mut self, _: Option<&str>, _: Option<u32>) {}

    fn latency_samples(&self) -> u32 {
        self.shared.instance.latency()
    }

    fn tail_seconds(&self) -> f64 {
        // 0 says nothing, and 1 that there is none.
        match self.shared.instance.ask(effect::GET_TAIL_SIZE, 0, 0, 0.0) {
            samples @ 2.. => {
                let samples = u32::try_from(samples).unwrap_or(u32::MAX);
                f64::from(samples) / self.options.sample_rate
            }
            _ => 0.0,
        }
    }

    fn buses(&self) -> (Vec<Bus>, Vec<Bus>) {
        self.buses.describe()
    }

    fn check_buses_layout(
        &mut self,
        _: &mut dyn Processor,
        inputs: &[i32],
        outputs: &[i32],
    ) -> bool {
        if same_layout(&self.buses(), inputs, outputs) {
            return true;
        }
        let instance = &self.shared.instance;
        let most = usize::try_from(MAX_CHANNELS).unwrap_or(0);
        let wanted = self.buses.as_layout(inputs, outputs);
        let Some(wanted) = wanted.filter(|all| all.inputs.max(all.outputs) <= most) else {
            return false;
        };
        if wanted == instance.channels() {
            // The same channels on other buses, of which the plugin knows nothing.
            return false;
        }
        let before = instance.channels();
        // It may change while it is off only, and what it says of that is no news.
        let could = quietly(Quiet::Yes, || {
            instance.suspend();
            let could = instance.could_have(wanted);
            instance.resume();
            could
        });
        if instance.channels() != before {
            self.tell_channels();
        }
        could
    }

    fn attend(&mut self) -> Attention {
        if self.shared.host.io_changed.swap(false, Ordering::Relaxed) {
            self.tell_channels();
        }
        Attention::default()
    }
}
