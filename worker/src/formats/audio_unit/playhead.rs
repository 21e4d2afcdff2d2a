//! The host's playhead, as units ask for it.

use plugpen_proto::v1::Transport;

/// The transport so many frames later, while it plays.
pub fn advanced(transport: Transport, frames: u32, rate: f64) -> Transport {
    if !transport.is_playing || frames == 0 {
        return transport;
    }
    Transport {
        position_samples: transport.position_samples.saturating_add(frames.into()),
        position_beats: transport.position_beats + beats(&transport, f64::from(frames), rate),
        ..transport
    }
}

/// Quarter notes that so many frames last.
fn beats(transport: &Transport, frames: f64, rate: f64) -> f64 {
    frames / rate * transport.bpm / 60.0
}

/// Where in the bar the playhead is.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// Frames until the next quarter note.
    pub to_next_beat: u32,
    /// Beats a bar.
    pub numerator: f32,
    /// What a beat is.
    pub denominator: u32,
    /// Quarter note on which the bar began.
    pub bar: f64,
}

/// Where in the bar a transport is.
pub fn place(transport: &Transport, rate: f64) -> Place {
    let numerator = u16::try_from(transport.time_sig_num).unwrap_or(4).max(1);
    let denominator = transport.time_sig_denom.max(1);
    let per_bar = f64::from(numerator) * 4.0 / f64::from(denominator);
    let to_next = transport.position_beats.ceil() - transport.position_beats;
    let frames = (to_next * 60.0 / transport.bpm * rate).round();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 or above; float to integer saturates"
    )]
    let to_next_beat = frames as u32;
    Place {
        to_next_beat,
        numerator: numerator.into(),
        denominator,
        bar: (transport.position_beats / per_bar).floor() * per_bar,
    }
}

/// The loop's ends in quarter notes, at the tempo of the moment.
pub fn cycle(transport: &Transport, rate: f64) -> [f64; 2] {
    [transport.loop_start, transport.loop_end].map(|frame| {
        #[allow(
            clippy::cast_precision_loss,
            reason = "exact for 2^53 frames, 5,000 years"
        )]
        let frame = frame as f64;
        beats(transport, frame, rate)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_loops_are_counted_in_quarter_notes() {
        let transport = Transport {
            bpm: 120.0,
            time_sig_num: 6,
            time_sig_denom: 8,
            position_beats: 4.5,
            position_samples: 100,
            is_playing: true,
            loop_end: 48_000,
            ..Transport::default()
        };
        let expected = Place {
            to_next_beat: 12_000,
            numerator: 6.0,
            denominator: 8,
            bar: 3.0,
        };
        assert_eq!(place(&transport, 48_000.0), expected);
        assert_eq!(cycle(&transport, 48_000.0), [0.0, 2.0]);
        let later = advanced(transport, 24_000, 48_000.0);
        assert_eq!(
            (later.position_samples, later.position_beats),
            (24_100, 5.5)
        );
        let standing = Transport {
            is_playing: false,
            ..transport
        };
        assert_eq!(advanced(standing, 24_000, 48_000.0), standing);
    }
}
