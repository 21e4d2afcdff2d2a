//! Callers that want too much: they are refused, and the others notice nothing.

use std::io::Read;
use std::net::TcpStream;

use plugpen::v1::ErrorReason;
use plugpen_proto::v1::OpenSessionRequest;
use plugpen_proto::v1::server_service_client::ServerServiceClient;
use tonic::{Code, Request};

use super::{Setup, open, until};

#[test]
fn a_flood_of_calls_is_refused_and_others_notice_nothing() {
    let daemon = Setup::plain()
        .with_config("[limits]\ncalls_per_second = 100\n")
        .start();
    let quiet = daemon.token("quiet", "play");
    let loud = daemon.token("loud", "play");
    let (quiet, loud) = (open(&daemon.client(&quiet)), open(&daemon.client(&loud)));
    let mut refused = 0;
    for _ in 0..2000 {
        if let Err(error) = loud.get_param(0) {
            assert_eq!(error.reason, ErrorReason::LimitReached, "{error}");
            assert!(error.message.contains("calls_per_second"), "{error}");
            refused += 1;
            if refused == 1 {
                // In the middle of it.
                quiet.set_param(0, 0.25).unwrap();
                assert_eq!(quiet.get_param(0).unwrap(), 0.25);
            }
        }
    }
    assert!(refused > 0, "2000 calls at 100 a second were all answered");
    quiet.get_param(0).unwrap();
    until("the loud one to be heard again", || {
        loud.get_param(0).is_ok()
    });
}

#[test]
fn a_flood_of_openings_stops_at_the_limit_of_one_session() {
    let daemon = Setup::plain()
        .with_config("[limits]\nplugins_per_session = 3\n")
        .start();
    let other = daemon.owner();
    let plugin = open(&other);
    let greedy = daemon.owner();
    let held: Vec<_> = (0..3).map(|_| open(&greedy)).collect();
    let error = super::try_open(&greedy, "null:gain").unwrap_err();
    assert_eq!(error.reason, ErrorReason::LimitReached, "{error}");
    assert!(error.message.contains("plugins_per_session"), "{error}");
    plugin.get_param(0).unwrap();
    open(&other);
    drop(held);
}

#[test]
fn connections_beyond_the_limit_are_closed_at_once() {
    let daemon = Setup::plain()
        .with_config("[limits]\nconnections = 2\n")
        .start();
    let server = daemon.owner();
    let port = daemon.address().trim_start_matches("http://").to_owned();
    let second = TcpStream::connect(&port).unwrap();
    let mut third = TcpStream::connect(&port).unwrap();
    assert_eq!(third.read(&mut [0]).unwrap_or(0), 0, "it was let in");
    until("the note of it", || daemon.logged(&["\"connections\\\""]));
    server.info().unwrap();
    let error = daemon.connect("any").unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
    // Places are given back.
    drop(second);
    let token = std::fs::read_to_string(daemon.folder.path().join("run/token")).unwrap();
    until("a free place", || daemon.connect(&token).is_ok());
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    let daemon = Setup::plain().start();
    let server = daemon.owner();
    let plugin = open(&server);
    let token = std::fs::read_to_string(daemon.folder.path().join("run/token")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let status = runtime.block_on(async {
        let address = daemon.address().to_owned();
        let channel = tonic::transport::Endpoint::from_shared(address).unwrap();
        let mut request = Request::new(OpenSessionRequest {
            client_name: "x".repeat(64 << 20),
            ..OpenSessionRequest::default()
        });
        let bearer = format!("Bearer {}", token.trim()).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let mut client = ServerServiceClient::new(channel.connect().await.unwrap());
        client.open_session(request).await.unwrap_err()
    });
    let refused = [Code::OutOfRange, Code::ResourceExhausted];
    assert!(refused.contains(&status.code()), "{status}");
    plugin.get_param(0).unwrap();
}
