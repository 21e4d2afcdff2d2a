//! Who may do what.

use plugpen_proto::v1::*;
use plugpen_proto::{Error, PROTOCOL_MAJOR};

use crate::support::{Client, Daemon, fails, wait_gone, worker};

#[tokio::test]
async fn a_handle_belongs_to_its_session() {
    let daemon = Daemon::start();
    let (one, other) = (daemon.client().await, daemon.client().await);
    let plugin = one.open("null:gain").await.unwrap();
    fails(
        other.get_plugin(&plugin.handle).await,
        ErrorReason::NotFound,
    );
    fails(other.close(&plugin.handle).await, ErrorReason::NotFound);
    fails(
        other.get_parameter(&plugin.handle, 0).await,
        ErrorReason::NotFound,
    );
    one.get_plugin(&plugin.handle).await.unwrap();
}

#[tokio::test]
async fn a_wrong_token_opens_nothing() {
    let daemon = Daemon::start();
    let stranger = Client::without_session(&daemon.socket(), "0123").await;
    let info = stranger
        .server()
        .get_server_info(GetServerInfoRequest {})
        .await;
    let error = fails(info.map_err(Error::from), ErrorReason::Unauthenticated);
    assert!(error.message.contains("token"), "{error}");
    let daemon = Daemon::with(worker(), "", &["--no-token"]);
    let stranger = Client::connect(&daemon.socket(), "0123").await;
    stranger.open("null:gain").await.unwrap();
}

#[tokio::test]
async fn calls_need_a_session_that_is_open() {
    let daemon = Daemon::start();
    let mut client = Client::without_session(&daemon.socket(), &daemon.token()).await;
    fails(client.open("null:gain").await, ErrorReason::WrongState);
    client.metadata.session = Some("made up".into());
    fails(client.open("null:gain").await, ErrorReason::WrongState);
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    client
        .server()
        .close_session(CloseSessionRequest {})
        .await
        .unwrap();
    wait_gone(plugin.worker_pid);
    fails(
        client.get_plugin(&plugin.handle).await,
        ErrorReason::WrongState,
    );
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let daemon = Daemon::start();
    let client = Client::without_session(&daemon.socket(), &daemon.token()).await;
    let request = OpenSessionRequest {
        protocol_major: PROTOCOL_MAJOR + 1,
        ..OpenSessionRequest::default()
    };
    let answer = client.server().open_session(request).await;
    fails(answer.map_err(Error::from), ErrorReason::VersionMismatch);
}

// With threads of its own for the client, whose connection must end while this one waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_its_connection_and_the_grace_period() {
    let daemon = Daemon::with(worker(), "grace_seconds = 0\n", &[]);
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    let mut second = Client::without_session(&daemon.socket(), &daemon.token()).await;
    second.metadata = client.metadata.clone();
    second.get_plugin(&plugin.handle).await.unwrap();
    drop(client);
    // The second connection keeps it.
    second.get_plugin(&plugin.handle).await.unwrap();
    drop(second);
    daemon.log.wait_for("its client is gone");
    wait_gone(plugin.worker_pid);
}

#[tokio::test]
async fn standard_services_answer() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let mut health = HealthClient::with_interceptor(client.channel(), client.metadata.clone());
    let answer = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
    let listed = client.reflected_services().await;
    for service in ["plugpen.v1.PluginService", "grpc.health.v1.Health"] {
        assert!(listed.iter().any(|name| name == service), "{listed:?}");
    }
}
