//! Many clients, a third of whose plugins die, hang and lie at random, all at once.

use std::thread;
use std::time::{Duration, Instant};

use plugpen::v1::{Deadlines, ErrorReason};
use plugpen::{Error, EventList, OpenOptions, Plugin, Server};
use plugpen_tests::census::{self, Census};

use super::is_a_death;
use super::table::{self, Attack};
use crate::conformance::format::{Format, LV2, VST2, VST3};
use crate::system::{Random, alone, full, play_events, server, until};

const CLIENTS: usize = 20;
const FRAMES: usize = 64;

/// Plays, and must not notice anything.
struct Innocent {
    plugin: Plugin,
    blocks: usize,
}

impl Innocent {
    fn new(format: &Format, server: &Server) -> Self {
        Self {
            plugin: format.open(server, "counter"),
            blocks: 0,
        }
    }

    fn call(&mut self, random: &mut Random) {
        match random.below(12) {
            0 => assert_eq!(
                self.plugin.get_param(0).unwrap_err().reason,
                ErrorReason::IndexOutOfRange
            ),
            1 => drop(self.plugin.get_state().unwrap()),
            2 => drop(self.plugin.params().unwrap()),
            _ => {
                let (outputs, _) =
                    play_events(&self.plugin, &[0.0; FRAMES], &EventList::new()).unwrap();
                // What the counter counts in stays exact up to 2^24 frames.
                let counted = self.blocks * FRAMES;
                if counted < 1 << 24 {
                    assert_eq!(outputs[0][0], counted as f32, "a block was missed");
                }
                self.blocks += 1;
            }
        }
    }
}

/// Lives until it does what it does.
struct Offender {
    plugin: Plugin,
    deaths: usize,
}

impl Offender {
    fn new(format: &Format, server: &Server) -> Self {
        let options = OpenOptions {
            deadlines: Deadlines {
                block_seconds: 0.5,
                ..Deadlines::default()
            },
            ..OpenOptions::default()
        };
        Self {
            plugin: format.open_with(server, "attacker", options),
            deaths: 0,
        }
    }

    fn offend(&mut self, attack: &Attack) {
        let mut events = EventList::new();
        events.push_midi(0, &[&[0xF0], attack.name.as_bytes(), &[0xF7]].concat());
        let played = play_events(&self.plugin, &[0.5; FRAMES], &events);
        let ended = played.and_then(|_| self.plugin.get_param(0));
        if let Err(error) = ended {
            self.mourn(attack, &error);
        }
    }

    fn mourn(&mut self, attack: &Attack, error: &Error) {
        let deadly = [
            ErrorReason::PluginCrashed,
            ErrorReason::PluginHung,
            ErrorReason::PluginDead,
        ];
        assert!(deadly.contains(&error.reason), "{}: {error}", attack.name);
        assert!(error.death.is_some(), "{}: {error}", attack.name);
        self.deaths += 1;
        self.plugin.restart().unwrap();
    }
}

/// One client's life. Returns blocks played in peace, and deaths.
fn life(server: &Server, number: usize, until: Instant) -> (usize, usize) {
    let mut random = Random::new();
    let deeds: Vec<&Attack> = table::all().filter(|attack| is_a_death(attack)).collect();
    let format = [&LV2, &VST2, &VST3][number % 3];
    let mut innocents = [(); 2].map(|()| Innocent::new(format, server));
    let mut offender = Offender::new(format, server);
    while Instant::now() < until {
        for innocent in &mut innocents {
            innocent.call(&mut random);
        }
        if random.below(8) == 0 {
            let deed = usize::try_from(random.below(1000)).unwrap() % deeds.len();
            offender.offend(deeds[deed]);
        }
    }
    let blocks = innocents.iter().map(|innocent| innocent.blocks).sum();
    (blocks, offender.deaths)
}

fn lives(target: &str, length: Duration) -> (usize, usize) {
    let until = Instant::now() + length;
    thread::scope(|scope| {
        let all: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn(move || life(&Server::connect(target).unwrap(), number, until))
            })
            .collect();
        all.into_iter()
            .map(|client| client.join().expect("an innocent call failed"))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    })
}

/// What is held once nothing is going on.
fn at_rest(pid: u32, daemon: u32) -> Census {
    let mut last = census::of(pid).unwrap();
    until("things to settle", || {
        let now = census::of(pid).unwrap();
        let same = (now.descriptors, now.threads) == (last.descriptors, last.threads);
        last = now;
        same && census::children(daemon).is_empty()
    });
    last
}

#[test]
fn twenty_clients_live_beside_plugins_that_die_hang_and_lie() {
    alone(|| {
        let server = server();
        let daemon = server.info().unwrap().pid;
        let folder = server.target().trim_start_matches("unix:").to_owned();
        let folder = std::path::Path::new(&folder)
            .parent()
            .unwrap()
            .join("workers");
        let left = || std::fs::read_dir(&folder).unwrap().count();
        // Pools and allocators fill up at first.
        lives(server.target(), Duration::from_secs(3));
        let before = [daemon, std::process::id()].map(|pid| at_rest(pid, daemon));
        let length = Duration::from_secs(if full() { 600 } else { 15 });
        let (blocks, deaths) = lives(server.target(), length);
        println!("{blocks} blocks in peace, {deaths} deaths");
        assert!(deaths > CLIENTS && blocks > deaths);
        for (pid, before) in [daemon, std::process::id()].into_iter().zip(before) {
            until("all that was held to be let go", || {
                let now = census::of(pid).unwrap();
                now.descriptors <= before.descriptors
                    && now.threads <= before.threads
                    && now.shared_mappings <= before.shared_mappings
                    && census::children(daemon).is_empty()
            });
            let now = census::of(pid).unwrap();
            let grown = now.resident_kib.saturating_sub(before.resident_kib);
            assert!(
                grown < 32 * 1024,
                "grew by {grown} KiB: {before:?}, {now:?}"
            );
        }
        until("the private folders to be removed", || left() == 0);
        assert!(server.plugins(true).unwrap().is_empty());
    });
}
