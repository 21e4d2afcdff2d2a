//! plugpen-device: plays plugins' rings on a sound card, and listens to MIDI ports.
//!
//! A device's life, in order:
//!
//! 1. The daemon's warden starts it, like a worker, with a control socket as descriptor 3. It
//!    loads no plugin, and keeps the user's environment as far as the sound system needs it.
//! 2. It gives up new privileges, limits itself and says `Hello`.
//! 3. It looks for the sound system ([`system`]): JACK where a server runs, else ALSA.
//! 4. `OpenDevice` finds a device and makes the player ([`player`]) that its callback runs.
//! 5. `AttachStage` brings the client's end of a plugin's rings; after a restart of the plugin,
//!    the fresh ones. The callback exchanges them between two periods.
//! 6. Calls are carried out in their order ([`desk`]); what the callback counts and what a MIDI
//!    input hears is told beside them ([`reporter`]).
//! 7. When the daemon closes the socket, the process ends.
//!
//! Another one is started to list devices and ports, and one for each MIDI input that is open.
#![forbid(unsafe_code)]

mod alsa;
mod clock;
mod desk;
mod input_buffer;
mod jack;
mod limits;
mod meters;
mod midi_queue;
mod player;
mod post;
mod reporter;
mod ring_stage;
mod system;

use std::process::ExitCode;

use plugpen_channel::split;
use plugpen_proto::VERSION;
use plugpen_proto::worker::{FromWorker, Hello, from_worker};

use desk::Desk;
use reporter::Line;

/// Number of the control socket's descriptor, agreed with the warden.
const CONTROL: i32 = 3;
const USAGE: &str =
    "plugpen-device is started by plugpend, with its control socket as descriptor 3.";

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plugpen-device: {error}\n{USAGE}");
            ExitCode::from(70)
        }
    }
}

/// Serves the daemon until it goes away.
fn serve() -> std::io::Result<()> {
    let socket = plugpen_warden::inherited(CONTROL)?;
    let sandbox = limits::enter();
    let (mut reader, writer) = split(socket)?;
    let line = Line::new(writer);
    line.send(&FromWorker {
        id: 0,
        body: Some(from_worker::Body::Hello(Hello {
            version: VERSION.into(),
            sandbox: Some(sandbox),
        })),
    })?;
    let mut desk = Desk::new(line.clone())?;
    while let Some(incoming) = reader.next_call()? {
        let answer = desk.answer(incoming);
        line.send(&answer)?;
    }
    Ok(())
}
