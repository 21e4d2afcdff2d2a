//! Its outputs are what `time:Position` last said, from the frame on at which it was said: tempo,
//! position in beats, position in frames, speed. -1 for what was never said.

use std::ffi::CStr;

use crate::kit::{Body, Host, Plugin, Ports};

const TIME_IN: usize = 0;
const FIRST_OUTPUT: usize = 1;

/// URIDs of `time:` keys and the atom types of their values.
struct Urids {
    position: u32,
    bpm: u32,
    beat: u32,
    bar: u32,
    bar_beat: u32,
    beats_per_bar: u32,
    frame: u32,
    speed: u32,
    int: u32,
    long: u32,
    float: u32,
    double: u32,
}

pub struct Transport {
    urids: Urids,
    heard: [f32; 4],
}

impl Transport {
    fn number(&self, value: Body<'_>) -> Option<f64> {
        let urids = &self.urids;
        if value.kind == urids.int {
            Some(f64::from(i32::from_ne_bytes(value.bytes.try_into().ok()?)))
        } else if value.kind == urids.long {
            #[allow(clippy::cast_precision_loss, reason = "tests use small positions")]
            let number = i64::from_ne_bytes(value.bytes.try_into().ok()?) as f64;
            Some(number)
        } else if value.kind == urids.float {
            Some(f64::from(f32::from_ne_bytes(value.bytes.try_into().ok()?)))
        } else if value.kind == urids.double {
            Some(f64::from_ne_bytes(value.bytes.try_into().ok()?))
        } else {
            None
        }
    }

    fn hear(&mut self, position: Body<'_>) {
        let find = |wanted| {
            position
                .properties()
                .find(|(key, _)| *key == wanted)
                .and_then(|(_, value)| self.number(value))
        };
        let urids = &self.urids;
        let in_bars =
            || Some(find(urids.bar)? * find(urids.beats_per_bar)? + find(urids.bar_beat)?);
        let said = [
            find(urids.bpm),
            find(urids.beat).or_else(in_bars),
            find(urids.frame),
            find(urids.speed),
        ];
        for (heard, said) in self.heard.iter_mut().zip(said) {
            if let Some(said) = said {
                #[allow(clippy::cast_possible_truncation, reason = "the output is a float")]
                let said = said as f32;
                *heard = said;
            }
        }
    }
}

impl Plugin for Transport {
    const URI: &'static CStr = c"urn:plugpen:test:transport";

    fn instantiate(host: &Host) -> Option<Self> {
        Some(Self {
            urids: Urids {
                position: host.urid(c"http://lv2plug.in/ns/ext/time#Position"),
                bpm: host.urid(c"http://lv2plug.in/ns/ext/time#beatsPerMinute"),
                beat: host.urid(c"http://lv2plug.in/ns/ext/time#beat"),
                bar: host.urid(c"http://lv2plug.in/ns/ext/time#bar"),
                bar_beat: host.urid(c"http://lv2plug.in/ns/ext/time#barBeat"),
                beats_per_bar: host.urid(c"http://lv2plug.in/ns/ext/time#beatsPerBar"),
                frame: host.urid(c"http://lv2plug.in/ns/ext/time#frame"),
                speed: host.urid(c"http://lv2plug.in/ns/ext/time#speed"),
                int: host.urid(c"http://lv2plug.in/ns/ext/atom#Int"),
                long: host.urid(c"http://lv2plug.in/ns/ext/atom#Long"),
                float: host.urid(c"http://lv2plug.in/ns/ext/atom#Float"),
                double: host.urid(c"http://lv2plug.in/ns/ext/atom#Double"),
            },
            heard: [-1.0; 4],
        })
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        let mut incoming = ports.atoms(TIME_IN).peekable();
        for frame in 0..frames {
            while let Some((_, body)) = incoming.next_if(|(at, _)| *at <= frame) {
                if body.object_kind() == Some(self.urids.position) {
                    self.hear(body);
                }
            }
            for (channel, value) in self.heard.into_iter().enumerate() {
                ports.put(FIRST_OUTPUT + channel, frame, value);
            }
        }
    }
}
