//! Parameter automation: files of keyframes, and settings written `Name:value`.
//!
//! An automation file is a JSON object from parameter names to what they do: a number, a text that
//! the plugin reads, or an object of keyframes whose keys are samples (`"1000"`), seconds
//! (`"1.5s"`) or parts of the whole length (`"50%"`). Between two keyframes there is a value at
//! every multiple of the block size, on a straight line.

mod json;

use std::path::Path;

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use json::Json;

/// Most changes that a file may stand for; minutes of automation have some ten thousand.
const MAX_CHANGES: usize = 1_000_000;
/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// What automation asks of a plugin.
pub trait Parameters {
    /// The index of the first parameter of that name, whatever its case.
    ///
    /// # Errors
    /// `InvalidInput` if there is none.
    fn find_param(&self, name: &str) -> Result<u32, Error>;

    /// The value, 0 to 1, that the plugin reads in a text.
    ///
    /// # Errors
    /// The plugin cannot.
    fn param_from_text(&self, index: u32, text: &str) -> Result<f64, Error>;
}

/// A parameter's new value at a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterChange {
    /// Frames from the start; keyframes may lie before it, or beyond the end.
    pub offset: i64,
    /// The parameter.
    pub parameter: u32,
    /// Its value, as it was written: in or out of 0 to 1.
    pub value: f64,
}

/// What times in an automation file are counted in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutomationTimes {
    /// Frames a second, for keyframes in seconds.
    pub sample_rate: f64,
    /// Frames of the whole, for keyframes in percent.
    pub length: u64,
    /// Frames between the values on the line from one keyframe to the next, at least 1.
    pub block_size: u32,
}

/// Parses `Name:0.5`, `Name:0.5:n` (the same) or `Name:2500 Hz`, a text that the plugin reads. A
/// name with a colon in it cannot be written. A number is returned as it is, in or out of 0 to 1.
///
/// # Errors
/// `InvalidInput` for another format, a parameter that does not exist or a text the plugin does
/// not read; errors of the plugin that are not about the text are passed on.
pub fn parse_param_arg(text: &str, plugin: &dyn Parameters) -> Result<(u32, f64), Error> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(Error::invalid(format!(
            "Invalid parameter format: '{text}'. Expected 'Name:value' or 'Name:value:n'."
        )));
    };
    let index = plugin.find_param(name)?;
    let value = value.strip_suffix(":n").unwrap_or(value);
    match value.trim().parse() {
        Ok(number) => Ok((index, number)),
        Err(_) => Ok((index, from_text(plugin, index, name, value)?)),
    }
}

/// Reads an automation file; see [`parse_automation`].
///
/// # Errors
/// `NotFound` if it cannot be read, `LimitReached` above 64 MiB, and those of
/// [`parse_automation`].
pub fn parse_automation_file(
    path: impl AsRef<Path>,
    plugin: &dyn Parameters,
    times: &AutomationTimes,
) -> Result<Vec<ParameterChange>, Error> {
    let path = path.as_ref();
    let cannot = |error: std::io::Error| {
        let message = match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("Automation file not found: {}", path.display())
            }
            _ => format!("cannot read automation file {}: {error}", path.display()),
        };
        Error::new(ErrorReason::NotFound, message)
    };
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_FILE_BYTES {
        return Err(Error::new(
            ErrorReason::LimitReached,
            format!(
                "automation file {} has {size} bytes; the most that is read is {MAX_FILE_BYTES}",
                path.display()
            ),
        ));
    }
    parse_automation(&std::fs::read(path).map_err(cannot)?, plugin, times)
}

