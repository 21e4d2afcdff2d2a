//! The main half: parameters, state, programs, and what the plugin wants of its host.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugpen_proto::Error;
use plugpen_proto::v1::{
    Bus, NoteExpressionType, OpenOptions, OpenedPlugin, Parameter, PluginDescription, Precision,
    StateScope,
};
use vst3::ComPtr;
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample64;
use vst3::Steinberg::Vst::{
    IAudioProcessorTrait, IMidiMapping, INoteExpressionController, IUnitInfo, kInfiniteTail,
};
use vst3::Steinberg::kResultOk;

use super::buses::{Buses, Wishes};
use super::classes::Class;
use super::edit::{Edit, ParameterInfo, had};
use super::handler::{self, flags};
use super::host::Host;
use super::instance::Instance;
use super::midi_map::CHANNELS;
use super::note_expressions;
use super::processor::Vst3Processor;
use super::programs::{self, Programs};
use super::shared::Shared;
use super::{state, track};
use crate::formats::{Attention, Controller, Processor, count, fpu, normalised, same_layout};

/// Wishes that must not be granted beside processing.
const STANDSTILL: u32 = flags::IO | flags::RELOAD | flags::LATENCY;

/// Everything the main thread needs of one VST3 plugin.
pub struct Vst3Controller {
    pub instance: Arc<Instance>,
    pub shared: Arc<Shared>,
    pub host: Host,
    pub handler: handler::Lent,
    pub parameters: Vec<ParameterInfo>,
    pub programs: Programs,
    pub buses: Buses,
    pub class: Class,
    pub description: PluginDescription,
    pub options: OpenOptions,
    /// The processor is known to take values in a call without frames.
    pub flushes: bool,
}

fn own(parked: &mut dyn Processor) -> Result<&mut Vst3Processor, Error> {
    parked
        .as_any()
        .downcast_mut()
        .ok_or_else(|| Error::bug("a VST3 controller was given another format's processor"))
}

impl Vst3Controller {
    /// Reads what depends on a plugin that runs, and does what it wanted while it was started.
    pub fn settle(&mut self, processor: &mut Vst3Processor) {
        self.read_programs();
        self.read_midi_map();
        self.catch_up(processor);
    }

