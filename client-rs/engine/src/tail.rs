//! How long to go on after the last event.

use plugpen_proto::Error;

/// Tail of a processor that reports none, or one that is hardly meant, in seconds.
const FALLBACK_SECONDS: f64 = 2.0;
/// Longest reported tail that is believed, in seconds.
const LONGEST_REPORTED: f64 = 30.0;
/// Blocks in a row that must be quiet for a tail to have ended.
const QUIET_BLOCKS: u32 = 4;

/// What to render after the last event.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Tail {
    /// What the processor reports; 2 seconds if that is nothing or more than 30.
    #[default]
    Reported,
    /// Until four blocks in a row are quiet.
    Auto,
    /// Exactly that many seconds.
    Seconds(f64),
}

impl Tail {
    /// Seconds to render at most. `reported` is the processor's tail, `longest` the bound of
    /// [`Tail::Auto`].
    ///
    /// # Errors
    /// `InvalidInput` if either number of seconds is negative or not finite.
    pub fn seconds(self, reported: f64, longest: f64) -> Result<f64, Error> {
        match self {
            Self::Reported if reported > 0.0 && reported <= LONGEST_REPORTED => Ok(reported),
            Self::Reported => Ok(FALLBACK_SECONDS),
            Self::Auto => seconds("max_tail_seconds", longest),
            Self::Seconds(exact) => seconds("tail_seconds", exact),
        }
    }
}

fn seconds(what: &str, value: f64) -> Result<f64, Error> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(Error::invalid(format!(
        "{what} must be >= 0 and finite, got {value}"
    )))
}

/// Listens for the end of an automatic tail.
#[derive(Debug, Clone)]
pub(crate) struct SilenceWatch {
    threshold: f32,
    /// Frames after which it listens.
    from: u64,
    quiet: u32,
}

impl SilenceWatch {
    /// A watch for peaks below `threshold` in blocks that end after `from` frames.
    pub fn new(threshold: f64, from: u64) -> Result<Self, Error> {
        if threshold.is_nan() || threshold < 0.0 {
            return Err(Error::invalid(format!(
                "tail_threshold must be >= 0, got {threshold}"
            )));
        }
        #[allow(
            clippy::cast_possible_truncation,
            reason = "samples have single precision"
        )]
        let threshold = threshold as f32;
        Ok(Self {
            threshold,
            from,
            quiet: 0,
        })
    }

    /// Takes note of a block that ends at frame `end`; whether the tail is over with it. Samples
    /// that are no numbers are not quiet.
    pub fn ends<'a>(&mut self, end: u64, mut planes: impl Iterator<Item = &'a [f32]>) -> bool {
        if end <= self.from {
            return false;
        }
        let quiet = planes.all(|plane| plane.iter().all(|sample| sample.abs() < self.threshold));
        self.quiet = if quiet { self.quiet + 1 } else { 0 };
        self.quiet >= QUIET_BLOCKS
    }

    pub fn reset(&mut self) {
        self.quiet = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reported_tails_are_believed_up_to_30_seconds() {
        for (reported, expected) in [
            (0.0, 2.0),
            (-1.0, 2.0),
            (0.5, 0.5),
            (30.0, 30.0),
            (30.1, 2.0),
            (f64::INFINITY, 2.0),
            (f64::NAN, 2.0),
        ] {
            assert_eq!(Tail::Reported.seconds(reported, 9.0).unwrap(), expected);
        }
        assert_eq!(Tail::Auto.seconds(1.0, 9.0).unwrap(), 9.0);
        assert_eq!(Tail::Seconds(0.0).seconds(1.0, 9.0).unwrap(), 0.0);
    }

    #[test]
    fn nonsense_is_refused_with_the_range() {
        let error = Tail::Seconds(-1.0).seconds(1.0, 9.0).unwrap_err();
        assert_eq!(
            error.message,
            "tail_seconds must be >= 0 and finite, got -1"
        );
        assert!(Tail::Auto.seconds(1.0, f64::INFINITY).is_err());
        assert!(SilenceWatch::new(f64::NAN, 0).is_err());
    }

    #[test]
    fn four_quiet_blocks_in_a_row_end_a_tail() {
        let mut watch = SilenceWatch::new(0.1, 100).unwrap();
        let mut hear = |end, sample: f32| watch.ends(end, [&[sample][..]].into_iter());
        let heard: Vec<_> = [
            (50, 0.0),
            (100, 0.0),
            (101, 0.0),
            (150, -0.05),
            (200, 0.1),
            (250, 0.0),
            (300, 0.0),
            (350, f32::NAN),
            (400, 0.0),
            (450, 0.0),
            (500, 0.0),
            (550, 0.0),
        ]
        .into_iter()
        .filter(|(end, sample)| hear(*end, *sample))
        .map(|(end, _)| end)
        .collect();
        assert_eq!(heard, [550]);
    }
}
