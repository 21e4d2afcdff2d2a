//! Transport, modes and reset.

use std::sync::atomic::Ordering;

use plugpen_proto::v1::{
    ClearTransportRequest, ErrorReason, GetNumericsRequest, GetTimingRequest, OutputNumerics,
    Precision, ResetRequest, SetBypassRequest, SetNonRealtimeRequest, SetPrecisionRequest,
    SetTrackPropertiesRequest, SetTransportRequest, Transport,
};

use super::Plugin;
use crate::checks;
use crate::connection::{QUICK, STATE};
use crate::error::{Error, Result};
use crate::journal::TrackProperties;

impl Plugin {
    /// Sets the transport of all following blocks. It does not advance by itself.
    ///
    /// # Errors
    /// `InvalidInput` where the tempo is not finite and above 0 or the position is not finite;
    /// those of every call: see [`Plugin`].
    pub fn set_transport(&self, transport: Transport) -> Result<()> {
        checks::transport(&transport)?;
        self.send_transport(transport)?;
        self.shared.journal().set_transport(Some(transport));
        Ok(())
    }

    pub(crate) fn send_transport(&self, transport: Transport) -> Result<()> {
        let request = SetTransportRequest {
            handle: self.shared.handle.clone(),
            transport: Some(transport),
        };
        self.live()?
            .call(
                "SetTransport",
                QUICK,
                request,
                |mut api, request| async move { api.playback.set_transport(request).await },
            )
            .map(drop)
    }

