//! Workers that die, and what everybody hears of it.

use std::time::{Duration, Instant};

use plugpen_proto::v1::*;
use plugpen_shm::{BlockHeader, RingError};
use rustix::process::Signal;
use tonic::Code;

use crate::support::{Client, Daemon, PATIENCE, attach, fails, kill, stop, worker};

#[tokio::test]
async fn a_call_that_waits_hears_of_the_death() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    stop(plugin.worker_pid);
    let waiting = client.get_parameter(&plugin.handle, 0);
    tokio::pin!(waiting);
    // The call is with the worker once the daemon answers another one made after it.
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("a stopped worker answered"),
        described = client.get_plugin(&plugin.handle) => drop(described.unwrap()),
    }
    // Not SIGSEGV: Rust's handler for it takes one that comes without a fault as a mistake.
    kill(plugin.worker_pid, Signal::ABORT);
    kill(plugin.worker_pid, Signal::CONT);
    let error = fails(waiting.await, ErrorReason::PluginCrashed);
    let death = error.death.unwrap();
    assert_eq!((death.kind(), death.signal), (DeathKind::Signal, 6));
    assert_eq!(death.call, "GetParameter");
    assert!(
        death.summary.contains("SIGABRT (6) during get_parameter"),
        "{}",
        death.summary
    );
    let later = fails(
        client.get_parameter(&plugin.handle, 0).await,
        ErrorReason::PluginDead,
    );
    assert_eq!(later.death.unwrap().report_id, death.report_id);
    let described = client.get_plugin(&plugin.handle).await.unwrap();
    assert_eq!(described.state(), PluginState::Dead);
    assert_eq!(described.death.unwrap().report_id, death.report_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_wait_ends_with_the_worker() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let (plugin, mut ring) = client.open_audio("null:gain").await;
    stop(plugin.worker_pid);
    let mut slot = ring.begin().unwrap();
    slot.set_header(&BlockHeader {
        frames: 64,
        ..BlockHeader::default()
    });
    slot.silence(0);
    slot.silence(1);
    slot.submit();
    let waiting = std::thread::spawn(move || {
        let ended = ring.wait(1, Instant::now() + PATIENCE);
        (ended, Instant::now())
    });
    let killed = Instant::now();
    kill(plugin.worker_pid, Signal::KILL);
    let (ended, at) = tokio::task::spawn_blocking(|| waiting.join().unwrap())
        .await
        .unwrap();
    assert!(matches!(ended, Err(RingError::Dead)), "{ended:?}");
    println!("dead after {:?}", at - killed);
    let error = fails(
        client.get_parameter(&plugin.handle, 0).await,
        ErrorReason::PluginDead,
    );
    let death = error.death.unwrap();
    assert_eq!(
        (death.kind(), death.call.as_str()),
        (DeathKind::Killed, "process")
    );
}

#[tokio::test]
async fn a_call_that_outlasts_its_deadline_is_a_hang() {
    let daemon = Daemon::with(worker(), "[deadlines]\ncontrol_seconds = 0.3\n", &[]);
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    stop(plugin.worker_pid);
    let error = fails(
        client.get_parameter(&plugin.handle, 0).await,
        ErrorReason::PluginHung,
    );
    let death = error.death.unwrap();
    assert_eq!(death.kind(), DeathKind::Hang);
    assert!(death.summary.contains("0.3 s"), "{}", death.summary);
}

#[tokio::test]
async fn a_hang_is_noticed_when_nobody_waits_any_more() {
    let daemon = Daemon::with(worker(), "[deadlines]\ncontrol_seconds = 1\n", &[]);
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    stop(plugin.worker_pid);
    let mut request = tonic::Request::new(GetParameterRequest {
        handle: plugin.handle.clone(),
        index: 0,
    });
    request.set_timeout(Duration::from_millis(50));
    // Told by the client's own timer or by the daemon's, whichever is first.
    let error = client
        .parameters()
        .get_parameter(request)
        .await
        .unwrap_err();
    let code = error.code();
    assert!(
        matches!(code, Code::Cancelled | Code::DeadlineExceeded),
        "{error}"
    );
    assert_eq!(
        client.get_plugin(&plugin.handle).await.unwrap().state(),
        PluginState::Ready
    );
    daemon.log.wait_for("hung during get_parameter");
    fails(
        client.get_parameter(&plugin.handle, 0).await,
        ErrorReason::PluginDead,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_without_progress_are_a_hang() {
    let daemon = Daemon::with(worker(), "[deadlines]\nblock_seconds = 0.3\n", &[]);
    let client = daemon.client().await;
    let (plugin, mut ring) = client.open_audio("null:gain").await;
    stop(plugin.worker_pid);
    let mut slot = ring.begin().unwrap();
    slot.set_header(&BlockHeader::default());
    slot.submit();
    let waited = tokio::task::spawn_blocking(move || ring.wait(1, Instant::now() + PATIENCE));
    assert!(matches!(waited.await.unwrap(), Err(RingError::Dead)));
    let error = fails(
        client.get_parameter(&plugin.handle, 0).await,
        ErrorReason::PluginDead,
    );
    let death = error.death.unwrap();
    assert_eq!(
        (death.kind(), death.call.as_str()),
        (DeathKind::Hang, "process")
    );
}

async fn restart(client: &Client, handle: &str, sample_rate: f64) -> RestartPluginResponse {
    let request = RestartPluginRequest {
        handle: handle.into(),
        sample_rate,
        ..Default::default()
    };
    client
        .plugins()
        .restart_plugin(request)
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_brings_a_fresh_worker_under_the_same_handle() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let (plugin, _ring) = client.open_audio("null:gain").await;
    let handle = &plugin.handle;
    client.set_parameter(handle, 0, 0.125).await.unwrap();
    kill(plugin.worker_pid, Signal::KILL);
    daemon.log.wait_for("was killed from outside");
    let restarted = restart(&client, handle, 96_000.0).await;
    let (fresh, audio) = (restarted.plugin.unwrap(), restarted.audio.unwrap());
    assert_eq!((&fresh.handle, fresh.generation), (handle, 2));
    assert_ne!(fresh.worker_pid, plugin.worker_pid);
    assert_eq!((audio.generation, fresh.sample_rate), (2, 96_000.0));
    assert_eq!(fresh.state(), PluginState::Ready);
    assert!(fresh.death.is_none());
    assert_ne!(client.get_parameter(handle, 0).await.unwrap(), 0.125);
    crate::audio::play(&mut attach(&audio), 10);
    // A living one can be restarted as well, and keeps its rate.
    let again = restart(&client, handle, 0.0).await.plugin.unwrap();
    assert_eq!((again.generation, again.sample_rate), (3, 96_000.0));
    client.close(handle).await.unwrap();
}
