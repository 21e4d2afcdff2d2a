//! Everything that is tested across crates and processes.
#![forbid(unsafe_code)]

mod policy;
mod system;
