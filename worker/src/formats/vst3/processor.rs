//! The audio half.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugpen_proto::Error;
use plugpen_proto::event::{Event, EventBody};
use plugpen_proto::v1::ErrorReason;
use vst3::Steinberg::Vst::ProcessModes_::{kOffline, kRealtime};
use vst3::Steinberg::Vst::SymbolicSampleSizes_::{kSample32, kSample64};
use vst3::Steinberg::Vst::{
    IAudioProcessorTrait, IComponentTrait, ProcessContext, ProcessData, ProcessSetup,
};

use super::buffers::Buffers;
use super::buses::{Buses, Plug};
use super::context::Context;
use super::events_in;
use super::events_out;
use super::instance::{Instance, is_fine};
use super::midi_map::{BEND, PRESSURE};
use super::shared::Shared;
use super::{changes_in, changes_out};
use crate::formats::{Block, Planes, Processor, Samples, count, fpu};

/// Queues for parameters that a plugin makes up, so that it never gets none.
const SPARE_QUEUES: usize = 64;

/// How a plugin is set up while it is inactive.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub rate: f64,
    pub max_frames: u32,
    pub double: bool,
    pub offline: bool,
}

/// Owns everything that a call to the plugin's processor touches.
pub struct Vst3Processor {
    shared: Arc<Shared>,
    instance: Arc<Instance>,
    setup: Setup,
    buffers: Buffers,
    changes_in: changes_in::Input,
    changes_out: changes_out::Output,
    events_in: events_in::Input,
    events_out: events_out::Output,
    context: Context,
    /// It has an event input.
    hears_events: bool,
    running: bool,
    played: bool,
    /// The buffers fit the plugin's buses.
    wired: bool,
}

// SAFETY: COM objects of ours and of the plugin, which the plugin's processor may use from the
// thread that calls it; whoever owns this value is the only one to call it.
unsafe impl Send for Vst3Processor {}

impl Vst3Processor {
    /// Makes all memory, with room for `event_bytes` of events a block. The plugin is not started.
    ///
    /// # Errors
    /// None that can happen.
    pub fn new(
        shared: Arc<Shared>,
        instance: Arc<Instance>,
        setup: Setup,
        buses: &Buses,
        event_bytes: usize,
    ) -> Result<Self, Error> {
        // The smallest event of a block takes 8 bytes.
        let events = event_bytes / 8;
        let parameters = shared.ids.len();
        let room = || Error::bug("an object of the host's own is not there");
        Ok(Self {
            buffers: Buffers::new(buses, frames(setup.max_frames)),
            changes_in: changes_in::Input::new(parameters, events).ok_or_else(room)?,
            changes_out: changes_out::Output::new(parameters + SPARE_QUEUES, events)
                .ok_or_else(room)?,
            events_in: events_in::Input::new(events).ok_or_else(room)?,
            events_out: events_out::Output::new(events, event_bytes).ok_or_else(room)?,
            context: Context::new(setup.rate, instance.plug.processor.cast()),
            hears_events: buses.event_inputs > 0,
            running: false,
            played: false,
            wired: true,
            shared,
            instance,
            setup,
        })
    }

