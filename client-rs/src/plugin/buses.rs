//! Buses and channel layouts.

use plugpen_proto::v1::{Bus, CheckBusesLayoutRequest, ListBusesRequest};

use super::Plugin;
use crate::connection::QUICK;
use crate::error::{Error, Result};

impl Plugin {
    /// All input buses, or all output buses.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn buses(&self, input: bool) -> Result<Vec<Bus>> {
        let request = ListBusesRequest {
            handle: self.shared.handle.clone(),
        };
        let listed =
            self.live()?
                .call("ListBuses", QUICK, request, |mut api, request| async move {
                    api.buses.list_buses(request).await
                })?;
        Ok(match input {
            true => listed.inputs,
            false => listed.outputs,
        })
    }

    /// One bus.
    ///
    /// # Errors
    /// `IndexOutOfRange`, and those of every call: see [`Plugin`].
    pub fn bus(&self, input: bool, index: u32) -> Result<Bus> {
        let mut buses = self.buses(input)?;
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        match position < buses.len() {
            true => Ok(buses.swap_remove(position)),
            false => {
                let what = if input { "input bus" } else { "output bus" };
                Err(Error::out_of_range(what, index, buses.len()))
            }
        }
    }

    /// Whether the plugin could run with these channel counts, one a bus. Other counts than the
    /// present ones are asked of the plugin where its format can: it stands still for that, as for
    /// [`Plugin::reset`], and goes on as it was.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn check_buses_layout(&self, inputs: &[i32], outputs: &[i32]) -> Result<bool> {
        let request = CheckBusesLayoutRequest {
            handle: self.shared.handle.clone(),
            input_channels: inputs.to_vec(),
            output_channels: outputs.to_vec(),
        };
        let checked = self.live()?.call(
            "CheckBusesLayout",
            QUICK,
            request,
            |mut api, request| async move { api.buses.check_buses_layout(request).await },
        )?;
        Ok(checked.supported)
    }
}