    /// The following blocks have no transport.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn clear_transport(&self) -> Result<()> {
        let request = ClearTransportRequest {
            handle: self.shared.handle.clone(),
        };
        self.live()?.call(
            "ClearTransport",
            QUICK,
            request,
            |mut api, request| async move { api.playback.clear_transport(request).await },
        )?;
        self.shared.journal().set_transport(None);
        Ok(())
    }

    /// The transport as last set.
    pub fn transport(&self) -> Option<Transport> {
        self.shared.journal().transport()
    }

    /// Clears delay lines, filters and voices after the blocks processed so far; keeps parameters.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn reset(&self) -> Result<()> {
        let request = ResetRequest {
            handle: self.shared.handle.clone(),
        };
        self.live()?
            .call("Reset", STATE, request, |mut api, request| async move {
                api.playback.reset(request).await
            })
            .map(drop)
    }

    /// Passes the input through, aligned with the plugin's latency, or stops doing so.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn set_bypass(&self, bypass: bool) -> Result<()> {
        let request = SetBypassRequest {
            handle: self.shared.handle.clone(),
            bypass,
        };
        self.live()?
            .call("SetBypass", STATE, request, |mut api, request| async move {
                api.playback.set_bypass(request).await
            })?;
        match self.bypass_parameter() {
            // A parameter like any other from then on, which others may set as well.
            Some(index) => {
                let value = f64::from(u8::from(bypass));
                self.shared.journal().parameter_set(index, value);
            }
            None => self.shared.journal().set_bypass(bypass),
        }
        Ok(())
    }

    /// Whether the plugin is bypassed. Asks a plugin that has a bypass of its own; a dead one
    /// counts as not bypassed.
    pub fn bypass(&self) -> bool {
        match self.bypass_parameter() {
            Some(index) => self.get_param(index).is_ok_and(|value| value >= 0.5),
            None => self.shared.journal().bypass(),
        }
    }

    /// The parameter that is the plugin's own bypass.
    fn bypass_parameter(&self) -> Option<u32> {
        if !self.has_bypass() {
            return None;
        }
        let parameters = self.param_descriptions().ok()?;
        let bypass = parameters.iter().find(|parameter| parameter.is_bypass)?;
        Some(bypass.index)
    }

    /// Lets the plugin use its best algorithms, for offline work.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn set_non_realtime(&self, non_realtime: bool) -> Result<()> {
        let request = SetNonRealtimeRequest {
            handle: self.shared.handle.clone(),
            non_realtime,
        };
        self.live()?.call(
            "SetNonRealtime",
            STATE,
            request,
            |mut api, request| async move { api.playback.set_non_realtime(request).await },
        )?;
        self.shared.journal().set_non_realtime(non_realtime);
        Ok(())
    }

    /// Whether the plugin works offline.
    pub fn non_realtime(&self) -> bool {
        self.shared.journal().non_realtime()
    }

    /// Sets the sample type the plugin computes in.
    ///
    /// # Errors
    /// `Unsupported` for double precision where the plugin has none, `InvalidInput` for an
    /// unspecified one, and those of every call.
    pub fn set_precision(&self, precision: Precision) -> Result<()> {
        match precision {
            Precision::Unspecified => {
                return Err(Error::invalid(
                    "Failed to set processing precision: it must be single or double",
                ));
            }
            Precision::Double if !self.supports_double() => {
                return Err(Error::new(
                    ErrorReason::Unsupported,
                    "Failed to set double precision (plugin may not support it)",
                ));
            }
            Precision::Single | Precision::Double => {}
        }
        self.send_precision(precision)?;
        self.shared.journal().set_precision(precision);
        Ok(())
    }

    pub(crate) fn send_precision(&self, precision: Precision) -> Result<()> {
        let request = SetPrecisionRequest {
            handle: self.shared.handle.clone(),
            precision: precision.into(),
        };
        self.live()?
            .call(
                "SetPrecision",
                STATE,
                request,
                |mut api, request| async move { api.playback.set_precision(request).await },
            )
            .map(drop)
    }

    /// The sample type the plugin computes in.
    pub fn precision(&self) -> Precision {
        self.shared.journal().precision()
    }

    /// Tells the plugin the name and the colour (ARGB) of its track; `None` leaves one as it is.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn set_track_properties(&self, name: Option<&str>, colour: Option<u32>) -> Result<()> {
        let track = (name.map(str::to_owned), colour);
        self.send_track(track.clone())?;
        self.shared.journal().set_track(track);
        Ok(())
    }

    pub(crate) fn send_track(&self, (name, colour): TrackProperties) -> Result<()> {
        let request = SetTrackPropertiesRequest {
            handle: self.shared.handle.clone(),
            name,
            colour,
        };
        self.live()?
            .call(
                "SetTrackProperties",
                QUICK,
                request,
                |mut api, request| async move { api.playback.set_track_properties(request).await },
            )
            .map(drop)
    }

    /// What was wrong with the numbers in each output since the plugin was loaded, of one that was
    /// opened with [`OpenOptions::numerics`](crate::OpenOptions::numerics); with `reset`, counting
    /// begins anew. Blocks until what was played before is done.
    ///
    /// # Errors
    /// `WrongState` where it was opened without; the plugin's death.
    pub fn numerics(&self, reset: bool) -> Result<Vec<OutputNumerics>> {
        let request = GetNumericsRequest {
            handle: self.shared.handle.clone(),
            reset,
        };
        let answer = self.shared.call(
            "GetNumerics",
            STATE,
            request,
            |mut api, request| async move { api.playback.get_numerics(request).await },
        )?;
        Ok(answer.outputs)
    }

    /// Frames by which the output is late, as the plugin last said.
    pub fn latency_samples(&self) -> u32 {
        self.shared.latency_samples()
    }

    /// Seconds for which the plugin sounds on after its input ended, as it reports them: 0 where
    /// it does not know, infinite where it never stops. Asks the plugin again where it has changed;
    /// of a dead one the last answer.
    pub fn tail_seconds(&self) -> f64 {
        if self.shared.tail_is_stale.swap(false, Ordering::Relaxed) {
            let request = GetTimingRequest {
                handle: self.shared.handle.clone(),
            };
            let timing =
                self.shared
                    .call("GetTiming", QUICK, request, |mut api, request| async move {
                        api.playback.get_timing(request).await
                    });
            if let Ok(timing) = timing {
                self.shared
                    .update(|facts| facts.tail_seconds = timing.tail_seconds);
                self.shared.set_latency_samples(timing.latency_samples);
            }
        }
        self.shared.facts().tail_seconds
    }
}
