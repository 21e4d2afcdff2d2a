//! What a sound system's callback runs: a period through the chain, and something else where a
//! plugin does not deliver.
//!
//! Nothing in here locks, waits without a deadline or calls the system but for futexes, and nothing
//! allocates, but where a plugin's latency grows beside a mix. What others want of it comes through queues; what it lets
//! go leaves through one, to be dropped elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugpen_engine::{
    BlockInput, BlockOutput, BlockProcessor, Chain, Channels, DryRoom, Io, Planes, PlanesMut,
};
use plugpen_proto::Error;
use plugpen_proto::event::{EventBody, EventList};
use plugpen_proto::v1::ErrorReason;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::input_buffer::InputReader;
use crate::meters::{Cause, Meters};
use crate::midi_queue::{LONGEST, MidiReceiver, MidiSender, midi_queue};
use crate::ring_stage::{Ring, RingStage};

/// The part of a period that plugins may take; the rest is the sound system's own.
const PATIENCE: f64 = 0.8;
/// Messages of a period that are taken in, and that are given out.
const EVENTS: usize = 2048;
/// Bytes of them.
const EVENT_BYTES: usize = 4 * LONGEST;
/// Orders that may wait.
const ORDERS: usize = 64;
/// Most frames of latency that memory is kept for beside a mix: five seconds.
const MIXED_LATENCY: usize = 1 << 18;
/// Frames that the buffers are made for; of a longer period the rest is silent.
pub const LONGEST_PERIOD: usize = 8192;

/// What goes to the callback, and comes back to be dropped.
enum Order {
    /// A ring for this place of the chain.
    Ring(usize, Box<Ring>),
    /// Where the input is taken from; none: no more from there.
    Input(Option<Box<InputReader>>),
    /// How much of this place's output is heard, and memory for it.
    Mix(usize, f64, Option<DryRoom>),
}

/// The main thread's side of a player.
pub struct Console {
    orders: Producer<Order>,
    gone: Consumer<Order>,
    midi: MidiSender,
    /// What a mix of each place needs: channels and frames.
    rooms: Vec<(usize, usize)>,
}

impl Console {
    /// Plays this place of the chain through this ring from the next period on.
    ///
    /// # Errors
    /// `LimitReached` where the callback takes no orders: the device stands still.
    pub fn set_ring(&mut self, stage: usize, ring: Ring) -> Result<(), Error> {
        self.order(Order::Ring(stage, Box::new(ring)))
    }

    /// Takes the input from there; none: no more.
    ///
    /// # Errors
    /// As for [`Console::set_ring`].
    pub fn set_input(&mut self, input: Option<InputReader>) -> Result<(), Error> {
        self.order(Order::Input(input.map(Box::new)))
    }

    /// Hears this much of a place's output from the next period on.
    ///
    /// # Errors
    /// As for [`Console::set_ring`]; `IndexOutOfRange` and `InvalidInput` for what is no place or
    /// no mix.
    pub fn set_mix(&mut self, stage: usize, wet: f64) -> Result<(), Error> {
        let room = self.rooms.get(stage);
        let (channels, frames) =
            *room.ok_or_else(|| Error::out_of_range("plugin", stage, self.rooms.len()))?;
        if !(0.0..=1.0).contains(&wet) {
            return Err(Error::invalid(format!("mix must be in [0, 1], got {wet}")));
        }
        let room = DryRoom::new(channels, frames);
        self.order(Order::Mix(stage, wet, Some(room)))
    }

    /// Queues a message for the next period; false where there is no room.
    pub fn send_midi(&mut self, message: &[u8]) -> bool {
        self.midi.push(0, message)
    }

    fn order(&mut self, order: Order) -> Result<(), Error> {
        while self.gone.pop().is_ok() {}
        self.orders.push(order).map_err(|_| {
            Error::new(
                ErrorReason::LimitReached,
                "the audio device does not ask for audio and takes no more orders; close it and open it again",
            )
        })
    }
}

