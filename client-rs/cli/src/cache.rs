//! `plugpen cache`: what is kept of earlier scans.

use plugpen::v1::PluginDescription;
use serde_json::json;

use crate::context::Context;
use crate::describe::{description, format_name};
use crate::output::{Done, Paint, print, print_json};
use crate::scan::{listing, sort};

/// Look at or clear what is kept of earlier scans
#[derive(Debug, clap::Args)]
pub struct Cache {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print the file it is kept in
    Path,
    /// Print how much is kept
    Stats {
        /// Print a JSON object
        #[arg(short, long)]
        json: bool,
    },
    /// List the plugins that are known, as they were when they were read
    List(List),
    /// Forget the plugins whose files are gone
    Prune,
    /// Forget everything
    Clear,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only plugins of this format: LV2, VST2, VST3, AudioUnit
    #[arg(long)]
    format: Option<String>,
    /// Only plugins with this in their names, whatever the case
    #[arg(long)]
    name: Option<String>,
    /// Only plugins with this in their vendors' names, whatever the case
    #[arg(long)]
    vendor: Option<String>,
    /// Only plugins that accept MIDI
    #[arg(long)]
    midi_in: bool,
    /// Only plugins that give out MIDI
    #[arg(long)]
    midi_out: bool,
    /// Print a JSON list, one object a plugin
    #[arg(short, long)]
    json: bool,
}

impl Cache {
    /// Asks the daemon, whose cache it is.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn run(self, context: &Context) -> Done {
        let server = &context.server;
        match self.action {
            Action::Path => print(&format!("{}\n", server.scan_cache()?.path)),
            Action::Stats { json } => {
                let cache = server.scan_cache()?;
                if json {
                    return print_json(&json!({
                        "path": cache.path,
                        "size_bytes": cache.size_bytes,
                        "files": cache.files,
                        "gone": cache.gone,
                        "plugins": cache.plugins,
                        "failures": cache.failures,
                    }));
                }
                print(&format!(
                    "Path:      {}\nSize:      {} bytes\nFiles:     {}, {} of them gone\nPlugins:   {}\nFailures:  {}\n",
                    cache.path,
                    cache.size_bytes,
                    cache.files,
                    cache.gone,
                    cache.plugins,
                    cache.failures
                ))
            }
            Action::List(list) => list.run(server.known_plugins(&[])?),
            Action::Prune => forgot(server.trim_scan_cache(false)?),
            Action::Clear => forgot(server.trim_scan_cache(true)?),
        }
    }
}

fn forgot(files: u32) -> Done {
    print(&format!("Forgot {files} file(s)\n"))
}

impl List {
    fn run(&self, mut plugins: Vec<PluginDescription>) -> Done {
        plugins.retain(|plugin| self.wants(plugin));
        sort(&mut plugins);
        match self.json {
            true => print_json(&plugins.iter().map(description).collect()),
            false => print(&listing(&plugins, Paint::of(&std::io::stdout()))),
        }
    }

    fn wants(&self, plugin: &PluginDescription) -> bool {
        let has = |text: &str, part: &Option<String>| {
            let part = part.as_deref().unwrap_or_default().to_lowercase();
            text.to_lowercase().contains(&part)
        };
        let format = format_name(plugin.format());
        let wanted = self.format.as_deref().unwrap_or(format);
        wanted.eq_ignore_ascii_case(format)
            && has(&plugin.name, &self.name)
            && has(&plugin.vendor, &self.vendor)
            && (plugin.accepts_midi || !self.midi_in)
            && (plugin.produces_midi || !self.midi_out)
    }
}
