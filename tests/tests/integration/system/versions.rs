//! Parts of different releases refuse each other with a sentence, not with chaos.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::thread;

use plugpen::v1::server_service_client::ServerServiceClient;
use plugpen::v1::{ErrorReason, OpenSessionRequest};
use plugpen::{Error, Server};
use plugpen_proto::{PROTOCOL_MAJOR, framing, worker};

use super::{is, server, server_with, try_open};

#[test]
fn a_client_of_another_protocol_is_refused() {
    let server = server();
    let target = server.target().to_owned();
    let socket = target.strip_prefix("unix:").unwrap().to_owned();
    let token = std::fs::read_to_string(std::path::Path::new(&socket).with_file_name("token"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let status = runtime.block_on(async {
        let channel = tonic::transport::Endpoint::from_shared(target)
            .unwrap()
            .connect()
            .await
            .unwrap();
        let mut request = tonic::Request::new(OpenSessionRequest {
            client_name: "from the future".into(),
            protocol_major: PROTOCOL_MAJOR + 1,
            ..OpenSessionRequest::default()
        });
        let bearer = format!("Bearer {}", token.unwrap().trim());
        request
            .metadata_mut()
            .insert("authorization", bearer.parse().unwrap());
        ServerServiceClient::new(channel)
            .open_session(request)
            .await
            .unwrap_err()
    });
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    let error = Error::from(status);
    assert_eq!(error.reason, ErrorReason::VersionMismatch, "{error}");
    assert!(error.message.contains("protocol"), "{error}");
}

#[test]
fn something_else_on_the_socket_is_no_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("other.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let other = thread::spawn(move || {
        // Whoever connects gets an answer of another kind and is hung up on.
        for stream in listener.incoming().take(1) {
            let _ = stream.unwrap().write_all(b"220 mail.example.org ESMTP\r\n");
        }
    });
    let target = format!("unix:{}", socket.display());
    let error = Server::connect_with_token(&target, Some("any")).unwrap_err();
    let reasons = [ErrorReason::ServerUnavailable, ErrorReason::VersionMismatch];
    assert!(is(&error, &reasons), "{:?} {error}", error.reason);
    other.join().unwrap();
}

#[test]
fn a_worker_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let hello = worker::FromWorker {
        id: 0,
        body: Some(worker::from_worker::Body::Hello(worker::Hello {
            version: "0.0.0-other".into(),
            sandbox: None,
        })),
    };
    let mut bytes = Vec::new();
    framing::encode(&hello, &mut bytes).unwrap();
    let greeting = folder.path().join("hello");
    std::fs::write(&greeting, bytes).unwrap();
    let program = folder.path().join("worker");
    let script = format!("#!/bin/sh\ncat {} >&3\nread -r _ <&3\n", greeting.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = server_with(&format!("worker = {program:?}\n"));
    let error = try_open(&server, "gain").unwrap_err();
    assert_eq!(error.reason, ErrorReason::VersionMismatch, "{error}");
    assert!(error.message.contains("0.0.0-other"), "{error}");
}
