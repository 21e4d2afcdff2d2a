//! A plugin whose audio belongs to a sound device for a while.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugpen_proto::v1::{AttachAudioRequest, ErrorReason};

use super::Plugin;
use super::shared::lock;
use crate::connection::{Call, QUICK};
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

    /// Takes the device's rate and has the device play it.
    ///
    /// # Errors
    /// Those of [`Plugin::restart`]; the device's.
    pub(crate) fn play_on(&self, device: &Arc<DeviceLink>, sample_rate: f64) -> Result<()> {
        *lock(&self.holder) = Holder::Device(device.clone());
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
        device.attach(&self.shared.handle)
    }

    /// The device is closed: fetches rings for this client. Where the plugin is dead or closed
    /// there are none, and the next call says so.
    pub(crate) fn take_back(&self) {
        if let Err(error) = self.fetch_rings() {
            tracing::debug!(plugin = %self.shared.name(), "no rings after the device: {error}");
        }
        self.unclaim();
    }

    fn fetch_rings(&self) -> Result<()> {
        self.shared.check_alive()?;
        let request = AttachAudioRequest {
            handle: self.shared.handle.clone(),
        };
        let attached = self.shared.connection.call(
            Call::new("AttachAudio", QUICK),
            request,
            |mut api, request| async move { api.plugins.attach_audio(request).await },
        )?;
        let rings = attached
            .audio
            .ok_or_else(|| Error::bug("the daemon attached audio and made no rings"))?;
        let mut audio = self.take_rings()?;
        self.shared.submitted.store(0, Ordering::Release);
        audio.replace(RingProcessor::attach(self.shared.clone(), &rings)?);
        Ok(())
    }

    /// Whether a device has the audio.
    pub(super) fn is_on_device(&self) -> bool {
        !matches!(*lock(&self.holder), Holder::Client)
    }
}

/// The audio is a device's.
pub(super) fn on_device() -> Error {
    Error::new(
        ErrorReason::WrongState,
        "an AudioDevice plays this plugin, and its audio belongs to the device; close the device to process blocks",
    )
}
