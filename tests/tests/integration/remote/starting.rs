//! Addresses that a daemon does not listen on.

use super::Setup;

#[track_caller]
fn check(listen: &'static str, arguments: &[&str], words: &[&str]) {
    let said = Setup {
        listen: vec![listen],
        arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
        config: String::new(),
    }
    .refused();
    for word in words {
        assert!(said.contains(word), "{listen}: {said}");
    }
}

#[test]
fn nothing_is_said_in_the_clear_where_others_could_hear_it() {
    let anyway = ["--insecure-loopback"];
    check("http://0.0.0.0:0", &anyway, &["use https://"]);
    check("http://192.0.2.1:7380", &anyway, &["use https://"]);
    check("http://[::]:0", &anyway, &["use https://"]);
    check("http://127.0.0.1:0", &[], &["--insecure-loopback"]);
    check("https://127.0.0.1:0", &[], &["--tls-cert"]);
    let missing = [
        "--tls-cert",
        "/nowhere/c.pem",
        "--tls-key",
        "/nowhere/k.pem",
    ];
    check("https://127.0.0.1:0", &missing, &["/nowhere/c.pem"]);
    check("tcp://127.0.0.1:0", &[], &["unix:"]);
}
