//! Everything that is tested across crates and processes.
#![forbid(unsafe_code)]

mod conformance;
mod policy;
mod system;
mod villains;
