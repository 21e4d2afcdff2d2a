//! The host's side of a unit: what it calls back.

use std::ffi::c_void;
use std::ptr::{from_ref, null, null_mut};
use std::sync::atomic::Ordering;

use plugpen_proto::v1::Transport;

use super::abi::*;
use super::foundation::Owned;
use super::playhead;
use super::shared::Shared;
use crate::formats::door;
use crate::transport::TransportReader;

/// The mode in which the main thread lets the run loop run.
pub const RUN_LOOP_MODE: &str = "kCFRunLoopDefaultMode";
/// Seconds between two calls of the event listener; values within them are told once. With 0 it
/// would be called at once, by whichever thread makes the change.
const INTERVAL: f32 = 0.02;
/// Properties whose changes are told.
const WATCHED: [u32; 5] = [
    property::LATENCY,
    property::PRESENT_PRESET,
    property::CLASS_INFO,
    property::PARAMETER_LIST,
    property::PARAMETER_INFO,
];

/// Gives the unit its callbacks, before it is initialised: input, playhead, MIDI out. What a unit
/// does not have is left out.
pub fn connect(shared: &'static Shared) {
    let user_data: *mut c_void = from_ref(shared).cast_mut().cast();
    let instance = &shared.instance;
    for (element, _) in (0u32..).zip(&shared.buses.inputs) {
        let callback = AURenderCallbackStruct {
            callback: Some(input),
            user_data,
        };
        let _ = instance.set(
            property::SET_RENDER_CALLBACK,
            scope::INPUT,
            element,
            &callback,
        );
    }
    let playhead = HostCallbackInfo {
        user_data,
        beat_and_tempo: Some(beat_and_tempo),
        musical_time_location: Some(musical_time_location),
        transport_state: Some(transport_state),
        transport_state2: Some(transport_state2),
    };
    let _ = instance.set(property::HOST_CALLBACKS, scope::GLOBAL, 0, &playhead);
    let midi = AUMIDIOutputCallbackStruct {
        callback: Some(midi_out),
        user_data,
    };
    let _ = instance.set(property::MIDI_OUTPUT_CALLBACK, scope::GLOBAL, 0, &midi);
}

/// Hears what the unit does by itself, once it is initialised.
pub fn listen(shared: &'static Shared) {
    let user_data: *mut c_void = from_ref(shared).cast_mut().cast();
    let instance = &shared.instance;
    let toolbox = instance.toolbox();
    for property in WATCHED {
        // SAFETY: the callback has the type of a listener, and its user data lives for ever.
        unsafe {
            (toolbox.add_property_listener)(instance.as_ptr(), property, changed, user_data);
        }
    }
    listen_to_edits(shared, user_data);
}

/// Hears of edits that the unit makes itself.
fn listen_to_edits(shared: &'static Shared, user_data: *mut c_void) {
    let toolbox = shared.instance.toolbox();
    let Some(mode) = Owned::string(toolbox, RUN_LOOP_MODE) else {
        return;
    };
    let mut listener = null_mut();
    // SAFETY: the callback has the type of a listener, its user data lives for ever, and there is
    // room for the answer. No run loop means this thread's.
    let status = unsafe {
        (toolbox.event_listener_create)(
            event,
            user_data,
            null(),
            mode.get(),
            INTERVAL,
            INTERVAL,
            &raw mut listener,
        )
    };
    if status != 0 || listener.is_null() {
        return;
    }
    for range in &shared.ranges {
        for kind in [
            event::PARAMETER_VALUE_CHANGE,
            event::BEGIN_GESTURE,
            event::END_GESTURE,
        ] {
            let wanted = AudioUnitEvent {
                kind,
                parameter: AudioUnitParameter {
                    unit: shared.instance.as_ptr(),
                    id: range.id,
                    scope: scope::GLOBAL,
                    element: 0,
                },
            };
            // SAFETY: a listener, and an event that lives through the call.
            unsafe { (toolbox.event_listener_add)(listener, null_mut(), &raw const wanted) };
        }
    }
}

/// Any thread while it renders; the audio thread.
unsafe extern "C" fn input(
    user_data: *mut c_void,
    _flags: *mut u32,
    time: *const AudioTimeStamp,
    bus: u32,
    frames: u32,
    list: *mut AudioBufferList,
) -> OSStatus {
    // SAFETY: the user data that `connect` gave; pointers as this callback gets them.
    unsafe {
        door::enter(
            "the input callback",
            user_data.cast(),
            error::NO_CONNECTION,
            |shared: &Shared| shared.feed.give(time, bus, frames, list),
        )
    }
}

/// The audio thread.
unsafe extern "C" fn midi_out(
    user_data: *mut c_void,
    _time: *const AudioTimeStamp,
    _output: u32,
    packets: *const c_void,
) -> OSStatus {
    // SAFETY: the user data that `connect` gave; packets as this callback gets them.
    unsafe {
        door::enter(
            "the MIDI output callback",
            user_data.cast(),
            -1,
            |shared: &Shared| {
                shared.midi_out.receive(packets);
                0
            },
        )
    }
}