/// The callback's side.
pub struct Player {
    chain: Chain<RingStage>,
    rate: f64,
    /// The input is heard where the plugins' output is missing.
    dry: bool,
    orders: Consumer<Order>,
    gone: Producer<Order>,
    midi: MidiReceiver,
    meters: Arc<Meters>,
    written: Option<Box<InputReader>>,
    input: Vec<Vec<f32>>,
    output: Vec<Vec<f32>>,
    /// The period's messages, at its frames.
    events: EventList,
    /// Those of the part of it that is played.
    part: EventList,
    /// What a late plugin did not take: for the next period.
    kept: EventList,
    given: EventList,
    /// What the plugins gave out in this period.
    out: EventList,
}

fn events() -> EventList {
    EventList::with_capacity(EVENTS, EVENT_BYTES)
}

impl Player {
    /// A player of these plugins, which have no rings yet.
    ///
    /// # Errors
    /// Those of [`Chain::new`], and for a mix out of range.
    pub fn new(
        plugins: &[Io],
        mixes: &[f64],
        dry: bool,
        meters: Arc<Meters>,
    ) -> Result<(Player, Console), Error> {
        let stages = plugins.iter().copied().map(RingStage::new).collect();
        let mut chain = Chain::new(stages)?;
        chain.reserve(LONGEST_PERIOD, EVENTS, EVENT_BYTES);
        let io = chain.io();
        let before = plugins.iter().map(|before| before.outputs);
        let rooms: Vec<_> = std::iter::once(io.inputs)
            .chain(before)
            .zip(plugins)
            .map(|(inputs, io)| {
                (
                    inputs,
                    LONGEST_PERIOD + io.latency_samples.min(MIXED_LATENCY),
                )
            })
            .collect();
        for (stage, mix) in mixes.iter().enumerate().filter(|(_, mix)| **mix < 1.0) {
            let room = rooms
                .get(stage)
                .map(|(inputs, frames)| DryRoom::new(*inputs, *frames));
            chain.state_mut().set_mix_in(stage, *mix, &mut { room })?;
        }
        let (orders, taken) = RingBuffer::new(ORDERS);
        let (let_go, gone) = RingBuffer::new(2 * ORDERS);
        let (midi_sender, midi) = midi_queue();
        let planes = |channels| vec![vec![0.0; LONGEST_PERIOD]; channels];
        let player = Player {
            chain,
            rate: io.sample_rate,
            dry,
            orders: taken,
            gone: let_go,
            midi,
            meters,
            written: None,
            input: planes(io.inputs),
            output: planes(io.outputs),
            events: events(),
            part: events(),
            kept: events(),
            given: events(),
            out: events(),
        };
        let console = Console {
            orders,
            gone,
            midi: midi_sender,
            rooms,
        };
        Ok((player, console))
    }

    /// Channels that are to be filled by [`Player::input`].
    pub fn inputs(&self) -> usize {
        self.input.len()
    }

    /// A channel of the period's input; it holds what was put there last.
    pub fn input(&mut self, channel: usize) -> Option<&mut [f32]> {
        self.input.get_mut(channel).map(Vec::as_mut_slice)
    }

    /// Adds a message to the period that [`Player::play`] is called for next, at one of its frames.
    pub fn push_midi(&mut self, offset: u32, message: &[u8]) {
        push(&mut self.events, offset, message, &self.meters);
    }

    /// Plays a period of so many frames. Waits for the plugins, but not beyond most of its length.
    pub fn play(&mut self, frames: usize) {
        let began = Instant::now();
        let frames = frames.min(LONGEST_PERIOD);
        let length = frames as f64 / self.rate;
        self.take_orders();
        while let Some((_, message)) = self.midi.pop() {
            push(&mut self.events, 0, message, &self.meters);
        }
        self.events.sort();
        if let Some(written) = &mut self.written {
            written.read(&mut self.input, frames);
        }
        self.out.clear();
        let deadline = began + Duration::from_secs_f64(length * PATIENCE);
        for stage in self.chain.stages_mut() {
            stage.set_deadline(deadline);
        }
        let most = self.chain.io().max_block_size.max(1);
        let mut missing = None;
        let mut start = 0;
        while start < frames {
            let end = frames.min(start + most);
            if let Err(cause) = self.play_part(start, end) {
                missing = Some(cause);
                self.replace(start, end);
            }
            start = end;
        }
        if let Some(cause) = missing {
            self.meters.xrun(cause);
        }
        // What was not taken comes first in the next period: a note's end stays behind its beginning.
        std::mem::swap(&mut self.events, &mut self.kept);
        self.kept.clear();
        let dropped: u64 = self
            .chain
            .stages_mut()
            .iter_mut()
            .map(RingStage::take_dropped)
            .sum();
        self.meters.drop_midi_in(dropped);
        #[allow(clippy::cast_possible_truncation, reason = "a ratio for people")]
        let load = (began.elapsed().as_secs_f64() / length.max(1e-6)) as f32;
        self.meters.period(load);
    }

