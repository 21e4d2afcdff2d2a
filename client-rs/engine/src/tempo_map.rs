//! From ticks to seconds, quarter notes, bars and back.

use plugpen_proto::v1::Transport;

use crate::midi_file::{Division, EventKind, TIME_SIGNATURE};

/// Microseconds a quarter note where nothing is said: 120 bpm.
const DEFAULT_TEMPO: u32 = 500_000;
/// The longest note a time signature counts in, as a power of two: 1/128.
const MAX_DENOMINATOR_POWER: u8 = 7;

/// What a moment at a bar line may fall short of it by, in ticks, for having been counted in
/// seconds.
const ROUNDING: f64 = 1e-6;

/// A tempo and where it begins.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tempo {
    tick: i64,
    seconds: f64,
    /// Seconds a quarter note.
    quarter: f64,
}

/// A time signature and where it begins.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Signature {
    tick: i64,
    /// The bar that begins here, from 0.
    bar: f64,
    numerator: u32,
    denominator: u32,
}

/// Where in its bar a moment is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarPosition {
    /// The bar, from 0.
    pub bar: i64,
    /// Beats since the bar began, from 0, counted in the signature's note.
    pub beat: f64,
    /// Beats in this bar.
    pub numerator: u32,
    /// The note that is one beat: 4 for a quarter note.
    pub denominator: u32,
}

/// The tempos and time signatures of a song.
///
/// Before the first tempo it is 120 bpm, before the first time signature 4/4. A tempo of no time
/// at all is ignored, as is a signature of no beats. Where SMPTE time rules, tempos do not.
#[derive(Debug, Clone, PartialEq)]
pub struct TempoMap {
    /// Ticks a quarter note, above 0.
    resolution: f64,
    /// At least one, the first at tick 0, ticks increasing.
    tempos: Vec<Tempo>,
    /// At least one, the first at tick 0, ticks increasing.
    signatures: Vec<Signature>,
}

