//! Many renders at once, of which some may fail.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use plugpen::Error;
use serde_json::{Value, json};

use crate::context::progress_bar;
use crate::interrupt::Interrupt;
use crate::output::{Done, Failure, Paint, plain, print, print_json};

/// A file to make.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it is made of, for people.
    pub title: String,
    /// The same for machines: the first keys of its row.
    pub about: Value,
    /// The file.
    pub output: PathBuf,
}

/// A file that was made.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// Frames a channel.
    pub frames: u64,
    pub channels: usize,
    pub sample_rate: f64,
}

/// How jobs are done.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Jobs {
    /// Files to work on at the same time, 1 to 255 [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    jobs: Option<u8>,
    /// Tell how far it is, even where standard error is no terminal
    #[arg(long)]
    progress: bool,
    /// Print a JSON list, one object a file
    #[arg(short, long)]
    json: bool,
}

/// Tells how far one job is: frames done, and frames to do.
pub type Tell<'a> = dyn FnMut(u64, u64) -> plugpen::Result<()> + 'a;

impl Jobs {
    /// Does all jobs, several at a time, and prints a row for each. A job that fails, because its
    /// plugin died for instance, does not keep the others from being done.
    ///
    /// # Errors
    /// The failure of the only job; how many of several failed.
    pub fn run(
        &self,
        interrupt: &Interrupt,
        jobs: &[Job],
        work: &(dyn Fn(usize, &mut Tell<'_>) -> Result<Made, Failure> + Sync),
    ) -> Done {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.jobs.map_or(processors, usize::from).min(jobs.len());
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<Result<Made, Failure>>>> =
            Mutex::new(jobs.iter().map(|_| None).collect());
        let report = Report::new(jobs.len(), self.progress);
        let take = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= jobs.len() || interrupt.happened() {
                    return;
                }
                let result = work(index, &mut |done, total| {
                    report.part(done, total);
                    match interrupt.happened() {
                        true => Err(Error::invalid("interrupted")),
                        false => Ok(()),
                    }
                });
                report.job();
                let mut results = results.lock().unwrap_or_else(|e| e.into_inner());
                results[index] = Some(result);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(take);
            }
            take();
        });
        report.end();
        let results = results.into_inner().unwrap_or_else(|e| e.into_inner());
        // Some are missing after Ctrl-C only, and then nobody asks for the rest.
        let results = jobs.iter().zip(results);
        self.tell(results.filter_map(|(job, result)| Some((job, result?))))
    }

    fn tell<'a>(&self, results: impl Iterator<Item = (&'a Job, Result<Made, Failure>)>) -> Done {
        let mut results: Vec<_> = results.collect();
        if let [(_, Err(_))] = results[..]
            && let Some((_, Err(only))) = results.pop()
        {
            return Err(only);
        }
        let failed = results.iter().filter(|(_, result)| result.is_err()).count();
        let rows = results.iter();
        match self.json {
            true => print_json(&rows.map(|(job, result)| row(job, result)).collect())?,
            false => {
                let paint = Paint::of(&std::io::stdout());
                let lines = rows.map(|(job, result)| line(job, result, paint));
                print(&lines.collect::<String>())?;
            }
        }
        match failed {
            0 => Ok(()),
            _ => Err(Failure::Partly(format!(
                "{failed} of {} files were not made",
                results.len()
            ))),
        }
    }
}

fn seconds(made: &Made) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a duration for people")]
    let frames = made.frames as f64;
    frames / made.sample_rate
}

fn line(job: &Job, result: &Result<Made, Failure>, paint: Paint) -> String {
    let title = plain(&job.title);
    match result {
        Ok(made) => format!(
            "{title} -> {} ({:.2} s, {} channel(s), {} Hz)\n",
            job.output.display(),
            seconds(made),
            made.channels,
            made.sample_rate
        ),
        Err(failure) => format!("{title}: {} {failure}\n", paint.bad("failed:")),
    }
}

fn row(job: &Job, result: &Result<Made, Failure>) -> Value {
    let mut row = job.about.clone();
    let more = match result {
        Ok(made) => json!({
            "output": job.output,
            "frames": made.frames,
            "seconds": seconds(made),
            "channels": made.channels,
            "sample_rate": made.sample_rate,
            "error": null,
        }),
        Err(failure) => json!({
            "output": null,
            "error": failure.to_string(),
            "exit_code": failure.code(),
        }),
    };
    if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
    row
}

/// Progress on standard error: within the job where there is one, else of jobs.
struct Report {
    bar: indicatif::ProgressBar,
    jobs: usize,
    /// Tenths that were told by lines, where there is no terminal.
    lines: Option<Mutex<u64>>,
    done: AtomicUsize,
}

impl Report {
    fn new(jobs: usize, wanted: bool) -> Report {
        let bar = progress_bar(1, "{bar:30} {percent} % {msg}");
        let lines = (wanted && bar.is_hidden()).then(|| Mutex::new(0));
        Report {
            bar,
            jobs,
            lines,
            done: AtomicUsize::new(0),
        }
    }

    fn part(&self, done: u64, total: u64) {
        if self.jobs == 1 {
            self.show(done, total);
        }
    }

    fn job(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let count = |n| u64::try_from(n).unwrap_or(u64::MAX);
        if self.jobs > 1 {
            self.bar.set_message(format!("{done}/{}", self.jobs));
            self.show(count(done), count(self.jobs));
        }
    }

    fn show(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        if let Some(lines) = &self.lines {
            let tenth = done.saturating_mul(10) / total.max(1);
            let mut told = lines.lock().unwrap_or_else(|e| e.into_inner());
            if tenth > *told {
                *told = tenth;
                eprintln!("{} %", tenth * 10);
            }
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