    /// Carries out what was ordered, in the place of a period while the device is stopped.
    pub fn rest(&mut self) {
        self.take_orders();
    }

    /// A channel of the period that was played; a single one is heard on the first two.
    pub fn output(&self, channel: usize) -> Option<&[f32]> {
        let channel = match (self.output.len(), channel) {
            (1, 1) => 0,
            (_, channel) => channel,
        };
        self.output.get(channel).map(Vec::as_slice)
    }

    /// What the plugins gave out in the period that was played.
    pub fn midi_out(&self) -> &EventList {
        &self.out
    }

    fn take_orders(&mut self) {
        while self.gone.slots() > 0
            && let Ok(order) = self.orders.pop()
        {
            let gone = match order {
                Order::Ring(stage, ring) => match self.chain.stages_mut().get_mut(stage) {
                    Some(place) => place.exchange(ring).map(|ring| Order::Ring(stage, ring)),
                    None => Some(Order::Ring(stage, ring)),
                },
                Order::Input(input) => {
                    self.input.iter_mut().for_each(|channel| channel.fill(0.0));
                    let before = std::mem::replace(&mut self.written, input);
                    before.map(|input| Order::Input(Some(input)))
                }
                Order::Mix(stage, wet, mut room) => {
                    // Both were checked where it was ordered.
                    let _ = self.chain.state_mut().set_mix_in(stage, wet, &mut room);
                    room.map(|room| Order::Mix(stage, wet, Some(room)))
                }
            };
            if let Some(gone) = gone {
                // There is room, see above.
                let _ = self.gone.push(gone);
            }
        }
    }

    /// Plays some frames of the period through the chain.
    fn play_part(&mut self, start: usize, end: usize) -> Result<(), Cause> {
        let frames = end - start;
        let range = |offset: u32| usize::try_from(offset).is_ok_and(|o| (start..end).contains(&o));
        self.part.clear();
        for event in self.events.iter().filter(|event| range(event.offset)) {
            if let EventBody::Midi(message) = event.body {
                let offset = event.offset - u32::try_from(start).unwrap_or(0);
                self.part.push_midi(offset, message);
            }
        }
        let mut planes = Channels::default();
        let input = planes.gather(self.input.iter().map(|channel| &channel[start..end]));
        let submitted = self.chain.submit(&BlockInput {
            frames,
            audio: Planes::F32(input),
            sidechain: Planes::None,
            events: &self.part,
            transport: None,
        });
        if let Err(error) = submitted {
            let cause = cause_of(&error);
            if cause == Cause::Late {
                for event in self.part.iter() {
                    if let EventBody::Midi(message) = event.body {
                        push(&mut self.kept, 0, message, &self.meters);
                    }
                }
            }
            return Err(cause);
        }
        self.given.clear();
        let mut planes = Channels::default();
        let output = planes.gather(
            self.output
                .iter_mut()
                .map(|channel| &mut channel[start..end]),
        );
        let mut block = BlockOutput {
            audio: PlanesMut::F32(output),
            events: &mut self.given,
            events_dropped: 0,
        };
        let collected = self.chain.collect(&mut block);
        self.meters.drop_midi_out(block.events_dropped);
        collected.map_err(|error| cause_of(&error))?;
        // A plugin that came back may give out less than before.
        let outputs = self.chain.io().outputs;
        for channel in self.output.iter_mut().skip(outputs) {
            channel[start..end].fill(0.0);
        }
        for event in self.given.iter() {
            let offset = event.offset + u32::try_from(start).unwrap_or(0);
            // What shapes a single note has no place on a cable.
            let note;
            let message = match event.body {
                EventBody::Midi(message) => message,
                EventBody::Note(one) => {
                    note = one.midi();
                    &note[..]
                }
                EventBody::Parameter { .. } => continue,
                EventBody::Expression(_) => &[],
            };
            match !message.is_empty() && self.out.has_room(message.len()) {
                true => self.out.push_midi(offset, message),
                false => self.meters.drop_midi_out(1),
            }
        }
        Ok(())
    }

