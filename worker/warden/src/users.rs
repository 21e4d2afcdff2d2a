//! A user id for each worker of a daemon that runs as root.
//!
//! The ids are of a range that no distribution gives to anyone, and nobody has a name for them:
//! files and processes of one worker belong to it alone.

use std::collections::HashSet;
use std::fs;
use std::sync::{Arc, Mutex};

use crate::warden::lock;

/// Ids of one daemon.
const BLOCK: u32 = 1 << 16;
/// Where the ids begin that nobody uses: systemd's list of ids calls them so.
const FIRST: u32 = 0x7000_0000;
/// Blocks from there to the end of the positive ids.
const BLOCKS: u32 = 0x1000_0000 / BLOCK;

/// The ids that a daemon has to give.
#[derive(Debug, Clone)]
pub struct Users(Arc<Mutex<Pool>>);

#[derive(Debug)]
struct Pool {
    first: u32,
    next: u32,
    taken: HashSet<u32>,
}

/// An id that nobody else has while this lives.
#[derive(Debug)]
pub struct User {
    id: u32,
    users: Users,
}

impl User {
    /// The number.
    pub fn id(&self) -> u32 {
        self.id
    }
}

impl Drop for User {
    fn drop(&mut self) {
        lock(&self.users.0).taken.remove(&self.id);
    }
}

impl Users {
    /// A block of ids, if this process is root and its user namespace has such ids. Daemons of
    /// one machine get different blocks, as chance has it.
    pub fn find() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let map = fs::read_to_string("/proc/self/uid_map").ok()?;
        let mut chance = [0; 4];
        rustix::rand::getrandom(&mut chance, rustix::rand::GetRandomFlags::empty()).ok()?;
        let first = FIRST + u32::from_ne_bytes(chance) % BLOCKS * BLOCK;
        is_mapped(&map, first).then(|| Self::from(first))
    }

    fn from(first: u32) -> Self {
        Self(Arc::new(Mutex::new(Pool {
            first,
            next: 0,
            taken: HashSet::new(),
        })))
    }

    /// An id that no living worker has; `None` when all are taken.
    pub fn take(&self) -> Option<User> {
        let mut pool = lock(&self.0);
        for _ in 0..BLOCK {
            let id = pool.first + pool.next;
            pool.next = (pool.next + 1) % BLOCK;
            if pool.taken.insert(id) {
                let users = self.clone();
                return Some(User { id, users });
            }
        }
        None
    }
}

/// Whether a block of ids exists in a user namespace with this map.
fn is_mapped(map: &str, first: u32) -> bool {
    let last = u64::from(first) + u64::from(BLOCK);
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        match (numbers.next(), numbers.nth(1)) {
            (Some(Ok(start)), Some(Ok(count))) => {
                start <= u64::from(first) && last <= start.saturating_add(count)
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_living_workers_share_an_id() {
        let users = Users::from(FIRST);
        let kept = users.take().unwrap();
        for _ in 0..2 * BLOCK {
            assert_ne!(users.take().unwrap().id(), kept.id());
        }
        let all: Vec<_> = std::iter::from_fn(|| users.take()).collect();
        assert_eq!(all.len(), 65_535);
        drop(kept);
        assert!(users.take().is_some());
    }

    #[test]
    fn a_container_without_such_ids_is_noticed() {
        assert!(is_mapped("         0          0 4294967295\n", FIRST));
        assert!(!is_mapped("         0     100000      65536\n", FIRST));
        assert!(!is_mapped("", FIRST));
    }
}
