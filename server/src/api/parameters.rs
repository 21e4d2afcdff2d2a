//! `ParameterService`.

use super::worker_service;

worker_service! {
    plugpen_proto::v1::parameter_service_server::ParameterService {
        list_parameters: ListParametersRequest => ListParametersResponse,
        get_parameter: GetParameterRequest => GetParameterResponse,
        set_parameter: SetParameterRequest => SetParameterResponse,
        get_parameters: GetParametersRequest => GetParametersResponse,
        set_parameters: SetParametersRequest => SetParametersResponse,
        parameter_to_text: ParameterToTextRequest => ParameterToTextResponse,
        parameter_from_text: ParameterFromTextRequest => ParameterFromTextResponse,
        begin_parameter_gesture: BeginParameterGestureRequest => BeginParameterGestureResponse,
        end_parameter_gesture: EndParameterGestureRequest => EndParameterGestureResponse,
        list_note_expressions: ListNoteExpressionsRequest => ListNoteExpressionsResponse,
    }
}
