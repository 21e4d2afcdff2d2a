//! The descriptor that ties a private daemon to its client.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

use tokio::sync::oneshot;

/// Our end of the lifeline.
#[derive(Debug)]
pub struct Lifeline {
    fd: Arc<OwnedFd>,
    cut: oneshot::Receiver<()>,
}

impl Lifeline {
    /// Takes the descriptor that was named on the command line and starts a thread that waits for
    /// its end; the thread lasts as long as the client or this process.
    ///
    /// # Errors
    /// It is not open, or no thread can be started.
    pub fn take(fd: RawFd) -> io::Result<Self> {
        let fd = Arc::new(plugpen_warden::inherited(fd)?);
        let (sender, cut) = oneshot::channel();
        let watched = fd.clone();
        std::thread::Builder::new()
            .name("lifeline".into())
            .spawn(move || {
                wait_for_end(&watched);
                // Nobody waits any more when the daemon is ending by itself.
                let _ = sender.send(());
            })?;
        Ok(Self { fd, cut })
    }

    /// Tells the client that the daemon listens.
    ///
    /// # Errors
    /// The client is gone.
    pub fn ready(&self) -> io::Result<()> {
        rustix::io::write(&self.fd, b"ready\n")?;
        Ok(())
    }

    /// Waits until the client is gone.
    pub async fn cut(&mut self) {
        // A thread that ended without a word is as good as a cut.
        let _ = (&mut self.cut).await;
    }
}

fn wait_for_end(fd: &OwnedFd) {
    let mut scrap = [0; 64];
    loop {
        match rustix::io::read(fd, &mut scrap) {
            Ok(0) => return,
            // Whatever a client writes means nothing.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
