//! The audio processor.

use vst3::ComRef;
use vst3::Steinberg::Vst::BusDirections_::kInput;
use vst3::Steinberg::Vst::IProcessContextRequirements_::Flags_ as need;
use vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags_ as valid;
use vst3::Steinberg::Vst::SymbolicSampleSizes_::{kSample32, kSample64};
use vst3::Steinberg::Vst::{
    AudioBusBuffers, BusDirection, IAudioProcessorTrait, IEventList, IEventListTrait,
    IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait,
    IProcessContextRequirementsTrait, ProcessContext, ProcessData, ProcessSetup,
    SpeakerArrangement,
};
use vst3::Steinberg::{TBool, kInvalidArgument, kResultFalse, kResultOk, kResultTrue, tresult};

use super::component::is;
use super::events;
use super::object::{Object, Sound};
use super::parameters::{Target, message, program};
use crate::kit::block::{Audio, Change, Sample, play};
use crate::kit::{Plugin, Transport, demand};

fn channels(arrangement: SpeakerArrangement) -> usize {
    usize::try_from(arrangement.count_ones()).unwrap_or(0)
}

/// Mono is the middle, stereo the two sides, and more the first so many.
fn arrangement(channels: usize) -> SpeakerArrangement {
    match channels {
        1 => 1 << 19,
        _ => (1 << channels) - 1,
    }
}

impl<P: Plugin, const ROLE: u8> IAudioProcessorTrait for Object<P, ROLE> {
    unsafe fn setBusArrangements(
        &self,
        inputs: *mut SpeakerArrangement,
        input_count: i32,
        outputs: *mut SpeakerArrangement,
        output_count: i32,
    ) -> tresult {
        let wished = [(inputs, input_count), (outputs, output_count)].map(|(array, count)| {
            let count = usize::try_from(count).unwrap_or(0);
            let each = (0..count).map(|at| {
                // SAFETY: VST3 has hosts pass as many arrangements as they say.
                channels(unsafe { *array.add(at) })
            });
            each.collect::<Vec<_>>()
        });
        let mut sound = self.sound();
        demand(
            !sound.is_active,
            "setBusArrangements comes before setActive",
        );
        let is_same_size = wished[0].len() == wished[1].len();
        let fits = P::ABOUT.flexible
            && is_same_size
            && wished[0].len() == P::ABOUT.inputs.len()
            && wished[0] == wished[1]
            && wished[0].iter().all(|count| (1..=64).contains(count));
        if fits {
            sound.channels = wished;
            return kResultTrue;
        }
        if wished == sound.channels {
            kResultTrue
        } else {
            kResultFalse
        }
    }

    unsafe fn getBusArrangement(
        &self,
        direction: BusDirection,
        at: i32,
        into: *mut SpeakerArrangement,
    ) -> tresult {
        let side = usize::from(!is(direction, kInput));
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        match self.sound().channels[side].get(at) {
            Some(&channels) => {
                // SAFETY: VST3 has hosts pass a place for the arrangement.
                unsafe { into.write(arrangement(channels)) };
                kResultOk
            }
            None => kInvalidArgument,
        }
    }

    unsafe fn canProcessSampleSize(&self, size: i32) -> tresult {
        let can = is(size, kSample32) || is(size, kSample64) && P::ABOUT.double;
        if can { kResultTrue } else { kResultFalse }
    }

    unsafe fn getLatencySamples(&self) -> u32 {
        u32::try_from(self.latency()).unwrap_or(0)
    }

    unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
        // SAFETY: VST3 has hosts pass a setup.
        let setup = unsafe { &*setup };
        let mut sound = self.sound();
        demand(!sound.is_active, "setupProcessing comes while inactive");
        demand(setup.sampleRate > 0.0, "a sample rate is above 0");
        demand(setup.maxSamplesPerBlock > 0, "a block has 1 frame or more");
        let is_double = is(setup.symbolicSampleSize, kSample64);
        if is_double && !P::ABOUT.double {
            return kResultFalse;
        }
        sound.rate = setup.sampleRate;
        sound.max_frames = setup.maxSamplesPerBlock;
        sound.mode = setup.processMode;
        sound.is_double = is_double;
        kResultOk
    }

    unsafe fn setProcessing(&self, is_processing: TBool) -> tresult {
        let mut sound = self.sound();
        demand(sound.is_active, "setProcessing comes while active");
        sound.is_processing = is_processing != 0;
        kResultOk
    }

    unsafe fn process(&self, data: *mut ProcessData) -> tresult {
        // SAFETY: VST3 has hosts pass a block.
        let data = unsafe { &*data };
        let mut sound = self.sound();
        let sound = &mut *sound;
        demand(sound.is_active, "process comes while active");
        demand(
            sound.is_processing || data.numSamples == 0,
            "setProcessing(1) comes before process",
        );
        demand(
            (0..=sound.max_frames).contains(&data.numSamples),
            "no block is longer than setupProcessing said",
        );
        demand(
            is(data.symbolicSampleSize, kSample64) == sound.is_double,
            "blocks have the samples that setupProcessing said",
        );
        demand(
            data.processMode == sound.mode,
            "blocks have the mode that setupProcessing said",
        );
        // SAFETY: VST3 has hosts pass null or what each pointer's type says.
        unsafe {
            read_changes::<P>(data, sound);
            demand(
                P::ABOUT.midi_in || has_no_events(data.inputEvents),
                "events go to who has an event input",
            );
            events::read(
                data.inputEvents,
                data.numSamples,
                &mut sound.heard,
                !P::ABOUT.expressions.is_empty(),
            );
            sound.heard.sort();
            if sound.is_double {
                self.play(data, sound, |sound| &mut sound.double);
            } else {
                self.play(data, sound, |sound| &mut sound.single);
            }
            events::write(data.outputEvents, &mut sound.said.midi);
            events::write_notes(data.outputEvents, &sound.said.midi.notes);
            self.write_changes(data.outputParameterChanges, sound);
        }
        kResultOk
    }

    unsafe fn getTailSamples(&self) -> u32 {
        P::ABOUT.tail_frames
    }
}

impl<P: Plugin, const ROLE: u8> Object<P, ROLE> {
    /// # Safety
    /// `data` is a block of the host, of samples of type `S`.
    unsafe fn play<S: Sample>(
        &self,
        data: &ProcessData,
        sound: &mut Sound<P>,
        kept: fn(&mut Sound<P>) -> &mut Audio<S>,
    ) {
        let mut audio = std::mem::replace(kept(sound), Audio::new(0, 0));
        audio.inputs.clear();
        audio.outputs.clear();
        let bus = |array: *mut AudioBusBuffers, count: i32, at: usize| {
            let is_there = usize::try_from(count).is_ok_and(|count| at < count);
            // SAFETY: the caller's promise: the array has `count` buses.
            (is_there && !array.is_null()).then(|| unsafe { &*array.add(at) })
        };
        for (at, &channels) in sound.channels[0].iter().enumerate() {
            let given = bus(data.inputs, data.numInputs, at);
            let given = given.filter(|_| sound.inputs_active[at]);
            let count = checked(given, channels);
            if let Some(given) = given.filter(|_| count > 0) {
                // SAFETY: the caller's promise; the field of 32 bits is as good a pointer as the
                // other, and `S` says which it is.
                unsafe { audio.add_inputs(given.__field0.channelBuffers32.cast(), count) };
            }
            let missing = channels - usize::try_from(count).unwrap_or(0);
            audio.inputs.extend((0..missing).map(|_| std::ptr::null()));
        }
        for (at, &channels) in sound.channels[1].iter().enumerate() {
            let given = bus(data.outputs, data.numOutputs, at);
            let count = checked(given, channels);
            if let Some(given) = given.filter(|_| count > 0) {
                // SAFETY: as above.
                unsafe { audio.add_outputs(given.__field0.channelBuffers32.cast(), count) };
            }
            let missing = channels - usize::try_from(count).unwrap_or(0);
            audio
                .outputs
                .extend((0..missing).map(|_| std::ptr::null_mut()));
        }
        sound.said.clear();
        if let Some(plugin) = &mut sound.plugin {
            // SAFETY: the caller's promise.
            let mut transport = unsafe { transport::<P>(data.processContext) };
            play(
                plugin,
                &audio,
                usize::try_from(data.numSamples).unwrap_or(0),
                &sound.heard,
                &mut sound.said,
                &self.heard,
                &mut transport,
                &sound.changes,
            );
        }
        *kept(sound) = audio;
    }

    /// # Safety
    /// `into` is null or a host's list.
    unsafe fn write_changes(&self, into: *mut IParameterChanges, sound: &Sound<P>) {
        // SAFETY: the caller's promise.
        let Some(into) = (unsafe { ComRef::from_raw(into) }) else {
            return;
        };
        for &(frame, index, _) in &sound.said.values {
            let (id, mut at) = (Target::Own(index).id(), 0);
            let frame = i32::try_from(frame).unwrap_or(0);
            // SAFETY: the host's list and queue live as long as its call.
            unsafe {
                let queue = into.addParameterData(&raw const id, &raw mut at);
                if let Some(queue) = ComRef::from_raw(queue) {
                    queue.addPoint(frame, self.heard.normal(index), &raw mut at);
                }
            }
        }
    }
}

