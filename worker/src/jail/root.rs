//! A root of its own: an empty file system in memory with what a plugin may read, bound read-only,
//! and a private folder in memory. What is not in it has no name.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use plugpen_proto::v1::SandboxState;
use rustix::fs::{CWD, Mode};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, unmount,
};

use super::Standing;
use super::filesystem::READ_ONLY;
use crate::arguments::Arguments;

/// What the private folder holds at most: a client may hand over files of a GiB.
const PRIVATE: &str = "nr_inodes=16384,mode=0700";
/// Its bytes where no limit was given.
const PRIVATE_BYTES: u64 = 1088 << 20;
/// Room beyond the limit: who uses it is ended by the daemon, which says why.
const BEYOND: u64 = 64 << 20;
/// The rest is folders and links only.
const SKELETON: &str = "size=16m,nr_inodes=65536,mode=0755";
/// Links followed on the way to one path, as in the kernel.
const MAX_LINKS: usize = 40;

/// Changes the root of the calling process, which must have a mount namespace of its own. Nothing
/// is changed where it fails.
pub fn change(arguments: &Arguments) -> Standing {
    match Root::build(arguments).and_then(|root| root.enter()) {
        Ok(root) => root.standing(),
        Err(error) => Standing::absent(error),
    }
}

struct Root {
    /// Where the new root is mounted, which is where the private folder was.
    base: PathBuf,
    /// What is bound, in order.
    bound: Vec<PathBuf>,
    /// The folders and links directly below the root.
    top: BTreeSet<PathBuf>,
    remarks: Vec<String>,
}

impl Root {
    fn build(arguments: &Arguments) -> io::Result<Self> {
        let whole = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        named("making mounts private", mount_change("/", whole))?;
        let base = arguments.private_dir.clone();
        let plain = MountFlags::NOSUID | MountFlags::NODEV;
        named("mounting the root", tmpfs(&base, plain, SKELETON))?;
        let mut root = Self {
            base,
            bound: Vec::new(),
            top: BTreeSet::new(),
            remarks: Vec::new(),
        };
        // Folders are for whoever the worker becomes.
        let umask = rustix::process::umask(Mode::from_raw_mode(0o022));
        let filled = root.fill(arguments);
        rustix::process::umask(umask);
        match filled {
            Ok(()) => Ok(root),
            Err(error) => {
                let _ = unmount(&root.base, UnmountFlags::DETACH);
                Err(error)
            }
        }
    }

    fn fill(&mut self, arguments: &Arguments) -> io::Result<()> {
        let (devices, files): (Vec<&str>, Vec<&str>) = READ_ONLY
            .iter()
            .filter(|path| !path.starts_with("/proc"))
            .partition(|path| path.starts_with("/dev"));
        let mut wanted = Vec::new();
        for path in files.iter().map(Path::new) {
            wanted.extend(self.follow(path)?);
        }
        for path in &arguments.read_only {
            wanted.extend(self.follow(path)?);
        }
        let mut writable = Vec::new();
        for path in &arguments.read_write {
            writable.extend(self.follow(path)?);
        }
        // Folders before what is in them, which then needs no mount of its own.
        wanted.sort();
        for path in wanted {
            if !self.is_covered(&path) {
                let place = self.place(&path)?;
                named_path("binding", &path, mount_bind_recursive(&path, &place))?;
                self.bound.push(path);
            }
        }
        // All places before the root becomes read-only.
        let private = self.place_folder(&arguments.private_dir)?;
        let proc = self.place_folder(Path::new("/proc"))?;
        let devices: Vec<_> = devices
            .into_iter()
            .map(Path::new)
            .filter(|path| path.exists())
            .map(|path| Ok((path, self.place(path)?)))
            .collect::<io::Result<_>>()?;
        let writable: Vec<_> = writable
            .into_iter()
            .map(|path| Ok((self.place(&path)?, path)))
            .collect::<io::Result<_>>()?;
        let read_only = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        named("making it read-only", set_attributes(&self.base, read_only))?;
        for (path, place) in devices {
            named_path("binding", path, mount_bind(path, &place))?;
        }
        self.mount_proc(&proc, arguments)?;
        let no_code = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let bytes = match arguments.limits.disk_bytes {
            0 => PRIVATE_BYTES,
            limit => limit.saturating_add(BEYOND),
        };
        let options = match arguments.user {
            Some(user) => format!("{PRIVATE},size={bytes},uid={user},gid={user}"),
            None => format!("{PRIVATE},size={bytes}"),
        };
        named(
            "mounting the private folder",
            tmpfs(&private, no_code, &options),
        )?;
        let no_code = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
        for (place, path) in writable {
            named_path("binding", &path, mount_bind_recursive(&path, &place))?;
            named_path("restricting", &path, set_attributes(&place, no_code))?;
        }
        Ok(())
    }

