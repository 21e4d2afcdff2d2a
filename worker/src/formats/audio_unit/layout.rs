//! Sizes, offsets and numbers against the bindings generated from Apple's headers. All of it
//! happens while compiling: a difference is a build that fails.

use std::mem::{align_of, offset_of};

use objc2_audio_toolbox as apple;
use objc2_core_audio_types as types;
use objc2_core_midi::{MIDIPacket, MIDIPacketList};

use super::midi;

macro_rules! same {
    ($ours:ident = $theirs:path { $($field:ident = $their_field:ident),* $(,)? }) => {
        const _: () = {
            assert!(size_of::<super::abi::$ours>() == size_of::<$theirs>());
            assert!(align_of::<super::abi::$ours>() == align_of::<$theirs>());
            $(assert!(
                offset_of!(super::abi::$ours, $field) == offset_of!($theirs, $their_field)
            );)*
        };
    };
}

macro_rules! equal {
    ($($ours:expr, $theirs:expr;)*) => {
        const _: () = { $(assert!($ours == $theirs);)* };
    };
}

same!(AudioComponentDescription = apple::AudioComponentDescription {
    kind = componentType,
    subtype = componentSubType,
    manufacturer = componentManufacturer,
    flags = componentFlags,
    flags_mask = componentFlagsMask,
});
same!(AudioStreamBasicDescription = types::AudioStreamBasicDescription {
    sample_rate = mSampleRate,
    format_id = mFormatID,
    format_flags = mFormatFlags,
    bytes_per_packet = mBytesPerPacket,
    frames_per_packet = mFramesPerPacket,
    bytes_per_frame = mBytesPerFrame,
    channels_per_frame = mChannelsPerFrame,
    bits_per_channel = mBitsPerChannel,
});
same!(AudioBuffer = types::AudioBuffer {
    channels = mNumberChannels,
    bytes = mDataByteSize,
    data = mData,
});
same!(AudioBufferList = types::AudioBufferList {
    count = mNumberBuffers,
    buffers = mBuffers,
});
same!(SmpteTime = types::SMPTETime {});
same!(AudioTimeStamp = types::AudioTimeStamp {
    sample_time = mSampleTime,
    host_time = mHostTime,
    rate_scalar = mRateScalar,
    word_clock_time = mWordClockTime,
    smpte_time = mSMPTETime,
    flags = mFlags,
});
same!(AURenderCallbackStruct = apple::AURenderCallbackStruct {
    callback = inputProc,
    user_data = inputProcRefCon,
});
same!(HostCallbackInfo = apple::HostCallbackInfo {
    user_data = hostUserData,
    beat_and_tempo = beatAndTempoProc,
    musical_time_location = musicalTimeLocationProc,
    transport_state = transportStateProc,
    transport_state2 = transportStateProc2,
});
same!(AudioUnitParameterInfo = apple::AudioUnitParameterInfo {
    name = name,
    unit_name = unitName,
    clump = clumpID,
    cf_name = cfNameString,
    unit = unit,
    min = minValue,
    max = maxValue,
    default = defaultValue,
    flags = flags,
});
same!(AudioUnitParameterStringFromValue = apple::AudioUnitParameterStringFromValue {
    id = inParamID,
    value = inValue,
    string = outString,
});
same!(AudioUnitParameterValueFromString = apple::AudioUnitParameterValueFromString {
    id = inParamID,
    string = inString,
    value = outValue,
});
same!(AUPreset = apple::AUPreset {
    number = presetNumber,
    name = presetName,
});
same!(AUChannelInfo = apple::AUChannelInfo {
    inputs = inChannels,
    outputs = outChannels,
});
same!(AudioUnitParameter = apple::AudioUnitParameter {
    unit = mAudioUnit,
    id = mParameterID,
    scope = mScope,
    element = mElement,
});
same!(AUMIDIOutputCallbackStruct = apple::AUMIDIOutputCallbackStruct {
    callback = midiOutputCallback,
    user_data = userData,
});

