//! How a plugin is opened.

use std::collections::BTreeMap;
use std::path::Path;

use plugpen_proto::limits::{EVENT_BYTES, MAX_BLOCK_SIZE, MAX_CHANNELS, RING_DEPTH};
use plugpen_proto::v1::{self, PathGrant, SandboxLevel, SandboxMode};

use crate::error::{self, Error, Result};

/// How blocks reach a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AudioPath {
    /// Memory that is shared with the worker where daemon and client are on one machine, else a
    /// stream.
    #[default]
    Auto,
    /// Shared memory; refused where there can be none.
    SharedMemory,
    /// A stream over the connection to the daemon, wherever that is. The samples are the same; a
    /// block that is waited for takes some 100 µs longer.
    Stream,
    /// Not at all: parameters, state and descriptions only.
    None,
}

impl AudioPath {
    fn message(self) -> v1::AudioPath {
        match self {
            Self::Auto => v1::AudioPath::Unspecified,
            Self::SharedMemory => v1::AudioPath::SharedMemory,
            Self::Stream => v1::AudioPath::Stream,
            Self::None => v1::AudioPath::None,
        }
    }
}

/// How a plugin is opened. The defaults are minihost's: 48 kHz, blocks of up to 512 frames, two
/// channels each way.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenOptions {
    /// Frames a second, finite and above 0.
    pub sample_rate: f64,
    /// Largest block, 1 to 1048576 frames.
    pub max_block_size: u32,
    /// Wished input channels; the plugin's own layout wins, and odd wishes are no error.
    pub in_channels: i32,
    /// Wished output channels.
    pub out_channels: i32,
    /// Wished sidechain channels; 0 where the plugin has no sidechain.
    pub sidechain_channels: i32,
    /// Chooses within a file of several plugins: an index, a name, a URI or a class id. Empty:
    /// the first.
    pub selector: String,
    /// How blocks reach the plugin.
    pub audio_path: AudioPath,
    /// Blocks a ring holds, 4 to 64; 0 lets the daemon choose.
    pub ring_depth: u32,
    /// Bytes for the events of one block in each direction, 4096 to 16777216; 0 lets the daemon
    /// choose.
    pub event_bytes: u32,
    /// Offline work: the plugin may use its best algorithms.
    pub non_realtime: bool,
    /// Types of LV2 ports that can be of several (morph ports), by symbol: `control`, `audio`,
    /// `cv`, `atom` or a port class's URI. Others keep their default type. Channels and parameters
    /// are what they are after that.
    pub port_types: BTreeMap<String, String>,
    /// How strictly it is jailed; `None` leaves that to the daemon. Looser than the daemon's own
    /// is possible only on a private daemon, or where the daemon allows it.
    pub sandbox: Option<SandboxLevel>,
    /// What happens on a system call that it may not make; `None` leaves that to the daemon.
    pub sandbox_mode: Option<SandboxMode>,
    /// Files and folders beside its own that the plugin may use, absolute or from the working
    /// directory; at most 64.
    pub grants: Vec<PathGrant>,
    /// What becomes of the plugin when it dies; unspecified: what the daemon is configured for,
    /// which is to leave it dead where nobody said otherwise.
    pub restart: v1::RestartPolicy,
    /// What is kept for a replay of its death; unspecified: what the daemon is configured for.
    pub recording: v1::Recording,
    /// What its worker may use at most; 0 for what the daemon allows, more is refused.
    pub limits: v1::WorkerLimits,
    /// Where the plugin's audio buffers touch memory that is not there: a plugin that reads or
    /// writes past its blocks ([`Guard::End`](v1::Guard::End)) or before them
    /// ([`Guard::Begin`](v1::Guard::Begin)) is ended at once, and of LV2 one that writes to its
    /// inputs. The inputs of VST2 and VST3 are not guarded. Only on Linux.
    pub guard: v1::Guard,
    /// Counts what is wrong with the numbers in the plugin's outputs
    /// ([`Plugin::numerics`](crate::Plugin::numerics)).
    pub numerics: bool,
    /// Seconds that the plugin's process may take before it is ended; 0 leaves it to the daemon.
    /// The client itself does not wait longer than the daemon's defaults let it.
    pub deadlines: v1::Deadlines,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            sample_rate: 48_000.0,
            max_block_size: 512,
            in_channels: 2,
            out_channels: 2,
            sidechain_channels: 0,
            selector: String::new(),
            audio_path: AudioPath::Auto,
            ring_depth: 0,
            event_bytes: 0,
            non_realtime: false,
            port_types: BTreeMap::new(),
            sandbox: None,
            sandbox_mode: None,
            grants: Vec::new(),
            restart: v1::RestartPolicy::Unspecified,
            recording: v1::Recording::Unspecified,
            limits: v1::WorkerLimits::default(),
            guard: v1::Guard::Unspecified,
            numerics: false,
            deadlines: v1::Deadlines::default(),
        }
    }
}

