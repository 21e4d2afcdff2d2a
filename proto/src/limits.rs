//! Bounds that both ends of a connection check.

/// Largest frame on a worker's control channel, header not counted, in bytes.
pub const MAX_FRAME: usize = 64 * 1024;
/// Largest message on a worker's control channel: a state of the largest size and its envelope.
pub const MAX_WORKER_MESSAGE: usize = MAX_STATE + 1024 * 1024;
/// Largest state of a plugin, in bytes. The largest met in 872 real plugins is 4.1 MB.
pub const MAX_STATE: usize = 64 * 1024 * 1024;
/// Largest file that is handed over to a plugin, in bytes: what one message carries.
pub const MAX_FILE: usize = MAX_STATE;
/// Bytes of all files handed over to one worker.
pub const MAX_STAGED: u64 = 1 << 30;
/// Files handed over to one worker.
pub const MAX_STAGED_FILES: u32 = 4096;
/// Bytes of a chunk in which a state travels over gRPC.
pub const STATE_CHUNK: usize = 256 * 1024;
/// Largest block, in frames: minihost's own bound.
pub const MAX_BLOCK_SIZE: u32 = 1_048_576;
/// Ring depths that can be negotiated, in blocks.
pub const RING_DEPTH: std::ops::RangeInclusive<u32> = 4..=64;
/// Sizes of a block's event area that can be negotiated, in bytes.
pub const EVENT_BYTES: std::ops::RangeInclusive<u32> = 4096..=16_777_216;
/// Most channels of a block in one direction. The widest real plugin met has 98.
pub const MAX_CHANNELS: u32 = 1024;
/// Most parameters of a plugin. The most met is 2,334.
pub const MAX_PARAMETERS: u32 = 65_536;
/// Longest string taken from a plugin or a client where nothing else is said, in bytes.
pub const MAX_TEXT: usize = 16 * 1024;
/// Longest path taken from a client, in bytes (Linux's PATH_MAX).
pub const MAX_PATH: usize = 4096;
/// Largest message of a stream of blocks, in bytes.
pub const MAX_AUDIO_MESSAGE: usize = 16 * 1024 * 1024;
/// Bytes from which on no further block joins a message of a stream.
pub const AUDIO_CHUNK: usize = 256 * 1024;
/// Seconds a ticket of the descriptor door is good for.
pub const TICKET_SECONDS: u64 = 10;
/// Bytes of a ticket.
pub const TICKET_BYTES: usize = 32;
/// Largest id a client may give a note. Those above it are the worker's, for notes that come as
/// MIDI; some below 0 are the plugin's own.
pub const MAX_NOTE_ID: i32 = (1 << 30) - 1;
/// Most cents that a note's tuning may be off its key: all keys there are.
pub const MAX_TUNING: f32 = 12_800.0;