    /// Sets the plugin up and starts it.
    ///
    /// # Errors
    /// The plugin's refusal.
    pub fn start(&mut self) -> Result<(), Error> {
        if self.running {
            return Ok(());
        }
        if !self.wired {
            return Err(Error::new(
                ErrorReason::PluginRefused,
                "the plugin changed its buses to some that plugpen does not carry; until it \
                 changes them again it does not play",
            ));
        }
        let mut setup = ProcessSetup {
            processMode: self.mode(),
            symbolicSampleSize: self.sample_size(),
            maxSamplesPerBlock: i32::try_from(self.setup.max_frames).unwrap_or(i32::MAX),
            sampleRate: self.setup.rate,
        };
        let processor = &self.instance.plug.processor;
        // SAFETY: inactive; the setup lives for the call.
        let result = fpu::guarded(|| unsafe { processor.setupProcessing(&raw mut setup) });
        if !is_fine(result) {
            return Err(Error::new(
                ErrorReason::PluginRefused,
                format!(
                    "the plugin refused to process {} Hz in blocks of {} frames (result {result})",
                    setup.sampleRate, setup.maxSamplesPerBlock
                ),
            ));
        }
        // SAFETY: set up on the lines above.
        let result = fpu::guarded(|| unsafe { self.instance.plug.component.setActive(1) });
        if !is_fine(result) {
            return Err(Error::new(
                ErrorReason::PluginRefused,
                format!("the plugin could not be activated (result {result})"),
            ));
        }
        self.running = true;
        self.played = false;
        // SAFETY: active. Most plugins have nothing to do here and say so.
        fpu::guarded(|| unsafe { processor.setProcessing(1) });
        self.read_latency();
        Ok(())
    }

    /// Stops the plugin.
    pub fn stop(&mut self) {
        if std::mem::take(&mut self.running) {
            // SAFETY: active and processing since `start`.
            fpu::guarded(|| unsafe {
                self.instance.plug.processor.setProcessing(0);
                self.instance.plug.component.setActive(0);
            });
        }
    }

    /// Stops the plugin, changes its setup, and starts it again.
    ///
    /// # Errors
    /// The plugin's refusal; it then has its old setup.
    pub fn set_up(&mut self, change: impl FnOnce(&mut Setup)) -> Result<(), Error> {
        let before = self.setup;
        self.stop();
        change(&mut self.setup);
        let result = self.start();
        if result.is_err() {
            self.stop();
            self.setup = before;
            self.start()?;
        }
        result
    }

    /// Stops the plugin and has its buses looked at again.
    ///
    /// # Errors
    /// The plugin's refusal, or that of `read`; the plugin is stopped then, and every block fails
    /// until this has been tried again with success.
    pub fn rewire(
        &mut self,
        buses: &mut Buses,
        read: impl FnOnce(&Plug) -> Result<Buses, Error>,
    ) -> Result<(), Error> {
        self.stop();
        self.wired = false;
        *buses = read(&self.instance.plug)?;
        self.wired = true;
        buses.activate(&self.instance.plug.component);
        self.buffers = Buffers::new(buses, frames(self.setup.max_frames));
        self.hears_events = buses.event_inputs > 0;
        self.start()
    }

    /// Asks for the latency, as it is now.
    pub fn read_latency(&self) -> u32 {
        // SAFETY: no arguments.
        let latency = fpu::guarded(|| unsafe { self.instance.plug.processor.getLatencySamples() });
        self.shared.latency.store(latency, Ordering::Relaxed);
        latency
    }

    /// Gives the plugin the values that were set since the last block, in a call of `count`
    /// silent frames that nobody hears.
    pub fn flush(&mut self, count: u32) {
        if !self.running {
            return;
        }
        self.load_values();
        if self.setup.double {
            self.buffers.connect(&Planes::<f64>::default(), 0);
        } else {
            self.buffers.connect(&Planes::<f32>::default(), 0);
        }
        let mut context = self.context.at(None, 0);
        self.call(count, &mut context);
        self.hear_changes();
        // The values were heard above; their frames are none of a block.
        let _ = self.changes_out.points(|_| {});
        let mut said = 0u32;
        let lost = self.events_out.take(|_| said += 1);
        if said.saturating_add(lost) > 0 {
            self.shared.notices.lost(said.saturating_add(lost));
        }
    }

    /// Whether it has played a block since it was started.
    pub fn has_played(&self) -> bool {
        self.played
    }

    /// Whether it works offline.
    pub fn is_offline(&self) -> bool {
        self.setup.offline
    }

    fn mode(&self) -> i32 {
        let mode = match self.setup.offline {
            true => kOffline,
            false => kRealtime,
        };
        mode.cast_signed()
    }

