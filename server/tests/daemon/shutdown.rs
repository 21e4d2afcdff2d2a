//! How a daemon ends, and what it leaves: nothing.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use plugpen_proto::v1::*;
use rustix::io::FdFlags;
use rustix::process::Signal;

use crate::support::{Client, Daemon, fails, kill, stop, wait_gone, worker};

/// What is in the daemon's directory; nothing where a private daemon has taken it away.
fn entries(daemon: &Daemon) -> usize {
    std::fs::read_dir(daemon.run()).map_or(0, |entries| entries.count())
}

#[tokio::test]
async fn a_told_daemon_drains_and_leaves_nothing() {
    let mut daemon = Daemon::start();
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    stop(plugin.worker_pid);
    let running = client.get_parameter(&plugin.handle, 0);
    tokio::pin!(running);
    tokio::select! {
        biased;
        _ = &mut running => panic!("a stopped worker answered"),
        described = client.get_plugin(&plugin.handle) => drop(described.unwrap()),
    }
    daemon.signal(Signal::TERM);
    daemon.log.wait_for("draining");
    fails(client.open("null:gain").await, ErrorReason::Draining);
    kill(plugin.worker_pid, Signal::CONT);
    running.await.unwrap();
    assert!(daemon.wait().success());
    wait_gone(plugin.worker_pid);
    assert_eq!(entries(&daemon), 0);
}

#[tokio::test]
async fn calls_that_do_not_end_are_cut_off() {
    let mut daemon = Daemon::with(worker(), "[deadlines]\ndrain_seconds = 0.2\n", &[]);
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    stop(plugin.worker_pid);
    let running = client.get_parameter(&plugin.handle, 0);
    tokio::pin!(running);
    tokio::select! {
        biased;
        _ = &mut running => panic!("a stopped worker answered"),
        described = client.get_plugin(&plugin.handle) => drop(described.unwrap()),
    }
    daemon.signal(Signal::INT);
    running.await.unwrap_err();
    assert!(daemon.wait().success());
    wait_gone(plugin.worker_pid);
}

#[tokio::test]
async fn a_killed_daemon_leaves_no_worker_and_the_next_one_cleans_up() {
    let mut daemon = Daemon::start();
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    let stopped = client.open("null:gain").await.unwrap();
    // One that could not read the end of file if it wanted to.
    stop(stopped.worker_pid);
    daemon.signal(Signal::KILL);
    daemon.wait();
    wait_gone(plugin.worker_pid);
    wait_gone(stopped.worker_pid);
    assert!(entries(&daemon) > 0);
    let dir = std::mem::replace(&mut daemon.dir, tempfile::tempdir().unwrap());
    let next = Daemon::launch_in(dir, worker(), "", &[]);
    next.log.wait_for("ready");
    assert_eq!(
        std::fs::read_dir(next.run().join("workers"))
            .unwrap()
            .count(),
        0
    );
    next.client().await.open("null:gain").await.unwrap();
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_first_lives_on() {
    let daemon = Daemon::start();
    let second = Command::new(env!("CARGO_BIN_EXE_plugpend"))
        .arg("--runtime-dir")
        .arg(daemon.run())
        .arg("--worker")
        .arg(worker())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(message.contains("another plugpend"), "{message}");
    daemon.client().await.open("null:gain").await.unwrap();
}

#[tokio::test]
async fn a_private_daemon_lives_on_its_lifeline() {
    let (mut near, far) = UnixStream::pair().unwrap();
    rustix::io::fcntl_setfd(&far, FdFlags::empty()).unwrap();
    let number = far.as_raw_fd().to_string();
    let mut daemon = Daemon::launch(worker(), "", &["--private", "--lifeline-fd", &number]);
    drop(far);
    let mut ready = [0; 6];
    near.read_exact(&mut ready).unwrap();
    assert_eq!(&ready, b"ready\n");
    near.write_all(b"whatever").unwrap();
    let client = Client::connect(&daemon.socket(), &daemon.token()).await;
    let plugin = client.open("null:gain").await.unwrap();
    drop(near);
    assert!(daemon.wait().success());
    wait_gone(plugin.worker_pid);
    assert_eq!(entries(&daemon), 0);
}