    fn known(&self, index: u32) -> Result<(usize, &Edit, &ParameterInfo), Error> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        match (self.parameters.get(at), &self.instance.edit) {
            (Some(parameter), Some(edit)) => Ok((at, edit, parameter)),
            _ => Err(Error::out_of_range(
                "parameter",
                index,
                self.parameters.len(),
            )),
        }
    }

    /// Tells the controller what the processor heard or changed.
    fn tell_controller(&self) {
        if let Some(edit) = &self.instance.edit {
            let shared = &self.shared;
            shared
                .to_controller
                .take(|index| edit.set(shared.ids[index], shared.values.get(index)));
        }
    }

    /// Makes sure that the processor has all that was set, although no block may follow.
    ///
    /// A call without frames is the way that VST3 has for this. Some plugins pass over it (all made
    /// with DPF): their state stays the same. They get one silent frame, and a fresh start where
    /// they had not played yet.
    fn settle_values(&mut self, processor: &mut Vst3Processor) -> Result<(), Error> {
        self.tell_controller();
        if !self.shared.to_processor.any() {
            return Ok(());
        }
        if self.flushes {
            processor.flush(0);
            return Ok(());
        }
        let before = state::of_component(&self.instance)?;
        let mut pending = Vec::new();
        self.shared.to_processor.take(|index| pending.push(index));
        let mark = || {
            pending
                .iter()
                .all(|index| self.shared.to_processor.mark(*index))
        };
        mark();
        processor.flush(0);
        if state::of_component(&self.instance)? != before {
            self.flushes = true;
            return Ok(());
        }
        mark();
        let fresh = !processor.has_played();
        processor.flush(1);
        if fresh {
            processor.reset();
        }
        Ok(())
    }

    /// Takes all values from the controller but those that it has not been told yet.
    fn read_values(&self, by_host: bool) {
        let Some(edit) = &self.instance.edit else {
            return;
        };
        for (at, id) in self.shared.ids.iter().enumerate() {
            if let Some(value) = edit.value(*id)
                && !self.shared.to_controller.has(at)
            {
                self.shared.hear(at, value, by_host);
            }
        }
    }

    fn read_programs(&mut self) {
        if let Some(edit) = &self.instance.edit {
            let units: Option<ComPtr<IUnitInfo>> = self.instance.face();
            self.programs = Programs::read(edit, units.as_ref(), &self.parameters);
        }
    }

    /// What events from outside move.
    fn read_midi_map(&self) {
        let map = &self.shared.midi;
        let mapping: Option<ComPtr<IMidiMapping>> = self.instance.face();
        let mapping = mapping.filter(|_| self.buses.event_inputs > 0);
        map.ask(mapping.as_ref(), |id| self.shared.index_of(id));
        let units: Option<ComPtr<IUnitInfo>> = self.instance.face();
        programs::map_channels(map, units.as_ref(), &self.parameters, &self.programs);
        let shaped =
            (0..CHANNELS).any(|channel| !self.note_expressions(0, count(channel)).is_empty());
        self.shared
            .takes_expressions
            .store(shaped, Ordering::Relaxed);
    }

    /// Names, units and steps may change; how many there are may not.
    fn read_parameters(&mut self) {
        let found = self.instance.edit.as_ref().map(Edit::parameters);
        let same = |found: &Vec<ParameterInfo>| {
            let ids = found.iter().map(|parameter| parameter.id);
            ids.eq(self.shared.ids.iter().copied())
        };
        if let Some(found) = found.filter(same) {
            self.parameters = found;
            self.shared.notices.parameter_info();
        }
    }

    /// Does what the plugin wants and can be done beside processing.
    fn look_again(&mut self, wanted: u32) {
        if wanted & (flags::TITLES | flags::RELOAD) != 0 {
            self.read_parameters();
        }
        if wanted & (flags::VALUES | flags::RELOAD) != 0 {
            self.read_values(false);
        }
        if wanted & flags::BUS_TITLES != 0 {
            self.buses.rename(&self.instance.plug.component);
            self.shared.notices.parameter_info();
        }
        if wanted & flags::PROGRAMS != 0 {
            self.read_programs();
            self.shared.notices.program();
        }
        if wanted & (flags::MIDI | flags::NOTES | flags::PROGRAMS | flags::IO | flags::RELOAD) != 0
        {
            self.read_midi_map();
        }
    }

    /// Does all that the plugin wants. The caller has the processor.
    fn catch_up(&mut self, processor: &mut Vst3Processor) {
        self.tell_controller();
        let wanted = self.handler.wanted();
        let before = self.latency_samples();
        // A plugin that refused to play is asked again with every call that may ask.
        let result = if wanted & (flags::IO | flags::RELOAD) != 0 || processor.is_stopped() {
            let wishes = Wishes::from(&self.options);
            self.shared.notices.parameter_info();
            processor.rewire(&mut self.buses, |plug| Buses::negotiate(plug, wishes))
        } else if wanted & flags::LATENCY != 0 && processor.read_latency() == before {
            // Some know their new latency only once they are activated anew.
            processor.set_up(|_| {})
        } else {
            Ok(())
        };
        if let Err(error) = result {
            self.shared.notices.log(&error.message);
        }
        if self.latency_samples() != before {
            self.shared.notices.latency();
        }
        // What it wants because of being started anew would never end.
        let again = self.handler.wanted() & !STANDSTILL;
        self.look_again(wanted | again);
    }
}

impl Controller for Vst3Controller {
    fn opened(&self) -> OpenedPlugin {
        let (input_buses, output_buses) = self.buses();
        let (inputs, outputs) = (self.buses.main_inputs(), self.buses.carried_outputs());
        let events = (self.buses.event_inputs > 0, self.buses.event_outputs > 0);
        let shaped = self.shared.takes_expressions.load(Ordering::Relaxed);
        // SAFETY: a question without side effects.
        let double = fpu::guarded(|| unsafe {
            let size = kSample64.cast_signed();
            self.instance.plug.processor.canProcessSampleSize(size)
        });
        OpenedPlugin {
            description: Some(self.description.clone()),
            sample_rate: self.options.sample_rate,
            max_block_size: self.options.max_block_size,
            num_input_channels: inputs,
            num_output_channels: outputs,
            sidechain_channels: self.buses.sidechain_channels(),
            input_buses,
            output_buses,
            num_parameters: self.parameter_count(),
            num_programs: count(self.programs.names.len()),
            latency_samples: self.latency_samples(),
            tail_seconds: self.tail_seconds(),
            accepts_midi: events.0,
            produces_midi: events.1,
            is_midi_effect: events == (true, true) && inputs == 0 && outputs == 0,
            supports_double: double == kResultOk,
            supports_mpe: shaped,
            takes_note_expression: shaped,
            has_bypass: self.bypass_parameter().is_some(),
            ..OpenedPlugin::default()
        }
    }

