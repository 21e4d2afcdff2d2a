//! Ctrl-C.

use std::process::Stdio;

use crate::support::plugpen;

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = plugpen(&["scan"]);
    let mut scan = command
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    // Interrupted as soon as there is a daemon's folder, whatever it is doing then.
    while entries() == 0 {
        assert!(scan.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&scan);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let code = scan.wait().unwrap().code();
    // It may have been faster.
    assert!(matches!(code, Some(130 | 0)), "{code:?}");
    assert_eq!(entries(), 0);
}
