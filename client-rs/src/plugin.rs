//! An open plugin.

mod audio;
mod buses;
pub(crate) mod files;
mod notices;
mod on_device;
mod parameters;
mod playback;
mod recovery;
mod restart;
pub(crate) mod shared;
mod state;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use plugpen_proto::v1::{
    AudioRings, ClosePluginRequest, Death, ErrorReason, OpenedPlugin, PluginDescription,
};

pub use audio::{BlockReport, PluginAudio};

use crate::connection::{Call, QUICK};
use crate::error::Result;
use crate::ring_processor::RingProcessor;
use crate::server::Server;
use crate::slot::Slot;
use on_device::Holder;
use recovery::{FreshRings, Recoverer};
use shared::Shared;

/// A plugin in a process of its own. Dropping it closes it.
///
/// All methods may be called from any thread. Those that answer with a [`Result`] block until the
/// plugin has answered, with a deadline; the others answer from memory. Any such call can fail
/// with these, beside what its own documentation says:
///
/// - `PluginCrashed` (with a [`Death`]): the worker died during this call,
/// - `PluginHung`: it did not answer and was killed,
/// - `PluginDead`: it had died before; [`Plugin::restart`] brings it back. Where it was opened
///   with a [`RestartPolicy`](crate::v1::RestartPolicy) the next call does, unless it dies all the
///   time,
/// - `PluginClosed`: it was closed,
/// - `ServerUnavailable`: the daemon is gone, and the plugin with it,
/// - `TimedOut`: the daemon did not answer in time.
pub struct Plugin {
    server: Server,
    shared: Arc<Shared>,
    path: String,
    rings: Option<Arc<Slot<Box<RingProcessor>>>>,
    restarting: Mutex<()>,
    chains: AtomicUsize,
    holder: Mutex<Holder>,
    recoverer: Recoverer,
    fresh: Arc<FreshRings>,
}

impl Plugin {
    pub(crate) fn new(
        server: Server,
        shared: Arc<Shared>,
        path: &str,
        rings: Option<&AudioRings>,
    ) -> Result<Plugin> {
        // Made before the rings are fetched, so that a failure there closes the plugin again.
        let mut plugin = Plugin {
            server,
            shared,
            path: path.into(),
            rings: None,
            restarting: Mutex::new(()),
            chains: AtomicUsize::new(0),
            holder: Mutex::new(Holder::Client),
            recoverer: Recoverer::default(),
            fresh: Arc::default(),
        };
        if let Some(rings) = rings {
            let rings = RingProcessor::attach(plugin.shared.clone(), rings)?;
            plugin.rings = Some(Slot::new(Box::new(rings)));
        }
        Ok(plugin)
    }

    /// Everything the daemon said of the plugin when its present worker was ready.
    pub fn opened(&self) -> OpenedPlugin {
        (*self.shared.facts()).clone()
    }

    /// What is known of the plugin without playing it.
    pub fn description(&self) -> PluginDescription {
        self.shared.facts().description.clone().unwrap_or_default()
    }

    /// The path it was opened with, as the caller gave it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The server it was opened on.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Frames a second.
    pub fn sample_rate(&self) -> f64 {
        self.shared.facts().sample_rate
    }

    /// Most frames of a block.
    pub fn max_block_size(&self) -> u32 {
        self.shared.facts().max_block_size
    }

    /// Channels of the main input bus; 0 for most instruments.
    pub fn num_input_channels(&self) -> u32 {
        self.shared.facts().num_input_channels
    }

    /// Channels of the main output bus.
    pub fn num_output_channels(&self) -> u32 {
        self.shared.facts().num_output_channels
    }

    /// Channels of the sidechain; 0 where there is none or none was asked for.
    pub fn sidechain_channels(&self) -> u32 {
        self.shared.facts().sidechain_channels
    }

    /// Number of input buses.
    pub fn num_input_buses(&self) -> usize {
        self.shared.facts().input_buses.len()
    }

