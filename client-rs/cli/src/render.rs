//! `plugpen render`: MIDI files and presets through an instrument.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugpen::v1::Guard;
use plugpen::{Error, MidiFile, OpenOptions, Plugin, PluginChain, Tail, render_midi_to_file};
use serde_json::json;

use crate::batch::{Job, Jobs, Made, Tell};
use crate::chain_spec::ChainSpec;
use crate::context::{Context, Pace};
use crate::output::{Done, Failure};
use crate::paths::{Output, check_all, expand, file_name};
use crate::presets::load;
use crate::setup::Setup;
use crate::sound::Sound;

/// Render MIDI files through an instrument, once or with many presets
///
/// Every file is rendered in workers of its own, several at a time: what one preset does to its
/// plugin the next one does not hear, and a plugin that dies costs one file.
#[derive(Debug, clap::Args)]
pub struct Render {
    /// The plugin (see plugpen --help), and MIDI files or patterns; MIDI files only with --chain
    #[arg(value_name = "PLUGIN|FILE", required = true)]
    names: Vec<String>,
    /// Which plugin, where a file holds several: an index, a name, a URI or a class id
    #[arg(
        id = "which",
        long = "plugin",
        value_name = "WHICH",
        default_value = ""
    )]
    selector: String,
    /// A chain instead of a plugin: "Kars | MVerb", or a JSON file
    #[arg(long, value_name = "SPEC")]
    chain: Option<String>,
    /// Where to write: a .wav or .flac file, or a folder
    #[arg(short, long, value_name = "FILE|FOLDER")]
    output: PathBuf,
    /// A file for each of these factory presets of the (first) plugin: 0-63, 1,5,9 or all
    #[arg(long, value_name = "LIST", conflicts_with = "preset")]
    programs: Option<String>,
    /// A file for each of these preset files, or patterns; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["programs", "preset", "state", "vstpreset"])]
    presets: Vec<String>,
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    sound: Sound,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    jobs: Jobs,
}

/// What is loaded before a render.
#[derive(Debug, Clone)]
enum Preset {
    None,
    Program(u32, String),
    File(PathBuf),
}

/// What all files have in common.
struct Plan<'a> {
    context: &'a Context,
    render: &'a Render,
    spec: ChainSpec,
    options: OpenOptions,
}

impl Render {
    /// Renders every MIDI file with every preset, and says what became of each.
    ///
    /// # Errors
    /// A plugin or file is not there or does not open; how many of several files failed.
    pub fn run(self, context: &Context) -> Done {
        if self.setup.param_file.is_some() {
            let why = "--param-file is for process, which also takes --midi-input";
            return Err(Failure::Usage(why.into()));
        }
        let (spec, names) = ChainSpec::choose(
            &context.server,
            self.chain.as_deref(),
            &self.selector,
            &self.setup,
            &self.names,
        )?;
        let files = expand(names)?;
        if files.is_empty() {
            return Err(Failure::Usage("name a MIDI file to render".into()));
        }
        let options = OpenOptions {
            non_realtime: self.sound.non_realtime,
            guard: self.sound.guard.unwrap_or(Guard::Unspecified),
            ..self.pace.or(context.pace).options()
        };
        let plan = Plan {
            context,
            render: &self,
            spec,
            options,
        };
        let presets = plan.presets()?;
        let songs: Vec<_> = files
            .iter()
            .map(|file| Ok((file, MidiFile::load(file)?)))
            .collect::<Result<_, Failure>>()?;
        let is_batch = songs.len() > 1 || presets.len() > 1;
        let output = Output::new(&self.output, is_batch)?;
        let all = || {
            let each = |song| presets.iter().map(move |preset| (song, preset));
            songs.iter().flat_map(each)
        };
        let jobs: Vec<_> = all()
            .map(|((file, _), preset)| job(file, preset, &output))
            .collect();
        check_all(
            jobs.iter().map(|job| job.output.as_path()),
            self.sound.overwrite,
        )?;
        let work: Vec<_> = all().collect();
        self.jobs.run(&context.interrupt, &jobs, &|index, tell| {
            let ((_, song), preset) = work[index];
            plan.render(song, preset, &jobs[index].output, tell)
        })
    }
}

