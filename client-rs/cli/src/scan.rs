//! `plugpen scan`: finds plugins.

use std::io::Write;

use plugpen::ScanItem;
use plugpen::v1::{PluginDescription, ScanFailure};

use crate::context::{Context, progress_bar};
use crate::describe::{description, failed, format_name};
use crate::output::{Done, Paint, plain, print, print_json, table};

/// Find plugins below folders, or below this system's standard ones
#[derive(Debug, clap::Args)]
pub struct Scan {
    /// Folders to search, with all that is below them
    #[arg(value_name = "FOLDER")]
    folders: Vec<String>,
    /// Read again what is known from earlier scans
    #[arg(long)]
    refresh: bool,
    /// Print a JSON list, one object a plugin; on standard error an object a line for what could
    /// not be read
    #[arg(short, long)]
    json: bool,
}

impl Scan {
    /// Prints what was found; what could not be read goes to standard error.
    ///
    /// # Errors
    /// A folder that is none, a daemon that is not there, an output that cannot be written.
    pub fn run(self, context: &Context) -> Done {
        let progress = progress_bar(0, "{bar:30} {pos}/{len} {wide_msg}");
        let mut plugins = Vec::new();
        let mut failures = Vec::new();
        let server = &context.server;
        let scanned = server.scan(&self.folders, self.refresh, &mut |item| match item {
            ScanItem::Plugin(plugin) => {
                progress.set_message(plain(&plugin.name));
                plugins.push(plugin);
            }
            ScanItem::Failure(failure) => failures.push(failure),
            ScanItem::Progress(state) => {
                progress.set_length(state.total.into());
                progress.set_position(state.done.into());
            }
        });
        progress.finish_and_clear();
        scanned?;
        sort(&mut plugins);
        report(&failures, self.json)?;
        match self.json {
            true => print_json(&plugins.iter().map(description).collect()),
            false => print(&listing(&plugins, Paint::of(&std::io::stdout()))),
        }
    }
}

/// By name, whatever the case.
pub fn sort(plugins: &mut [PluginDescription]) {
    plugins.sort_by(|a, b| key(a).cmp(&key(b)));
}

fn key(plugin: &PluginDescription) -> (String, &str, u32) {
    (plugin.name.to_lowercase(), &plugin.path, plugin.index)
}

/// A line a plugin, and how many there are.
pub fn listing(plugins: &[PluginDescription], paint: Paint) -> String {
    let mut rows = Vec::new();
    for plugin in plugins {
        let place = match plugin.identifier.as_str() {
            "" => &plugin.path,
            identifier => identifier,
        };
        rows.push(vec![
            format_name(plugin.format()).to_owned(),
            plain(&plugin.name),
            plain(&plugin.vendor),
            format!("{} in, {} out", plugin.num_inputs, plugin.num_outputs),
            plain(place),
        ]);
    }
    let found = format!("Found {} plugin(s)", plugins.len());
    format!("{}{}\n", table(&rows), paint.strong(found))
}

/// On standard error, in words or as an object a line.
fn report(failures: &[ScanFailure], json: bool) -> Done {
    let mut errors = std::io::stderr().lock();
    let paint = Paint::of(&errors);
    for failure in failures {
        if json {
            writeln!(errors, "{}", failed(failure))?;
            continue;
        }
        let message = plain(&failure.message);
        writeln!(
            errors,
            "{} {}: {message}",
            paint.bad("not read:"),
            failure.path
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_names_plugins_and_counts_them() {
        let plugins = [PluginDescription {
            name: "Amp".into(),
            identifier: "urn:amp".into(),
            num_outputs: 2,
            ..PluginDescription::default()
        }];
        let paint = Paint::of(&std::fs::File::open("/dev/null").unwrap());
        let text = listing(&plugins, paint);
        assert!(text.contains("Amp") && text.contains("urn:amp"), "{text}");
        assert!(text.ends_with("Found 1 plugin(s)\n"), "{text}");
    }
}
