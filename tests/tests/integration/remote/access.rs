//! Tokens: whose, what for, and for how long.

use plugpen::v1::ErrorReason;
use plugpen_proto::SESSION_KEY;
use plugpen_proto::v1::plugin_service_client::PluginServiceClient;
use plugpen_proto::v1::server_service_client::ServerServiceClient;
use plugpen_proto::v1::{ListPluginsRequest, OpenSessionRequest};
use plugpen_proto::{PROTOCOL_MAJOR, PROTOCOL_MINOR};
use tonic::Request;

use super::{Setup, open, options, try_open, until};
use plugpen::Server;

#[test]
fn a_token_opens_the_door_and_a_wrong_one_does_not() {
    let daemon = Setup::plain().start();
    let token = daemon.token("notebook", "play");
    let server = daemon.client(&token);
    assert!(server.is_remote());
    assert_eq!(server.target(), daemon.address());
    assert_eq!(server.info().unwrap().pid, daemon.child.id());
    let plugin = open(&server);
    plugin.set_param(0, 0.25).unwrap();
    assert_eq!(plugin.get_param(0).unwrap(), 0.25);
    let state = plugin.get_state().unwrap();
    plugin.set_param(0, 0.75).unwrap();
    plugin.set_state(&state).unwrap();
    assert_eq!(plugin.get_param(0).unwrap(), 0.25);
    plugin.restart().unwrap();
    assert_eq!(plugin.get_param(0).unwrap(), 0.25);

    let almost = &token[..token.len() - 1];
    for wrong in ["guess", almost, ""] {
        let error = daemon.connect(wrong).unwrap_err();
        assert_eq!(error.reason, ErrorReason::Unauthenticated, "{error}");
        assert!(error.message.contains("plugpen token"), "{error}");
    }
    until("the refusals to be logged", || {
        daemon.logged(&["WARN", "refused", "127.0.0.1", "OpenSession"])
    });
    assert!(!daemon.logged(&[almost]), "a token is in the log");
    plugin.get_param(0).unwrap();
}

#[test]
fn a_token_allows_what_its_scope_says() {
    let daemon = Setup::plain().start();
    let [reader, player, admin] = ["read", "play", "admin"].map(|scope| daemon.token(scope, scope));
    let [reader, player, admin] = [reader, player, admin].map(|token| daemon.client(&token));
    let plugin = open(&player);

    let refused = |result: plugpen::Result<()>, scope: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.reason, ErrorReason::NotAllowed, "{error}");
        assert!(error.message.contains(&format!("{scope:?}")), "{error}");
    };
    assert!(reader.info().is_ok() && reader.plugins(false).unwrap().is_empty());
    refused(try_open(&reader, "null:gain").map(drop), "play");
    refused(reader.probe("null:gain").map(drop), "play");
    refused(player.plugins(true).map(drop), "admin");
    refused(player.watch_all().map(drop), "admin");
    refused(player.kill(plugin.handle()).map(drop), "admin");
    refused(player.trim_scan_cache(true).map(drop), "admin");
    plugin.get_param(0).unwrap();

    let all = admin.plugins(true).unwrap();
    assert_eq!(all.len(), 1);
    admin.kill(plugin.handle()).unwrap();
    let error = plugin.get_param(0).unwrap_err();
    assert_eq!(error.row().exception.name(), "PluginDead", "{error}");
}

#[test]
fn tokens_come_and_go_without_a_restart() {
    let daemon = Setup::plain().start();
    let old = daemon.token("old", "play");
    let server = daemon.client(&old);
    let plugin = open(&server);
    let new = daemon.token("new", "play");
    let other = open(&daemon.client(&new));
    assert!(daemon.token_command(&["old", "--remove"]).status.success());
    let mut refusal = None;
    until("the old token to be refused", || {
        refusal = plugin.get_param(0).err();
        refusal.is_some()
    });
    assert_eq!(refusal.unwrap().reason, ErrorReason::Unauthenticated);
    assert!(daemon.connect(&old).is_err());
    other.get_param(0).unwrap();

    // A file that makes no sense changes nothing.
    std::fs::write(daemon.tokens(), "[[token]]\nname = 1").unwrap();
    until("the complaint", || {
        daemon.connect(&new).unwrap();
        daemon.logged(&["ERROR", "tokens", "stay as they were"])
    });
    other.get_param(0).unwrap();
}

#[test]
fn a_session_belongs_to_the_token_that_opened_it() {
    let daemon = Setup::plain().start();
    let (one, other) = (daemon.token("one", "play"), daemon.token("other", "admin"));
    drop((daemon.client(&one), daemon.client(&other)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let address = daemon.address().to_owned();
        let channel = tonic::transport::Endpoint::from_shared(address).unwrap();
        let channel = channel.connect().await.unwrap();
        let bearer = |token: &str| format!("Bearer {token}").parse().unwrap();
        let mut hello = Request::new(OpenSessionRequest {
            client_name: "test".into(),
            client_version: "1".into(),
            protocol_major: PROTOCOL_MAJOR,
            protocol_minor: PROTOCOL_MINOR,
        });
        hello.metadata_mut().insert("authorization", bearer(&one));
        let mut server = ServerServiceClient::new(channel.clone());
        let session = server.open_session(hello).await.unwrap().into_inner();
        let list = |token: &str| {
            let mut request = Request::new(ListPluginsRequest::default());
            let metadata = request.metadata_mut();
            metadata.insert("authorization", bearer(token));
            metadata.insert(SESSION_KEY, session.session_id.parse().unwrap());
            request
        };
        let mut plugins = PluginServiceClient::new(channel);
        plugins.list_plugins(list(&one)).await.unwrap();
        let status = plugins.list_plugins(list(&other)).await.unwrap_err();
        let error = plugpen::Error::from(status);
        assert_eq!(error.reason, ErrorReason::NotAllowed, "{error}");
        assert!(error.message.contains("another token"), "{error}");
    });
}

#[test]
fn the_daemons_own_user_needs_no_token_from_a_file() {
    let daemon = Setup::plain().start();
    let owner = daemon.owner();
    assert!(owner.plugins(true).unwrap().is_empty());
    let anonymous = Server::connect_with(daemon.address(), &options("")).unwrap_err();
    assert_eq!(anonymous.reason, ErrorReason::Unauthenticated);
}
