//! Counts what is wrong with the numbers that a plugin gives.

use plugpen_proto::v1::{GetNumericsResponse, NumericsFound, OutputNumerics};

use super::Samples;

/// The counts of a plugin's outputs.
#[derive(Debug)]
pub struct Numerics {
    outputs: Vec<Output>,
}

#[derive(Debug, Clone, Default)]
struct Output {
    counts: OutputNumerics,
    /// Of the finite samples.
    sum: f64,
    told: NumericsFound,
}

impl Numerics {
    /// For so many outputs.
    pub fn new(outputs: usize) -> Self {
        Self {
            outputs: vec![Output::default(); outputs],
        }
    }

    /// Counts a block's outputs. Returns whether something is to be told (see
    /// [`Numerics::found`]). Allocates nothing.
    pub fn count(&mut self, samples: Samples<'_>, frames: usize) -> bool {
        let mut news = false;
        for (channel, output) in self.outputs.iter_mut().enumerate() {
            match samples {
                Samples::Single(planes) => {
                    planes.each_output(channel, frames, |sample| {
                        output.add(f64::from(sample), sample.is_subnormal());
                    });
                }
                Samples::Double(planes) => {
                    planes.each_output(channel, frames, |sample| {
                        output.add(sample, sample.is_subnormal());
                    });
                }
            }
            news |= output.is_news();
        }
        news
    }

    /// What was found for the first time since this was last asked.
    pub fn found(&mut self) -> impl Iterator<Item = NumericsFound> {
        self.outputs.iter_mut().zip(0..).filter_map(|(output, at)| {
            output.is_news().then(|| {
                output.told = NumericsFound {
                    output: at,
                    ..output.found()
                };
                output.told
            })
        })
    }

    /// The counts.
    pub fn counts(&self) -> GetNumericsResponse {
        let outputs = self.outputs.iter().map(Output::counts);
        GetNumericsResponse {
            outputs: outputs.collect(),
        }
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.outputs.fill(Output::default());
    }
}

impl Output {
    /// `is_denormal` by the sample's own bits: the audio thread computes with denormals as zeros.
    fn add(&mut self, sample: f64, is_denormal: bool) {
        let counts = &mut self.counts;
        counts.samples += 1;
        if sample.is_nan() {
            counts.nan += 1;
            return;
        }
        if sample.is_infinite() {
            counts.infinite += 1;
            return;
        }
        self.sum += sample;
        let size = sample.abs();
        counts.peak = counts.peak.max(size);
        if is_denormal {
            counts.denormal += 1;
        } else if size == 0.0 {
            counts.silent += 1;
        } else if size > 1.0 {
            counts.clipped += 1;
        }
    }

    fn counts(&self) -> OutputNumerics {
        let finite = self.counts.samples - self.counts.nan - self.counts.infinite;
        #[allow(
            clippy::cast_precision_loss,
            reason = "a mean over more than 2^53 samples may be a little off"
        )]
        let finite = finite as f64;
        OutputNumerics {
            dc: if finite > 0.0 { self.sum / finite } else { 0.0 },
            ..self.counts
        }
    }

    fn found(&self) -> NumericsFound {
        NumericsFound {
            output: 0,
            nan: self.counts.nan > 0,
            infinite: self.counts.infinite > 0,
        }
    }

    fn is_news(&self) -> bool {
        let found = self.found();
        (found.nan, found.infinite) != (self.told.nan, self.told.infinite)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Planes;
    use super::*;
    use crate::formats::fpu;

    fn counted(numerics: &mut Numerics, samples: &[f32]) -> bool {
        let frames = samples.len();
        let mut outputs = [samples.to_vec()];
        let planes = Planes::of(&[], &mut outputs);
        numerics.count(Samples::Single(&planes), frames)
    }

    #[test]
    fn every_kind_of_sample_is_counted_where_it_belongs() {
        fpu::guarded(|| {
            fpu::flush_denormals();
            let mut numerics = Numerics::new(1);
            let denormal = f32::from_bits(1);
            let samples = [
                f32::NAN,
                f32::NEG_INFINITY,
                denormal,
                -0.0,
                1.5,
                -1.0,
                0.5,
                f32::INFINITY,
            ];
            assert!(counted(&mut numerics, &samples));
            let counts = numerics.counts().outputs[0];
            assert_eq!(
                counts,
                OutputNumerics {
                    samples: 8,
                    nan: 1,
                    infinite: 2,
                    denormal: 1,
                    clipped: 1,
                    silent: 1,
                    peak: 1.5,
                    dc: counts.dc,
                }
            );
            assert!((counts.dc - 0.2).abs() < 1e-9, "{counts:?}");
        });
    }

    #[test]
    fn what_was_found_is_told_once() {
        let mut numerics = Numerics::new(1);
        assert!(!counted(&mut numerics, &[0.5]));
        assert!(counted(&mut numerics, &[f32::NAN]));
        assert!(numerics.found().next().unwrap().nan);
        assert!(!counted(&mut numerics, &[f32::NAN]));
        assert!(counted(&mut numerics, &[f32::INFINITY]));
        assert!(numerics.found().all(|found| found.infinite && found.nan));
        numerics.reset();
        assert_eq!(numerics.counts().outputs[0], OutputNumerics::default());
        assert!(counted(&mut numerics, &[f32::NAN]));
    }
}
