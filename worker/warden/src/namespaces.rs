//! Which namespaces of their own workers can have on this system.

use std::ffi::c_int;
use std::io;
use std::sync::Arc;

use crate::spawn;

/// A kind of namespace: its layer's name in a report, and its flag.
pub(crate) type Kind = (&'static str, c_int);

/// The user namespace, which lets an ordinary user make the others.
const USER: Kind = ("user_ns", libc::CLONE_NEWUSER);
/// All others.
const OTHERS: [Kind; 5] = [
    ("pid_ns", libc::CLONE_NEWPID),
    ("ipc_ns", libc::CLONE_NEWIPC),
    ("uts_ns", libc::CLONE_NEWUTS),
    ("net_ns", libc::CLONE_NEWNET),
    ("mount_ns", libc::CLONE_NEWNS),
];

/// What workers are started in. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    here: Vec<Kind>,
    missing: Arc<[(&'static str, String)]>,
}

impl Namespaces {
    /// Tries what the system gives: for root the namespaces as they are, for others (and for a
    /// root that may not) inside a user namespace. Starts a few processes that end at once.
    pub fn find() -> Self {
        let root = rustix::process::geteuid().is_root();
        let plain = OTHERS.to_vec();
        let within: Vec<Kind> = [USER].into_iter().chain(OTHERS).collect();
        for all in [Some(&plain).filter(|_| root), Some(&within)]
            .into_iter()
            .flatten()
        {
            if works(all).is_ok() {
                return Self {
                    here: all.clone(),
                    missing: Arc::default(),
                };
            }
        }
        Self::some(root && works(&OTHERS[..1]).is_ok())
    }

    /// None, for this reason.
    pub fn none(why: &str) -> Self {
        let kinds = [USER].into_iter().chain(OTHERS);
        Self {
            here: Vec::new(),
            missing: kinds.map(|(name, _)| (name, why.to_owned())).collect(),
        }
    }

    /// Each by itself, where all together do not work.
    fn some(plain: bool) -> Self {
        let mut here = Vec::new();
        let mut missing = Vec::new();
        if !plain {
            match works(&[USER]) {
                Ok(()) => here.push(USER),
                Err(error) => missing.push((USER.0, error.to_string())),
            }
        }
        for kind in OTHERS {
            let mut tried = here.clone();
            tried.push(kind);
            match works(&tried) {
                Ok(()) => here = tried,
                Err(error) => missing.push((kind.0, error.to_string())),
            }
        }
        Self {
            here,
            missing: missing.into(),
        }
    }

    pub(crate) fn flags(&self) -> c_int {
        self.here.iter().fold(0, |flags, (_, flag)| flags | flag)
    }

    /// The names of those that there are.
    pub(crate) fn here(&self) -> impl Iterator<Item = &'static str> {
        self.here.iter().map(|(name, _)| *name)
    }

    /// The names of those that the system does not give, and why.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.missing.iter().map(|(name, why)| (*name, why.as_str()))
    }

    pub(crate) fn has_pid(&self) -> bool {
        self.flags() & libc::CLONE_NEWPID != 0
    }
}

fn works(kinds: &[Kind]) -> io::Result<()> {
    spawn::try_namespaces(kinds.iter().fold(0, |flags, (_, flag)| flags | flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_works_and_what_is_missing_has_a_reason() {
        let found = Namespaces::find();
        assert!(spawn::try_namespaces(found.flags()).is_ok());
        let known = found.here().count() + found.missing().count();
        // Root needs no user namespace.
        assert!(known >= OTHERS.len(), "{found:?}");
        assert!(found.missing().all(|(_, why)| !why.is_empty()));
        assert_eq!(Namespaces::none("x").missing().count(), 6);
        assert_eq!(Namespaces::default().flags(), 0);
    }
}
