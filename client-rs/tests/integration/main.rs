//! The client against a real daemon and real workers. One binary, which links the client once.
#![forbid(unsafe_code)]

mod asking;
mod common;
mod devices;
mod dying;
mod hearing;
mod playing;
mod rendering;
mod streaming;