    /// The processes of its own namespace, else of the system's, which Landlock hides.
    fn mount_proc(&mut self, place: &Path, arguments: &Arguments) -> io::Result<()> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        if arguments.has("pid_ns") {
            let flags = flags | MountFlags::RDONLY;
            match mount(c"proc", place, c"proc", flags, None) {
                Ok(()) => return Ok(()),
                Err(error) => self.remarks.push(format!("no /proc of its own: {error}")),
            }
        }
        named("binding /proc", mount_bind_recursive("/proc", place))
    }

    /// Where a path leads, without links; the links on the way are made in the new root. Nothing
    /// where it does not exist.
    fn follow(&mut self, path: &Path) -> io::Result<Option<PathBuf>> {
        let mut place = PathBuf::from("/");
        let mut rest: Vec<_> = path.components().rev().map(owned).collect();
        let mut links = 0;
        while let Some(next) = rest.pop() {
            match next {
                Step::Root => place = "/".into(),
                Step::Up => {
                    place.pop();
                }
                Step::Down(name) => {
                    let there = place.join(name);
                    let Ok(found) = fs::symlink_metadata(&there) else {
                        return Ok(None);
                    };
                    if !found.is_symlink() {
                        place = there;
                        continue;
                    }
                    links += 1;
                    if links > MAX_LINKS {
                        return Ok(None);
                    }
                    let target = fs::read_link(&there)?;
                    self.link(&there, &target)?;
                    rest.extend(target.components().rev().map(owned));
                }
            }
        }
        Ok(Some(place))
    }

    fn link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        if self.is_covered(path) {
            return Ok(());
        }
        let place = self.inside(path);
        if let Some(parent) = path.parent() {
            self.place_folder(parent)?;
        }
        self.note(path);
        match symlink(target, place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes a place to mount something of the same kind.
    fn place(&mut self, path: &Path) -> io::Result<PathBuf> {
        if path.is_dir() {
            return self.place_folder(path);
        }
        if let Some(parent) = path.parent() {
            self.place_folder(parent)?;
        }
        let place = self.inside(path);
        if !place.exists() {
            self.note(path);
            named_path("making", path, fs::File::create(&place).map(drop))?;
        }
        Ok(place)
    }

    fn place_folder(&mut self, path: &Path) -> io::Result<PathBuf> {
        let place = self.inside(path);
        if !place.is_dir() {
            self.note(path);
            named_path("making", path, fs::create_dir_all(&place))?;
        }
        Ok(place)
    }

    fn note(&mut self, path: &Path) {
        let top = path.components().take(2).collect();
        self.top.insert(top);
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.base.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn is_covered(&self, path: &Path) -> bool {
        self.bound.iter().any(|bound| path.starts_with(bound))
    }

    /// Makes it the root, and lets go of the old one.
    fn enter(self) -> io::Result<Self> {
        named("chdir", rustix::process::chdir(&self.base))?;
        // The old root is mounted over the new one, and taken away from there.
        named("pivot_root", rustix::process::pivot_root(".", "."))?;
        named(
            "letting go of the old root",
            unmount(".", UnmountFlags::DETACH),
        )?;
        named("chdir", rustix::process::chdir("/"))?;
        Ok(self)
    }

    /// Looks whether the root is what was built.
    fn standing(self) -> Standing {
        let all = Path::new("/");
        let expected = |path: &Path| self.top.contains(path) || self.is_covered(all);
        let found = fs::read_dir(all).map(|entries| {
            let paths = entries.flatten().map(|entry| entry.path());
            paths.filter(|path| !expected(path)).collect::<Vec<_>>()
        });
        match found {
            Ok(others) if others.is_empty() => {}
            Ok(others) => {
                let detail = format!("{} is still there", others[0].display());
                return Standing::new(SandboxState::Absent, detail);
            }
            Err(error) => return Standing::absent(error),
        }
        let writable = rustix::fs::mkdirat(CWD, "/.plugpen", Mode::RWXU);
        if writable != Err(rustix::io::Errno::ROFS) {
            return Standing::new(SandboxState::Absent, "the root can be written in");
        }
        let mut detail = vec![format!("a root of its own with {} binds", self.bound.len())];
        let state = match self.remarks.is_empty() {
            true => SandboxState::Enforced,
            false => SandboxState::Partial,
        };
        detail.extend(self.remarks);
        Standing::new(state, detail.join("; "))
    }
}

/// A step of a path.
enum Step {
    Root,
    Up,
    Down(PathBuf),
}

fn owned(component: Component<'_>) -> Step {
    match component {
        Component::ParentDir => Step::Up,
        Component::Normal(name) => Step::Down(name.into()),
        Component::CurDir => Step::Down(PathBuf::new()),
        Component::RootDir | Component::Prefix(_) => Step::Root,
    }
}

fn tmpfs(place: &Path, flags: MountFlags, options: &str) -> io::Result<()> {
    let options = CString::new(options)?;
    Ok(mount(
        c"plugpen",
        place,
        c"tmpfs",
        flags,
        options.as_c_str(),
    )?)
}

/// Adds attributes to a mount and all below it.
fn set_attributes(place: &Path, attributes: u64) -> io::Result<()> {
    let place = CString::new(place.as_os_str().as_bytes())?;
    let wanted = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: both pointers are to live values, and the size is that of the second.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            place.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn named<T, E: Into<io::Error>>(step: &str, result: Result<T, E>) -> io::Result<T> {
    result.map_err(|error| {
        let error = error.into();
        io::Error::new(error.kind(), format!("{step}: {error}"))
    })
}

fn named_path<T, E: Into<io::Error>>(
    step: &str,
    path: &Path,
    result: Result<T, E>,
) -> io::Result<T> {
    named(&format!("{step} {}", path.display()), result)
}
