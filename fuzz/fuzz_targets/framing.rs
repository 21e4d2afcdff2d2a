//! Frames between daemon and worker: however they are cut, the same messages come out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugpen_proto::framing::{Assembler, FramingError};
use plugpen_proto::worker::ToWorker;

fn messages(pieces: impl Iterator<Item = Vec<u8>>) -> (Vec<ToWorker>, Option<FramingError>) {
    let (mut assembler, mut messages) = (Assembler::new(), Vec::new());
    for piece in pieces {
        assembler.push(&piece);
        loop {
            match assembler.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((size, data)) = data.split_first() else {
        return;
    };
    let whole = messages(std::iter::once(data.to_vec()));
    let cut = messages(data.chunks(usize::from(*size).max(1)).map(<[u8]>::to_vec));
    assert_eq!(whole, cut);
});
