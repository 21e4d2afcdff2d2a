//! Opening, looking, closing.

use plugpen_proto::v1::*;

use crate::support::{Daemon, fails, is_running, options};

#[tokio::test]
async fn a_plugin_opens_answers_and_closes() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let plugin = client.open("null:gain").await.unwrap();
    assert_eq!((plugin.generation, plugin.state()), (1, PluginState::Ready));
    assert!(is_running(plugin.worker_pid));
    assert!(!plugin.sandbox.unwrap().layers.is_empty());
    let set = client.set_parameter(&plugin.handle, 0, 0.25).await.unwrap();
    let got = client.get_parameter(&plugin.handle, 0).await.unwrap();
    assert_eq!((set, got), (0.25, 0.25));
    let handle = plugin.handle.clone();
    let buses = client.buses().list_buses(ListBusesRequest { handle }).await;
    assert_eq!(buses.unwrap().into_inner().inputs[0].channels, 2);
    client.close(&plugin.handle).await.unwrap();
    assert!(!is_running(plugin.worker_pid));
    assert_eq!(
        std::fs::read_dir(daemon.run().join("workers"))
            .unwrap()
            .count(),
        0
    );
    client.close(&plugin.handle).await.unwrap();
    let error = client.get_parameter(&plugin.handle, 0).await;
    fails(error, ErrorReason::PluginClosed);
}

#[tokio::test]
async fn a_real_bundle_opens_by_path_and_by_uri() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let by_path = options("/usr/lib/lv2/mda.lv2", AudioPath::None);
    let by_path = OpenOptions {
        selector: "http://drobilla.net/plugins/mda/EPiano".into(),
        ..by_path
    };
    let (by_path, _) = client.open_with(by_path).await.unwrap();
    let by_uri = client
        .open("http://drobilla.net/plugins/mda/EPiano")
        .await
        .unwrap();
    let name = |plugin: OpenedPlugin| plugin.description.unwrap().name;
    assert_eq!(name(by_path), "MDA ePiano");
    assert_eq!(name(by_uri), "MDA ePiano");
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let plain = daemon.dir.path().join("plain.txt");
    std::fs::write(&plain, "x").unwrap();
    for (path, reason, text) in [
        ("", ErrorReason::InvalidInput, "plugin_path is empty"),
        (
            "/nowhere/x.lv2",
            ErrorReason::NotFound,
            "Plugin file does not exist: /nowhere/x.lv2",
        ),
        (
            "http://nowhere.example/x",
            ErrorReason::NotFound,
            "No LV2 plugin has the URI",
        ),
        (
            plain.to_str().unwrap(),
            ErrorReason::PluginRefused,
            "No compatible plugin types found",
        ),
        ("null:nothing", ErrorReason::NotFound, "null:gain"),
    ] {
        let error = fails(client.open(path).await, reason);
        assert!(error.message.contains(text), "{error}");
    }
    let wish = OpenOptions {
        sample_rate: f64::NAN,
        ..options("null:gain", AudioPath::None)
    };
    fails(client.open_with(wish).await, ErrorReason::InvalidInput);
    let left = std::fs::read_dir(daemon.run().join("workers")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_repeated_request_opens_once() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let request = OpenPluginRequest {
        options: Some(options("null:gain", AudioPath::SharedMemory)),
        request_id: "once".into(),
    };
    let (mut a, mut b) = (client.plugins(), client.plugins());
    let (first, second) = tokio::join!(
        a.open_plugin(request.clone()),
        b.open_plugin(request.clone())
    );
    let (first, second) = (first.unwrap().into_inner(), second.unwrap().into_inner());
    assert_eq!(first.plugin.unwrap().handle, second.plugin.unwrap().handle);
    assert_ne!(first.audio.unwrap().ticket, second.audio.unwrap().ticket);
    assert_eq!(client.list().await.len(), 1);
}

#[tokio::test]
async fn lists_come_in_pages_with_what_workers_use() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let mut opened = Vec::new();
    for _ in 0..3 {
        opened.push(client.open("null:gain").await.unwrap().handle);
    }
    let other = daemon.client().await;
    let mut request = ListPluginsRequest {
        page_size: 2,
        all_sessions: true,
        ..ListPluginsRequest::default()
    };
    let first = other
        .plugins()
        .list_plugins(request.clone())
        .await
        .unwrap()
        .into_inner();
    request.page_token = first.next_page_token;
    let last = other
        .plugins()
        .list_plugins(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(last.next_page_token, "");
    let listed: Vec<_> = first.plugins.into_iter().chain(last.plugins).collect();
    assert_eq!(
        listed.iter().map(|p| p.handle.clone()).collect::<Vec<_>>(),
        opened
    );
    assert!(
        listed
            .iter()
            .all(|p| p.memory_bytes > 0 && p.session_name == "a test")
    );
    assert!(other.list().await.is_empty());
}

#[tokio::test]
async fn limits_are_refusals_that_name_themselves() {
    let daemon = Daemon::with(
        crate::support::worker(),
        "[limits]\nworkers = 2\nplugins_per_session = 2\nsessions = 2\n",
        &[],
    );
    let client = daemon.client().await;
    let first = client.open("null:gain").await.unwrap();
    client.open("null:gain").await.unwrap();
    let error = fails(client.open("null:gain").await, ErrorReason::LimitReached);
    assert!(error.message.contains("plugins_per_session"), "{error}");
    let other = daemon.client().await;
    let error = fails(other.open("null:gain").await, ErrorReason::LimitReached);
    assert!(error.message.contains("\"workers\""), "{error}");
    client.close(&first.handle).await.unwrap();
    other.open("null:gain").await.unwrap();
    let request = OpenSessionRequest {
        protocol_major: plugpen_proto::PROTOCOL_MAJOR,
        ..OpenSessionRequest::default()
    };
    let third = other.server().open_session(request).await;
    fails(third.map_err(Into::into), ErrorReason::LimitReached);
}

#[tokio::test]
async fn the_daemon_introduces_itself() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let mut server = client.server();
    let info = server.get_server_info(GetServerInfoRequest {}).await;
    let info = info.unwrap().into_inner();
    assert_eq!(info.version, plugpen_proto::VERSION);
    assert_eq!(info.pid, daemon.child.id());
    assert!(!info.sandbox.unwrap().layers.is_empty());
    let available = |format| {
        info.formats
            .iter()
            .any(|f| f.format() == format && f.available)
    };
    assert!(available(PluginFormat::Null) && available(PluginFormat::Lv2));
    assert!(!available(PluginFormat::AudioUnit));
    assert!(info.limits.iter().any(|limit| limit.name == "workers"));
}
