//! Bypass for plugins that have none of their own: the dry signal, aligned with the latency.

use super::block::{Block, Planes, Samples};

/// The line grows in steps of this many frames, so that a latency which creeps up does not
/// allocate on each step.
const STEP: usize = 1024;
/// Frames of latency that the line follows at most, over 20 seconds at 192 kHz. A plugin that says
/// more is wrong, and may not take the memory for it.
const MOST: usize = 1 << 22;

/// Replaces a plugin's output by its delayed input. The plugin goes on hearing its input, so
/// that switching back is seamless and no note hangs.
#[derive(Debug, Default)]
pub struct HostBypass {
    active: bool,
    single: Vec<Line<f32>>,
    double: Vec<Line<f64>>,
    latency: usize,
    max_frames: usize,
}

impl HostBypass {
    /// For a plugin with so many main input channels. Not on the block path.
    pub fn new(main_inputs: usize, max_frames: usize, latency: usize) -> Self {
        let mut bypass = Self {
            single: (0..main_inputs).map(|_| Line::default()).collect(),
            double: (0..main_inputs).map(|_| Line::default()).collect(),
            max_frames,
            ..Self::default()
        };
        bypass.align(latency);
        bypass
    }

    /// Whether the output is replaced.
    pub fn set_active(&mut self, active: bool) {
        self.active = active;
    }

    /// Follows a latency. Allocates when the latency has grown past the line: not on the block
    /// path.
    pub fn align(&mut self, latency: usize) {
        self.latency = latency.min(MOST);
        let room = (self.latency + self.max_frames).next_multiple_of(STEP);
        for line in &mut self.single {
            line.resize(room, self.max_frames);
        }
        for line in &mut self.double {
            line.resize(room, self.max_frames);
        }
    }

    /// Forgets what it heard.
    pub fn reset(&mut self) {
        for line in &mut self.single {
            line.ring.fill(0.0);
        }
        for line in &mut self.double {
            line.ring.fill(0.0);
        }
    }

    /// Hears a block's input, before the plugin.
    pub fn listen(&mut self, block: &Block<'_>) {
        match block.samples {
            Samples::Single(planes) => listen(&mut self.single, planes, block.frames),
            Samples::Double(planes) => listen(&mut self.double, planes, block.frames),
        }
    }

    /// Replaces the output where the bypass is active, after the plugin.
    pub fn replace(&mut self, block: &mut Block<'_>) {
        if !self.active {
            return;
        }
        match block.samples {
            Samples::Single(planes) => {
                replace(&mut self.single, planes, block.frames, self.latency);
            }
            Samples::Double(planes) => {
                replace(&mut self.double, planes, block.frames, self.latency);
            }
        }
        // A MIDI effect passes what is played through as well; a synth's input ends here.
        let makes_midi = !block.events_out.is_empty();
        block.events_out.clear();
        if makes_midi {
            for event in block.events.iter() {
                if !event.body.is_parameter() {
                    block.push(event);
                }
            }
        }
    }
}

/// A delay line over one channel.
#[derive(Debug, Default)]
struct Line<T> {
    ring: Vec<T>,
    /// Where the next frame is written.
    head: usize,
    /// One block, on its way out.
    block: Vec<T>,
}

impl<T: Copy + Default> Line<T> {
    fn resize(&mut self, room: usize, max_frames: usize) {
        if room > self.ring.len() {
            // What was heard so far keeps its distance to the head.
            self.ring.rotate_left(self.head);
            let heard = self.ring.len();
            let mut grown = vec![T::default(); room];
            grown[room - heard..].copy_from_slice(&self.ring);
            self.ring = grown;
            self.head = 0;
        }
        self.block.resize(max_frames, T::default());
    }
}

fn listen<T: Copy + Default>(lines: &mut [Line<T>], planes: &Planes<T>, frames: usize) {
    for (channel, line) in lines.iter_mut().enumerate() {
        planes.read(channel, &mut line.block);
        let room = line.ring.len();
        let first = frames.min(room - line.head);
        line.ring[line.head..line.head + first].copy_from_slice(&line.block[..first]);
        line.ring[..frames - first].copy_from_slice(&line.block[first..frames]);
        line.head = (line.head + frames) % room;
    }
}

fn replace<T: Copy + Default>(
    lines: &mut [Line<T>],
    planes: &Planes<T>,
    frames: usize,
    latency: usize,
) {
    for line in lines.iter_mut() {
        let room = line.ring.len();
        // A latency that grew while playing is followed as far as the line reaches.
        let back = (frames + latency).min(room);
        let start = (line.head + room - back) % room;
        let first = frames.min(room - start);
        line.block[..first].copy_from_slice(&line.ring[start..start + first]);
        line.block[first..frames].copy_from_slice(&line.ring[..frames - first]);
    }
    for output in 0..planes.outputs() {
        // A mono input goes to every output, as a mono track does on a stereo bus.
        let source = if lines.len() == 1 { 0 } else { output };
        match lines.get(source) {
            Some(line) => planes.write(output, &line.block),
            None => planes.fill(output, T::default()),
        }
    }
}
