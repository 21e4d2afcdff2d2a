//! What a plugin might try on the machine it plays on. Each attack is a function of what it may
//! aim at ([`Target`]), which says whether it succeeded, or with which `errno` it failed. Those
//! that end the process say nothing; those that start a program or a process let it make the file
//! `marker`, so that their success is seen from outside.

#[cfg(target_os = "linux")]
mod deaths;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod neighbours;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(target_os = "linux")]
mod sys;

use std::collections::HashMap;

/// Success, or the `errno` of the call that failed; 0 where it was no call that failed.
pub type Outcome = Result<(), i32>;
/// One of the attacks.
pub type Attack = fn(&Target<'_>) -> Outcome;

/// What an attack may aim at: files, processes and sockets that the test has put there.
pub struct Target<'a>(HashMap<&'a str, &'a str>);

impl<'a> Target<'a> {
    /// Reads the attack's name and its target: the first line, and `key=value` in each other.
    pub fn read(text: &'a str) -> Option<(&'a str, Self)> {
        let mut lines = text.lines();
        let name = lines.next()?;
        let pairs = lines.map(|line| line.split_once('='));
        Some((name, Self(pairs.collect::<Option<_>>()?)))
    }

    /// What the test calls by this name; nothing is an empty text.
    pub fn named(&self, key: &str) -> &'a str {
        self.0.get(key).copied().unwrap_or("")
    }

    /// A number that the test calls by this name, -1 where there is none.
    pub fn number(&self, key: &str) -> i32 {
        self.named(key).parse().unwrap_or(-1)
    }
}

/// The attack of a name.
#[cfg(target_os = "linux")]
pub fn attack(name: &str) -> Option<Attack> {
    let all = [
        sockets::ALL,
        files::ALL,
        processes::ALL,
        neighbours::ALL,
        memory::ALL,
        kernel::ALL,
        deaths::ALL,
    ];
    let mut all = all.into_iter().flatten();
    all.find(|(known, _)| *known == name)
        .map(|(_, attack)| *attack)
}

/// The attack of a name: they are written for Linux.
#[cfg(not(target_os = "linux"))]
pub fn attack(_: &str) -> Option<Attack> {
    None
}