impl OpenOptions {
    /// The options as the daemon takes them, which may be on another machine.
    ///
    /// # Errors
    /// `InvalidInput`, with the range.
    pub(crate) fn message(&self, path: &str, is_remote: bool) -> Result<v1::OpenOptions> {
        check_sample_rate(self.sample_rate)?;
        if !(1..=MAX_BLOCK_SIZE).contains(&self.max_block_size) {
            return Err(Error::invalid(format!(
                "max_block_size must be in [1, {MAX_BLOCK_SIZE}], got {}",
                self.max_block_size
            )));
        }
        for (name, value, range) in [
            ("ring_depth", self.ring_depth, RING_DEPTH),
            ("event_bytes", self.event_bytes, EVENT_BYTES),
        ] {
            if value != 0 && !range.contains(&value) {
                return Err(Error::invalid(format!(
                    "{name} must be 0 or in [{}, {}], got {value}",
                    range.start(),
                    range.end()
                )));
            }
        }
        Ok(v1::OpenOptions {
            path: resolve(path, is_remote)?,
            selector: self.selector.clone(),
            sample_rate: self.sample_rate,
            max_block_size: self.max_block_size,
            in_channels: wish(self.in_channels),
            out_channels: wish(self.out_channels),
            sidechain_channels: wish(self.sidechain_channels),
            audio_path: self.audio_path.message().into(),
            ring_depth: self.ring_depth,
            event_bytes: self.event_bytes,
            non_realtime: self.non_realtime,
            // Set where there is someone to tell: `Server::open_observed`.
            observe_host_callbacks: false,
            port_types: self.port_types.clone().into_iter().collect(),
            sandbox_level: self.sandbox.unwrap_or_default().into(),
            sandbox_mode: self.sandbox_mode.unwrap_or_default().into(),
            grants: self.grants.iter().map(absolute).collect::<Result<_>>()?,
            restart: self.restart.into(),
            recording: self.recording.into(),
            limits: Some(self.limits),
            guard: self.guard.into(),
            numerics: self.numerics,
            deadlines: Some(self.deadlines),
        })
    }
}

/// A rate that a plugin can be run at.
///
/// # Errors
/// `InvalidInput`.
pub(crate) fn check_sample_rate(rate: f64) -> Result<()> {
    if rate.is_finite() && rate > 0.0 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "sample_rate must be a finite number > 0, got {rate}"
    )))
}

fn absolute(grant: &PathGrant) -> Result<PathGrant> {
    let path = std::path::absolute(&grant.path)
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok())
        .ok_or_else(|| Error::invalid(format!("{:?} cannot be granted", grant.path)))?;
    Ok(PathGrant {
        path,
        is_writable: grant.is_writable,
    })
}

/// Finds a sandbox level by its word: `required`, `best-effort` or `off`.
///
/// # Errors
/// `InvalidInput`, with the words there are.
pub fn sandbox_level(word: &str) -> Result<SandboxLevel> {
    match word {
        "required" => Ok(SandboxLevel::Required),
        "best-effort" => Ok(SandboxLevel::BestEffort),
        "off" => Ok(SandboxLevel::Off),
        other => Err(Error::invalid(format!(
            "sandbox is {other:?}; it must be \"required\", \"best-effort\" or \"off\""
        ))),
    }
}

/// Finds a sandbox mode by its word: `enforce`, `report`, `trace-files` or `kill`.
///
/// # Errors
/// `InvalidInput`, with the words there are.
pub fn sandbox_mode(word: &str) -> Result<SandboxMode> {
    match word {
        "enforce" => Ok(SandboxMode::Enforce),
        "report" => Ok(SandboxMode::Report),
        "trace-files" => Ok(SandboxMode::TraceFiles),
        "kill" => Ok(SandboxMode::Kill),
        other => Err(Error::invalid(format!(
            "sandbox_mode is {other:?}; it must be \"enforce\", \"report\", \"trace-files\" or \
             \"kill\""
        ))),
    }
}

fn wish(channels: i32) -> u32 {
    u32::try_from(channels).unwrap_or(0).min(MAX_CHANNELS)
}

