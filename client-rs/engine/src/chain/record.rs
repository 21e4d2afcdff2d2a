//! A block on its way through a chain.

use plugpen_proto::event::{Event, EventBody, EventList, is_client_note};
use plugpen_proto::v1::Transport;

use crate::processor::{BlockInput, Io};

/// What is known of a block that is in some stage.
#[derive(Debug, Default)]
pub struct Record {
    pub frames: usize,
    pub double: bool,
    pub transport: Option<Transport>,
    /// MIDI and notes on their way: the chain's input until a stage has taken it, then what stages
    /// gave out.
    midi: EventList,
    /// Whether the last stage it passed gave `midi` out.
    produced: bool,
    /// Whether a stage gave `midi` out, however many it went past since.
    made: bool,
    /// Parameter changes of each stage.
    parameters: Vec<EventList>,
    /// The wet part of each stage that mixes.
    pub mixes: Vec<Option<f64>>,
    pub events_dropped: u64,
}

impl Record {
    /// With memory for the events of a block in a chain of so many stages.
    pub fn with_room(stages: usize, events: usize, midi_bytes: usize) -> Self {
        Self {
            midi: EventList::with_capacity(events, midi_bytes),
            parameters: vec![EventList::new(); stages],
            mixes: Vec::with_capacity(stages),
            ..Self::default()
        }
    }

    /// Begins with a block and the parameter changes of the stages.
    pub fn begin(&mut self, block: &BlockInput<'_>, parameters: &[EventList], stages: usize) {
        self.frames = block.frames;
        self.double = block.audio.is_double();
        self.transport = block.transport;
        self.produced = false;
        self.made = false;
        self.events_dropped = 0;
        copy(block.events, &mut self.midi);
        self.parameters.resize_with(stages, EventList::new);
        self.mixes.clear();
        self.mixes.resize(stages, None);
        for (stage, events) in self.parameters.iter_mut().enumerate() {
            match parameters.get(stage) {
                Some(changes) => copy(changes, events),
                None => events.clear(),
            }
        }
    }

    /// What a stage is to hear: its parameter changes and, if it takes MIDI, the MIDI. At one
    /// offset the change comes before the note. A note under an id that is its plugin's own goes on
    /// as MIDI, and what would shape it ends here, counted.
    pub fn events_for(&mut self, stage: usize, io: &Io, events: &mut EventList) {
        copy(&self.parameters[stage], events);
        if io.accepts_midi && !self.midi.is_empty() {
            let only_midi = events.is_empty();
            for event in self.midi.iter() {
                match event.body {
                    EventBody::Note(note) if !is_client_note(note.id) => {
                        events.push_midi(event.offset, &note.midi());
                    }
                    EventBody::Expression(one) if !is_client_note(one.note_id) => {
                        self.events_dropped += 1;
                    }
                    _ => events.push(event),
                }
            }
            if !only_midi {
                events.sort();
            }
        }
    }

    /// Takes what a stage gave out. MIDI ends in a stage that takes it and gives none; it goes past
    /// a stage that does neither.
    pub fn pass(&mut self, io: &Io, given: &EventList) {
        self.produced = io.produces_midi || given.iter().any(is_played);
        if self.produced || io.accepts_midi {
            if !io.accepts_midi {
                self.drop_made();
            }
            self.made = self.produced;
            self.midi.clear();
            for event in given.iter().filter(|event| is_played(*event)) {
                self.midi.push(event);
            }
        }
    }

    /// What the chain gives out: what the last stage did. What an earlier one gave out, and no
    /// other heard, ends here, counted.
    pub fn give(&mut self, events: &mut EventList) {
        if self.produced {
            self.midi.iter().for_each(|event| events.push(event));
        } else {
            self.drop_made();
        }
    }

    fn drop_made(&mut self) {
        if self.made {
            self.events_dropped += u64::try_from(self.midi.len()).unwrap_or(u64::MAX);
        }
    }
}

/// Whether it is MIDI or of a note.
pub fn is_played(event: Event<'_>) -> bool {
    !event.body.is_parameter()
}

fn copy(from: &EventList, to: &mut EventList) {
    to.clear();
    from.iter().for_each(|event| to.push(event));
}
