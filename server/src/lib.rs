//! plugpend, the daemon that hosts plugins which nobody trusts.
//!
//! It terminates gRPC and passes public messages on to workers, one jailed process a plugin; it
//! watches, limits and kills them, hands out shared memory and remembers how workers died. It
//! never loads a plugin.
//!
//! 1. [`Config::load`] puts flags, file and defaults together.
//! 2. [`serve()`] takes the runtime directory, listens and serves until it is told to end.
//! 3. `OpenPlugin` starts a worker, loads the plugin in it, makes rings of shared memory and hands
//!    out a ticket for them; other calls go to the worker as they are.
//! 4. However a worker ends, its rings are declared dead first, then waiting calls fail with a
//!    typed error, then the session's watchers hear of it. Then its death is looked into and kept.
#![forbid(unsafe_code)]

mod address;
mod api;
mod calls;
mod config;
mod connection;
mod crash_loops;
mod crashes;
mod daemon;
mod deaths;
mod devices;
mod discovery;
mod events;
mod fd_door;
mod front;
mod gate;
mod guards;
mod identity;
mod ids;
mod jail;
mod jail_check;
mod launcher;
mod lifeline;
mod live_workers;
mod lock;
mod meter;
mod pace;
mod plugins;
mod proc_stat;
mod recorder;
mod recordings;
mod replay;
mod rings;
mod runtime_dir;
mod scope;
mod serve;
mod session;
mod streams;
mod tls;
mod token;
mod tokens;
mod watchdog;
mod worker_client;

pub use config::{
    Class, Config, ConfigError, CrashSettings, Deadlines, Flags, Limits, LogFormat, RecorderTerms,
    Restarts,
};
pub use runtime_dir::RuntimeDirError;
pub use serve::{ServeError, serve};
