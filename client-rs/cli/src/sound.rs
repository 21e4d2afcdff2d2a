//! How renders sound and are stored.

use plugpen::engine::FileOptions;
use plugpen::v1::Guard;
use plugpen::{BitDepth, RenderOptions, Tail};

/// What `process` and `render` have in common.
#[derive(Debug, Clone, clap::Args)]
pub struct Sound {
    /// What to render after the end: seconds, or auto (until it is quiet)
    #[arg(short, long, value_name = "SECONDS|auto", value_parser = tail)]
    pub tail: Option<Tail>,
    /// Bits a sample: 16, 24 or 32 (floating point)
    #[arg(long, value_name = "BITS", default_value = "24", value_parser = depth)]
    pub bit_depth: BitDepth,
    /// Bring the peak to this level, in dB of full scale (0 if none is given)
    #[arg(
        long,
        value_name = "DBFS",
        num_args = 0..=1,
        default_missing_value = "0",
        allow_negative_numbers = true
    )]
    pub normalize: Option<f64>,
    /// Let plugins use their best algorithms
    #[arg(long)]
    pub non_realtime: bool,
    /// End plugins that leave their audio buffers: behind them, or before
    #[arg(long, value_name = "end|begin", value_parser = guard)]
    pub guard: Option<Guard>,
    /// Overwrite files that are there
    #[arg(short = 'y', long)]
    pub overwrite: bool,
}

impl Sound {
    /// How the file is written.
    pub fn file_options(&self) -> FileOptions {
        FileOptions {
            depth: self.bit_depth,
            normalize: self.normalize,
            ..FileOptions::default()
        }
    }

    /// How it is rendered, in the largest blocks.
    pub fn render_options(&self, tail: Tail, block_size: u32) -> RenderOptions {
        RenderOptions {
            block_size: usize::try_from(block_size).unwrap_or(usize::MAX),
            tail,
            ..RenderOptions::default()
        }
    }
}

/// A number of bits.
///
/// # Errors
/// Another than 16, 24 and 32.
pub fn depth(text: &str) -> Result<BitDepth, String> {
    let bits = text.parse().map_err(|_| "expected 16, 24 or 32")?;
    BitDepth::from_bits(bits).map_err(|error| error.message)
}

fn guard(text: &str) -> Result<Guard, String> {
    match text {
        "end" => Ok(Guard::End),
        "begin" => Ok(Guard::Begin),
        _ => Err("expected end or begin".into()),
    }
}

fn tail(text: &str) -> Result<Tail, String> {
    match (text, text.parse::<f64>()) {
        ("auto", _) => Ok(Tail::Auto),
        (_, Ok(seconds)) if seconds.is_finite() && seconds >= 0.0 => Ok(Tail::Seconds(seconds)),
        _ => Err("expected a number of seconds, 0 or more, or auto".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_depths_and_guards_are_checked() {
        assert_eq!(guard("begin"), Ok(Guard::Begin));
        assert!(guard("middle").is_err());
        assert_eq!(tail("auto"), Ok(Tail::Auto));
        assert_eq!(tail("1.5"), Ok(Tail::Seconds(1.5)));
        for bad in ["-1", "nan", "inf", "long"] {
            assert!(tail(bad).is_err(), "{bad}");
        }
        assert_eq!(depth("16"), Ok(BitDepth::Int16));
        assert!(depth("8").is_err());
    }
}