/// The changes that the bytes of an automation file stand for, sorted by offset and else in the
/// file's order.
///
/// # Errors
/// `InvalidInput` if it is not JSON or of another form, names no parameter of the plugin, or
/// stands for more than a million changes; errors of the plugin that are not about a text are
/// passed on.
pub fn parse_automation(
    file: &[u8],
    plugin: &dyn Parameters,
    times: &AutomationTimes,
) -> Result<Vec<ParameterChange>, Error> {
    if times.block_size == 0 {
        return Err(Error::invalid("block_size must be at least 1, got 0"));
    }
    let Json::Object(specs) = json::parse(file)? else {
        return Err(Error::invalid(
            "Automation file must contain a JSON object at the top level.",
        ));
    };
    let mut changes = Vec::new();
    for (name, spec) in specs {
        let parameter = plugin.find_param(&name)?;
        let value = |spec: &Json, expected| value(plugin, parameter, &name, spec, expected);
        let Json::Object(keys) = spec else {
            let value = value(&spec, "number, string, or object")?;
            changes.push(ParameterChange {
                offset: 0,
                parameter,
                value,
            });
            continue;
        };
        let mut keyframes = keys
            .iter()
            .map(|(key, spec)| Ok((time(key, times)?, value(spec, "number or string")?)))
            .collect::<Result<Vec<_>, Error>>()?;
        keyframes.sort_by_key(|(offset, _)| *offset);
        for (offset, value) in between(&keyframes, times.block_size) {
            if changes.len() >= MAX_CHANGES {
                return Err(Error::invalid(format!(
                    "Automation file stands for more than {MAX_CHANGES} changes, at '{name}'; \
                     use a larger block_size or keyframes less far apart."
                )));
            }
            changes.push(ParameterChange {
                offset,
                parameter,
                value,
            });
        }
    }
    changes.sort_by_key(|change| change.offset);
    Ok(changes)
}

fn value(
    plugin: &dyn Parameters,
    index: u32,
    name: &str,
    spec: &Json,
    expected: &str,
) -> Result<f64, Error> {
    match spec {
        Json::Number(number) => Ok(*number),
        Json::Text(text) => from_text(plugin, index, name, text),
        Json::Object(_) | Json::Other(_) => Err(Error::invalid(format!(
            "Invalid automation spec for '{name}': expected {expected}, got {}",
            spec.kind()
        ))),
    }
}

fn from_text(plugin: &dyn Parameters, index: u32, name: &str, text: &str) -> Result<f64, Error> {
    let read = plugin.param_from_text(index, text);
    read.map_err(|error| match error.reason {
        ErrorReason::InvalidInput | ErrorReason::PluginRefused | ErrorReason::Unsupported => {
            Error::invalid(format!(
                "Could not parse value '{text}' for parameter '{name}': {}",
                error.message
            ))
        }
        _ => error,
    })
}

/// The sample a keyframe lies at, towards 0.
fn time(key: &str, times: &AutomationTimes) -> Result<i64, Error> {
    let text = key.trim();
    #[allow(
        clippy::cast_precision_loss,
        reason = "no file has 2^53 frames, and a percentage is not exact to one"
    )]
    let offset = if let Some(percent) = text.strip_suffix('%') {
        number(percent).map(|percent| times.length as f64 * percent / 100.0)
    } else if let Some(seconds) = text.strip_suffix('s') {
        number(seconds).map(|seconds| seconds * times.sample_rate)
    } else {
        number(text)
    };
    let limit = 2f64.powi(63);
    match offset.filter(|offset| offset.abs() < limit) {
        #[allow(clippy::cast_possible_truncation, reason = "in range: checked above")]
        Some(offset) => Ok(offset as i64),
        None => Err(Error::invalid(format!(
            "Invalid keyframe time: '{key}'. Expected samples ('1000'), seconds ('1.5s') or a \
             percentage ('50%')."
        ))),
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// The keyframes, sorted, and the values between them.
fn between(keyframes: &[(i64, f64)], block_size: u32) -> impl Iterator<Item = (i64, f64)> {
    let step = i128::from(block_size);
    let mut previous: Option<(i64, f64)> = None;
    keyframes.iter().flat_map(move |&(offset, value)| {
        let (start, first) = previous.replace((offset, value)).unwrap_or((offset, value));
        let next = (i128::from(start).div_euclid(step) + 1) * step;
        let multiples = std::iter::successors(i64::try_from(next).ok(), move |at| {
            at.checked_add(i64::from(block_size))
        });
        let line = move |at: i64| {
            #[allow(
                clippy::cast_precision_loss,
                reason = "a position on the line between two keyframes"
            )]
            let part = (i128::from(at) - i128::from(start)) as f64
                / (i128::from(offset) - i128::from(start)) as f64;
            (at, first + (value - first) * part)
        };
        multiples
            .take_while(move |at| *at < offset)
            .map(line)
            .chain([(offset, value)])
    })
}