    /// Number of output buses.
    pub fn num_output_buses(&self) -> usize {
        self.shared.facts().output_buses.len()
    }

    /// Whether MIDI does anything to it.
    pub fn accepts_midi(&self) -> bool {
        self.shared.facts().accepts_midi
    }

    /// Whether it gives out MIDI.
    pub fn produces_midi(&self) -> bool {
        self.shared.facts().produces_midi
    }

    /// Whether it works on MIDI alone.
    pub fn is_midi_effect(&self) -> bool {
        self.shared.facts().is_midi_effect
    }

    /// Whether each note can be shaped on its own; see [`Plugin::note_expressions`].
    pub fn supports_mpe(&self) -> bool {
        self.shared.facts().supports_mpe
    }

    /// Whether note expressions reach it; [`Plugin::process`] refuses them where not.
    pub fn takes_note_expression(&self) -> bool {
        self.shared.facts().takes_note_expression
    }

    /// Whether it can compute in 64 bits.
    pub fn supports_double(&self) -> bool {
        self.shared.facts().supports_double
    }

    /// Whether it has a bypass of its own; else the host does it.
    pub fn has_bypass(&self) -> bool {
        self.shared.facts().has_bypass
    }

    /// Whether it was opened with audio.
    pub fn has_audio(&self) -> bool {
        self.rings.is_some()
    }

    /// The daemon's name for it.
    pub fn handle(&self) -> &str {
        &self.shared.handle
    }

    /// Which worker it lives in: 1 at first, one more after each restart.
    pub fn generation(&self) -> u64 {
        self.shared.generation()
    }

    /// The process id of its worker, on the daemon's machine.
    pub fn worker_pid(&self) -> u32 {
        self.shared.facts().worker_pid
    }

    /// Whether it can be used, as far as is known here.
    pub fn is_alive(&self) -> bool {
        self.shared.check_alive().is_ok() && !self.shared.connection.is_gone()
    }

    /// How the worker ended, once it has.
    pub fn death(&self) -> Option<Death> {
        self.shared.death()
    }

    /// Whether it was closed by [`Plugin::close`] or with its server.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Ends the worker and waits until the daemon has. Closing twice is no error, nor is closing a
    /// plugin that went with its daemon; every call afterwards is one, except those that answer
    /// from memory.
    ///
    /// # Errors
    /// `TimedOut`; the plugin counts as closed all the same.
    pub fn close(&self) -> Result<()> {
        self.shared.connection.core.check_process()?;
        if !self.retire() {
            return Ok(());
        }
        let closed = self.shared.connection.call(
            Call::new("ClosePlugin", QUICK),
            self.close_request(),
            |mut api, request| async move { api.plugins.close_plugin(request).await },
        );
        match closed {
            Err(error) if error.reason != ErrorReason::ServerUnavailable => Err(error),
            _ => Ok(()),
        }
    }

    /// The plugin is of no use from now on; false where it already was not.
    fn retire(&self) -> bool {
        if !self.shared.close() {
            return false;
        }
        self.shared.callbacks.clear();
        self.server.events().remove(&self.shared.handle);
        true
    }

    fn close_request(&self) -> ClosePluginRequest {
        ClosePluginRequest {
            handle: self.shared.handle.clone(),
        }
    }
}

impl Drop for Plugin {
    /// Closes the plugin without waiting for it.
    fn drop(&mut self) {
        let core = &self.shared.connection.core;
        if !core.is_own_process() || !self.retire() || self.shared.connection.is_gone() {
            return;
        }
        let mut api = self.shared.connection.api();
        let request = Call::new("ClosePlugin", QUICK).request(self.close_request());
        core.spawn(async move {
            // A daemon that does not answer has other worries; the session's end closes it too.
            let _ = tokio::time::timeout(QUICK, api.plugins.close_plugin(request)).await;
        });
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.shared.name())
            .field("handle", &self.shared.handle)
            .finish()
    }
}