/// Any thread.
unsafe extern "C" fn changed(
    user_data: *mut c_void,
    _unit: AudioUnit,
    property: u32,
    scope: u32,
    _element: u32,
) {
    // SAFETY: the user data that `connect` gave.
    unsafe {
        door::enter(
            "a property listener",
            user_data.cast(),
            (),
            |shared: &Shared| {
                let is_global = scope == scope::GLOBAL;
                match property {
                    property::LATENCY if shared.read_latency() => shared.notices.latency(),
                    property::PRESENT_PRESET if is_global => shared.notices.program(),
                    property::CLASS_INFO if is_global => shared.notices.state(),
                    property::PARAMETER_LIST | property::PARAMETER_INFO if is_global => {
                        shared.stale.store(true, Ordering::Relaxed);
                        shared.notices.parameter_info();
                    }
                    _ => {}
                }
            },
        );
    }
}

/// The main thread, in its run loop.
unsafe extern "C" fn event(
    user_data: *mut c_void,
    _object: *mut c_void,
    event: *const AudioUnitEvent,
    _time: u64,
    value: f32,
) {
    // SAFETY: the user data that `connect` gave, and an event or null.
    unsafe {
        door::enter(
            "an event listener",
            user_data.cast(),
            (),
            |shared: &Shared| {
                let Some(event) = event.as_ref() else { return };
                let id = event.parameter.id;
                let Some(at) = shared.ranges.iter().position(|range| range.id == id) else {
                    return;
                };
                match event.kind {
                    // What the client wants meanwhile is newer.
                    event::PARAMETER_VALUE_CHANGE
                        if value.is_finite() && !shared.is_pending(at) =>
                    {
                        shared.adopt(at, shared.ranges[at].clamp(value).into());
                        shared.notices.parameter(at, false);
                    }
                    event::BEGIN_GESTURE => shared.notices.gesture(at, true),
                    event::END_GESTURE => shared.notices.gesture(at, false),
                    _ => {}
                }
            },
        );
    }
}

/// Answers a question about the playhead. Where the client set none, there is no answer.
///
/// # Safety
/// The user data that `connect` gave, or null.
unsafe fn ask(
    what: &str,
    user_data: *mut c_void,
    answer: impl FnOnce(&Shared, Transport),
) -> OSStatus {
    // SAFETY: the caller's promise.
    unsafe {
        door::enter(
            what,
            user_data.cast(),
            error::CANNOT_DO_NOW,
            |shared: &Shared| match TransportReader::default().read(&shared.transport) {
                Some(transport) => {
                    answer(shared, transport);
                    0
                }
                None => error::CANNOT_DO_NOW,
            },
        )
    }
}

/// Writes an answer where there is room for it.
///
/// # Safety
/// Null, or room for it.
unsafe fn put<T>(room: *mut T, value: T) {
    if !room.is_null() {
        // SAFETY: room for it, says the caller.
        unsafe { room.write(value) };
    }
}

unsafe extern "C" fn beat_and_tempo(
    user_data: *mut c_void,
    beat: *mut f64,
    tempo: *mut f64,
) -> OSStatus {
    // SAFETY: the user data that `connect` gave; room for answers, or null.
    unsafe {
        ask("the tempo callback", user_data, |_, transport| {
            put(beat, transport.position_beats);
            put(tempo, transport.bpm);
        })
    }
}

unsafe extern "C" fn musical_time_location(
    user_data: *mut c_void,
    to_next_beat: *mut u32,
    numerator: *mut f32,
    denominator: *mut u32,
    bar: *mut f64,
) -> OSStatus {
    // SAFETY: the user data that `connect` gave; room for answers, or null.
    unsafe {
        ask("the bar callback", user_data, |shared, transport| {
            let place = playhead::place(&transport, shared.rate);
            put(to_next_beat, place.to_next_beat);
            put(numerator, place.numerator);
            put(denominator, place.denominator);
            put(bar, place.bar);
        })
    }
}

unsafe extern "C" fn transport_state(
    user_data: *mut c_void,
    playing: *mut Boolean,
    is_changed: *mut Boolean,
    frame: *mut f64,
    cycling: *mut Boolean,
    cycle_start: *mut f64,
    cycle_end: *mut f64,
) -> OSStatus {
    // SAFETY: passed on as they came.
    unsafe {
        transport_state2(
            user_data,
            playing,
            null_mut(),
            is_changed,
            frame,
            cycling,
            cycle_start,
            cycle_end,
        )
    }
}

#[allow(clippy::too_many_arguments, reason = "Apple's signature")]
unsafe extern "C" fn transport_state2(
    user_data: *mut c_void,
    playing: *mut Boolean,
    recording: *mut Boolean,
    is_changed: *mut Boolean,
    frame: *mut f64,
    cycling: *mut Boolean,
    cycle_start: *mut f64,
    cycle_end: *mut f64,
) -> OSStatus {
    // SAFETY: the user data that `connect` gave; room for answers, or null.
    unsafe {
        ask("the transport callback", user_data, |shared, transport| {
            #[allow(
                clippy::cast_precision_loss,
                reason = "exact for 2^53 frames, 5,000 years"
            )]
            let position = transport.position_samples as f64;
            let [start, end] = playhead::cycle(&transport, shared.rate);
            put(playing, transport.is_playing.into());
            put(recording, transport.is_recording.into());
            put(
                is_changed,
                shared.transport_changed.load(Ordering::Relaxed).into(),
            );
            put(frame, position);
            put(cycling, transport.is_looping.into());
            put(cycle_start, start);
            put(cycle_end, end);
        })
    }
}
