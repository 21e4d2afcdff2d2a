//! `time:Position`.

use super::super::Transport;
use super::Host;
use super::atoms::Body;

/// URIDs of `time:` keys and the atom types of their values.
pub struct Urids {
    position: u32,
    bpm: u32,
    beat: u32,
    bar: u32,
    bar_beat: u32,
    beats_per_bar: u32,
    beat_unit: u32,
    frame: u32,
    speed: u32,
    int: u32,
    long: u32,
    float: u32,
    double: u32,
}

impl Urids {
    pub fn new(host: &Host) -> Self {
        Self {
            position: host.urid(c"http://lv2plug.in/ns/ext/time#Position"),
            bpm: host.urid(c"http://lv2plug.in/ns/ext/time#beatsPerMinute"),
            beat: host.urid(c"http://lv2plug.in/ns/ext/time#beat"),
            bar: host.urid(c"http://lv2plug.in/ns/ext/time#bar"),
            bar_beat: host.urid(c"http://lv2plug.in/ns/ext/time#barBeat"),
            beats_per_bar: host.urid(c"http://lv2plug.in/ns/ext/time#beatsPerBar"),
            beat_unit: host.urid(c"http://lv2plug.in/ns/ext/time#beatUnit"),
            frame: host.urid(c"http://lv2plug.in/ns/ext/time#frame"),
            speed: host.urid(c"http://lv2plug.in/ns/ext/time#speed"),
            int: host.urid(c"http://lv2plug.in/ns/ext/atom#Int"),
            long: host.urid(c"http://lv2plug.in/ns/ext/atom#Long"),
            float: host.urid(c"http://lv2plug.in/ns/ext/atom#Float"),
            double: host.urid(c"http://lv2plug.in/ns/ext/atom#Double"),
        }
    }

    pub fn is_position(&self, body: Body<'_>) -> bool {
        body.object_kind() == Some(self.position)
    }

    /// Takes what a position says; the rest stays as it was said before.
    pub fn read(&self, position: Body<'_>, into: &mut Transport) {
        let find = |wanted| {
            position
                .properties()
                .find(|(key, _)| *key == wanted)
                .and_then(|(_, value)| self.number(value))
        };
        let in_bars = || Some(find(self.bar)? * find(self.beats_per_bar)? + find(self.bar_beat)?);
        // Beats are those of the time signature here, quarter notes elsewhere.
        let beats = find(self.beat).or_else(in_bars);
        let quarters = beats.map(|beats| beats * 4.0 / find(self.beat_unit).unwrap_or(4.0));
        let said = [
            (&mut into.tempo, find(self.bpm)),
            (&mut into.beats, quarters),
            (&mut into.frame, find(self.frame)),
            (&mut into.speed, find(self.speed)),
        ];
        for (heard, said) in said {
            *heard = said.unwrap_or(*heard);
        }
        let signature = [find(self.beats_per_bar), find(self.beat_unit)];
        for (heard, said) in into.signature.iter_mut().zip(signature) {
            *heard = said.unwrap_or(*heard);
        }
    }

    fn number(&self, value: Body<'_>) -> Option<f64> {
        if value.kind == self.int {
            Some(f64::from(i32::from_ne_bytes(value.bytes.try_into().ok()?)))
        } else if value.kind == self.long {
            #[allow(clippy::cast_precision_loss, reason = "tests use small positions")]
            let number = i64::from_ne_bytes(value.bytes.try_into().ok()?) as f64;
            Some(number)
        } else if value.kind == self.float {
            Some(f64::from(f32::from_ne_bytes(value.bytes.try_into().ok()?)))
        } else if value.kind == self.double {
            Some(f64::from_ne_bytes(value.bytes.try_into().ok()?))
        } else {
            None
        }
    }
}
