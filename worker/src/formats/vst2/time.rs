//! Playhead and tempo, as the plugin asks for them.

use std::sync::atomic::{AtomicBool, Ordering};

use plugpen_proto::v1::Transport;

use super::abi::{TimeInfo, time};
use crate::transport::{SharedTransport, TransportReader};

/// Ticks of a MIDI clock in a quarter note.
const CLOCKS: f64 = 24.0;

/// What a plugin without a transport is told: nothing valid, but nothing to divide by zero with.
const STOPPED: TimeInfo = TimeInfo {
    sample_pos: 0.0,
    sample_rate: 0.0,
    nano_seconds: 0.0,
    ppq_pos: 0.0,
    tempo: 120.0,
    bar_start_pos: 0.0,
    cycle_start_pos: 0.0,
    cycle_end_pos: 0.0,
    time_sig_numerator: 4,
    time_sig_denominator: 4,
    smpte_offset: 0,
    smpte_frame_rate: 0,
    samples_to_next_clock: 0,
    flags: 0,
};

/// The time as of the piece of a block that plays. Written by the audio thread, read by any.
#[derive(Debug, Default)]
pub struct Clock {
    transport: SharedTransport,
    changed: AtomicBool,
}

impl Clock {
    /// The audio thread begins a piece with this transport; `changed` where it is not the going
    /// on of the piece before.
    pub fn set(&self, transport: Option<Transport>, changed: bool) {
        self.changed.store(changed, Ordering::Relaxed);
        self.transport.set(transport);
    }

    /// What the plugin is told.
    pub fn info(&self, sample_rate: f64) -> TimeInfo {
        let transport = TransportReader::default().read(&self.transport);
        info(
            transport.as_ref(),
            self.changed.load(Ordering::Relaxed),
            sample_rate,
        )
    }
}

/// The transport `frames` later.
pub fn advanced(transport: &Transport, frames: u32, sample_rate: f64) -> Transport {
    if !transport.is_playing {
        return *transport;
    }
    let frames = i64::from(frames);
    Transport {
        position_samples: transport.position_samples.saturating_add(frames),
        position_beats: transport.position_beats
            + real(frames) / sample_rate * transport.bpm / 60.0,
        ..*transport
    }
}

fn info(transport: Option<&Transport>, changed: bool, sample_rate: f64) -> TimeInfo {
    let Some(t) = transport else {
        return TimeInfo {
            sample_rate,
            ..STOPPED
        };
    };
    let quarters = |samples: i64| real(samples) / sample_rate * t.bpm / 60.0;
    let numerator = i32::try_from(t.time_sig_num).unwrap_or(4).clamp(1, 4096);
    let denominator = i32::try_from(t.time_sig_denom).unwrap_or(4).clamp(1, 4096);
    let bar = f64::from(numerator) * 4.0 / f64::from(denominator);
    let clock = (t.position_beats * CLOCKS).ceil() / CLOCKS - t.position_beats;
    let flag = |on: bool, flag: i32| if on { flag } else { 0 };
    TimeInfo {
        sample_pos: real(t.position_samples),
        sample_rate,
        ppq_pos: t.position_beats,
        tempo: t.bpm,
        bar_start_pos: (t.position_beats / bar).floor() * bar,
        cycle_start_pos: quarters(t.loop_start),
        cycle_end_pos: quarters(t.loop_end),
        time_sig_numerator: numerator,
        time_sig_denominator: denominator,
        samples_to_next_clock: whole(clock * 60.0 / t.bpm * sample_rate),
        flags: time::PPQ_VALID
            | time::TEMPO_VALID
            | time::BARS_VALID
            | time::TIME_SIG_VALID
            | time::CLOCK_VALID
            | flag(changed, time::CHANGED)
            | flag(t.is_playing, time::PLAYING)
            | flag(t.is_recording, time::RECORDING)
            | flag(t.is_looping, time::CYCLE_ACTIVE | time::CYCLE_VALID),
        ..STOPPED
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "positions beyond 2^53 frames are not met"
)]
fn real(samples: i64) -> f64 {
    samples as f64
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "float to integer saturates, which is what is wanted"
)]
fn whole(value: f64) -> i32 {
    value.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transport() -> Transport {
        Transport {
            bpm: 120.0,
            time_sig_num: 3,
            time_sig_denom: 4,
            position_samples: 96_000,
            position_beats: 4.0,
            is_playing: true,
            is_recording: false,
            is_looping: true,
            loop_start: 24_000,
            loop_end: 48_000,
        }
    }

    #[test]
    fn a_plugin_is_told_the_whole_transport() {
        let clock = Clock::default();
        clock.set(Some(transport()), true);
        let info = clock.info(48_000.0);
        assert_eq!((info.sample_pos, info.ppq_pos), (96_000.0, 4.0));
        assert_eq!((info.bar_start_pos, info.tempo), (3.0, 120.0));
        assert_eq!((info.cycle_start_pos, info.cycle_end_pos), (1.0, 2.0));
        assert_eq!(info.samples_to_next_clock, 0);
        assert_eq!(
            info.flags,
            time::CHANGED
                | time::PLAYING
                | time::CYCLE_ACTIVE
                | time::CYCLE_VALID
                | time::PPQ_VALID
                | time::TEMPO_VALID
                | time::BARS_VALID
                | time::TIME_SIG_VALID
                | time::CLOCK_VALID
        );
    }

    #[test]
    fn without_a_transport_nothing_is_valid_and_nothing_is_zero_that_divides() {
        let info = Clock::default().info(44_100.0);
        assert_eq!(
            (info.flags, info.tempo, info.sample_rate),
            (0, 120.0, 44_100.0)
        );
    }

    #[test]
    fn the_playhead_moves_while_it_plays() {
        let later = advanced(&transport(), 12_000, 48_000.0);
        assert_eq!(
            (later.position_samples, later.position_beats),
            (108_000, 4.5)
        );
        let still = Transport {
            is_playing: false,
            ..transport()
        };
        assert_eq!(advanced(&still, 12_000, 48_000.0), still);
    }
}
