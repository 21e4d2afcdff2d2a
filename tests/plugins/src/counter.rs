//! Each output sample is the number of frames played before it since the instance was made,
//! modulo 2^24 (what a float can count to). The count is the plugin's state; `activate`, and so
//! a host's reset, keeps it.

use std::ffi::CStr;

use crate::kit::{Host, Plugin, Ports, Retrieve, Store};

const OUTPUT: usize = 0;

pub struct Counter {
    frames: u32,
    key: u32,
    int: u32,
}

impl Plugin for Counter {
    const URI: &'static CStr = c"urn:plugpen:test:counter";
    const HAS_STATE: bool = true;

    fn instantiate(host: &Host) -> Option<Self> {
        Some(Self {
            frames: 0,
            key: host.urid(c"urn:plugpen:test:counter#frames"),
            int: host.urid(c"http://lv2plug.in/ns/ext/atom#Int"),
        })
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        for frame in 0..frames {
            #[allow(clippy::cast_precision_loss, reason = "below 2^24")]
            ports.put(OUTPUT, frame, self.frames as f32);
            self.frames = (self.frames + 1) % (1 << 24);
        }
    }

    fn save(&self, _ports: &Ports, store: &mut Store) {
        store.put(self.key, self.int, &self.frames.to_ne_bytes());
    }

    fn restore(&mut self, _ports: &Ports, retrieve: &Retrieve) {
        if let Some(Ok(bytes)) = retrieve.get(self.key).map(<[u8; 4]>::try_from) {
            self.frames = u32::from_ne_bytes(bytes) % (1 << 24);
        }
    }
}