impl TempoMap {
    /// The map of events at their ticks, in any order; of several at one tick the last counts.
    pub fn new<'a>(division: Division, events: impl Iterator<Item = (i64, &'a EventKind)>) -> Self {
        let mut tempos = Vec::new();
        let mut signatures = Vec::new();
        for (tick, kind) in events {
            match kind {
                EventKind::Tempo { us_per_quarter: 0 } => {}
                EventKind::Tempo { us_per_quarter } => tempos.push((tick, *us_per_quarter)),
                EventKind::Meta { kind, data } if *kind == TIME_SIGNATURE => {
                    if let [numerator @ 1..=255, power @ 0..=MAX_DENOMINATOR_POWER, ..] = data[..] {
                        signatures.push((tick, (u32::from(numerator), 1 << power)));
                    }
                }
                _ => {}
            }
        }
        let resolution = match division {
            Division::TicksPerQuarter(ticks) => f64::from(ticks.max(1)),
            Division::Timecode {
                fps,
                ticks_per_frame,
            } => {
                tempos.clear();
                let frames = if fps == 29 {
                    30.0 / 1.001
                } else {
                    f64::from(fps.max(1))
                };
                // At 120 bpm a quarter note is half a second.
                frames * f64::from(ticks_per_frame.max(1)) * 0.5
            }
        };
        Self::build(
            resolution,
            &in_order(tempos, DEFAULT_TEMPO),
            &in_order(signatures, (4, 4)),
        )
    }

    /// One tempo and one time signature throughout; `bpm` finite and above 0.
    pub fn constant(bpm: f64, numerator: u32, denominator: u32) -> Self {
        let mut map = Self::build(
            960.0,
            &[(0, DEFAULT_TEMPO)],
            &[(0, (numerator, denominator))],
        );
        if bpm.is_finite() && bpm > 0.0 {
            map.tempos[0].quarter = 60.0 / bpm;
        }
        map
    }

    fn build(resolution: f64, tempos: &[(i64, u32)], signatures: &[(i64, (u32, u32))]) -> Self {
        let mut map = Self {
            resolution,
            tempos: Vec::with_capacity(tempos.len()),
            signatures: Vec::with_capacity(signatures.len()),
        };
        for &(tick, us) in tempos {
            let seconds = match map.tempos.last() {
                Some(last) => map.seconds_within(last, tick),
                None => 0.0,
            };
            map.tempos.push(Tempo {
                tick,
                seconds,
                quarter: f64::from(us) / 1_000_000.0,
            });
        }
        for &(tick, (numerator, denominator)) in signatures {
            // A signature begins a bar, also in the middle of one.
            let bar = map.signatures.last().map_or(0.0, |last| {
                let bars = map.beats_within(last, float(tick)) / f64::from(last.numerator);
                last.bar + (bars - ROUNDING).ceil()
            });
            map.signatures.push(Signature {
                tick,
                bar,
                numerator: numerator.max(1),
                denominator: denominator.max(1),
            });
        }
        map
    }

    fn seconds_within(&self, tempo: &Tempo, tick: i64) -> f64 {
        tempo.seconds + float(tick - tempo.tick) / self.resolution * tempo.quarter
    }

    /// Beats from a signature to a tick at or after it.
    fn beats_within(&self, signature: &Signature, tick: f64) -> f64 {
        let quarters = (tick - float(signature.tick)) / self.resolution;
        quarters * f64::from(signature.denominator) / 4.0
    }

    /// Seconds from the start to a tick.
    pub fn tick_to_seconds(&self, tick: i64) -> f64 {
        let after = self.tempos.partition_point(|tempo| tempo.tick <= tick);
        self.seconds_within(&self.tempos[after.saturating_sub(1)], tick)
    }

    fn tempo_at(&self, seconds: f64) -> &Tempo {
        let after = self
            .tempos
            .partition_point(|tempo| tempo.seconds <= seconds);
        &self.tempos[after.saturating_sub(1)]
    }

    /// The tick, with its fraction, that is sounding at a time in seconds.
    pub fn seconds_to_tick(&self, seconds: f64) -> f64 {
        let tempo = self.tempo_at(seconds);
        float(tempo.tick) + (seconds - tempo.seconds) / tempo.quarter * self.resolution
    }

    /// Quarter notes from the start to a time in seconds.
    pub fn quarters_at(&self, seconds: f64) -> f64 {
        self.seconds_to_tick(seconds) / self.resolution
    }

    /// Quarter notes a minute at a time in seconds.
    pub fn bpm_at(&self, seconds: f64) -> f64 {
        60.0 / self.tempo_at(seconds).quarter
    }

    /// Bar and beat at a time in seconds.
    pub fn bar_at(&self, seconds: f64) -> BarPosition {
        let tick = self.seconds_to_tick(seconds) + ROUNDING;
        let after = self.signatures.partition_point(|s| float(s.tick) <= tick);
        let signature = &self.signatures[after.saturating_sub(1)];
        let beats = self.beats_within(signature, tick);
        let numerator = f64::from(signature.numerator);
        let bars = (beats / numerator).floor();
        BarPosition {
            bar: whole(signature.bar + bars),
            beat: beats - bars * numerator,
            numerator: signature.numerator,
            denominator: signature.denominator,
        }
    }

    /// The playhead of a block that begins at a sample, playing.
    pub fn transport_at(&self, sample: u64, sample_rate: f64) -> Transport {
        let position_samples = i64::try_from(sample).unwrap_or(i64::MAX);
        let seconds = float(position_samples) / sample_rate;
        let bar = self.bar_at(seconds);
        Transport {
            bpm: self.bpm_at(seconds),
            time_sig_num: bar.numerator,
            time_sig_denom: bar.denominator,
            position_samples,
            position_beats: self.quarters_at(seconds),
            is_playing: true,
            ..Transport::default()
        }
    }
}

/// Sorted, the last of each tick, begun at tick 0 with what holds before anything is said.
fn in_order<T: Copy>(mut changes: Vec<(i64, T)>, first: T) -> Vec<(i64, T)> {
    changes.sort_by_key(|(tick, _)| *tick);
    let mut ordered = vec![(0, first)];
    for (tick, change) in changes {
        match ordered.last_mut() {
            Some(last) if last.0 == tick => last.1 = change,
            _ => ordered.push((tick, change)),
        }
    }
    ordered
}

