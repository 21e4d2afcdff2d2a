//! From what was noted to messages.

use plugpen_proto::v1::{
    HostCallback, LogLine, LogSource, Lost, ParameterChanged, ParameterGesture, ProcessorChanged,
};
use plugpen_proto::worker::event::Event as Body;
use plugpen_proto::worker::{Event, FromWorker, from_worker};

use crate::formats::{Controller, HostCall, Noted, vst2};

/// A gesture, as the daemon tells it on.
pub fn gesture(index: u32, is_begin: bool) -> Body {
    Body::ParameterGesture(ParameterGesture { index, is_begin })
}

/// The events that tell what was noted, values as they are now.
pub fn told(noted: Noted, controller: &dyn Controller) -> impl Iterator<Item = Body> {
    let changes = noted.latency || noted.program || noted.state || noted.parameter_info;
    let processor = changes.then(|| {
        Body::ProcessorChanged(ProcessorChanged {
            latency: noted.latency,
            parameter_info: noted.parameter_info,
            program: noted.program,
            non_parameter_state: noted.state,
            latency_samples: controller.latency_samples(),
        })
    });
    let lines = noted.lines.into_iter().map(|text| {
        Body::LogLine(LogLine {
            source: LogSource::Plugin.into(),
            text,
        })
    });
    let parameters: Vec<_> = noted
        .parameters
        .into_iter()
        .filter_map(|(index, by_host)| {
            let value = controller.get_parameter(index).ok()?;
            Some(Body::ParameterChanged(ParameterChanged {
                index,
                value,
                by_host,
            }))
        })
        .collect();
    let lost = (noted.lost > 0).then_some(Body::Lost(Lost { count: noted.lost }));
    // A gesture's values come between its ends.
    let begun = noted.begun.into_iter().map(|index| gesture(index, true));
    let ended = noted.ended.into_iter().map(|index| gesture(index, false));
    let numerics = noted.numerics.into_iter().map(Body::NumericsFound);
    let calls = noted.host_calls.into_iter().map(host_callback);
    lines
        .chain(calls)
        .chain(numerics)
        .chain(processor)
        .chain(begun)
        .chain(parameters)
        .chain(ended)
        .chain(lost)
}

fn host_callback((call, count): (HostCall, u32)) -> Body {
    let end = call.text.iter().position(|byte| *byte == 0);
    let text = &call.text[..end.unwrap_or(call.text.len())];
    Body::HostCallback(HostCallback {
        opcode: call.opcode,
        name: vst2::host_call_name(call.opcode).into(),
        index: call.index,
        value: call.value,
        opt: call.opt,
        text: String::from_utf8_lossy(text).into_owned(),
        result: call.result,
        count,
    })
}

/// An event in the worker's envelope.
pub fn envelope(event: Body) -> FromWorker {
    FromWorker {
        id: 0,
        body: Some(from_worker::Body::Event(Event { event: Some(event) })),
    }
}
