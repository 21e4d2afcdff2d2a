//! `plugpen ps`: what a daemon runs.

use plugpen::v1::{OpenedPlugin, PluginState};
use serde_json::{Value, json};

use crate::context::Context;
use crate::describe::{description, sandbox_json, sandbox_word};
use crate::output::{Done, Paint, plain, print, print_json, table};

const MEBIBYTE: u64 = 1024 * 1024;

/// List the plugins that a daemon runs, of all its clients
#[derive(Debug, clap::Args)]
pub struct Ps {
    /// Print a JSON list, one object a plugin
    #[arg(short, long)]
    json: bool,
}

impl Ps {
    /// Asks the daemon.
    ///
    /// # Errors
    /// It does not answer.
    pub fn run(self, context: &Context) -> Done {
        let plugins = context.server.plugins(true)?;
        match self.json {
            true => print_json(&Value::Array(plugins.iter().map(plugin_json).collect())),
            false => print(&listing(&plugins, Paint::of(&std::io::stdout()))),
        }
    }
}

fn state_name(state: PluginState) -> &'static str {
    match state {
        PluginState::Unspecified => "unknown",
        PluginState::Loading => "loading",
        PluginState::Ready => "ready",
        PluginState::Dead => "dead",
        PluginState::Closed => "closed",
    }
}

fn listing(plugins: &[OpenedPlugin], paint: Paint) -> String {
    let titles = [
        "HANDLE", "PID", "STATE", "AGE", "CPU", "MEMORY", "SANDBOX", "CLIENT", "PLUGIN",
    ];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for plugin in plugins {
        let about = plugin.description.clone().unwrap_or_default();
        rows.push(vec![
            plain(&plugin.handle),
            plugin.worker_pid.to_string(),
            state_name(plugin.state()).to_owned(),
            format!("{:.0} s", plugin.age_seconds),
            format!("{:.1} s", plugin.cpu_seconds),
            format!("{} MiB", plugin.memory_bytes / MEBIBYTE),
            sandbox_word(plugin.sandbox.as_ref()).to_owned(),
            plain(&plugin.session_name),
            plain(&about.name),
        ]);
    }
    let text = table(&rows);
    match text.split_once('\n') {
        Some((head, rest)) => format!("{}\n{rest}", paint.strong(head)),
        None => text,
    }
}

fn plugin_json(plugin: &OpenedPlugin) -> Value {
    json!({
        "handle": plugin.handle,
        "generation": plugin.generation,
        "worker_pid": plugin.worker_pid,
        "state": state_name(plugin.state()),
        "age_seconds": plugin.age_seconds,
        "cpu_seconds": plugin.cpu_seconds,
        "memory_bytes": plugin.memory_bytes,
        "sandbox": plugin.sandbox.as_ref().map(sandbox_json),
        "client": plugin.session_name,
        "plugin": plugin.description.as_ref().map(description),
        "death": plugin.death.as_ref().map(|death| &death.summary),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_has_a_head_and_a_line_a_plugin() {
        let mut plugin = OpenedPlugin {
            worker_pid: 4711,
            memory_bytes: 5 * MEBIBYTE,
            session_name: "python".into(),
            ..OpenedPlugin::default()
        };
        plugin.set_state(PluginState::Ready);
        let paint = Paint::of(&std::fs::File::open("/dev/null").unwrap());
        let text = listing(&[plugin], paint);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("HANDLE"));
        for part in ["4711", "ready", "5 MiB", "python"] {
            assert!(lines[1].contains(part), "{text}");
        }
    }
}
