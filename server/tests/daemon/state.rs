//! States in chunks, programs in pages.

use plugpen_proto::v1::*;

use crate::support::{Client, Daemon, fails};

async fn set_state(
    client: &Client,
    handle: &str,
    chunks: usize,
    bytes: usize,
) -> Result<(), plugpen_proto::Error> {
    let first = SetStateRequest {
        handle: handle.into(),
        scope: StateScope::Plugin.into(),
        data: vec![1; bytes],
    };
    let more = SetStateRequest {
        data: vec![2; bytes],
        ..SetStateRequest::default()
    };
    let messages = std::iter::once(first).chain(std::iter::repeat_n(more, chunks - 1));
    client
        .states()
        .set_state(tokio_stream::iter(messages))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_state_comes_in_chunks_and_goes_back() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    let handle = plugin.handle.as_str();
    client.set_parameter(handle, 0, 0.75).await.unwrap();
    let state = client.get_state(handle).await.unwrap();
    client.set_parameter(handle, 0, 0.25).await.unwrap();
    let request = SetStateRequest {
        handle: handle.into(),
        scope: StateScope::Plugin.into(),
        data: state,
    };
    client
        .states()
        .set_state(tokio_stream::once(request))
        .await
        .unwrap();
    assert_eq!(client.get_parameter(handle, 0).await.unwrap(), 0.75);
}

#[tokio::test]
async fn large_states_travel_and_larger_ones_are_refused() {
    let daemon = Daemon::with_villain("[limits]\nstate_bytes = 2000000\n");
    let client = daemon.client().await;
    let plugin = client.open(&daemon.bundle("good.lv2")).await.unwrap();
    let handle = plugin.handle.as_str();
    let state = client.get_state(handle).await.unwrap();
    assert_eq!(state, vec![7; 1_000_000]);
    set_state(&client, handle, 7, 250_000).await.unwrap();
    daemon.log.wait_for("1750000 bytes of state");
    fails(
        set_state(&client, handle, 9, 250_000).await,
        ErrorReason::LimitReached,
    );
    let small = Daemon::with_villain("[limits]\nstate_bytes = 1000\n");
    let client = small.client().await;
    let plugin = client.open(&small.bundle("good.lv2")).await.unwrap();
    fails(
        client.get_state(&plugin.handle).await,
        ErrorReason::LimitReached,
    );
}

#[tokio::test]
async fn programs_come_in_pages() {
    let daemon = Daemon::with_villain("");
    let client = daemon.client().await;
    let plugin = client.open(&daemon.bundle("good.lv2")).await.unwrap();
    let mut request = ListProgramsRequest {
        handle: plugin.handle,
        page_size: 200,
        ..ListProgramsRequest::default()
    };
    let first = client
        .states()
        .list_programs(request.clone())
        .await
        .unwrap()
        .into_inner();
    request.page_token = first.next_page_token;
    let last = client
        .states()
        .list_programs(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((first.names.len(), last.names.len()), (200, 50));
    assert_eq!(
        (last.names[49].as_str(), last.next_page_token.as_str()),
        ("program 249", "")
    );
}
