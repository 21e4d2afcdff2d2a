//! The latency a plugin reports is the one that an impulse measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use plugpen::CHANGE_LATENCY;

use super::format::Format;
use super::play_impulse;
use crate::system::server;

#[track_caller]
fn measured(plugin: &plugpen::Plugin, room: usize) -> u32 {
    let played = play_impulse(plugin, room);
    let at = played.iter().position(|&sample| sample == 1.0);
    u32::try_from(at.expect("the impulse is heard")).unwrap()
}

pub fn the_reported_latency_is_the_true_one(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "latency");
    assert_eq!(plugin.latency_samples(), 480);
    assert_eq!(measured(&plugin, 1024), 480);
    plugin.reset().unwrap();
    assert_eq!(measured(&plugin, 1024), 480, "after a reset");
    assert_eq!(plugin.latency_samples(), 480);
    let prompt = format.open(&server, "gain");
    assert_eq!(prompt.latency_samples(), 0);
}

pub fn a_latency_that_changes_is_told_and_true(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "latency");
    let flags = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&flags);
    plugin.set_change_callback(Some(Box::new(move |change| {
        told.fetch_or(change, Ordering::Relaxed);
    })));
    for delay in [1000_u32, 0, 1, 9999, 480] {
        flags.store(0, Ordering::Relaxed);
        plugin.set_param(0, f64::from(delay) / 10_000.0).unwrap();
        // Some formats know only after a block.
        play_impulse(&plugin, 1);
        plugin.poll_callbacks().unwrap();
        let told = flags.load(Ordering::Relaxed) & CHANGE_LATENCY;
        assert_eq!(told, CHANGE_LATENCY, "{}: {delay}", format.name);
        assert_eq!(plugin.latency_samples(), delay, "{}", format.name);
        plugin.reset().unwrap();
        assert_eq!(measured(&plugin, 10_500), delay, "{}", format.name);
    }
}