/// A path as the daemon, which has another working directory, can use it. A URI stays as it is, and
/// so does what is another machine's.
///
/// # Errors
/// `InvalidInput` for an empty path, one with a zero byte, or a relative one on another machine.
pub(crate) fn resolve(path: &str, is_remote: bool) -> Result<String> {
    if path.is_empty() {
        return Err(Error::invalid(
            "plugin_path is empty; give a file, a bundle or an LV2 URI",
        ));
    }
    if path.contains('\0') {
        return Err(Error::invalid(
            "a plugin's path must not contain a zero byte",
        ));
    }
    if is_uri(path, is_remote) || (is_remote && path.starts_with('/')) {
        return Ok(path.to_owned());
    }
    if is_remote {
        return Err(Error::invalid(format!(
            "the path {path:?} is relative, and the daemon is on another machine; give the path that the plugin has \
             there, from the root (a scan lists them), or its URI"
        )));
    }
    let absolute = std::path::absolute(Path::new(path))
        .map_err(|e| Error::invalid(format!("the plugin's path {path:?}: {e}")))?;
    absolute.into_os_string().into_string().map_err(|path| {
        Error::invalid(format!(
            "the path {} is not UTF-8, which plugpen needs",
            path.display()
        ))
    })
}

/// Whether a path is rather a URI: `http://...`, `urn:...`, any scheme of two letters or more
/// before a colon and no such file.
fn is_uri(path: &str, is_remote: bool) -> bool {
    let Some((scheme, rest)) = path.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme && (is_remote || rest.starts_with("//") || !Path::new(path).exists())
}

/// A folder to scan, absolute. Whether one of another machine is there is that one's to say.
///
/// # Errors
/// `NotFound` with minihost's message where it is no folder; those of [`resolve`].
pub(crate) fn resolve_directory(directory: &str, is_remote: bool) -> Result<String> {
    if !is_remote && !Path::new(directory).is_dir() {
        return Err(Error::new(
            v1::ErrorReason::NotFound,
            format!("Failed to scan directory: {directory}: it is not a directory"),
        ));
    }
    resolve(directory, is_remote)
}

/// A finite parameter value.
///
/// # Errors
/// `InvalidInput`.
pub(crate) fn check_value(value: f64) -> Result<()> {
    match value.is_finite() {
        true => Ok(()),
        false => Err(error::not_finite("value", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_and_uris_stay() {
        let here = std::env::current_dir().unwrap();
        let expected = here.join("a/b.lv2").to_str().unwrap().to_owned();
        assert_eq!(resolve("a/b.lv2", false).unwrap(), expected);
        for uri in ["http://drobilla.net/plugins/mda/EPiano", "urn:distrho:kars"] {
            assert_eq!(resolve(uri, false).unwrap(), uri);
        }
        assert_eq!(resolve("/x/y.lv2", false).unwrap(), "/x/y.lv2");
        assert!(
            resolve("", false)
                .unwrap_err()
                .message
                .contains("plugin_path is empty")
        );
        assert!(resolve("a\0b", false).is_err());
    }

    #[test]
    fn paths_of_another_machine_are_left_to_it() {
        for path in [
            "/x/../y.lv2",
            "urn:distrho:kars",
            "null:gain",
            "aufx:delf:Demo",
        ] {
            assert_eq!(resolve(path, true).unwrap(), path);
        }
        let nowhere = "/nowhere/at/all";
        assert_eq!(resolve_directory(nowhere, true).unwrap(), nowhere);
        assert!(resolve_directory(nowhere, false).is_err());
        for relative in ["a/b.lv2", "MVerb", "./x"] {
            let error = resolve(relative, true).unwrap_err();
            assert!(error.message.contains("another machine"), "{error}");
        }
        assert!(resolve("", true).is_err() && resolve("/a\0b", true).is_err());
    }

    fn refusal(change: impl FnOnce(&mut OpenOptions)) -> String {
        let mut options = OpenOptions::default();
        change(&mut options);
        options.message("/x", false).unwrap_err().message
    }

    #[test]
    fn odd_wishes_are_fine_and_impossible_demands_are_named() {
        let options = OpenOptions {
            in_channels: -1,
            out_channels: 0,
            sidechain_channels: i32::MAX,
            ..OpenOptions::default()
        };
        let message = options.message("/x", false).unwrap();
        assert_eq!((message.in_channels, message.out_channels), (0, 0));
        assert_eq!(message.sidechain_channels, MAX_CHANNELS);
        assert_eq!(
            refusal(|o| o.sample_rate = 0.0),
            "sample_rate must be a finite number > 0, got 0"
        );
        assert!(refusal(|o| o.sample_rate = f64::NAN).contains("sample_rate"));
        assert_eq!(
            refusal(|o| o.max_block_size = 0),
            "max_block_size must be in [1, 1048576], got 0"
        );
        assert!(refusal(|o| o.ring_depth = 3).contains("[4, 64]"));
        assert!(refusal(|o| o.event_bytes = 1).contains("[4096, 16777216]"));
    }
}
