//! Paths that a plugin is given to make files at, and the way to free any path it was given.

use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lv2_sys::{LV2_State_Free_Path, LV2_State_Make_Path};
use plugpen_proto::limits::MAX_PATH;

use crate::formats::door;

/// Where files that a plugin makes for itself go. They are gone with the worker.
pub struct MadeFiles {
    folder: PathBuf,
    count: AtomicU32,
}

impl MadeFiles {
    /// Below the worker's private folder.
    pub fn new(private_dir: &Path) -> Self {
        Self {
            folder: private_dir.join("made"),
            count: AtomicU32::new(0),
        }
    }

    /// `state:makePath` for instantiation.
    pub fn feature(&'static self) -> LV2_State_Make_Path {
        LV2_State_Make_Path {
            handle: std::ptr::from_ref(self).cast_mut().cast(),
            path: Some(make),
        }
    }

    /// A place for a new file of this name, which may have folders in it. They are made.
    /// `None` for a name that leads anywhere else, or where they cannot be made.
    fn make(&self, name: &Path) -> Option<PathBuf> {
        let is_plain = |part| matches!(part, Component::Normal(_));
        let is_inside = name.components().all(is_plain) && name.components().next().is_some();
        if !is_inside || name.as_os_str().len() > MAX_PATH {
            return None;
        }
        let mut place = self.folder.join(name);
        if place.symlink_metadata().is_ok() {
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            place = self.folder.join(format!("again-{number}")).join(name);
        }
        std::fs::create_dir_all(place.parent()?).ok()?;
        Some(place)
    }
}

unsafe extern "C" fn make(handle: *mut c_void, path: *const c_char) -> *mut c_char {
    let none = std::ptr::null_mut();
    // SAFETY: the handle is the one of `feature`: as old as the process. The path is null or a C
    // string; what is returned is the plugin's to free, by `free` or `release`.
    unsafe {
        door::enter(
            "state:makePath",
            handle.cast::<MadeFiles>(),
            none,
            |files| {
                if path.is_null() {
                    return none;
                }
                let name = Path::new(OsStr::from_bytes(CStr::from_ptr(path).to_bytes()));
                let made = files.make(name);
                let made = made.and_then(|made| CString::new(made.as_os_str().as_bytes()).ok());
                made.map_or(none, |made| libc::strdup(made.as_ptr()))
            },
        )
    }
}

/// `state:freePath`.
pub fn free_path() -> LV2_State_Free_Path {
    LV2_State_Free_Path {
        handle: std::ptr::null_mut(),
        free_path: Some(release),
    }
}

unsafe extern "C" fn release(_: *mut c_void, path: *mut c_char) {
    // SAFETY: every path that plugins are given comes from `strdup`, and they free it once.
    unsafe { libc::free(path.cast()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_below_the_private_folder_and_never_twice() {
        let folder = tempfile::tempdir().unwrap();
        let files: &'static MadeFiles = Box::leak(Box::new(MadeFiles::new(folder.path())));
        for outside in ["", "/etc/passwd", "../x", "a/../../x", ".", "a/./../../b"] {
            assert_eq!(files.make(Path::new(outside)), None, "{outside}");
        }
        let first = files.make(Path::new("a/b.txt")).unwrap();
        assert_eq!(first, folder.path().join("made/a/b.txt"));
        std::fs::write(&first, "1").unwrap();
        let second = files.make(Path::new("a/b.txt")).unwrap();
        std::fs::write(&second, "2").unwrap();
        assert_eq!(std::fs::read(&first).unwrap(), b"1");
        assert_eq!(second.file_name(), first.file_name());
        let feature = files.feature();
        // SAFETY: the feature's own handle, null and C strings; the path is freed once.
        unsafe {
            let path = feature.path.unwrap();
            assert!(path(feature.handle, std::ptr::null()).is_null());
            assert!(path(std::ptr::null_mut(), c"x".as_ptr()).is_null());
            let made = path(feature.handle, c"x".as_ptr());
            let expected = folder.path().join("made/x");
            assert_eq!(
                CStr::from_ptr(made).to_bytes(),
                expected.as_os_str().as_bytes()
            );
            free_path().free_path.unwrap()(std::ptr::null_mut(), made);
        }
    }
}
