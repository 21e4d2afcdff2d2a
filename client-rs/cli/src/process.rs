//! `plugpen process`: audio files through a plugin or a chain.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugpen::engine::{
    AudioInput, AudioReader, Automation, MidiSchedule, ParameterAt, fitted, whole_rate,
};
use plugpen::v1::Guard;
use plugpen::{
    AutomationTimes, Error, MidiFile, OpenOptions, Plugin, PluginChain, Tail, TempoMap,
    process_audio_to_file,
};
use serde_json::json;

use crate::batch::{Job, Jobs, Made, Tell};
use crate::chain_spec::ChainSpec;
use crate::context::{Context, Pace};
use crate::output::{Done, Failure};
use crate::paths::{Output, check_all, expand};
use crate::setup::Setup;
use crate::sound::Sound;

/// Process audio files through a plugin, or through a chain of them
#[derive(Debug, clap::Args)]
pub struct Process {
    /// The plugin (see plugpen --help), and files or patterns to process one by one; files only
    /// with --chain
    #[arg(value_name = "PLUGIN|FILE")]
    names: Vec<String>,
    /// Which plugin, where a file holds several: an index, a name, a URI or a class id
    #[arg(
        id = "which",
        long = "plugin",
        value_name = "WHICH",
        default_value = ""
    )]
    selector: String,
    /// A chain instead of a plugin: "ZamComp | MVerb", or a JSON file like
    /// {"plugins": [{"path": "MVerb", "params": {"Mix": 0.3}, "mix": 0.5}]}
    #[arg(long, value_name = "SPEC")]
    chain: Option<String>,
    /// Where to write: a .wav or .flac file, or a folder
    #[arg(short, long, value_name = "FILE|FOLDER")]
    output: PathBuf,
    /// An audio file; the second one goes into the sidechain, as does the only one beside files to
    /// process one by one
    #[arg(short, long, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// A MIDI file
    #[arg(short, long, value_name = "FILE")]
    midi_input: Option<PathBuf>,
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    sound: Sound,
    /// Tempo, where no MIDI file has one
    #[arg(long, value_name = "BPM", value_parser = tempo)]
    bpm: Option<f64>,
    /// Fail where sample rates differ instead of resampling
    #[arg(long)]
    no_resample: bool,
    /// Output channels to ask the plugin for
    #[arg(long, value_name = "N")]
    out_channels: Option<i32>,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    jobs: Jobs,
}

/// What all files have in common.
struct Plan<'a> {
    context: &'a Context,
    process: &'a Process,
    pace: Pace,
    spec: ChainSpec,
    midi: Option<MidiFile>,
}

impl Process {
    /// Processes every file in workers of its own and says what became of each.
    ///
    /// # Errors
    /// A plugin or file is not there, does not open or fails; how many of several files did.
    pub fn run(self, context: &Context) -> Done {
        let (spec, files) = ChainSpec::choose(
            &context.server,
            self.chain.as_deref(),
            &self.selector,
            &self.setup,
            &self.names,
        )?;
        let files = expand(files)?;
        if !files.is_empty() && self.input.len() > 1 {
            let why = "with files to process one by one, --input can only be the sidechain";
            return Err(Failure::Usage(why.into()));
        }
        let has_midi = self.midi_input.is_some();
        // Files one by one, each with the same sidechain; or what --input says.
        let (mains, sidechain) = match (&files[..], &self.input[..]) {
            ([], []) if !has_midi => {
                let why = "nothing to process: give files, --input or --midi-input";
                return Err(Failure::Usage(why.into()));
            }
            ([], []) => (vec![None], None),
            ([], [main]) => (vec![Some(main.clone())], None),
            ([], [main, sidechain]) => (vec![Some(main.clone())], Some(sidechain)),
            ([], _) => {
                let why = "--input may be given twice: the input and the sidechain";
                return Err(Failure::Usage(why.into()));
            }
            (files, inputs) => (files.iter().cloned().map(Some).collect(), inputs.first()),
        };
        let output = Output::new(&self.output, mains.len() > 1)?;
        let midi_name = self.midi_input.clone().unwrap_or_default();
        let job = |main: &Option<PathBuf>| {
            let name = main.as_deref().unwrap_or(&midi_name);
            Job {
                title: name.display().to_string(),
                about: json!({"input": main, "midi": self.midi_input}),
                output: match main {
                    Some(main) => output.file_for(main),
                    None => output.file_for(&midi_name.with_extension("wav")),
                },
            }
        };
        let jobs: Vec<_> = mains.iter().map(job).collect();
        check_all(
            jobs.iter().map(|job| job.output.as_path()),
            self.sound.overwrite,
        )?;
        let midi = self.midi_input.as_deref().map(read_midi).transpose()?;
        let plan = Plan {
            context,
            process: &self,
            pace: self.pace.or(context.pace),
            spec,
            midi,
        };
        self.jobs.run(&context.interrupt, &jobs, &|index, tell| {
            plan.process(
                mains[index].as_deref(),
                sidechain,
                &jobs[index].output,
                tell,
            )
        })
    }
}

/// Reads a MIDI file.
///
/// # Errors
/// It is not there or none.
pub fn read_midi(file: &Path) -> Result<MidiFile, Failure> {
    Ok(MidiFile::load(file)?)
}

