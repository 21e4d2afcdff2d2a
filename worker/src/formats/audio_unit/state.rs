//! State: the unit's class info as an XML property list, which is what an `.aupreset` file holds.

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use super::abi::*;
use super::components::Codes;
use super::foundation::{self, Kind, Owned};
use super::instance::Instance;

/// The whole state.
///
/// # Errors
/// The unit has none to give.
pub fn save(instance: &Instance) -> Result<Vec<u8>, Error> {
    let info = instance.object(property::CLASS_INFO, scope::GLOBAL, 0);
    let bytes = info.and_then(|info| info.to_plist());
    bytes.ok_or_else(|| {
        Error::new(
            ErrorReason::PluginRefused,
            "Failed to get plugin state: the AudioUnit gives no class info that can be written",
        )
    })
}

/// Restores a state, XML or binary.
///
/// # Errors
/// Not a state of this unit, or refused by it.
pub fn restore(instance: &Instance, codes: Codes, data: &[u8]) -> Result<(), Error> {
    let refused = |why: String| Error::invalid(format!("Failed to set plugin state: {why}"));
    let toolbox = instance.toolbox();
    let info = Owned::from_plist(toolbox, data)
        // SAFETY: `info` is alive.
        .filter(|info| unsafe { foundation::is(toolbox, info.get(), Kind::Dictionary) })
        .ok_or_else(|| refused("expected a property list with a dictionary (.aupreset)".into()))?;
    for (key, expected) in [
        ("type", codes.kind),
        ("subtype", codes.subtype),
        ("manufacturer", codes.manufacturer),
    ] {
        // SAFETY: `info` is alive, and its values with it.
        let found = unsafe {
            let value = foundation::value(toolbox, info.get(), key);
            foundation::number(toolbox, value)
        };
        if found.is_some_and(|found| found.cast_unsigned() != expected) {
            return Err(refused(format!(
                "it is the state of another plugin than {codes}, its {key} differs"
            )));
        }
    }
    instance
        .set(property::CLASS_INFO, scope::GLOBAL, 0, &info.get())
        .map_err(|status| refused(format!("the AudioUnit refuses it: {status}")))
}
