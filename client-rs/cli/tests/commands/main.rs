//! The program as users run it.
#![forbid(unsafe_code)]

mod analyze;
mod asking;
mod daemons;
mod devices;
mod files;
mod names;
mod presets;
mod signals;
mod support;
mod tokens;
