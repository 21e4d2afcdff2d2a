//! `PlaybackService`.

use super::worker_service;

worker_service! {
    plugpen_proto::v1::playback_service_server::PlaybackService {
        set_transport: SetTransportRequest => SetTransportResponse,
        clear_transport: ClearTransportRequest => ClearTransportResponse,
        reset: ResetRequest => ResetResponse,
        set_bypass: SetBypassRequest => SetBypassResponse,
        set_non_realtime: SetNonRealtimeRequest => SetNonRealtimeResponse,
        set_precision: SetPrecisionRequest => SetPrecisionResponse,
        set_track_properties: SetTrackPropertiesRequest => SetTrackPropertiesResponse,
        get_timing: GetTimingRequest => GetTimingResponse,
        get_numerics: GetNumericsRequest => GetNumericsResponse,
    }
}
