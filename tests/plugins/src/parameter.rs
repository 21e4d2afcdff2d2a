//! Output is the parameter: left `value`, right `plain`. `steps` and `switch` are only there.

use std::ffi::CStr;

use crate::kit::{Host, Plugin, Ports};

const VALUE: usize = 0;
const PLAIN: usize = 1;
// 2 is `steps`, 3 is `switch`.
const LEFT: usize = 4;
const RIGHT: usize = 5;

pub struct Parameter;

impl Plugin for Parameter {
    const URI: &'static CStr = c"urn:plugpen:test:parameter";

    fn instantiate(_host: &Host) -> Option<Self> {
        Some(Self)
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        let (value, plain) = (ports.control(VALUE), ports.control(PLAIN));
        for frame in 0..frames {
            ports.put(LEFT, frame, value);
            ports.put(RIGHT, frame, plain);
        }
    }
}