impl Plan<'_> {
    fn process(
        &self,
        main: Option<&Path>,
        sidechain: Option<&PathBuf>,
        output: &Path,
        tell: &mut Tell<'_>,
    ) -> Result<Made, Failure> {
        let main = main.map(AudioReader::open).transpose()?;
        let sidechain = sidechain.map(AudioReader::open).transpose()?;
        let rate = self.rate(main.as_ref(), sidechain.as_ref())?;
        let channels = |file: &AudioReader| i32::try_from(file.info().channels).unwrap_or(i32::MAX);
        let usual = self.pace.options();
        let options = OpenOptions {
            sample_rate: f64::from(rate),
            in_channels: main
                .as_ref()
                .map_or(usual.in_channels, |file| channels(file).max(2)),
            out_channels: self.process.out_channels.unwrap_or(usual.out_channels),
            sidechain_channels: sidechain.as_ref().map_or(0, channels),
            non_realtime: self.process.sound.non_realtime,
            guard: self.process.sound.guard.unwrap_or(Guard::Unspecified),
            ..usual
        };
        let opened = self.spec.open(self.context, &options)?;
        let (plugins, mixes): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
        let plugins: Vec<_> = plugins.into_iter().map(Arc::new).collect();
        let chain = PluginChain::new(plugins.clone())?;
        for (index, mix) in mixes.into_iter().enumerate() {
            if let Some(mix) = mix {
                chain.set_mix(index, mix)?;
            }
        }
        let input = self.input(&plugins[0], main, sidechain, rate)?;
        let tail = match (self.process.sound.tail, self.midi.is_some()) {
            (Some(tail), _) => tail,
            // With audio the output is as long as the input.
            (None, _) if input.audio.is_some() => Tail::Seconds(0.0),
            (None, _) => Tail::Seconds(2.0),
        };
        let frames = process_audio_to_file(
            &chain,
            input,
            output,
            &self.process.sound.file_options(),
            &self
                .process
                .sound
                .render_options(tail, chain.max_block_size()),
            tell,
        )?;
        let channels = usize::try_from(chain.num_output_channels()).unwrap_or(usize::MAX);
        Ok(Made {
            frames,
            channels: channels.max(1),
            sample_rate: chain.sample_rate(),
        })
    }

    /// The rate to run at: what was asked for, or else the input's.
    fn rate(
        &self,
        main: Option<&AudioReader>,
        sidechain: Option<&AudioReader>,
    ) -> Result<u32, Failure> {
        let asked = self.pace.sample_rate.map(whole).transpose()?;
        let files = [main, sidechain].into_iter().flatten();
        let first = files.clone().next().map(|file| file.info().sample_rate);
        let rate = asked.or(first).unwrap_or(48_000);
        let other = files
            .map(|file| file.info().sample_rate)
            .find(|it| *it != rate);
        match other {
            Some(other) if self.process.no_resample => {
                Err(Failure::Client(Error::invalid(format!(
                    "a file has {other} Hz and the plugin runs at {rate} Hz; without --no-resample it is resampled"
                ))))
            }
            _ => Ok(rate),
        }
    }

    fn input(
        &self,
        first: &Plugin,
        main: Option<AudioReader>,
        sidechain: Option<AudioReader>,
        rate: u32,
    ) -> Result<AudioInput<'static>, Failure> {
        let fit = |file: AudioReader, channels: u32| {
            let from = file.info().sample_rate;
            fitted(
                file,
                from,
                rate,
                usize::try_from(channels).unwrap_or(usize::MAX),
            )
        };
        let main = main.map(|file| fit(file, first.num_input_channels()));
        let sidechain = sidechain.map(|file| fit(file, first.sidechain_channels()));
        let bpm = self.process.bpm.map(|bpm| TempoMap::constant(bpm, 4, 4));
        let mut input = AudioInput {
            audio: main.transpose()?,
            sidechain: sidechain.transpose()?,
            tempo_map: bpm.or_else(|| self.midi.as_ref().map(MidiFile::tempo_map)),
            ..AudioInput::default()
        };
        if let Some(midi) = &self.midi {
            input.midi = MidiSchedule::new(midi, f64::from(rate));
        }
        let times = AutomationTimes {
            sample_rate: f64::from(rate),
            length: input.frames(),
            block_size: first.max_block_size(),
        };
        let changes = self.process.setup.automation(first, &times)?;
        let change = |(sample, index, value)| ParameterAt {
            sample,
            plugin: 0,
            index,
            value,
        };
        input.automation = Automation::new(changes.into_iter().map(change).collect());
        Ok(input)
    }
}

fn whole(rate: f64) -> Result<u32, Failure> {
    whole_rate(rate).ok_or_else(|| {
        Failure::Usage(format!(
            "--sample-rate must be a whole number of Hz for files, got {rate}"
        ))
    })
}

fn tempo(text: &str) -> Result<f64, String> {
    let bpm = text.parse().ok();
    let bpm = bpm.filter(|bpm: &f64| bpm.is_finite() && *bpm > 0.0);
    bpm.ok_or_else(|| "expected quarter notes a minute, a number above 0".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_tempos_are_checked() {
        assert_eq!(whole(44_100.0).unwrap(), 44_100);
        assert_eq!(whole(0.5).unwrap_err().code(), 2);
        assert_eq!(tempo("90.5"), Ok(90.5));
        for bad in ["0", "-1", "nan", "inf", "fast"] {
            assert!(tempo(bad).is_err(), "{bad}");
        }
    }
}