    fn sample_size(&self) -> i32 {
        let size = match self.setup.double {
            true => kSample64,
            false => kSample32,
        };
        size.cast_signed()
    }

    /// Adds what was set since the last call, from its first frame on.
    fn load_values(&mut self) {
        let (shared, changes) = (&self.shared, &mut self.changes_in);
        shared.to_processor.take(|index| {
            changes.add(index, 0, shared.sent(index));
        });
    }

    /// A parameter change within the block; false where it is lost.
    fn apply(&mut self, index: usize, offset: u32, value: f64) -> bool {
        if index >= self.shared.ids.len() || !value.is_finite() {
            return false;
        }
        let value = value.clamp(0.0, 1.0);
        self.shared.values.set(index, value);
        self.shared.to_controller.mark(index);
        self.shared.notices.parameter(index, true);
        self.changes_in.add(index, signed(offset), value)
    }

    /// A MIDI message within the block; false where it is lost. What a plugin has no parameter
    /// for is not.
    fn send(&mut self, offset: u32, beats: f64, data: &[u8]) -> bool {
        let map = &self.shared.midi;
        let (parameter, value) = match *data {
            [status @ 0xb0..=0xbf, controller, value] => {
                let number = usize::from(controller & 0x7f);
                let found = map.controller(usize::from(status & 0x0f), number);
                (found, f64::from(value & 0x7f) / 127.0)
            }
            [status @ 0xc0..=0xcf, program] => {
                let found = map.program(usize::from(status & 0x0f));
                (found, self.shared.program_value(found, program & 0x7f))
            }
            [status @ 0xd0..=0xdf, value] => {
                let found = map.controller(usize::from(status & 0x0f), PRESSURE);
                (found, f64::from(value & 0x7f) / 127.0)
            }
            [status @ 0xe0..=0xef, low, high] => {
                let found = map.controller(usize::from(status & 0x0f), BEND);
                let bend = u16::from(high & 0x7f) << 7 | u16::from(low & 0x7f);
                (found, f64::from(bend) / 16_383.0)
            }
            _ if self.hears_events => return self.events_in.add(signed(offset), beats, data),
            _ => return true,
        };
        match parameter {
            Some(parameter) => self.apply(parameter, offset, value),
            None => true,
        }
    }

    /// Something that is played within the block; false where it is lost. Without an event input
    /// nothing is heard of it.
    fn play(&mut self, offset: u32, beats: f64, event: &EventBody<'_>) -> bool {
        match event {
            EventBody::Midi(data) => self.send(offset, beats, data),
            EventBody::Note(note) if self.hears_events => {
                self.events_in.add_note(signed(offset), beats, note)
            }
            EventBody::Expression(expression) => {
                let takes = self.shared.takes_expressions.load(Ordering::Relaxed);
                takes
                    && self
                        .events_in
                        .add_expression(signed(offset), beats, expression)
            }
            EventBody::Note(_) | EventBody::Parameter { .. } => true,
        }
    }

    /// Runs the piece of a block from frame `start` to `end`.
    fn run(&mut self, block: &mut Block<'_>, start: u32, end: u32) {
        match block.samples {
            Samples::Single(planes) => self.buffers.connect(planes, frames(start)),
            Samples::Double(planes) => self.buffers.connect(planes, frames(start)),
        }
        let mut context = self.context.at(block.transport.as_ref(), start);
        self.call(end - start, &mut context);
        self.hear_changes();
        let last = (end - start).saturating_sub(1);
        let lost = self.events_out.take(|event| {
            block.push(Event {
                offset: start + event.offset.min(last),
                ..event
            });
        });
        block.events_lost = block.events_lost.saturating_add(lost);
        let shared = &self.shared;
        let lost = self.changes_out.points(|told| {
            let known = shared.index_of(told.id).filter(|_| told.value.is_finite());
            if let Some(index) = known {
                let offset = u32::try_from(told.offset).unwrap_or(0).min(last);
                let value = told.value.clamp(0.0, 1.0);
                block.push(Event {
                    offset: start + offset,
                    body: EventBody::Parameter {
                        index: count(index),
                        value,
                    },
                });
            }
        });
        block.events_lost = block.events_lost.saturating_add(lost);
    }

