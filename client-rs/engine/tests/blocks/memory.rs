//! A processor in memory: what it does is known, and nothing is ready before it was waited for.
#![allow(
    missing_docs,
    dead_code,
    reason = "test support; not every test uses all of it"
)]

use std::collections::VecDeque;

use plugpen_engine::{BlockInput, BlockOutput, BlockProcessor, Io, Planes, PlanesMut};
use plugpen_proto::Error;
use plugpen_proto::event::{EventBody, EventList};
use plugpen_proto::v1::Transport;

/// A block that was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub frames: usize,
    pub midi: Vec<(u32, Vec<u8>)>,
    pub transport: Option<Transport>,
}

#[derive(Debug)]
struct Ready {
    frames: usize,
    planes: Vec<Vec<f64>>,
    events: EventList,
}

/// `output[c] = gain * input[c]`, and on every output an impulse for a note on (its velocity / 127)
/// followed by an echo of half its height `echo` frames later, and so on; all of it late by the
/// latency. Parameter 0 sets the gain from its frame on. Where MIDI is produced, notes come out
/// one higher.
#[derive(Debug)]
pub struct Memory {
    pub io: Io,
    pub depth: usize,
    pub gain: f64,
    pub echo: usize,
    /// Fails at this block, from 0, and ever after.
    pub fails_at: Option<usize>,
    pub heard: Vec<Heard>,
    pub waits: usize,
    ready: usize,
    blocks: VecDeque<Ready>,
    late: Vec<VecDeque<f64>>,
    past: VecDeque<f64>,
}

impl Memory {
    pub fn new(io: Io, depth: usize) -> Self {
        Self {
            late: vec![VecDeque::from(vec![0.0; io.latency_samples]); io.outputs],
            io,
            depth,
            gain: 0.5,
            echo: 0,
            fails_at: None,
            heard: Vec::new(),
            waits: 0,
            ready: 0,
            blocks: VecDeque::new(),
            past: VecDeque::new(),
        }
    }

    pub fn with(mut self, gain: f64, echo: usize) -> Self {
        self.gain = gain;
        self.echo = echo;
        self.past = VecDeque::from(vec![0.0; echo]);
        self
    }

    fn check(&self) -> Result<(), Error> {
        match self.fails_at {
            Some(at) if self.heard.len() >= at => Err(Error::unsupported("the test's failure")),
            _ => Ok(()),
        }
    }

    fn impulse(&mut self, velocity: f64) -> f64 {
        let Some(past) = self.past.pop_front() else {
            return velocity;
        };
        let sample = velocity + past * 0.5;
        self.past.push_back(sample);
        sample
    }
}

fn sample(planes: Planes<'_>, channel: usize, frame: usize) -> f64 {
    match planes {
        Planes::F32(planes) => planes.get(channel).map_or(0.0, |p| f64::from(p[frame])),
        Planes::F64(planes) => planes.get(channel).map_or(0.0, |p| p[frame]),
        Planes::None => 0.0,
    }
}

impl BlockProcessor for Memory {
    fn io(&self) -> Io {
        self.io
    }

    fn capacity(&self) -> usize {
        self.depth
    }

    fn in_flight(&self) -> usize {
        self.blocks.len()
    }

    fn done(&mut self) -> Result<usize, Error> {
        self.check()?;
        Ok(self.ready)
    }

    fn wait(&mut self, blocks: usize) -> Result<(), Error> {
        self.check()?;
        self.waits += 1;
        self.ready = self.ready.max(blocks.min(self.blocks.len()));
        Ok(())
    }

    fn submit(&mut self, block: &BlockInput<'_>) -> Result<(), Error> {
        self.check()?;
        assert!(self.blocks.len() < self.depth, "no room");
        assert!((1..=self.io.max_block_size).contains(&block.frames));
        let frames = block.frames;
        let mut heard = Heard {
            frames,
            midi: Vec::new(),
            transport: block.transport,
        };
        let mut planes = vec![vec![0.0; frames]; self.io.outputs];
        let mut events = EventList::new();
        let mut last = 0;
        let mut next = 0;
        for frame in 0..frames {
            let mut velocity = 0.0;
            while let Some(event) = block.events.get(next) {
                assert!(event.offset >= last, "events in order");
                last = event.offset;
                if usize::try_from(event.offset).unwrap() != frame {
                    break;
                }
                match event.body {
                    EventBody::Parameter { index, value } => {
                        assert_eq!(index, 0);
                        self.gain = value;
                    }
                    EventBody::Midi(bytes) => {
                        assert!(self.io.accepts_midi, "MIDI for one that accepts none");
                        heard.midi.push((event.offset, bytes.to_vec()));
                        if bytes[0] & 0xF0 == 0x90 {
                            velocity += f64::from(bytes[2]) / 127.0;
                        }
                        if self.io.produces_midi {
                            let mut raised = bytes.to_vec();
                            raised[1] += 1;
                            events.push_midi(event.offset, &raised);
                        }
                    }
                    other => unreachable!("nobody sends {other:?} here"),
                }
                next += 1;
            }
            let impulse = self.impulse(velocity);
            for (channel, plane) in planes.iter_mut().enumerate() {
                let input = match channel < self.io.inputs {
                    true => sample(block.audio, channel, frame),
                    false => 0.0,
                };
                let key = sample(block.sidechain, channel, frame);
                self.late[channel].push_back(input * self.gain + key + impulse);
                plane[frame] = self.late[channel].pop_front().unwrap();
            }
        }
        assert_eq!(next, block.events.len(), "events within the block");
        self.heard.push(heard);
        self.blocks.push_back(Ready {
            frames,
            planes,
            events,
        });
        Ok(())
    }

    fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize, Error> {
        self.check()?;
        if self.ready == 0 {
            self.wait(1)?;
        }
        let ready = self.blocks.pop_front().expect("a block in flight");
        self.ready -= 1;
        match &mut block.audio {
            PlanesMut::None => {}
            PlanesMut::F32(planes) => {
                for (plane, samples) in planes.iter_mut().zip(&ready.planes) {
                    for (to, from) in plane.iter_mut().zip(samples) {
                        #[allow(clippy::cast_possible_truncation, reason = "single is asked for")]
                        let single = *from as f32;
                        *to = single;
                    }
                }
            }
            PlanesMut::F64(planes) => {
                for (plane, samples) in planes.iter_mut().zip(&ready.planes) {
                    plane[..ready.frames].copy_from_slice(samples);
                }
            }
        }
        ready
            .events
            .iter()
            .for_each(|event| block.events.push(event));
        Ok(ready.frames)
    }
}

/// An instrument: no inputs, two outputs.
pub fn instrument() -> Io {
    Io {
        inputs: 0,
        accepts_midi: true,
        max_block_size: 4096,
        ..Io::default()
    }
}

/// Passes a block through and waits for it.
pub fn call(
    processor: &mut impl BlockProcessor,
    block: &BlockInput<'_>,
    channels: usize,
) -> Result<(Vec<Vec<f32>>, EventList), Error> {
    processor.submit(block)?;
    let mut planes = vec![vec![0.0; block.frames]; channels];
    let mut events = EventList::new();
    let mut audio: Vec<_> = planes.iter_mut().map(Vec::as_mut_slice).collect();
    let frames = processor.collect(&mut BlockOutput {
        audio: PlanesMut::F32(&mut audio),
        events: &mut events,
        events_dropped: 0,
    })?;
    assert_eq!(frames, block.frames);
    Ok((planes, events))
}
