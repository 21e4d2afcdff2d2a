//! States: what plugins save, in the container of `.vstpreset` files.

use plugpen_proto::Error;
use plugpen_proto::juce_state::JuceState;
use plugpen_proto::limits::MAX_STATE;
use plugpen_proto::v1::ErrorReason;
use plugpen_proto::vstpreset::VstPreset;
use vst3::Steinberg::Vst::{IComponentTrait, IEditControllerTrait};
use vst3::Steinberg::kResultOk;

use super::edit::Edit;
use super::ids::ClassId;
use super::instance::{Instance, is_fine};
use super::stream;
use crate::formats::fpu;

/// Saves both halves' states; empty where the plugin has none. The caller has the processor.
///
/// # Errors
/// Larger than a state may be.
pub fn save(instance: &Instance, class: ClassId) -> Result<Vec<u8>, Error> {
    let component_state = whole(asked_of_component(instance)?)?;
    let controller_state = match &instance.edit {
        Some(Edit(controller)) => {
            let state = stream()?;
            // SAFETY: a stream of ours.
            let saved = fpu::guarded(|| unsafe { controller.getState(state.as_ptr()) });
            whole((saved, state))?
        }
        None => None,
    };
    // An empty chunk of a controller that only says yes is no state.
    let controller_state = controller_state.filter(|state| !state.is_empty());
    if component_state.is_none() && controller_state.is_none() {
        return Ok(Vec::new());
    }
    VstPreset {
        class_id: class.to_string(),
        component_state,
        controller_state,
    }
    .write()
}

/// The component's own chunk; `None` where it has none. The caller has the processor.
///
/// # Errors
/// None that can happen.
pub fn of_component(instance: &Instance) -> Result<Option<Vec<u8>>, Error> {
    let (saved, state) = asked_of_component(instance)?;
    Ok((saved == kResultOk).then(|| state.bytes()))
}

/// What the component answers, and wrote.
fn asked_of_component(instance: &Instance) -> Result<(i32, stream::Lent), Error> {
    let state = stream()?;
    // SAFETY: a stream of ours.
    let saved = fpu::guarded(|| unsafe { instance.plug.component.getState(state.as_ptr()) });
    Ok((saved, state))
}

/// A chunk, where the plugin has one. One that was cut would be taken for whole, or for none.
fn whole((saved, state): (i32, stream::Lent)) -> Result<Option<Vec<u8>>, Error> {
    if state.overflowed() {
        return Err(Error::new(
            ErrorReason::LimitReached,
            format!("the plugin's state has more than the {MAX_STATE} bytes that plugpen carries"),
        ));
    }
    Ok((saved == kResultOk).then(|| state.bytes()))
}

/// Restores a state: the container, a JUCE host's blob, or a bare component's chunk. The caller
/// has the processor.
///
/// # Errors
/// Not a state, one of another plugin, or refused by the plugin.
pub fn restore(instance: &Instance, class: ClassId, data: &[u8]) -> Result<(), Error> {
    let (component, controller) = chunks(class, data)?;
    if let Some(chunk) = component {
        let state = stream_over(&chunk)?;
        // SAFETY: a stream of ours.
        let taken = fpu::guarded(|| unsafe { instance.plug.component.setState(state.as_ptr()) });
        // Some refuse the very state they have, where there is nothing in it (ZamAutoSat 4.1).
        if !is_fine(taken) && of_component(instance)?.as_ref() != Some(&chunk) {
            return Err(Error::new(
                ErrorReason::PluginRefused,
                format!(
                    "Failed to set plugin state: the plugin refused a chunk of {} bytes \
                     (result {taken})",
                    chunk.len()
                ),
            ));
        }
        instance.tell_controller(&chunk);
    }
    if let (Some(chunk), Some(Edit(edit))) = (controller, &instance.edit) {
        let state = stream_over(&chunk)?;
        // SAFETY: a stream of ours. The sounding half has been restored; what the other half
        // refuses is a window's size at most.
        fpu::guarded(|| unsafe { edit.setState(state.as_ptr()) });
    }
    Ok(())
}

type Chunks = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The two chunks of a state of any kind.
fn chunks(class: ClassId, data: &[u8]) -> Result<Chunks, Error> {
    let junk = |why: &str| {
        Error::invalid(format!(
            "Failed to set plugin state: {why}; a state is what get_state returned, a .vstpreset \
             file's content, a JUCE host's state, or a component's own chunk"
        ))
    };
    if data.is_empty() {
        return Err(junk("it is empty"));
    }
    if VstPreset::is_one(data) {
        let preset = VstPreset::read(data).map_err(|error| junk(&error.message))?;
        if ClassId::parse(&preset.class_id) != Some(class) {
            return Err(junk(&format!(
                "it is a state of the class {}, and this plugin is {class}",
                preset.class_id
            )));
        }
        if preset.component_state.is_none() && preset.controller_state.is_none() {
            return Err(junk("it holds no chunk"));
        }
        return Ok((preset.component_state, preset.controller_state));
    }
    if JuceState::is_one(data) {
        let state = JuceState::read(data).map_err(|error| junk(&error.message))?;
        return Ok((Some(state.component), state.controller));
    }
    Ok((Some(data.to_vec()), None))
}

fn stream() -> Result<stream::Lent, Error> {
    stream_over(&[])
}

fn stream_over(data: &[u8]) -> Result<stream::Lent, Error> {
    stream::Lent::new(data).ok_or_else(|| Error::bug("a stream of the host's own is not there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_state_is_told_apart() {
        let class = ClassId::parse("56535444474E4D617374657220426964").unwrap();
        let preset = VstPreset {
            class_id: class.to_string(),
            component_state: Some(vec![1]),
            controller_state: None,
        };
        let file = preset.write().unwrap();
        assert_eq!(chunks(class, &file), Ok((Some(vec![1]), None)));
        assert_eq!(chunks(class, b"own"), Ok((Some(b"own".to_vec()), None)));
        let other = ClassId::parse(&"0".repeat(32)).unwrap();
        let nameless = VstPreset {
            class_id: "no class id, but 32 characters..".into(),
            ..preset
        };
        let nameless = nameless.write().unwrap();
        for (class, data) in [
            (class, &nameless[..]),
            (class, &b""[..]),
            (class, b"VST3"),
            (class, b"VC2!\x05\0\0\0junk"),
            (other, &file),
        ] {
            let refused = chunks(class, data).unwrap_err();
            assert_eq!(refused.reason, ErrorReason::InvalidInput);
            assert!(refused.message.starts_with("Failed to set plugin state"));
        }
    }
}
