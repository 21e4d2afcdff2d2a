//! The ring from outside: on every kind of memory, between processes, and against liars.
// Its words are atomics that only the model has; see tests/loom.rs.
#![cfg(not(loom))]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "test data are small numbers"
)]

mod blocks;
mod common;
mod hostile;
mod processes;
mod seals;
