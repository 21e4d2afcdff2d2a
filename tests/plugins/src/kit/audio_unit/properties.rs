//! Properties: what hosts ask and set.

use std::ffi::c_void;

use super::abi::*;
use super::objects::{self, Value};
use super::parameters;
use super::unit::{Inner, Sim};
use crate::kit::demand;

/// `kAudioUnitErr_InvalidProperty`.
pub const INVALID_PROPERTY: OSStatus = -10_879;
/// `kAudioUnitErr_InvalidElement`.
const INVALID_ELEMENT: OSStatus = -10_877;
/// `kAudioUnitErr_InvalidPropertyValue`.
const INVALID_VALUE: OSStatus = -10_851;
/// `kAudioUnitErr_Initialized`.
const INITIALIZED: OSStatus = -10_849;

/// A property's value as a host is given it: bytes, in which objects are owned by the host.
type Bytes = Vec<u8>;

fn plain<T: Copy>(value: T) -> Bytes {
    let from = (&raw const value).cast::<u8>();
    // SAFETY: the bytes of a local; padding is not there in what is used here, or is copied as
    // whatever it is.
    unsafe { std::slice::from_raw_parts(from, size_of::<T>()) }.to_vec()
}

fn strings(texts: &[&str]) -> Bytes {
    let texts = texts.iter().map(|text| objects::string(text)).collect();
    plain(objects::make(Value::Array(texts)))
}

impl Sim {
    /// Bytes of a property's value, without making it.
    pub fn size(&self, property: u32, scope: u32, element: u32) -> Result<usize, OSStatus> {
        let about = self.about;
        let pointer = size_of::<CFTypeRef>();
        Ok(match property {
            property::PARAMETER_LIST => self.ids().len() * size_of::<u32>(),
            property::SUPPORTED_NUM_CHANNELS if !about.flexible => size_of::<AUChannelInfo>(),
            property::MIDI_OUTPUT_CALLBACK_INFO if about.midi_out => pointer,
            property::STREAM_FORMAT => {
                self.format(scope, element)?;
                size_of::<AudioStreamBasicDescription>()
            }
            property::CLASS_INFO | property::CONTEXT_NAME => pointer,
            property::FACTORY_PRESETS if !about.programs.is_empty() => pointer,
            _ => return Err(INVALID_PROPERTY),
        })
    }

    fn format(&self, scope: u32, element: u32) -> Result<AudioStreamBasicDescription, OSStatus> {
        let inner = self.inner();
        let formats = inner.formats(scope).ok_or(INVALID_PROPERTY)?;
        let element = usize::try_from(element).unwrap_or(usize::MAX);
        formats.get(element).copied().ok_or(INVALID_ELEMENT)
    }

    /// A property's value. The latency needs no lock, as it may be asked for by a listener.
    pub fn get(&self, property: u32, scope: u32, element: u32) -> Result<Bytes, OSStatus> {
        let about = self.about;
        Ok(match property {
            property::LATENCY if about.latency => {
                let frames = u32::try_from((self.latency)(&self.values)).unwrap_or(0);
                // Asked for while it renders, too; the rate does not change then.
                plain(f64::from(frames) / self.rate())
            }
            property::TAIL_TIME if about.tail_frames > 0 => {
                plain(f64::from(about.tail_frames) / self.rate())
            }
            property::ELEMENT_COUNT => {
                let buses = match scope {
                    scope::INPUT => about.inputs.len(),
                    scope::OUTPUT => about.outputs.len(),
                    _ => return Err(INVALID_PROPERTY),
                };
                plain(u32::try_from(buses).unwrap_or(0))
            }
            property::STREAM_FORMAT => plain(self.format(scope, element)?),
            property::ELEMENT_NAME => {
                let buses = if scope == scope::INPUT {
                    about.inputs
                } else {
                    about.outputs
                };
                let bus = buses.get(usize::try_from(element).unwrap_or(usize::MAX));
                plain(objects::string(bus.ok_or(INVALID_ELEMENT)?.name))
            }
            property::SUPPORTED_NUM_CHANNELS if !about.flexible => {
                let main = |buses: &[crate::kit::Bus]| {
                    let channels = buses.first().map_or(0, |bus| bus.channels);
                    i16::try_from(channels).unwrap_or(0)
                };
                plain(AUChannelInfo {
                    inputs: main(about.inputs),
                    outputs: main(about.outputs),
                })
            }
            property::PARAMETER_LIST => self.ids().into_iter().flat_map(plain).collect(),
            property::PARAMETER_INFO => plain(self.describe(element).ok_or(INVALID_ELEMENT)?),
            property::CLASS_INFO => plain(self.class_info()),
            property::FACTORY_PRESETS if !about.programs.is_empty() => {
                let presets = (0..).zip(about.programs).map(|(number, program)| AUPreset {
                    number,
                    name: objects::string(program.name),
                });
                plain(objects::make(Value::Presets(presets.collect())))
            }
            property::PRESENT_PRESET => {
                let preset = self.inner().preset;
                objects::retain(preset.name);
                plain(preset)
            }
            property::BYPASS_EFFECT if self.bypass().is_some() => {
                plain(u32::from(self.inner().is_bypassed))
            }
            property::OFFLINE_RENDER => plain(u32::from(self.inner().is_offline)),
            property::MIDI_OUTPUT_CALLBACK_INFO if about.midi_out => strings(&["MIDI Out"]),
            _ => return Err(INVALID_PROPERTY),
        })
    }