equal! {
    midi::FIRST_PACKET, offset_of!(MIDIPacketList, packet);
    midi::PACKET_LENGTH, offset_of!(MIDIPacket, length);
    midi::PACKET_DATA, offset_of!(MIDIPacket, data);
    super::abi::kind::EFFECT, apple::kAudioUnitType_Effect;
    super::abi::kind::MUSIC_EFFECT, apple::kAudioUnitType_MusicEffect;
    super::abi::kind::INSTRUMENT, apple::kAudioUnitType_MusicDevice;
    super::abi::kind::MIDI_PROCESSOR, apple::kAudioUnitType_MIDIProcessor;
    super::abi::kind::GENERATOR, apple::kAudioUnitType_Generator;
    super::abi::kind::PANNER, apple::kAudioUnitType_Panner;
    super::abi::kind::MIXER, apple::kAudioUnitType_Mixer;
    super::abi::property::CLASS_INFO, apple::kAudioUnitProperty_ClassInfo;
    super::abi::property::SAMPLE_RATE, apple::kAudioUnitProperty_SampleRate;
    super::abi::property::PARAMETER_LIST, apple::kAudioUnitProperty_ParameterList;
    super::abi::property::PARAMETER_INFO, apple::kAudioUnitProperty_ParameterInfo;
    super::abi::property::STREAM_FORMAT, apple::kAudioUnitProperty_StreamFormat;
    super::abi::property::ELEMENT_COUNT, apple::kAudioUnitProperty_ElementCount;
    super::abi::property::LATENCY, apple::kAudioUnitProperty_Latency;
    super::abi::property::SUPPORTED_NUM_CHANNELS, apple::kAudioUnitProperty_SupportedNumChannels;
    super::abi::property::MAXIMUM_FRAMES_PER_SLICE, apple::kAudioUnitProperty_MaximumFramesPerSlice;
    super::abi::property::PARAMETER_VALUE_STRINGS, apple::kAudioUnitProperty_ParameterValueStrings;
    super::abi::property::AUDIO_CHANNEL_LAYOUT, apple::kAudioUnitProperty_AudioChannelLayout;
    super::abi::property::TAIL_TIME, apple::kAudioUnitProperty_TailTime;
    super::abi::property::BYPASS_EFFECT, apple::kAudioUnitProperty_BypassEffect;
    super::abi::property::SET_RENDER_CALLBACK, apple::kAudioUnitProperty_SetRenderCallback;
    super::abi::property::FACTORY_PRESETS, apple::kAudioUnitProperty_FactoryPresets;
    super::abi::property::CONTEXT_NAME, apple::kAudioUnitProperty_ContextName;
    super::abi::property::HOST_CALLBACKS, apple::kAudioUnitProperty_HostCallbacks;
    super::abi::property::ELEMENT_NAME, apple::kAudioUnitProperty_ElementName;
    super::abi::property::PARAMETER_STRING_FROM_VALUE,
        apple::kAudioUnitProperty_ParameterStringFromValue;
    super::abi::property::PRESENT_PRESET, apple::kAudioUnitProperty_PresentPreset;
    super::abi::property::OFFLINE_RENDER, apple::kAudioUnitProperty_OfflineRender;
    super::abi::property::PARAMETER_VALUE_FROM_STRING,
        apple::kAudioUnitProperty_ParameterValueFromString;
    super::abi::property::MIDI_OUTPUT_CALLBACK_INFO, apple::kAudioUnitProperty_MIDIOutputCallbackInfo;
    super::abi::property::MIDI_OUTPUT_CALLBACK, apple::kAudioUnitProperty_MIDIOutputCallback;
    super::abi::scope::GLOBAL, apple::kAudioUnitScope_Global;
    super::abi::scope::INPUT, apple::kAudioUnitScope_Input;
    super::abi::scope::OUTPUT, apple::kAudioUnitScope_Output;
    super::abi::event::PARAMETER_VALUE_CHANGE, apple::AudioUnitEventType::ParameterValueChange.0;
    super::abi::event::BEGIN_GESTURE, apple::AudioUnitEventType::BeginParameterChangeGesture.0;
    super::abi::event::END_GESTURE, apple::AudioUnitEventType::EndParameterChangeGesture.0;
    super::abi::parameter_unit::INDEXED, apple::AudioUnitParameterUnit::Indexed.0;
    super::abi::parameter_unit::BOOLEAN, apple::AudioUnitParameterUnit::Boolean.0;
    super::abi::parameter_unit::CUSTOM, apple::AudioUnitParameterUnit::CustomUnit.0;
    super::abi::parameter_flag::CF_NAME_RELEASE,
        apple::AudioUnitParameterOptions::Flag_CFNameRelease.0;
    super::abi::parameter_flag::VALUES_HAVE_STRINGS,
        apple::AudioUnitParameterOptions::Flag_ValuesHaveStrings.0;
    super::abi::parameter_flag::NON_REAL_TIME, apple::AudioUnitParameterOptions::Flag_NonRealTime.0;
    super::abi::parameter_flag::HAS_CF_NAME, apple::AudioUnitParameterOptions::Flag_HasCFNameString.0;
    super::abi::parameter_flag::IS_WRITABLE, apple::AudioUnitParameterOptions::Flag_IsWritable.0;
    super::abi::render_flag::OUTPUT_IS_SILENCE,
        apple::AudioUnitRenderActionFlags::UnitRenderAction_OutputIsSilence.0;
    super::abi::error::NO_CONNECTION, apple::kAudioUnitErr_NoConnection;
    super::abi::error::TOO_MANY_FRAMES, apple::kAudioUnitErr_TooManyFramesToProcess;
    super::abi::error::FORMAT_NOT_SUPPORTED, apple::kAudioUnitErr_FormatNotSupported;
    super::abi::error::CANNOT_DO_NOW, apple::kAudioUnitErr_CannotDoInCurrentContext;
}
