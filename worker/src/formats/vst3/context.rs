//! The process context: where in the song a call is.

use plugpen_proto::v1::Transport;
use vst3::ComPtr;
use vst3::Steinberg::Vst::IProcessContextRequirements_::Flags_ as need;
use vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags_ as flag;
use vst3::Steinberg::Vst::{
    Chord, FrameRate, IProcessContextRequirements, IProcessContextRequirementsTrait, ProcessContext,
};

use crate::formats::fpu;

/// MIDI clocks of a quarter note.
const CLOCKS: f64 = 24.0;
/// Frames of a second in time codes, and the subframes of each.
const CODE_RATE: u32 = 25;
const SUBFRAMES: f64 = 80.0;

/// What a plugin wants to know, and how far it has played.
#[derive(Debug)]
pub struct Context {
    rate: f64,
    needs: u32,
    /// Frames since the plugin was loaded.
    played: i64,
}

impl Context {
    /// Asks the plugin what it needs; everything where it does not say.
    pub fn new(rate: f64, requirements: Option<ComPtr<IProcessContextRequirements>>) -> Self {
        let needs = match requirements {
            Some(requirements) => {
                // SAFETY: no arguments.
                fpu::guarded(|| unsafe { requirements.getProcessContextRequirements() })
            }
            None => u32::MAX,
        };
        Self {
            rate,
            needs,
            played: 0,
        }
    }

    /// Counts the frames of a block that is done.
    pub fn advance(&mut self, frames: u32) {
        self.played = self.played.saturating_add(i64::from(frames));
    }

    /// The song's position at a frame, in quarter notes.
    pub fn beats(&self, transport: Option<&Transport>, frame: u32) -> f64 {
        transport.map_or(0.0, |at| {
            let moved = if at.is_playing { f64::from(frame) } else { 0.0 };
            at.position_beats + moved * at.bpm / 60.0 / self.rate
        })
    }

    /// The context of a call that begins at a frame of its block.
    pub fn at(&self, transport: Option<&Transport>, frame: u32) -> ProcessContext {
        let mut context = self.stopped(frame);
        if let Some(transport) = transport {
            self.play(&mut context, transport, frame);
        }
        context
    }

    fn needs(&self, what: u32) -> bool {
        self.needs & what != 0
    }

    fn stopped(&self, frame: u32) -> ProcessContext {
        let continuous = self.played.saturating_add(i64::from(frame));
        let mut context = ProcessContext {
            state: 0,
            sampleRate: self.rate,
            projectTimeSamples: 0,
            systemTime: 0,
            continousTimeSamples: continuous,
            projectTimeMusic: 0.0,
            barPositionMusic: 0.0,
            cycleStartMusic: 0.0,
            cycleEndMusic: 0.0,
            tempo: 120.0,
            timeSigNumerator: 4,
            timeSigDenominator: 4,
            chord: Chord {
                keyNote: 0,
                rootNote: 0,
                chordMask: 0,
            },
            smpteOffsetSubframes: 0,
            frameRate: FrameRate {
                framesPerSecond: CODE_RATE,
                flags: 0,
            },
            samplesToNextClock: 0,
        };
        if self.needs(need::kNeedContinousTimeSamples) {
            context.state |= flag::kContTimeValid;
        }
        if self.needs(need::kNeedSystemTime) {
            // Nanoseconds of audio instead of a clock: the same on every run.
            let seconds = wide(continuous) / self.rate;
            context.systemTime = whole(seconds * 1e9);
            context.state |= flag::kSystemTimeValid;
        }
        context
    }

