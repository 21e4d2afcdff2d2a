//! plugpen's protocol.
//!
//! [`v1`] holds the public messages and services, [`worker`] the envelope the daemon and a
//! worker use, [`framing`] the bytes that carry it, [`Error`] the one table from what went wrong
//! to a gRPC status and a Python exception.
#![forbid(unsafe_code)]

mod block_event;
pub mod calls;
mod error;
pub mod event;
pub mod framing;
pub mod fxb;
pub mod juce_state;
pub mod limits;
pub mod register;
pub mod selector;
pub mod vstpreset;

pub use error::{Error, Exception, STATUS_TABLE, StatusRow};

// The generated code names other packages relative to this tree.
#[allow(missing_docs, clippy::all)]
mod plugpen {
    pub mod v1 {
        include!("gen/plugpen.v1.rs");
    }
    pub mod worker {
        pub mod v1 {
            include!("gen/plugpen.worker.v1.rs");
        }
    }
}

/// The public messages and, with the `grpc` feature, services of package `plugpen.v1`.
pub use plugpen::v1;
/// The envelope between daemon and worker, package `plugpen.worker.v1`.
pub use plugpen::worker::v1 as worker;

/// The serialised `FileDescriptorSet` of all packages, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("gen/descriptors.bin");

/// Version of every part of plugpen; daemon, worker and client come from one build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Protocol version. Equal majors work together; a higher minor only adds.
pub const PROTOCOL_MAJOR: u32 = 1;
/// See [`PROTOCOL_MAJOR`].
pub const PROTOCOL_MINOR: u32 = 0;

/// Metadata key of the session id that `OpenSession` gave out.
pub const SESSION_KEY: &str = "plugpen-session";
/// Metadata key of the number of blocks submitted before a call; see ARCHITECTURE.md, "Control".
pub const AFTER_BLOCK_KEY: &str = "plugpen-after-block";
