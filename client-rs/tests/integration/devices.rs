//! Sound devices, on ALSA's null device.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use plugpen::v1::ErrorReason;
use plugpen::{AudioDevice, DeviceOptions, MidiIn, PluginChain, Server};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{open, play, programs, ramp};

/// How long news may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon whose machine has ALSA's null device and no other.
struct Daemon {
    folder: tempfile::TempDir,
    child: Child,
}

impl Daemon {
    fn start() -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let null = "pcm.!default { type null }\nctl.!default { type null }\n";
        std::fs::write(folder.path().join(".asoundrc"), null).unwrap();
        let child = Command::new(programs().join("plugpend"))
            .arg("--runtime-dir")
            .arg(folder.path())
            .env("HOME", folder.path())
            .env("PLUGPEN_BIN_DIR", programs())
            .env("JACK_NO_START_SERVER", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Daemon { folder, child }
    }

    /// A session on it, once it listens.
    fn connect(&mut self) -> Server {
        let target = format!("unix:{}/plugpend.sock", self.folder.path().display());
        loop {
            match Server::connect(&target) {
                Ok(server) => return server,
                Err(error) => assert!(self.child.try_wait().unwrap().is_none(), "{error}"),
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn periods_without_their_plugin_are_counted_and_told_until_it_is_back() {
    let mut daemon = Daemon::start();
    let server = daemon.connect();
    let plugin = Arc::new(open(&server));
    let device = AudioDevice::open(plugin.clone(), &DeviceOptions::default()).unwrap();
    let (sender, told) = channel();
    device.set_xrun_callback(Some(Box::new(move |count, cause| {
        let _ = sender.send((count, cause.to_owned()));
    })));
    device.start().unwrap();
    let before = device.xrun_count().unwrap();
    let pid = Pid::from_raw(i32::try_from(plugin.worker_pid()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    // A busy machine may have been late before; counts only rise.
    let mut last = 0;
    let count = loop {
        let (count, cause) = told.recv_timeout(PATIENCE).unwrap();
        assert!(count > last, "{count} after {last}");
        last = count;
        if cause == "dead" {
            break count;
        }
    };
    assert!(count > before, "{count} after {before}");
    assert!(device.xrun_count().unwrap() >= count);
    assert!(device.is_playing().unwrap());
    let (again, _) = told.recv_timeout(PATIENCE).unwrap();
    assert!(again > count, "each dead period counts");

    plugin.restart().unwrap();
    // News of a dead plugin comes ten times a second; then it is heard on the same stream.
    while let Ok((_, cause)) = told.recv_timeout(Duration::from_secs(2)) {
        if cause != "dead" {
            break;
        }
    }
    assert!(device.is_playing().unwrap());

    // Unset, it is silent: nobody holds the callback any more.
    device.set_xrun_callback(None);
    let end = std::iter::repeat_with(|| told.recv_timeout(PATIENCE)).find_map(Result::err);
    assert_eq!(end, Some(RecvTimeoutError::Disconnected));
    device.close().unwrap();
    assert_eq!(
        device.xrun_count().unwrap_err().reason,
        ErrorReason::WrongState
    );
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), ramp(64));
}

#[test]
fn a_device_that_fails_to_open_gives_the_plugins_back() {
    let mut daemon = Daemon::start();
    let server = daemon.connect();
    let plugin = Arc::new(open(&server));
    let chain = Arc::new(PluginChain::new(vec![plugin.clone(), Arc::new(open(&server))]).unwrap());
    let nowhere = DeviceOptions {
        playback_device: Some(99),
        ..DeviceOptions::default()
    };
    let error = AudioDevice::open(chain.clone(), &nowhere).unwrap_err();
    assert!(error.message.contains("device with chain: "), "{error}");
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), ramp(64));
    let long = DeviceOptions {
        buffer_frames: 4096,
        ..DeviceOptions::default()
    };
    let error = AudioDevice::open(plugin.clone(), &long).unwrap_err();
    assert!(error.message.contains("max_block_size=512"), "{error}");
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), ramp(64));
    let device = AudioDevice::open(chain, &DeviceOptions::default()).unwrap();
    let taken = play(&plugin, &ramp(64)).unwrap_err();
    assert_eq!(taken.reason, ErrorReason::WrongState);
    let second = AudioDevice::open(plugin.clone(), &DeviceOptions::default()).unwrap_err();
    assert_eq!(second.reason, ErrorReason::WrongState);
    drop(device);
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), ramp(64));
    let no_port = MidiIn::open(&server, 9999, Box::new(|_| {})).unwrap_err();
    assert!(
        no_port.message.contains("Failed to open MIDI input"),
        "{no_port}"
    );
}
