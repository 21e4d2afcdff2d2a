//! Workers that use more than they may.

use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::*;

use crate::support::{Client, Daemon};

const TIGHT: &str =
    "[limits]\nworker_memory_bytes = 33554432\nworker_threads = 16\nworker_disk_bytes = 1048576\n";

/// Opens the plugin and hears of it until its death.
async fn watch(client: &Client, bundle: &str) -> (Vec<Event>, Death) {
    let mut stream = client
        .events()
        .watch_events(WatchEventsRequest::default())
        .await
        .unwrap()
        .into_inner();
    client.open(bundle).await.unwrap();
    let mut told = Vec::new();
    loop {
        match stream.message().await.unwrap().unwrap().event {
            Some(Event::Died(death)) => return (told, death),
            event => told.extend(event),
        }
    }
}

#[tokio::test]
async fn a_leak_is_reported_with_its_growth_and_then_ended() {
    let daemon = Daemon::with_villain(TIGHT);
    let client = daemon.client().await;
    let (told, death) = watch(&client, &daemon.bundle("leak.lv2")).await;
    assert_eq!(death.kind(), DeathKind::MemoryLimit, "{death:?}");
    assert!(death.summary.contains("worker_memory_bytes"), "{death:?}");
    let growth = told.iter().find_map(|event| match event {
        Event::MemoryGrowth(growth) => Some(*growth),
        _ => None,
    });
    let growth = growth.expect("it was told before");
    assert_eq!(growth.limit_bytes, 33_554_432);
    assert!(
        growth.bytes > 8 << 20 && growth.bytes_per_second > 0.0,
        "{growth:?}"
    );
}

#[tokio::test]
async fn too_many_threads_and_too_much_disk_are_named() {
    let daemon = Daemon::with_villain(TIGHT);
    let client = daemon.client().await;
    for (bundle, limit) in [
        ("threads.lv2", "worker_threads"),
        ("disk.lv2", "worker_disk_bytes"),
    ] {
        let (_, death) = watch(&client, &daemon.bundle(bundle)).await;
        assert_eq!(death.kind(), DeathKind::Limit, "{death:?}");
        assert!(death.summary.contains(limit), "{death:?}");
    }
}

#[tokio::test]
async fn a_session_whose_plugins_die_all_the_time_has_to_wait() {
    let daemon = Daemon::with_villain("[limits]\ncrashes_per_minute = 1\n");
    let client = daemon.client().await;
    let plugin = client.open(&daemon.bundle("good.lv2")).await.unwrap();
    client.get_parameter(&plugin.handle, 1).await.unwrap_err();
    let error = client.open(&daemon.bundle("good.lv2")).await.unwrap_err();
    assert_eq!(error.reason, ErrorReason::LimitReached);
    assert!(error.message.contains("crashes_per_minute"), "{error}");
    // It is that session's, and nobody else's.
    let other = daemon.client().await;
    other.open(&daemon.bundle("good.lv2")).await.unwrap();
}

#[tokio::test]
async fn a_policy_makes_a_fresh_worker_that_its_client_takes_over() {
    let daemon = Daemon::with_villain("[restarts]\npolicy = \"on-crash\"\n");
    let client = daemon.client().await;
    let plugin = client.open(&daemon.bundle("good.lv2")).await.unwrap();
    assert_eq!(plugin.restart(), RestartPolicy::OnCrash);
    client.get_parameter(&plugin.handle, 1).await.unwrap_err();
    let request = RestartPluginRequest {
        handle: plugin.handle.clone(),
        after_generation: 1,
        ..RestartPluginRequest::default()
    };
    let taken = client.plugins().restart_plugin(request.clone()).await;
    let fresh = taken.unwrap().into_inner().plugin.unwrap();
    assert_eq!((fresh.generation, fresh.restarts), (2, 1));
    assert_eq!(fresh.state(), PluginState::Ready);
    // Whoever asks again for the successor of that generation gets the same one.
    let again = client.plugins().restart_plugin(request).await;
    let again = again.unwrap().into_inner().plugin.unwrap();
    assert_eq!((again.generation, again.worker_pid), (2, fresh.worker_pid));
    client.get_parameter(&plugin.handle, 0).await.unwrap();
}
