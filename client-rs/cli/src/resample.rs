//! `plugpen resample`: audio files at another sample rate.

use std::path::{Path, PathBuf};

use plugpen::BitDepth;
use plugpen::engine::{AudioReader, AudioWriter, Quality, Resampler, WriteOptions};
use serde_json::json;

use crate::batch::{Job, Jobs, Made, Tell};
use crate::interrupt::Interrupt;
use crate::output::{Done, Failure};
use crate::paths::{Output, check_all, expand};
use crate::sound::depth;

/// Frames that are worked on at a time.
const BLOCK: usize = 16_384;

/// Change the sample rate of audio files
#[derive(Debug, clap::Args)]
pub struct Resample {
    /// Audio files, or patterns
    #[arg(value_name = "FILE", required = true)]
    inputs: Vec<String>,
    /// Where to write: a .wav or .flac file, or a folder
    #[arg(short, long, value_name = "FILE|FOLDER")]
    output: PathBuf,
    /// Frames a second to change to
    #[arg(short = 'r', long, value_name = "HZ")]
    target_rate: u32,
    /// How well: best, medium or fastest
    #[arg(long, default_value = "best", value_parser = quality)]
    quality: Quality,
    /// Bits a sample: 16, 24 or 32 (floating point)
    #[arg(long, value_name = "BITS", default_value = "24", value_parser = depth)]
    bit_depth: BitDepth,
    /// Overwrite files that are there
    #[arg(short = 'y', long)]
    overwrite: bool,
    #[command(flatten)]
    jobs: Jobs,
}

fn quality(text: &str) -> Result<Quality, String> {
    Quality::from_name(text).map_err(|error| error.message)
}

impl Resample {
    /// Resamples every file, and says what became of each.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn run(self, interrupt: &Interrupt) -> Done {
        let inputs = expand(&self.inputs)?;
        let output = Output::new(&self.output, inputs.len() > 1)?;
        let job = |input: &PathBuf| Job {
            title: input.display().to_string(),
            about: json!({"input": input}),
            output: output.file_for(input),
        };
        let jobs: Vec<_> = inputs.iter().map(job).collect();
        check_all(jobs.iter().map(|job| job.output.as_path()), self.overwrite)?;
        self.jobs.run(interrupt, &jobs, &|index, tell| {
            self.resample(&inputs[index], &jobs[index].output, tell)
        })
    }

    fn resample(&self, input: &Path, output: &Path, tell: &mut Tell<'_>) -> Result<Made, Failure> {
        let mut reader = AudioReader::open(input)?;
        let (channels, total) = (reader.info().channels, reader.frames());
        let rate = reader.info().sample_rate;
        let mut resampler = Resampler::new(channels, rate, self.target_rate, self.quality)?;
        let options = WriteOptions {
            channels,
            sample_rate: self.target_rate,
            depth: self.bit_depth,
            broadcast: None,
        };
        let mut writer = AudioWriter::create(output, &options)?;
        let mut room = vec![vec![0.0; BLOCK]; channels];
        let mut out = vec![Vec::new(); channels];
        loop {
            let mut planes: Vec<_> = room.iter_mut().map(Vec::as_mut_slice).collect();
            let frames = reader.read(&mut planes)?;
            let block: Vec<_> = room.iter().map(|plane| &plane[..frames]).collect();
            resampler.push(&block, &mut out)?;
            if frames < BLOCK {
                break;
            }
            write(&mut writer, &mut out)?;
            tell(reader.position(), total)?;
        }
        resampler.finish(&mut out)?;
        write(&mut writer, &mut out)?;
        Ok(Made {
            frames: writer.finish()?,
            channels,
            sample_rate: f64::from(self.target_rate),
        })
    }
}

/// Writes what came out, and forgets it.
fn write(writer: &mut AudioWriter, out: &mut [Vec<f32>]) -> plugpen::Result<()> {
    let planes: Vec<_> = out.iter().map(Vec::as_slice).collect();
    writer.write(&planes)?;
    out.iter_mut().for_each(Vec::clear);
    Ok(())
}