/// # Safety
/// `list` is null or a host's list.
unsafe fn has_no_events(list: *mut IEventList) -> bool {
    // SAFETY: the caller's promise.
    unsafe { ComRef::from_raw(list).is_none_or(|list| list.getEventCount() == 0) }
}

/// Channels that a bus was given: all of its own, or none.
fn checked(given: Option<&AudioBusBuffers>, channels: usize) -> i32 {
    let count = given.map_or(0, |bus| bus.numChannels);
    let is_all = usize::try_from(count) == Ok(channels);
    demand(
        is_all || count == 0,
        "a bus is given its number of channels, or none",
    );
    count
}

/// Takes a block's parameter changes; those of MIDI controllers become messages.
///
/// # Safety
/// `data` is a block of the host.
unsafe fn read_changes<P: Plugin>(data: &ProcessData, sound: &mut Sound<P>) {
    sound.heard.clear();
    sound.changes.clear();
    // SAFETY: the caller's promise; lists and queues live as long as the host's call.
    unsafe {
        let Some(list) = ComRef::from_raw(data.inputParameterChanges) else {
            return;
        };
        for at in 0..list.getParameterCount() {
            let Some(queue) = ComRef::from_raw(list.getParameterData(at)) else {
                continue;
            };
            let target = Target::of::<P>(queue.getParameterId());
            demand(target.is_some(), "a queue is of a parameter that is there");
            for point in 0..queue.getPointCount() {
                let (mut frame, mut normal) = (0, 0.0);
                if queue.getPoint(point, &raw mut frame, &raw mut normal) != kResultOk {
                    continue;
                }
                let is_in_block = (0..data.numSamples.max(1)).contains(&frame);
                demand(is_in_block, "a point is within its block");
                demand((0.0..=1.0).contains(&normal), "a point's value is 0 to 1");
                let frame = usize::try_from(frame).unwrap_or(0);
                match target {
                    Some(Target::Own(index)) => {
                        sound.changes.push((frame, Change::Value(index, normal)));
                    }
                    Some(Target::Program) => {
                        sound
                            .changes
                            .push((frame, Change::Program(program::<P>(normal))));
                    }
                    Some(Target::Controller(channel, controller)) => {
                        let (bytes, length) = message(channel, controller, normal);
                        sound.heard.push(frame, &bytes[..length]);
                    }
                    None => {}
                }
            }
        }
    }
    sound.changes.sort_by_key(|(frame, _)| *frame);
}

/// # Safety
/// `context` is null or a host's transport.
unsafe fn transport<P: Plugin>(context: *mut ProcessContext) -> Transport {
    // SAFETY: the caller's promise.
    let said = unsafe { context.as_ref() };
    let said = said.filter(|_| P::ABOUT.transport);
    said.map_or(Transport::UNSAID, |said| {
        let has = |bit: u32| said.state & bit != 0;
        let flag = |bit| f64::from(u8::from(has(bit)));
        let valid = |bit, value| if has(bit) { value } else { -1.0 };
        #[allow(clippy::cast_precision_loss, reason = "tests use small positions")]
        let frame = said.projectTimeSamples as f64;
        Transport {
            tempo: valid(valid::kTempoValid, said.tempo),
            beats: valid(valid::kProjectTimeMusicValid, said.projectTimeMusic),
            frame,
            speed: flag(valid::kPlaying),
            signature: [said.timeSigNumerator, said.timeSigDenominator]
                .map(|number| valid(valid::kTimeSigValid, f64::from(number))),
            recording: flag(valid::kRecording),
            loop_end: if has(valid::kCycleActive) {
                valid(valid::kCycleValid, said.cycleEndMusic)
            } else {
                -1.0
            },
        }
    })
}

impl<P: Plugin, const ROLE: u8> IProcessContextRequirementsTrait for Object<P, ROLE> {
    unsafe fn getProcessContextRequirements(&self) -> u32 {
        match P::ABOUT.transport {
            true => {
                need::kNeedProjectTimeMusic
                    | need::kNeedCycleMusic
                    | need::kNeedTempo
                    | need::kNeedTimeSignature
                    | need::kNeedTransportState
            }
            false => 0,
        }
    }
}
