//! Control: the daemon's calls in, answers and events out.
//!
//! The I/O thread reads frames and fills the inbox; it never calls the plugin and ends the
//! process when the daemon goes away, even while the main thread is deep in the plugin. The main
//! thread takes calls in their order, answers each, and tells what the plugin did in between.

mod dispatch;
mod events;
mod inbox;
mod session;
mod staging;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugpen_channel::{Reader, Writer};
use plugpen_proto::v1::SandboxReport;
use plugpen_proto::worker::{FromWorker, Hello, from_worker};
use plugpen_proto::{Error, VERSION};

use crate::arguments::Role;
use crate::formats::Notices;
use inbox::Inbox;
use session::Session;

/// Changes that blocks cause (automation, a plugin's own moves) are gathered for this long.
const GATHERING: Duration = Duration::from_millis(10);

/// The two halves of the connection to the daemon.
pub struct Connection(Reader, Writer);

/// Takes the control socket. Before the jail, which lets no socket option be set.
///
/// # Errors
/// Not a socket, or no descriptor left.
pub fn connect(socket: OwnedFd) -> std::io::Result<Connection> {
    let (reader, writer) = plugpen_channel::split(socket)?;
    Ok(Connection(reader, writer))
}

/// Serves the daemon until it goes away; does not return while it is there.
///
/// `refusal` is what every attempt to load a plugin is answered with, where the jail that was
/// required does not stand.
///
/// # Errors
/// The daemon cannot be written to.
pub fn serve(
    Connection(reader, mut writer): Connection,
    role: Role,
    sandbox: SandboxReport,
    refusal: Option<Error>,
) -> std::io::Result<()> {
    writer.add(&FromWorker {
        id: 0,
        body: Some(from_worker::Body::Hello(Hello {
            version: VERSION.into(),
            sandbox: Some(sandbox),
        })),
    })?;
    writer.flush()?;
    let inbox = Arc::new(Inbox::new());
    start_reading(reader, Arc::clone(&inbox))?;
    let notices = Arc::new(Notices::new());
    let mut session = Session::new(role, Arc::clone(&notices), refusal);
    let mut told = Instant::now();
    loop {
        if let Some(incoming) = inbox.take() {
            let answer = dispatch::answer(&mut session, incoming);
            session.tell(&mut writer)?;
            writer.add(&answer)?;
            writer.flush()?;
            told = Instant::now();
        } else {
            let gathered = notices.pending().then(|| told + GATHERING);
            let due = gathered.into_iter().chain(session.due()).min();
            match due.map(|due| due.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => {
                    session.tell(&mut writer)?;
                    writer.flush()?;
                    told = Instant::now();
                }
                Some(left) => std::thread::park_timeout(left),
                // Woken by the inbox, the notices, or for nothing.
                None => std::thread::park(),
            }
        }
    }
}

fn start_reading(mut reader: Reader, inbox: Arc<Inbox>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("io".into())
        .stack_size(256 * 1024)
        .spawn(move || {
            let _guard = crate::AbortOnPanic;
            loop {
                match reader.next_call() {
                    Ok(Some(incoming)) => inbox.put(incoming),
                    // The daemon is gone or lets this worker go: there is nobody to live for.
                    // No destructors: they are the plugin's code, and it may hang in them.
                    Ok(None) => crate::jail::exit_now(0),
                    Err(error) => {
                        eprintln!("plugpen-worker: the control channel broke: {error}");
                        crate::jail::exit_now(70)
                    }
                }
            }
        })?;
    Ok(())
}
