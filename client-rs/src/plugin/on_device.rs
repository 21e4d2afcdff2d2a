//! A plugin whose audio belongs to a sound device for a while.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugpen_proto::v1::ErrorReason;

use super::Plugin;
use super::shared::lock;
use crate::device::DeviceLink;
use crate::error::{Error, Result};
use crate::ring_processor::RingProcessor;

/// Greatest difference of sample rates that are taken for the same, in Hz.
const SAME_RATE: f64 = 0.1;

/// Who has the plugin's audio.
pub(super) enum Holder {
    /// This client.
    Client,
    /// A device that is being opened.
    Claimed,
    /// A device.
    Device(Arc<DeviceLink>),
}

impl Plugin {
    /// Takes the audio away from this client, once nobody uses it.
    ///
    /// # Errors
    /// Those of [`Plugin::lock_audio`].
    pub(crate) fn claim(&self) -> Result<()> {
        let audio = self.lock_audio()?;
        let mut holder = lock(&self.holder);
        if !matches!(*holder, Holder::Client) {
            return Err(on_device());
        }
        *holder = Holder::Claimed;
        drop(holder);
        drop(audio);
        Ok(())
    }

    /// It came to nothing: the client has its rings as before.
    pub(crate) fn unclaim(&self) {
        *lock(&self.holder) = Holder::Client;
    }

    /// The device has it from now on.
    pub(crate) fn hold(&self, device: &Arc<DeviceLink>) {
        *lock(&self.holder) = Holder::Device(device.clone());
    }

    /// Takes the rate of the device that has it and has the device play it.
    ///
    /// # Errors
    /// Those of [`Plugin::restart`]; the device's.
    pub(crate) fn play_at(&self, sample_rate: f64) -> Result<()> {
        if (self.sample_rate() - sample_rate).abs() > SAME_RATE {
            // Ends with an attachment to the device.
            return self.change_rate(sample_rate);
        }
        self.attach_to_holder()
    }

    /// Hands the present worker's rings to the device that plays it, if one does.
    pub(super) fn attach_to_holder(&self) -> Result<()> {
        let device = match &*lock(&self.holder) {
            Holder::Device(device) => device.clone(),
            Holder::Client | Holder::Claimed => return Ok(()),
        };
        // The device counts its blocks, not this client.
        self.shared.submitted.store(0, Ordering::Release);
        match device.attach(&self.shared.handle) {
            // Its own end is no fault of the plugin, which is this client's then.
            Err(_) if device.is_lost() => {
                self.take_back(&device);
                Ok(())
            }
            attached => attached,
        }
    }

    /// The device is closed or dead: fetches rings for this client, if they were that device's.
    /// Where the plugin is dead or closed there are none, and the next call says so.
    pub(crate) fn take_back(&self, device: &Arc<DeviceLink>) {
        let is_its =
            |holder: &Holder| matches!(holder, Holder::Device(its) if Arc::ptr_eq(its, device));
        if !is_its(&lock(&self.holder)) {
            return;
        }
        if let Err(error) = self.fetch_rings() {
            tracing::debug!(plugin = %self.shared.name(), "no rings after the device: {error}");
        }
        let mut holder = lock(&self.holder);
        // Another device may have it by now.
        if is_its(&holder) {
            *holder = Holder::Client;
        }
    }

    /// Takes the audio back from a device whose process died.
    pub(super) fn take_back_from_dead(&self) {
        let device = match &*lock(&self.holder) {
            Holder::Device(device) if device.death().is_some() => device.clone(),
            _ => return,
        };
        self.take_back(&device);
    }

    fn fetch_rings(&self) -> Result<()> {
        let rings = self.shared.fresh_rings()?;
        let mut audio = self.take_rings()?;
        self.shared.submitted.store(0, Ordering::Release);
        audio.replace(RingProcessor::attach(self.shared.clone(), &rings)?);
        Ok(())
    }

    /// Whether a device has the audio, and lives.
    pub(super) fn is_on_device(&self) -> bool {
        match &*lock(&self.holder) {
            Holder::Client => false,
            Holder::Claimed => true,
            Holder::Device(device) => device.death().is_none(),
        }
    }
}

/// The audio is a device's.
pub(super) fn on_device() -> Error {
    Error::new(
        ErrorReason::WrongState,
        "an AudioDevice plays this plugin, and its audio belongs to the device; close the device to process blocks",
    )
}
