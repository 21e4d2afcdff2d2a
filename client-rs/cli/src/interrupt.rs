//! Ctrl-C: leave nothing behind.

use plugpen::Server;

/// What shells report of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Ends the session, and a private daemon with it, when the user presses Ctrl-C.
pub fn close_on_interrupt(server: &Server) {
    let server = server.clone();
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            server.close();
            std::process::exit(INTERRUPTED);
        }
    };
    // Without the thread Ctrl-C ends the program all the same, and the daemon after it.
    let _ = std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(wait);
}
