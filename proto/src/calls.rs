//! The table of calls that the daemon passes on to a worker: one line each.
//!
//! A new call is a message in a `.proto` file, an arm in both envelopes of `worker.proto` and a
//! line here; the worker's dispatch and the daemon's services are written against
//! [`WorkerCall`].

use crate::v1::*;
use crate::worker::{
    AttachRings, AttachStage, Load, Loaded, OpenDevice, Ping, Pong, Probe, Probed, RingsAttached,
    StageAttached, from_worker, to_worker,
};

/// A request that a worker answers.
pub trait WorkerCall: prost::Message + Sized {
    /// What it is answered with.
    type Response: prost::Message + Default;
    /// The call's name in logs and crash reports.
    const NAME: &'static str;
    /// Whether the worker stops playing for it, once the blocks before it are done.
    const PARKS: bool;
    /// Puts the request in the daemon's envelope.
    fn into_call(self) -> to_worker::Call;
    /// Takes the response out of the worker's envelope; `None` if it is another call's.
    fn response(body: from_worker::Body) -> Option<Self::Response>;
}

macro_rules! worker_calls {
    ($($arm:ident: $request:ident => $response:ident $(, $parks:ident)?;)*) => {
        $(impl WorkerCall for $request {
            type Response = $response;
            const NAME: &'static str = stringify!($arm);
            const PARKS: bool = false $(|| worker_calls!(@$parks))?;
            fn into_call(self) -> to_worker::Call {
                to_worker::Call::$arm(self)
            }
            fn response(body: from_worker::Body) -> Option<$response> {
                match body {
                    from_worker::Body::$arm(response) => Some(response),
                    _ => None,
                }
            }
        })*

        impl to_worker::Call {
            /// The call's name in logs and crash reports.
            pub fn name(&self) -> &'static str {
                match self {
                    $(to_worker::Call::$arm(_) => stringify!($arm),)*
                }
            }

            /// Whether the worker stops playing for it.
            pub fn parks(&self) -> bool {
                match self {
                    $(to_worker::Call::$arm(_) => <$request as WorkerCall>::PARKS,)*
                }
            }
        }
    };
    (@parks) => { true };
}

worker_calls! {
    Load: Load => Loaded;
    Probe: Probe => Probed;
    Ping: Ping => Pong;
    AttachRings: AttachRings => RingsAttached, parks;
    ListParameters: ListParametersRequest => ListParametersResponse;
    GetParameter: GetParameterRequest => GetParameterResponse;
    SetParameter: SetParameterRequest => SetParameterResponse;
    GetParameters: GetParametersRequest => GetParametersResponse;
    SetParameters: SetParametersRequest => SetParametersResponse;
    ParameterToText: ParameterToTextRequest => ParameterToTextResponse;
    ParameterFromText: ParameterFromTextRequest => ParameterFromTextResponse;
    BeginParameterGesture: BeginParameterGestureRequest => BeginParameterGestureResponse;
    EndParameterGesture: EndParameterGestureRequest => EndParameterGestureResponse;
    ListNoteExpressions: ListNoteExpressionsRequest => ListNoteExpressionsResponse;
    GetState: GetStateRequest => GetStateResponse, parks;
    SetState: SetStateRequest => SetStateResponse, parks;
    ListPrograms: ListProgramsRequest => ListProgramsResponse;
    SetProgram: SetProgramRequest => SetProgramResponse, parks;
    StageFile: StageFileRequest => StageFileResponse;
    SetTransport: SetTransportRequest => SetTransportResponse;
    ClearTransport: ClearTransportRequest => ClearTransportResponse;
    Reset: ResetRequest => ResetResponse, parks;
    SetBypass: SetBypassRequest => SetBypassResponse, parks;
    SetNonRealtime: SetNonRealtimeRequest => SetNonRealtimeResponse, parks;
    SetPrecision: SetPrecisionRequest => SetPrecisionResponse, parks;
    SetTrackProperties: SetTrackPropertiesRequest => SetTrackPropertiesResponse;
    GetTiming: GetTimingRequest => GetTimingResponse;
    ListBuses: ListBusesRequest => ListBusesResponse;
    CheckBusesLayout: CheckBusesLayoutRequest => CheckBusesLayoutResponse, parks;
    AttachStage: AttachStage => StageAttached;
    OpenDevice: OpenDevice => OpenDeviceResponse;
    StartDevice: StartDeviceRequest => StartDeviceResponse;
    StopDevice: StopDeviceRequest => StopDeviceResponse;
    GetDevice: GetDeviceRequest => GetDeviceResponse;
    SendMidi: SendMidiRequest => SendMidiResponse;
    ConnectMidi: ConnectMidiRequest => ConnectMidiResponse;
    DisconnectMidi: DisconnectMidiRequest => DisconnectMidiResponse;
    SetDeviceInput: SetDeviceInputRequest => SetDeviceInputResponse;
    WriteDeviceInput: WriteDeviceInputRequest => WriteDeviceInputResponse;
    ListAudioDevices: ListAudioDevicesRequest => ListAudioDevicesResponse;
    ListMidiPorts: ListMidiPortsRequest => ListMidiPortsResponse;
    OpenMidiIn: OpenMidiInRequest => OpenMidiInResponse;
    SetDeviceMix: SetDeviceMixRequest => SetDeviceMixResponse;
    GetNumerics: GetNumericsRequest => GetNumericsResponse, parks;
}
