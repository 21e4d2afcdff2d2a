//! Everything that is tested across crates and processes.
#![forbid(unsafe_code)]

mod conformance;
mod policy;
mod remote;
mod system;
mod villains;
