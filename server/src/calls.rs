//! The calls that go straight to a plugin's worker: kind, and what is checked before.

use plugpen_proto::Error;
use plugpen_proto::calls::WorkerCall;
use plugpen_proto::limits::{MAX_CHANNELS, MAX_TEXT};
use plugpen_proto::v1::*;

use crate::config::Class;

/// A request for one plugin.
pub trait PluginCall: WorkerCall + Send + 'static {
    /// Decides the deadline.
    const CLASS: Class;
    /// Whose plugin.
    fn handle(&self) -> &str;
    /// Whether its values make sense.
    ///
    /// # Errors
    /// Names the value and what was expected.
    fn check(&self) -> Result<(), Error>;
}

macro_rules! plugin_calls {
    ($($request:ident: $class:ident $(, $check:expr)?;)*) => {
        $(impl PluginCall for $request {
            const CLASS: Class = Class::$class;
            fn handle(&self) -> &str {
                &self.handle
            }
            fn check(&self) -> Result<(), Error> {
                $(
                    let check: fn(&Self) -> Result<(), Error> = $check;
                    check(self)?;
                )?
                Ok(())
            }
        })*
    };
}

plugin_calls! {
    ListParametersRequest: Control;
    GetParameterRequest: Control;
    SetParameterRequest: Control, |r| finite("value", r.value);
    GetParametersRequest: Control;
    SetParametersRequest: Control, |r| r.values.iter().try_for_each(|v| finite("value", v.value));
    ParameterToTextRequest: Control, |r| finite("value", r.value);
    ParameterFromTextRequest: Control, |r| text("text", &r.text);
    BeginParameterGestureRequest: Control;
    EndParameterGestureRequest: Control;
    ListNoteExpressionsRequest: Control, note_channel;
    GetStateRequest: State;
    SetStateRequest: State;
    ListProgramsRequest: Control;
    SetProgramRequest: State;
    StageFileRequest: State, |r| text("name", &r.name);
    SetTransportRequest: Control, |r| transport(r.transport.as_ref());
    ClearTransportRequest: Control;
    ResetRequest: State;
    SetBypassRequest: State;
    SetNonRealtimeRequest: State;
    SetPrecisionRequest: State, precision;
    SetTrackPropertiesRequest: Control, |r| text("name", r.name.as_deref().unwrap_or_default());
    GetTimingRequest: Control;
    GetNumericsRequest: State;
    ListBusesRequest: Control;
    CheckBusesLayoutRequest: State;
}

fn finite(name: &str, value: f64) -> Result<(), Error> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{name} is {value}; it must be finite"
    )))
}

fn note_channel(request: &ListNoteExpressionsRequest) -> Result<(), Error> {
    if request.channel < 16 && request.bus < MAX_CHANNELS {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "channel must be in [0, 15] and bus in [0, {}], got {} and {}",
        MAX_CHANNELS - 1,
        request.channel,
        request.bus
    )))
}

/// Whether a text is short enough.
///
/// # Errors
/// It is not.
pub fn text(name: &str, value: &str) -> Result<(), Error> {
    if value.len() <= MAX_TEXT {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{name} has {} bytes; at most {MAX_TEXT} are possible",
        value.len()
    )))
}

fn transport(transport: Option<&Transport>) -> Result<(), Error> {
    let transport = transport.ok_or_else(|| {
        Error::invalid("transport is missing; use ClearTransport to go without one")
    })?;
    finite("position_beats", transport.position_beats)?;
    finite("bpm", transport.bpm)?;
    if transport.bpm <= 0.0 {
        return Err(Error::invalid(format!(
            "bpm is {}; it must be above 0",
            transport.bpm
        )));
    }
    Ok(())
}

fn precision(request: &SetPrecisionRequest) -> Result<(), Error> {
    match Precision::try_from(request.precision) {
        Ok(Precision::Single | Precision::Double) => Ok(()),
        _ => Err(Error::invalid(
            "precision must be PRECISION_SINGLE or PRECISION_DOUBLE",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_plugin_should_see_stops_here() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let request = SetParameterRequest {
                value,
                ..Default::default()
            };
            assert!(request.check().is_err());
        }
        let bpm = |bpm| SetTransportRequest {
            transport: Some(Transport {
                bpm,
                ..Default::default()
            }),
            ..Default::default()
        };
        assert!(bpm(120.0).check().is_ok());
        assert!(bpm(0.0).check().is_err());
        assert!(SetTransportRequest::default().check().is_err());
        assert!(SetPrecisionRequest::default().check().is_err());
        let request = ParameterFromTextRequest {
            text: "x".repeat(MAX_TEXT + 1),
            ..Default::default()
        };
        assert!(request.check().is_err());
    }
}
