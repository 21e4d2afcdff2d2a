//! `plugpend` from outside: the real program, real workers, and workers that misbehave.

mod support;

mod audio;
mod deaths;
mod devices;
mod discovery;
mod events;
mod flags;
mod limits;
mod open;
mod sessions;
mod shutdown;
mod state;
mod villains;