fn job(file: &Path, preset: &Preset, output: &Output) -> Job {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let song = file.display();
    let (title, name, program, named) = match preset {
        Preset::None => (song.to_string(), format!("{stem}.wav"), None, None),
        Preset::Program(index, program) => (
            format!("{song}, program {index} ({program})"),
            format!("{stem}-{index:03}-{}.wav", file_name(program)).replace("-.wav", ".wav"),
            Some(*index),
            Some(program.clone()),
        ),
        Preset::File(path) => {
            let preset = path.file_stem().unwrap_or_default().to_string_lossy();
            (
                format!("{song}, {}", path.display()),
                format!("{stem}-{preset}.wav"),
                None,
                Some(path.display().to_string()),
            )
        }
    };
    Job {
        title,
        about: json!({"midi": file, "program": program, "preset": named}),
        output: output.file(&name),
    }
}

impl Plan<'_> {
    /// What to render with. Programs are looked up in the plugin, so that a list beyond its end is
    /// refused before anything is rendered.
    fn presets(&self) -> Result<Vec<Preset>, Failure> {
        if let Some(list) = &self.render.programs {
            let options = OpenOptions {
                audio_path: plugpen::AudioPath::None,
                ..self.options.clone()
            };
            let opened = self.spec.open(self.context, &options)?;
            let names = match opened.first() {
                Some((plugin, _)) => plugin.program_names()?,
                None => Vec::new(),
            };
            if names.is_empty() {
                return Err(Failure::Client(Error::invalid(
                    "--programs: the plugin has no factory presets; --presets takes files",
                )));
            }
            let program = |index: usize| {
                let name = names.get(index).cloned().unwrap_or_default();
                Preset::Program(u32::try_from(index).unwrap_or(u32::MAX), name)
            };
            return Ok(programs(list, names.len())?
                .into_iter()
                .map(program)
                .collect());
        }
        if self.render.presets.is_empty() {
            return Ok(vec![Preset::None]);
        }
        let files = expand(&self.render.presets)?;
        Ok(files.into_iter().map(Preset::File).collect())
    }

    fn render(
        &self,
        song: &MidiFile,
        preset: &Preset,
        output: &Path,
        tell: &mut Tell<'_>,
    ) -> Result<Made, Failure> {
        let opened = self.spec.open(self.context, &self.options)?;
        if let Some((first, _)) = opened.first() {
            self.select(first, preset)?;
        }
        let (plugins, mixes): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
        let chain = PluginChain::new(plugins.into_iter().map(Arc::new).collect())?;
        for (index, mix) in mixes.into_iter().enumerate() {
            if let Some(mix) = mix {
                chain.set_mix(index, mix)?;
            }
        }
        let sound = &self.render.sound;
        let tail = sound.tail.unwrap_or(Tail::Reported);
        let frames = render_midi_to_file(
            &chain,
            song,
            output,
            &sound.file_options(),
            &sound.render_options(tail, chain.max_block_size()),
            tell,
        )?;
        let channels = usize::try_from(chain.num_output_channels()).unwrap_or(usize::MAX);
        Ok(Made {
            frames,
            channels: channels.max(1),
            sample_rate: chain.sample_rate(),
        })
    }

    /// Loads a preset; parameters of the command line count on top of it.
    fn select(&self, plugin: &Plugin, preset: &Preset) -> Done {
        match preset {
            Preset::None => return Ok(()),
            Preset::Program(index, _) => plugin.set_program(*index)?,
            Preset::File(file) => load(plugin, file)?,
        }
        self.render.setup.parameters(plugin)
    }
}

/// The numbers of a list like `0-3,7`, or all below `count`.
fn programs(list: &str, count: usize) -> Result<Vec<usize>, Failure> {
    if list == "all" {
        return Ok((0..count).collect());
    }
    let wrong = |part: &str, why: &str| {
        Failure::Usage(format!(
            "--programs {list}: {part:?} {why}; expected 0-63, 1,5,9 or all"
        ))
    };
    let mut programs = Vec::new();
    for part in list.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>();
        let (Ok(first), Ok(last)) = (number(first), number(last)) else {
            return Err(wrong(part, "is no number or range"));
        };
        if first > last {
            return Err(wrong(part, "ends before it begins"));
        }
        if last >= count {
            return Err(wrong(
                part,
                &format!("is beyond the plugin's {count} programs"),
            ));
        }
        programs.extend(first..=last);
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_programs_are_numbers_and_ranges() {
        assert_eq!(programs("0-2, 7", 8).unwrap(), [0, 1, 2, 7]);
        assert_eq!(programs("all", 3).unwrap(), [0, 1, 2]);
        for (bad, why) in [("x", "no number"), ("3-1", "before"), ("0-8", "8 programs")] {
            let error = programs(bad, 8).unwrap_err();
            assert_eq!(error.code(), 2);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
