//! TLS: whom the client trusts, and whom the daemon does.

use std::path::{Path, PathBuf};

use plugpen::v1::ErrorReason;
use plugpen::{ConnectOptions, Result, Server};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use super::{Daemon, Setup, TLS, open, until};

/// Vouches for certificates.
pub(super) struct Authority {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for a name and its key, as PEM.
    pub(super) fn certify(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> [String; 2] {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        [certificate.pem(), key.serialize_pem()]
    }
}

/// Files of certificates.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    pub(super) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        // As renewals do it: never half a file.
        let new = self.0.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path
    }

    pub(super) fn pair(&self, name: &str, [certificate, key]: &[String; 2]) -> [PathBuf; 2] {
        [
            self.put(&format!("{name}.pem"), certificate),
            self.put(&format!("{name}.key"), key),
        ]
    }
}

fn tls([certificate, key]: &[PathBuf; 2]) -> Setup {
    let setup = Setup {
        listen: vec![TLS],
        ..Setup::default()
    };
    setup
        .argument("--tls-cert", certificate)
        .argument("--tls-key", key)
}

/// Connects with the owner's token and without any certificate.
fn connect(daemon: &Daemon, ca: &Path) -> Result<Server> {
    connect_with(daemon, ca, |_| {})
}

fn connect_with(
    daemon: &Daemon,
    ca: &Path,
    change: impl FnOnce(&mut ConnectOptions),
) -> Result<Server> {
    let token = std::fs::read_to_string(daemon.folder.path().join("run/token")).unwrap();
    let mut options = ConnectOptions {
        ca: Some(ca.into()),
        ..super::options(&token)
    };
    change(&mut options);
    Server::connect_with(daemon.address(), &options)
}

#[track_caller]
fn distrusted(result: Result<Server>, advice: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.reason, ErrorReason::Unauthenticated, "{error}");
    assert!(error.message.contains(advice), "{error}");
}

#[test]
fn a_daemon_is_trusted_by_its_authority_and_its_name() {
    let files = Files::new();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let ca = files.put("ca.pem", &ours.pem);
    let other = files.put("other.pem", &theirs.pem);
    let daemon = tls(&files.pair("daemon", &ours.certify("127.0.0.1", |_| {}))).start();
    let server = connect(&daemon, &ca).unwrap();
    assert!(server.is_remote() && server.target().starts_with("https://127.0.0.1:"));
    let plugin = open(&server);
    plugin.set_param(0, 0.125).unwrap();
    assert_eq!(plugin.get_param(0).unwrap(), 0.125);

    distrusted(connect(&daemon, &other), "ca=\"authority.pem\"");
    let system = connect_with(&daemon, &ca, |options| options.ca = None);
    distrusted(system, "PLUGPEN_CA");
    until("the daemon's note", || {
        daemon.logged(&["WARN", "a handshake failed"])
    });

    let named = tls(&files.pair("named", &ours.certify("box.example", |_| {}))).start();
    distrusted(connect(&named, &ca), "\"127.0.0.1\"");
    let by_name = |name: &str| {
        connect_with(&named, &ca, |options| {
            options.server_name = Some(name.into())
        })
    };
    by_name("box.example").unwrap().info().unwrap();
    distrusted(by_name("other.example"), "other.example");
    plugin.get_param(0).unwrap();
}

#[test]
fn certificates_of_another_time_are_refused() {
    let files = Files::new();
    let authority = Authority::new("ours");
    let ca = files.put("ca.pem", &authority.pem);
    let between = |from: i32, to: i32| {
        authority.certify("127.0.0.1", |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        })
    };
    let pair = files.pair("daemon", &between(2001, 2002));
    let daemon = tls(&pair).start();
    distrusted(connect(&daemon, &ca), "has expired");
    // It is renewed in place, key and all.
    files.pair("daemon", &between(4000, 4001));
    let early = || connect(&daemon, &ca).unwrap_err().message;
    until("the one that is not valid yet", || {
        early().contains("not valid yet")
    });
    files.pair("daemon", &between(2001, 4000));
    until("the renewed one", || connect(&daemon, &ca).is_ok());
}

