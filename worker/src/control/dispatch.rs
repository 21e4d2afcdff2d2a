//! From calls to the plugin: one match, a line a call.

use plugpen_channel::Incoming;
use plugpen_proto::Error;
use plugpen_proto::limits::MAX_STATE;
use plugpen_proto::v1::*;
use plugpen_proto::worker::from_worker::Body;
use plugpen_proto::worker::to_worker::Call;
use plugpen_proto::worker::{CallError, FromWorker, Loaded, Pong};

use super::session::Session;
use crate::formats::Controller;

/// Carries a call out and says how it went.
pub fn answer(session: &mut Session, incoming: Incoming) -> FromWorker {
    let id = incoming.message.id;
    let body = carry_out(session, incoming).unwrap_or_else(|error| {
        Body::Error(CallError {
            reason: error.reason.into(),
            message: error.message,
        })
    });
    FromWorker {
        id,
        body: Some(body),
    }
}

fn carry_out(session: &mut Session, incoming: Incoming) -> Result<Body, Error> {
    let after = incoming.message.after_block;
    let call = incoming
        .message
        .call
        .ok_or_else(|| Error::bug("a call this worker does not know"))?;
    // Calls in the first group run beside processing; those with `parked` wait for the blocks
    // submitted before them and have the plugin to themselves.
    Ok(match call {
        Call::Load(load) => Body::Load(Loaded {
            plugin: Some(session.load(load)?),
        }),
        Call::Probe(probe) => Body::Probe(session.probe(&probe)?),
        Call::Ping(_) => Body::Ping(Pong {}),
        Call::AttachRings(call) => {
            let loaded = session.loaded()?;
            Body::AttachRings(loaded.attach(call.rings, incoming.descriptors, after)?)
        }
        Call::ListParameters(call) => {
            let list = |plugin: &dyn Controller| list_parameters(plugin, &call);
            Body::ListParameters(session.loaded()?.describing(after, list)?)
        }
        Call::GetParameter(call) => Body::GetParameter(GetParameterResponse {
            value: session.loaded()?.controller.get_parameter(call.index)?,
        }),
        Call::SetParameter(call) => Body::SetParameter(SetParameterResponse {
            value: set_parameter(session, call.index, call.value)?,
        }),
        Call::GetParameters(_) => {
            let controller = &session.loaded()?.controller;
            let values = (0..controller.parameter_count()).map(|i| controller.get_parameter(i));
            Body::GetParameters(GetParametersResponse {
                values: values.collect::<Result<_, _>>()?,
            })
        }
        Call::SetParameters(call) => {
            set_parameters(session, &call.values)?;
            Body::SetParameters(SetParametersResponse {})
        }
        Call::ParameterToText(call) => Body::ParameterToText(ParameterToTextResponse {
            text: session.loaded()?.describing(after, |plugin| {
                plugin.parameter_to_text(call.index, call.value)
            })?,
        }),
        Call::ParameterFromText(call) => Body::ParameterFromText(ParameterFromTextResponse {
            value: session.loaded()?.describing(after, |plugin| {
                plugin.parameter_from_text(call.index, &call.text)
            })?,
        }),
        Call::BeginParameterGesture(call) => {
            session.loaded()?.controller.get_parameter(call.index)?;
            session.gesture(call.index, true);
            Body::BeginParameterGesture(BeginParameterGestureResponse {})
        }
        Call::EndParameterGesture(call) => {
            session.loaded()?.controller.get_parameter(call.index)?;
            session.gesture(call.index, false);
            Body::EndParameterGesture(EndParameterGestureResponse {})
        }
        Call::ListPrograms(_) => {
            let controller = &session.loaded()?.controller;
            Body::ListPrograms(ListProgramsResponse {
                names: controller.program_names(),
                current: controller.current_program(),
                next_page_token: String::new(),
            })
        }
        Call::SetTransport(call) => {
            let transport = check_transport(call.transport)?;
            session.loaded()?.audio.transport().set(Some(transport));
            Body::SetTransport(SetTransportResponse {})
        }
        Call::ClearTransport(_) => {
            session.loaded()?.audio.transport().set(None);
            Body::ClearTransport(ClearTransportResponse {})
        }
        Call::SetTrackProperties(call) => {
            let controller = &mut session.loaded()?.controller;
            controller.set_track_properties(call.name.as_deref(), call.colour);
            Body::SetTrackProperties(SetTrackPropertiesResponse {})
        }
        Call::GetTiming(_) => {
            let controller = &session.loaded()?.controller;
            Body::GetTiming(GetTimingResponse {
                latency_samples: controller.latency_samples(),
                tail_seconds: controller.tail_seconds(),
            })
        }
        Call::GetNumerics(call) => {
            Body::GetNumerics(session.loaded()?.numerics(after, call.reset)?)
        }
        Call::ListBuses(_) => {
            let (inputs, outputs) = session.loaded()?.controller.buses();
            Body::ListBuses(ListBusesResponse { inputs, outputs })
        }

        Call::ListNoteExpressions(call) => {
            let controller = &session.loaded()?.controller;
            Body::ListNoteExpressions(ListNoteExpressionsResponse {
                types: controller.note_expressions(call.bus, call.channel),
            })
        }

        Call::StageFile(call) => {
            let path = session.loaded()?.staging.add(&call.name, &call.data)?;
            Body::StageFile(StageFileResponse {
                path: path.to_string_lossy().into_owned(),
            })
        }

        Call::GetState(call) => {
            let scope = call.scope();
            let data = session
                .loaded()?
                .parked(after, |plugin, parked| plugin.get_state(parked, scope))?;
            check_size(&data)?;
            Body::GetState(GetStateResponse { data })
        }
        Call::SetState(call) => {
            let scope = call.scope();
            session.loaded()?.parked(after, |plugin, parked| {
                plugin.set_state(parked, scope, &call.data)
            })?;
            Body::SetState(SetStateResponse {})
        }
        Call::SetProgram(call) => {
            session.loaded()?.parked(after, |plugin, parked| {
                plugin.set_program(parked, call.index)
            })?;
            Body::SetProgram(SetProgramResponse {})
        }
        Call::Reset(_) => {
            reset(session, after)?;
            Body::Reset(ResetResponse {})
        }
        Call::SetBypass(call) => {
            set_bypass(session, after, call.bypass)?;
            Body::SetBypass(SetBypassResponse {})
        }
        Call::SetNonRealtime(call) => {
            session.loaded()?.parked(after, |plugin, parked| {
                plugin.set_non_realtime(parked, call.non_realtime);
                Ok(())
            })?;
            Body::SetNonRealtime(SetNonRealtimeResponse {})
        }
        Call::CheckBusesLayout(call) => {
            let (inputs, outputs) = (call.input_channels, call.output_channels);
            let supported = session.loaded()?.parked(after, |plugin, parked| {
                Ok(plugin.check_buses_layout(parked, &inputs, &outputs))
            })?;
            Body::CheckBusesLayout(CheckBusesLayoutResponse { supported })
        }
        Call::SetPrecision(call) => {
            let precision = call.precision();
            session.loaded()?.parked(after, |plugin, parked| {
                plugin.set_precision(parked, precision)
            })?;
            Body::SetPrecision(SetPrecisionResponse {})
        }

        Call::AttachStage(_)
        | Call::OpenDevice(_)
        | Call::StartDevice(_)
        | Call::StopDevice(_)
        | Call::GetDevice(_)
        | Call::SendMidi(_)
        | Call::ConnectMidi(_)
        | Call::DisconnectMidi(_)
        | Call::SetDeviceInput(_)
        | Call::SetDeviceMix(_)
        | Call::WriteDeviceInput(_)
        | Call::ListAudioDevices(_)
        | Call::ListMidiPorts(_)
        | Call::OpenMidiIn(_) => {
            return Err(Error::bug("a device's call came to a plugin's worker"));
        }
    })
}