    /// Calls the plugin with what has been gathered.
    fn call(&mut self, count: u32, context: &mut ProcessContext) {
        let (inputs, input_count) = self.buffers.inputs();
        let (outputs, output_count) = self.buffers.outputs();
        let mut data = ProcessData {
            processMode: self.mode(),
            symbolicSampleSize: self.sample_size(),
            numSamples: signed(count),
            numInputs: input_count,
            numOutputs: output_count,
            inputs,
            outputs,
            inputParameterChanges: self.changes_in.finish(&self.shared.ids),
            outputParameterChanges: self.changes_out.as_ptr(),
            inputEvents: self.events_in.as_ptr(),
            outputEvents: self.events_out.as_ptr(),
            processContext: context,
        };
        // SAFETY: active and processing; every bus has its channels, each with at least `count`
        // frames, and all objects live until the call is over.
        fpu::guarded(|| unsafe { self.instance.plug.processor.process(&raw mut data) });
        self.changes_in.clear();
        self.events_in.clear();
    }

    fn hear_changes(&mut self) {
        let shared = &self.shared;
        self.changes_out.take(|id, value| {
            // What was set during the call and is still to be told is newer than this.
            if let Some(index) = shared.index_of(id)
                && !shared.to_processor.has(index)
                && shared.hear(index, value, false)
            {
                shared.to_controller.mark(index);
            }
        });
    }
}

impl Processor for Vst3Processor {
    fn process(&mut self, block: &mut Block<'_>) {
        let Ok(frames) = u32::try_from(block.frames) else {
            return;
        };
        match block.samples {
            Samples::Single(planes) => self.buffers.begin(planes),
            Samples::Double(planes) => self.buffers.begin(planes),
        }
        let events = block.events;
        if !self.running {
            block.events_lost = block.events_lost.saturating_add(count(events.len()));
            return;
        }
        self.load_values();
        let (mut start, mut first) = (0, 0);
        while start < frames {
            // Everything at the piece's first frame counts for all of it; the next change of a
            // parameter ends it. Plugins may ramp between points or look at the first only; so
            // they hear a change where it is.
            let mut end = frames;
            let mut lost = 0;
            for event in (first..events.len()).filter_map(|at| events.get(at)) {
                if let EventBody::Parameter { index, value } = event.body {
                    if event.offset > start {
                        end = event.offset.min(frames);
                        break;
                    }
                    let index = usize::try_from(index).unwrap_or(usize::MAX);
                    let taken = !self.shared.is_read_only(index) && self.apply(index, 0, value);
                    lost += u32::from(!taken);
                }
            }
            let mut done = 0;
            for event in (first..events.len()).filter_map(|at| events.get(at)) {
                if event.offset >= end {
                    break;
                }
                done += 1;
                if !event.body.is_parameter() {
                    let beats = self.context.beats(block.transport.as_ref(), event.offset);
                    let offset = event.offset.saturating_sub(start);
                    lost += u32::from(!self.play(offset, beats, &event.body));
                }
            }
            block.events_lost = block.events_lost.saturating_add(lost);
            self.run(block, start, end);
            first += done;
            start = end;
        }
        self.context.advance(frames);
        self.played = true;
    }

    fn reset(&mut self) {
        self.stop();
        if let Err(error) = self.start() {
            self.shared.notices.log(&error.message);
        }
    }

    fn is_stopped(&self) -> bool {
        !self.running
    }

    fn is_double(&self) -> bool {
        self.setup.double
    }

    fn hears_notes(&self) -> bool {
        true
    }

    fn latency_samples(&self) -> u32 {
        self.shared.latency.load(Ordering::Relaxed)
    }

    fn as_any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

impl Drop for Vst3Processor {
    fn drop(&mut self) {
        self.stop();
    }
}

fn frames(count: u32) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
