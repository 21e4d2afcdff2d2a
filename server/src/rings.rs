//! The rings of a worker: their shape, and how the two ends get at them.

use std::sync::Arc;
use std::time::Duration;

use plugpen_proto::Error;
use plugpen_proto::limits::{
    EVENT_BYTES, MAX_AUDIO_MESSAGE, MAX_CHANNELS, MAX_PARAMETERS, RING_DEPTH,
};
use plugpen_proto::v1::{AudioRings, ErrorReason, Guard, OpenOptions, OpenedPlugin};
use plugpen_proto::worker::AttachRings;
use plugpen_shm::{ClientEnd, Regions, RingSpec};
use prost::Message as _;

use crate::guards::Guards;
use crate::worker_client::{Terms, Worker};

/// Blocks a ring holds where the client leaves it to the daemon. With 8 a chain of two reverbs
/// on two cores takes 8 % longer, for the wakes; a single plugin does not care.
const DEFAULT_DEPTH: u32 = 16;
/// Most that a worker may say of its plugin, in bytes: thousands of buses with long names.
const MAX_DESCRIPTION: usize = 256 * 1024;
/// Bytes of a block's events where the client leaves it to the daemon.
const DEFAULT_EVENT_BYTES: u32 = 65_536;

/// The shape of rings for a plugin as it was loaded; no ticket yet. A depth chosen by the daemon
/// gives way where the blocks are very large.
///
/// # Errors
/// Wishes out of range, or rings that would be too large.
pub fn shape(
    options: &OpenOptions,
    plugin: &OpenedPlugin,
    generation: u64,
) -> Result<AudioRings, Error> {
    let mut shape = AudioRings {
        depth: match options.ring_depth {
            0 => DEFAULT_DEPTH,
            depth => depth,
        },
        max_frames: options.max_block_size,
        input_channels: plugin
            .num_input_channels
            .saturating_add(plugin.sidechain_channels),
        output_channels: plugin.num_output_channels,
        event_bytes: match options.event_bytes {
            0 => DEFAULT_EVENT_BYTES,
            bytes => bytes,
        },
        sample_bytes: if plugin.supports_double { 8 } else { 4 },
        generation,
        parameters: plugin.num_parameters,
        ..AudioRings::default()
    };
    loop {
        let layout = RingSpec::try_from(&shape).and_then(|spec| spec.layout());
        match layout {
            Ok(_) => return Ok(shape),
            Err(_) if options.ring_depth == 0 && shape.depth > *RING_DEPTH.start() => {
                shape.depth = (shape.depth / 2).max(*RING_DEPTH.start());
            }
            Err(error) => {
                return Err(Error::invalid(format!(
                    "no rings of this size are possible: {error}"
                )));
            }
        }
    }
}

/// Checks what a client wishes of its rings.
///
/// # Errors
/// Names the wish and its range.
pub fn check_wishes(options: &OpenOptions) -> Result<(), Error> {
    for (name, value, range) in [
        ("ring_depth", options.ring_depth, RING_DEPTH),
        ("event_bytes", options.event_bytes, EVENT_BYTES),
    ] {
        if value != 0 && !range.contains(&value) {
            return Err(Error::invalid(format!(
                "{name} is {value}; it must be in [{}, {}], or 0 to leave it to the daemon",
                range.start(),
                range.end()
            )));
        }
    }
    if Guard::try_from(options.guard).is_err() {
        return Err(Error::invalid(format!(
            "guard is {}; it must be 0 (none), 1 (end) or 2 (begin)",
            options.guard
        )));
    }
    Ok(())
}

/// Checks what a worker says of its plugin before anything is computed from it.
///
/// # Errors
/// How it breaks the protocol.
pub fn check_loaded(plugin: &OpenedPlugin) -> Result<(), String> {
    for (name, value, most) in [
        ("input channels", plugin.num_input_channels, MAX_CHANNELS),
        ("output channels", plugin.num_output_channels, MAX_CHANNELS),
        (
            "sidechain channels",
            plugin.sidechain_channels,
            MAX_CHANNELS,
        ),
        ("parameters", plugin.num_parameters, MAX_PARAMETERS),
    ] {
        if value > most {
            return Err(format!("it claims {value} {name}; the most is {most}"));
        }
    }
    // All of it is kept, and told again to whoever asks.
    let bytes = plugin.encoded_len();
    if bytes > MAX_DESCRIPTION {
        return Err(format!("it describes itself in {bytes} bytes"));
    }
    Ok(())
}