    /// Answers a question that comes with its answer's place.
    ///
    /// # Safety
    /// The structure that the property has, as a host fills it.
    pub unsafe fn ask(&self, property: u32, data: *mut c_void) -> Result<(), OSStatus> {
        match property {
            property::PARAMETER_STRING_FROM_VALUE => {
                // SAFETY: the caller's promise.
                let question = unsafe { &mut *data.cast::<AudioUnitParameterStringFromValue>() };
                let found = self.parameter(question.id);
                let (index, parameter) = found.ok_or(parameters::INVALID_PARAMETER)?;
                // SAFETY: null means the present value.
                let value = unsafe { question.value.as_ref() };
                let value = value.map_or_else(|| self.values.get(index), |v| f64::from(*v));
                question.string = objects::string(&parameter.text(value));
            }
            property::PARAMETER_VALUE_FROM_STRING => {
                // SAFETY: the caller's promise.
                let question = unsafe { &mut *data.cast::<AudioUnitParameterValueFromString>() };
                let found = self.parameter(question.id);
                let (_, parameter) = found.ok_or(parameters::INVALID_PARAMETER)?;
                let value = parameter.parse(objects::text(question.string));
                question.value = parameters::narrow(value.ok_or(INVALID_VALUE)?);
            }
            _ => return Err(INVALID_PROPERTY),
        }
        Ok(())
    }

    /// Sets a property.
    ///
    /// # Safety
    /// The type that the property has.
    pub unsafe fn set_property(
        &self,
        property: u32,
        scope: u32,
        element: u32,
        data: *const c_void,
    ) -> Result<(), OSStatus> {
        let at = usize::try_from(element).unwrap_or(usize::MAX);
        // SAFETY: in each arm, the type that the property has.
        unsafe {
            match property {
                property::MAXIMUM_FRAMES_PER_SLICE => {
                    let mut inner = self.inner();
                    demand(
                        !inner.is_initialized,
                        "set the largest block before initialising",
                    );
                    inner.max_frames = data.cast::<u32>().read();
                }
                property::STREAM_FORMAT => {
                    let format = data.cast::<AudioStreamBasicDescription>().read();
                    self.take_format(scope, at, format)?;
                }
                property::SET_RENDER_CALLBACK if scope == scope::INPUT => {
                    let mut inner = self.inner();
                    let input = inner.inputs.get_mut(at).ok_or(INVALID_ELEMENT)?;
                    *input = Some(data.cast::<AURenderCallbackStruct>().read());
                }
                property::HOST_CALLBACKS if self.about.transport => {
                    self.inner().playhead = Some(data.cast::<HostCallbackInfo>().read());
                }
                property::MIDI_OUTPUT_CALLBACK if self.about.midi_out => {
                    self.inner().midi_out = Some(data.cast::<AUMIDIOutputCallbackStruct>().read());
                }
                property::BYPASS_EFFECT if self.bypass().is_some() => {
                    self.inner().is_bypassed = data.cast::<u32>().read() != 0;
                    let index = self.bypass().unwrap_or(0);
                    self.values.set(index, f64::from(data.cast::<u32>().read()));
                }
                property::OFFLINE_RENDER => {
                    self.inner().is_offline = data.cast::<u32>().read() != 0;
                }
                property::CONTEXT_NAME => {
                    let name = objects::text(data.cast::<CFStringRef>().read()).to_owned();
                    *self.context.lock().unwrap_or_else(|e| e.into_inner()) = name;
                    self.changed(property::PARAMETER_INFO);
                }
                property::PRESENT_PRESET => self.take_preset(data.cast::<AUPreset>().read())?,
                property::CLASS_INFO => self.take_class_info(data.cast::<CFTypeRef>().read())?,
                _ => return Err(INVALID_PROPERTY),
            }
        }
        Ok(())
    }

