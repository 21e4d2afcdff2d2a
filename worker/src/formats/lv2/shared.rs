//! What the two halves of an LV2 plugin share.

use std::sync::atomic::{AtomicBool, AtomicU32};

use super::host::Host;
use super::instance::Instance;
use super::parameters::ParameterInfo;
use super::ports::Ports;
use crate::formats::Values;

/// Constant but for the values, which both halves set.
pub struct Shared {
    /// The plugin; see its methods for who may call which.
    pub instance: Instance,
    /// What it was offered.
    pub host: &'static Host,
    /// Its ports.
    pub ports: Ports,
    /// Its parameters, by index.
    pub parameters: Vec<ParameterInfo>,
    /// Their values in plain units, as ports and properties have them.
    pub values: Values,
    /// Latency as last reported, in frames.
    pub latency: AtomicU32,
    /// Offline work.
    pub non_realtime: AtomicBool,
}
