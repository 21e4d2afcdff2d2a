//! Devices that die or are closed, and whose the plugins' audio is then. The device is the villain:
//! no sound system is needed for that.

use plugpen_proto::Error;
use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::*;
use plugpen_shm::ClientEnd;

use crate::audio::play;
use crate::support::{Client, Daemon, attach, fails, is_running, villain, wait_gone, worker};

fn daemon() -> Daemon {
    let device = villain().to_str().unwrap().to_owned();
    Daemon::with(worker(), "", &["--device", &device])
}

async fn open(client: &Client, plugins: &[&str]) -> Result<DeviceStatus, Error> {
    let request = OpenDeviceRequest {
        plugins: plugins.iter().map(|handle| (*handle).into()).collect(),
        ..OpenDeviceRequest::default()
    };
    let opened = client.devices().open_device(request).await?;
    Ok(opened.into_inner().device.unwrap())
}

async fn give(client: &Client, device: &str, plugin: &str) -> Result<(), Error> {
    let request = AttachDeviceRequest {
        handle: device.into(),
        plugin: plugin.into(),
    };
    client.devices().attach_device(request).await?;
    Ok(())
}

async fn close(client: &Client, device: &str) -> Result<(), Error> {
    let handle = device.into();
    let request = CloseDeviceRequest { handle };
    client.devices().close_device(request).await?;
    Ok(())
}

/// The villain dies of it.
async fn stop(client: &Client, device: &str) -> Error {
    let handle = device.into();
    let request = StopDeviceRequest { handle };
    client
        .devices()
        .stop_device(request)
        .await
        .unwrap_err()
        .into()
}

async fn status(client: &Client, device: &str) -> Result<DeviceStatus, Error> {
    let handle = device.into();
    let request = GetDeviceRequest { handle };
    let answer = client.devices().get_device(request).await?;
    Ok(answer.into_inner().device.unwrap())
}

/// The client's end of fresh rings, if the client may have it.
async fn rings(client: &Client, plugin: &str) -> Result<ClientEnd, Error> {
    let handle = plugin.into();
    let request = AttachAudioRequest { handle };
    let attached = client.plugins().attach_audio(request).await?;
    Ok(attach(&attached.into_inner().audio.unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_device_gives_its_plugins_back() {
    let daemon = daemon();
    let client = daemon.client().await;
    let (plugin, _ring) = client.open_audio("null:gain").await;
    let handle = plugin.handle.as_str();
    let mut events = client.events();
    let watching = events.watch_events(WatchEventsRequest::default());
    let mut stream = watching.await.unwrap().into_inner();
    let device = open(&client, &[handle]).await.unwrap().handle;
    give(&client, &device, handle).await.unwrap();
    for lent in [
        rings(&client, handle).await.err().unwrap(),
        open(&client, &[handle]).await.unwrap_err(),
    ] {
        assert_eq!(lent.reason, ErrorReason::WrongState, "{lent}");
        assert!(lent.message.contains("close the device"), "{lent}");
    }
    let error = stop(&client, &device).await;
    assert_eq!(error.reason, ErrorReason::PluginCrashed, "{error}");
    let died = loop {
        let event = stream.message().await.unwrap().unwrap();
        if let Some(Event::Died(death)) = event.event {
            assert_eq!(event.handle, device);
            break death;
        }
    };
    assert!(
        died.summary.contains("the audio device"),
        "{}",
        died.summary
    );
    let dead = fails(status(&client, &device).await, ErrorReason::PluginDead);
    assert!(
        dead.message.ends_with("Close it and open it again."),
        "{dead}"
    );
    assert_eq!(dead.death.unwrap().report_id, died.report_id);
    play(&mut rings(&client, handle).await.unwrap(), 10);
    // A second one takes over, and the first does not meddle with it.
    let second = open(&client, &[handle]).await.unwrap().handle;
    give(&client, &second, handle).await.unwrap();
    fails(
        give(&client, &device, handle).await,
        ErrorReason::PluginDead,
    );
    close(&client, &device).await.unwrap();
    let lent = rings(&client, handle).await.err().unwrap();
    assert_eq!(lent.reason, ErrorReason::WrongState);
    close(&client, &second).await.unwrap();
    let closed = fails(
        give(&client, &second, handle).await,
        ErrorReason::WrongState,
    );
    assert!(closed.message.contains("open it again"), "{closed}");
    play(&mut rings(&client, handle).await.unwrap(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_its_session_s_and_ends_with_it() {
    let daemon = daemon();
    let (client, stranger) = (daemon.client().await, daemon.client().await);
    let (plugin, _ring) = client.open_audio("null:gain").await;
    let device = open(&client, &[&plugin.handle]).await.unwrap();
    fails(
        status(&stranger, &device.handle).await,
        ErrorReason::NotFound,
    );
    fails(
        close(&stranger, &device.handle).await,
        ErrorReason::NotFound,
    );
    fails(
        open(&stranger, &[&plugin.handle]).await,
        ErrorReason::NotFound,
    );
    let twice = [plugin.handle.as_str(); 2];
    fails(open(&client, &twice).await, ErrorReason::InvalidInput);
    assert!(is_running(device.pid));
    let request = CloseSessionRequest::default();
    client.server().close_session(request).await.unwrap();
    wait_gone(device.pid);
    wait_gone(plugin.worker_pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_midi_input_is_no_device() {
    let daemon = daemon();
    let client = daemon.client().await;
    let request = OpenMidiInRequest {
        port: Some(0),
        ..OpenMidiInRequest::default()
    };
    let opened = client.devices().open_midi_in(request).await.unwrap();
    let handle = opened.into_inner().handle;
    let refused = fails(status(&client, &handle).await, ErrorReason::WrongState);
    assert!(refused.message.contains("is a MIDI input"), "{refused}");
    fails(
        give(&client, &handle, "p1").await,
        ErrorReason::InvalidInput,
    );
    close(&client, &handle).await.unwrap();
    close(&client, &handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mix_is_checked_before_the_device_hears_of_it() {
    let daemon = daemon();
    let client = daemon.client().await;
    let (plugin, _ring) = client.open_audio("null:gain").await;
    let handle = open(&client, &[&plugin.handle]).await.unwrap().handle;
    for (mix, is_sound) in [(0.5, true), (1.5, false), (f64::NAN, false)] {
        let request = SetDeviceMixRequest {
            handle: handle.clone(),
            index: 0,
            mix,
        };
        let answer = client.devices().set_device_mix(request).await;
        assert_eq!(answer.is_ok(), is_sound, "{mix}");
    }
}