    fn parameter_count(&self) -> u32 {
        self.shared.parameters()
    }

    fn parameter(&self, index: u32) -> Result<Parameter, Error> {
        let (at, edit, parameter) = self.known(index)?;
        let value = self.shared.values.get(at);
        Ok(Parameter {
            index,
            name: parameter.name.clone(),
            id: parameter.id.to_string(),
            label: parameter.label.clone(),
            value,
            text: edit.text(parameter.id, value),
            default_value: parameter.default,
            num_steps: match parameter.steps {
                0 => 0,
                steps => steps.saturating_add(1),
            },
            is_automatable: parameter.is_automatable(),
            is_boolean: parameter.steps == 1,
            category: 0,
            plain_min: edit.plain(parameter.id, 0.0).unwrap_or(0.0),
            plain_max: edit.plain(parameter.id, 1.0).unwrap_or(1.0),
            is_bypass: parameter.is_bypass(),
            ..Parameter::default()
        })
    }

    fn get_parameter(&self, index: u32) -> Result<f64, Error> {
        let (at, ..) = self.known(index)?;
        Ok(self.shared.values.get(at))
    }

    fn set_parameter(&mut self, index: u32, value: f64) -> Result<f64, Error> {
        let value = normalised(value)?;
        let (at, edit, parameter) = self.known(index)?;
        if parameter.is_read_only() {
            return Ok(self.shared.values.get(at));
        }
        // Oldest first: what blocks changed must not come after this.
        self.tell_controller();
        let before = self.shared.values.get(at);
        edit.set(parameter.id, value);
        let has = had(value, before, edit.value(parameter.id), parameter.steps);
        self.shared.values.set(at, has);
        // The processor gets what was asked for, as the controller did: it makes the same of it.
        self.shared.send(at, value);
        Ok(has)
    }

    fn parameter_to_text(&self, index: u32, value: f64) -> Result<String, Error> {
        let (_, edit, parameter) = self.known(index)?;
        Ok(edit.text(parameter.id, normalised(value)?))
    }

    fn parameter_from_text(&self, index: u32, text: &str) -> Result<f64, Error> {
        let (_, edit, parameter) = self.known(index)?;
        Ok(edit.value_of(parameter.id, text))
    }

    fn note_expressions(&self, bus: u32, channel: u32) -> Vec<NoteExpressionType> {
        let face: Option<ComPtr<INoteExpressionController>> = self.instance.face();
        let bus = i32::try_from(bus)
            .ok()
            .filter(|bus| *bus < self.buses.event_inputs);
        let channel = i16::try_from(channel).ok().filter(|channel| *channel < 16);
        let (Some(face), Some(bus), Some(channel)) = (face, bus, channel) else {
            return Vec::new();
        };
        note_expressions::list(&face, bus, channel, |id| self.shared.index_of(id))
    }

    fn get_state(&mut self, parked: &mut dyn Processor, _: StateScope) -> Result<Vec<u8>, Error> {
        self.settle_values(own(parked)?)?;
        state::save(&self.instance, self.class.id)
    }

    fn set_state(
        &mut self,
        parked: &mut dyn Processor,
        _: StateScope,
        data: &[u8],
    ) -> Result<(), Error> {
        let processor = own(parked)?;
        self.tell_controller();
        // What was set before must not come after the state, unless there is none.
        let mut pending = Vec::new();
        self.shared.to_processor.take(|index| pending.push(index));
        if let Err(error) = state::restore(&self.instance, self.class.id, data) {
            for index in pending {
                self.shared.to_processor.mark(index);
            }
            return Err(error);
        }
        self.read_values(true);
        self.catch_up(processor);
        self.shared.notices.state();
        Ok(())
    }

