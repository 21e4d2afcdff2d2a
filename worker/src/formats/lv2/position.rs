//! The transport as a `time:Position`.

use plugpen_proto::v1::Transport;

use super::atoms::Value;
use super::urids::Known;
use crate::formats::numbers::narrow;

/// The object's properties.
pub fn properties(transport: &Transport, known: &Known) -> [(u32, Value<'static>); 8] {
    let unit = transport.time_sig_denom.max(1);
    let per_bar = f64::from(transport.time_sig_num.max(1));
    // Beats of the time signature, of which `position_beats` counts quarters.
    let beat = transport.position_beats * f64::from(unit) / 4.0;
    let bar = (beat / per_bar).floor();
    #[allow(
        clippy::cast_possible_truncation,
        reason = "whole, and float to integer saturates"
    )]
    let bar_number = bar as i64;
    [
        (known.time_frame, Value::Long(transport.position_samples)),
        (
            known.time_speed,
            Value::Float(f32::from(u8::from(transport.is_playing))),
        ),
        (known.time_bar, Value::Long(bar_number)),
        (
            known.time_bar_beat,
            Value::Float(narrow(beat - bar * per_bar)),
        ),
        (known.time_beat, Value::Double(beat)),
        (
            known.time_beat_unit,
            Value::Int(i32::try_from(unit).unwrap_or(4)),
        ),
        (known.time_beats_per_bar, Value::Float(narrow(per_bar))),
        (
            known.time_beats_per_minute,
            Value::Float(narrow(transport.bpm)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::urids::Urids;
    use super::*;

    #[test]
    fn bars_and_beats_follow_the_signature() {
        let known = Known::new(&Urids::default());
        let transport = Transport {
            bpm: 90.0,
            time_sig_num: 6,
            time_sig_denom: 8,
            position_beats: 4.0,
            is_playing: true,
            ..Transport::default()
        };
        let found = properties(&transport, &known);
        assert!(found.contains(&(known.time_bar, Value::Long(1))));
        assert!(found.contains(&(known.time_bar_beat, Value::Float(2.0))));
        assert!(found.contains(&(known.time_beat, Value::Double(8.0))));
        assert!(found.contains(&(known.time_speed, Value::Float(1.0))));
    }
}