    /// Something else in the place of the plugins' output.
    fn replace(&mut self, start: usize, end: usize) {
        for (channel, output) in self.output.iter_mut().enumerate() {
            match self.input.get(channel) {
                Some(input) if self.dry => {
                    output[start..end].copy_from_slice(&input[start..end]);
                }
                _ => output[start..end].fill(0.0),
            }
        }
    }
}

fn cause_of(error: &Error) -> Cause {
    match error.reason {
        ErrorReason::TimedOut => Cause::Late,
        _ => Cause::Dead,
    }
}

fn push(events: &mut EventList, offset: u32, message: &[u8], meters: &Meters) {
    match events.has_room(message.len()) && !message.is_empty() {
        true => events.push_midi(offset, message),
        false => meters.drop_midi_in(1),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use plugpen_proto::v1::OpenedPlugin;
    use plugpen_shm::{BlockStatus, ClientEnd, Regions, RingSpec, WorkerEnd};

    use super::*;
    use crate::ring_stage::{RingWidth, io_of};

    const BLOCK: u32 = 64;
    /// Slow enough that no machine is late by accident.
    const RATE: f64 = 100.0;

    fn plugin() -> OpenedPlugin {
        OpenedPlugin {
            num_input_channels: 1,
            num_output_channels: 1,
            max_block_size: BLOCK,
            sample_rate: RATE,
            accepts_midi: true,
            produces_midi: true,
            ..OpenedPlugin::default()
        }
    }

    struct Rig {
        player: Player,
        console: Console,
        meters: Arc<Meters>,
        regions: Regions,
        worker: WorkerEnd,
    }

    fn rig(rate: f64) -> Rig {
        let spec = RingSpec {
            depth: 4,
            max_frames: BLOCK,
            input_channels: 1,
            output_channels: 1,
            event_bytes: 4096,
            sample_bytes: 4,
            parameters: 0,
        };
        let layout = spec.layout().unwrap();
        let regions = Regions::create(&layout).unwrap();
        let end = ClientEnd::attach(regions.client_fds().unwrap(), &layout).unwrap();
        let worker = WorkerEnd::attach(regions.worker_fds().unwrap(), &layout).unwrap();
        let width = RingWidth {
            max_frames: BLOCK,
            inputs: 1,
            outputs: 1,
        };
        let meters = Arc::new(Meters::default());
        let io = Io {
            sample_rate: rate,
            ..io_of(&plugin())
        };
        let (player, mut console) = Player::new(&[io], &[], true, meters.clone()).unwrap();
        let ring = Ring::new(end, &plugin(), width).unwrap();
        console.set_ring(0, ring).unwrap();
        Rig {
            player,
            console,
            meters,
            regions,
            worker,
        }
    }

    /// Gives out the MIDI of so many blocks, and silence.
    fn echo(worker: &mut WorkerEnd, blocks: usize) {
        let mut events = events();
        let never = AtomicBool::new(false);
        for _ in 0..blocks {
            worker.wait(Duration::from_secs(30), &never).unwrap();
            let mut slot = worker.next().unwrap().unwrap();
            events.clear();
            slot.events(&mut events).unwrap();
            slot.complete(BlockStatus::Ok, &events, 0);
        }
    }

    fn heard(player: &Player) -> Vec<(u32, Vec<u8>)> {
        let midi = player
            .midi_out()
            .iter()
            .filter_map(|event| match event.body {
                EventBody::Midi(data) => Some((event.offset, data.to_vec())),
                _ => None,
            });
        midi.collect()
    }

    #[test]
    fn a_long_period_is_played_in_the_plugin_s_blocks() {
        let mut rig = rig(RATE);
        rig.player.push_midi(200, &[0x90, 60, 100]);
        assert!(rig.console.send_midi(&[0xF8]));
        std::thread::scope(|scope| {
            scope.spawn(|| echo(&mut rig.worker, 4));
            rig.player.play(250);
        });
        let expected = [(0, vec![0xF8]), (200, vec![0x90, 60, 100])];
        assert_eq!(heard(&rig.player), expected);
        assert_eq!(rig.meters.xruns().0, 0);
        assert_eq!(rig.meters.periods(), 1);
    }

    #[test]
    fn a_late_plugin_leaves_the_input_and_keeps_its_midi() {
        // A period of a millisecond, and nobody who plays it.
        let mut rig = rig(64_000.0);
        rig.player.input(0).unwrap().fill(0.5);
        rig.player.push_midi(3, &[0x90, 1, 1]);
        rig.player.play(64);
        assert_eq!(rig.meters.xruns(), (1, Cause::Late));
        assert_eq!(rig.player.output(1).unwrap()[..64], [0.5; 64], "dry");
        rig.player.push_midi(5, &[0x80, 1, 0]);
        rig.player.play(64);
        assert_eq!(rig.meters.xruns(), (2, Cause::Late), "it is not waited for");
        // The plugin has caught up: the second period's note was kept.
        echo(&mut rig.worker, 1);
        assert!(rig.player.midi_out().is_empty());
        let mut slow = Player {
            rate: RATE,
            ..rig.player
        };
        std::thread::scope(|scope| {
            scope.spawn(|| echo(&mut rig.worker, 1));
            slow.play(64);
        });
        assert_eq!(heard(&slow), [(0, vec![0x80, 1, 0])]);
        assert_eq!(rig.meters.xruns().0, 2);
    }

    #[test]
    fn a_dead_plugin_is_replaced_between_two_periods() {
        let mut dead = rig(RATE);
        dead.regions.mark_dead();
        dead.player.push_midi(0, &[0x90, 1, 1]);
        dead.player.play(64);
        assert_eq!(dead.meters.xruns(), (1, Cause::Dead));
        let mut fresh = rig(RATE);
        let Ok(Order::Ring(stage, ring)) = fresh.player.orders.pop() else {
            panic!("the ring was ordered");
        };
        dead.console.order(Order::Ring(stage, ring)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| echo(&mut fresh.worker, 1));
            dead.player.play(64);
        });
        assert_eq!(dead.meters.xruns().0, 1);
        assert!(
            heard(&dead.player).is_empty(),
            "notes for the dead are gone"
        );
        assert!(
            dead.console.gone.pop().is_ok(),
            "the old ring is handed back"
        );
    }

    #[test]
    fn a_mix_is_heard_from_the_next_period_on() {
        // The worker completes blocks and leaves them silent.
        let mut rig = rig(RATE);
        rig.player.input(0).unwrap().fill(0.5);
        let mut play = |player: &mut Player| {
            std::thread::scope(|scope| {
                scope.spawn(|| echo(&mut rig.worker, 1));
                player.play(64);
            });
            player.output(0).unwrap()[..64].to_vec()
        };
        assert_eq!(play(&mut rig.player), [0.0; 64]);
        rig.console.set_mix(0, 0.25).unwrap();
        assert_eq!(play(&mut rig.player), [0.375; 64]);
        rig.console.set_mix(0, 0.5).unwrap();
        // Stopped, it learns of it too.
        rig.player.rest();
        assert!(rig.console.gone.pop().is_ok(), "memory it had already");
        assert_eq!(play(&mut rig.player), [0.25; 64]);
        assert!(rig.console.set_mix(1, 0.5).is_err());
        assert!(rig.console.set_mix(0, f64::NAN).is_err());
    }

    #[test]
    fn a_queue_that_nobody_reads_is_full_at_last() {
        let mut rig = rig(RATE);
        let sent = (0..100_000)
            .take_while(|_| rig.console.send_midi(&[0xF8]))
            .count();
        assert!((1000..100_000).contains(&sent), "{sent}");
    }
}
