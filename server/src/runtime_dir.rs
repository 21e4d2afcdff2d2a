//! The directory of a running daemon: its lock, sockets, token and the workers' directories.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// Why the daemon cannot have its directory or a socket.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeDirError {
    /// A system call failed.
    #[error("{step} {path}: {source}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The directory is somebody else's, or open to others.
    #[error("{path} {problem}; the daemon's secrets would be at the mercy of others")]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A daemon is running already.
    #[error(
        "another plugpend is running with {0}; use it, stop it, or choose another --runtime-dir or --listen"
    )]
    Running(PathBuf),
    /// Something other than a socket is in the way.
    #[error("{0} exists and is not a socket; remove it or listen elsewhere")]
    NotASocket(PathBuf),
}

fn failed<E: Into<io::Error>>(
    step: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> RuntimeDirError {
    let path = path.to_owned();
    move |source| RuntimeDirError::Io {
        step,
        path,
        source: source.into(),
    }
}

/// `$XDG_RUNTIME_DIR/plugpen`, else `/tmp/plugpen-UID`.
pub fn default() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(base) if base.is_absolute() => base.join("plugpen"),
        _ => format!("/tmp/plugpen-{}", own_uid()).into(),
    }
}

/// This process's effective user.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The directory, held by one living daemon. Dropping it removes what the daemon put there.
#[derive(Debug)]
pub struct RuntimeDir {
    path: PathBuf,
    sockets: Vec<PathBuf>,
    disposable: bool,
    _lock: File,
}

impl RuntimeDir {
    /// Makes the directory, or takes over what a dead daemon left: its workers' directories are
    /// removed. Blocks on the file system.
    ///
    /// # Errors
    /// See [`RuntimeDirError`].
    pub fn open(path: &Path) -> Result<Self, RuntimeDirError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(failed("cannot make", path))?;
        check_private(path)?;
        let lock = take_lock(path)?;
        let this = Self {
            path: path.into(),
            sockets: Vec::new(),
            disposable: false,
            _lock: lock,
        };
        let workers = this.workers();
        if workers.exists() {
            plugpen_warden::remove_tree(&workers).map_err(failed("cannot clear", &workers))?;
        }
        DirBuilder::new()
            .mode(0o700)
            .create(&workers)
            .map_err(failed("cannot make", &workers))?;
        Ok(this)
    }

    /// The directory was made for this daemon alone: it goes with it, if nothing else is in it.
    pub fn dispose(&mut self) {
        self.disposable = true;
    }

    /// Where the workers' private directories go.
    pub fn workers(&self) -> PathBuf {
        self.path.join("workers")
    }

    /// The token's file.
    pub fn token(&self) -> PathBuf {
        self.path.join("token")
    }

    /// The socket that trades tickets for descriptors.
    pub fn door(&self) -> PathBuf {
        self.path.join("door.sock")
    }

    /// Listens on a Unix socket of mode 0600. A socket that a dead daemon left is replaced.
    ///
    /// # Errors
    /// [`RuntimeDirError::Running`] if somebody answers there.
    pub fn listen(&mut self, path: &Path) -> Result<UnixListener, RuntimeDirError> {
        use std::os::unix::fs::FileTypeExt;
        if let Ok(found) = fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(RuntimeDirError::NotASocket(path.into()));
            }
            match UnixStream::connect(path) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).map_err(failed("cannot remove", path))?;
                }
                Err(error) => return Err(failed("cannot try", path)(error)),
                Ok(_) => return Err(RuntimeDirError::Running(path.into())),
            }
        }
        let listener = UnixListener::bind(path).map_err(failed("cannot listen on", path))?;
        // Between the two lines only peers of another user could slip in, and each connection's
        // user is checked again.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .map_err(failed("cannot set the mode of", path))?;
        listener
            .set_nonblocking(true)
            .map_err(failed("cannot listen on", path))?;
        self.sockets.push(path.into());
        Ok(listener)
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        for socket in &self.sockets {
            let _ = fs::remove_file(socket);
        }
        let _ = fs::remove_file(self.token());
        let _ = plugpen_warden::remove_tree(&self.workers());
        // The lock goes last, while it is still held: until then nobody else may start here.
        let _ = fs::remove_file(self.path.join("lock"));
        if self.disposable {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn take_lock(dir: &Path) -> Result<File, RuntimeDirError> {
    let path = dir.join("lock");
    loop {
        let lock = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("cannot open", &path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(RuntimeDirError::Running(dir.into())),
            Err(error) => return Err(failed("cannot lock", &path)(error)),
        }
        // A daemon that ended between the two lines has taken this very file away.
        let ours = lock.metadata().map_err(failed("cannot look at", &path))?;
        match fs::symlink_metadata(&path) {
            Ok(there) if there.ino() == ours.ino() => return Ok(lock),
            _ => {}
        }
    }
}

fn check_private(path: &Path) -> Result<(), RuntimeDirError> {
    let found = fs::symlink_metadata(path).map_err(failed("cannot look at", path))?;
    let problem = if !found.is_dir() {
        "is no directory".to_owned()
    } else if found.uid() != own_uid() {
        format!("belongs to user {}, not to {}", found.uid(), own_uid())
    } else if found.mode() & 0o077 != 0 {
        format!("has mode {:o}, expected 700", found.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(RuntimeDirError::Unsafe {
        path: path.into(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        (dir, path)
    }

    #[test]
    fn a_second_daemon_is_refused_and_nothing_stays_behind() {
        let (_dir, path) = place();
        let mut first = RuntimeDir::open(&path).unwrap();
        let _listener = first.listen(&path.join("plugpend.sock")).unwrap();
        assert!(matches!(
            RuntimeDir::open(&path),
            Err(RuntimeDirError::Running(_))
        ));
        drop(first);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        let mut private = RuntimeDir::open(&path).unwrap();
        private.dispose();
        drop(private);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_daemon_left_is_replaced() {
        let (_dir, path) = place();
        let mut dir = RuntimeDir::open(&path).unwrap();
        let socket = path.join("x.sock");
        drop(UnixListener::bind(&socket).unwrap());
        assert!(socket.exists());
        dir.listen(&socket).unwrap();
        drop(dir);
        fs::create_dir_all(path.join("workers/w1/deep")).unwrap();
        let dir = RuntimeDir::open(&path).unwrap();
        assert_eq!(fs::read_dir(dir.workers()).unwrap().count(), 0);
    }

    #[test]
    fn a_living_socket_and_a_plain_file_are_left_alone() {
        let (_dir, path) = place();
        let mut dir = RuntimeDir::open(&path).unwrap();
        let socket = path.join("x.sock");
        let _living = UnixListener::bind(&socket).unwrap();
        assert!(matches!(
            dir.listen(&socket),
            Err(RuntimeDirError::Running(_))
        ));
        let file = path.join("file");
        fs::write(&file, b"x").unwrap();
        assert!(matches!(
            dir.listen(&file),
            Err(RuntimeDirError::NotASocket(_))
        ));
        assert!(file.exists());
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let (_dir, path) = place();
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let message = RuntimeDir::open(&path).unwrap_err().to_string();
        assert!(message.contains("expected 700"), "{message}");
    }
}