/// A tick or sample as a float: exact up to 2^53.
#[allow(
    clippy::cast_precision_loss,
    reason = "ticks and samples stay far below 2^53"
)]
fn float(number: i64) -> f64 {
    number as f64
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and no song has 2^63 bars"
)]
fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signature(numerator: u8, power: u8) -> EventKind {
        EventKind::meta(TIME_SIGNATURE, &[numerator, power, 24, 8])
    }

    fn tempo(us_per_quarter: u32) -> EventKind {
        EventKind::Tempo { us_per_quarter }
    }

    fn map(ticks: u16, events: &[(i64, EventKind)]) -> TempoMap {
        let events = events.iter().map(|(tick, kind)| (*tick, kind));
        TempoMap::new(Division::TicksPerQuarter(ticks), events)
    }

    #[test]
    fn without_a_tempo_it_is_120() {
        let map = map(96, &[]);
        assert_eq!(map.tick_to_seconds(96 * 101), 50.5);
        let transport = map.transport_at(48_000, 48_000.0);
        assert_eq!(transport.bpm, 120.0);
        assert_eq!(transport.position_beats, 2.0);
        assert_eq!((transport.time_sig_num, transport.time_sig_denom), (4, 4));
        assert!(transport.is_playing);
    }

    #[test]
    fn tempos_hold_from_their_tick() {
        let map = map(
            100,
            &[
                (200, tempo(250_000)),
                (100, tempo(1_000_000)),
                (150, tempo(0)),
            ],
        );
        let cases = [(0, 0.0), (100, 0.5), (150, 1.0), (200, 1.5), (300, 1.75)];
        for (tick, seconds) in cases {
            assert_eq!(map.tick_to_seconds(tick), seconds);
            assert_eq!(map.seconds_to_tick(seconds) * 100.0, float(tick) * 100.0);
        }
        assert_eq!(map.bpm_at(0.4), 120.0);
        assert_eq!(map.bpm_at(0.5), 60.0);
        assert_eq!(map.quarters_at(1.0), 1.5);
        assert_eq!(map.bpm_at(9.0), 240.0);
    }

    #[test]
    fn bars_follow_the_signatures() {
        // Two bars of 4/4, then 6/8.
        let map = map(
            10,
            &[(80, signature(6, 3)), (80 + 30 * 3 + 5, signature(3, 2))],
        );
        let at = |tick: i64| map.bar_at(map.tick_to_seconds(tick));
        assert_eq!(at(79).bar, 1);
        let position = at(80 + 35);
        assert_eq!(position.bar, 3);
        assert!((position.beat - 1.0).abs() < 1e-6);
        assert_eq!((position.numerator, position.denominator), (6, 8));
        // The broken bar counts as one.
        assert_eq!(at(80 + 30 * 3 + 5).bar, 6);
        assert!(at(80 + 30 * 3 + 5).beat < 1e-6);
    }

    #[test]
    fn smpte_time_knows_no_tempo() {
        let division = Division::Timecode {
            fps: 25,
            ticks_per_frame: 40,
        };
        let tempo = tempo(1);
        let map = TempoMap::new(division, [(0, &tempo)].into_iter());
        assert_eq!(map.tick_to_seconds(1500), 1.5);
        assert_eq!(map.bpm_at(0.0), 120.0);
    }

    #[test]
    fn nonsense_signatures_are_ignored() {
        let map = map(10, &[(0, signature(0, 2)), (0, signature(4, 31))]);
        assert_eq!(map.bar_at(0.0).numerator, 4);
    }

    proptest! {
        #[test]
        fn seconds_match_a_walk_over_every_tick(
            changes in prop::collection::vec((0_i64..400, 1_u32..=0xFF_FFFF), 0..8),
            ticks in 1_u16..960,
            tick in 0_i64..500,
        ) {
            let events: Vec<_> = changes.iter().map(|(t, us)| (*t, tempo(*us))).collect();
            let map = map(ticks, &events);
            let mut microseconds = 0_u64;
            let mut current = DEFAULT_TEMPO;
            for now in 0..tick {
                if let Some((_, us)) = changes.iter().rev().find(|(t, _)| *t == now) {
                    current = *us;
                }
                microseconds += u64::from(current);
            }
            #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
            let expected = microseconds as f64 / f64::from(ticks) / 1e6;
            let seconds = map.tick_to_seconds(tick);
            prop_assert!((seconds - expected).abs() <= expected * 1e-12);
            prop_assert!((map.seconds_to_tick(seconds) - float(tick)).abs() < 1e-6);
        }
    }
}
