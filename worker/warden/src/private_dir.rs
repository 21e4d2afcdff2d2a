//! A worker's private directory: made for it alone, removed with whatever it left there.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;

/// Descriptors that a removal holds open at most, which is how deep it goes before it moves the
/// rest up: a hostile worker can nest deeper than there are descriptors.
const MAX_DEPTH: usize = 32;
/// Names read at a time, so that a million files need no million names in memory.
const BATCH: usize = 256;

/// Makes the directory with mode 0700.
///
/// # Errors
/// What the system says; also if something of that name exists.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

/// Removes a directory and all below it, however deep, without following a link and without more
/// than a few descriptors. Nobody may be changing it meanwhile. Blocks.
///
/// # Errors
/// What the system says of the first entry that cannot be removed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let root = open(fs::CWD, path)?;
    let mut moved = 0u64;
    loop {
        let before = moved;
        clear(root.as_fd(), root.as_fd(), 0, &mut moved)?;
        if moved == before {
            break;
        }
    }
    Ok(fs::rmdir(path)?)
}

fn open<P: rustix::path::Arg>(parent: BorrowedFd<'_>, name: P) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    fs::openat(parent, name, flags, Mode::empty())
}

fn clear(
    root: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    depth: usize,
    moved: &mut u64,
) -> rustix::io::Result<()> {
    loop {
        let names = some_names(dir, depth == 0)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            match fs::unlinkat(dir, &name, AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) => {}
                done => {
                    done?;
                    continue;
                }
            }
            if depth == MAX_DEPTH {
                *moved += 1;
                fs::renameat(dir, &name, root, format!("{MOVED}{moved}"))?;
                continue;
            }
            let below = match open(dir, &name) {
                // The worker took its own permissions away.
                Err(Errno::ACCESS) => {
                    fs::chmodat(dir, &name, Mode::RWXU, AtFlags::empty())?;
                    open(dir, &name)?
                }
                opened => opened?,
            };
            clear(root, below.as_fd(), depth + 1, moved)?;
            fs::unlinkat(dir, &name, AtFlags::REMOVEDIR)?;
        }
        if depth == 0 {
            // What was moved up meanwhile gets a pass of its own.
            return Ok(());
        }
    }
}

const MOVED: &str = ".moved-";

fn some_names(dir: BorrowedFd<'_>, all: bool) -> rustix::io::Result<Vec<CString>> {
    let limit = if all { usize::MAX } else { BATCH };
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
        if names.len() == limit {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_deeper_than_the_descriptors_goes() {
        let base = std::env::temp_dir().join(format!("plugpen-deep-{}", std::process::id()));
        create(&base).unwrap();
        let mut dir = open(fs::CWD, &base).unwrap();
        for level in 0..3000 {
            fs::mkdirat(&dir, "d", Mode::RWXU).unwrap();
            if level % 100 == 0 {
                fs::symlinkat("/", &dir, "link").unwrap();
            }
            dir = open(dir.as_fd(), "d").unwrap();
        }
        remove_tree(&base).unwrap();
        assert!(!base.exists());
    }

    #[test]
    fn a_link_is_removed_and_not_followed() {
        let base = std::env::temp_dir().join(format!("plugpen-link-{}", std::process::id()));
        let kept = base.with_extension("kept");
        create(&base).unwrap();
        create(&kept).unwrap();
        std::fs::write(kept.join("file"), b"x").unwrap();
        std::os::unix::fs::symlink(&kept, base.join("link")).unwrap();
        remove_tree(&base).unwrap();
        assert!(kept.join("file").exists());
        remove_tree(&kept).unwrap();
    }

    #[test]
    fn an_existing_directory_is_not_taken_over() {
        let base = std::env::temp_dir().join(format!("plugpen-twice-{}", std::process::id()));
        create(&base).unwrap();
        assert!(create(&base).is_err());
        remove_tree(&base).unwrap();
    }
}