#[test]
fn a_renewed_certificate_needs_no_restart_and_a_broken_one_changes_nothing() {
    let files = Files::new();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let [old_ca, new_ca] = [("old.pem", &old), ("new.pem", &new)]
        .map(|(name, authority)| files.put(name, &authority.pem));
    let pair = files.pair("daemon", &old.certify("127.0.0.1", |_| {}));
    let daemon = tls(&pair).start();
    let before = connect(&daemon, &old_ca).unwrap();
    let plugin = open(&before);
    assert!(connect(&daemon, &new_ca).is_err());
    files.pair("daemon", &new.certify("127.0.0.1", |_| {}));
    until("the new certificate", || connect(&daemon, &new_ca).is_ok());
    assert!(connect(&daemon, &old_ca).is_err());
    // The connection that stands is not disturbed.
    plugin.get_param(0).unwrap();

    files.put("daemon.pem", "gone wrong");
    until("the complaint", || {
        connect(&daemon, &new_ca).unwrap();
        daemon.logged(&["ERROR", "the earlier certificate stays"])
    });
}

#[test]
fn a_certificate_of_the_callers_own_stands_for_a_token() {
    let files = Files::new();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let ca = files.put("ca.pem", &ours.pem);
    let daemon = tls(&files.pair("daemon", &ours.certify("127.0.0.1", |_| {})))
        .argument("--tls-client-ca", &ca)
        .start();
    let with = |pair: Option<&[PathBuf; 2]>, token: Option<&str>| {
        connect_with(&daemon, &ca, |options| {
            options.token = token.map(str::to_owned);
            options.client_cert = pair.map(|[certificate, _]| certificate.clone());
            options.client_key = pair.map(|[_, key]| key.clone());
        })
    };
    let known = files.pair("known", &ours.certify("somebody", |_| {}));
    let server = with(Some(&known), None).unwrap();
    let plugin = open(&server);
    plugin.get_param(0).unwrap();
    // It is worth the scope "play", and a wrong token is not mended by it.
    let error = server.plugins(true).unwrap_err();
    assert_eq!(error.reason, ErrorReason::NotAllowed, "{error}");
    distrusted(with(Some(&known), Some("wrong")), "plugpen token");

    distrusted(with(None, None), "plugpen token");
    let stranger = files.pair("stranger", &theirs.certify("somebody", |_| {}));
    assert!(with(Some(&stranger), None).is_err());
    let expired = ours.certify("somebody", |params| {
        params.not_after = date_time_ymd(2002, 1, 1);
        params.not_before = date_time_ymd(2001, 1, 1);
    });
    assert!(with(Some(&files.pair("expired", &expired)), None).is_err());
    plugin.get_param(0).unwrap();
}

#[test]
fn the_wrong_scheme_is_explained() {
    let files = Files::new();
    let authority = Authority::new("ours");
    let ca = files.put("ca.pem", &authority.pem);
    let pair = files.pair("daemon", &authority.certify("127.0.0.1", |_| {}));
    let mut setup = tls(&pair);
    setup.listen.push(super::PLAIN);
    setup.arguments.push("--insecure-loopback".into());
    let daemon = setup.start();
    let [encrypted, plain] = &daemon.addresses[..] else {
        panic!("{:?}", daemon.addresses)
    };
    let options = ConnectOptions {
        ca: Some(ca),
        ..super::options("any")
    };
    let as_https = plain.replace("http://", "https://");
    distrusted(Server::connect_with(&as_https, &options), "speaks no TLS");
    let as_http = encrypted.replace("https://", "http://");
    let error = Server::connect_with(&as_http, &super::options("any")).unwrap_err();
    assert_eq!(error.reason, ErrorReason::ServerUnavailable, "{error}");
}