    fn play(&self, context: &mut ProcessContext, transport: &Transport, frame: u32) {
        let moved = if transport.is_playing { frame } else { 0 };
        let beats = self.beats(Some(transport), frame);
        let samples = transport.position_samples.saturating_add(i64::from(moved));
        let beats_a_frame = transport.bpm / 60.0 / self.rate;
        context.projectTimeSamples = samples;
        context.projectTimeMusic = beats;
        context.tempo = transport.bpm;
        let signature = (
            i32::try_from(transport.time_sig_num).unwrap_or(0),
            i32::try_from(transport.time_sig_denom).unwrap_or(0),
        );
        if signature.0 > 0 && signature.1 > 0 {
            (context.timeSigNumerator, context.timeSigDenominator) = signature;
            let bar = 4.0 * f64::from(signature.0) / f64::from(signature.1);
            context.barPositionMusic = (beats / bar).floor() * bar;
            self.mark(context, need::kNeedTimeSignature, flag::kTimeSigValid);
            self.mark(
                context,
                need::kNeedBarPositionMusic,
                flag::kBarPositionValid,
            );
        }
        context.cycleStartMusic = wide(transport.loop_start) * beats_a_frame;
        context.cycleEndMusic = wide(transport.loop_end) * beats_a_frame;
        if transport.loop_end > transport.loop_start {
            self.mark(context, need::kNeedCycleMusic, flag::kCycleValid);
        }
        let clock = (beats * CLOCKS).ceil() / CLOCKS;
        let to_clock = whole(((clock - beats) / beats_a_frame).round());
        context.samplesToNextClock = i32::try_from(to_clock).unwrap_or(0);
        let code = wide(samples) / self.rate * f64::from(CODE_RATE) * SUBFRAMES;
        context.smpteOffsetSubframes = i32::try_from(whole(code.floor())).unwrap_or(0);
        self.mark(
            context,
            need::kNeedProjectTimeMusic,
            flag::kProjectTimeMusicValid,
        );
        self.mark(context, need::kNeedTempo, flag::kTempoValid);
        self.mark(context, need::kNeedSamplesToNextClock, flag::kClockValid);
        self.mark(context, need::kNeedFrameRate, flag::kSmpteValid);
        if self.needs(need::kNeedTransportState) {
            for (is, flag) in [
                (transport.is_playing, flag::kPlaying),
                (transport.is_recording, flag::kRecording),
                (transport.is_looping, flag::kCycleActive),
            ] {
                context.state |= if is { flag } else { 0 };
            }
        }
    }

    fn mark(&self, context: &mut ProcessContext, need: u32, flag: u32) {
        if self.needs(need) {
            context.state |= flag;
        }
    }
}

fn wide(samples: i64) -> f64 {
    #[allow(
        clippy::cast_precision_loss,
        reason = "exact for 190 years of audio, and near enough after that"
    )]
    let wide = samples as f64;
    wide
}

fn whole(value: f64) -> i64 {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "float to integer saturates"
    )]
    let whole = value as i64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transport() -> Transport {
        Transport {
            bpm: 120.0,
            time_sig_num: 3,
            time_sig_denom: 4,
            position_samples: 240_000,
            position_beats: 10.0,
            is_playing: true,
            is_recording: false,
            is_looping: true,
            loop_start: 24_000,
            loop_end: 48_000,
        }
    }

    fn context(needs: u32) -> Context {
        Context {
            rate: 48_000.0,
            needs,
            played: 100,
        }
    }

    #[test]
    fn everything_is_said_where_everything_is_needed() {
        let at = context(u32::MAX).at(Some(&transport()), 24_000);
        assert_eq!(
            (at.projectTimeSamples, at.continousTimeSamples),
            (264_000, 24_100)
        );
        assert_eq!((at.projectTimeMusic, at.barPositionMusic), (11.0, 9.0));
        assert_eq!((at.cycleStartMusic, at.cycleEndMusic), (1.0, 2.0));
        assert_eq!(
            (at.timeSigNumerator, at.timeSigDenominator, at.tempo),
            (3, 4, 120.0)
        );
        assert_eq!(at.smpteOffsetSubframes, 11_000);
        assert_eq!(at.samplesToNextClock, 0);
        let valid = flag::kPlaying
            | flag::kCycleActive
            | flag::kTempoValid
            | flag::kTimeSigValid
            | flag::kBarPositionValid
            | flag::kProjectTimeMusicValid
            | flag::kCycleValid
            | flag::kContTimeValid
            | flag::kSystemTimeValid
            | flag::kClockValid
            | flag::kSmpteValid;
        assert_eq!(at.state, valid);
    }

    #[test]
    fn only_what_is_needed_is_valid() {
        let at = context(need::kNeedTempo).at(Some(&transport()), 0);
        assert_eq!(at.state, flag::kTempoValid);
        assert_eq!(context(0).at(None, 0).state, 0);
        let stopped = Transport {
            is_playing: false,
            time_sig_denom: 0,
            ..transport()
        };
        let at = context(u32::MAX).at(Some(&stopped), 500);
        assert_eq!(
            (at.projectTimeSamples, at.projectTimeMusic),
            (240_000, 10.0)
        );
        assert_eq!(at.timeSigDenominator, 4);
        assert_eq!(at.state & (flag::kTimeSigValid | flag::kPlaying), 0);
    }
}