    fn program_names(&self) -> Vec<String> {
        self.programs.names.clone()
    }

    fn current_program(&self) -> u32 {
        match self.programs.parameter {
            Some(at) => self.programs.index(self.shared.values.get(at)),
            None => 0,
        }
    }

    fn set_program(&mut self, parked: &mut dyn Processor, index: u32) -> Result<(), Error> {
        let names = self.programs.names.len();
        let known = usize::try_from(index).is_ok_and(|index| index < names);
        let (Some(parameter), true) = (self.programs.parameter, known) else {
            return Err(Error::out_of_range("program", index, names));
        };
        let processor = own(parked)?;
        self.settle_values(processor)?;
        self.set_parameter(count(parameter), self.programs.value(index))?;
        self.settle_values(processor)?;
        self.read_values(true);
        self.catch_up(processor);
        self.shared.notices.program();
        Ok(())
    }

    fn bypass_parameter(&self) -> Option<u32> {
        let at = self.parameters.iter().position(ParameterInfo::is_bypass)?;
        Some(count(at))
    }

    fn reset(&mut self, parked: &mut dyn Processor) {
        if parked.is_stopped() {
            self.attend_parked(parked);
        } else {
            parked.reset();
        }
    }

    fn set_non_realtime(&mut self, parked: &mut dyn Processor, non_realtime: bool) {
        let changed = own(parked).and_then(|processor| {
            if processor.is_offline() == non_realtime {
                return Ok(());
            }
            processor.set_up(|setup| setup.offline = non_realtime)
        });
        if let Err(error) = changed {
            self.shared.notices.log(&error.message);
        }
    }

    fn set_precision(
        &mut self,
        parked: &mut dyn Processor,
        precision: Precision,
    ) -> Result<(), Error> {
        let double = precision == Precision::Double;
        if double && !self.opened().supports_double {
            return Err(Error::unsupported(
                "this plugin computes in single precision; double blocks are converted for it",
            ));
        }
        let processor = own(parked)?;
        if processor.is_double() != double {
            processor.set_up(|setup| setup.double = double)?;
        }
        Ok(())
    }

    fn set_track_properties(&mut self, name: Option<&str>, colour: Option<u32>) {
        if let Some(listener) = self.instance.face() {
            track::tell(&listener, name, colour);
        }
    }

    fn latency_samples(&self) -> u32 {
        self.shared.latency.load(Ordering::Relaxed)
    }

    fn tail_seconds(&self) -> f64 {
        // SAFETY: no arguments.
        let samples = fpu::guarded(|| unsafe { self.instance.plug.processor.getTailSamples() });
        match samples {
            kInfiniteTail => f64::INFINITY,
            samples => f64::from(samples) / self.options.sample_rate,
        }
    }

    fn buses(&self) -> (Vec<Bus>, Vec<Bus>) {
        self.buses.describe()
    }

    fn check_buses_layout(
        &mut self,
        parked: &mut dyn Processor,
        inputs: &[i32],
        outputs: &[i32],
    ) -> bool {
        if same_layout(&self.buses(), inputs, outputs) {
            return true;
        }
        let Ok(processor) = own(parked) else {
            return false;
        };
        let (before, wishes) = (self.buses.clone(), Wishes::from(&self.options));
        let mut fits = false;
        let put_back = processor.rewire(&mut self.buses, |plug| {
            fits = before.could_be(plug, inputs, outputs);
            before.put_back(plug, wishes)
        });
        if let Err(error) = put_back {
            self.shared.notices.log(&error.message);
        }
        // What it says to its own layouts is not to be looked at again.
        self.handler.want(self.handler.wanted() & !flags::IO);
        fits
    }

    fn attend(&mut self) -> Attention {
        self.tell_controller();
        let within = self.host.run_loop().serve();
        let wanted = self.handler.wanted();
        self.look_again(wanted & !STANDSTILL);
        self.handler.want(wanted & STANDSTILL);
        Attention {
            within,
            parked: wanted & STANDSTILL != 0,
        }
    }

    fn attend_parked(&mut self, parked: &mut dyn Processor) {
        if let Ok(processor) = own(parked) {
            self.catch_up(processor);
        }
    }
}
