//! Rings, and the door at which they are given out.

use std::time::Instant;

use plugpen_proto::v1::*;
use plugpen_shm::{BlockHeader, ClientEnd, RingError};
use rustix::process::Signal;

use crate::support::{Daemon, PATIENCE, attach, fails, options, redeem};

/// Plays blocks through a null gain and checks that they come back in order.
pub fn play(ring: &mut ClientEnd, blocks: u64) {
    for number in 0..blocks {
        let mut slot = ring.begin().unwrap();
        slot.set_header(&BlockHeader {
            frames: 64,
            ..BlockHeader::default()
        });
        slot.write_f32(0, &[0.5; 64]);
        slot.write_f32(1, &[-0.5; 64]);
        slot.submit();
        ring.wait(1, Instant::now() + PATIENCE).unwrap();
        let output = ring.output().unwrap().unwrap();
        assert_eq!(output.header().frames, 64);
        let mut samples = [9.0; 64];
        output.read_f32(0, &mut samples);
        assert!(samples.iter().all(|s| s.is_finite() && *s != 9.0));
        assert_eq!(output.header().sequence, number + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_go_through_a_plugin() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let (plugin, mut ring) = client.open_audio("null:gain").await;
    play(&mut ring, 100);
    client.set_parameter(&plugin.handle, 0, 1.0).await.unwrap();
    play_more(&mut ring);
    client.close(&plugin.handle).await.unwrap();
    assert!(ring.is_dead());
}

fn play_more(ring: &mut ClientEnd) {
    let mut slot = ring.begin().unwrap();
    slot.set_header(&BlockHeader {
        frames: 512,
        ..BlockHeader::default()
    });
    slot.write_f32(0, &[0.5; 512]);
    slot.silence(1);
    slot.submit();
    ring.wait(1, Instant::now() + PATIENCE).unwrap();
    let output = ring.output().unwrap().unwrap();
    let (mut left, mut right) = ([0.0; 512], [9.0; 512]);
    output.read_f32(0, &mut left);
    output.read_f32(1, &mut right);
    assert!(
        left[511] > 0.0 && right[511] == 0.0,
        "{} {}",
        left[511],
        right[511]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_plugin_plays() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let (_, mut ring) = client
        .open_audio("http://drobilla.net/plugins/mda/Delay")
        .await;
    play(&mut ring, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_once() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let wish = options("null:gain", AudioPath::SharedMemory);
    let (plugin, audio) = client.open_with(wish).await.unwrap();
    let audio = audio.unwrap();
    assert_eq!((audio.depth, audio.event_bytes), (16, 65_536));
    let _fds = redeem(&audio).unwrap();
    assert!(redeem(&audio).unwrap_err().contains("once"));
    let forged = AudioRings {
        ticket: vec![0; 32],
        ..audio
    };
    assert!(redeem(&forged).is_err());
    client.get_plugin(&plugin.handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_holder_replaces_the_first() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let (plugin, mut first) = client.open_audio("null:gain").await;
    play(&mut first, 5);
    let request = AttachAudioRequest {
        handle: plugin.handle.clone(),
    };
    let answer = client.plugins().attach_audio(request).await.unwrap();
    let mut second = attach(&answer.into_inner().audio.unwrap());
    assert!(first.is_dead());
    let mut slot = first.begin().unwrap();
    slot.set_header(&BlockHeader::default());
    slot.submit();
    let waited = first.wait(1, Instant::now() + PATIENCE);
    assert!(matches!(waited, Err(RingError::Dead)), "{waited:?}");
    play(&mut second, 5);
    assert_eq!(
        client.get_plugin(&plugin.handle).await.unwrap().state(),
        PluginState::Ready
    );
}

#[tokio::test]
async fn a_plugin_without_audio_has_no_rings() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    let request = AttachAudioRequest {
        handle: plugin.handle,
    };
    let answer = client.plugins().attach_audio(request).await;
    fails(answer.map_err(Into::into), ErrorReason::WrongState);
}

#[tokio::test]
async fn a_ticket_dies_with_its_worker() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let wish = options("null:gain", AudioPath::SharedMemory);
    let (plugin, audio) = client.open_with(wish).await.unwrap();
    crate::support::kill(plugin.worker_pid, Signal::KILL);
    daemon.log.wait_for("was killed from outside");
    assert!(redeem(&audio.unwrap()).unwrap_err().contains("died"));
}
