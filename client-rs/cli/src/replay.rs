//! `plugpen replay`: does to a plugin what was done to one that died.

use std::path::{Path, PathBuf};

use plugpen::Replay as What;
use plugpen::v1::{Death, ReplayRecordingResponse};
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{Done, Failure, plain, print};

/// Run the recording of a death again, in a fresh worker, and say whether the same death comes
///
/// The exit code is 0 where each run ended in the same death (its kind, signal, exit code and
/// call), and 1 where one did not.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// The report id of a death, or a file that --export wrote
    #[arg(value_name = "CRASH|FILE")]
    recording: String,
    /// How often to run it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// Where the plugin is, if not where it was
    #[arg(long, value_name = "PATH")]
    plugin: Option<PathBuf>,
    /// Only write the recording to a file, for another machine
    #[arg(long, value_name = "FILE", conflicts_with_all = ["times", "plugin", "json"])]
    export: Option<PathBuf>,
    /// One JSON object a run
    #[arg(long)]
    json: bool,
}

impl Replay {
    /// Replays, or exports.
    ///
    /// # Errors
    /// There is no such recording or plugin; a run ended otherwise.
    pub fn run(self, context: &Context) -> Done {
        let file = Path::new(&self.recording);
        let bytes = match file.is_file() {
            true => Some(std::fs::read(file).map_err(|error| Failure::file(file, &error))?),
            false => None,
        };
        if let Some(export) = &self.export {
            let bytes = match bytes {
                Some(bytes) => bytes,
                None => context.server.recording(&self.recording)?,
            };
            return std::fs::write(export, bytes).map_err(|error| Failure::file(export, &error));
        }
        let what = match &bytes {
            Some(bytes) => What::Recording(bytes),
            None => What::Report(&self.recording),
        };
        let path = self.plugin.as_deref().map(Path::to_string_lossy);
        let mut same = 0;
        for run in 1..=self.times {
            let outcome = context.server.replay(what, path.as_deref())?;
            same += u32::from(outcome.same);
            match self.json {
                true => print(&format!("{}\n", as_json(&outcome)))?,
                false => print(&self.text(run, &outcome))?,
            }
        }
        match same == self.times {
            true => Ok(()),
            false => Err(Failure::Partly(format!(
                "{same} of {} runs ended in the same death",
                self.times
            ))),
        }
    }

    fn text(&self, run: u32, outcome: &ReplayRecordingResponse) -> String {
        let summary = |death: Option<&Death>| match death {
            Some(death) => plain(&death.summary),
            None => "it lived through all of it".into(),
        };
        let mut text = String::new();
        if run == 1 {
            text += &format!("recorded: {}\n", summary(outcome.recorded.as_ref()));
            for caution in &outcome.cautions {
                text += &format!("caution:  {}\n", plain(caution));
            }
        }
        let verdict = match (&outcome.replayed, outcome.same) {
            (_, true) => "the same",
            (Some(_), false) => "another death",
            (None, false) => "no death",
        };
        text += &format!(
            "run {run}:    {verdict} after {} of {} calls and {} of {} blocks: {}\n",
            outcome.calls_made,
            outcome.calls,
            outcome.blocks_played,
            outcome.blocks,
            summary(outcome.replayed.as_ref())
        );
        text
    }
}

fn as_json(outcome: &ReplayRecordingResponse) -> Value {
    let death = |death: Option<&Death>| {
        death.map(|death| {
            json!({
                "kind": death.kind().as_str_name().trim_start_matches("DEATH_KIND_").to_lowercase(),
                "signal": death.signal,
                "exit_code": death.exit_code,
                "call": death.call,
                "summary": death.summary,
                "report_id": death.report_id,
            })
        })
    };
    json!({
        "same": outcome.same,
        "recorded": death(outcome.recorded.as_ref()),
        "replayed": death(outcome.replayed.as_ref()),
        "calls": outcome.calls,
        "calls_made": outcome.calls_made,
        "blocks": outcome.blocks,
        "blocks_played": outcome.blocks_played,
        "cautions": outcome.cautions,
    })
}