/// Makes fresh regions of this shape and has the worker play through them. The worker's earlier
/// ones, if any, are declared dead once it has the new ones.
///
/// # Errors
/// The system has no memory left; the worker's own.
pub async fn attach(
    worker: &Worker,
    shape: &AudioRings,
    terms: Terms,
    block_deadline: Duration,
) -> Result<Arc<Regions>, Error> {
    let no_memory = |error: plugpen_shm::RegionError| {
        Error::new(
            ErrorReason::LimitReached,
            format!("no shared memory for the audio: {error}"),
        )
    };
    let layout = RingSpec::try_from(shape)
        .and_then(|spec| spec.layout())
        .map_err(|error| Error::bug(error.to_string()))?;
    let regions = Arc::new(Regions::create(&layout).map_err(no_memory)?);
    regions.set_generation(shape.generation);
    let fds = regions.worker_fds().map_err(no_memory)?;
    let request = AttachRings {
        rings: Some(shape.clone()),
    };
    let attached = worker.call(request, terms, fds.into()).await?;
    let guards = Guards::new(attached.guard(), attached.guards);
    worker.set_rings(regions.clone(), guards, block_deadline);
    Ok(regions)
}

/// The client's end of rings, for a client that is served from here.
///
/// # Errors
/// The system has no descriptors or memory left.
pub fn client_end(shape: &AudioRings, regions: &Regions) -> Result<ClientEnd, Error> {
    let layout = RingSpec::try_from(shape)
        .and_then(|spec| spec.layout())
        .map_err(|error| Error::bug(error.to_string()))?;
    let end = regions
        .client_fds()
        .and_then(|fds| ClientEnd::attach(fds, &layout));
    end.map_err(|error| {
        Error::new(
            ErrorReason::LimitReached,
            format!("no shared memory for the audio: {error}"),
        )
    })
}

/// Checks that a block of this shape fits a message of a stream.
///
/// # Errors
/// Names the sizes.
pub fn check_stream(shape: &AudioRings) -> Result<(), Error> {
    let channels = u64::from(shape.input_channels.max(shape.output_channels));
    let samples = channels * u64::from(shape.max_frames) * u64::from(shape.sample_bytes);
    // An event takes no more in a message than in a ring.
    let bytes = samples.saturating_add(u64::from(shape.event_bytes));
    let most = u64::try_from(MAX_AUDIO_MESSAGE - MESSAGE_OVERHEAD).unwrap_or(u64::MAX);
    if bytes <= most {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a block of {} frames in {channels} channels and its events can have {bytes} bytes, and a stream carries {most}; open the plugin with a smaller max_block_size",
        shape.max_frames
    )))
}

/// What a message has beside its block's samples and events, generously.
const MESSAGE_OVERHEAD: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn options(max_block_size: u32, ring_depth: u32) -> OpenOptions {
        OpenOptions {
            max_block_size,
            ring_depth,
            ..OpenOptions::default()
        }
    }

    fn plugin(channels: u32) -> OpenedPlugin {
        OpenedPlugin {
            num_input_channels: channels,
            num_output_channels: channels,
            ..OpenedPlugin::default()
        }
    }

    #[test]
    fn huge_blocks_get_shallower_rings() {
        let depth = |block, channels| {
            let shape = shape(&options(block, 0), &plugin(channels), 1);
            shape.unwrap().depth
        };
        assert_eq!(depth(512, 2), DEFAULT_DEPTH);
        assert!(depth(1_048_576, 20) < DEFAULT_DEPTH);
    }

    #[test]
    fn a_depth_that_was_asked_for_is_kept_or_refused() {
        assert_eq!(shape(&options(512, 64), &plugin(2), 1).unwrap().depth, 64);
        let error = shape(&options(1_048_576, 64), &plugin(64), 1).unwrap_err();
        assert_eq!(error.reason, ErrorReason::InvalidInput);
        assert!(check_wishes(&options(512, 3)).is_err());
        assert!(check_wishes(&options(512, 0)).is_ok());
        let guard = |guard| OpenOptions {
            guard,
            ..options(512, 0)
        };
        assert!(check_wishes(&guard(3)).is_err());
        assert!(check_wishes(&guard(Guard::Begin.into())).is_ok());
    }

    #[test]
    fn a_lying_worker_is_caught() {
        assert!(check_loaded(&plugin(MAX_CHANNELS)).is_ok());
        assert!(check_loaded(&plugin(u32::MAX)).is_err());
        let long = OpenedPlugin {
            session_name: "x".repeat(MAX_DESCRIPTION),
            ..plugin(2)
        };
        assert!(check_loaded(&long).is_err());
    }
}
