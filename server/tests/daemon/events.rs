//! What watchers hear.

use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::*;
use rustix::process::Signal;
use tonic::Streaming;

use crate::support::{Client, Daemon, fails, kill};

async fn watch(client: &Client, handles: &[&str]) -> Streaming<WatchEventsResponse> {
    let request = WatchEventsRequest {
        handles: handles.iter().map(|handle| (*handle).to_owned()).collect(),
        ..WatchEventsRequest::default()
    };
    client
        .events()
        .watch_events(request)
        .await
        .unwrap()
        .into_inner()
}

async fn flush(client: &Client, handle: &str) -> u64 {
    let handle = handle.to_owned();
    let request = FlushEventsRequest { handle };
    client
        .events()
        .flush_events(request)
        .await
        .unwrap()
        .into_inner()
        .sequence
}

/// Everything up to the event of that number.
async fn up_to(
    stream: &mut Streaming<WatchEventsResponse>,
    sequence: u64,
) -> Vec<WatchEventsResponse> {
    let mut heard = Vec::new();
    loop {
        let event = stream.message().await.unwrap().unwrap();
        assert!(event.sequence <= sequence);
        heard.push(event);
        if heard.last().unwrap().sequence == sequence {
            return heard;
        }
    }
}

#[tokio::test]
async fn a_stream_tells_the_life_of_a_plugin() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    let handle = plugin.handle.as_str();
    let mut stream = watch(&client, &[]).await;
    let first = stream.message().await.unwrap().unwrap();
    match first.event {
        Some(Event::Snapshot(snapshot)) => {
            assert_eq!(snapshot.plugins.len(), 1);
            assert_eq!(snapshot.plugins[0].handle, handle);
        }
        other => panic!("expected a snapshot, got {other:?}"),
    }
    kill(plugin.worker_pid, Signal::KILL);
    let died = loop {
        let event = stream.message().await.unwrap().unwrap();
        if let Some(Event::Died(death)) = event.event {
            break death;
        }
    };
    assert_eq!(died.kind(), DeathKind::Killed);
    // A dead plugin can be flushed: there is nothing more to come.
    let mark = flush(&client, handle).await;
    up_to(&mut stream, mark).await;
    let request = RestartPluginRequest {
        handle: handle.into(),
        sample_rate: 0.0,
        ..Default::default()
    };
    let restarted = client
        .plugins()
        .restart_plugin(request)
        .await
        .unwrap()
        .into_inner();
    let pid = restarted.plugin.unwrap().worker_pid;
    client.close(handle).await.unwrap();
    let mut told = Vec::new();
    while !matches!(told.last(), Some(Event::Closed(_))) {
        let event = stream.message().await.unwrap().unwrap();
        assert_eq!((event.handle.as_str(), event.generation), (handle, 2));
        told.extend(event.event);
    }
    let restarts = told.iter().filter(|e| {
        **e == Event::Restarted(Restarted {
            worker_pid: pid,
            automatic: false,
        })
    });
    assert_eq!(restarts.count(), 1);
    client
        .server()
        .close_session(CloseSessionRequest {})
        .await
        .unwrap();
    assert!(stream.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_flush_comes_after_everything_the_plugin_did() {
    let daemon = Daemon::with_villain("");
    let client = daemon.client().await;
    let plugin = client.open(&daemon.bundle("good.lv2")).await.unwrap();
    let mut stream = watch(&client, &[&plugin.handle]).await;
    stream.message().await.unwrap().unwrap();
    client.set_parameter(&plugin.handle, 10, 0.5).await.unwrap();
    let mark = flush(&client, &plugin.handle).await;
    let heard = up_to(&mut stream, mark).await;
    let changed: Vec<u32> = heard
        .iter()
        .filter_map(|event| match &event.event {
            Some(Event::ParameterChanged(change)) => Some(change.index),
            _ => None,
        })
        .collect();
    // And nothing of the parameter it does not have, nor the value that is none.
    assert_eq!(changed, Vec::from_iter(0..10));
    assert_eq!(heard.last().unwrap().event, None);
}

#[tokio::test]
async fn a_flood_is_coalesced_and_losses_are_counted() {
    let daemon = Daemon::with_villain("");
    let client = daemon.client().await;
    let plugin = client.open(&daemon.bundle("good.lv2")).await.unwrap();
    let mut stream = watch(&client, &[]).await;
    // Not read meanwhile: what gRPC does not take waits in the daemon.
    client
        .set_parameter(&plugin.handle, 300_000, 0.5)
        .await
        .unwrap();
    let mark = flush(&client, &plugin.handle).await;
    let heard = up_to(&mut stream, mark).await;
    assert!(heard.len() < 300_000, "{}", heard.len());
    assert!(heard.is_sorted_by_key(|event| event.sequence));
    let mut last = vec![0.0; 1000];
    for event in &heard {
        if let Some(Event::ParameterChanged(change)) = &event.event {
            last[change.index as usize] = change.value;
        }
    }
    // The last value of each parameter is never one of those that were dropped.
    for (index, value) in (0u32..).zip(last) {
        assert_eq!(value, f64::from(299_000 + index) / 1e6);
    }
}

#[tokio::test]
async fn too_many_watchers_are_refused_and_a_stranger_hears_nothing() {
    let daemon = Daemon::with_villain("[limits]\nwatchers_per_session = 1\n");
    let client = daemon.client().await;
    let plugin = client.open(&daemon.bundle("noisy.lv2")).await.unwrap();
    let stream = watch(&client, &[]).await;
    let second = client
        .events()
        .watch_events(WatchEventsRequest::default())
        .await;
    fails(second.map_err(Into::into), ErrorReason::LimitReached);
    let stranger = daemon.client().await;
    let of_mine = WatchEventsRequest {
        handles: vec![plugin.handle.clone()],
        ..WatchEventsRequest::default()
    };
    let refused = stranger.events().watch_events(of_mine).await;
    fails(refused.map_err(Into::into), ErrorReason::NotFound);
    drop(stream);
    daemon.log.wait_for("a villain clears its throat");
}

#[tokio::test]
async fn who_watches_all_sessions_hears_of_every_plugin() {
    let daemon = Daemon::start();
    let owner = daemon.client().await;
    let first = owner.open("null:gain").await.unwrap();
    let watcher = daemon.client().await;
    let request = WatchEventsRequest {
        all_sessions: true,
        ..WatchEventsRequest::default()
    };
    let mut stream = watcher
        .events()
        .watch_events(request)
        .await
        .unwrap()
        .into_inner();
    let snapshot = stream.message().await.unwrap().unwrap();
    match snapshot.event {
        Some(Event::Snapshot(snapshot)) => assert_eq!(snapshot.plugins[0].handle, first.handle),
        other => panic!("expected a snapshot, got {other:?}"),
    }
    let second = owner.open("null:gain").await.unwrap();
    match stream.message().await.unwrap().unwrap().event {
        Some(Event::Opened(opened)) => assert_eq!(opened.plugin.unwrap().handle, second.handle),
        other => panic!("expected an opened plugin, got {other:?}"),
    }
    // A stranger may kill it; its owner sees a death and no closed plugin.
    let request = KillPluginRequest {
        worker_pid: second.worker_pid,
        ..KillPluginRequest::default()
    };
    let killed = watcher.plugins().kill_plugin(request.clone()).await;
    let killed = killed.unwrap().into_inner().plugin.unwrap();
    assert_eq!(killed.handle, second.handle);
    assert_eq!(killed.state(), PluginState::Dead);
    match stream.message().await.unwrap().unwrap().event {
        Some(Event::Died(death)) => {
            assert_eq!(death.kind(), DeathKind::Killed);
            assert!(death.summary.contains("a user asked"), "{}", death.summary);
        }
        other => panic!("expected a death, got {other:?}"),
    }
    let again = watcher.plugins().kill_plugin(request).await;
    fails(again.map_err(Into::into), ErrorReason::PluginDead);
    let nobody = KillPluginRequest {
        handle: "p0".into(),
        ..KillPluginRequest::default()
    };
    let nobody = watcher.plugins().kill_plugin(nobody).await;
    fails(nobody.map_err(Into::into), ErrorReason::NotFound);
}
