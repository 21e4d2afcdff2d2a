//! Workers that lie.

use plugpen_proto::v1::*;

use crate::support::{Daemon, fails, options};

const IMPATIENT: &str = "[deadlines]\nload_seconds = 0.3\ncontrol_seconds = 0.3\n";

#[tokio::test]
async fn each_way_to_fail_at_opening_has_its_name() {
    let daemon = Daemon::with_villain(IMPATIENT);
    let client = daemon.client().await;
    for (bundle, reason, kind) in [
        (
            "crash.lv2",
            ErrorReason::PluginCrashed,
            Some(DeathKind::Signal),
        ),
        (
            "exit.lv2",
            ErrorReason::PluginCrashed,
            Some(DeathKind::Exit),
        ),
        ("hang.lv2", ErrorReason::PluginHung, Some(DeathKind::Hang)),
        (
            "noise.lv2",
            ErrorReason::PluginCrashed,
            Some(DeathKind::Protocol),
        ),
        (
            "confused.lv2",
            ErrorReason::PluginCrashed,
            Some(DeathKind::Protocol),
        ),
        (
            "wide.lv2",
            ErrorReason::PluginCrashed,
            Some(DeathKind::Protocol),
        ),
        ("mute.lv2", ErrorReason::PluginHung, Some(DeathKind::Hang)),
        (
            "stillborn.lv2",
            ErrorReason::PluginCrashed,
            Some(DeathKind::Exit),
        ),
        ("refuse.lv2", ErrorReason::PluginRefused, None),
        ("outdated.lv2", ErrorReason::VersionMismatch, None),
    ] {
        let opened = client.open(&daemon.bundle(bundle)).await;
        let error = fails(opened, reason);
        assert_eq!(
            error.death.as_ref().map(|d| d.kind()),
            kind,
            "{bundle}: {error}"
        );
    }
    let stillborn = client
        .open(&daemon.bundle("stillborn.lv2"))
        .await
        .unwrap_err();
    let death = stillborn.death.unwrap();
    assert_eq!(
        (death.exit_code, death.output),
        (3, vec!["cannot go on".into()])
    );
    let left = std::fs::read_dir(daemon.run().join("workers")).unwrap();
    assert_eq!(left.count(), 0);
    assert!(client.list().await.is_empty());
}

#[tokio::test]
async fn a_worker_cannot_choose_who_it_is() {
    let daemon = Daemon::with_villain("");
    let client = daemon.client().await;
    let plugin = client.open(&daemon.bundle("good.lv2")).await.unwrap();
    assert_ne!(plugin.handle, "stolen");
    assert_ne!(plugin.worker_pid, 1);
    let reset = ResetRequest {
        handle: plugin.handle.clone(),
    };
    // It claims that it crashed, and lives.
    let answer = client.playback().reset(reset).await;
    fails(answer.map_err(Into::into), ErrorReason::PluginRefused);
    let timing = GetTimingRequest {
        handle: plugin.handle,
    };
    let answer = client.playback().get_timing(timing).await;
    let error = fails(answer.map_err(Into::into), ErrorReason::PluginCrashed);
    assert_eq!(error.death.unwrap().kind(), DeathKind::Protocol);
}

#[tokio::test]
async fn deaths_in_a_call_are_told_apart() {
    let daemon = Daemon::with_villain("[deadlines]\ncontrol_seconds = 0.3\n");
    let client = daemon.client().await;
    for (index, reason, kind) in [
        (1, ErrorReason::PluginCrashed, DeathKind::Signal),
        (2, ErrorReason::PluginHung, DeathKind::Hang),
        (3, ErrorReason::PluginCrashed, DeathKind::Exit),
    ] {
        let plugin = client.open(&daemon.bundle("good.lv2")).await.unwrap();
        let error = fails(client.get_parameter(&plugin.handle, index).await, reason);
        let death = error.death.unwrap();
        assert_eq!((death.kind(), death.call.as_str()), (kind, "GetParameter"));
    }
}

#[tokio::test]
async fn a_restart_that_fails_leaves_a_dead_plugin_that_can_be_restarted() {
    let daemon = Daemon::with_villain("");
    let client = daemon.client().await;
    let good = daemon.bundle("good.lv2");
    let wish = options(&good, AudioPath::SharedMemory);
    let (plugin, _) = client.open_with(wish).await.unwrap();
    std::fs::write(daemon.villain_switch(), "stillborn").unwrap();
    let request = RestartPluginRequest {
        handle: plugin.handle.clone(),
        sample_rate: 0.0,
        ..Default::default()
    };
    let failed = client.plugins().restart_plugin(request.clone()).await;
    fails(failed.map_err(Into::into), ErrorReason::PluginCrashed);
    let error = fails(
        client.get_parameter(&plugin.handle, 0).await,
        ErrorReason::PluginDead,
    );
    assert_eq!(error.death.unwrap().generation, 2);
    std::fs::remove_file(daemon.villain_switch()).unwrap();
    let restarted = client.plugins().restart_plugin(request).await.unwrap();
    assert_eq!(restarted.into_inner().plugin.unwrap().generation, 3);
    client.get_parameter(&plugin.handle, 0).await.unwrap();
}

#[tokio::test]
async fn too_many_calls_for_one_worker_are_refused() {
    let daemon = Daemon::with_villain("[limits]\ncalls_per_plugin = 3\n");
    let client = daemon.client().await;
    let plugin = client.open(&daemon.bundle("good.lv2")).await.unwrap();
    let calls = (0..10).map(|_| client.get_parameter(&plugin.handle, 2));
    let mut calls: futures_util::stream::FuturesUnordered<_> = calls.collect();
    let first = futures_util::StreamExt::next(&mut calls).await.unwrap();
    fails(first, ErrorReason::LimitReached);
}
