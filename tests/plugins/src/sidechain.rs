//! Main input times sidechain.

use std::ffi::CStr;

use crate::kit::{Host, Plugin, Ports};

const INPUT: usize = 0;
const SIDECHAIN: usize = 1;
const OUTPUT: usize = 2;

pub struct Sidechain;

impl Plugin for Sidechain {
    const URI: &'static CStr = c"urn:plugpen:test:sidechain";

    fn instantiate(_host: &Host) -> Option<Self> {
        Some(Self)
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        for frame in 0..frames {
            let product = ports.sample(INPUT, frame) * ports.sample(SIDECHAIN, frame);
            ports.put(OUTPUT, frame, product);
        }
    }
}
