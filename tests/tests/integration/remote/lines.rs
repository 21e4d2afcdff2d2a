//! Lines that break, and daemons that do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use plugpen::v1::ErrorReason;
use plugpen::{ConnectOptions, Server};

use super::{Daemon, Setup, open, until};

/// The line between a client and a daemon: passes everything on until it is cut.
struct Line {
    address: String,
    is_cut: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    fn to(daemon: &Daemon) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let target = daemon.address().trim_start_matches("http://").to_owned();
        let line = Line {
            address,
            is_cut: Arc::default(),
            ends: Arc::default(),
        };
        let (is_cut, ends) = (line.is_cut.clone(), line.ends.clone());
        // It ends with the test's process.
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut ends = ends.lock().unwrap();
                if is_cut.load(Ordering::Acquire) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&target) else {
                    continue;
                };
                pass(&near, &far);
                pass(&far, &near);
                ends.extend([near, far]);
            }
        });
        line
    }

    /// Cuts what stands and lets nothing new through until [`Line::mend`].
    fn cut(&self) {
        let mut ends = self.ends.lock().unwrap();
        self.is_cut.store(true, Ordering::Release);
        for end in ends.drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::Release);
    }
}

fn pass(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A client of the daemon's own user at the near end of a line.
fn client(daemon: &Daemon, line: &Line) -> Server {
    let token = std::fs::read_to_string(daemon.folder.path().join("run/token")).unwrap();
    let options = ConnectOptions {
        token: Some(token),
        ..ConnectOptions::default()
    };
    Server::connect_with(&line.address, &options).unwrap()
}

#[test]
fn a_session_outlives_a_broken_connection() {
    let daemon = Setup::plain().start();
    let line = Line::to(&daemon);
    let server = client(&daemon, &line);
    let plugin = open(&server);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = heard.clone();
    plugin.set_param_value_callback(Some(Box::new(move |index, value| {
        told.lock().unwrap().push((index, value));
    })));
    let worker = plugin.worker_pid();
    for round in 1..=3_u32 {
        let value = f64::from(round) / 8.0;
        plugin.set_param(0, value).unwrap();
        line.cut();
        let error = plugin.get_param(0).unwrap_err();
        assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
        assert!(server.is_usable() && plugin.is_alive());
        line.mend();
        until("the line to be used again", || {
            plugin.get_param(0).is_ok_and(|now| now == value)
        });
        assert_eq!(plugin.worker_pid(), worker);
        // Its events come again as well.
        let fresh = value + 0.5;
        until("its events", || {
            plugin.set_param(0, fresh).unwrap();
            plugin.poll_callbacks().is_ok() && heard.lock().unwrap().contains(&(0, fresh))
        });
    }
    assert_eq!(daemon.owner().plugins(true).unwrap().len(), 1);
    plugin.close().unwrap();
}

#[test]
fn what_is_said_of_a_broken_line_helps() {
    let daemon = Setup::plain().start();
    let line = Line::to(&daemon);
    let server = client(&daemon, &line);
    let plugin = open(&server);
    line.cut();
    let error = plugin.get_param(0).unwrap_err();
    for word in [line.address.as_str(), "may have taken effect", "30 s"] {
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn a_session_ends_when_its_client_is_away_for_too_long() {
    let daemon = Setup::plain().with_config("grace_seconds = 1\n").start();
    let line = Line::to(&daemon);
    let server = client(&daemon, &line);
    let plugin = open(&server);
    line.cut();
    until("the daemon to close the plugin", || {
        daemon.owner().plugins(true).unwrap().is_empty()
    });
    line.mend();
    until("the client to know", || !server.is_usable());
    let error = plugin.get_param(0).unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
    assert!(error.message.contains("open them anew"), "{error}");
    assert!(!plugin.is_alive());
    // Anew it is.
    open(&client(&daemon, &line)).get_param(0).unwrap();
}

#[test]
fn a_daemon_that_was_started_anew_knows_nothing_of_earlier_sessions() {
    let mut first = Setup::plain().start();
    let line = Line::to(&first);
    let server = client(&first, &line);
    let plugin = open(&server);
    let address = first.address().to_owned();
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let error = plugin.get_param(0).unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
    let mut setup = Setup::plain();
    setup.listen = vec![Box::leak(address.into_boxed_str())];
    let second = setup.start();
    // Its token is another one, and so is its list of sessions.
    until("the client to know", || !server.is_usable());
    let error = plugin.get_param(0).unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
    open(&client(&second, &line)).get_param(0).unwrap();
}
