//! Blocks as messages, for ends that share no memory: a ring on either side of a connection, and
//! messages between them.

use plugpen_proto::event::{EventBody, EventList, is_client_note};
use plugpen_proto::v1::{InputBlock, OutputBlock};

use crate::client::ClientEnd;
use crate::end::RingError;
use crate::header::{BlockHeader, BlockStatus};
use crate::layout::RingSpec;

#[cfg(target_endian = "big")]
compile_error!("messages carry little-endian samples; convert them here");

/// Bytes of a sample.
pub(crate) fn sample_bytes(double: bool) -> usize {
    if double { 8 } else { 4 }
}

/// Checks a block that a client sent against the ring it is for.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub fn check_block(block: &InputBlock, spec: &RingSpec) -> Result<(), String> {
    if block.frames > spec.max_frames {
        return Err(format!(
            "a block of {} frames; the plugin was opened for at most {}",
            block.frames, spec.max_frames
        ));
    }
    if block.double && spec.sample_bytes != 8 {
        return Err("a block of 64-bit samples for a plugin that takes none".into());
    }
    let channel = block.frames as usize * sample_bytes(block.double);
    let whole = match channel {
        0 => block.samples.is_empty(),
        channel => block.samples.len().is_multiple_of(channel),
    };
    if !whole || block.samples.len() > channel * spec.input_channels as usize {
        return Err(format!(
            "a block of {} frames has {} bytes of samples; expected {channel} bytes for each of at most {} channels",
            block.frames,
            block.samples.len(),
            spec.input_channels
        ));
    }
    if let Some(transport) = &block.transport
        && !(transport.bpm.is_finite()
            && transport.bpm > 0.0
            && transport.position_beats.is_finite())
    {
        return Err(format!(
            "a block's transport has bpm {} and position_beats {}; expected finite numbers and a bpm above 0",
            transport.bpm, transport.position_beats
        ));
    }
    for message in &block.events {
        let event = message
            .event()
            .ok_or_else(|| format!("an event at offset {} is none that can be", message.offset))?;
        let known = match event.body {
            EventBody::Midi(_) => true,
            EventBody::Parameter { index, .. } => index < spec.parameters,
            EventBody::Note(note) => is_client_note(note.id),
            EventBody::Expression(expression) => is_client_note(expression.note_id),
        };
        if !known {
            return Err(format!(
                "an event at offset {} names a parameter or a note that cannot be",
                message.offset
            ));
        }
    }
    Ok(())
}

impl ClientEnd {
    /// Submits a block that came as a message; `false` where there is no room for it now.
    ///
    /// # Errors
    /// As [`check_block`], and events that do not fit. Nothing was submitted.
    pub fn submit_block(&mut self, block: &InputBlock) -> Result<bool, String> {
        check_block(block, self.spec())?;
        let Some(mut slot) = self.begin() else {
            return Ok(false);
        };
        slot.set_header(&BlockHeader {
            frames: block.frames,
            double: block.double,
            transport: block.transport,
        });
        let channel = block.frames as usize * sample_bytes(block.double);
        if channel > 0 {
            for (number, samples) in block.samples.chunks_exact(channel).enumerate() {
                slot.write_bytes(number, samples);
            }
        }
        for event in block.events.iter().filter_map(|message| message.event()) {
            slot.push_event(&event).map_err(|full| full.to_string())?;
        }
        slot.submit();
        Ok(true)
    }

    /// The oldest block as a message, if it is done.
    ///
    /// # Errors
    /// [`RingError::Protocol`]: the worker's count, header or events are impossible.
    pub fn collect_block(&mut self) -> Result<Option<OutputBlock>, RingError> {
        let channels = self.spec().output_channels as usize;
        let Some(mut slot) = self.output()? else {
            return Ok(None);
        };
        let header = *slot.header();
        let mut block = OutputBlock {
            frames: header.frames,
            double: header.double,
            failed: header.status == BlockStatus::Failed,
            latency_samples: header.latency_samples,
            events_dropped: header.events_dropped,
            ..OutputBlock::default()
        };
        if !block.failed {
            let channel = block.frames as usize * sample_bytes(block.double);
            block.samples = vec![0; channel * channels];
            if channel > 0 {
                for (number, samples) in block.samples.chunks_exact_mut(channel).enumerate() {
                    slot.read_bytes(number, samples);
                }
            }
            let mut events = EventList::new();
            let refused = slot.events(&mut events)?;
            block.events_dropped = block.events_dropped.saturating_add(refused);
            block.events = events.to_messages();
        }
        Ok(Some(block))
    }
}
