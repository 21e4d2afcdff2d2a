//! A fresh worker for the same plugin, made what the old one was.

use std::sync::atomic::Ordering;

use plugpen_proto::v1::{ErrorReason, OpenedPlugin, RestartPluginRequest, StateScope};

use super::Plugin;
use super::shared::lock;
use crate::connection::{Call, LOAD};
use crate::error::{Error, Result};
use crate::journal::Step;
use crate::options::check_sample_rate;
use crate::ring_processor::RingProcessor;

impl Plugin {
    /// Replaces the worker, dead or alive, and restores what is known: the last state obtained or
    /// set, programs and parameters since, modes and transport. What a block that was never
    /// collected would have changed is lost. Waits for blocks in other threads first. A plugin that an
    /// [`AudioDevice`](crate::AudioDevice) plays is heard again on the same stream.
    ///
    /// # Errors
    /// Those of [`Server::open`](crate::Server::open). Where the plugin refuses or dies of what is
    /// restored, the error says so and the journal stays: another attempt is possible.
    pub fn restart(&self) -> Result<()> {
        self.replace_worker(0.0)
    }

    /// Changes the sample rate: the state is saved, the worker replaced, the state restored. The
    /// plugin starts with silence, as after [`Plugin::reset`].
    ///
    /// # Errors
    /// `InvalidInput` for a rate that is not finite and above 0, `WrongState` while the plugin is
    /// in a chain or on a device, and those of [`Plugin::get_state`] and [`Plugin::restart`].
    pub fn set_sample_rate(&self, sample_rate: f64) -> Result<()> {
        check_sample_rate(sample_rate).map_err(|error| Error {
            message: format!("Failed to set sample rate: {}", error.message),
            ..error
        })?;
        self.live()?.check_alive()?;
        if self.chains.load(Ordering::Acquire) > 0 {
            return Err(Error::new(
                ErrorReason::WrongState,
                "Cannot change the sample rate of a plugin in use by a chain; close the chain first",
            ));
        }
        if self.is_on_device() {
            return Err(Error::new(
                ErrorReason::WrongState,
                "Cannot change the sample rate of a plugin that an audio device plays; close the device first",
            ));
        }
        self.change_rate(sample_rate)
    }

    pub(super) fn change_rate(&self, sample_rate: f64) -> Result<()> {
        self.save()?;
        self.replace_worker(sample_rate)
    }

    /// Brings the journal up to date.
    fn save(&self) -> Result<()> {
        let state = match self.get_state() {
            Ok(state) => state,
            Err(error) if error.reason == ErrorReason::Unsupported => Vec::new(),
            Err(error) => return Err(error),
        };
        if state.is_empty() && self.num_params() > 0 {
            let values = self.get_params()?;
            let mut journal = self.shared.journal();
            for (index, value) in (0u32..).zip(values) {
                journal.parameter_set(index, value);
            }
        }
        Ok(())
    }

    fn replace_worker(&self, sample_rate: f64) -> Result<()> {
        let _one_at_a_time = lock(&self.restarting);
        self.shared.check_open()?;
        let mut audio = match self.has_audio() {
            // Those of a device are its own: it gets fresh ones in the end.
            true if !self.is_on_device() => Some(self.lock_dead_or_alive()?),
            _ => None,
        };
        let _restoring = self.recoverer.begin();
        let request = RestartPluginRequest {
            handle: self.shared.handle.clone(),
            sample_rate,
            after_generation: 0,
        };
        // Not a call of the plugin: it may be dead, and no block comes before it.
        let restarted = self.shared.connection.call(
            Call::new("RestartPlugin", LOAD),
            request,
            |mut api, request| async move { api.plugins.restart_plugin(request).await },
        )?;
        let fresh: OpenedPlugin = restarted
            .plugin
            .ok_or_else(|| Error::bug("the daemon restarted a plugin and did not describe it"))?;
        self.shared.replace(fresh);
        if let Some(audio) = &mut audio {
            let rings = restarted
                .audio
                .ok_or_else(|| Error::bug("the daemon restarted a plugin and made no rings"))?;
            self.fresh.take();
            audio.replace(RingProcessor::attach(self.shared.clone(), &rings)?);
        }
        drop(audio);
        self.restore()?;
        self.attach_to_holder()
    }

    /// Tells the fresh worker what the old one had been told.
    pub(super) fn restore(&self) -> Result<()> {
        let restored = self.hand_over_again().and_then(|()| {
            let steps = self.shared.journal().steps();
            steps
                .into_iter()
                .try_for_each(|step| self.restore_step(step))
        });
        restored.map_err(|mut error| {
            error.message = format!(
                "the plugin was restarted, but not restored: {}",
                error.message
            );
            error
        })
    }

    fn restore_step(&self, step: Step) -> Result<()> {
        match step {
            Step::Precision(precision) => self.send_precision(precision),
            Step::NonRealtime(non_realtime) => self.set_non_realtime(non_realtime),
            Step::State(state) => self.send_state(StateScope::Plugin, &state),
            Step::Program(program) => self.send_program(program),
            Step::ProgramState(state) => self.send_state(StateScope::Program, &state),
            Step::Parameters(mut values) => {
                // A plugin that was updated on disk may have fewer.
                let count = self.num_params();
                values.retain(|value| value.index < count);
                self.send_params(values)
            }
            Step::Bypass(bypass) => self.set_bypass(bypass),
            Step::Track(track) => self.send_track(track),
            Step::Transport(transport) => self.send_transport(transport),
        }
    }

    /// Counts a chain that needs the plugin to stay at its rate.
    pub(crate) fn enter_chain(&self) {
        self.chains.fetch_add(1, Ordering::AcqRel);
    }

    /// The chain is gone.
    pub(crate) fn leave_chain(&self) {
        self.chains.fetch_sub(1, Ordering::AcqRel);
    }
}