fn list_parameters(
    controller: &dyn Controller,
    call: &ListParametersRequest,
) -> Result<ListParametersResponse, Error> {
    let all = controller.parameter_count();
    let end = match call.count {
        0 => all,
        count => call.start.saturating_add(count).min(all),
    };
    let parameters = (call.start..end).map(|index| controller.parameter(index));
    Ok(ListParametersResponse {
        parameters: parameters.collect::<Result<_, _>>()?,
    })
}

fn set_parameter(session: &mut Session, index: u32, value: f64) -> Result<f64, Error> {
    let value = session.loaded()?.controller.set_parameter(index, value)?;
    let position = usize::try_from(index).unwrap_or(usize::MAX);
    session.notices().parameter(position, true);
    Ok(value)
}

/// All or none: everything is checked before anything is set.
fn set_parameters(session: &mut Session, values: &[ParameterValue]) -> Result<(), Error> {
    let controller = &session.loaded()?.controller;
    let parameters = controller.parameter_count();
    for value in values {
        if value.index >= parameters {
            let known = usize::try_from(parameters).unwrap_or(usize::MAX);
            return Err(Error::out_of_range("parameter", value.index, known));
        }
        crate::formats::normalised(value.value)?;
    }
    for value in values {
        set_parameter(session, value.index, value.value)?;
    }
    Ok(())
}

/// A larger state could not be sent, nor set again.
fn check_size(state: &[u8]) -> Result<(), Error> {
    if state.len() <= MAX_STATE {
        return Ok(());
    }
    Err(Error::new(
        ErrorReason::LimitReached,
        format!(
            "the plugin's state has {} bytes; plugpen carries up to {MAX_STATE}",
            state.len()
        ),
    ))
}

fn check_transport(transport: Option<Transport>) -> Result<Transport, Error> {
    let transport = transport.ok_or_else(|| Error::invalid("SetTransport without a transport"))?;
    let bpm = transport.bpm;
    if !bpm.is_finite() || bpm <= 0.0 || !transport.position_beats.is_finite() {
        return Err(Error::invalid(format!(
            "bpm must be a finite number greater than 0, and position_beats finite; got {bpm} \
             and {}",
            transport.position_beats
        )));
    }
    Ok(transport)
}

fn reset(session: &mut Session, after: u64) -> Result<(), Error> {
    let loaded = session.loaded()?;
    let controller = &mut loaded.controller;
    loaded.audio.parked(after, |seat| {
        controller.reset(seat.processor.as_mut());
        seat.bypass.reset();
        Ok(())
    })
}

fn set_bypass(session: &mut Session, after: u64, bypass: bool) -> Result<(), Error> {
    let loaded = session.loaded()?;
    let controller = &mut loaded.controller;
    match controller.bypass_parameter() {
        Some(index) => set_parameter(session, index, f64::from(u8::from(bypass))).map(|_| ()),
        None => loaded.audio.parked(after, |seat| {
            let done = controller.set_bypass(seat.processor.as_mut(), bypass);
            seat.bypass.set_active(bypass && !done);
            Ok(())
        }),
    }
}
