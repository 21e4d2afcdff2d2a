//! `plugpen midi`: MIDI ports.

use std::fmt::Write;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use plugpen::MidiIn;
use plugpen::v1::MidiPortInfo;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{Done, plain, print, print_json};

/// How often it is looked whether the output still takes anything.
const LOOK: Duration = Duration::from_millis(200);

/// List the MIDI ports of the daemon's machine, or print what comes in on one
#[derive(Debug, clap::Args)]
pub struct Midi {
    /// Print what comes in on this port, until Ctrl-C
    #[arg(short, long, value_name = "N")]
    monitor: Option<u32>,
    /// Make a port of this name and print what comes in on it, until Ctrl-C
    #[arg(long, value_name = "NAME", conflicts_with = "monitor")]
    virtual_midi: Option<String>,
    /// Print a JSON object
    #[arg(short, long)]
    json: bool,
}

impl Midi {
    /// Lists ports, or listens to one.
    ///
    /// # Errors
    /// There is no such port, or no MIDI on this machine.
    pub fn run(self, context: &Context) -> Done {
        let as_json = self.json;
        let (failed, failure) = sync_channel(1);
        let tell = Box::new(move |message: &[u8]| {
            if let Err(failure) = print(&line(message, as_json)) {
                // One is enough to end it.
                let _ = failed.try_send(failure);
            }
        });
        let listening = match (self.monitor, &self.virtual_midi) {
            (Some(port), _) => Some(MidiIn::open(&context.server, port, tell)?),
            (None, Some(name)) => Some(MidiIn::open_virtual(&context.server, name, tell)?),
            (None, None) => None,
        };
        if let Some(port) = listening {
            eprintln!("Listening; Ctrl-C ends it.");
            while !context.interrupt.wait_for(LOOK) {
                if let Ok(failure) = failure.try_recv() {
                    return Err(failure);
                }
            }
            drop(port);
            return Ok(());
        }
        let ports = context.server.midi_ports()?;
        if self.json {
            return print_json(&json!({
                "inputs": ports.inputs.iter().map(port_json).collect::<Vec<_>>(),
                "outputs": ports.outputs.iter().map(port_json).collect::<Vec<_>>(),
            }));
        }
        let mut text = String::new();
        for (title, ports) in [
            ("MIDI inputs:", &ports.inputs),
            ("MIDI outputs:", &ports.outputs),
        ] {
            text.push_str(&format!("{title}\n"));
            for port in ports {
                text.push_str(&format!("  [{}] {}\n", port.index, plain(&port.name)));
            }
            if ports.is_empty() {
                text.push_str("  none\n");
            }
        }
        print(&text)
    }
}

fn port_json(port: &MidiPortInfo) -> Value {
    json!({"name": port.name, "index": port.index})
}

fn line(message: &[u8], as_json: bool) -> String {
    if as_json {
        return format!("{}\n", json!({"bytes": message, "text": words(message)}));
    }
    let hex = message.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x} ");
        hex
    });
    format!("{hex:<10} {}\n", words(message))
}

/// A message in words.
fn words(message: &[u8]) -> String {
    let [status, data @ ..] = message else {
        return String::new();
    };
    let one = data.first().copied().unwrap_or(0);
    let two = data.get(1).copied().unwrap_or(0);
    let channel = (status & 0x0f) + 1;
    match status & 0xf0 {
        0x80 => format!("note off, channel {channel}, pitch {one}, velocity {two}"),
        0x90 => format!("note on, channel {channel}, pitch {one}, velocity {two}"),
        0xa0 => format!("key pressure, channel {channel}, pitch {one}, pressure {two}"),
        0xb0 => format!("control {one}, channel {channel}, value {two}"),
        0xc0 => format!("program {one}, channel {channel}"),
        0xd0 => format!("channel pressure {one}, channel {channel}"),
        0xe0 => {
            let bend = u16::from(one) | u16::from(two) << 7;
            format!("pitch bend {bend}, channel {channel}")
        }
        _ if *status == 0xf0 => format!("system exclusive, {} bytes", message.len()),
        _ => "system".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_in_words_and_numbers() {
        let note = line(&[0x91, 60, 100], false);
        assert_eq!(
            note,
            "91 3c 64   note on, channel 2, pitch 60, velocity 100\n"
        );
        assert_eq!(words(&[0xe0, 0, 64]), "pitch bend 8192, channel 1");
        assert_eq!(words(&[]), "");
        let json: Value = serde_json::from_str(&line(&[0xc0, 5], true)).unwrap();
        assert_eq!(json["bytes"], json!([192, 5]));
    }
}
