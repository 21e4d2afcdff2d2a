//! `plugpen devices`: sound devices.

use plugpen::v1::AudioDeviceInfo;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{Done, plain, print, print_json};

/// List the sound devices of the daemon's machine
#[derive(Debug, clap::Args)]
pub struct Devices {
    /// Print a JSON object
    #[arg(short, long)]
    json: bool,
}

impl Devices {
    /// Lists what plays and what records.
    ///
    /// # Errors
    /// The daemon cannot look.
    pub fn run(self, context: &Context) -> Done {
        let devices = context.server.audio_devices()?;
        if self.json {
            return print_json(&json!({
                "playback": devices.playback.iter().map(device_json).collect::<Vec<_>>(),
                "capture": devices.capture.iter().map(device_json).collect::<Vec<_>>(),
            }));
        }
        let mut text = String::new();
        for (title, devices) in [
            ("Playback devices:", &devices.playback),
            ("Capture devices:", &devices.capture),
        ] {
            text.push_str(&format!("{title}\n"));
            for device in devices {
                let mark = if device.is_default { " (default)" } else { "" };
                text.push_str(&format!(
                    "  [{}] {}{mark}\n",
                    device.index,
                    plain(&device.name)
                ));
            }
            if devices.is_empty() {
                text.push_str("  none\n");
            }
        }
        print(&text)
    }
}

fn device_json(device: &AudioDeviceInfo) -> Value {
    json!({"name": device.name, "index": device.index, "is_default": device.is_default})
}
