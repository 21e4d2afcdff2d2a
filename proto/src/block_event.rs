//! A block's events as messages.

use crate::event::{Event, EventBody, EventList, Note, NoteExpression};
use crate::v1::block_event::Body;
use crate::v1::{BlockEvent, BlockExpression, BlockNote, ParameterValue};

impl From<Event<'_>> for BlockEvent {
    fn from(event: Event<'_>) -> Self {
        let body = match event.body {
            EventBody::Midi(data) => Body::Midi(data.to_vec()),
            EventBody::Parameter { index, value } => {
                Body::Parameter(ParameterValue { index, value })
            }
            EventBody::Note(note) => Body::Note(BlockNote {
                id: note.id,
                begins: note.is_on,
                channel: note.channel.into(),
                key: note.key.into(),
                velocity: note.velocity,
                tuning: note.tuning,
            }),
            EventBody::Expression(expression) => Body::Expression(BlockExpression {
                note: expression.note_id,
                type_id: expression.type_id,
                value: expression.value,
            }),
        };
        Self {
            offset: event.offset,
            body: Some(body),
        }
    }
}

impl BlockEvent {
    /// The event of a message; `None` where it is none: empty, or with numbers that mean nothing.
    /// Whether the offset is in the block and the parameter exists is not looked at.
    pub fn event(&self) -> Option<Event<'_>> {
        let body = match self.body.as_ref()? {
            Body::Midi(data) if !data.is_empty() => EventBody::Midi(data),
            Body::Midi(_) => return None,
            Body::Parameter(ParameterValue { index, value }) => EventBody::Parameter {
                index: *index,
                value: Some(*value).filter(|value| (0.0..=1.0).contains(value))?,
            },
            Body::Note(note) => {
                let note = Note {
                    id: note.id,
                    is_on: note.begins,
                    channel: u8::try_from(note.channel).ok()?,
                    key: u8::try_from(note.key).ok()?,
                    velocity: note.velocity,
                    tuning: note.tuning,
                };
                EventBody::Note(Some(note).filter(Note::is_sound)?)
            }
            Body::Expression(expression) => {
                let expression = NoteExpression {
                    note_id: expression.note,
                    type_id: expression.type_id,
                    value: expression.value,
                };
                EventBody::Expression(Some(expression).filter(NoteExpression::is_sound)?)
            }
        };
        Some(Event {
            offset: self.offset,
            body,
        })
    }
}

impl EventList {
    /// All events as messages.
    pub fn to_messages(&self) -> Vec<BlockEvent> {
        self.iter().map(BlockEvent::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_as_they_were() {
        let mut list = EventList::new();
        list.push_midi(3, &[0x90, 60, 100]);
        list.push_parameter(4, 7, 0.25);
        list.push_note(
            5,
            Note {
                id: 9,
                is_on: true,
                channel: 15,
                key: 127,
                velocity: 0.5,
                tuning: -12.0,
            },
        );
        list.push_expression(
            6,
            NoteExpression {
                note_id: 9,
                type_id: 2,
                value: 0.75,
            },
        );
        let messages = list.to_messages();
        let back: Vec<_> = messages.iter().map(|m| m.event().unwrap()).collect();
        assert_eq!(back, list.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_event_is_not_made_one() {
        let none = |body| {
            let message = BlockEvent { offset: 0, body };
            message.event().is_none()
        };
        assert!(none(None));
        assert!(none(Some(Body::Midi(Vec::new()))));
        let value = |value| Some(Body::Parameter(ParameterValue { index: 0, value }));
        assert!(none(value(f64::NAN)) && none(value(1.5)));
        let note = |channel, velocity| {
            Some(Body::Note(BlockNote {
                id: 1,
                channel,
                velocity,
                ..BlockNote::default()
            }))
        };
        assert!(none(note(16, 0.5)) && none(note(300, 0.5)) && none(note(0, f32::NAN)));
        assert!(!none(note(15, 1.0)));
        let expression = |value| {
            Some(Body::Expression(BlockExpression {
                note: 1,
                type_id: 0,
                value,
            }))
        };
        assert!(none(expression(-0.5)));
    }
}
