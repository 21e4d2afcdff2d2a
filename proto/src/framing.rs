//! Length-prefixed frames on the socket between daemon and worker.
//!
//! A frame is a little-endian `u32` and that many bytes, at most [`MAX_FRAME`]. The header's top
//! bit says that the message goes on in the next frame, so a large state needs no large frame and
//! a receiver can refuse a message before it has been sent whole.

use prost::Message;

use crate::limits::{MAX_FRAME, MAX_WORKER_MESSAGE};

const HEADER: usize = 4;
const MORE: u32 = 1 << 31;

/// What a peer sent that no correct peer sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A frame's length is above the bound.
    #[error("a frame of {found} bytes, above the bound of {MAX_FRAME}")]
    FrameTooLong {
        /// The length that the header claims.
        found: usize,
    },
    /// The frames of one message add up to more than allowed.
    #[error("a message of more than {MAX_WORKER_MESSAGE} bytes")]
    MessageTooLong,
    /// An empty frame that promises more: it could go on for ever.
    #[error("an empty frame in the middle of a message")]
    EmptyFrame,
    /// The bytes are no message of the expected type.
    #[error("undecodable message: {0}")]
    Undecodable(String),
}

/// Appends `message` to `out` as one or more frames.
///
/// # Errors
/// [`FramingError::MessageTooLong`] where the receiver would refuse it.
pub fn encode(message: &impl Message, out: &mut Vec<u8>) -> Result<(), FramingError> {
    let bytes = message.encode_to_vec();
    if bytes.len() > MAX_WORKER_MESSAGE {
        return Err(FramingError::MessageTooLong);
    }
    let count = bytes.len().div_ceil(MAX_FRAME).max(1);
    out.reserve(bytes.len() + count * HEADER);
    for index in 0..count {
        let chunk = &bytes[index * MAX_FRAME..bytes.len().min((index + 1) * MAX_FRAME)];
        let more = if index + 1 < count { MORE } else { 0 };
        // At most MAX_FRAME, so it fits beside the flag.
        let length = u32::try_from(chunk.len()).unwrap_or(0);
        out.extend_from_slice(&(length | more).to_le_bytes());
        out.extend_from_slice(chunk);
    }
    Ok(())
}

/// Puts messages together from bytes as they arrive. Holds at most one message and one frame.
#[derive(Debug, Default)]
pub struct Assembler {
    pending: Vec<u8>,
    consumed: usize,
    message: Vec<u8>,
}

impl Assembler {
    /// An empty assembler.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the peer; call [`Assembler::next_message`] until it answers `None`
    /// before pushing more, which is what bounds the memory.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.consumed);
        self.consumed = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message, if the bytes pushed so far contain one.
    ///
    /// # Errors
    /// Whatever no correct peer sends; the connection must then be given up.
    pub fn next_message<M: Message + Default>(&mut self) -> Result<Option<M>, FramingError> {
        loop {
            let rest = &self.pending[self.consumed..];
            let Some(header) = rest.first_chunk::<HEADER>() else {
                return Ok(None);
            };
            let word = u32::from_le_bytes(*header);
            let more = word & MORE != 0;
            let length = (word & !MORE) as usize;
            if length > MAX_FRAME {
                return Err(FramingError::FrameTooLong { found: length });
            }
            if length == 0 && more {
                return Err(FramingError::EmptyFrame);
            }
            if self.message.len() + length > MAX_WORKER_MESSAGE {
                return Err(FramingError::MessageTooLong);
            }
            let Some(body) = rest.get(HEADER..HEADER + length) else {
                return Ok(None);
            };
            self.consumed += HEADER + length;
            if more {
                self.message.extend_from_slice(body);
                continue;
            }
            let decoded = if self.message.is_empty() {
                M::decode(body)
            } else {
                let mut whole = std::mem::take(&mut self.message);
                whole.extend_from_slice(body);
                M::decode(&*whole)
            };
            return decoded
                .map(Some)
                .map_err(|e| FramingError::Undecodable(e.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::v1::SetStateRequest;

    fn message(size: usize) -> SetStateRequest {
        SetStateRequest {
            handle: "p".into(),
            data: (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn messages_of_every_size_survive_any_cut() {
        for size in [0, 1, MAX_FRAME - 10, MAX_FRAME, 3 * MAX_FRAME + 7] {
            let sent = message(size);
            let mut wire = Vec::new();
            encode(&sent, &mut wire).unwrap();
            encode(&sent, &mut wire).unwrap();
            for step in [1, 3, 4096, wire.len()] {
                let mut assembler = Assembler::new();
                let mut got = Vec::new();
                for piece in wire.chunks(step) {
                    assembler.push(piece);
                    while let Some(m) = assembler.next_message::<SetStateRequest>().unwrap() {
                        got.push(m);
                    }
                }
                assert_eq!(got, [sent.clone(), sent.clone()]);
            }
        }
    }

    #[test]
    fn a_lying_header_is_refused() {
        let mut assembler = Assembler::new();
        assembler.push(&u32::to_le_bytes(70_000));
        assert_eq!(
            assembler.next_message::<SetStateRequest>(),
            Err(FramingError::FrameTooLong { found: 70_000 })
        );
        let mut assembler = Assembler::new();
        assembler.push(&MORE.to_le_bytes());
        assert_eq!(
            assembler.next_message::<SetStateRequest>(),
            Err(FramingError::EmptyFrame)
        );
    }

    #[test]
    fn an_endless_message_is_refused_before_it_fills_the_memory() {
        let length = u32::try_from(MAX_FRAME).unwrap();
        let mut frame = (length | MORE).to_le_bytes().to_vec();
        frame.resize(HEADER + MAX_FRAME, 0);
        let mut assembler = Assembler::new();
        let refused = (0..2 * MAX_WORKER_MESSAGE / MAX_FRAME).find_map(|_| {
            assembler.push(&frame);
            assembler.next_message::<SetStateRequest>().err()
        });
        assert_eq!(refused, Some(FramingError::MessageTooLong));
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..4096), step in 1usize..600) {
            let mut assembler = Assembler::new();
            'outer: for piece in noise.chunks(step) {
                assembler.push(piece);
                loop {
                    match assembler.next_message::<SetStateRequest>() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'outer,
                    }
                }
            }
        }
    }
}
