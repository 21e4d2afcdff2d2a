//! The command line and the environment, at a daemon on a port.

use std::process::{Command, Output};

use plugpen_tests::places::built;

use super::{Daemon, Setup, until};

fn plugpen(daemon: &Daemon, arguments: &[&str], token: Option<&str>) -> Output {
    let mut command = Command::new(built().unwrap().programs.join("plugpen"));
    command
        .env("PLUGPEN_SERVER", daemon.address())
        .env_remove("PLUGPEN_TOKEN");
    if let Some(token) = token {
        command.env("PLUGPEN_TOKEN", token);
    }
    command.args(arguments).output().unwrap()
}

#[test]
fn the_command_line_works_at_a_distance() {
    let plugins = &built().unwrap().plugins;
    let daemon = Setup::plain().argument("--plugin-folder", plugins).start();
    let token = daemon.token("shell", "play");
    until("the token to be known", || {
        plugpen(&daemon, &["info", "null:gain"], Some(&token))
            .status
            .success()
    });
    let file = daemon.folder.path().join("shell.token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let file = file.to_str().unwrap();
    let shown = plugpen(
        &daemon,
        &["--token-file", file, "params", "null:gain"],
        None,
    );
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success() && text.contains("Gain"), "{shown:?}");
    let bundle = built().unwrap().lv2();
    let folder = bundle.parent().unwrap().to_str().unwrap();
    let listed = plugpen(&daemon, &["scan", folder], Some(&token));
    let text = String::from_utf8_lossy(&listed.stdout);
    assert!(
        listed.status.success() && text.contains("plugin(s)"),
        "{listed:?}"
    );

    let refused = plugpen(&daemon, &["info", "null:gain"], None);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("no valid token"), "{text}");
    let refused = plugpen(&daemon, &["info", "/etc/passwd"], Some(&token));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("plugin_folders"), "{text}");
}
