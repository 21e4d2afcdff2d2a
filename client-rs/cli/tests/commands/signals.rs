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

#[test]
fn an_interrupted_render_leaves_no_half_file() {
    let folder = tempfile::tempdir().unwrap();
    let song = folder.path().join("song.mid");
    // An hour of silence: it is not done before it is interrupted.
    let mut file = ::plugpen::MidiFile::new();
    file.add_note_on(0, 0, 0, 60, 100).unwrap();
    file.add_note_off(0, 120 * 2 * 3600, 0, 60, 0).unwrap();
    file.save(&song).unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let entries = || std::fs::read_dir(&out).unwrap().count();
    let song = song.to_str().unwrap();
    for (signal, code) in [
        (rustix::process::Signal::INT, 130),
        (rustix::process::Signal::TERM, 143),
    ] {
        let mut command = plugpen(&["render", "null:gain", song, "-o"]);
        let mut render = command
            .arg(out.join("song.wav"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while entries() == 0 {
            assert!(render.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        let pid = rustix::process::Pid::from_child(&render);
        rustix::process::kill_process(pid, signal).unwrap();
        let ended = render.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(code));
        assert!(ended.stderr.is_empty());
        assert_eq!(entries(), 0);
    }
}
