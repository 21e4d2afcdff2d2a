//! Nothing is left behind: processes, descriptors, threads, shared memory, files.

use plugpen_tests::census;

use super::{alone, open, play, server, try_open, until};

#[test]
fn fifty_plugins_play_side_by_side() {
    alone(|| {
        let server = server();
        let daemon = server.info().unwrap().pid;
        let plugins: Vec<_> = (0..50).map(|_| open(&server, "counter")).collect();
        assert_eq!(census::children(daemon).len(), 50);
        for block in 0..20_u16 {
            for plugin in &plugins {
                let outputs = play(plugin).unwrap();
                assert_eq!(outputs[0][0], f32::from(block) * 64.0);
            }
        }
        drop(plugins);
        until("fifty workers' ends", || {
            census::children(daemon).is_empty()
        });
    });
}

#[test]
fn five_hundred_lives_leave_nothing_behind() {
    alone(|| {
        let server = server();
        let daemon = server.info().unwrap().pid;
        let client = std::process::id();
        let lives = |count: u32| {
            for number in 0..count {
                let plugin = open(&server, "gain");
                play(&plugin).unwrap();
                plugin.get_state().unwrap();
                // Closed, or only dropped.
                if number % 2 == 0 {
                    plugin.close().unwrap();
                }
            }
            until("the workers' ends", || census::children(daemon).is_empty());
        };
        // Caches, pools and allocators fill up at first.
        lives(50);
        let settled = |pid| {
            let mut last = census::of(pid).unwrap();
            until("its threads to settle", || {
                let now = census::of(pid).unwrap();
                let same = (now.descriptors, now.threads) == (last.descriptors, last.threads);
                last = now;
                same
            });
            last
        };
        let before = [client, daemon].map(settled);
        lives(if super::full() { 5000 } else { 500 });
        for (pid, before) in [client, daemon].into_iter().zip(before) {
            until("what was open to be closed", || {
                let now = census::of(pid).unwrap();
                now.descriptors <= before.descriptors
                    && now.threads <= before.threads
                    && now.shared_mappings <= before.shared_mappings
            });
            let now = census::of(pid).unwrap();
            let grown = now.resident_kib.saturating_sub(before.resident_kib);
            assert!(grown < 8 * 1024, "grew by {grown} KiB: {before:?}, {now:?}");
        }
        let open = server.plugins(true).unwrap();
        assert!(open.is_empty(), "the daemon still knows {}", open.len());
    });
}

#[test]
fn failed_openings_leave_nothing_behind() {
    alone(|| {
        let server = server();
        let daemon = server.info().unwrap().pid;
        let fail = |count: u32| {
            for _ in 0..count {
                for name in [
                    "born-crashing",
                    "born-exiting",
                    "born-refusing",
                    "no-library",
                ] {
                    assert!(try_open(&server, name).is_err());
                }
            }
            until("the workers' ends", || census::children(daemon).is_empty());
        };
        fail(5);
        let before = census::of(daemon).unwrap();
        fail(25);
        until("what was open to be closed", || {
            let now = census::of(daemon).unwrap();
            now.descriptors <= before.descriptors && now.threads <= before.threads
        });
    });
}

#[test]
fn a_worker_holds_what_it_needs_and_no_more() {
    let server = server();
    let workers: Vec<_> = (0..3).map(|_| open(&server, "gain")).collect();
    let counts: Vec<_> = workers
        .iter()
        .map(|plugin| census::of(plugin.worker_pid()).unwrap())
        .collect();
    for count in &counts {
        // A later worker inherits nothing of an earlier one's.
        assert_eq!(count.descriptors, counts[0].descriptors, "{counts:?}");
        assert!(count.descriptors <= 12, "{counts:?}");
    }
}
