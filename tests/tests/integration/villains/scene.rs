//! What attacks aim at, and whether it was hit.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use plugpen::Server;
use plugpen_tests::{census, places::built};
use tempfile::TempDir;

const SECRET: &str = "nobody's business";

/// A folder of the user, sockets of other programs, another process.
pub struct Scene {
    home: TempDir,
    before: Seen,
    tcp: TcpListener,
    datagrams: UnixDatagram,
    named: UnixListener,
    name: String,
    victim: Child,
    lines: String,
}

/// How the folder looks.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    names: Vec<String>,
    content: Option<String>,
    mode: u32,
    modified: i64,
    owner: u32,
}

impl Scene {
    /// Sets it up for one attack by a plugin of this daemon.
    pub fn new(server: &Server) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plugpen-attack-{}-{number}", std::process::id());
        let home = tempfile::tempdir().unwrap();
        let at = |file: &str| home.path().join(file).to_str().unwrap().to_owned();
        fs::write(at("secret"), SECRET).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        let datagrams = UnixDatagram::bind(at("datagram")).unwrap();
        datagrams.set_nonblocking(true).unwrap();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let named = UnixListener::bind_addr(&address).unwrap();
        named.set_nonblocking(true).unwrap();
        let victim = Command::new("sleep").arg("600").spawn().unwrap();
        let info = server.info().unwrap();
        let bundle = built().unwrap().lv2();
        let socket = server.target().trim_start_matches("unix:");
        let mut lines = String::new();
        for (key, value) in [
            ("home", home.path().to_str().unwrap()),
            ("secret", &at("secret")),
            ("marker", &at("marker")),
            ("datagram", &at("datagram")),
            ("bundle", bundle.join("presets.ttl").to_str().unwrap()),
            (
                "library",
                bundle.join("libplugpen_test_plugins.so").to_str().unwrap(),
            ),
            ("tmp", place("/tmp", &name).to_str().unwrap()),
            ("shm", place("/dev/shm", &name).to_str().unwrap()),
            ("port", &tcp.local_addr().unwrap().port().to_string()),
            ("abstract", &name),
            ("socket", socket),
            ("daemon", &info.pid.to_string()),
            ("victim", &victim.id().to_string()),
        ] {
            lines += &format!("\n{key}={value}");
        }
        let mut scene = Self {
            before: Seen::none(),
            home,
            tcp,
            datagrams,
            named,
            name,
            victim,
            lines,
        };
        scene.before = scene.look();
        scene
    }

    /// What the plugin is told: the attack, and what to aim at.
    pub fn order(&self, attack: &str) -> String {
        format!("{attack}{}", self.lines)
    }

    fn look(&self) -> Seen {
        let secret = self.home.path().join("secret");
        let Ok(about) = fs::metadata(&secret) else {
            return Seen::none();
        };
        let mut names: Vec<String> = fs::read_dir(self.home.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        Seen {
            names,
            content: fs::read_to_string(secret).ok(),
            mode: about.mode(),
            modified: about.mtime_nsec() ^ about.mtime(),
            owner: about.uid(),
        }
    }

    /// What was hit, as seen from outside; nothing if the attack failed.
    pub fn damage(&self) -> Vec<String> {
        let mut damage = Vec::new();
        let now = self.look();
        if now != self.before {
            damage.push(format!("the folder: {now:?}"));
        }
        for folder in ["/tmp", "/dev/shm"] {
            if place(folder, &self.name).exists() {
                damage.push(format!("a file in {folder}"));
            }
        }
        if !census::is_running(self.victim.id()) {
            damage.push("the victim's death".to_owned());
        }
        let blocked = |kind: ErrorKind| kind == ErrorKind::WouldBlock;
        if !self.tcp.accept().is_err_and(|error| blocked(error.kind())) {
            damage.push("a TCP connection".to_owned());
        }
        if !self
            .named
            .accept()
            .is_err_and(|error| blocked(error.kind()))
        {
            damage.push("a Unix connection".to_owned());
        }
        let got = self.datagrams.recv(&mut [0; 16]);
        if !got.is_err_and(|error| blocked(error.kind())) {
            damage.push("a datagram".to_owned());
        }
        damage
    }
}

fn place(folder: &str, name: &str) -> PathBuf {
    PathBuf::from(folder).join(name)
}

impl Seen {
    fn none() -> Self {
        Self {
            names: Vec::new(),
            content: None,
            mode: 0,
            modified: 0,
            owner: 0,
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for folder in ["/tmp", "/dev/shm"] {
            // Only an attack that succeeded has left one.
            let _ = fs::remove_file(place(folder, &self.name));
        }
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}