    fn take_format(
        &self,
        scope: u32,
        element: usize,
        format: AudioStreamBasicDescription,
    ) -> Result<(), OSStatus> {
        let mut inner = self.inner();
        if inner.is_initialized {
            return Err(INITIALIZED);
        }
        let is_flexible = self.about.flexible;
        let known = inner.formats_mut(scope).ok_or(INVALID_PROPERTY)?;
        let known = known.get_mut(element).ok_or(INVALID_ELEMENT)?;
        let is_same = format.channels_per_frame == known.channels_per_frame;
        let may_differ = is_flexible && (1..=8).contains(&format.channels_per_frame);
        if format.format_flags != FLOAT_PLANES || !(is_same || may_differ) {
            return Err(error::FORMAT_NOT_SUPPORTED);
        }
        *known = format;
        Ok(())
    }

    fn take_preset(&self, preset: AUPreset) -> Result<(), OSStatus> {
        let program = usize::try_from(preset.number).unwrap_or(usize::MAX);
        if program >= self.about.programs.len() {
            return Err(INVALID_VALUE);
        }
        demand(
            !objects::text(preset.name).is_empty(),
            "name the preset that you set",
        );
        let mut inner = self.inner();
        inner.unit.apply(&self.values, program);
        objects::retain(preset.name);
        objects::release(inner.preset.name);
        inner.preset = preset;
        drop(inner);
        self.changed(property::PRESENT_PRESET);
        Ok(())
    }

    /// A dictionary as an `.aupreset` file holds it.
    fn class_info(&self) -> CFTypeRef {
        let number = |code: u32| objects::make(Value::Number(i64::from(code)));
        let inner = self.inner();
        let data = inner.unit.save(&self.values);
        let description = self.description;
        objects::make(Value::Dictionary(vec![
            ("data".into(), objects::make(Value::Data(data))),
            ("manufacturer".into(), number(description.manufacturer)),
            ("name".into(), objects::retain(inner.preset.name)),
            ("subtype".into(), number(description.subtype)),
            ("type".into(), number(description.kind)),
            ("version".into(), number(0)),
        ]))
    }

    fn take_class_info(&self, info: CFTypeRef) -> Result<(), OSStatus> {
        let data = objects::entry(info, "data").map(objects::value);
        let Some(Value::Data(bytes)) = data else {
            return Err(INVALID_VALUE);
        };
        let before = (self.latency)(&self.values);
        let restored = self.inner().unit.restore(&self.values, bytes);
        if (self.latency)(&self.values) != before {
            self.changed(property::LATENCY);
        }
        if restored { Ok(()) } else { Err(INVALID_VALUE) }
    }
}

impl Inner {
    fn formats(&self, scope: u32) -> Option<&Vec<AudioStreamBasicDescription>> {
        match scope {
            scope::INPUT => Some(&self.formats[0]),
            scope::OUTPUT => Some(&self.formats[1]),
            _ => None,
        }
    }

    fn formats_mut(&mut self, scope: u32) -> Option<&mut Vec<AudioStreamBasicDescription>> {
        match scope {
            scope::INPUT => Some(&mut self.formats[0]),
            scope::OUTPUT => Some(&mut self.formats[1]),
            _ => None,
        }
    }
}
