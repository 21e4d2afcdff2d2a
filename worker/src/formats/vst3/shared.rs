//! What the two halves of a VST3 plugin share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use super::midi_map::MidiMap;
use crate::formats::{Marks, Notices, Values, count};

/// Constant but for the values, the latency and what events move, which both halves use.
pub struct Shared {
    /// Ids by parameter index.
    pub ids: Box<[u32]>,
    /// Ids with their indices, sorted.
    by_id: Box<[(u32, usize)]>,
    /// Normalised values by parameter index.
    pub values: Values,
    /// The values that the processor is to have: those that were asked for, of which the
    /// controller may say that they are others.
    outgoing: Values,
    /// What the processor has not been told yet.
    pub to_processor: Marks,
    /// What the controller has not been told yet.
    pub to_controller: Marks,
    /// What the plugin did.
    pub notices: Arc<Notices>,
    /// Latency as last reported, in frames.
    pub latency: AtomicU32,
    /// Which parameters MIDI controllers move.
    pub midi: MidiMap,
    /// Whether the plugin has note expressions.
    pub takes_expressions: AtomicBool,
    /// Steps by parameter index: number of values less one.
    steps: Box<[u32]>,
    /// Whether only the plugin changes it, by parameter index.
    read_only: Box<[bool]>,
}

/// What is constant about a parameter and matters on the audio thread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    pub id: u32,
    pub value: f64,
    pub steps: u32,
    pub is_read_only: bool,
}

impl Shared {
    /// For these parameters.
    pub fn new(parameters: &[Cell], notices: Arc<Notices>) -> Self {
        notices.expect_parameters(parameters.len());
        let ids: Box<[u32]> = parameters.iter().map(|cell| cell.id).collect();
        let mut by_id: Box<[(u32, usize)]> =
            ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        by_id.sort_unstable();
        Self {
            by_id,
            values: Values::new(parameters.iter().map(|cell| cell.value)),
            outgoing: Values::new(parameters.iter().map(|cell| cell.value)),
            read_only: parameters.iter().map(|cell| cell.is_read_only).collect(),
            steps: parameters.iter().map(|cell| cell.steps).collect(),
            to_processor: Marks::new(ids.len()),
            to_controller: Marks::new(ids.len()),
            ids,
            notices,
            latency: AtomicU32::new(0),
            midi: MidiMap::default(),
            takes_expressions: AtomicBool::new(false),
        }
    }

    /// The index of a parameter's id; the first where a plugin uses one twice.
    pub fn index_of(&self, id: u32) -> Option<usize> {
        let at = self.by_id.partition_point(|(known, _)| *known < id);
        let (known, index) = self.by_id.get(at)?;
        (*known == id).then_some(*index)
    }

    /// Has the processor told of a value with its next block.
    pub fn send(&self, index: usize, value: f64) {
        self.outgoing.set(index, value);
        self.to_processor.mark(index);
    }

    /// The value that was sent last.
    pub fn sent(&self, index: usize) -> f64 {
        self.outgoing.get(index)
    }

    /// Whether only the plugin changes a parameter.
    pub fn is_read_only(&self, index: usize) -> bool {
        self.read_only.get(index).is_some_and(|only| *only)
    }

    /// Takes a value that the plugin says it has; tells of it where it is another.
    pub fn hear(&self, index: usize, value: f64, by_host: bool) -> bool {
        let value = match value.is_finite() {
            true => value.clamp(0.0, 1.0),
            false => return false,
        };
        let changed = self.values.get(index).to_bits() != value.to_bits();
        if changed {
            self.values.set(index, value);
            self.notices.parameter(index, by_host);
        }
        changed
    }

    /// The normalised value of a program number for the parameter that selects programs.
    pub fn program_value(&self, parameter: Option<usize>, program: u8) -> f64 {
        let steps = parameter.and_then(|at| self.steps.get(at)).copied();
        let last = steps.filter(|steps| *steps > 0).unwrap_or(127);
        (f64::from(program) / f64::from(last)).min(1.0)
    }

    /// Number of parameters.
    pub fn parameters(&self) -> u32 {
        count(self.ids.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_to_indices_and_values_stay_in_range() {
        let cell = |id, value, steps| Cell {
            id,
            value,
            steps,
            is_read_only: id == 0,
        };
        let cells = [
            cell(7, 0.5, 0),
            cell(u32::MAX - 1, 0.0, 4),
            cell(0, 1.0, 0),
            cell(7, 0.25, 0),
        ];
        let shared = Shared::new(&cells, Arc::new(Notices::new()));
        assert_eq!(shared.index_of(7), Some(0));
        assert_eq!(shared.index_of(0), Some(2));
        assert_eq!(shared.index_of(u32::MAX - 1), Some(1));
        assert_eq!(shared.index_of(8), None);
        assert!(!shared.hear(0, f64::NAN, false) && !shared.hear(0, 0.5, false));
        assert!(shared.hear(0, 7.0, false));
        assert_eq!(shared.values.get(0), 1.0);
        shared.send(1, 0.75);
        assert_eq!((shared.sent(1), shared.values.get(1)), (0.75, 0.0));
        assert!(shared.to_processor.has(1) && !shared.to_processor.has(0));
        assert!(shared.is_read_only(2) && !shared.is_read_only(1) && !shared.is_read_only(9));
        let value = |parameter, program| shared.program_value(Some(parameter), program);
        assert_eq!((value(1, 2), value(1, 99), value(0, 127)), (0.5, 1.0, 1.0));
    }
}
